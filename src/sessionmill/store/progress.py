"""What has been found, how far each processor has come, and what is at work: reads and writes.

Everything here runs on a cursor of the caller's, within its transaction where it writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
from arro3.core import Array, DataType, RecordBatch, Table

from sessionmill.collect.discover import Walk
from sessionmill.collect.roots import path_kind, session_of_path, stem
from sessionmill.paths import written
from sessionmill.run.columns import microseconds
from sessionmill.run.ports import MarkedBatch
from sessionmill.run.work import Leftover, State, Task
from sessionmill.store.statements import first, statements

_TEXT, _INT, _BOOL = DataType.utf8, DataType.int64, DataType.bool


def arrow(columns: dict[str, tuple[DataType, Sequence[Any]]]) -> Table:
    """Return columns as an Arrow table, for DuckDB to read."""
    arrays: dict[str, Any] = {
        name: Array(list(values), type=type) for name, (type, values) in columns.items()
    }
    return Table.from_batches([RecordBatch.from_pydict(arrays)])


class FoundTranscripts:
    """A walk, as a view named `_found` on one cursor."""

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, walk: Walk, *, to_note: bool = False
    ) -> None:
        """Register the view; `to_note` adds what only `note` needs: whose session each one is."""
        self._cursor, self._walk = cursor, walk
        self.mains = [path_kind(f.session_key) == "main" for f in walk.found]
        found, sessions = walk.found, {}
        if to_note:
            ids = [session_of_path(f.session_key) or stem(f.session_key) for f in found]
            sessions = {"session_id": (_TEXT(), ids)}
        cursor.register(
            "_found",
            arrow(
                {
                    "number": (_INT(), range(len(found))),
                    "session_key": (_TEXT(), [f.session_key for f in found]),
                    "username": (_TEXT(), [f.username for f in found]),
                    "root": (_TEXT(), [written(f.root) for f in found]),
                    "path": (_TEXT(), [written(f.path) for f in found]),
                    "size": (_INT(), [f.size for f in found]),
                    "mtime_ns": (_INT(), [f.mtime_ns for f in found]),
                    "is_main": (_BOOL(), self.mains),
                }
                | sessions
            ),
        )

    def note(self, now: datetime) -> None:
        """Write new, changed and gone transcripts down."""
        sql = statements("transcripts")
        self._cursor.execute(sql["note_found"], {"now": naive(now)})
        self._cursor.execute(
            sql["note_gone"],
            {"now": naive(now), "roots": list(map(written, self._walk.complete))},
        )

    def any_news(self) -> bool:
        """Tell whether `note` would change anything."""
        sql = statements("transcripts")["any_news"]
        row = first(self._cursor.execute(sql, {"roots": list(map(written, self._walk.complete))}))
        return bool(row and row[0])

    def pending(self, name: str, version: int, now: datetime, *, main_only: bool) -> list[Task]:
        """Return what needs a look by one processor, the least recently attempted first."""
        rows = self._cursor.execute(
            statements("work")["pending"],
            {"processor": name, "version": version, "now": naive(now), "main_only": main_only},
        ).fetchall()
        return [self._task(name, version, row) for row in rows]

    def _task(self, name: str, version: int, row: tuple[Any, ...]) -> Task:
        (
            number,
            known,
            stored_version,
            stored_size,
            safe_offset,
            fingerprint,
            carry,
            file_hash,
            attempts,
            failing_since,
            processed_at,
            items,
        ) = row
        return Task(
            processor=name,
            version=version,
            found=self._walk.found[number],
            known=known,
            stored_version=stored_version,
            stored_size=stored_size,
            safe_offset=safe_offset or 0,
            fingerprint=fingerprint,
            carry=carry,
            file_hash=file_hash,
            attempts=attempts,
            failing_since=aware(failing_since),
            processed_at=aware(processed_at),
            items=items,
        )


def held_by_roots(cursor: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return how many transcripts each root is known to hold."""
    return dict(cursor.execute(statements("transcripts")["held_by_roots"]).fetchall())


def write_states(cursor: duckdb.DuckDBPyConnection, states: Sequence[State]) -> None:
    """Put state rows in the place of older ones."""
    if not states:
        return

    def times(name: str) -> tuple[DataType, list[int | None]]:
        return _INT(), [
            None if (t := getattr(s, name)) is None else microseconds(t) for s in states
        ]

    def values(type: DataType, name: str) -> tuple[DataType, list[Any]]:
        return type, [getattr(s, name) for s in states]

    texts = ("processor_name", "session_file", "username", "file_hash", "fingerprint", "last_error")
    numbers = ("version", "size", "mtime_ns", "safe_offset", "attempts", "items_extracted")
    moments = ("processed_at", "last_attempt_at", "next_attempt_at", "failing_since", "dead_at")
    cursor.register(
        "_states",
        arrow(
            {name: values(_TEXT(), name) for name in texts}
            | {name: values(_INT(), name) for name in numbers}
            | {name: times(name) for name in moments}
            | {"carry": values(DataType.binary(), "carry")}
        ),
    )
    sql = statements("work")
    cursor.execute(sql["delete_states"])
    cursor.execute(sql["insert_states"])
    cursor.unregister("_states")


def left_in_flight(cursor: duckdb.DuckDBPyConnection, processor: str) -> list[Leftover]:
    """Return the batches of a processor that a dead owner left."""
    rows = cursor.execute(statements("work")["left_in_flight"], {"processor": processor}).fetchall()
    return [Leftover(batch, tuple(keys), deaths, at_work) for batch, keys, deaths, at_work in rows]


def mark(cursor: duckdb.DuckDBPyConnection, marked: Sequence[MarkedBatch], now: datetime) -> None:
    """Say that batches are at work now, or wait as suspects."""
    if not marked:
        return
    for m in marked:
        if not m.at_work or m.deaths or "." in m.batch:
            unmark(cursor, m.processor, [m.batch])  # it waited until now
    pairs = [(m, key) for m in marked for key in m.session_keys]
    cursor.register(
        "_marked",
        arrow(
            {
                "processor_name": (_TEXT(), [m.processor for m, _ in pairs]),
                "session_file": (_TEXT(), [key for _, key in pairs]),
                "batch": (_TEXT(), [m.batch for m, _ in pairs]),
                "deaths": (_INT(), [m.deaths for m, _ in pairs]),
                "at_work": (_BOOL(), [m.at_work for m, _ in pairs]),
            }
        ),
    )
    cursor.execute(statements("work")["mark"], {"now": naive(now)})
    cursor.unregister("_marked")


def unmark(
    cursor: duckdb.DuckDBPyConnection, processor: str, batches: Sequence[str] | None = None
) -> None:
    """Say that batches are not at work any more; without `batches`, none is."""
    sql = statements("work")
    if batches is None:
        cursor.execute(sql["unmark_all"], {"processor": processor})
    elif batches:
        cursor.execute(sql["unmark"], {"processor": processor, "batches": list(batches)})


def naive(at: datetime) -> datetime:
    """Return UTC without its mark, as the facts hold it."""
    return at.astimezone(UTC).replace(tzinfo=None)


def aware(at: datetime | None) -> datetime | None:
    """Return a time of the facts with its mark."""
    return None if at is None else at.replace(tzinfo=UTC)
