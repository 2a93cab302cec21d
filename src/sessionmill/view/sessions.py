"""Which sessions there are."""

from __future__ import annotations

from collections.abc import Sequence
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
    behind: Sequence[str | None] | None = None,
) -> Rows:
    """Return the sessions that something happened in since a day of `timezone`, the latest first.

    `behind` is (ended_at, username, session_id) of the one that the page before ended with.
    Raises UsageError for a time zone that there is not, and for a limit below 1.
    """
    if limit < 1:
        raise UsageError("--limit is more than zero")
    check_timezone(cursor, timezone)
    ended_at, username, session_id = behind or (None, None, None)
    given = {"user": user, "since": since, "timezone": timezone, "limit": limit + 1}
    place = {"ended_at": ended_at, "username": username, "session_id": session_id}
    cursor.execute(
        named_statements("sessions")["sessions"],
        given | place | {"behind": behind is not None},
    )
    return Rows.of(cursor, limit)
