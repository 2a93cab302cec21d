"""Facts of the system that this one descends from: its state is kept, as ours.

* `session_extraction_state` (session_file, username, processed_at, items_extracted, file_hash)
  becomes rows of the processor `verification`; rows that exist already win.
* A `session_processor_state` without our columns gets them; its constraints go.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

_STATE = "session_processor_state"
_OLDEST = "session_extraction_state"
_COLUMNS = "username, processed_at, items_extracted, file_hash"


@dataclass(frozen=True)
class Adoption:
    """Older tables, moved out of the way of the migrations until `finish` takes them in."""

    state: bool
    oldest: bool

    def finish(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Copy their rows and drop them; does nothing where there were none."""
        if self.state:
            cursor.execute(
                f"INSERT INTO {_STATE} BY NAME SELECT processor_name, session_file, username,"
                " CAST(processed_at AS TIMESTAMP) AS processed_at, items_extracted, file_hash,"
                " 0 AS attempts"
                f" FROM older_{_STATE}"
            )
            cursor.execute(f"DROP TABLE older_{_STATE}")
        if self.oldest:
            cursor.execute(
                f"INSERT INTO {_STATE} BY NAME SELECT 'verification' AS processor_name,"
                " session_file, username, CAST(processed_at AS TIMESTAMP) AS processed_at,"
                " items_extracted, file_hash, 0 AS attempts"
                f" FROM {_OLDEST} o WHERE NOT EXISTS (FROM {_STATE} s WHERE"
                " s.processor_name = 'verification' AND s.session_file = o.session_file)"
            )
            cursor.execute(f"DROP TABLE {_OLDEST}")


def adopt_older_tables(cursor: duckdb.DuckDBPyConnection) -> Adoption:
    """Move an older state table aside, if there is one; idempotent."""
    columns = _columns(cursor, _STATE)
    older_state = bool(columns) and "safe_offset" not in columns
    if older_state:
        # Not renamed: DuckDB refuses that for a table with an index.
        cursor.execute(f"CREATE TEMP TABLE older_{_STATE} AS FROM {_STATE}")
        cursor.execute(f"DROP TABLE {_STATE}")
    return Adoption(state=older_state, oldest=bool(_columns(cursor, _OLDEST)))


def _columns(cursor: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    rows = cursor.execute(
        "SELECT column_name FROM duckdb_columns() WHERE table_name = ? AND NOT internal", [table]
    ).fetchall()
    return {row[0] for row in rows}
