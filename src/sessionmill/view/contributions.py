"""What each line adds to a report, and what it states without being counted; pure.

Nothing here knows a column: the extractor's own rows are completed one by one by the rules that
their tables declare, and a line has added what figures its row has after it and had not before.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sessionmill.contracts import Row, Table, Transcript
from sessionmill.decode.records import Record
from sessionmill.process.usage import Usage, responses

#: Of one row: report columns with a value that is not zero.
Figures = Mapping[str, Any]
#: A table's name and the key of a row in it.
Key = tuple[str, tuple[Any, ...]]

#: Every rule; docs/usage-rules.md tells what each says of a line.
RULES = (
    "first_line",
    "earlier_iteration",
    "grows",
    "completes",
    "repeats",
    "copy_not_counted",
    "queued_repeated",
    "repeats_queued",
    "result_without_call",
    "synthetic",
    "gone",
)
#: The rule for rows that their table's `eligible` leaves out, whatever copies there are.
NOT_ELIGIBLE = {"tool_calls": "result_without_call", "prompts": "queued_repeated"}
#: What a row of a table is, in one word.
_WHAT = {
    "responses": "response",
    "tool_calls": "call",
    "slash_commands": "command",
    "prompts": "prompt",
    "malformed_lines": "malformed",
}


@dataclass(frozen=True, slots=True)
class Statement:
    """What one line says of one row of a table."""

    line_offset: int
    line_type: str
    table: Table
    row: tuple[Any, ...]
    #: Decided before any other rule: the line is left out, or can't be read any more.
    rule: str | None = None
    #: False for what is not in the tables at all.
    is_row: bool = True
    is_earlier_iteration: bool = False

    @property
    def key(self) -> Key:
        """What names the row within its transcript."""
        names = [column.name for column in self.table.columns]
        return self.table.name, tuple(self.row[names.index(name)] for name in self.table.key)

    @property
    def id(self) -> str | None:
        """The key as people know it; None where the line's offset is the key."""
        key = self.key[1]
        return None if self.table.key == ("line_offset",) else "/".join(map(str, key))

    @property
    def what(self) -> str:
        """What the row is of: a result is one of a call that this line does not make."""
        if self.table.name == "tool_calls" and self._of("name") is None:
            return "result"
        return _WHAT.get(self.table.name, self.table.name)

    @property
    def is_mark(self) -> bool:
        """Tell whether the line only says something of a row that an earlier line made."""
        return self._of("line_offset") is None

    def _of(self, name: str) -> Any:
        for column, value in zip(self.table.columns, self.row, strict=True):
            if column.name == name:
                return value
        return self.line_offset


def statements(
    usage: Usage, transcript: Transcript, records: Iterable[Record]
) -> Iterator[Statement]:
    """Yield what the extractor makes of each line by itself, in order."""
    carry = None
    for record in records:
        extraction = usage.extract(transcript, [record], carry)
        carry = extraction.carry
        for table in usage.tables:
            rows = [_plain(table, row) for row in extraction.rows.get(table.name, ())]
            last = rows[-1][0] if rows and table is responses.TABLE else None
            for row in rows:
                earlier = last is not None and str(row[0]).startswith(f"{last}/")
                yield Statement(
                    record.offset, record.type, table, row, is_earlier_iteration=earlier
                )
        if record.left_out is not None:
            row = _plain(responses.TABLE, responses.row(record.left_out.response, record))
            rule = record.left_out.rule
            yield Statement(
                record.offset, record.type, responses.TABLE, row, rule=rule, is_row=False
            )


def _plain(table: Table, row: Row) -> tuple[Any, ...]:
    values = row if isinstance(row, tuple) else tuple(row.get(c.name) for c in table.columns)
    return tuple([_once(v) if type(v) is str else v for v in values])


def _once(text: str) -> str:
    """Return a text as the tables hold it; folders, models and versions come with every line."""
    return sys.intern(text if text.isascii() else text.encode("utf-8", "backslashreplace").decode())


def completed(
    table: Table, earlier: tuple[Any, ...] | None, row: tuple[Any, ...]
) -> tuple[Any, ...]:
    """Return a row completed by a later one of its key, as its columns declare."""
    if earlier is None:
        return row
    return tuple(
        _COMPLETE[column.completion](before, value)
        for column, before, value in zip(table.columns, earlier, row, strict=True)
    )


def _fill(before: Any, value: Any) -> Any:
    return value if before is None else before


def _max(before: Any, value: Any) -> Any:
    return _fill(before, value) if value is None or before is None else max(before, value)


def _min(before: Any, value: Any) -> Any:
    return _fill(before, value) if value is None or before is None else min(before, value)


_COMPLETE = {"keep": lambda before, _: before, "fill": _fill, "max": _max, "min": _min}


@dataclass(frozen=True, slots=True)
class Step:
    """A statement, with its row before and after it."""

    statement: Statement
    before: tuple[Any, ...] | None
    after: tuple[Any, ...]


