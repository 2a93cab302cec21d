"""The runs that the facts tell of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import duckdb

from sessionmill.store.statements import statements


def runs_since(
    cursor: duckdb.DuckDBPyConnection, since: datetime | None = None
) -> list[dict[str, Any]]:
    """Return the rows of `runs` that began at or after a time (UTC), the oldest first."""
    return _rows(cursor.execute(statements("runs")["since"], {"since": since}))


def one(cursor: duckdb.DuckDBPyConnection, run_id: str) -> dict[str, Any] | None:
    """Return one row of `runs`."""
    rows = _rows(cursor.execute(statements("runs")["one"], {"run_id": run_id}))
    return rows[0] if rows else None


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
        statements("runs")["newest"],
        {"processor": processor, "started_at": started_at, "run_id": run_id, "limit": limit + 1},
    )


def _rows(cursor: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
