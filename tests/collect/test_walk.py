"""One walk: every transcript once, everything else passed over with a reason, errors told."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sessionmill.collect.discover import Walk, walk
from sessionmill.collect.roots import claude_root, codex_root, sessions_root
from sessionmill.testing import ClaudeTranscript


def transcript(prompts: int = 1) -> ClaudeTranscript:
    told = ClaudeTranscript()
    for _ in range(prompts):
        told.prompt()
    return told


def put(path: Path, prompts: int = 1) -> Path:
    return transcript(prompts).write(path)


def keys(walked: Walk) -> list[str]:
    return sorted(found.session_key for found in walked.found)


@pytest.fixture
def team(tmp_path: Path) -> Path:
    """Make a root of a team with one transcript of alice's."""
    put(tmp_path / "team" / "alice" / "a.jsonl")
    return tmp_path / "team"


# Usernames


def test_a_hidden_folder_is_nobodys_name(team: Path) -> None:
    put(team / ".trash" / "b.jsonl")
    walked = walk([sessions_root(team)])
    assert keys(walked) == ["alice/a.jsonl"]
    assert walked.passed_over == [(str(team / ".trash"), "hidden: no user's name")]
    assert walked.complete == [str(team)], "that is no error"


def test_a_username_is_the_composed_form_of_the_folders_name(team: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "josé")
    put(team / decomposed / "b.jsonl")
    names = {found.username for found in walk([sessions_root(team)]).found}
    assert names == {"alice", "jos\u00e9"}
    assert "jos\u00e9/b.jsonl" in keys(walk([sessions_root(team)]))


def test_a_username_is_otherwise_taken_as_it_is(team: Path) -> None:
    for name in ("Alice", "alice@example.com", "a b", "-x", "日本", "ALICE "):
        put(team / name / "b.jsonl")
    names = {found.username for found in walk([sessions_root(team)]).found}
    assert names == {"alice", "Alice", "alice@example.com", "a b", "-x", "日本", "ALICE "}


def test_a_transcript_in_no_users_folder_is_passed_over(team: Path) -> None:
    put(team / "lost.jsonl")
    (team / "readme.txt").write_text("hello")
    walked = walk([sessions_root(team)])
    assert keys(walked) == ["alice/a.jsonl"]
    assert walked.passed_over == [(str(team / "lost.jsonl"), "in no user's folder")]


def test_only_transcripts_are_looked_at(team: Path) -> None:
    for name in ("a.json", "a.jsonl.bak", "a.JSONL", "jsonl", "notes.md"):
        (team / "alice" / name).write_text("{}")
    walked = walk([sessions_root(team)])
    assert keys(walked) == ["alice/a.jsonl"]
    assert walked.passed_over == []


# What is not followed


@pytest.mark.parametrize("target", ["file", "missing"])
def test_a_link_out_of_the_root_is_passed_over(team: Path, tmp_path: Path, target: str) -> None:
    outside = put(tmp_path / "outside.jsonl") if target == "file" else tmp_path / "nowhere.jsonl"
    (team / "alice" / "link.jsonl").symlink_to(outside)
    walked = walk([sessions_root(team)])
    assert keys(walked) == ["alice/a.jsonl"]
    assert [path for path, _ in walked.passed_over] == [str(team / "alice" / "link.jsonl")]
    assert walked.complete == [str(team)]


@pytest.mark.parametrize("where", [".", "alice", "alice/-work-shop"])
def test_a_linked_folder_out_of_the_root_is_passed_over(
    team: Path, tmp_path: Path, where: str
) -> None:
    put(tmp_path / "outside" / "b.jsonl")
    (team / where).mkdir(exist_ok=True)
    link = team / where / "linked"
    link.symlink_to(tmp_path / "outside", target_is_directory=True)
    walked = walk([sessions_root(team)])
    assert keys(walked) == ["alice/a.jsonl"]
    assert walked.passed_over == [(str(link), "a link out of the root")], (
        "what is not read must be listed, else nobody knows why it is missing"
    )


def test_a_link_to_a_transcript_within_the_root_is_followed(team: Path) -> None:
    (team / "alice" / "b.jsonl").symlink_to(team / "alice" / "a.jsonl")
    walked = walk([sessions_root(team)])
    assert keys(walked) == ["alice/a.jsonl", "alice/b.jsonl"]
    assert {found.size for found in walked.found} == {(team / "alice" / "a.jsonl").stat().st_size}


