"""Malformed lines: where they are, how long, and why they cannot be read; never what they say."""

from __future__ import annotations

from sessionmill.contracts import Column, Row, Table
from sessionmill.decode.records import Record

TABLE = Table(
    name="malformed_lines",
    comment="a line that could not be read, nor recovered",
    key=("line_offset",),
    columns=(
        Column("line_offset", "BIGINT", "keep", "byte at which the line starts"),
        Column("length_bytes", "BIGINT", "max", "with its newline"),
        Column("reason", "VARCHAR", "fill", "why it could not be read"),
    ),
)


def row(reason: str, record: Record) -> Row:
    """Return the malformed line's row."""
    return (record.offset, record.end - record.offset, reason)
