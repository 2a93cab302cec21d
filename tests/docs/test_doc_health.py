"""The tables of operations.md on health and metrics are those of the code."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta

import pytest
from pages import page, table_rows
from prometheus_client.parser import text_string_to_metric_families

from sessionmill.store.facts import KEPT_FREE
from sessionmill.view import instance_checks, processor_checks
from sessionmill.view.checks import span
from sessionmill.view.health import BUILT, Condition, Gathered, OfProcessor, Scheduler, Surroundings
from sessionmill.view.metrics import Metrics, RunTotals, Told, Totals

OPERATIONS = page("operations")
HEALTH, METRICS = OPERATIONS.section("Health"), OPERATIONS.section("Metrics")
ROWS = {row[0].strip("`"): row[1:] for row in table_rows(HEALTH)}
NOW = datetime(2026, 3, 20, tzinfo=UTC)


def test_every_check_is_told_in_order_and_no_other_is() -> None:
    assert list(ROWS) == [*instance_checks.CHECKS, BUILT, *processor_checks.CHECKS]
    assert all(row[0] or row[1] for row in ROWS.values()), "each can alarm"
    assert all(row[2] for row in ROWS.values()), "each says what to do"


def test_every_check_says_in_the_code_what_it_asks() -> None:
    for check in (*instance_checks.CHECKS.values(), *processor_checks.CHECKS.values()):
        assert (check.__doc__ or "").startswith("Whether ")


def megabytes(size: int) -> str:
    return f"{size >> 20} MB"


@pytest.mark.parametrize(
    ("check", "limit"),
    [
        ("figures", span(instance_checks.OLD)),
        ("figures", span(instance_checks.TOO_OLD)),
        ("disk", megabytes(KEPT_FREE)),
        ("disk", megabytes(instance_checks.LITTLE)),
        ("disk", span(instance_checks.AHEAD)),
        ("scheduler", span(instance_checks.LATE_TICK)),
        ("scheduler", span(instance_checks.TOO_LATE_TICK)),
        ("scheduler", f"{instance_checks.REFUSED_IN_A_ROW} in a row"),
        ("clock", span(instance_checks.SET_BY)),
        ("last_run", f"{processor_checks.BROKEN_IN_A_ROW} runs in a row"),
        ("last_run", span(processor_checks.LONG_RUN)),
        ("failing", f"{processor_checks.SOME:.0%}".replace("%", " %")),
        ("failing", f"{processor_checks.MOST:.0%}".replace("%", " %")),
        ("failing", f"{processor_checks.FEW} or more"),
        ("paused", span(processor_checks.LONG_PAUSE)),
        ("silence", f"{processor_checks.SILENT_IN_A_ROW} runs in a row"),
        ("silence", span(processor_checks.SILENT_FOR)),
        ("silence", f"{processor_checks.UNSEEING_IN_A_ROW} in a row"),
    ],
)
def test_limits_are_those_of_the_code(check: str, limit: str) -> None:
    assert re.search(rf"\b{re.escape(limit)}", " ".join(ROWS[check])), limit


def everything() -> str:
    """Return the metrics of a server that has something to say of everything."""
    figures = OfProcessor(
        name="usage", version=1, cadence=timedelta(minutes=10), last_success_at=NOW
    )
    usage = dict.fromkeys(
        "responses unpriced_responses prompts cost_usd tool_calls mcp_calls subagent_runs"
        " skill_invocations slash_commands input_tokens output_tokens cache_read_tokens"
        " cache_write_5m_tokens cache_write_1h_tokens".split(),
        1.0,
    )
    told = Told(
        Gathered(at=NOW, processors=[figures]),
        Totals([RunTotals("usage", "ok", 1, 1.0, 1, 0, 1)], usage),
        Surroundings(
            now=NOW,
            free_bytes=1,
            facts_bytes=1,
            control=Condition(),
            scheduler=Scheduler(alive=True, started_at=NOW),
        ),
    )
    metrics = Metrics("1", lambda: told)
    metrics.count_request("/api/health", "GET", 200, 0.1)
    return metrics.text().decode()


@pytest.mark.skipif(sys.platform != "linux", reason="those of the process are there on Linux alone")
def test_every_metric_is_told_with_its_type_labels_and_help_and_no_other_is() -> None:
    found = {}
    for family in text_string_to_metric_families(everything()):
        if not family.name.endswith("_created"):
            name = family.name + ("_total" if family.type == "counter" else "")
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            found[name] = (family.type, labels, family.documentation)
    told = {
        name.strip("`"): (kind, set(re.findall(r"`(\w+)`", labels)), about)
        for name, kind, labels, about in table_rows(METRICS)
    }
    assert told == found
