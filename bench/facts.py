"""A look into the facts of a data directory that no command holds, past the product's own code."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import duckdb

#: Tables of the runs themselves, which differ as the runs do.
OF_RUNS = frozenset({"runs", "commits"})
#: Times of processing: whether there is one is compared, and not which.
_TIMES = {
    "transcripts": ("first_seen_at", "gone_at"),
    "session_processor_state": (
        "processed_at",
        "last_attempt_at",
        "next_attempt_at",
        "failing_since",
        "dead_at",
    ),
    "in_flight": ("marked_at",),
    "schema_version": ("applied_at",),
}
#: What tells of the files and of the way they were read, and not of what they say.
OF_FILES = frozenset({"root", "path", "mtime_ns", "fingerprint"})
CORE = frozenset({"transcripts", "session_processor_state", "in_flight", "schema_version"})


def ask(data: Path, sql: str) -> list[tuple[Any, ...]]:
    """Return what a query finds."""
    with duckdb.connect(str(data / "facts.duckdb"), read_only=True) as conn:
        return conn.execute(sql).fetchall()


def differences(
    one: Path,
    other: Path,
    *,
    without: Collection[str] = OF_RUNS,
    besides: Collection[str] = (),
) -> list[str]:
    """Return for each table how many rows only one of two data directories has.

    Tables `without` and columns `besides` are left out.
    """
    with duckdb.connect() as conn:
        for name, data in (("one", one), ("other", other)):
            path = str(data / "facts.duckdb").replace("'", "''")
            conn.execute(f"ATTACH '{path}' AS {name} (READ_ONLY)")
        found = [_columns(conn, name, without, besides) for name in ("one", "other")]
        tables = sorted(found[0].keys() | found[1].keys())
        compared = ((table, _compare(conn, table, *found)) for table in tables)
        return [f"{table}: {difference}" for table, difference in compared if difference]


def _columns(
    conn: duckdb.DuckDBPyConnection, name: str, without: Collection[str], besides: Collection[str]
) -> dict[str, list[str]]:
    """Return of each table what is compared, as SQL."""
    rows = conn.execute(
        "SELECT table_name, list(column_name ORDER BY column_index) FROM duckdb_columns()"
        " WHERE database_name = ? AND table_name IN"
        " (SELECT table_name FROM duckdb_tables() WHERE database_name = ?) GROUP BY table_name",
        [name, name],
    ).fetchall()
    return {
        table: [
            f'"{column}" IS NULL' if column in _TIMES.get(table, ()) else f'"{column}"'
            for column in columns
            if column not in besides
        ]
        for table, columns in rows
        if table not in without
    }


def _compare(
    conn: duckdb.DuckDBPyConnection,
    table: str,
    one: dict[str, list[str]],
    other: dict[str, list[str]],
) -> str:
    """Return how a table differs, or nothing."""
    if table not in one or table not in other:
        return "missing in one of them"
    if one[table] != other[table]:
        return "has other columns"
    columns = ", ".join(one[table])
    ours, theirs = (f'SELECT {columns} FROM {name}."{table}"' for name in ("one", "other"))  # noqa: S608 - the tables' own names
    row = conn.execute(
        f"SELECT (SELECT count(*) FROM ({ours} EXCEPT ALL {theirs})),"  # noqa: S608
        f" (SELECT count(*) FROM ({theirs} EXCEPT ALL {ours}))"
    ).fetchone()
    if row is None or row == (0, 0):
        return ""
    return f"{row[0]} rows in the one alone, {row[1]} in the other alone"
