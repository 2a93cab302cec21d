"""The audit trail: rows are added, and nothing else; a run of the facts has one, and one only."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from control_place import PASSWORD, ask, at, run_row
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionmill.store.control import AuditRow, Control
from sessionmill.testing import FakeClock

FIGURES = {
    "seen": 4,
    "scanned": 3,
    "processed": 2,
    "skipped": 1,
    "capped": 0,
    "errors": 0,
    "items_extracted": 17,
}


@pytest.fixture
def control(tmp_path: Path, clock: FakeClock) -> Iterator[Control]:
    with Control(tmp_path, clock) as control:
        yield control


def row(when: datetime, action: str = "user.add", **details: Any) -> AuditRow:
    return AuditRow(when, "cli:alice", action, "user:bob", "ok", details)


def said(rows: list[AuditRow]) -> list[tuple[datetime, str]]:
    return [(one.at, one.action) for one in rows]


# ── what is written is what is read ──


def test_a_row_is_read_as_it_was_written(control: Control) -> None:
    written = row(at(2), role="admin", nothing=None, list=[1, {"two": 2.5}])
    control.audit.write(written)
    [read] = control.audit.rows()
    assert (read.at, read.actor, read.action) == (at(2), "cli:alice", "user.add")
    assert (read.resource, read.result, read.details) == ("user:bob", "ok", written.details)
    assert read.id > 0


def test_the_newest_come_first_be_they_written_earlier(control: Control) -> None:
    for day in (5, 3, 4):
        control.audit.write(row(at(day)))
    assert [one.at.day for one in control.audit.rows()] == [5, 4, 3]
    assert [one.at.day for one in control.audit.rows(limit=2)] == [5, 4]


def test_rows_of_old_runs_that_are_copied_late_hide_nothing_that_is_new(control: Control) -> None:
    control.audit.write(row(at(20)))
    control.audit.copy_runs(run_row(n) for n in range(200))
    assert control.audit.rows(limit=1)[0].action == "user.add"


@given(st.lists(st.integers(1, 5), max_size=12), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_pages_one_behind_the_other_are_the_whole_list(days: list[int], limit: int) -> None:
    with tempfile.TemporaryDirectory() as folder, Control(Path(folder), FakeClock()) as control:
        for day in days:
            control.audit.write(row(at(day)))
        whole = control.audit.rows(limit=1000)
        paged, before = [], None
        while page := control.audit.rows(limit=limit, before=before):
            paged += page
            before = page[-1].id
        assert paged == whole
        assert [one.at.day for one in paged] == sorted(days, reverse=True)


@pytest.mark.parametrize("before", [0, -1, 2, 2**63, 10**30, -(10**30)])
def test_behind_a_row_that_never_was_there_is_nothing(control: Control, before: int) -> None:
    control.audit.write(row(at(2)))
    assert control.audit.rows(before=before) == []


def test_an_action_is_asked_for_whole_or_by_its_first_words(control: Control) -> None:
    for action in (
        "run_session_processor:usage",
        "run_session_processor:usage-2",
        "run_session_processors",
        "token.add",
        "token",
        "tokenize",
        "run_session_processor:a%b",
    ):
        control.audit.write(row(at(2), action))

    def asked(action: str) -> set[str]:
        return {one.action for one in control.audit.rows(action=action)}

    assert asked("run_session_processor") == {
        "run_session_processor:usage",
        "run_session_processor:usage-2",
        "run_session_processor:a%b",
    }
    assert asked("run_session_processor:usage") == {"run_session_processor:usage"}
    assert asked("token") == {"token", "token.add"}
    assert asked("%") == asked("run_session_processor:a_b") == asked("\udcff") == set()


@pytest.mark.parametrize(
    "since",
    [
        at(3),
        at(3).replace(tzinfo=None),
        datetime.fromisoformat("2026-03-03T09:00:00+09:00"),
    ],
    ids=str,
)
def test_since_a_time_is_in_utc_where_no_zone_is_named(
    control: Control, since: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    for day in (2, 3, 4):
        control.audit.write(row(at(day)))
    assert [one.at.day for one in control.audit.rows(since=since)] == [4, 3]


def test_since_the_first_day_there_is_and_since_the_last(control: Control) -> None:
    control.audit.write(row(at(2)))
    zone = datetime.fromisoformat("2026-03-03T09:00:00+09:00").tzinfo
    assert len(control.audit.rows(since=datetime.min.replace(tzinfo=zone))) == 1
    assert control.audit.rows(since=datetime.max.replace(tzinfo=UTC)) == []


def test_bytes_that_are_no_text_are_written_out(control: Control) -> None:
    odd = "session:alice/\udcff.jsonl"
    control.audit.write(AuditRow(at(2), "cli:alice", "content.read", odd, "ok", {"key": odd}))
    [read] = control.audit.rows()
    assert read.resource == read.details["key"] == "session:alice/\\udcff.jsonl"


def test_a_tokens_secret_that_was_given_for_a_name_is_not_kept(
    control: Control, tmp_path: Path
) -> None:
    control.users.add("alice")
    _, secret = control.tokens.add("alice", "laptop")
    details = {"reason": f"There is no user '{secret}'.", "list": [{"deep": secret}]}
    control.audit.write(
        AuditRow(at(2), "cli:alice", "user.edit", f"user:{secret}", "refused", details)
    )
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("control.db*"))
    assert secret.encode() not in kept
    assert control.audit.rows()[0].details["reason"] == "There is no user 'smt_…'."


# ── it only grows ──


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'nobody'",
        "UPDATE audit SET details = '{}' WHERE id = 1",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit SELECT id, at, 'nobody', action, resource, result, details,"
        " run_id FROM audit",
        "INSERT OR REPLACE INTO audit SELECT NULL, at, 'nobody', action, resource, result, details,"
        " run_id FROM audit WHERE run_id IS NOT NULL",
        "REPLACE INTO audit SELECT id, at, 'nobody', action, resource, result, details, run_id"
        " FROM audit",
    ],
)
def test_no_statement_changes_or_removes_a_row(
    control: Control, tmp_path: Path, statement: str
) -> None:
    control.audit.write(row(at(2)))
    control.audit.copy_runs([run_row(1)])
    before = control.audit.rows()
    with pytest.raises(sqlite3.IntegrityError, match="only grows"):
        ask(tmp_path, statement)
    assert control.audit.rows() == before


def test_a_change_and_its_row_are_kept_together_or_not_at_all(control: Control) -> None:
    with pytest.raises(ZeroDivisionError), control.begin():
        control.users.add("alice", password=PASSWORD)
        control.audit.write(row(at(2)))
        raise ZeroDivisionError
    assert control.users.all() == []
    assert control.audit.rows() == []
    with control.begin():
        control.users.add("alice")
        assert control.users.named("alice").role == "member", "what it has begun it sees"
        control.audit.write(row(at(2)))
    assert len(control.users.all()) == len(control.audit.rows()) == 1


# ── rows of runs ──


def test_a_run_is_told_with_its_figures(control: Control) -> None:
    assert control.audit.copy_runs([run_row(1, outcome="some_failed")]) == 1
    [copied] = control.audit.rows()
    assert copied.action == "run_session_processor:usage"
    assert copied.resource == "job:session-processor:usage"
    assert (copied.actor, copied.result) == ("scheduler", "some_failed")
    assert copied.at == at(2, 9) + timedelta(minutes=1, seconds=1.5), "when it ended"
    assert copied.details == FIGURES | {
        "processor": "usage",
        "run_id": "run-1",
        "version": 3,
        "seconds": 1.5,
    }


def test_more_runs_than_one_statement_takes_are_copied_once(control: Control) -> None:
    runs = [run_row(n) for n in range(2500)]
    assert control.audit.copy_runs(runs[:10]) == 10
    assert control.audit.copy_runs(iter(runs + runs)) == 2490
    assert control.audit.copy_runs(runs) == 0
    assert len(control.audit.rows(limit=5000)) == 2500


@given(
    st.lists(
        st.one_of(
            st.just("run"),
            st.just("note"),
            st.tuples(st.just("copy"), st.integers(0, 30), st.integers(0, 1)),
        ),
        max_size=25,
    )
)
@settings(max_examples=40, deadline=None)
def test_whatever_is_copied_when_no_run_is_missing_and_none_is_there_twice(
    steps: list[Any],
) -> None:
    """Two processes copy what they find, some of it from the middle, while runs go on."""
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Control(folder, FakeClock()) as one, Control(folder, FakeClock()) as other:
            notes = 0
            for step in steps:
                if step == "run":
                    runs.append(run_row(len(runs)))
                elif step == "note":
                    one.audit.write(row(at(2)))
                    notes += 1
                else:
                    _, first, which = step
                    (one, other)[which].audit.copy_runs(runs[first:])
            other.audit.copy_runs(runs)
            there = one.audit.rows(limit=1000)
        copied = [found.details["run_id"] for found in there if "run_id" in found.details]
        assert sorted(copied) == sorted(run["run_id"] for run in runs)
        assert len(there) == len(runs) + notes
