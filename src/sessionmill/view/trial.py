"""What a tried processor has written: whole tables."""

from __future__ import annotations

import duckdb

from sessionmill.view.reports import Rows


def tables_of(cursor: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the names of all tables; not of views."""
    rows = cursor.execute(
        "SELECT table_name FROM duckdb_tables() WHERE NOT internal AND NOT temporary"
        " ORDER BY table_oid"
    ).fetchall()
    return [name for (name,) in rows]


def rows_of(cursor: duckdb.DuckDBPyConnection, table: str, limit: int | None) -> Rows:
    """Return the rows of a table, ordered by its columns from the left; at most `limit`."""
    quoted = '"' + table.replace('"', '""') + '"'
    most = None if limit is None else limit + 1
    return Rows.of(cursor.execute(f"SELECT * FROM {quoted} ORDER BY ALL LIMIT ?", [most]), limit)
