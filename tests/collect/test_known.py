"""A second look at transcripts that are known: whatever bytes their paths are of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sessionmill.collect.discover import Found
from sessionmill.collect.known import find_again, look_again
from sessionmill.collect.roots import claude_home, claude_root, kept_days, sessions_root
from sessionmill.errors import TranscriptClosed, TranscriptGone
from sessionmill.paths import native, written


def known(path: Path) -> Found:
    """Return what is stored of a transcript: its path as text."""
    return Found(f"alice/{path.stem}.jsonl", "alice", "/root", written(str(path)), 0, 0)


@pytest.mark.parametrize(
    "name",
    [b"plain", "naïve 🦆".encode(), b"caf\xe9", b"\xff\xfe", rb"a\x41b", rb"a\xe9b", b"\n\x1b"],
)
def test_a_path_is_found_again_by_the_text_it_was_stored_as(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(b"{}\n")
    text = written(str(path))
    text.encode("utf-8")
    assert native(text) == str(path)
    assert find_again(known(path)).path == str(path)
    assert find_again(known(path)).size == 3


def test_what_is_not_there_is_gone_and_what_is_no_file_as_well(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe.jsonl")
    for name in ("absent.jsonl", "folder.jsonl", "pipe.jsonl", "file/below.jsonl"):
        with pytest.raises(TranscriptGone):
            find_again(known(tmp_path / name))


def test_what_is_gone_is_left_out_and_what_cannot_be_looked_at_is_an_error(tmp_path: Path) -> None:
    there, circle = tmp_path / "there.jsonl", tmp_path / "circle.jsonl"
    there.write_text("")
    circle.symlink_to(circle)
    with pytest.raises(TranscriptClosed):
        find_again(known(circle))
    walk = look_again(map(known, [there, circle, tmp_path / "absent.jsonl"]))
    assert [found.path for found in walk.found] == [str(there)]
    assert [path for path, _ in walk.errors] == [str(circle)]
    assert walk.complete == [], "it proves of nothing that it is gone"


def test_the_words_of_a_gone_transcript_can_be_typed_whatever_its_key() -> None:
    error = TranscriptGone("o'neil/0f3c.jsonl", "/work/0f3c.jsonl")
    assert "o'\"'\"''\"'\"'neil" in str(error), "quoted for SQL, and that for the shell"


def test_a_home_says_how_long_it_keeps_transcripts_and_a_mere_folder_does_not(
    tmp_path: Path,
) -> None:
    home = tmp_path / "claude"
    (home / "projects").mkdir(parents=True)
    (tmp_path / "copies").mkdir()
    for given, expected in (
        (claude_root(home, "alice"), home),
        (claude_root(home / "projects", "alice"), home),
        (claude_root(tmp_path / "copies", "alice"), None),
        (sessions_root(home), None),
    ):
        assert claude_home(given) == expected


@pytest.mark.parametrize(
    ("settings", "days"),
    [
        (None, 30),
        ("{}", 30),
        ('{"cleanupPeriodDays": 90}', 90),
        ('{"cleanupPeriodDays": true}', 30),
        ('{"cleanupPeriodDays": "90"}', 30),
        ("[]", 30),
        ("{not JSON", 30),
    ],
)
def test_days_that_are_said_are_kept_and_else_the_clients_own(
    tmp_path: Path, settings: str | None, days: int
) -> None:
    if settings is not None:
        (tmp_path / "settings.json").write_text(settings)
    assert kept_days(tmp_path) == days
