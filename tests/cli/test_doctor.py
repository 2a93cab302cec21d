"""`doctor`: each check finds what is there to be found, and nothing where nothing is."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_place import HERE, busy, document, write

from commands import Ended
from conftest import Mill
from sessionmill.testing import ClaudeTranscript

Finding = dict[str, Any]
Check = Callable[[str], dict[str, Finding]]
DAYS = 86400


def fill(place: Path) -> None:
    """Write transcripts with everything that a check looks for."""
    alice = place / "team" / "alice"
    one = busy("0f3c", version="2.1.9")
    one.line({"type": "marvel", "sessionId": "0f3c", "version": "2.1.9", "content": "new"})
    one.line({"type": "user", "sessionId": "0f3c", "version": "2.1.9", "cwd": 7, "novelty": 1})
    one.raw(b"\0\0" + one.lines[0])
    one.write(alice / "0f3c.jsonl")
    newer = ClaudeTranscript("7d1e", version="2.1.10")
    newer.prompt(novelty=2)
    newer.line({"type": "marvel", "sessionId": "7d1e", "version": "2.1.10"})
    newer.write(alice / "7d1e.jsonl")
    copied = busy("0f3c", version="2.1.9")
    copied.write(place / "team" / "bob" / "0f3c.jsonl")
    (alice / "empty.jsonl").write_bytes(b"")
    (alice / "notes.jsonl").write_bytes(b'{"note": 1}\n')
    cut(alice / "cut.jsonl", 9)
    cut(alice / "whole.jsonl", 1)
    cut(alice / "fresh.jsonl", 9, age=0)
    (alice / "folder.jsonl").mkdir()
    (place / "team" / ".hidden").mkdir()
    (place / "elsewhere.jsonl").write_bytes(bytes(newer))
    (alice / "link.jsonl").symlink_to(place / "elsewhere.jsonl")
    (alice / "circle").mkdir()
    write(place / "team", "alice", "gone")
    (place / "codex" / "archived_sessions").mkdir(parents=True)
    home = place / "claude"
    write(home / "projects", "-work-shop", "9b1d")
    (home / "settings.json").write_text('{"cleanupPeriodDays": 12}')


def cut(path: Path, missing: int, age: int = 2 * DAYS) -> None:
    """Write a transcript that lacks its last bytes, and was written to so long ago."""
    transcript = ClaudeTranscript(path.stem)
    transcript.prompt()
    transcript.prompt()
    path.write_bytes(bytes(transcript)[:-missing])
    moment = time.time() - age
    os.utime(path, (moment, moment))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where it all lies; the first that asks fills it."""
    return tmp_path_factory.mktemp("doctor")


def roots(place: Path) -> tuple[str | Path, ...]:
    return (
        "--sessions",
        place / "team",
        "--claude",
        place / "claude",
        "--codex",
        place / "codex",
        "--user",
        "dora",
    )


@pytest.fixture
def examined(mill: Mill, place: Path) -> Path:
    """Return a file with what one examination tells, and one beside it as people read it."""
    told = place / "told.json"
    if not told.exists():
        fill(place)
        db = ("--db", place / "db")
        assert mill("run", *roots(place), *db).status == 0
        (place / "team" / "alice" / "gone.jsonl").unlink()
        mill("run", *roots(place), *db)
        write(place / "team", "bob", "new")
        (place / "db" / "damaged-20260302T090000-7").mkdir()
        (place / "db" / "config.toml").write_text(
            'processors.extra = ["cli_processors:Broken", "cli_processors:Words"]'
        )
        absent = ("--sessions", place / "nowhere", "--sessions", place / "team")
        doctor = ("doctor", *roots(place), *absent, *db)
        people = mill(*doctor, cwd=HERE)
        assert people.status == 0, people.err
        (place / "people.txt").write_text(people.out)
        ended = mill(*doctor, "--json", cwd=HERE)
        document(ended)
        told.write_text(ended.out)
    return told


@pytest.fixture
def check(examined: Path) -> Check:
    """Return what a check has found, by subject."""
    rows = json.loads(examined.read_text())["rows"]
    return lambda name: {row["subject"]: row for row in rows if row["check"] == name}


def test_an_examination_is_one_list(examined: Path) -> None:
    told = json.loads(examined.read_text())
    assert list(told) == ["rows", "truncated"]
    assert told["truncated"] is False
    assert {tuple(row) for row in told["rows"]} == {
        ("check", "subject", "count", "detail", "to_do")
    }


def test_people_read_the_findings_of_a_check_together_with_what_to_do(examined: Path) -> None:
    lines = (examined.with_name("people.txt")).read_text().splitlines()
    start = lines.index("unknown format")
    assert [line.strip() for line in lines[start + 1 : start + 4]] == [
        "alice/empty.jsonl: empty",
        "alice/notes.jsonl: of no format that is known",
        "Nothing, unless figures of it are missed",
    ]
    assert "  claude-code marvel: 2 lines, since 2.1.9" in "\n".join(lines)
    assert "client version" in lines
    titles = [line for line in lines if not line.startswith(" ")]
    assert len(titles) == len(set(titles)), "each check is told once"


