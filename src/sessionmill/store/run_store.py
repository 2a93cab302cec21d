"""Running's port to the facts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from arro3.core import DataType, Table
from arro3.io import read_ipc_stream
from msgspec import structs

from sessionmill.collect.discover import Found, Walk
from sessionmill.decode.lines import UNKNOWN_AGENT
from sessionmill.plugins import Processor
from sessionmill.run.messages import Rows
from sessionmill.run.ports import (
    Clock,
    ExtractCommit,
    Extracted,
    LastRun,
    MarkedBatch,
    RunRow,
)
from sessionmill.run.work import Leftover, Task
from sessionmill.store import progress
from sessionmill.store.effect import FactsEffect
from sessionmill.store.facts import Facts, roll_back
from sessionmill.store.identities import note_identities, session_id
from sessionmill.store.known import resolve
from sessionmill.store.progress import FoundTranscripts, arrow
from sessionmill.store.rollups import Rollups, mark_stale_jobs
from sessionmill.store.rows import RowStore
from sessionmill.store.statements import first, statements
from sessionmill.store.swap import read_by_others


class FactsRunStore:
    """Implements `RunStore` on the facts."""

    def __init__(self, facts: Facts, clock: Clock) -> None:
        self._facts, self._clock = facts, clock
        self._cursor = facts.cursor()
        self._found: FoundTranscripts | None = None
        self._read_only: set[str] = set()

    def beside(self) -> FactsRunStore:
        """Return another one over the same facts, for another thread."""
        other = FactsRunStore(self._facts, self._clock)
        other._read_only = self._read_only
        return other

    def close(self) -> None:
        """Read and write no more."""
        self._cursor.close()

    @property
    def spool(self) -> Path:
        """A folder for what workers decompress."""
        return self._facts.spool

    # ── planning ──

    def prepare(self, processors: Sequence[Processor]) -> dict[str, str]:
        """Create tables, rollups and views that are missing or have grown.

        Returns, by name, why processors can't run whose SQL DuckDB refuses.
        """
        refused = {}
        for processor in processors:
            if not processor.is_extractor or self._is_ready(processor):
                continue
            try:
                with self._facts.transaction() as cursor:
                    for table in processor.tables:
                        RowStore(table).create(cursor)
                    Rollups(processor).create(cursor)
                    for name, sql in processor.views.items():
                        quoted = '"' + name.replace('"', '""') + '"'
                        cursor.execute(f"CREATE OR REPLACE VIEW {quoted} AS {sql}")
                        cursor.execute(f"COMMENT ON VIEW {quoted} IS '{_digest(sql)}'")
            except (duckdb.OperationalError, duckdb.FatalException):
                raise  # the disk is full, say: no fault of the processor's
            except duckdb.Error as error:
                refused[processor.name] = f"DuckDB refuses its SQL: {error}"
        processors = [p for p in processors if p.name not in refused]
        for processor in processors:
            self._read_only |= {t.name for t in processor.tables} | processor.rollups.keys()
        return refused

    def roll_up(self, processors: Sequence[Processor]) -> dict[str, str]:
        """Make anew what rollups say of sessions whose rows have changed.

        Returns, by name, why processors' rollups stay as they are.
        """
        refused = {}
        for processor in processors:
            rollups = Rollups(processor)
            if not processor.rollups or rollups.are_fresh(self._cursor):
                continue
            try:
                with self._facts.transaction() as cursor:
                    rollups.refresh(cursor)
            except (duckdb.OperationalError, duckdb.FatalException):
                raise  # the disk is full, say: no fault of the processor's
            except duckdb.Error as error:
                refused[processor.name] = f"DuckDB refuses its SQL over these rows: {error}"
        return refused

    def _is_ready(self, processor: Processor) -> bool:
        rows = self._cursor.execute(
            "SELECT table_name, list(column_name) FROM duckdb_columns()"
            " WHERE NOT internal GROUP BY table_name"
        ).fetchall()
        columns = {name: set(names) for name, names in rows}
        wanted = {t.name: {c.name for c in RowStore(t).columns} for t in processor.tables}
        if not all(columns.get(name, set()) >= own for name, own in wanted.items()):
            return False
        made_from = self._cursor.execute(
            "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal"
        ).fetchall()
        views = {(name, _digest(sql)) for name, sql in processor.views.items()}
        return views <= set(made_from) and Rollups(processor).are_created(self._cursor)

    def note_walk(self, walk: Walk, now: datetime) -> None:
        """Write down what changed since the last walk."""
        self._found = FoundTranscripts(self._cursor, walk)
        if self._found.any_news():
            with self._facts.transaction() as cursor:
                FoundTranscripts(cursor, walk, to_note=True).note(now)

    def known_roots(self) -> dict[str, int]:
        """Return how many transcripts each root is known to hold."""
        return progress.held_by_roots(self._cursor)

    def pending(self, processor: Processor, now: datetime) -> list[Task]:
        """Return what of the noted walk needs a look."""
        if self._found is None:
            raise RuntimeError("note_walk comes first")
        return self._found.pending(
            processor.name, processor.version, now, main_only=processor.main_only
        )

    def leftovers(self, processor: str) -> list[Leftover]:
        """Return what a dead owner left at work."""
        return progress.left_in_flight(self._cursor, processor)

    def last_runs(self) -> dict[str, LastRun]:
        """Return each processor's last run."""
        rows = self._cursor.execute(statements("work")["last_runs"]).fetchall()
        return {
            name: LastRun(
                at.replace(tzinfo=UTC),
                outcome,
                progress.aware(resume_at),
                reason,
                paused_at.replace(tzinfo=UTC),
            )
            for name, at, outcome, resume_at, reason, paused_at in rows
        }

    def standing(self, processors: Sequence[Processor]) -> list[tuple[Any, ...]]:
        """Return how each stands: a row of `sessionmill.view.status.STANDING`."""
        sql = statements("work")
        last = self.last_runs()
        failing = {
            name: counts for name, *counts in self._cursor.execute(sql["standing"]).fetchall()
        }
        rows: list[tuple[Any, ...]] = []
        for p in processors:
            row = first(
                self._cursor.execute(
                    sql["count_pending"],
                    {"processor": p.name, "version": p.version, "main_only": p.main_only},
                )
            )
            run = last.get(p.name)
            rows.append(
                (
                    p.name,
                    p.version,
                    str(p.cadence),
                    progress.naive(run.started_at) if run else None,
                    run.outcome if run else None,
                    len(read_by_others(self._cursor, p)),
                    row[0] if row else 0,
                    *failing.get(p.name, (0, 0)),
                    run.pause_reason if run else None,
                )
            )
        return rows

    def make_due(self, processor: str | None, session: str | None) -> list[tuple[Any, ...]]:
        """Make failing and dead sessions due now; return (processor, session key) pairs.

        Raises SessionUnknown where `session` matches no transcript, or several.
        """
        key = None if session is None else self.resolve(session)
        with self._facts.transaction() as cursor:
            return cursor.execute(
                statements("work")["make_due"],
                {"now": progress.naive(self._clock()), "processor": processor, "session": key},
            ).fetchall()

    def resolve(self, given: str) -> str:
        """Return the session key that a key, a session id or the start of one names.

        Raises SessionUnknown.
        """
        return resolve(self._cursor, given)

    # ── writing ──

    def mark(self, marked: MarkedBatch) -> None:
        """Say what is at work now."""
        with self._facts.transaction() as cursor:
            progress.mark(cursor, [marked], self._clock())

    def unmark(self, processor: str, batch: str) -> None:
        """Say that a batch is not at work any more."""
        with self._facts.transaction() as cursor:
            progress.unmark(cursor, processor, [batch])

    def reset_marks(self, processors: Sequence[str], marked: Sequence[MarkedBatch]) -> None:
        """Say that of these processors nothing but `marked` is at work, or suspected."""
        with self._facts.transaction() as cursor:
            for name in processors:
                progress.unmark(cursor, name)
            progress.mark(cursor, marked, self._clock())

    def write_runs(self, rows: Sequence[RunRow]) -> None:
        """Write down how processors ran."""
        if not rows:
            return
        with self._facts.transaction() as cursor:
            for row in rows:
                values: dict[str, Any] = structs.asdict(row)
                for name in ("started_at", "resume_at"):
                    values[name] = None if values[name] is None else progress.naive(values[name])
                cursor.execute(statements("work")["insert_run"], values)

    def commit_extracted(
        self, processors: Sequence[Processor], commit: ExtractCommit
    ) -> dict[tuple[int, str], int]:
        """Store it all in one transaction; return rows written by (processor, session key)."""
        written: dict[tuple[int, str], int] = {}
        with self._facts.transaction() as cursor:
            for number, processor in enumerate(processors):
                own = [e for e in commit.extracted if e.processor == number]
                rows = [r for r in commit.rows if r.processor == number]
                if own:
                    counts = self._write_rows(cursor, processor, own, rows)
                    written |= {(number, key): count for key, count in counts.items()}
            note_identities(cursor, commit.extracted)
            states = [
                structs.replace(
                    e.state,
                    items_extracted=written.get((e.processor, e.found.session_key), 0)
                    + e.items_before,
                )
                for e in commit.extracted
            ]
            progress.write_states(cursor, [*states, *commit.states])
            by_processor: dict[str, list[str]] = {}
            for name, batch in commit.unmark:
                by_processor.setdefault(name, []).append(batch)
            for name, batches in by_processor.items():
                progress.unmark(cursor, name, batches)
            progress.mark(cursor, commit.mark, self._clock())
        return written

    def _write_rows(
        self,
        cursor: duckdb.DuckDBPyConnection,
        processor: Processor,
        extracted: list[Extracted],
        rows: list[Rows],
    ) -> dict[str, int]:
        _register_jobs(cursor, extracted)
        mark_stale_jobs(cursor, processor)
        replaced = [e.found.session_key for e in extracted if e.replaced]
        all_fresh = all(e.fresh for e in extracted)
        counts: dict[str, int] = {}
        for table in processor.tables:
            parts = [r for r in rows if r.table == table.name]
            store = RowStore.of(table, processor)
            if not parts:
                if replaced:
                    store.forget(cursor, replaced)
                continue
            _register_rows(cursor, [r.ipc for r in parts])
            if all_fresh and all(r.whole for r in parts):
                store.add(cursor, replaced)
                written = _counts(parts, extracted)
            else:
                written = store.complete(cursor, replaced)
            for key, count in written:
                counts[key] = counts.get(key, 0) + count
        return counts

    # ── effectful processors ──

    @contextmanager
    def effect(self, processor: Processor, found: Found) -> Iterator[FactsEffect]:
        """Open one session; what is not committed by the end is rolled back."""
        self._facts.check_room()
        cursor = self._facts.cursor()
        effect = FactsEffect(self._facts, cursor, processor, found, frozenset(self._read_only))
        try:
            yield effect
        finally:
            roll_back(cursor)
            cursor.close()


