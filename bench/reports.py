"""Reports over a store with 20 million tool calls, against one sum over its rows.

Rows are made in the facts, not read from transcripts: a year of a team of fifty. Each report is
asked inside one process, as a server would ask it. The floor asks DuckDB for the counted calls of
each name.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, get_args

import duckdb

from bench.place import place
from bench.report import Checks, alternate, say
from sessionmill.app import App
from sessionmill.config import Config
from sessionmill.registry import Registry
from sessionmill.view import reports, work
from sessionmill.view.blocks import blocks

#: Seconds, at most, at the median.
WANTED = 0.2
#: A session's calls, responses, prompts and commits, and the seconds that it takes.
_CALLS, _RESPONSES, _PROMPTS, _COMMITS, _SECONDS = 100, 50, 5, 2, 1200
#: Rows, as the command has it.
_LIMIT = 1000
_WHERE = """
    'user' || s % 50 || '/' || s || '.jsonl' AS session_key, 's' || s AS session_id,
    'user' || s % 50 AS username, 'claude-code' AS agent, i * 500 AS line_offset,
    'p' || s % 200 AS project, '2.1.' || s % 20 AS client_version, 0 AS copy_rank,
    h AS key_hash, true AS counted,
    TIMESTAMP '2025-01-01' + to_seconds(s * {apart} + (i % {own}) * {step}) AS "at"
"""


#: A call, by numbers below a hundred and a thousand. A session uses some tools and programs of all
#: that there are, so that a hundred calls come to some thirty rows of `call_rollup`: in transcripts
#: of people they come to that many.
_CALL = """
    'toolu_' || i AS tool_use_id, 'msg_' || i // 2 AS response_id,
    'claude-opus-4-' || 5 + s % 4 AS model,
    (h >> 8) % 100 AS v, (h >> 20) % 1000 AS w,
    CASE WHEN v < 45 THEN 'Bash' WHEN v < 62 THEN 'Read' WHEN v < 76 THEN 'Edit'
         ELSE ['Grep', 'Write', 'Glob', 'TodoWrite', 'TaskUpdate', 'Task', 'Skill', 'WebFetch',
               'mcp__s' || s % 7 || '__t' || w % 3][(1 + (s + w % 3) % 9)::BIGINT] END AS name,
    CASE WHEN name = 'Task' THEN 'subagent' WHEN name = 'Skill' THEN 'skill'
         WHEN name LIKE 'mcp%' THEN 'mcp' ELSE 'tool' END AS kind,
    CASE WHEN name = 'Skill' THEN 'skill' || (s + w % 2) % 13 END AS skill,
    CASE WHEN name = 'Task' THEN 'type' || w % 5 END AS subagent_type,
    CASE WHEN name LIKE 'mcp%' THEN 's' || s % 7 END AS mcp_server,
    CASE WHEN v < 40 THEN 'program' || (s * 3 + (6 * pow(w / 1000, 3))::INTEGER) % 41
         END AS program,
    h % 17 = 0 AS is_error, CASE WHEN is_error THEN 'nonzero_exit' END AS error_kind,
    h % 50000 AS result_bytes, h % 30000 / 1000 AS duration_seconds