def test_it_tells_what_was_found_where(check: Check, place: Path) -> None:
    found = check("found")
    assert list(found) == [
        str(place / "team"),
        str(place / "nowhere"),
        str(place / "claude" / "projects"),
        str(place / "codex"),
    ], "a folder that is given twice is looked at once"
    assert found[str(place / "team")]["count"] == 9
    assert found[str(place / "team")]["detail"].startswith("9 transcripts, ")
    assert found[str(place / "claude" / "projects")]["detail"].startswith("1 transcript, ")
    missing = found[str(place / "nowhere")]
    assert missing["count"] == 0
    assert missing["detail"].startswith("there is no such directory")
    assert "--sessions" in missing["to_do"]


def test_it_tells_how_long_claude_code_keeps_transcripts(check: Check, place: Path) -> None:
    [(home, told)] = check("retention").items()
    assert home == str(place / "claude")
    assert told["count"] == 12
    assert f"{home}/settings.json" in told["to_do"]


def test_it_tells_what_was_passed_over_and_why(check: Check, place: Path) -> None:
    over = {subject: told["detail"] for subject, told in check("passed_over").items()}
    assert over == {
        f"{place}/team/.hidden": "hidden: no user's name",
        f"{place}/team/alice/folder.jsonl": "a directory",
        f"{place}/team/alice/link.jsonl": "a link out of the root",
        f"{place}/codex/archived_sessions": "archived by Codex",
    }


def test_it_tells_of_facts_that_were_set_aside(check: Check, place: Path) -> None:
    [(folder, told)] = check("set_aside").items()
    assert folder == f"{place}/db/damaged-20260302T090000-7"
    assert f"sessionmill sql --db {folder}" in told["to_do"]


def test_it_tells_which_processors_cannot_run(check: Check) -> None:
    [(name, told)] = check("processor").items()
    assert name == "cli_processors:Broken"
    assert told["detail"] == "ValueError: there is no model"


def test_it_tells_what_nothing_has_read_yet(check: Check) -> None:
    [told] = check("not_read").values()
    assert (told["count"], told["to_do"]) == (1, "sessionmill run")


def test_it_tells_what_is_gone_and_since_when(check: Check, place: Path) -> None:
    [(root, told)] = check("gone").items()
    assert (root, told["count"]) == (str(place / "team"), 1)
    assert f"{time.gmtime().tm_year}-" in told["detail"]


def test_it_tells_transcripts_of_no_format(check: Check) -> None:
    told = {subject: row["detail"] for subject, row in check("unknown_format").items()}
    assert told == {
        "alice/empty.jsonl": "empty",
        "alice/notes.jsonl": "of no format that is known",
    }


def test_it_counts_transcripts_by_client_version_the_newest_first(check: Check) -> None:
    versions = {subject: row["count"] for subject, row in check("client_version").items()}
    assert list(versions.items()) == [
        ("claude-code 2.1.200", 4),
        ("claude-code 2.1.10", 1),
        ("claude-code 2.1.9", 2),
    ]


def test_it_tells_unknown_types_of_lines_since_which_version_and_how_to_see_one(
    check: Check, mill: Mill, place: Path
) -> None:
    [(subject, told)] = check("unknown_line_type").items()
    assert (subject, told["count"]) == ("claude-code marvel", 2)
    assert "since 2.1.9;" in told["detail"], "2.1.9 comes before 2.1.10"
    typed = told["detail"].partition("one of them: sessionmill ")[2].split()
    shown = document(mill(*typed, "--json", "--db", place / "db"))["rows"]
    assert (shown[0]["what"], shown[0]["name"]) == ("unknown", "marvel")


def test_it_tells_unknown_fields_since_which_version(check: Check) -> None:
    [(subject, told)] = check("unknown_field").items()
    assert (subject, told["count"]) == ("claude-code novelty", 2)
    assert told["detail"] == "2 lines of a sample, since 2.1.9"


def test_it_tells_values_of_a_wrong_type(check: Check) -> None:
    [(subject, told)] = check("lost_field").items()
    assert (subject, told["count"]) == ("claude-code user", 1)
    assert told["detail"].endswith("such as in alice/0f3c.jsonl")


def test_it_tells_the_share_of_bytes_that_is_not_understood(check: Check, place: Path) -> None:
    [told] = check("not_understood").values()
    unknown = sum(
        len(line)
        for path in (place / "team").rglob("*.jsonl")
        if path.is_file() and not path.is_symlink()
        for line in path.read_bytes().splitlines(keepends=True)
        if b"marvel" in line or b"not JSON" in line or b'"note"' in line
    )
    assert told["count"] == unknown
    assert told["detail"].startswith(f"{unknown:,} of ")
    assert told["detail"].endswith("%)")


