"""The runs that the facts tell of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import duckdb

_COLUMNS = """
    run_id, processor_name, version, actor, started_at, seconds, outcome, seen, scanned, processed,
    skipped, capped, errors, items_extracted, resume_at, pause_reason
"""


def runs_since(
    cursor: duckdb.DuckDBPyConnection, since: datetime | None = None
) -> list[dict[str, Any]]:
    """Return the rows of `runs` that began at or after a time (UTC, naive), the oldest first."""
    cursor.execute(
        f"SELECT {_COLUMNS} FROM runs WHERE $since IS NULL OR started_at >= $since"
        " ORDER BY started_at, run_id",
        {"since": since},
    )
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def one(cursor: duckdb.DuckDBPyConnection, run_id: str) -> dict[str, Any] | None:
    """Return one row of `runs`."""
    cursor.execute(f"SELECT {_COLUMNS} FROM runs WHERE run_id = ?", [run_id])
    names = [column[0] for column in cursor.description or ()]
    row = cursor.fetchone()
    return dict(zip(names, row, strict=True)) if row else None


def newest(
    cursor: duckdb.DuckDBPyConnection,
    *,
    processor: str | None,
    before: Sequence[str] | None,
    limit: int,
) -> duckdb.DuckDBPyConnection:
    """Ask for runs, the latest first: `limit` of them and one more, behind (started_at, run_id)."""
    started_at, run_id = before or (None, None)
    return cursor.execute(
        f"""
        SELECT {_COLUMNS} FROM runs
         WHERE ($processor IS NULL OR processor_name = $processor)
           AND ($started_at IS NULL
                OR (started_at, run_id) < (CAST($started_at AS TIMESTAMP), $run_id))
         ORDER BY started_at DESC, run_id DESC
         LIMIT $limit
        """,
        {"processor": processor, "started_at": started_at, "run_id": run_id, "limit": limit + 1},
    )
