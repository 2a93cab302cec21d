"""Prompts: one row for each turn that a person typed.

What is typed while the agent works is queued. Clients write it as a `queued_command` attachment,
and some as a user line too once it is its turn: such a user line repeats it, and the attachment's
row is marked and not counted. Texts are compared by hash, which is all that is remembered.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sessionmill.contracts import Column, Row, Table
from sessionmill.decode.records import Prompt, Record
from sessionmill.process.usage.places import AT, LINE_OFFSET, NOWHERE, PLACE, place

TABLE = Table(
    name="prompts",
    comment="one turn that a person typed, in one transcript; reports count those with counted",
    key=("prompt_id",),
    columns=(
        Column("prompt_id", "VARCHAR", "keep", "the line's uuid, else session key and offset"),
        LINE_OFFSET,
        AT,
        Column("characters", "BIGINT", "max", "of its text"),
        Column("queued", "BOOLEAN", "min", "typed while the agent worked, told by no user line"),
        Column("repeated", "BOOLEAN", "max", "a queued one that a user line repeats"),
        *PLACE,
    ),
    # If any copy saw the repetition, the attachment is not counted in any.
    elect_by=("repeated DESC", "copy_rank"),
    eligible="NOT repeated",
)

#: How many prompts of either kind are remembered for finding repetitions.
_REMEMBERED = 200

_Seen = tuple[int, str, float | None]


class Queue:
    """Pairs queued prompts with the user lines that repeat them, one with one."""

    def __init__(self, carry: Any) -> None:
        typed, queued = carry or ((), ())
        self._typed: list[_Seen] = [tuple(seen) for seen in typed]
        self._queued: list[_Seen] = [tuple(seen) for seen in queued]

    def carry(self) -> Any:
        """Return what the next slice needs: hashes, ids and times, no words."""
        if not self._typed and not self._queued:
            return None
        return [self._typed, self._queued]

    def rows(self, prompt: Prompt, record: Record) -> Iterator[Row]:
        """Yield the prompt's row, and the mark on the queued one that it repeats."""
        seen = (prompt.text_hash, prompt.id, _seconds(record.at))
        if prompt.queued:
            repeated = self._repeated_by(seen)
            yield _row(prompt.id, record, prompt.characters, queued=True, repeated=repeated)
            return
        yield _row(prompt.id, record, prompt.characters, queued=False, repeated=False)
        earlier = next((q for q in self._queued if q[0] == prompt.text_hash), None)
        if earlier is None:
            self._typed = [*self._typed, seen][-_REMEMBERED:]
            return
        self._queued.remove(earlier)
        if earlier[1] != prompt.id:  # the attachment named this very line: one row already
            yield _mark(earlier[1])

    def _repeated_by(self, queued: _Seen) -> bool:
        """Tell whether a user line that stands before, but came later, repeats it."""
        for typed in self._typed:
            later = typed[2] is not None and queued[2] is not None and typed[2] >= queued[2]
            if typed[0] == queued[0] and (later or typed[1] == queued[1]):
                self._typed.remove(typed)
                return typed[1] != queued[1]
        self._queued = [*self._queued, queued][-_REMEMBERED:]
        return False


def _row(id: str, record: Record, characters: int, *, queued: bool, repeated: bool) -> Row:
    return (
        id,
        record.offset,
        record.at,
        characters,
        queued,
        repeated,
        *place(record),
    )


def _mark(id: str) -> Row:
    return (id, None, None, None, None, True, *NOWHERE)


def _seconds(at: datetime | None) -> float | None:
    return at.timestamp() if at is not None else None