def test_it_tells_malformed_lines_and_where_one_stands(check: Check, place: Path) -> None:
    [told] = check("malformed_line").values()
    assert told["count"] == 2
    offset, key = told["detail"].partition("such as byte ")[2].split(" of ")
    assert (place / "team" / key).read_bytes()[int(offset) :].startswith(b"{not JSON}")


def test_it_tells_recovered_lines(check: Check) -> None:
    [(agent, told)] = check("recovered_line").items()
    assert (agent, told["count"]) == ("claude-code", 1)
    assert told["detail"].endswith("alice/0f3c.jsonl")


def test_it_tells_ids_that_several_users_claim(check: Check) -> None:
    [(users, told)] = check("claimed_by_several").items()
    assert users == "alice, bob"
    assert told["count"] == 5 + 4, "responses and calls"


def test_it_tells_transcripts_that_were_cut_and_no_others(check: Check) -> None:
    [(key, told)] = check("cut_short").items()
    assert key == "alice/cut.jsonl", "one lacks only a newline, another may still be written to"
    assert told["count"] > 100


def test_claims_of_different_users_are_told_apart(mill: Mill, tmp_path: Path) -> None:
    for name, users in {"0f3c": ("alice", "bob"), "7d1e": ("carol", "dan", "eve")}.items():
        for user in users:
            write(tmp_path / "team", user, name)
    mill("run", "usage", "--sessions", tmp_path / "team")
    rows = document(mill("doctor", "--sessions", tmp_path / "team", "--json"))["rows"]
    claims = {row["subject"]: row["count"] for row in rows if row["check"] == "claimed_by_several"}
    assert claims == {"alice, bob": 1, "carol, dan, eve": 1}


def test_where_all_is_well_there_is_nothing_to_do(mill: Mill, tmp_path: Path) -> None:
    write(tmp_path / "team", "alice", "0f3c")
    mill("run", "--sessions", tmp_path / "team")
    rows = document(mill("doctor", "--sessions", tmp_path / "team", "--json"))["rows"]
    assert [row["check"] for row in rows] == ["found", "client_version", "not_understood"]
    assert [row for row in rows if row["to_do"]] == []


def test_without_facts_and_transcripts_it_says_where_it_looked(mill: Mill, home: Path) -> None:
    ended = mill("doctor")
    assert ended.status == 0, ended.err
    assert f"{home}/.claude/projects: there is no such directory" in ended.out
    assert f"{home}/.codex: there is no such directory" in ended.out


def found_at(ended: Ended) -> dict[str, int]:
    rows = document(ended)["rows"]
    return {row["subject"]: row["count"] for row in rows if row["check"] == "found"}


def test_a_root_is_the_same_by_whatever_name_and_of_whatever_bytes(
    mill: Mill, tmp_path: Path
) -> None:
    real = tmp_path / os.fsdecode(b"te\xe9am")
    write(real, "alice", "0f3c")
    (tmp_path / "link").symlink_to(real)
    told = found_at(mill("doctor", "--sessions", tmp_path / "link", "--sessions", real, "--json"))
    assert told == {f"{tmp_path}/te\\xe9am": 1}


def test_a_great_many_findings_are_counted_and_said_to_be_more(mill: Mill, tmp_path: Path) -> None:
    transcript = ClaudeTranscript("0f3c")
    transcript.prompt()
    for number in range(60):
        transcript.line({"type": f"new-{number:02}", "sessionId": "0f3c"})
    transcript.write(tmp_path / "team" / "alice" / "0f3c.jsonl")
    mill("run", "inventory", "--sessions", tmp_path / "team")
    told = document(mill("doctor", "--sessions", tmp_path / "team", "--json"))
    assert told["truncated"] is True
    types = [row for row in told["rows"] if row["check"] == "unknown_line_type"]
    assert len(types) == 51
    assert (types[-1]["subject"], types[-1]["count"]) == ("…", 10)


def test_findings_do_not_reach_a_terminal_raw(mill: Mill, tmp_path: Path) -> None:
    nasty = "evil\x1b[31m\x07\u202e"
    transcript = ClaudeTranscript("0f3c")
    transcript.line({"type": nasty, "sessionId": "0f3c", nasty: 1, "version": f"9.{'9' * 5000}"})
    transcript.raw(b"{not JSON\n")
    transcript.write(tmp_path / nasty / nasty / f"{nasty}.jsonl")
    (tmp_path / nasty / f"{nasty}.jsonl").write_text("")
    mill("run", "--sessions", tmp_path / nasty)
    ended = mill("doctor", "--sessions", tmp_path / nasty)
    assert ended.status == 0, ended.err
    assert ended.out.count("evil") >= 6
    assert all(c.isprintable() or c == "\n" for c in ended.out)
