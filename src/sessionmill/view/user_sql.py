"""SQL that people write: exactly one SELECT or EXPLAIN, in a transaction that can't write."""

from __future__ import annotations

import re
import threading
from itertools import pairwise

import duckdb

from sessionmill.errors import NotOneSelect, SessionmillError, UsageError
from sessionmill.run.statement_guard import words
from sessionmill.view.reports import Rows


class TookTooLong(SessionmillError):
    """A query that was interrupted."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"The query took longer than {seconds:g} s and was ended. Give it more with --timeout, "
            "or with timeout_seconds in a request."
        )


def select(
    cursor: duckdb.DuckDBPyConnection,
    sql: str,
    *,
    limit: int,
    timeout: float,
    with_errors: bool = True,
) -> Rows:
    """Return at most `limit` rows; the query is ended after `timeout` seconds.

    Without `with_errors` there is no column `last_error`: it alone may hold a plugin's words, which
    may be people's. Raises NotOneSelect, UsageError for SQL that DuckDB refuses, and TookTooLong.
    """
    if limit < 1 or timeout <= 0:
        raise UsageError("--limit and --timeout are more than zero")
    _check(cursor, sql)
    if not with_errors:
        _hide_errors(cursor, sql)
    # The type alone is no guard: `WITH d AS (DELETE …) SELECT …` is a SELECT too.
    cursor.execute("BEGIN TRANSACTION READ ONLY")
    over = threading.Event()
    ending = threading.Thread(target=_end, args=(cursor, timeout, over), daemon=True)
    ending.start()
    try:
        cursor.execute(sql)
        columns = [column[0] for column in cursor.description or ()]
        values = cursor.fetchmany(min(limit, _MOST_ROWS) + 1)
    except duckdb.InterruptException as error:
        raise TookTooLong(timeout) from error
    except duckdb.Error as error:
        raise UsageError(f"DuckDB refuses the query: {error}") from error
    finally:
        over.set()
        ending.join()
        cursor.execute("ROLLBACK")
        cursor.close()
    limit = min(limit, _MOST_ROWS)
    return Rows(_distinct(columns), values[:limit], truncated=len(values) > limit)


def _end(cursor: duckdb.DuckDBPyConnection, timeout: float, over: threading.Event) -> None:
    """Interrupt a query after its time; again and again, for one that begins later misses it."""
    while not over.wait(timeout):
        cursor.interrupt()
        timeout = _AGAIN


#: Seconds after which a query that was told to end is told so again.
_AGAIN = 0.05


def _check(cursor: duckdb.DuckDBPyConnection, sql: str) -> None:
    try:
        statements = cursor.extract_statements(sql)
    except duckdb.Error as error:
        raise UsageError(f"DuckDB cannot parse the query: {error}") from error
    types = [statement.type.name for statement in statements]
    if len(types) != 1 or types[0] not in ("SELECT", "EXPLAIN"):
        got = " and ".join(types) or "nothing"
        raise NotOneSelect(f"Exactly one SELECT or EXPLAIN is expected; this is {got}.")
    _refuse_files(cursor, statements[0].query)


def _refuse_files(cursor: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Refuse table functions but those that make rows of nothing or tell of the tables.

    DuckDB lets its own file pass where all others are refused, and that must not be opened again:
    the lock that keeps other processes out falls when any descriptor of it is closed.
    """
    rows = cursor.execute(
        "SELECT DISTINCT function_name FROM duckdb_functions()"
        " WHERE function_type IN ('table', 'table_macro')"
    ).fetchall()
    refused = {name for (name,) in rows if not _HARMLESS.fullmatch(name)}
    for name, following in pairwise([*words(sql), ""]):
        if following == "(" and name in refused:
            raise UsageError(
                f"{name}() is refused: a query reads the facts, no files and no settings."
            )


def _hide_errors(cursor: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Put a view of this cursor's own before the state's table, and refuse ways around it."""
    for before, name in pairwise(["", *words(sql)]):
        if before == "." and name == _STATE:
            raise UsageError(f"{_STATE} is asked for by that name alone, without a schema's.")
    [database] = cursor.execute("SELECT current_database()").fetchall()[0]
    # By the database's name: the view stands in a schema `main`, too, and would find itself.
    cursor.execute(
        f"CREATE OR REPLACE TEMP VIEW {_STATE} AS"
        f' SELECT * EXCLUDE (last_error) FROM "{database}".main.{_STATE}'
    )


_STATE = "session_processor_state"
#: Table functions that read no file and change nothing.
_HARMLESS = re.compile(
    r"range|generate_series|unnest|repeat|repeat_row|summary|histogram|histogram_values"
    r"|json_each|json_tree|pg_timezone_names|icu_calendar_names"
    r"|pragma_(table_info|version|show|collations|database_size|storage_info)"
    r"|duckdb_(columns|constraints|databases|dependencies|functions|indexes|keywords|schemas"
    r"|sequences|settings|tables|types|views|table_sample|memory)"
)
_MOST_ROWS = 10_000_000


def _distinct(columns: list[str]) -> list[str]:
    """Return column names with the repeated ones numbered: a JSON object holds each once."""
    taken, names = set(columns), []
    for position, column in enumerate(columns):
        name, number = column, 2
        if column in columns[:position]:
            while (name := f"{column}_{number}") in taken:
                number += 1
        taken.add(name)
        names.append(name)
    return names
