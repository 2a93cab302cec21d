"""SQL that people write: exactly one SELECT or EXPLAIN, in a transaction that can't write."""

from __future__ import annotations

import threading

import duckdb

from sessionmill.errors import NotOneSelect, SessionmillError, UsageError
from sessionmill.view.reports import Rows


class TookTooLong(SessionmillError):
    """A query that was interrupted."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"The query took longer than {seconds:g} s and was ended. Give it more with --timeout."
        )


def select(cursor: duckdb.DuckDBPyConnection, sql: str, *, limit: int, timeout: float) -> Rows:
    """Return at most `limit` rows; the query is ended after `timeout` seconds.

    Raises NotOneSelect, UsageError for SQL that DuckDB refuses, and TookTooLong.
    """
    if limit < 1 or timeout <= 0:
        raise UsageError("--limit and --timeout are more than zero")
    _check(cursor, sql)
    # The type alone is no guard: `WITH d AS (DELETE …) SELECT …` is a SELECT too.
    cursor.execute("BEGIN TRANSACTION READ ONLY")
    timer = threading.Timer(timeout, cursor.interrupt)
    timer.start()
    try:
        cursor.execute(sql)
        columns = [column[0] for column in cursor.description or ()]
        values = cursor.fetchmany(limit + 1)
    except duckdb.InterruptException as error:
        raise TookTooLong(timeout) from error
    except duckdb.Error as error:
        raise UsageError(f"DuckDB refuses the query: {error}") from error
    finally:
        timer.cancel()
        cursor.execute("ROLLBACK")
        cursor.close()
    return Rows(_distinct(columns), values[:limit], truncated=len(values) > limit)


def _check(cursor: duckdb.DuckDBPyConnection, sql: str) -> None:
    try:
        statements = cursor.extract_statements(sql)
    except duckdb.Error as error:
        raise UsageError(f"DuckDB cannot parse the query: {error}") from error
    types = [statement.type.name for statement in statements]
    if len(types) != 1 or types[0] not in ("SELECT", "EXPLAIN"):
        got = " and ".join(types) or "nothing"
        raise NotOneSelect(f"Exactly one SELECT or EXPLAIN is expected; this is {got}.")


def _distinct(columns: list[str]) -> list[str]:
    """Return column names with the repeated ones numbered: a JSON object holds each once."""
    seen: dict[str, int] = {}
    names = []
    for column in columns:
        seen[column] = seen.get(column, 0) + 1
        names.append(column if seen[column] == 1 else f"{column}_{seen[column]}")
    return names
