"""Which sessions there are."""

from __future__ import annotations

from datetime import date

import duckdb

from sessionmill.errors import UsageError
from sessionmill.view.reports import Rows, check_timezone, named_statements


def sessions(
    cursor: duckdb.DuckDBPyConnection,
    *,
    user: str | None = None,
    since: date | None = None,
    limit: int = 50,
    timezone: str = "UTC",
) -> Rows:
    """Return the sessions that something happened in since a day of `timezone`, the latest first.

    Raises UsageError for a time zone that there is not, and for a limit below 1.
    """
    if limit < 1:
        raise UsageError("--limit is more than zero")
    check_timezone(cursor, timezone)
    cursor.execute(
        named_statements("sessions")["sessions"],
        {"user": user, "since": since, "timezone": timezone, "limit": limit + 1},
    )
    return Rows.of(cursor, limit)
