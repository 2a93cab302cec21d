"""What the vendor counted, and who is who: taken in, in a transaction of the caller's.

Whatever the order of files, and however often one comes, the tables are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import duckdb
from arro3.core import DataType

from sessionmill.store.progress import arrow
from sessionmill.store.statements import statements
from sessionmill.vendor import otlp
from sessionmill.vendor.records import DayUsage, Point

#: Columns that are numbers in Arrow; all others are text, which the statements cast.
_NUMBERS = frozenset({"sessions", "started_ns", "at_ns"}) | {
    name for name in DayUsage._fields if name.endswith("_tokens")
}


def take_in_usage(cursor: duckdb.DuckDBPyConnection, rows: Sequence[DayUsage]) -> None:
    """Add rows of the vendor's API; of one that is there already, the one with more stays."""
    if rows:
        _register(cursor, "_usage", DayUsage._fields, rows)
        sql = statements("vendor")
        cursor.execute(sql["drop_restated"])
        cursor.execute(sql["add_usage"])


def take_in_points(cursor: duckdb.DuckDBPyConnection, points: Sequence[Point]) -> None:
    """Add points of counters, and sum up anew what those whom they name have used."""
    if points:
        _register(cursor, "_points", Point._fields, points)
        sql = statements("vendor")
        cursor.execute(sql["drop_lower_points"])
        cursor.execute(sql["add_points"])
        cursor.execute(sql["drop_usage_of_points"], {"source": otlp.SOURCE})
        cursor.execute(sql["add_usage_of_points"], {"source": otlp.SOURCE})


def say_who(cursor: duckdb.DuckDBPyConnection, said: Mapping[str, str]) -> None:
    """Note usernames by the vendor's names; what was said of these names before is forgotten."""
    if said:
        _register(cursor, "_said", ("vendor_name", "username"), [*said.items()])
        sql = statements("vendor")
        cursor.execute(sql["forget_names"])
        cursor.execute(sql["say_names"])


def _register(
    cursor: duckdb.DuckDBPyConnection,
    view: str,
    names: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
) -> None:
    columns = zip(names, zip(*rows, strict=True), strict=True)
    cursor.register(
        view,
        arrow(
            {
                name: (DataType.int64(), values)
                if name in _NUMBERS
                else (DataType.utf8(), [*map(_text, values)])
                for name, values in columns
            }
        ),
    )


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return value.isoformat() if isinstance(value, date) else str(value)
