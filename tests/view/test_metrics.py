"""Metrics: text that Prometheus reads, right figures, and nothing of any person."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from histories import History, everything, well
from prometheus_client.parser import text_string_to_metric_families

from sessionmill import config
from sessionmill.app import App
from sessionmill.collect.discover import walk
from sessionmill.collect.roots import sessions_root
from sessionmill.plugins import Unusable
from sessionmill.registry import Registry
from sessionmill.testing import ClaudeTranscript, FakeClock, ToolUse, mcp, skill, subagent
from sessionmill.view import reports
from sessionmill.view.health import Condition, gather
from sessionmill.view.metrics import CONTENT_TYPE_LATEST, Metrics, Told, Totals, gather_totals

CANARY, USER = "Kanarienvogel", "alouette"
#: A sample's name, and its labels.
Sample = tuple[str, frozenset[tuple[str, str]]]


def samples(text: bytes) -> dict[Sample, float]:
    """Return all values, by name and labels, as Prometheus reads them."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def of(name: str, **labels: str) -> Sample:
    return f"sessionmill_{name}", frozenset(labels.items())


@pytest.fixture
def history(clock: FakeClock, tmp_path: Path) -> Iterator[History]:
    with History(clock, tmp_path) as history:
        yield history


def told(history: History) -> Told:
    totals = gather_totals(history.facts.cursor())
    return Told(history.gathered(), totals, history.surroundings())


def said(history: History) -> dict[Sample, float]:
    return samples(Metrics("9.9", lambda: told(history)).text())


def test_every_metric_is_ours_and_says_what_it_is(history: History) -> None:
    history.write("a")
    history.run()
    metrics = Metrics("9.9", lambda: told(history))
    metrics.count_request("/api/health", "GET", 200, 0.01)
    families = list(text_string_to_metric_families(metrics.text().decode()))
    assert len(families) > 15
    for family in families:
        assert family.name.startswith("sessionmill_")
        assert family.documentation.strip()
        assert family.type in ("counter", "gauge", "histogram")
    assert "text/plain" in CONTENT_TYPE_LATEST


def test_runs_are_counted_by_processor_and_outcome(history: History) -> None:
    history.write("a", "b")
    history.run(fails=lambda name: name == "b")
    history.clock.advance(minutes=10)
    history.write("a")
    history.run()
    history.run(paused="away")
    found = said(history)
    outcomes = {"ok": 1, "errors": 1, "paused": 1}
    for outcome, count in outcomes.items():
        assert found[of("runs_total", processor="usage", outcome=outcome)] == count
    assert found[of("transcripts_processed_total", processor="usage")] == 3
    assert found[of("run_errors_total", processor="usage")] == 1
    assert found[of("rows_written_total", processor="usage")] == 3


def test_how_processors_stand_is_told(history: History) -> None:
    history.write("a", "b")
    history.run()
    history.clock.advance(minutes=10)
    history.write("bad")
    history.run(fails=everything)
    history.write("new")
    history.walk()
    history.clock.advance(minutes=5)
    found = said(history)
    for name, value in (
        ("transcripts_pending", 1),
        ("transcripts_failing", 1),
        ("dead_letters", 0),
        ("lag_seconds", 300),
        ("last_success_age_seconds", 900),
    ):
        assert found[of(name, processor="usage")] == value, name
    assert found[of("figures_age_seconds")] == 0
    assert found[of("info", version="9.9")] == 1
    assert found[of("facts_bytes")] == 10 << 20
    assert found[of("commit_number")] == history.gathered().commit_number > 0
    assert found[of("check_status", check="usage.failing")] == 2
    assert found[of("check_status", check="disk")] == 0


def test_a_processor_that_never_succeeded_has_no_age_of_its_success(history: History) -> None:
    names = {name for name, _ in said(history)}
    assert "sessionmill_last_success_age_seconds" not in names
    assert "sessionmill_dead_letters" in names


def test_where_nothing_was_gathered_the_rest_is_told(clock: FakeClock) -> None:
    around = replace(well(clock), free_bytes=None, facts=Condition("closed"))
    found = samples(Metrics("1", lambda: Told(None, None, around)).text())
    assert found[of("check_status", check="facts")] == 3
    assert of("disk_free_bytes") not in found
    assert not any("tokens" in name or "pending" in name for name, _ in found)


def test_figures_are_of_the_moment_at_which_they_are_asked_for(history: History) -> None:
    first = told(history)
    later = replace(first, around=replace(first.around, now=history.clock() + timedelta(hours=1)))
    stages = iter([first, later])
    metrics = Metrics("1", lambda: next(stages))
    ages = [samples(metrics.text())[of("figures_age_seconds")] for _ in range(2)]
    assert ages == [0, 3600]


# ── requests ──