@dataclass(slots=True)
class Rows:
    """The rows of one transcript as they grow; what it holds is by id, not by line."""

    _rows: dict[Key, tuple[Any, ...]] = field(default_factory=dict)

    def step(self, statement: Statement) -> Step:
        """Complete a row by a statement."""
        if not statement.is_row:
            return Step(statement, None, statement.row)
        before = self._rows.get(statement.key)
        after = completed(statement.table, before, statement.row)
        self._rows[statement.key] = after
        return Step(statement, before, after)


class Uncounted(NamedTuple):
    """Why a stored row is not to be counted."""

    #: Whether it, and the copy that comes first, could be counted at all.
    eligible: bool
    first_eligible: bool
    #: The transcript whose copy comes first.
    first: str
    #: What puts it first: the term of the election in which the two differ, or "session_key".
    decided_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one line says of one thing, and what of it is counted: a row as `explain` gives it."""

    session_key: str
    line_offset: int
    #: As the agent has it.
    line_type: str
    #: response, call, result, command, prompt, malformed.
    what: str
    id: str | None
    #: docs/usage-rules.md has them all.
    rule: str
    #: Where another copy decides: its transcript, and the term in which it comes first.
    elected: str | None
    decided_by: str | None
    states: Figures
    counted: Figures
    discarded: Figures


class Contributions:
    """Attributes the figures of one transcript to its lines."""

    def __init__(self, session_key: str, uncounted: Mapping[Key, Uncounted]) -> None:
        """`uncounted` are the stored rows that reports are to leave out."""
        self._session_key, self._uncounted = session_key, uncounted
        self._figures: dict[Key, Figures] = {}

    def of(self, step: Step, alone: Figures, after: Figures) -> Contribution:
        """Return what a step comes to.

        `alone` are the figures of its statement by itself, `after` those of the row it completes.
        """
        said = step.statement
        key = said.key
        added: dict[str, Any] = {}
        before = self._figures.get(key, {})
        if said.is_row:
            self._figures[key] = after
            added = difference(after, before)
        other = self._uncounted.get(key) if said.is_row else None
        rule = said.rule or _left_out(said, other) or _adding(step, added, before)
        counted = {} if other is not None else added
        # Another copy decides; a row that is not eligible may be the first of all copies itself.
        elected = other.first if other and other.first != self._session_key else None
        return Contribution(
            session_key=self._session_key,
            line_offset=said.line_offset,
            line_type=said.line_type,
            what=said.what,
            id=said.id,
            rule=rule,
            elected=elected,
            decided_by=other.decided_by if other and elected else None,
            states=alone,
            counted=counted,
            discarded={
                name: rest
                for name, value in alone.items()
                if (rest := value - max(counted.get(name, 0), 0)) > 0
            },
        )


def _left_out(said: Statement, other: Uncounted | None) -> str | None:
    if said.is_mark:
        return "repeats_queued"
    if other is None:
        return None
    if other.eligible and other.first_eligible:
        return "copy_not_counted"
    return NOT_ELIGIBLE[said.table.name]


def _adding(step: Step, added: Figures, before: Figures) -> str:
    if added and not before:
        return "earlier_iteration" if step.statement.is_earlier_iteration else "first_line"
    if added:
        return "completes" if step.statement.what == "result" else "grows"
    return "repeats" if step.before == step.after else "completes"


def difference(after: Figures, before: Figures) -> dict[str, Any]:
    """Return what figures rose by, without those that stayed; one that fell is below zero."""
    names = after.keys() | before.keys()
    rose = {name: after.get(name, 0) - before.get(name, 0) for name in sorted(names)}
    return {name: by for name, by in rose.items() if by}


class Sum(NamedTuple):
    """One figure: what lines add to it, what they state in vain, what the tables say."""

    figure: str
    counted: Any
    discarded: Any
    tables: Any
    equal: bool


@dataclass(slots=True)
class Sums:
    """What all lines come to, of each transcript."""

    counted: dict[str, Counter[str]] = field(default_factory=dict)
    discarded: Counter[str] = field(default_factory=Counter)

    def add(self, one: Contribution) -> None:
        """Add what a line comes to."""
        self.counted.setdefault(one.session_key, Counter()).update(one.counted)
        self.discarded.update(one.discarded)

    def against(self, names: Sequence[str], tables: Mapping[str, Figures]) -> list[Sum]:
        """Compare with what the tables say of each transcript."""
        counted, told = Counter[str](), Counter[str]()
        for of_one in self.counted.values():
            counted.update(of_one)
        for figures in tables.values():
            told.update(figures)
        return [
            Sum(name, counted[name], self.discarded[name], told[name], _same(counted, told, name))
            for name in names
        ]

    def differing(self, tables: Mapping[str, Figures]) -> list[str]:
        """Return the transcripts whose lines do not come to what the tables say."""
        return sorted(
            key
            for key in self.counted.keys() | tables.keys()
            if any(
                not _same(self.counted.get(key, {}), tables.get(key, {}), name)
                for name in self.counted.get(key, {}).keys() | tables.get(key, {}).keys()
            )
        )


def _same(some: Mapping[str, Any], others: Mapping[str, Any], name: str) -> bool:
    one, other = some.get(name, 0), others.get(name, 0)
    if isinstance(one, int) and isinstance(other, int):
        return one == other
    # Sums of what is no whole number may differ by the order in which they are made.
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
