"""What was done in sessions, and how long it took."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

import duckdb

from sessionmill.view.reports import Rows, check_timezone, named_statements

By = Literal["session", "user", "project", "day"]


def work(
    cursor: duckdb.DuckDBPyConnection,
    by: By,
    *,
    since: date | None = None,
    until: date | None = None,
    user: str | None = None,
    timezone: str = "UTC",
    limit: int | None = None,
) -> Rows:
    """Sum up the view `session_work`, by `by`; its column bears that name.

    Sessions count whole, by the day of `timezone` on which they began: from `since`, which is
    included, to `until`, which is not. One by one, they are the last `limit`. Raises UsageError
    for a time zone that there is not.
    """
    sql = named_statements("work")
    check_timezone(cursor, timezone)
    given: dict[str, Any] = {"since": since, "until": until, "user": user, "timezone": timezone}
    if by == "session":
        return Rows.last(cursor.execute(sql["by_session"], given | {"limit": limit}), limit)
    rows = Rows.of(cursor.execute(sql["by_group"], given | {"by": by}))
    rows.columns[0] = by
    return rows