def test_a_circle_of_links_ends(team: Path) -> None:
    (team / "alice" / "self.jsonl").symlink_to(team / "alice" / "self.jsonl")
    (team / "alice" / "up").symlink_to(team, target_is_directory=True)
    (team / "round").symlink_to(team, target_is_directory=True)
    walked = walk([sessions_root(team)])
    assert keys(walked) == ["alice/a.jsonl"]
    assert str(team / "alice" / "self.jsonl") in dict(walked.passed_over)


def test_what_is_no_file_is_passed_over_with_a_reason(team: Path) -> None:
    os.mkfifo(team / "alice" / "fifo.jsonl")
    (team / "alice" / "folder.jsonl").mkdir()
    put(team / "alice" / "folder.jsonl" / "inside.jsonl")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(team / "alice")  # the name of a socket may only be short
        try:
            server.bind("socket.jsonl")
        finally:
            os.chdir(here)
        walked = walk([sessions_root(team)])
    assert keys(walked) == ["alice/a.jsonl"]
    assert {Path(path).name: reason for path, reason in walked.passed_over} == {
        "fifo.jsonl": "not a regular file",
        "folder.jsonl": "a directory",
        "socket.jsonl": "not a regular file",
    }
    assert walked.complete == [str(team)]


def test_a_link_to_a_fifo_is_passed_over(team: Path) -> None:
    os.mkfifo(team / "alice" / "pipe")
    (team / "alice" / "link.jsonl").symlink_to(team / "alice" / "pipe")
    walked = walk([sessions_root(team)])
    assert keys(walked) == ["alice/a.jsonl"]
    assert [path for path, _ in walked.passed_over] == [str(team / "alice" / "link.jsonl")]


# Names


