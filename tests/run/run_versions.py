"""An extractor of two versions, `One` and `Two`, that differ in everything that can differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sessionmill.contracts import Column, Extraction, Row, Table, Transcript
from sessionmill.decode.records import Record, Response

_ANSWER = (
    Column("response_id", "VARCHAR", "keep"),
    Column("line_offset", "BIGINT", "min"),
    Column("at", "TIMESTAMP", "min"),
    Column("model", "VARCHAR"),
    Column("output", "BIGINT", "max"),
    Column("long", "BOOLEAN", "max"),
    Column("kilo", "DOUBLE", "max"),
)


class One:
    """Answers, of copies the shortest counted; and how many lines there are of a type."""

    name = "versions"
    version = 1
    cadence_minutes = 5
    tables: Sequence[Table] = (
        Table(
            name="answers",
            key=("response_id",),
            columns=_ANSWER,
            elect_by=("output",),
            derived={"double_output": ("BIGINT", "2 * output", "")},
        ),
        Table(
            name="kinds",
            key=("kind",),
            columns=(Column("kind", "VARCHAR", "keep"), Column("lines", "BIGINT", "max")),
        ),
    )

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        del transcript
        counts: dict[str, int] = dict(carry or {})
        answers: list[Row] = []
        for record in records:
            kind = self.kind(record)
            counts[kind] = counts.get(kind, 0) + 1
            answers += [self.answer(response, record) for response in record.responses]
            self.check(record)
        return Extraction(
            rows={"answers": answers, "kinds": list(counts.items())},
            safe_offset=records[-1].end,
            carry=counts,
        )

    def kind(self, record: Record) -> str:
        return record.type

    def answer(self, response: Response, record: Record) -> Row:
        output = response.output_tokens or 0
        return {
            "response_id": response.id,
            "line_offset": record.offset,
            "at": record.at,
            "model": response.model,
            "output": output,
            "long": output > 10,
            "kilo": output / 1000,
        }

    def check(self, record: Record) -> None:
        """Fail on nothing."""


class Two(One):
    """The longest copy counted, odd outputs corrected, ids of some spelled otherwise."""

    version = 2
    changes: Mapping[int, str] = {2: "Odd outputs were one too low.", 3: "Not yet."}
    tables = (
        Table(
            name="answers",
            key=("response_id",),
            columns=(*_ANSWER, Column("words", "BIGINT", "max")),
            elect_by=("output DESC",),
            eligible="output <> 4",
            derived={"double_output": ("BIGINT", "2 * output", "")},
        ),
        One.tables[1],
    )

    def kind(self, record: Record) -> str:
        return f"{record.type}, answered" if record.responses else record.type

    def answer(self, response: Response, record: Record) -> Row:
        output = response.output_tokens or 0
        corrected = output + output % 2
        row = dict(super().answer(response, record))
        row |= {"output": corrected, "long": corrected > 12, "kilo": corrected / 1000}
        if output % 5 == 0:
            row["response_id"] = f"{response.id}, by another name"
        return {**row, "words": corrected // 2}


class Strict(Two):
    """Fails on a transcript in which something was damaged."""

    def check(self, record: Record) -> None:
        if record.malformed is not None:
            raise ValueError("a damaged line")
