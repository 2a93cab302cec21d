"""Each question that the product answers from the facts, as a typed function."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

import duckdb

from sessionmill.errors import UsageError
from sessionmill.store.statements import parse

By = Literal[
    "total",
    "hour",
    "day",
    "week",
    "month",
    "user",
    "project",
    "model",
    "agent",
    "version",
    "entrypoint",
    "session",
    "tool",
    "skill",
    "subagent",
    "mcp",
    "plugin",
    "program",
    "error",
    "command",
    "commit",
    "pr",
]
#: Times as `strftime` writes them: ISO weeks, as 2026-W10.
_FORMATS = {"hour": "%Y-%m-%dT%H:00", "day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}
_CALLS = ("tool", "skill", "subagent", "mcp", "plugin", "program", "error")
#: Kinds of events that are outcomes.
_OUTCOMES = {"commit": "commit", "pr": "pull_request"}
#: What `cost_usd` is, said wherever people are shown it.
ESTIMATE = (
    "cost_usd is an estimate at list price, or at the prices you set: no bill. It leaves out "
    "unpriced_responses. To see what is priced how: sessionmill prices"
)
#: What `attributed_cost_usd` is, said likewise.
ATTRIBUTED = (
    "attributed_tokens are exact where they are those of sub-agent runs and commands, and an "
    "estimate by size of what other results took; attributed_cost_usd is their cost at list price, "
    "or at the prices you set: no bill. It leaves out what has no price: sessionmill prices"
)
GROUPS: tuple[str, ...] = get_args(By)


@dataclass(frozen=True, slots=True)
class Rows:
    """A list as every command and route gives it."""

    columns: list[str]
    values: list[tuple[Any, ...]]
    #: There are more than these.
    truncated: bool = False
    #: What people must be told where they are shown these; JSON has the one shape of all lists.
    note: str | None = None

    @classmethod
    def of(cls, cursor: duckdb.DuckDBPyConnection, limit: int | None = None) -> Rows:
        """Take a result, of a query that asks for one row more than `limit`, if there is one."""
        columns, values = [column[0] for column in cursor.description or ()], cursor.fetchall()
        note = ESTIMATE if "cost_usd" in columns else None
        note = ATTRIBUTED if "attributed_cost_usd" in columns else note
        return cls(columns, values[:limit], limit is not None and len(values) > limit, note)

    @classmethod
    def last(cls, cursor: duckdb.DuckDBPyConnection, limit: int | None) -> Rows:
        """Take the end of a result, of a query that asks for one row more than `limit`."""
        rows = cls.of(cursor)
        if limit is not None and len(rows.values) > limit:
            return replace(rows, values=rows.values[-limit:], truncated=True)
        return rows

    def document(self) -> dict[str, Any]:
        """Return it as JSON shows it."""
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.values]
        return {"rows": rows, "truncated": self.truncated}


def usage(
    cursor: duckdb.DuckDBPyConnection,
    by: By,
    *,
    since: date | None = None,
    until: date | None = None,
    user: str | None = None,
    timezone: str = "UTC",
    limit: int | None = None,
) -> Rows:
    """Sum up what is counted, by `by`; its column bears that name.

    `since` is included, `until` is not; both, and hours, days, weeks and months, are of `timezone`.
    Of sessions, commits and pull requests, the last `limit`.
    Raises UsageError for a time zone that there is not.
    """
    sql = named_statements("usage")
    check_timezone(cursor, timezone)
    given: dict[str, Any] = {"since": since, "until": until, "user": user, "timezone": timezone}
    statement, own = _statement(by, limit)
    rows = Rows.last(cursor.execute(sql[statement], given | own), own.get("limit"))
    if by not in ("total", "session"):
        rows.columns[0] = by
    return rows


def _statement(by: By, limit: int | None) -> tuple[str, dict[str, Any]]:
    """Return the name of the statement that answers, and what it is given beyond days and user."""
    if by in ("total", "command"):
        return f"by_{by}", {}
    if by == "session":
        return "by_session", {"limit": limit}
    if by in _CALLS:
        return "by_call", {"by": by}
    if by in _OUTCOMES:
        return "by_outcome", {"kind": _OUTCOMES[by], "limit": limit}
    if by in _FORMATS:
        return "by_time", {"format": _FORMATS[by]}
    return "by_group", {"by": by}


def check_timezone(cursor: duckdb.DuckDBPyConnection, timezone: str) -> None:
    """Raise UsageError for a time zone that there is not."""
    try:
        cursor.execute(named_statements("usage")["is_time_zone"], {"timezone": timezone}).fetchall()
    except duckdb.Error as error:
        raise UsageError(
            f"There is no time zone {timezone!r}; names are like Europe/Berlin or UTC."
        ) from error


@cache
def named_statements(file: str) -> dict[str, str]:
    """Return the statements of `sql/<file>.sql` by the names written above them.

    One that another names in braces is put there.
    """
    named = parse(files(__package__).joinpath("sql", f"{file}.sql").read_text("utf-8"))
    return {
        name: re.sub(r"\{(\w+)\}", lambda part: named[part[1]], sql) for name, sql in named.items()
    }
