"""The rows of extractors: stored, completed and counted by the rules that their tables declare.

For each table one transaction part, all of it set-wise SQL made once from the declaration:

1. rows of replaced transcripts are deleted;
2. incoming rows, and the stored ones with the same key, are completed into one row each;
3. the stored ones are deleted and the completed ones inserted;
4. of copies in several transcripts one is elected, looking only at the keys touched above.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import duckdb
from arro3.core import Array, DataType, RecordBatchReader
from arro3.core import Table as ArrowTable

from sessionmill.contracts import Column, Table
from sessionmill.plugins import Processor
from sessionmill.store.statements import first

#: What the framework adds in front of a table's own columns.
IDENTITY = (
    Column("session_key", "VARCHAR", "keep", "names the transcript"),
    Column("session_id", "VARCHAR", "keep", "of the conversation the transcript belongs to"),
    Column("username", "VARCHAR", "keep", "whose transcript it is"),
    Column("agent", "VARCHAR", "keep", "claude-code or codex"),
)
COUNTED = (
    Column("key_hash", "UBIGINT", "keep", "of the key, to find copies by"),
    Column("counted", "BOOLEAN", "keep", "whether reports count this copy"),
)

_COMPLETE = {
    "keep": "arg_min_null({0}, _seq)",
    "fill": "arg_min({0}, _seq)",  # arg_min passes over NULL
    "max": "max({0})",
    "min": "min({0})",
}


@dataclass(frozen=True)
class RowStore:
    """The SQL of one declared table.

    Views that the caller provides: `_incoming` (`_job`, `_seq` and the table's columns) and `_jobs`
    (`_job`, `session_key`, `session_id`, `username`, `agent`, `_fresh`: nothing of it is stored).
    """

    table: Table
    #: The processor whose rollups sum the rows up, if any do.
    rolled_up_by: str | None = None

    @classmethod
    def of(cls, table: Table, processor: Processor) -> RowStore:
        """Return the SQL of a table of a processor's."""
        return cls(table, processor.name if processor.rollups else None)

    # ── the schema ──

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return every column, in order."""
        derived = tuple(
            Column(name, type, "keep", comment)
            for name, (type, _, comment) in self.table.derived.items()
        )
        elected = COUNTED if self.table.elect_by else ()
        return (*IDENTITY, *self.table.columns, *derived, *elected)

    def create(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Bring the table into being, and add columns that a newer declaration has."""
        columns = ", ".join(f"{_quote(c.name)} {c.type}" for c in self.columns)
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {self._name} ({columns})")
        cursor.execute(f"SELECT * FROM {self._name} LIMIT 0")
        present = {d[0] for d in cursor.description or ()}
        for column in self.columns:
            if column.name not in present:
                cursor.execute(
                    f"ALTER TABLE {self._name} ADD COLUMN {_quote(column.name)} {column.type}"
                )

        self._try_out(cursor)

    def _try_out(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Run the declaration's own SQL over no rows: what is wrong with it shows now."""
        parts = [sql for _, sql, _ in self.table.derived.values()]
        if self.table.elect_by:
            parts += [self._first, f"({self.table.eligible})"]
        if parts:
            cursor.execute(f"SELECT {', '.join(parts)} FROM {self._name} LIMIT 0").fetchall()

    # ── writing ──

    def forget(self, cursor: duckdb.DuckDBPyConnection, session_keys: list[str]) -> None:
        """Delete the rows of transcripts, and pass the count on to other copies."""
        self._begin(cursor, session_keys)
        self._elect(cursor)

    def add(self, cursor: duckdb.DuckDBPyConnection, replaced: list[str]) -> None:
        """Store `_incoming` where there is nothing to complete.

        Every job must be fresh, and no key come twice in one. `replaced` names transcripts whose
        old rows go.
        """
        self._begin(cursor, replaced)
        self._insert(cursor, self._incoming)
        self._elect(cursor)

    def complete(
        self, cursor: duckdb.DuckDBPyConnection, replaced: list[str]
    ) -> list[tuple[str, int]]:
        """Store `_incoming`, completed by key; return (session key, rows written) pairs."""
        self._begin(cursor, replaced)
        cursor.execute(self._complete)
        cursor.execute(self._delete_completed)
        self._insert(cursor, "_completed")
        self._elect(cursor)
        return cursor.execute(
            "SELECT session_key, count(*) FROM _completed GROUP BY session_key"
        ).fetchall()

    def swap(
        self, cursor: duckdb.DuckDBPyConnection, session_keys: list[str], shadow: RecordBatchReader
    ) -> None:
        """Put rows, as `stored` has read them from other facts, in the place of transcripts' own.

        Of transcripts without a row there, too, all go.
        """
        self._mark_stale(cursor, "session_key IN (SELECT unnest($keys))", {"keys": session_keys})
        self._begin(cursor, session_keys)
        cursor.register("_shadow", shadow)
        self._insert(cursor, "_shadow")
        cursor.unregister("_shadow")
        self._mark_stale(cursor, "session_key IN (SELECT unnest($keys))", {"keys": session_keys})
        self._elect(cursor)

    def stored(
        self, cursor: duckdb.DuckDBPyConnection, session_keys: list[str]
    ) -> RecordBatchReader:
        """Return the rows of transcripts as a stream, but for what `swap` makes anew."""
        keys = Array(session_keys, type=DataType.utf8())
        cursor.register("_keys", ArrowTable.from_arrays([keys], names=["session_key"]))
        own = ", ".join(_quote(c.name) for c in (*IDENTITY, *self.table.columns))
        # A relation's stream is read as it comes; that of a statement would be held whole.
        return RecordBatchReader.from_arrow(
            cursor.sql(f"SELECT {own} FROM {self._name} SEMI JOIN _keys USING (session_key)")
        )

    # ── the parts ──

    @cached_property
    def _name(self) -> str:
        return _quote(self.table.name)

    @cached_property
    def _key(self) -> tuple[str, ...]:
        return tuple(_quote(name) for name in self.table.key)

    @cached_property
    def _own(self) -> str:
        """Incoming columns, as the table holds them."""
        return ", ".join(
            f"make_timestamp({_quote(c.name)}) AS {_quote(c.name)}"
            if c.type == "TIMESTAMP"
            else _quote(c.name)
            for c in self.table.columns
        )

    @cached_property
    def _hash(self) -> str:
        """The key's hash; stable across versions and machines, which hash() does not promise."""
        if not self.table.elect_by:
            return ""
        text = " || chr(31) || ".join(f"CAST({k} AS VARCHAR)" for k in self._key)
        # What md5_number_lower makes, which takes four times as long.
        return f", (md5_number({text}) >> 64)::UBIGINT AS key_hash"

    @cached_property
    def _incoming(self) -> str:
        return (
            f"(SELECT session_key, session_id, username, agent, {self._own}"
            " FROM _incoming JOIN _jobs USING (_job))"
        )

    @cached_property
    def _complete(self) -> str:
        key = ", ".join(self._key)
        stored = ", ".join(f"t.{_quote(c.name)}" for c in self.table.columns)
        same = " AND ".join(f"t.{k} = i.{k}" for k in self._key)
        values = ", ".join(
            f"{_COMPLETE[c.completion].format(_quote(c.name))} AS {_quote(c.name)}"
            for c in self.table.columns
            if c.name not in self.table.key
        )
        return (
            "CREATE OR REPLACE TEMP TABLE _completed AS"
            " SELECT any_value(session_key) AS session_key, any_value(session_id) AS session_id,"
            " any_value(username) AS username, any_value(agent) AS agent,"
            f" any_value(_fresh) AS _fresh, {key}, {values} FROM ("
            f"SELECT _job, _seq, {self._own} FROM _incoming UNION ALL"
            f" SELECT j._job, -1, {stored} FROM {self._name} t"
            " JOIN (SELECT _job, session_key FROM _jobs WHERE NOT _fresh) j"
            " ON t.session_key = j.session_key"
            f" SEMI JOIN (SELECT _job, {self._own} FROM _incoming) i"
            f" ON i._job = j._job AND {same}"
            f") r JOIN _jobs USING (_job) GROUP BY _job, {key}"
        )

    @cached_property
    def _delete_completed(self) -> str:
        same = " AND ".join(f"t.{k} = c.{k}" for k in self._key)
        return (
            f"DELETE FROM {self._name} t USING _completed c"
            f" WHERE NOT c._fresh AND t.session_key = c.session_key AND {same}"
        )

    def _insert(self, cursor: duckdb.DuckDBPyConnection, rows: str) -> None:
        """Insert rows, and note the keys that have other copies, among them or stored before."""
        own = ", ".join(_quote(c.name) for c in (*IDENTITY, *self.table.columns))
        derived = "".join(
            f", {sql} AS {_quote(name)}" for name, (_, sql, _) in self.table.derived.items()
        )
        insert = f"INSERT INTO {self._name} BY NAME SELECT {own}{derived}"
        if not self.table.elect_by:
            cursor.execute(f"{insert} FROM {rows}")
            return
        # The rows of this transaction will come behind all others.
        row = first(cursor.execute(f"SELECT max(rowid) + 1 FROM {self._name}"))
        before = (row[0] or 0) if row else 0
        cursor.execute(f"{insert}{self._hash}, ({self.table.eligible}) AS counted FROM {rows}")
        cursor.execute(self._touch, {"before": before})

    @cached_property
    def _first(self) -> str:
        """Whether a row is the elected one among those looked at."""
        key = ", ".join(self._key)
        order = ", ".join(self.table.elect_by)
        return (
            f"row_number() OVER (PARTITION BY username, key_hash, {key}"
            f" ORDER BY {order}, session_key) = 1"
        )

    @cached_property
    def _touch(self) -> str:
        return (
            "INSERT INTO _touched"
            f" WITH written AS (SELECT key_hash FROM {self._name} WHERE rowid >= $before)"
            " SELECT key_hash FROM written GROUP BY key_hash HAVING count(*) > 1 UNION"
            f" SELECT key_hash FROM {self._name} WHERE rowid < $before"
            " AND key_hash IN (SELECT key_hash FROM written)"
        )

    def _begin(self, cursor: duckdb.DuckDBPyConnection, replaced: list[str]) -> None:
        if self.table.elect_by:
            cursor.execute("CREATE OR REPLACE TEMP TABLE _touched (key_hash UBIGINT)")
        if replaced:
            self._delete(cursor, replaced)

    def _delete(self, cursor: duckdb.DuckDBPyConnection, session_keys: list[str]) -> None:
        if self.table.elect_by:
            cursor.execute(
                f"INSERT INTO _touched SELECT key_hash FROM {self._name}"
                " WHERE session_key IN (SELECT unnest(?))",
                [session_keys],
            )
        cursor.execute(
            f"DELETE FROM {self._name} WHERE session_key IN (SELECT unnest(?))", [session_keys]
        )

    def _elect(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Elect one of the copies of each touched key."""
        if not self.table.elect_by:
            return
        found = first(cursor.execute("SELECT count(*) FROM _touched"))
        if not found or not found[0]:
            return
        self._mark_stale(cursor, "key_hash IN (SELECT key_hash FROM _touched)", {})
        cursor.execute(
            f"UPDATE {self._name} t SET counted = e.elected FROM ("
            f" SELECT rowid AS id, {self._first} AND ({self.table.eligible}) AS elected"
            f" FROM {self._name} WHERE key_hash IN (SELECT key_hash FROM _touched)) e"
            " WHERE t.rowid = e.id AND t.counted IS DISTINCT FROM e.elected"
        )

    def _mark_stale(
        self, cursor: duckdb.DuckDBPyConnection, condition: str, given: dict[str, Any]
    ) -> None:
        if self.rolled_up_by is not None:
            cursor.execute(
                "INSERT INTO stale_sessions BY NAME SELECT DISTINCT $processor AS processor_name,"
                f" username, session_id FROM {self._name} WHERE {condition}",
                {"processor": self.rolled_up_by, **given},
            )


def rename(cursor: duckdb.DuckDBPyConnection, table: str) -> None:
    """Take over session ids and agents from `_renamed` into a table of rows."""
    cursor.execute(
        f"UPDATE {_quote(table)} t SET session_id = r.session_id, agent = r.agent"
        " FROM _renamed r WHERE t.session_key = r.session_key"
    )


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
