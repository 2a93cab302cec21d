"""The status line: what the client says, and what the last run knew, on one line and soon."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from conftest import Mill
from sessionmill.cli.statusline import line
from sessionmill.demo.transcript import timestamp
from sessionmill.testing import ClaudeTranscript

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SAID = {
    "session_id": "0f3c",
    "model": {"id": "claude-opus-4-6", "display_name": "Opus"},
    "cost": {"total_cost_usd": 0.4251},
    "context_window": {"used_percentage": 45.2},
}


def standing(
    *quarters: tuple[str, str, int], began: str = "2026-03-02T10:00:00Z"
) -> dict[str, Any]:
    own = [[at, cost, 1000, unpriced] for at, cost, unpriced in quarters]
    agent = {"block_began_at": began, "quarters": own}
    return {"made_at": "2026-03-02T11:59:00Z", "users": {"alice": {"claude-code": agent}}}


def test_it_says_session_day_block_and_context() -> None:
    found = standing(
        ("2026-03-02T09:50:00Z", "1.00", 0),
        ("2026-03-02T11:00:00Z", "0.50", 0),
        ("2026-03-02T11:30:00Z", "1.50", 0),
    )
    assert line(SAID, found, "alice", NOW, UTC) == (
        "Opus | session $0.43 | today $3.00"
        " | block $2.00 at $2.00/h, 3h00m left, $8.00 projected | context 45%"
    )


def test_today_is_a_day_of_the_zone() -> None:
    found = standing(("2026-03-01T23:30:00Z", "1.00", 0), ("2026-03-02T00:30:00Z", "2.00", 0))
    assert line({}, found, "alice", NOW, UTC) == "today $2.00"
    assert line({}, found, "alice", NOW, ZoneInfo("Europe/Berlin")) == "today $3.00"


def test_what_has_no_price_is_not_taken_for_nothing() -> None:
    found = standing(("2026-03-02T11:00:00Z", "0", 3))
    assert "today $0.00 + 3 unpriced | block $0.00 + 3 unpriced at" in line({}, found, "alice", NOW)


def test_a_block_that_is_over_is_not_shown() -> None:
    found = standing(("2026-03-02T06:30:00Z", "1.00", 0), began="2026-03-02T06:00:00Z")
    assert line({}, found, "alice", datetime(2026, 3, 2, 11, 0, tzinfo=UTC), UTC) == "today $1.00"


def test_old_figures_say_how_old_they_are() -> None:
    found = standing(("2026-03-02T09:50:00Z", "1.00", 0))
    for minutes, said in ((13, "12m"), (60, "1h01m"), (59 * 60, "2d")):
        later = NOW + timedelta(minutes=minutes - (minutes == 13))
        assert f"as of {said} ago" in line({}, found, "alice", later, UTC).replace("13m", "12m")


def test_somebody_who_used_nothing_reads_zero() -> None:
    assert line({}, standing(), "bob", NOW, UTC) == "today $0.00"


def test_before_the_first_run_it_says_what_to_do(mill: Mill) -> None:
    ended = mill("statusline", stdin=json.dumps(SAID))
    assert ended.out == (
        "Opus | session $0.43 | nothing was read yet: sessionmill run | context 45%\n"
    )


@pytest.mark.parametrize("said", ["", "{}", '{"model": null, "cost": [], "context_window": "x"}'])
def test_a_client_that_says_little_gets_a_line_all_the_same(mill: Mill, said: str) -> None:
    assert mill("statusline", stdin=said).out == "nothing was read yet: sessionmill run\n"


@pytest.mark.parametrize(
    "said", ["{", "[]", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")]
)
def test_what_no_client_writes_is_refused(mill: Mill, said: str) -> None:
    ended = mill("statusline", stdin=said)
    assert ended.status == 2
    assert "stdin is not the JSON" in ended.err


def test_a_name_cannot_paint_the_terminal(mill: Mill) -> None:
    said = {"model": {"display_name": "O\x1b[31mpus\n"}}
    assert mill("statusline", stdin=json.dumps(said)).out.startswith("O[31mpus | ")


def test_after_a_run_it_knows_what_was_used_and_opens_no_facts(mill: Mill, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    transcript = ClaudeTranscript("0f3c")
    transcript.prompt()
    transcript.response(
        timestamp=timestamp(now), model="claude-opus-4-6", input_tokens=200_000, output_tokens=0
    )
    transcript.write(tmp_path / "team" / "alice" / "0f3c.jsonl")
    mill("run", "--sessions", tmp_path / "team")
    shown = mill("statusline", "--user", "alice").out
    assert "today $1.00" in shown
    assert "block $1.00" in shown
    assert "projected" in shown


def test_it_is_listed_with_its_options(mill: Mill) -> None:
    shown = mill("statusline", "--help").out
    assert "--user" in shown
    assert "--db" in shown
