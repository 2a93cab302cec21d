"""Inventory: which client versions wrote which types of lines, and what was not understood."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sessionmill.contracts import Column, Extraction, Table, Transcript
from sessionmill.decode.records import Record

#: Distinct (type, version) pairs told apart in one transcript; real ones have at most dozens.
_MOST_KINDS = 400
_OTHER = ("(others)", "")


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
                Column("length_bytes", "BIGINT", "max", "of them all, with their newlines"),
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
        for record in records:
            kind = (record.type, record.client_version or "")
            count = counts.get(kind)
            if count is None:
                if len(counts) >= _MOST_KINDS:
                    kind = _OTHER
                count = counts.setdefault(kind, [record.offset, 0, 0, record.known, 0, 0])
            count[1] += 1
            count[2] += record.end - record.offset
            if record.lost_fields:
                count[4] += len(record.lost_fields)
            if record.recovered:
                count[5] += 1
        rows = [(*kind, *count) for kind, count in counts.items()]
        return Extraction(rows={"line_types": rows}, safe_offset=records[-1].end, carry=rows)
