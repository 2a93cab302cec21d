"""One that reaches for another's table; and two that name the contract they keep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sessionmill.contracts import (
    Column,
    Extraction,
    Extractor,
    ProcessorResult,
    SessionProcessor,
    Table,
    Transcript,
)
from sessionmill.decode.records import Record


class Spelt(SessionProcessor):
    name = "spelt"
    cadence_minutes = 5

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del session_path, username, session_key, conn
        return ProcessorResult()


class Grasping(Spelt):
    name = "grasping"
    tables = ("responses",)


class SpeltExtractor(Extractor):
    name = "spelt-extractor"
    cadence_minutes = 5
    tables = (Table(name="spelt", key=("at",), columns=(Column("at", "BIGINT"),)),)

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        del transcript, carry
        return Extraction(rows={}, safe_offset=records[-1].end)
