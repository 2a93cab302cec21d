"""Facts that another version of an extractor made beside ours: put in the place of its own.

Everything here runs on a cursor of the caller's, within its transaction where it writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import duckdb
from arro3.core import Array, DataType
from arro3.core import Table as ArrowTable

from sessionmill.plugins import Processor
from sessionmill.store.identities import take_named
from sessionmill.store.progress import naive
from sessionmill.store.rows import RowStore
from sessionmill.store.statements import first, statements


class Reading(NamedTuple):
    """How a processor has read one transcript, as its state tells."""

    version: int | None
    #: Bytes, and nanoseconds since 1970, as seen before it was read; None: not to its end.
    size: int | None
    mtime_ns: int | None
    fingerprint: str | None
    #: Failures since the last success.
    attempts: int
    last_error: str | None


class VersionNote(NamedTuple):
    """A row of `version_notes`; see the schema."""

    processor: str
    from_version: int | None
    to_version: int
    swapped_at: datetime
    actor: str
    transcripts: int
    figures: str | None
    why: str | None


def readings(
    cursor: duckdb.DuckDBPyConnection, processor: str, session_key: str | None = None
) -> dict[str, Reading]:
    """Return how a processor has read each transcript, by session key; of one, or of all."""
    rows = cursor.execute(
        statements("versions")["readings"], {"processor": processor, "session": session_key}
    ).fetchall()
    return {key: Reading(*reading) for key, *reading in rows}


def swap(
    cursor: duckdb.DuckDBPyConnection,
    shadow: duckdb.DuckDBPyConnection,
    processor: Processor,
    session_keys: Sequence[str],
) -> None:
    """Put a shadow's rows, states and identities of transcripts in the place of those stored.

    `shadow` is a cursor on other facts. One of several copies is elected anew, among all that
    are stored.
    """
    keys = list(session_keys)
    for table in processor.tables:
        store = RowStore.of(table, processor)
        store.swap(cursor, keys, store.stored(shadow, keys))
    sql = statements("versions")
    arrow = Array(keys, type=DataType.utf8())
    shadow.register("_keys", ArrowTable.from_arrays([arrow], names=["session_key"]))
    cursor.register("_states", ArrowTable.from_arrow(shadow.sql(sql["states_of"])))
    cursor.execute(statements("work")["delete_states"])
    cursor.execute("INSERT INTO session_processor_state BY NAME FROM _states")
    cursor.unregister("_states")
    cursor.register("_shadow", ArrowTable.from_arrow(shadow.sql(sql["identities_of"])))
    cursor.execute(sql["name_otherwise"])
    cursor.unregister("_shadow")
    take_named(cursor)


def add_version_note(cursor: duckdb.DuckDBPyConnection, note: VersionNote) -> None:
    """Write down that a version's rows took the place of another's."""
    values = note._asdict() | {"swapped_at": naive(note.swapped_at)}
    cursor.execute(statements("versions")["add_version_note"], values)


def read_by_others(cursor: duckdb.DuckDBPyConnection, processor: Processor) -> dict[str, int]:
    """Return the transcripts whose rows another version wrote, with that version."""
    rows = cursor.execute(
        statements("versions")["read_by_others"],
        {"processor": processor.name, "version": processor.version},
    ).fetchall()
    return dict(rows)


def now_read_by(
    cursor: duckdb.DuckDBPyConnection, processor: Processor, session_keys: Sequence[str]
) -> int:
    """Return how many of these transcripts' rows are of the loaded version now."""
    row = first(
        cursor.execute(
            statements("versions")["now_read_by"],
            {
                "processor": processor.name,
                "version": processor.version,
                "keys": list(session_keys),
            },
        )
    )
    return int(row[0]) if row else 0


def other_versions(
    cursor: duckdb.DuckDBPyConnection, processor: Processor
) -> list[tuple[int, int, int]]:
    """Return (version, transcripts, of these gone) for what other versions have counted."""
    return cursor.execute(
        statements("versions")["other_versions"],
        {"processor": processor.name, "version": processor.version},
    ).fetchall()
