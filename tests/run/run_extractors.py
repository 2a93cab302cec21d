"""Extractors of the tests: each shows one side of the contract."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sessionmill.contracts import (
    Column,
    Extraction,
    ProcessorContext,
    RetryLater,
    Row,
    Table,
    Transcript,
)
from sessionmill.decode.records import Record


class Offsets:
    """One row for each record: where it starts, how many came with it, which call it was.

    Its carry counts the calls.
    """

    name = "offsets"
    cadence_minutes = 5
    tables: Sequence[Table] = (
        Table(
            name="offsets",
            key=("line_offset",),
            columns=(
                Column("line_offset", "BIGINT", "keep"),
                Column("together", "BIGINT", "max"),
                Column("calls", "BIGINT", "max"),
            ),
        ),
    )

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        del transcript
        calls = (carry or 0) + 1
        rows = [(record.offset, len(records), calls) for record in records]
        return Extraction(rows={"offsets": rows}, safe_offset=records[-1].end, carry=calls)


class OffsetsAnew(Offsets):
    version = 2


class MainOffsets(Offsets):
    transcripts = "main"


class Viewed(Offsets):
    """Has a view over its table."""

    views: Mapping[str, str] = {"offset_counts": "SELECT count(*) AS n FROM offsets"}


class ViewedAnew(Offsets):
    """Has learnt a column, and defines its view otherwise."""

    version = 2
    tables = (
        Table(
            name="offsets",
            key=("line_offset",),
            columns=(*Offsets.tables[0].columns, Column("line_type", "VARCHAR")),
        ),
    )
    views: Mapping[str, str] = {"offset_counts": "SELECT count(line_type) AS n FROM offsets"}

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        del transcript, carry
        rows = [(record.offset, 1, 1, record.type) for record in records]
        return Extraction(rows={"offsets": rows}, safe_offset=records[-1].end)


class Summed(Offsets):
    """Has a rollup of its table, and a view over that."""

    rollups: Mapping[str, str] = {
        "offset_sums": "SELECT username, session_id, count(*) AS lines FROM offsets GROUP BY ALL"
    }
    views: Mapping[str, str] = {"offset_lines": "SELECT sum(lines) AS lines FROM offset_sums"}


class SummedAnswers(Summed):
    """Has rows of answers alone."""

    version = 2

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        del transcript, carry
        rows = [(record.offset, 1, 1) for record in records if record.responses]
        return Extraction(rows={"offsets": rows}, safe_offset=records[-1].end)


class SummedAll(Summed):
    version = 3


class SummedAnew(Offsets):
    """Has another rollup in its place."""

    rollups: Mapping[str, str] = {
        "offset_ends": "SELECT username, session_id, max(line_offset) AS last FROM offsets"
        " GROUP BY ALL"
    }


class SummedByChance(Offsets):
    """Has a rollup that is refused over some rows alone."""

    rollups: Mapping[str, str] = {
        "offset_sums": "SELECT username, session_id, count(*) AS lines,"
        " CASE WHEN count(*) > 3 THEN error('more than three lines') END AS most"
        " FROM offsets GROUP BY ALL"
    }


class Groups:
    """Takes records in by threes, and holds back those that make no three yet.

    Its carry numbers the groups.
    """

    name = "groups"
    cadence_minutes = 5
    tables = (
        Table(
            name="groups",
            key=("number",),
            columns=(
                Column("number", "BIGINT", "keep"),
                Column("first", "BIGINT", "fill"),
                Column("last", "BIGINT", "fill"),
                Column("types", "VARCHAR", "fill"),
            ),
        ),
    )

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        del transcript
        rows: list[Row] = []
        number, whole = carry or 0, len(records) // 3 * 3
        for start in range(0, whole, 3):
            three = records[start : start + 3]
            # The line's own bytes must still be there when a record is handed out again.
            types = " ".join(record.json()["type"] for record in three)
            rows.append((number, three[0].offset, three[-1].offset, types))
            number += 1
        safe = records[whole].offset if whole < len(records) else records[-1].end
        return Extraction(rows={"groups": rows}, safe_offset=safe, carry=number)


class AsDicts:
    """Gives rows by column name, and leaves out what it does not know."""

    name = "as-dicts"
    cadence_minutes = 5
    tables = (
        Table(
            name="as_dicts",
            key=("line_offset",),
            columns=(
                Column("line_offset", "BIGINT", "keep"),
                Column("model", "VARCHAR"),
                Column("at", "TIMESTAMP"),
                Column("known", "BOOLEAN"),
                Column("share", "DOUBLE"),
            ),
        ),
    )

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        del transcript, carry
        rows: list[Row] = []
        for record in records:
            row: dict[str, Any] = {"line_offset": record.offset, "at": record.at, "share": 0.5}
            if record.responses:
                row["model"] = record.responses[0].model
            rows.append(row)
        return Extraction(rows={"as_dicts": rows}, safe_offset=records[-1].end)


class Told:
    """Writes down what it is told of the transcript, and by its context."""

    name = "told"
    cadence_minutes = 5
    tables = (
        Table(
            name="told",
            key=("key",),
            columns=tuple(
                Column(name, "VARCHAR", "fill")
                for name in ("key", "user", "session", "of_agent", "path_kind", "greeting")
            ),
        ),
    )

    def __init__(self, context: ProcessorContext) -> None:
        self._greeting = context.settings.get("greeting")

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        del carry
        row = (
            transcript.key,
            transcript.username,
            transcript.session_id,
            transcript.agent,
            transcript.path_kind,
            self._greeting,
        )
        return Extraction(rows={"told": [row]}, safe_offset=records[-1].end)


class Dependent(Offsets):
    """Depends on something that is away as long as there is the file that $TEST_AWAY names."""

    name = "dependent-offsets"
    tables = (replace(Offsets.tables[0], name="dependent_offsets"),)

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        if Path(os.environ["TEST_AWAY"]).exists() and "s00" not in transcript.key:
            raise RetryLater("the model does not answer", 90)
        extraction = super().extract(transcript, records, carry)
        return replace(extraction, rows={"dependent_offsets": extraction.rows["offsets"]})


# ── breaking the contract, on the transcript `culprit.jsonl` ──

CULPRIT = "alice/culprit.jsonl"
AT = datetime(2026, 3, 2, tzinfo=UTC)
_TABLE = Table(
    name="broken",
    key=("number",),
    columns=(
        Column("number", "BIGINT", "keep"),
        Column("text", "VARCHAR"),
        Column("small", "UTINYINT"),
        Column("at", "TIMESTAMP"),
        Column("yes", "BOOLEAN"),
        Column("share", "DOUBLE"),
        Column("unsigned", "UBIGINT"),
        Column("whole", "INTEGER"),
    ),
)
GOOD: tuple[Any, ...] = (1, "x", 1, AT, True, 0.5, 1, 1)


def _with(column: str, value: Any) -> Callable[[Sequence[Record]], Any]:
    """Return what makes an extraction with one odd value."""
    place = [c.name for c in _TABLE.columns].index(column)
    row = (*GOOD[:place], value, *GOOD[place + 1 :])
    return lambda records: Extraction(rows={"broken": [row]}, safe_offset=records[-1].end)


def _rows(*rows: Any) -> Callable[[Sequence[Record]], Any]:
    return lambda records: Extraction(rows={"broken": rows}, safe_offset=records[-1].end)


def _end(offset: Callable[[Sequence[Record]], int]) -> Callable[[Sequence[Record]], Any]:
    return lambda records: Extraction(rows={"broken": [GOOD]}, safe_offset=offset(records))


def _carry(value: Any) -> Callable[[Sequence[Record]], Any]:
    return lambda records: Extraction(
        rows={"broken": [GOOD]}, safe_offset=records[-1].end, carry=value
    )


#: Each breach, and what its message names.
BREACHES: dict[str, tuple[Callable[[Sequence[Record]], Any], tuple[str, ...]]] = {
    "short_row": (_rows(GOOD[:-1]), ("broken", "7", "8")),
    "long_row": (_rows((*GOOD, 1)), ("broken", "9", "8")),
    "unknown_column": (_rows({"number": 1, "colour": "red"}), ("broken", "colour")),
    "unknown_table": (
        lambda records: Extraction(rows={"other": [GOOD]}, safe_offset=records[-1].end),
        ("other",),
    ),
    "text_for_number": (_with("number", "one"), ("broken", "number", "BIGINT")),
    "number_for_text": (_with("text", 7), ("broken", "text", "VARCHAR")),
    "bytes_for_text": (_with("text", b"x"), ("broken", "text", "VARCHAR")),
    "too_large": (_with("number", 2**63), ("broken", "number", "BIGINT")),
    "too_large_for_byte": (_with("small", 256), ("broken", "small", "UTINYINT")),
    "negative": (_with("unsigned", -1), ("broken", "unsigned", "UBIGINT")),
    "too_large_for_integer": (_with("whole", 2**31), ("broken", "whole", "INTEGER")),
    "text_for_time": (_with("at", "2026-03-02"), ("broken", "at", "TIMESTAMP")),
    "naive_time": (_with("at", AT.replace(tzinfo=None)), ("broken", "at", "TIMESTAMP")),
    "text_for_boolean": (_with("yes", "yes"), ("broken", "yes", "BOOLEAN")),
    "text_for_double": (_with("share", "half"), ("broken", "share", "DOUBLE")),
    "list_for_number": (_with("number", [1]), ("broken", "number", "BIGINT")),
    "no_key": (_with("number", None), ("broken", "number", "key")),
    "carry_too_large": (_carry("x" * 64 * 1024), ("carry", "65536")),
    "carry_of_a_kind": (_carry(object()), ("object",)),
    "offset_before": (_end(lambda records: records[0].offset - 1), ("safe_offset",)),
    "offset_behind": (_end(lambda records: records[-1].end + 1), ("safe_offset",)),
    "offset_within": (_end(lambda records: records[0].offset + 3), ("safe_offset",)),
    "offset_none": (_end(lambda _: None), ()),  # type: ignore[arg-type,return-value] # the breach
    "no_extraction": (lambda _: None, ("NoneType",)),
    "rows_no_mapping": (
        lambda records: Extraction(rows=[GOOD], safe_offset=records[-1].end),  # type: ignore[arg-type]
        (),
    ),
    "row_no_row": (_rows(7), ("broken",)),
}


class _Breaking:
    name = ""
    cadence_minutes = 5
    tables: tuple[Table, ...] = ()
    breach: Callable[[Sequence[Record]], Any]

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Any:
        del carry
        if transcript.key == CULPRIT:
            return type(self).breach(records)
        return Extraction(rows={"broken": [GOOD]}, safe_offset=records[-1].end)


def _breaking(name: str, breach: Callable[[Sequence[Record]], Any]) -> type[_Breaking]:
    name = "breaking-" + name.replace("_", "-")
    own = {"name": name, "tables": (_TABLE,), "breach": staticmethod(breach)}
    return type(name, (_Breaking,), own)


Breaking = SimpleNamespace(**{name: _breaking(name, b) for name, (b, _) in BREACHES.items()})


class Spilling:
    """Makes so many rows of one record that they are sent at once, one of them unfit."""

    name = "spilling"
    cadence_minutes = 5
    tables = (_TABLE,)

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        del carry
        rows = [(number, *GOOD[1:]) for number in range(60_000)]
        if transcript.key == CULPRIT:
            rows[100] = (100, 7, *GOOD[2:])
        return Extraction(rows={"broken": rows}, safe_offset=records[-1].end)
