"""Figures for Prometheus: one text, from figures that were gathered before it is asked for.

No label tells of a person: there are labels for processors, kinds, routes and checks alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from sessionmill.view.checks import STATUSES
from sessionmill.view.gathered import Gathered
from sessionmill.view.health import Surroundings, health
from sessionmill.view.reports import named_statements

__all__ = ["CONTENT_TYPE_LATEST", "Metrics", "RunTotals", "Told", "Totals", "gather_totals"]

#: Seconds that answers should take, and what is too long.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1.0, 3.0, 10.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_TOKEN_CLASSES = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
#: Kinds of invocations, by the column that counts them; tools, less those that have a kind.
_INVOCATIONS = {
    "skill": "skill_invocations",
    "subagent": "subagent_runs",
    "mcp": "mcp_calls",
    "slash_command": "slash_commands",
}


@dataclass(frozen=True, slots=True)
class RunTotals:
    """All runs of one processor that ended alike."""

    processor: str
    outcome: str
    runs: int
    seconds: float
    processed: int
    errors: int
    rows: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over everything that the facts hold."""

    runs: Sequence[RunTotals] = ()
    #: Of what is counted, by the column of `usage_rollup`; empty without `usage`.
    usage: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """What metrics are made of at one moment; of what is None nothing is known."""

    gathered: Gathered | None
    totals: Totals | None
    around: Surroundings


def gather_totals(cursor: duckdb.DuckDBPyConnection) -> Totals:
    """Ask the facts; milliseconds over a million calls."""
    sql = named_statements("metrics")
    runs = [RunTotals(*row) for row in cursor.execute(sql["runs"]).fetchall()]
    [(has_usage,)] = cursor.execute(sql["has_usage"]).fetchall()
    if not has_usage:
        return Totals(runs)
    asked = cursor.execute(sql["usage"])
    columns = [column[0] for column in asked.description or ()]
    [values] = asked.fetchall()
    return Totals(runs, dict(zip(columns, values, strict=True)))


