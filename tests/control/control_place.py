"""What the tests of the control store share."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

#: As somebody types it, and nothing else does.
PASSWORD = "canary-of-a-password"  # noqa: S105 - it opens nothing


def run_row(number: int, **given: Any) -> dict[str, Any]:
    """Return a row of the facts' `runs`."""
    row: dict[str, Any] = {
        "run_id": f"run-{number}",
        "processor_name": "usage",
        "version": 3,
        "actor": "scheduler",
        "started_at": at(2, 9).replace(tzinfo=None) + timedelta(minutes=number),
        "seconds": 1.5,
        "outcome": "ok",
        "seen": 4,
        "scanned": 3,
        "processed": 2,
        "skipped": 1,
        "capped": 0,
        "errors": 0,
        "items_extracted": 17,
        "resume_at": None,
        "pause_reason": None,
    }
    return row | given


def at(day: int, hour: int = 0) -> datetime:
    """Return a time in March 2026, UTC."""
    return datetime(2026, 3, day, hour, tzinfo=UTC)


def ask(folder: Path, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Ask the store's file, as anybody may who has it."""
    with closing(sqlite3.connect(folder / "control.db")) as connection:
        rows = connection.execute(sql, parameters).fetchall()
        connection.commit()
        return rows
