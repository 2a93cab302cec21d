"""A table of an extractor in a database of its own, written as a run writes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import duckdb
from arro3.core import DataType, RecordBatch
from arro3.core import Table as ArrowTable
from arro3.io import read_ipc_stream

from sessionmill.contracts import Table
from sessionmill.run.columns import TableRows
from sessionmill.store.progress import arrow
from sessionmill.store.rows import RowStore


@dataclass(frozen=True)
class Job:
    """One transcript's part in a write."""

    session_key: str
    rows: Sequence[tuple[Any, ...] | Mapping[str, Any]]
    #: Its stored rows go.
    replaced: bool = False
    #: Nothing of it is stored, once `replaced` is done.
    fresh: bool = True

    @property
    def username(self) -> str:
        return self.session_key.partition("/")[0]

    @property
    def session_id(self) -> str:
        return f"session of {self.session_key}"


def append(session_key: str, *rows: tuple[Any, ...]) -> Job:
    return Job(session_key, rows, fresh=False)


def replace(session_key: str, *rows: tuple[Any, ...]) -> Job:
    return Job(session_key, rows, replaced=True)


def fresh(session_key: str, *rows: tuple[Any, ...]) -> Job:
    return Job(session_key, rows)


@dataclass
class Stored:
    """The stored rows of one table."""

    table: Table
    cursor: duckdb.DuckDBPyConnection
    #: The test begins and commits by itself.
    begun: bool = False
    store: RowStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = RowStore(self.table)
        self.store.create(self.cursor)

    def write(self, *jobs: Job, send_halves: bool = False) -> dict[str, int]:
        """Write jobs as one commit of a run does; with `send_halves` each comes in two parts."""
        rows, parts = TableRows(self.table), list[RecordBatch]()
        simple, sent = all(job.fresh for job in jobs), 0
        for number, job in enumerate(jobs):
            half = len(job.rows) // 2 if send_halves else 0
            for ended, some in ((False, job.rows[:half]), (True, job.rows[half:])):
                rows.add(number, rows.check(some))
                if send_halves and not ended and len(rows):
                    # What comes later of this job may complete what was sent: no longer simple.
                    count = len(rows)
                    ipc, whole, *_, unfit = rows.take(sent, job_ended=False)
                    parts, sent, simple = [*parts, *read_ipc_stream(ipc)], sent + count, False
                    assert not whole
                    assert not unfit
        if len(rows):
            ipc, whole, *_, unfit = rows.take(sent, job_ended=True)
            parts, simple = [*parts, *read_ipc_stream(ipc)], simple and whole
            assert not unfit
        with self._transaction():
            return self._store(jobs, parts, simple=simple)

    def _store(
        self, jobs: Sequence[Job], parts: Sequence[RecordBatch], *, simple: bool
    ) -> dict[str, int]:
        replaced = [job.session_key for job in jobs if job.replaced]
        if not parts:
            if replaced:
                self.store.forget(self.cursor, replaced)
            return {}
        self.cursor.register("_incoming", ArrowTable.from_batches(list(parts)))
        text = DataType.utf8()
        self.cursor.register(
            "_jobs",
            arrow(
                {
                    "_job": (DataType.int64(), range(len(jobs))),
                    "session_key": (text, [job.session_key for job in jobs]),
                    "session_id": (text, [job.session_id for job in jobs]),
                    "username": (text, [job.username for job in jobs]),
                    "agent": (text, ["claude-code"] * len(jobs)),
                    "_fresh": (DataType.bool(), [job.fresh for job in jobs]),
                }
            ),
        )
        if simple:
            self.store.add(self.cursor, replaced)
            return {}
        return dict(self.store.complete(self.cursor, replaced))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Begin and commit, unless the test has begun already."""
        if self.begun:
            yield
            return
        self.cursor.execute("BEGIN")
        yield
        self.cursor.execute("COMMIT")

    def forget(self, *session_keys: str) -> None:
        with self._transaction():
            self.store.forget(self.cursor, list(session_keys))

    def rows(self, *columns: str) -> list[tuple[Any, ...]]:
        """Return these columns of every row, in order of their values."""
        names = ", ".join('"' + name.replace('"', '""') + '"' for name in columns) or "*"
        table = '"' + self.table.name.replace('"', '""') + '"'
        return self.cursor.execute(f"SELECT {names} FROM {table} ORDER BY ALL").fetchall()  # noqa: S608 - the test's own names


@contextmanager
def stored(table: Table) -> Iterator[Stored]:
    with duckdb.connect(":memory:") as database:
        yield Stored(table, database)
