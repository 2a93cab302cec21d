"""How each processor stands: what waits for it, what it failed on, and how far it is behind."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from sessionmill.plugins import Processor, Unusable
from sessionmill.view.reports import Rows, named_statements

#: How a processor stands, as the store tells it.
STANDING = [
    "name",
    "version",
    "cadence",
    "last_run",
    "last_outcome",
    "other_version",
    "pending",
    "failing",
    "dead",
    "problem",
]
#: Sessions that a status names at most; `sql` shows all.
MOST_TROUBLED = 200


@dataclass(frozen=True, slots=True)
class Disk:
    """What the data directory takes, in bytes, and what it could still take."""

    folder: str
    facts_bytes: int
    free_bytes: int


def troubled(
    cursor: duckdb.DuckDBPyConnection,
    processor: str | None,
    limit: int = MOST_TROUBLED,
    *,
    state: str | None = None,
) -> Rows:
    """Return the failing and the dead sessions of one processor, or of all, with their errors.

    Or of one `state`: `failing` or `dead`.
    """
    cursor.execute(
        named_statements("status")["troubled"],
        {"processor": processor, "limit": limit + 1, "state": state},
    )
    return Rows.of(cursor, limit)


def lags(
    cursor: duckdb.DuckDBPyConnection, processors: Sequence[Processor], now: datetime
) -> dict[str, float]:
    """Return, by processor, how many seconds ago the longest waiting transcript was written to."""
    rows = cursor.execute(
        named_statements("status")["waiting"],
        {
            "processors": [p.name for p in processors],
            "versions": [p.version for p in processors],
            "main_only": [p.main_only for p in processors],
        },
    ).fetchall()
    # A transcript from a machine whose clock is ahead was written to in our future.
    return {name: max(0.0, round(now.timestamp() - ns / 1e9, 1)) for name, ns in rows}


def disk(folder: Path) -> Disk:
    """Weigh the facts, their log included."""
    facts = sum(path.stat().st_size for path in folder.glob("facts.duckdb*"))
    return Disk(str(folder), facts, shutil.disk_usage(folder).free)


def listed(standing: Sequence[tuple[Any, ...]], unusable: Sequence[Unusable]) -> Rows:
    """Return how processors stand; those that can't run as well, with the reason."""
    nothing = [None] * (len(STANDING) - 2)
    return Rows(STANDING, [*standing, *((u.name, *nothing, u.reason) for u in unusable)])


def with_lag(standing: Rows, lag: dict[str, float]) -> Rows:
    """Return how processors stand, with how far each is behind."""
    values = [(*row, lag.get(row[0])) for row in standing.values]
    return Rows([*standing.columns, "lag_seconds"], values)