"""


def options(parser: argparse.ArgumentParser) -> None:
    """Add what can be given."""
    parser.add_argument("--calls", type=int, default=20_000_000)
    parser.add_argument("--runs", type=int, default=5, help="of each report")


def bench(arguments: argparse.Namespace) -> bool:
    """Measure, print, and return whether everything came out right."""
    with place() as here:
        config = Config(here.folder / "data")
        registry = Registry.of(config)
        with App(config, registry, "bench") as app:
            processors = list(registry.usable.values())
            app.store.prepare(processors)
            cursor = app.facts.cursor()
            sessions = max(1, arguments.calls // _CALLS)
            begun = time.perf_counter()
            fill(cursor, sessions)
            say(f"  made {arguments.calls:,} calls in {time.perf_counter() - begun:.0f} s")
            begun = time.perf_counter()
            checks = Checks()
            checks.equal(app.store.roll_up(processors), {}, "errors of rollups")
            say(f"  rolled them up in {time.perf_counter() - begun:.0f} s")
            [total] = reports.usage(cursor, "total").document()["rows"]
            checks.equal(total["tool_calls"], sessions * _CALLS, "tool calls")
            checks.equal(total["responses"], sessions * _RESPONSES, "responses")
            spreads = alternate(_asked(cursor), arguments.runs)
            for name, spread in spreads.items():
                late = "" if spread.median <= WANTED or name == "floor" else "  over"
                times = spread.median / spreads["floor"].median
                say(f"  {name:12} {spread.median * 1000:6.0f} ms, {times:5.1f} floors{late}")
            say(f"  at most {WANTED * 1000:.0f} ms wanted of each")
            return checks.hold_all("reports hold every call")


def _asked(cursor: duckdb.DuckDBPyConnection) -> dict[str, Callable[[], float]]:
    def timed(ask: Callable[[], object]) -> Callable[[], float]:
        def run() -> float:
            begun = time.perf_counter()
            ask()
            return time.perf_counter() - begun

        return run

    def floor() -> object:
        return cursor.execute(
            "SELECT name, count(*) FROM tool_calls WHERE counted GROUP BY name"
        ).fetchall()

    def report(by: Any) -> Callable[[], object]:
        return lambda: reports.usage(cursor, by, timezone="Europe/Berlin", limit=_LIMIT)

    def work_by(by: Any) -> Callable[[], object]:
        return lambda: work.work(cursor, by, timezone="Europe/Berlin", limit=_LIMIT)

    now = datetime(2025, 6, 1, tzinfo=UTC)
    return {
        "floor": timed(floor),
        **{by: timed(report(by)) for by in reports.GROUPS},
        "block": timed(lambda: blocks(cursor, now, limit=_LIMIT)),
        **{f"work {by}": timed(work_by(by)) for by in get_args(work.By)},
    }


def fill(cursor: duckdb.DuckDBPyConnection, sessions: int) -> None:
    """Make the rows of so many sessions, spread over a year."""
    apart = 365 * 86400 / sessions

    def rows(own: int) -> str:
        made = f"SELECT i, i // {own} AS s, hash(i) AS h FROM range({sessions * own}) t(i)"  # noqa: S608 - numbers
        where = _WHERE.format(apart=apart, own=own, step=_SECONDS // own)
        return f"{where} FROM ({made})"

    cursor.execute(
        "INSERT INTO transcripts BY NAME SELECT session_key, session_id, username, agent"  # noqa: S608 - ours
        f" FROM (SELECT {rows(1)})"
    )
    cursor.execute(
        "INSERT INTO tool_calls BY NAME"  # noqa: S608 - ours
        f" SELECT * EXCLUDE (v, w) FROM (SELECT {_CALL}, {rows(_CALLS)})"
    )
    cursor.execute(
        "INSERT INTO responses BY NAME SELECT 'msg_' || i AS response_id,"
        " 'claude-opus-4-' || 5 + s % 4 AS model, h % 100 AS input_tokens,"
        " h % 3000 AS output_tokens, h % 150000 AS cache_read_tokens,"
        f" 0 AS cache_write_5m_tokens, h % 7000 AS cache_write_1h_tokens, {rows(_RESPONSES)}"
    )
    cursor.execute(
        "INSERT INTO prompts BY NAME SELECT 'p' || i AS prompt_id, false AS queued,"
        f" false AS repeated, h % 400 AS characters, {rows(_PROMPTS)}"
    )
    cursor.execute(
        "INSERT INTO events BY NAME SELECT 'e' || i AS event_id, 'commit' AS kind,"
        f" printf('%07x', i) AS detail, {rows(_COMMITS)}"
    )
