"""What the facts say of single rows: their figures, by the very views that reports are made from.

A view reads tables by name. Where a query names those tables itself, with rows of our own in them,
the view's text tells what these rows would add to a report: no second list of columns, no second
reading of what a failed call or a skill is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import duckdb
from arro3.core import Table as ArrowTable
from arro3.io import read_ipc_stream

from sessionmill.contracts import Table, Transcript
from sessionmill.process.usage import Usage
from sessionmill.run.columns import TableRows
from sessionmill.view.contributions import Figures, Key, Statement, Step, Uncounted

#: What reports sum up: a row for each thing that is counted.
_VIEW = "counted_usage"
_OF_SESSION = "username = $user AND session_id = $session"
_NUMBERS = ("INTEGER", "BIGINT", "HUGEINT", "DOUBLE", "DECIMAL")


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rows are traced: those of a session, or those that bear an id."""

    username: str | None = None
    session_id: str | None = None
    id: str | None = None

    def has(self, statement: Statement) -> bool:
        """Tell whether a line's statement is of these rows."""
        of = statement.id or ""
        return self.id is None or of == self.id or of.startswith(f"{self.id}/")

    def condition(self, table: Table) -> str:
        """Return it as SQL over a table, with $user, $session and $id as `parameters` give them."""
        if self.id is None:
            return _OF_SESSION
        key = _quote(table.key[0])
        if len(table.key) > 1 or table.key == ("line_offset",):
            return "false"
        return f"({key} = $id OR starts_with({key}, $id || '/'))"

    @property
    def parameters(self) -> dict[str, Any]:
        """The values that `condition` names."""
        if self.id is None:
            return {"user": self.username, "session": self.session_id}
        return {"id": self.id}


class FactsFigures:
    """Asks the open facts on a cursor of its own."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, usage: Usage) -> None:
        self._cursor, self._views = cursor, usage.views
        self._tables = {table.name: table for table in usage.tables}

    @cached_property
    def columns(self) -> list[str]:
        """The columns of the view that are summed up."""
        self._cursor.execute(f"SELECT * FROM {_VIEW} LIMIT 0")
        described = self._cursor.description or []
        return [name for name, type, *_ in described if str(type).startswith(_NUMBERS)]

    @property
    def names(self) -> list[str]:
        """Every figure: the view's, and how many rows the tables have that it leaves out."""
        return [*self.columns, *(n for n in self._tables if n not in self.columns)]

    def _told(self, values: Sequence[Any]) -> dict[str, Any]:
        """Return what is told of the columns; nothing of those that are zero or unknown."""
        return {name: v for name, v in zip(self.columns, values, strict=True) if v}

    # ── rows of our own ──

    def of(
        self, transcript: Transcript, steps: Sequence[Step]
    ) -> Iterator[tuple[Step, Figures, Figures]]:
        """Yield each step with the figures of its statement alone, and of its row after it."""
        rows: dict[str, list[tuple[int, tuple[Any, ...]]]] = {}
        for number, step in enumerate(steps):
            of_table = rows.setdefault(step.statement.table.name, [])
            of_table.append((2 * number, step.statement.row))
            of_table.append((2 * number + 1, step.after))
        figures = self._figures(transcript, rows)
        for number, step in enumerate(steps):
            yield step, figures.get(2 * number, {}), figures.get(2 * number + 1, {})

    def _figures(
        self, transcript: Transcript, rows: Mapping[str, list[tuple[int, tuple[Any, ...]]]]
    ) -> dict[int, dict[str, Any]]:
        eligible: dict[int, bool] = {}
        for name, table in self._tables.items():
            numbered = rows.get(name, [])
            self._cursor.register(f"_said_{name}", _arrow(table, numbered))
            if table.eligible != "true" and numbered:
                eligible |= dict(self._cursor.execute(self._eligible(table)).fetchall())
        given = {"id": transcript.session_id, "user": transcript.username, "of": transcript.agent}
        found = self._cursor.execute(self._said, given).fetchall()
        figures = {int(number): self._told(values) for number, *values in found}
        for name, numbered in rows.items():
            for number, _ in numbered:
                if name not in self.columns:
                    figures.setdefault(number, {})[name] = 1
                if not eligible.get(number, True):
                    # Of a statement alone: a result says whether it failed, and makes no call.
                    figures.get(number, {}).pop(name, None)
        return figures

    @cached_property
    def _said(self) -> str:
        """The view over `_said_<table>`, with each row's number for a session key."""
        parts = [f"{_quote(name)} AS ({self._as_table(t)})" for name, t in self._tables.items()]
        columns = ", ".join(map(_quote, self.columns))
        return f"{self._over(parts)} SELECT session_key, {columns} FROM {_VIEW}"

    def _over(self, tables: Sequence[str]) -> str:
        """Return a WITH that lets the view read these in place of the tables."""
        views = [f"{_quote(name)} AS ({sql})" for name, sql in self._views.items()]
        # In the order of their declaration, which is that of what relies on what.
        return f"WITH {', '.join((*tables, *views[: list(self._views).index(_VIEW) + 1]))}"

    def _as_table(self, table: Table) -> str:
        """Return rows of ours as the store writes them; one that is completed may not count."""
        counted = ""
        if table.elect_by:
            counted = f", NULL::UBIGINT AS key_hash, (_job % 2 = 0 OR {table.eligible}) AS counted"
        identity = (
            "_job::VARCHAR AS session_key, $id::VARCHAR AS session_id, $user::VARCHAR AS username,"
            " $of::VARCHAR AS agent"
        )
        return f"SELECT {identity}, * EXCLUDE (_job){counted} FROM ({self._derived(table)})"

    def _derived(self, table: Table) -> str:
        own = ", ".join(
            f"make_timestamp({_quote(c.name)}) AS {_quote(c.name)}"
            if c.type == "TIMESTAMP"
            else _quote(c.name)
            for c in table.columns
        )
        derived = "".join(
            f", {sql} AS {_quote(name)}" for name, (_, sql, _) in table.derived.items()
        )
        return f"SELECT *{derived} FROM (SELECT _job, {own} FROM {_quote(f'_said_{table.name}')})"

    def _eligible(self, table: Table) -> str:
        return f"SELECT _job, ({table.eligible}) FROM ({self._derived(table)})"

    # ── stored rows ──

    def uncounted(self, session_key: str) -> dict[Key, Uncounted]:
        """Return the rows of a transcript that reports are to leave out, and for which copy."""
        found: dict[Key, Uncounted] = {}
        for name, table in self._tables.items():
            if table.elect_by:
                rows = self._cursor.execute(_uncounted(table), {"key": session_key}).fetchall()
                width = len(table.key)
                found |= {(name, row[:width]): Uncounted(*row[width:]) for row in rows}
        return found

    def stored(self, session_key: str, rule: str) -> Iterator[Statement]:
        """Yield the rows of a transcript as if each were a line's: its lines can't be read."""
        for table in self._tables.values():
            columns = ", ".join(_quote(c.name) for c in table.columns)
            order = ", ".join(map(_quote, ("line_offset", *table.key)))
            cursor = self._cursor.cursor().execute(
                f"SELECT {columns} FROM {_quote(table.name)} WHERE session_key = $key"
                f" ORDER BY {order}",
                {"key": session_key},
            )
            offset = [c.name for c in table.columns].index("line_offset")
            while rows := cursor.fetchmany(1000):
                for row in rows:
                    values = tuple(map(_aware, row))
                    yield Statement(values[offset], f"({rule})", table, values, rule=rule)

    def holding(self, scope: Scope) -> list[str]:
        """Return the transcripts that have rows of a scope."""
        keys: set[str] = set()
        for table in self._tables.values():
            rows = self._cursor.execute(
                f"SELECT DISTINCT session_key FROM {_quote(table.name)}"
                f" WHERE {scope.condition(table)}",
                scope.parameters if scope.condition(table) != "false" else {},
            ).fetchall()
            keys.update(key for (key,) in rows)
        return sorted(keys)

    def reported(self, scope: Scope) -> Mapping[str, Figures]:
        """Return what the tables say of each transcript in a scope.

        Of a session that is what `report usage --by session` sums up.
        """
        sums = ", ".join(f"sum({_quote(name)})" for name in self.columns)
        told: dict[str, dict[str, Any]] = {}
        where = _OF_SESSION if scope.id is None else "true"
        rows = self._cursor.execute(
            f"{self._within(scope)} SELECT session_key, {sums} FROM {_VIEW} WHERE {where}"
            " GROUP BY session_key",
            scope.parameters,
        ).fetchall()
        for key, *values in rows:
            told[key] = self._told(values)
        for name, table in self._tables.items():
            if name in self.columns or scope.condition(table) == "false":
                continue
            counted = " AND counted" if table.elect_by else ""
            rows = self._cursor.execute(
                f"SELECT session_key, count(*) FROM {_quote(name)}"
                f" WHERE {scope.condition(table)}{counted} GROUP BY session_key",
                scope.parameters,
            ).fetchall()
            for key, number in rows:
                told.setdefault(key, {})[name] = number
        return told

    def _within(self, scope: Scope) -> str:
        """Return what confines the view to the rows that bear an id."""
        if scope.id is None:
            return ""
        parts = [
            f"{_quote(name)} AS (SELECT * FROM main.{_quote(name)} WHERE {scope.condition(table)})"
            for name, table in self._tables.items()
        ]
        return self._over(parts)