def test_requests_are_counted_by_route_method_and_status_and_timed(clock: FakeClock) -> None:
    metrics = Metrics("1", lambda: Told(None, None, well(clock)))
    for seconds in (0.02, 0.2, 20.0):
        metrics.count_request("/api/sessions/{key}", "GET", 200, seconds)
    metrics.count_request("/api/sessions/{key}", "GET", 404, 0.001)
    found = samples(metrics.text())
    route = "/api/sessions/{key}"
    assert found[of("http_requests_total", route=route, method="GET", status="200")] == 3
    assert found[of("http_requests_total", route=route, method="GET", status="404")] == 1
    name = "http_request_duration_seconds"
    assert found[of(f"{name}_count", route=route)] == 4
    assert found[of(f"{name}_sum", route=route)] == pytest.approx(20.221)
    for limit, below in (("0.01", 1), ("0.025", 2), ("0.3", 3), ("+Inf", 4)):
        assert found[of(f"{name}_bucket", route=route, le=limit)] == below


def test_whatever_is_asked_for_makes_no_new_labels(clock: FakeClock) -> None:
    metrics = Metrics("1", lambda: Told(None, None, well(clock)))
    for number in range(100):
        metrics.count_request(None, f"{CANARY}{number}", 404, 0.0)
    text = metrics.text()
    assert CANARY.encode() not in text
    route, method = "(none)", "(other)"
    found = samples(text)
    assert found[of("http_requests_total", route=route, method=method, status="404")] == 100


def test_requests_of_many_threads_are_all_counted(clock: FakeClock) -> None:
    metrics = Metrics("1", lambda: Told(None, None, well(clock)))

    def ask() -> None:
        for _ in range(500):
            metrics.count_request("/", "GET", 200, 0.0)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = samples(metrics.text())
    assert found[of("http_requests_total", route="/", method="GET", status="200")] == 2000


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_memory_and_open_files_of_the_process_are_told(clock: FakeClock) -> None:
    found = samples(Metrics("1", lambda: Told(None, None, well(clock))).text())
    assert found[of("process_resident_memory_bytes")] > 1 << 20
    assert found[of("process_open_fds")] > 2


# ── over real facts ──


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """Facts of one user, read from a transcript that says a canary wherever it can."""
    t = ClaudeTranscript("0f3c", cwd=f"/srv/{CANARY}")
    t.prompt(CANARY)
    t.command("/clear", CANARY)
    t.response(CANARY, output_tokens=100)
    t.call(ToolUse("Bash", {"command": f"cat {CANARY}"}), result=CANARY)
    t.call(skill("commit", args=CANARY), result=CANARY)
    t.call(mcp("linear", "get_issue", query=CANARY), result=CANARY)
    t.call(subagent("Explore", CANARY), result=CANARY)
    t.write(tmp_path / "team" / USER / "0f3c.jsonl")
    settings = config.load(tmp_path / "data")
    with App(settings, Registry.of(settings), "a test") as app:
        app.make_ready()
        app.run(list(app.registry.usable.values()), walk([sessions_root(tmp_path / "team")]))
        yield app


def whole(app: App, clock: FakeClock) -> bytes:
    """Return the text of a server with this app, whose every part has something to say."""
    cursor = app.facts.cursor()
    gathered = gather(cursor, list(app.registry.usable.values()), clock())
    around = replace(well(clock), unusable=[Unusable("words", f"{CANARY} of {USER}")])
    metrics = Metrics("1", lambda: Told(gathered, gather_totals(cursor), around))
    metrics.count_request("/api/sessions/{key}", "GET", 200, 0.1)
    return metrics.text()


def test_totals_are_those_of_the_report(app: App, clock: FakeClock) -> None:
    found = samples(whole(app, clock))
    rows = reports.usage(app.facts.cursor(), "total")
    report = dict(zip(rows.columns, rows.values[0], strict=True))
    classes = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
    for token_class in classes:
        total = found[of("tokens_total", token_class=token_class)]
        assert total == report[f"{token_class}_tokens"]
    assert found[of("responses_total")] == report["responses"] > 0
    assert found[of("prompts_total")] == report["prompts"] == 1
    assert found[of("unpriced_responses_total")] == report["unpriced_responses"]
    assert found[of("cost_usd_total")] == pytest.approx(float(report["cost_usd"]))
    kinds = {"tool": 1, "skill": 1, "mcp": 1, "subagent": 1, "slash_command": 1}
    assert {k: found[of("invocations_total", kind=k)] for k in kinds} == kinds
    assert sum(kinds.values()) == report["tool_calls"] + report["slash_commands"]


def test_nothing_is_told_of_any_person_or_of_what_was_said(app: App, clock: FakeClock) -> None:
    text = whole(app, clock)
    assert b"sessionmill_invocations_total" in text
    for word in (USER, CANARY, "alice", "0f3c"):
        assert word.encode() not in text, word
    labels = {name for _, pairs in samples(text) for name, _ in pairs}
    assert labels == {
        *("processor", "outcome", "check", "version", "token_class", "kind"),
        *("route", "method", "status", "le"),
    }


def test_without_usage_there_are_no_totals_of_it(history: History) -> None:
    history.run()
    assert gather_totals(history.facts.cursor()).usage == {}
    assert Totals().usage == {}
