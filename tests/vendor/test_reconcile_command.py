"""`sessionmill reconcile`: what it takes, what it prints, and how it ends."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from vendor_exports import SONNET, ApiDay, Telemetry, model, write

from conftest import Mill
from sessionmill.testing import ClaudeTranscript
from sessionmill.view.reconciliation import COLUMNS, ESTIMATES

DAY = date(2026, 3, 2)
NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
TEN, FETCHED = NINE.replace(hour=10), datetime(2026, 3, 5, tzinfo=UTC)


@pytest.fixture
def team(tmp_path: Path, mill: Mill) -> Path:
    """Return the folder of a team that has been read."""
    told = ClaudeTranscript("0f3c", start=NINE)
    told.prompt()
    told.response(model=SONNET, input_tokens=10, output_tokens=20)
    told.write(tmp_path / "sessions" / "alice" / "0f3c.jsonl")
    assert mill("run", "--sessions", tmp_path / "sessions").status == 0
    return tmp_path


def day(email: str = "alice@example.com", count: int = 10) -> ApiDay:
    return ApiDay(DAY).record(email, model(SONNET, count, 20, cents=3))


def test_files_are_imported_and_compared_and_without_any_what_was(team: Path, mill: Mill) -> None:
    [page] = day().write(team)
    ended = mill("reconcile", page, "--json")
    assert (ended.status, ended.err) == (0, "")
    assert list(ended.json) == ["rows", "truncated"]
    [row] = ended.rows
    assert list(row) == COLUMNS
    assert (row["day"], row["user"], row["source"]) == ("2026-03-02", "alice", "analytics_api")
    assert row["difference_input_tokens"] == 0
    for again in (mill("reconcile", "--json"), mill("reconcile", page, page, "--json")):
        assert again.rows == [row]
    people = mill("reconcile").out.splitlines()
    assert people[0].split() == COLUMNS
    assert (len(people), people[-1]) == (5, ESTIMATES)


def test_nothing_imported_is_nothing_to_compare(mill: Mill) -> None:
    assert mill("reconcile", "--json").rows == []
    assert mill("reconcile").out == "(no rows)\n"


def test_pages_and_telemetry_in_one_call_are_told_by_what_they_hold(team: Path, mill: Mill) -> None:
    told = Telemetry("cumulative", started=NINE).tokens(TEN, "input", 10, session="0f3c")
    pages = day().record("bob@example.com", model(SONNET, 1)).write(team, size=1)
    files = [*pages, write(team / "of any name", told.content, FETCHED)]
    rows = mill("reconcile", *files, "--json").rows
    assert {(row["source"], row["vendor_name"]) for row in rows} == {
        ("analytics_api", "alice@example.com"),
        ("analytics_api", "bob@example.com"),
        ("otel", "alice@example.com"),
    }


def test_who_somebody_is_must_be_said_once(team: Path, mill: Mill) -> None:
    [page] = day("a.liddell@example.com").write(team)
    [row] = mill("reconcile", page, "--user", "alice", "--json").rows
    assert row["likely_cause"] == "not in their figures"
    said = ("--as", "a.liddell@example.com=alice")
    [row] = mill("reconcile", *said, "--user", "alice", "--json").rows
    assert (row["vendor_name"], row["likely_cause"]) == ("a.liddell@example.com", None)
    assert mill("reconcile", "--json").rows == [row]


@pytest.mark.parametrize("said", ["alice", "=alice", "a@example.com=", "="])
def test_who_is_who_is_said_in_one_way(mill: Mill, said: str) -> None:
    ended = mill("reconcile", "--as", said)
    assert ended.status == 2
    assert "VENDOR_NAME=USERNAME" in ended.err


def test_nobody_is_said_to_be_a_user_that_there_is_not(team: Path, mill: Mill) -> None:
    [page] = day().write(team)
    ended = mill("reconcile", page, "--as", "alice@example.com=alcie")
    assert ended.status == 2
    assert "'alcie'" in ended.err
    assert "known are: alice" in ended.err
    assert mill("reconcile", "--json").rows == [], "nothing was imported"


def test_days_are_chosen(team: Path, mill: Mill) -> None:
    [page] = day().write(team)
    mill("reconcile", page)
    for chosen, count in (
        (("--since", "2026-03-02"), 1),
        (("--since", "2026-03-03"), 0),
        (("--until", "2026-03-02"), 0),
        (("--until", "2026-03-03"), 1),
    ):
        assert len(mill("reconcile", *chosen, "--json").rows) == count, chosen
    assert mill("reconcile", "--since", "yesterday").status == 2


def test_a_missing_last_page_is_told(team: Path, mill: Mill) -> None:
    first, last = day().record("bob@example.com", model(SONNET, 1)).write(team, size=1)
    ended = mill("reconcile", first, "--json")
    assert ended.status == 0
    assert "Of 2026-03-02 the last page is not among these files" in ended.err
    assert mill("reconcile", first, last).err == ""


def test_a_type_of_tokens_that_nobody_knows_is_told(team: Path, mill: Mill) -> None:
    told = Telemetry("delta").tokens(NINE, "imagined", 10)
    ended = mill("reconcile", write(team / "a.jsonl", told.content, FETCHED))
    assert ended.status == 0
    assert "'imagined'" in ended.err


# ── what is refused ──


def test_a_file_of_another_kind_is_refused_and_nothing_is_imported(team: Path, mill: Mill) -> None:
    [page] = day().write(team)
    ended = mill("reconcile", page, team / "sessions" / "alice" / "0f3c.jsonl")
    assert ended.status == 2
    assert "neither a page of the Claude Code Analytics API" in ended.err
    assert "OpenTelemetry" in ended.err
    assert mill("reconcile", "--json").rows == []


def test_a_page_with_a_number_that_is_none_is_refused(team: Path, mill: Mill) -> None:
    [page] = day().write(team)
    broken = day().pages()[0].replace(b'"output": 20', b'"output": "twenty"')
    ended = mill("reconcile", page, write(team / "broken.json", broken, FETCHED))
    assert ended.status == 1
    assert "broken.json, line 1: Expected `int`, got `str`" in ended.err
    assert "twenty" not in ended.err, "what stands in a file is not told"
    assert mill("reconcile", "--json").rows == []


def test_a_file_that_is_not_there_is_refused(mill: Mill, tmp_path: Path) -> None:
    ended = mill("reconcile", tmp_path / "nowhere.json")
    assert ended.status == 2
    assert "nowhere.json cannot be read: No such file" in ended.err


def test_names_of_the_vendors_do_not_reach_a_terminal_raw(team: Path, mill: Mill) -> None:
    [page] = day("evil\x1b[31m\x9b2J@example.com").write(team)
    ended = mill("reconcile", page)
    assert "evil" in ended.out
    assert all(c.isprintable() or c == "\n" for c in ended.out)