NAMES = [
    b"caf\xe9.jsonl",
    b"\xff\xfe.jsonl",
    b"a\nb.jsonl",
    b"a\tb.jsonl",
    b"'\"\\.jsonl",
    b" .jsonl",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_any_bytes_has_a_key_of_text_and_can_be_opened(team: Path, name: bytes) -> None:
    path = put(team / "alice" / os.fsdecode(name))
    walked = walk([sessions_root(team)])
    [other] = [found for found in walked.found if found.session_key != "alice/a.jsonl"]
    other.session_key.encode()  # a database must be able to hold it
    assert other.path == str(path)
    assert walked.errors == []


def test_names_that_differ_in_bytes_have_different_keys(team: Path) -> None:
    for name in NAMES:
        put(team / "alice" / os.fsdecode(name))
    assert len(set(keys(walk([sessions_root(team)])))) == len(NAMES) + 1


def test_a_user_of_any_bytes_has_a_name_of_text(team: Path) -> None:
    put(team / os.fsdecode(b"jos\xe9") / "b.jsonl")
    names = {found.username for found in walk([sessions_root(team)]).found}
    assert names == {"alice", "jos\\xe9"}


# Roots


@pytest.mark.parametrize(
    "make", [sessions_root, lambda f: claude_root(f, "al"), lambda f: codex_root(f, "al")]
)
def test_a_named_root_that_is_missing_is_an_error(tmp_path: Path, make: Any) -> None:
    walked = walk([make(tmp_path / "nowhere")])
    [reason] = [reason for _, reason in walked.errors]
    assert reason.startswith("there is no such directory. Nothing that it held is marked as gone")
    assert "nowhere" in walked.errors[0][0]
    assert walked.complete == [], "nothing can be missed in it"


def test_a_root_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    walked = walk([sessions_root(tmp_path / "file")])
    assert len(walked.errors) == 1
    assert walked.complete == []


def test_a_root_that_was_only_looked_for_may_be_missing(tmp_path: Path) -> None:
    walked = walk(
        [
            claude_root(tmp_path / "nowhere", "alice", expected=False),
            codex_root(tmp_path / "nowhere either", "alice", expected=False),
        ]
    )
    assert walked == Walk(
        absent=[
            str(tmp_path / "nowhere" / "projects"),
            str(tmp_path / "nowhere either"),
        ]
    )


def test_an_empty_root_is_walked_to_its_end(tmp_path: Path) -> None:
    walked = walk([sessions_root(tmp_path)])
    assert walked == Walk(complete=[str(tmp_path)])


def test_a_missing_root_takes_no_other_with_it(team: Path, tmp_path: Path) -> None:
    walked = walk([sessions_root(tmp_path / "nowhere"), sessions_root(team)])
    assert keys(walked) == ["alice/a.jsonl"]
    assert walked.complete == [str(team)]


def test_a_root_given_twice_is_walked_once(team: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(team, target_is_directory=True)
    names = [team, team, team / "alice" / "..", tmp_path / "link", Path(f"{team}/")]
    walked = walk([sessions_root(name) for name in names])
    assert keys(walked) == ["alice/a.jsonl"]
    assert walked.errors == []
    assert walked.complete == [str(team)]


def test_a_root_that_is_itself_a_link_is_followed(team: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(team, target_is_directory=True)
    walked = walk([sessions_root(tmp_path / "link")])
    assert keys(walked) == ["alice/a.jsonl"]
    assert walked.found[0].root == str(team), "by whatever name it is given, it is one root"


def test_a_folder_within_a_root_given_too_gives_each_transcript_once(team: Path) -> None:
    walked = walk([sessions_root(team), claude_root(team / "alice", "alice")])
    assert keys(walked) == ["alice/a.jsonl"]
    assert walked.errors == []


# Two files with one key


@pytest.mark.parametrize("longer_first", [True, False])
def test_of_two_files_with_one_key_the_one_that_extends_the_other_counts(
    tmp_path: Path, longer_first: bool
) -> None:
    sizes = (3, 1) if longer_first else (1, 3)
    paths = [put(tmp_path / r / "alice" / "a.jsonl", n) for r, n in zip("xy", sizes, strict=True)]
    walked = walk([sessions_root(tmp_path / "x"), sessions_root(tmp_path / "y")])
    [found] = walked.found
    assert found.path == str(paths[0 if longer_first else 1])
    assert found.size == len(bytes(transcript(3)))
    assert walked.errors == []
    assert walked.complete == [str(tmp_path / "x"), str(tmp_path / "y")]


def test_two_equal_files_with_one_key_are_one(tmp_path: Path) -> None:
    for root in "xy":
        put(tmp_path / root / "alice" / "a.jsonl")
    walked = walk([sessions_root(tmp_path / "x"), sessions_root(tmp_path / "y")])
    assert keys(walked) == ["alice/a.jsonl"]
    assert walked.errors == []


@pytest.mark.parametrize("prompts", [1, 2])
def test_two_different_files_with_one_key_are_an_error_that_names_both(
    tmp_path: Path, prompts: int
) -> None:
    first = put(tmp_path / "x" / "alice" / "a.jsonl")
    other = ClaudeTranscript(seed=1)
    for _ in range(prompts):
        other.prompt()
    second = other.write(tmp_path / "y" / "alice" / "a.jsonl")
    walked = walk([sessions_root(tmp_path / "x"), sessions_root(tmp_path / "y")])
    assert [found.path for found in walked.found] == [str(first)], "the first is read"
    [(key, reason)] = walked.errors
    assert key == "alice/a.jsonl"
    assert f"{first} is read, {second} is not" in reason


def test_a_difference_far_into_two_files_is_seen(tmp_path: Path) -> None:
    for root, last in (("x", b"a"), ("y", b"bc")):
        told = transcript()
        told.raw(b"x" * 3_000_000 + last + b"\n")
        told.write(tmp_path / root / "alice" / "a.jsonl")
    walked = walk([sessions_root(tmp_path / "x"), sessions_root(tmp_path / "y")])
    assert len(walked.errors) == 1


def test_composed_and_decomposed_folders_of_one_name_are_one_user(team: Path) -> None:
    for form, prompts in (("NFC", 1), ("NFD", 2)):
        put(team / unicodedata.normalize(form, "é") / "a.jsonl", prompts)  # type: ignore[arg-type] # a form
    walked = walk([sessions_root(team)])
    assert keys(walked) == ["alice/a.jsonl", "\u00e9/a.jsonl"]
    assert walked.errors == []


# What may not be read


#: Walks as somebody who may read only what everybody may.
AS_NOBODY = """
import json, os, sys
from pathlib import Path
from sessionmill.collect.discover import walk
from sessionmill.collect.roots import claude_root, codex_root, sessions_root
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
makers = {
    "sessions": sessions_root,
    "claude": lambda folder: claude_root(folder, "alice"),
    "claude home": lambda folder: claude_root(folder, "alice", expected=False),
    "codex": lambda folder: codex_root(folder, "alice"),
}
kinds = sys.argv[1::2]
walked = walk([makers[kind](Path(folder)) for kind, folder in zip(kinds, sys.argv[2::2])])
print(json.dumps({
    "keys": sorted(found.session_key for found in walked.found),
    "errors": walked.errors, "complete": walked.complete,
}))
"""


def walk_as_nobody(*kinds_and_folders: object) -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, *map(str, kinds_and_folders)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return dict(json.loads(ended.stdout))


@pytest.fixture
def open_place() -> Iterator[Path]:
    """Make a root that everybody may enter, which pytest's own folders are not."""
    with tempfile.TemporaryDirectory(prefix="sessionmill-test-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        yield place
        for path in sorted(place.rglob("*")):
            path.chmod(0o755)


def allow(path: Path) -> None:
    for each in (path, *path.rglob("*")):
        each.chmod(0o755)


def test_an_unreadable_folder_is_an_error_and_its_root_is_not_walked_to_its_end(
    open_place: Path,
) -> None:
    for key in ("alice/a.jsonl", "alice/deep/b.jsonl", "bob/c.jsonl"):
        put(open_place / "team" / key)
    put(open_place / "other" / "carol" / "d.jsonl")
    allow(open_place)
    (open_place / "team" / "alice" / "deep").chmod(0o000)

    walked = walk_as_nobody("sessions", open_place / "team", "sessions", open_place / "other")
    assert walked["keys"] == ["alice/a.jsonl", "bob/c.jsonl", "carol/d.jsonl"]
    [(path, reason)] = walked["errors"]
    assert path == str(open_place / "team" / "alice" / "deep")
    assert "Permission denied" in reason
    assert reason.endswith(f"ls -ld {path}"), "the way out"
    assert walked["complete"] == [str(open_place / "other")], "what is behind may be there still"


@pytest.mark.parametrize("kind", ["sessions", "claude", "codex"])
def test_an_unreadable_root_is_an_error(open_place: Path, kind: str) -> None:
    put(open_place / "root" / "sessions" / "rollout-a.jsonl")
    allow(open_place)
    (open_place / "root").chmod(0o000)
    walked = walk_as_nobody(kind, open_place / "root")
    assert walked["keys"] == []
    assert len(walked["errors"]) == 1
    assert walked["complete"] == []


@pytest.mark.parametrize("kind", ["sessions", "claude", "claude home", "codex"])
def test_a_root_behind_an_unreadable_folder_is_no_accident(open_place: Path, kind: str) -> None:
    put(open_place / "closed" / "root" / "sessions" / "rollout-a.jsonl")
    allow(open_place)
    (open_place / "closed").chmod(0o000)
    walked = walk_as_nobody(kind, open_place / "closed" / "root")
    assert walked["keys"] == []
    assert walked["complete"] == []
    if kind != "claude home":  # which was only looked for, and may be missing
        assert len(walked["errors"]) == 1


def test_a_file_that_cannot_be_read_is_found_for_its_run_to_tell(open_place: Path) -> None:
    path = put(open_place / "team" / "alice" / "a.jsonl")
    allow(open_place)
    path.chmod(0o000)
    walked = walk_as_nobody("sessions", open_place / "team")
    assert walked["keys"] == ["alice/a.jsonl"]
    assert walked["complete"] == [str(open_place / "team")]


def test_one_of_two_files_with_one_key_that_cannot_be_read_is_an_error_that_names_it(
    open_place: Path,
) -> None:
    readable = put(open_place / "x" / "alice" / "a.jsonl")
    closed = put(open_place / "y" / "alice" / "a.jsonl", 2)
    put(open_place / "y" / "bob" / "b.jsonl")
    allow(open_place)
    closed.chmod(0o000)
    walked = walk_as_nobody("sessions", open_place / "x", "sessions", open_place / "y")
    assert walked["keys"] == ["alice/a.jsonl", "bob/b.jsonl"], "the others are found"
    assert str(closed) in str(walked["errors"])
    assert readable.exists()
