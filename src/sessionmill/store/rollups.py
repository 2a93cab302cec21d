"""Rollups: tables that sum up an extractor's rows, so that reports need not.

A rollup is declared as a view is. Its rows are kept: those of a session are made anew when rows of
that session have changed, or which of its copies count. Which sessions these are, `stale_sessions`
tells; it is written in the transaction that writes the rows. So a run that is killed before it has
made them anew leaves that to the next command.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import duckdb

from sessionmill.plugins import Processor
from sessionmill.store.statements import first, statements

#: From this part of all sessions on, to make a rollup whole is less work.
_MOST = 0.5


@dataclass(frozen=True)
class Rollups:
    """The rollups of one processor."""

    processor: Processor

    def create(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Bring those into being that are missing or declared otherwise now: empty, not whole.

        Those that are declared no more are dropped. Raises duckdb.Error for one without the columns
        by which its rows are told apart.
        """
        made_from = self._made_from(cursor)
        for name in made_from.keys() - self.processor.rollups.keys():
            cursor.execute(f"DROP TABLE {_quote(name)}")
            cursor.execute("DELETE FROM rollups WHERE name = ?", [name])
        for name, sql in self._composed.items():
            digest = _digest(sql)
            if made_from.get(name) != digest:
                cursor.execute(f"CREATE OR REPLACE TABLE {_quote(name)} AS {sql} LIMIT 0")
                cursor.execute(
                    f"SELECT username, session_id FROM {_quote(name)} LIMIT 0"
                ).fetchall()
                cursor.execute("DELETE FROM rollups WHERE name = ?", [name])
                cursor.execute(
                    "INSERT INTO rollups VALUES (?, ?, ?, false)",
                    [name, self.processor.name, digest],
                )

    def are_created(self, cursor: duckdb.DuckDBPyConnection) -> bool:
        """Tell whether all are there, as they are declared now."""
        made_from = self._made_from(cursor)
        return made_from == {name: _digest(sql) for name, sql in self._composed.items()}

    def are_fresh(self, cursor: duckdb.DuckDBPyConnection) -> bool:
        """Tell whether they say what the rows say."""
        given = {"processor": self.processor.name}
        return first(cursor.execute(statements("rollups")["stale"], given)) == (0, 0)

    def refresh(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Make anew what they say of sessions whose rows have changed."""
        sql = statements("rollups")
        given = {"processor": self.processor.name}
        cursor.execute(sql["begin"], given)
        [(unwhole, share)] = cursor.execute(sql["extent"], given).fetchall()
        whole = unwhole > 0 or share is None or share >= _MOST
        for name in self.processor.rollups:
            among = "" if whole else " WHERE (username, session_id) IN (FROM _stale)"
            cursor.execute(f"DELETE FROM {_quote(name)}{among}")
        read = {**({} if whole else self._of_stale), **self.processor.views}
        for name in self._shared:
            rows = _with(_mentioned(read[name], read), read[name])
            cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_quote('_' + name)} AS {rows}")
            read[name] = f"FROM temp.{_quote('_' + name)}"
        for name, rollup in self.processor.rollups.items():
            rows = _with(_mentioned(rollup, read), rollup)
            cursor.execute(f"INSERT INTO {_quote(name)} BY NAME {rows}")
        for name in self._shared:
            cursor.execute(f"DROP TABLE temp.{_quote('_' + name)}")
        cursor.execute(sql["end"], given)
        cursor.execute(sql["are_whole"], given)

    def _made_from(self, cursor: duckdb.DuckDBPyConnection) -> dict[str, str]:
        rows = cursor.execute(
            "SELECT name, made_from FROM rollups WHERE processor_name = ?", [self.processor.name]
        ).fetchall()
        return dict(rows)

    # ── the SQL ──

    @cached_property
    def _composed(self) -> dict[str, str]:
        """Each rollup's SQL, with the views that it reads written into it."""
        return {
            name: _with(_mentioned(sql, self.processor.views), sql)
            for name, sql in self.processor.rollups.items()
        }

    @cached_property
    def _of_stale(self) -> dict[str, str]:
        """The rows of stale sessions, by the tables that hold them."""
        return {
            table.name: f"FROM main.{_quote(table.name)}"
            " SEMI JOIN _stale USING (username, session_id)"
            for table in self.processor.tables
        }

    @cached_property
    def _shared(self) -> list[str]:
        """The views that several rollups read: each is worked out once."""
        views = self.processor.views
        readers = Counter(
            n for sql in self.processor.rollups.values() for n in _mentioned(sql, views)
        )
        return [name for name in views if readers[name] > 1]


def mark_stale_jobs(cursor: duckdb.DuckDBPyConnection, processor: Processor) -> None:
    """Say that rows of the sessions of `_jobs` change."""
    if processor.rollups:
        cursor.execute(statements("rollups")["mark_jobs"], {"processor": processor.name})


def mark_all_stale(cursor: duckdb.DuckDBPyConnection) -> None:
    """Say that every rollup is to be made anew: what they read beside rows has changed."""
    cursor.execute("UPDATE rollups SET whole = false")


def _mentioned(sql: str, named: Mapping[str, str]) -> dict[str, str]:
    """Return what of `named` a text reads, or what that reads, in the order of `named`."""
    found: set[str] = set()
    unread = [sql]
    while unread:
        words = set(re.findall(r"\w+", unread.pop()))
        new = {name for name in named if name in words} - found
        found |= new
        unread += [named[name] for name in new]
    return {name: text for name, text in named.items() if name in found}


def _with(named: Mapping[str, str], sql: str) -> str:
    parts = ",\n".join(f"{_quote(name)} AS (\n{text}\n)" for name, text in named.items())
    return f"WITH {parts}\nFROM (\n{sql}\n)" if parts else f"FROM (\n{sql}\n)"


def _digest(sql: str) -> str:
    return hashlib.blake2b(sql.encode(), digest_size=8).hexdigest()


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