class Metrics:
    """All metrics of one server; of any thread."""

    def __init__(self, version: str, tell: Callable[[], Told]) -> None:
        """`tell` is called for each text, and must be quick; `version` is the program's."""
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "sessionmill_http_requests",
            "Requests answered, by route, method and status.",
            ["route", "method", "status"],
            registry=self._registry,
        )
        self._durations = Histogram(
            "sessionmill_http_request_duration_seconds",
            "Time from a request to the end of its answer, by route.",
            ["route"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        ProcessCollector(namespace="sessionmill", registry=self._registry)
        self._registry.register(_Told(version, tell))

    def count_request(self, route: str | None, method: str, status: int, seconds: float) -> None:
        """Count an answered request; `route` is its template, None where no route matched.

        A path as it was asked for may name a person, and there is no end of them.
        """
        template = route or "(none)"
        known = method if method in _METHODS else "(other)"
        self._requests.labels(template, known, str(status)).inc()
        self._durations.labels(template).observe(seconds)

    def text(self) -> bytes:
        """Return all of them, as CONTENT_TYPE_LATEST says."""
        return generate_latest(self._registry)


class _Told(Collector):
    """Metrics of what was gathered."""

    def __init__(self, version: str, tell: Callable[[], Told]) -> None:
        self._version, self._tell = version, tell

    def describe(self) -> Iterable[Metric]:
        """Return nothing: names are ours alone, and need not be compared with others'."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield a metric after the other."""
        told = self._tell()
        yield _gauge("info", "The program: always 1.", ["version"], [([self._version], 1)])
        yield from _of_instance(told)
        yield from _of_processors(told.gathered)
        if told.totals is not None:
            yield from _of_runs(told.totals.runs)
            yield from _of_usage(told.totals.usage)


def _of_instance(told: Told) -> Iterator[Metric]:
    around, gathered = told.around, told.gathered
    yield _gauge(
        "check_status",
        "What each check of health found: 0 ok, 1 unknown, 2 warning, 3 error.",
        ["check"],
        [
            ([name], STATUSES.index(found.status))
            for name, found in health(gathered, around).checks.items()
        ],
    )
    if around.facts_bytes is not None:
        yield _gauge(
            "facts_bytes", "Size of the facts, their log included.", [], around.facts_bytes
        )
    if around.free_bytes is not None:
        help_text = "Free room on the disk of the data directory."
        yield _gauge("disk_free_bytes", help_text, [], around.free_bytes)
    if gathered is not None:
        age = (around.now - gathered.at).total_seconds()
        yield _gauge("figures_age_seconds", "Age of all that is told of the facts.", [], age)
        number = gathered.commit_number
        yield _gauge("commit_number", "The number of the last commit.", [], number)


def _of_processors(gathered: Gathered | None) -> Iterator[Metric]:
    if gathered is None:
        return
    at, processors = gathered.at, gathered.processors

    def gauge(name: str, help_text: str, value: Callable[[Any], float | None]) -> Metric:
        samples = [([p.name], value(p)) for p in processors]
        told = [(labels, number) for labels, number in samples if number is not None]
        return _gauge(name, help_text, ["processor"], told)

    yield gauge("transcripts_pending", "Transcripts that wait to be read.", lambda p: p.pending)
    yield gauge(
        "transcripts_failing",
        "Transcripts that it failed on, and tries again.",
        lambda p: p.failing,
    )
    yield gauge("dead_letters", "Transcripts that it has given up.", lambda p: p.dead)
    yield gauge(
        "lag_seconds",
        "How long the transcript has waited that waits longest; 0 where none does.",
        lambda p: max(0.0, (at - (p.waiting_since or at)).total_seconds()),
    )
    yield gauge(
        "last_success_age_seconds",
        "Time since the beginning of the last run that succeeded.",
        lambda p: p.last_success_at and max(0.0, (at - p.last_success_at).total_seconds()),
    )


_SUMS: tuple[tuple[str, str, Callable[[RunTotals], float]], ...] = (
    ("run_seconds", "Time that runs have taken.", lambda r: r.seconds),
    ("transcripts_processed", "Transcripts that runs processed.", lambda r: r.processed),
    ("run_errors", "Errors that runs met: of sessions, roots and files.", lambda r: r.errors),
    ("rows_written", "Rows that runs wrote.", lambda r: r.rows),
)


def _of_runs(runs: Sequence[RunTotals]) -> Iterator[Metric]:
    help_text = "Runs that have ended, by how they did."
    ended: list[tuple[list[str], float]] = [([r.processor, r.outcome], r.runs) for r in runs]
    yield _counter("runs", help_text, ["processor", "outcome"], ended)
    for name, help_text, value in _SUMS:
        sums: dict[str, float] = {}
        for one in runs:
            sums[one.processor] = sums.get(one.processor, 0) + value(one)
        samples = [([processor], total) for processor, total in sums.items()]
        yield _counter(name, help_text, ["processor"], samples)


def _of_usage(usage: Mapping[str, float]) -> Iterator[Metric]:
    if not usage:
        return
    yield _counter("responses", "Responses of models, each counted once.", [], usage["responses"])
    tokens: list[tuple[list[str], float]] = [([c], usage[f"{c}_tokens"]) for c in _TOKEN_CLASSES]
    yield _counter("tokens", "Tokens of responses, by class.", ["token_class"], tokens)
    kinds = {kind: usage[column] for kind, column in _INVOCATIONS.items()}
    tools = usage["tool_calls"] - kinds["skill"] - kinds["subagent"] - kinds["mcp"]
    yield _counter(
        "invocations",
        "Invocations, by kind; tool: those of no other kind.",
        ["kind"],
        [(["tool"], tools), *(([kind], number) for kind, number in kinds.items())],
    )
    yield _counter("prompts", "Prompts that people typed.", [], usage["prompts"])
    cost = "Cost of priced responses in US dollars: an estimate at list price, no bill."
    yield _counter("cost_usd", cost, [], usage["cost_usd"])
    unpriced = "Responses without a price, which the cost leaves out."
    yield _counter("unpriced_responses", unpriced, [], usage["unpriced_responses"])


Samples = float | Sequence[tuple[Sequence[str], float]]


def _gauge(name: str, help_text: str, labels: Sequence[str], samples: Samples) -> Metric:
    return _filled(GaugeMetricFamily(f"sessionmill_{name}", help_text, labels=labels), samples)


def _counter(name: str, help_text: str, labels: Sequence[str], samples: Samples) -> Metric:
    return _filled(CounterMetricFamily(f"sessionmill_{name}", help_text, labels=labels), samples)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, samples: Samples) -> Metric:
    told = [((), samples)] if isinstance(samples, int | float) else samples
    for labels, value in told:
        family.add_metric(labels, value)
    return family
