"""One session of an effectful processor: its statements, its state, and the end of both."""

from __future__ import annotations

import duckdb

from sessionmill.collect.discover import Found
from sessionmill.plugins import Processor
from sessionmill.run.messages import Identity
from sessionmill.run.ports import WriteConflict
from sessionmill.run.stand_in import StandInHost
from sessionmill.run.work import State
from sessionmill.store import progress
from sessionmill.store.facts import CORE_TABLES, Facts, roll_back
from sessionmill.store.identities import note_identity_of
from sessionmill.store.statements import first, statements


class FactsEffect:
    """One session of an effectful processor, on a cursor of its own."""

    def __init__(
        self,
        facts: Facts,
        cursor: duckdb.DuckDBPyConnection,
        processor: Processor,
        found: Found,
        extractor_tables: frozenset[str],
    ) -> None:
        self._facts, self._cursor = facts, cursor
        self._processor, self._found = processor, found
        self._host = StandInHost(
            cursor, protected=CORE_TABLES | extractor_tables, begin=self._forget
        )

    @property
    def first_error(self) -> Exception | None:
        """The first statement that failed."""
        return self._host.first_error

    @property
    def conflicted(self) -> bool:
        """Whether a statement failed because another transaction wrote the same thing."""
        error = self._host.first_error
        return isinstance(error, duckdb.TransactionException) and "onflict" in str(error)

    def answer(self, request: bytes) -> bytes:
        """Run a request of the stand-in."""
        return self._host.answer(request)

    def interrupt(self) -> None:
        """End the running statement."""
        self._host.interrupt()

    def commit(self, state: State, identity: Identity, agent: str | None) -> None:
        """Write the state last, and commit."""
        try:
            self._host.ensure_begun()
            progress.write_states(self._cursor, [state])
            self._facts.commit(self._cursor)
        except duckdb.TransactionException as error:
            raise WriteConflict(str(error)) from error
        self._note_identity(identity, agent)

    def keep_unchanged(self, state: State, identity: Identity, agent: str | None) -> None:
        """Keep the rows that there are, with the state."""
        self.keep_state(state)
        self._note_identity(identity, agent)

    def _note_identity(self, identity: Identity, agent: str | None) -> None:
        # Apart: this transaction may be old, and others write to transcripts meanwhile.
        named = statements("transcripts")["is_named"]
        if not first(self._cursor.execute(named, {"session_key": self._found.session_key})):
            with self._facts.transaction() as cursor:
                note_identity_of(cursor, self._found, identity, agent)

    def keep_state(self, state: State) -> None:
        """Roll back what there is, and keep the state alone."""
        roll_back(self._cursor)
        with self._facts.transaction() as cursor:
            progress.write_states(cursor, [state])

    def _forget(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Delete what the processor's tables, those that exist, hold of this session."""
        for table in self._processor.own_tables:
            exists = first(
                cursor.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = ?", [table])
            )
            if exists:
                quoted = table.replace('"', '""')
                cursor.execute(
                    f'DELETE FROM "{quoted}" WHERE session_key = ?', [self._found.session_key]
                )