def _uncounted(table: Table) -> str:
    """Return the query of a transcript's rows that lose the election, each with the first copy.

    It is held anew, without a look at `counted`: the sums then tell whether that is right.
    """
    name, key = _quote(table.name), ", ".join(map(_quote, table.key))
    order = ", ".join((*table.elect_by, "session_key"))
    decided = " ".join(
        f"WHEN ({term}) IS DISTINCT FROM first_value({term}) OVER copies THEN '{_text(term)}'"
        for term in (term.removesuffix(" DESC") for term in table.elect_by)
    )
    return (
        f"SELECT {key}, eligible, first_eligible, first, decided_by FROM ("
        f" SELECT session_key, {key}, ({table.eligible}) AS eligible,"
        f" first_value(({table.eligible})) OVER copies AS first_eligible,"
        " first_value(session_key) OVER copies AS first,"
        f" CASE {decided} ELSE 'session_key' END AS decided_by"
        f" FROM {name}"
        f" WHERE (username, key_hash) IN (SELECT (username, key_hash) FROM {name}"
        " WHERE session_key = $key)"
        f" WINDOW copies AS (PARTITION BY username, {key} ORDER BY {order}))"
        " WHERE session_key = $key AND NOT (eligible AND first = session_key)"
    )


def _arrow(table: Table, numbered: Iterable[tuple[int, tuple[Any, ...]]]) -> ArrowTable:
    """Return rows by number as Arrow, by the code that takes them to the store."""
    gathered = TableRows(table)
    for number, row in numbered:
        gathered.add(number, gathered.check([row]))
    ipc, _, _, unfit = gathered.take(0, job_ended=True)
    if unfit:
        raise ValueError(next(iter(unfit.values())))
    return ArrowTable.from_batches(list(read_ipc_stream(ipc)))


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def _text(value: str) -> str:
    return value.replace("'", "''")


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
