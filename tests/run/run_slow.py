"""Processors that take their time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sessionmill.contracts import Column, Extraction, ProcessorResult, Table, Transcript
from sessionmill.decode.records import Record


class Slow:
    name = "slow"
    cadence_minutes = 5

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del username, session_key, conn
        if (session_path.parents[1] / "slow").exists():
            time.sleep(0.2)
        return ProcessorResult(1)


class SlowAndMoody:
    name = "slow-and-moody"
    cadence_minutes = 5
    max_attempts = 100

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del username, conn
        with (session_path.parents[1] / "notes.txt").open("a") as notes:
            notes.write(f"{session_key}\n")
        time.sleep(0.1)
        if "failing" in session_key:
            raise ValueError("the cart has no total")
        return ProcessorResult(1)


class SlowExtractor:
    name = "slow-extractor"
    cadence_minutes = 5
    tables = (Table(name="slow", key=("at",), columns=(Column("at", "BIGINT"),)),)

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        del transcript, carry
        time.sleep(0.08)
        return Extraction(rows={}, safe_offset=records[-1].end)
