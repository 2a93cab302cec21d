"""Inventory: which client versions wrote which types of lines, and what was not understood."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sessionmill.contracts import Column, Extraction, Table, Transcript
from sessionmill.decode.records import Record

#: Distinct (type, version) pairs told apart in one transcript; real ones have at most dozens.
_MOST_KINDS = 400
_OTHER = ("(others)", "")
#: Characters of a type's or a version's name; real ones have at most a few dozen.
_LONGEST_NAME = 80


class Inventory:
    """Counts lines by type and client version, per transcript."""

    name = "inventory"
    version = 1
    cadence_minutes = 60
    tables = (
        Table(
            name="line_types",
            comment="how many lines of one type one client version wrote into a transcript",
            key=("line_type", "client_version"),
            columns=(
                Column("line_type", "VARCHAR", "keep", "the agent's own word, with its subtype"),
                Column("client_version", "VARCHAR", "keep", "'' where the line names none"),
                Column("line_offset", "BIGINT", "min", "byte at which the first of them starts"),
                Column("lines", "BIGINT", "max", "how many"),
                Column("unknown_bytes", "BIGINT", "max", "of those that are not understood"),
                Column("known", "BOOLEAN", "max", "false for a type that is not understood"),
                Column("lost_fields", "BIGINT", "max", "fields of a wrong type, left out"),
                Column("recovered_lines", "BIGINT", "max", "damaged, and could still be read"),
            ),
        ),
    )

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        """Return running totals: a later slice's are larger, and complete the earlier ones."""
        del transcript
        counts: dict[tuple[str, str], list[Any]] = {
            (row[0], row[1]): list(row[2:]) for row in carry or ()
        }
        own: dict[tuple[str, str | None], list[Any]] = {}
        for record in records:
            kind = (record.type, record.client_version)
            count = own.get(kind)
            if count is None:
                count = own[kind] = _count_of(kind, counts, record)
            count[1] += 1
            if record.lost_fields or record.recovered or not record.known:
                count[2] += 0 if record.known else record.end - record.offset
                count[4] += len(record.lost_fields)
                count[5] += record.recovered
        rows = [(*kind, *count) for kind, count in counts.items()]
        return Extraction(rows={"line_types": rows}, safe_offset=records[-1].end, carry=rows)


def _count_of(
    kind: tuple[str, str | None], counts: dict[tuple[str, str], list[Any]], first: Record
) -> list[Any]:
    name = (kind[0][:_LONGEST_NAME], (kind[1] or "")[:_LONGEST_NAME])
    if name not in counts and len(counts) >= _MOST_KINDS:
        name = _OTHER
    return counts.setdefault(name, [first.offset, 0, 0, first.known, 0, 0])
