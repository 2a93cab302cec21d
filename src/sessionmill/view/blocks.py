"""Blocks: the windows of five hours in which an agent's client counts what a subscriber uses.

A block begins at the UTC hour in which the first request is made that no earlier block covers, and
ends five hours later. So all blocks of a person follow from the hours in which they asked for
something: no clock, no order of arrival, and no other person has a part in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from math import inf

import duckdb

from sessionmill.view.reports import Rows, check_timezone, named_statements

#: In hours.
LENGTH = 5


def starts(hours: Iterable[int]) -> Iterator[int]:
    """Yield the first hour of each block, given the hours with a request, in order."""
    end: float = -inf
    for hour in hours:
        if hour >= end:
            end = hour + LENGTH
            yield hour


def block_starts(
    cursor: duckdb.DuckDBPyConnection, user: str | None = None
) -> list[tuple[str, str, list[int]]]:
    """Return (username, agent, starts of all their blocks, in UTC hours since 1970)."""
    active = cursor.execute(named_statements("blocks")["active_hours"], {"user": user})
    return [(username, agent, [*starts(hours)]) for username, agent, hours in active.fetchall()]


def blocks(
    cursor: duckdb.DuckDBPyConnection,
    now: datetime,
    *,
    since: date | None = None,
    until: date | None = None,
    user: str | None = None,
    timezone: str = "UTC",
    limit: int | None = None,
) -> Rows:
    """List the blocks of each person and agent, with what was used in them: the last `limit`.

    `since` is included, `until` is not; both are days of `timezone` on which a block begins. The
    one that runs at `now` has a rate, since its first record, and what it comes to at that rate.
    Raises UsageError for a time zone that there is not.
    """
    check_timezone(cursor, timezone)
    found = block_starts(cursor, user)
    given = {
        "users": [username for username, _, _ in found],
        "agents": [agent for _, agent, _ in found],
        "starts": [begun for _, _, begun in found],
        "now": now.replace(tzinfo=None),
        "since": since,
        "until": until,
        "timezone": timezone,
        "limit": limit,
    }
    return Rows.last(cursor.execute(named_statements("blocks")["blocks"], given), limit)