# ── parts of a transaction ───────────────────────────────────────────────────────────────────


def _counts(parts: list[Rows], extracted: list[Extracted]) -> list[tuple[str, int]]:
    """Return (session key, rows) pairs of what was taken in, as the workers counted."""
    keys = {e.job: e.found.session_key for e in extracted}
    return [
        (keys[job], count) for part in parts for job, count in part.counts.items() if job in keys
    ]


def _register_rows(cursor: duckdb.DuckDBPyConnection, parts: list[bytes]) -> None:
    """Make Arrow streams of one shape the view `_incoming`."""
    batches = [batch for ipc in parts for batch in read_ipc_stream(ipc)]
    cursor.register("_incoming", Table.from_batches(batches))


def _register_jobs(cursor: duckdb.DuckDBPyConnection, extracted: list[Extracted]) -> None:
    text, number, flag = DataType.utf8(), DataType.int64(), DataType.bool()
    cursor.register(
        "_jobs",
        arrow(
            {
                "_job": (number, [e.job for e in extracted]),
                "session_key": (text, [e.found.session_key for e in extracted]),
                "session_id": (text, [session_id(e.found, e.identity) for e in extracted]),
                "username": (text, [e.found.username for e in extracted]),
                "agent": (text, [e.agent or UNKNOWN_AGENT for e in extracted]),
                "_fresh": (flag, [e.fresh for e in extracted]),
            }
        ),
    )


def _digest(sql: str) -> str:
    return "made from " + hashlib.blake2b(sql.encode(), digest_size=8).hexdigest()
