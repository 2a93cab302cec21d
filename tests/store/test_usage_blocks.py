"""Blocks are windows of five hours that follow from the hours in which somebody asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reported import read_in, report

from sessionmill.app import App
from sessionmill.demo.transcript import timestamp
from sessionmill.testing import ClaudeTranscript, CodexRollout
from sessionmill.view.blocks import LENGTH, blocks, starts

START = datetime(2026, 3, 2, 9, 40, tzinfo=UTC)
HOUR = timedelta(hours=1)


@given(st.sets(st.integers(0, 200)))
def test_every_active_hour_lies_in_one_block_and_each_block_begins_with_one(
    hours: set[int],
) -> None:
    begun = list(starts(sorted(hours)))
    assert set(begun) <= hours
    for hour in hours:
        assert sum(start <= hour < start + LENGTH for start in begun) == 1
    for earlier, later in pairwise(begun):
        assert later >= earlier + LENGTH


def told(name: str, *after: timedelta, output_tokens: int = 10) -> ClaudeTranscript:
    transcript = ClaudeTranscript(name)
    for wait in after:
        at = timestamp(START + wait)
        transcript.response(
            timestamp=at, model="claude-opus-4-6", input_tokens=100, output_tokens=output_tokens
        )
    return transcript


def rollout() -> CodexRollout:
    transcript = CodexRollout("c1", start=START)
    transcript.turn("gpt-5.4")
    transcript.tokens(100, 0, 10)
    return transcript


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    #: Two of alice's sessions share a block, whose clock the first of them starts at nine.
    transcripts = {
        "alice/a1.jsonl": told("a1", 0 * HOUR, 4.2 * HOUR, 4.4 * HOUR),
        "alice/a2.jsonl": told("a2", 1 * HOUR, 20 * HOUR),
        "bob/b1.jsonl": told("b1", 3 * HOUR),
        "alice/rollout-c1.jsonl": rollout(),
    }
    with read_in(tmp_path_factory.mktemp("blocks"), transcripts) as app:
        yield app


def listed(app: App, now: datetime, **chosen: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in blocks(app.facts.cursor(), now, **chosen).document()["rows"]]


def test_a_block_begins_at_its_first_hour_and_takes_in_all_sessions_of_one_person(app: App) -> None:
    rows = listed(app, START + 100 * HOUR)
    assert [
        (row["block"], row["ends_at"], row["user"], row["agent"], row["sessions"], row["responses"])
        for row in rows
    ] == [
        ("2026-03-02T09:00", "2026-03-02T14:00", "alice", "claude-code", 2, 3),
        ("2026-03-02T09:00", "2026-03-02T14:00", "alice", "codex", 1, 1),
        ("2026-03-02T12:00", "2026-03-02T17:00", "bob", "claude-code", 1, 1),
        ("2026-03-02T14:00", "2026-03-02T19:00", "alice", "claude-code", 1, 1),
        ("2026-03-03T05:00", "2026-03-03T10:00", "alice", "claude-code", 1, 1),
    ]


def test_blocks_hold_all_that_is_reported(app: App) -> None:
    [total] = report(app, "total")
    rows = listed(app, START)
    for column in ("responses", "input_tokens", "output_tokens", "cost_usd", "unpriced_responses"):
        assert sum(row[column] for row in rows) == total[column], column


@pytest.mark.parametrize("limit", range(1, 6))
def test_a_limit_leaves_the_last_blocks_as_they_are(app: App, limit: int) -> None:
    rows = blocks(app.facts.cursor(), START, limit=limit)
    assert rows.document()["rows"] == listed(app, START)[-limit:]
    assert rows.truncated == (limit < 5)


def test_only_the_block_that_runs_has_a_rate_and_a_projection(app: App) -> None:
    """Ten minutes after its first record a quarter of an hour of the past tells nothing."""
    rows = listed(app, START + 20 * HOUR + timedelta(minutes=10), user="alice")
    running = [row for row in rows if row["running"]]
    assert [row["block"] for row in running] == ["2026-03-03T05:00"]
    [row] = running
    assert (row["total_tokens"], row["tokens_per_minute"], row["minutes_left"]) == (110, 11.0, 250)
    assert row["projected_tokens"] == 110 + 11 * 250
    # 100 tokens at 5 dollars a million, 10 at 25.
    assert float(row["cost_usd"]) == pytest.approx(0.00075)
    assert float(row["cost_usd_per_hour"]) == pytest.approx(0.0045)
    assert float(row["projected_cost_usd"]) == pytest.approx(0.00075 * 26)
    for row in rows:
        if not row["running"]:
            assert row["tokens_per_minute"] is row["projected_tokens"] is None


def test_a_block_ends_at_its_end(app: App) -> None:
    end = datetime(2026, 3, 2, 17, tzinfo=UTC)
    [row] = listed(app, end, user="bob")
    assert row["running"] is False
    [row] = listed(app, end - timedelta(seconds=1), user="bob")
    assert row["running"] is True


def test_a_block_that_has_just_begun_has_the_rate_of_a_minute(app: App) -> None:
    [row] = listed(app, START + 3 * HOUR, user="bob")
    assert row["tokens_per_minute"] == row["total_tokens"] == 110


def test_days_choose_blocks_by_where_they_begin_and_cut_none(app: App) -> None:
    second = listed(app, START, user="alice", since=date(2026, 3, 3))
    assert [row["block"] for row in second] == ["2026-03-03T05:00"]
    first = listed(app, START, user="alice", until=date(2026, 3, 3))
    assert [row["block"] for row in first][-1] == "2026-03-02T14:00"


def test_blocks_are_written_in_the_zone_and_do_not_depend_on_it(app: App) -> None:
    [row] = listed(app, START, user="bob", timezone="Asia/Kathmandu")
    assert (row["block"], row["ends_at"]) == ("2026-03-02T17:45", "2026-03-02T22:45")


def test_what_comes_late_moves_the_blocks_as_if_it_had_been_there_before(tmp_path: Path) -> None:
    late = {"alice/a0.jsonl": told("a0", -1 * HOUR), "alice/a1.jsonl": told("a1", 3.5 * HOUR)}
    with read_in(tmp_path, late) as app:
        assert [row["block"] for row in listed(app, START)] == [
            "2026-03-02T08:00",
            "2026-03-02T13:00",
        ]
