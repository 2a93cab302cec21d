"""What commands show of costs, and what `prices` shows."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from conftest import Mill
from sessionmill.testing import ClaudeTranscript
from sessionmill.view.reports import ESTIMATE

TOKENS: dict[str, Any] = {"input_tokens": 1_000_000, "output_tokens": 0}


@pytest.fixture
def team(tmp_path: Path, mill: Mill) -> None:
    """Read in a session: one response at list price, one fast one, one of nobody's model."""
    told = ClaudeTranscript("a")
    told.prompt()
    told.response(model="claude-opus-5", **TOKENS)
    told.response(model="claude-opus-5", speed="fast", **TOKENS)
    told.response(model="my-model", **TOKENS)
    told.write(tmp_path / "team" / "alice" / "a.jsonl")
    assert mill("run", "usage", "--sessions", tmp_path / "team").status == 0


@pytest.mark.usefixtures("team")
def test_reports_show_costs_and_say_what_they_are(mill: Mill) -> None:
    for by in ("total", "day", "week", "month", "user", "project", "session"):
        told = mill("report", "usage", "--by", by, "--json")
        assert list(told.json) == ["rows", "truncated"], "as every list"
        [row] = told.rows
        assert (row["cost_usd"], row["unpriced_responses"]) == (15.0, 1), by
        assert ESTIMATE in mill("report", "usage", "--by", by).out
    by_model = {
        row["model"]: row for row in mill("report", "usage", "--by", "model", "--json").rows
    }
    assert by_model["claude-opus-5"]["cost_usd"] == 15.0
    assert by_model["my-model"]["cost_usd"] is None, "never 0"
    assert ESTIMATE not in mill("report", "usage", "--by", "tool").out


@pytest.mark.usefixtures("team")
def test_sessions_show_costs(mill: Mill) -> None:
    [row] = mill("sessions", "--json").rows
    assert (row["cost_usd"], row["unpriced_responses"]) == (15.0, 1)
    assert ESTIMATE in mill("sessions").out


def test_where_nothing_was_answered_nothing_was_paid(tmp_path: Path, mill: Mill) -> None:
    told = ClaudeTranscript("a")
    told.prompt()
    told.write(tmp_path / "team" / "alice" / "a.jsonl")
    mill("run", "usage", "--sessions", tmp_path / "team")
    for command in (("report", "usage"), ("report", "usage", "--by", "user"), ("sessions",)):
        [row] = mill(*command, "--json").rows
        assert Decimal(row["cost_usd"]) == 0, command


@pytest.mark.usefixtures("team")
def test_prices_shows_what_is_priced_how_and_what_is_not(mill: Mill) -> None:
    rows = mill("prices", "--json").rows
    told = [
        (row["model"], row["speed"], row["responses"], row["input_per_million"], row["unpriced"])
        for row in rows
    ]
    assert told == [
        ("claude-opus-5", "standard", 1, 5.0, None),
        ("claude-opus-5", "fast", 1, 10.0, None),
        ("my-model", "standard", 1, None, "unknown model"),
    ]
    assert rows[0]["source"].startswith("genai-prices ")


@pytest.mark.usefixtures("team")
def test_a_price_of_ones_own_counts_at_once(mill: Mill, data: Path) -> None:
    (data / "config.toml").write_text('[[prices]]\nmodel = "my-model"\ninput_per_million = 2.5\n')
    [row] = mill("report", "usage", "--json").rows
    assert (row["cost_usd"], row["unpriced_responses"]) == (17.5, 0)
    [own] = mill("prices", "my-model", "--json").rows
    assert (own["source"], own["input_per_million"]) == ("configuration", 2.5)


def test_prices_of_a_model_are_shown_with_their_history(mill: Mill, data: Path) -> None:
    data.mkdir()
    (data / "config.toml").write_text(
        '[[prices]]\nmodel = "claude-opus-4-6"\ninput_per_million = 4\nvalid_from = 2026-11-01\n'
    )
    rows = [
        (row["valid_from"], row["from_tokens"], row["input_per_million"], row["applies_now"])
        for row in mill("prices", "claude-opus-4-6", "--json").rows
        if row["service_tier"] == "standard"
    ]
    assert rows == [
        ("2026-11-01T00:00:00Z", 0, 4.0, True),
        (None, 0, 5.0, False),
        (None, 200_001, 10.0, False),
        ("2026-03-13T00:00:00Z", 0, 5.0, False),
    ]
    assert mill("prices", "nobodys", "--json").rows == []


def test_a_bad_price_is_said_and_exits_2(mill: Mill, data: Path) -> None:
    data.mkdir()
    (data / "config.toml").write_text('[[prices]]\nmodel = "m"\ninput_per_million = "5"\n')
    ended = mill("report", "usage")
    assert (ended.status, ended.out) == (2, "")
    assert "input_per_million is an amount of USD" in ended.err


def test_no_command_imports_the_package_that_prices_come_from(mill: Mill) -> None:
    ended = mill("prices", PYTHONPROFILEIMPORTTIME="1")
    assert ended.status == 0
    assert "sessionmill.prices" in ended.err
    assert "genai_prices" not in ended.err
