"""Processors that come to no end of one transcript: in the database, or in code of their own."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sessionmill.contracts import Column, Extraction, ProcessorResult, Table, Transcript
from sessionmill.decode.records import Record

ENDLESS = "SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE a.range + b.range = 7"


class Endless:
    name = "endless"
    cadence_minutes = 5
    timeout_seconds = 1

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del session_path, username
        if "culprit" in session_key:
            conn.execute(ENDLESS)
        return ProcessorResult(1)


class EndlessForLong(Endless):
    """Is given more time than anybody waits."""

    name = "endless-for-long"
    timeout_seconds = 600


class EndlessInPython:
    """Comes to no end in its own code, of a transcript whose name says so."""

    name = "endless-in-python"
    cadence_minutes = 5
    timeout_seconds = 600

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del username, conn
        while "culprit" in session_key and not (session_path.parents[1] / "enough").exists():
            time.sleep(0.01)
        return ProcessorResult(1)


class EndlessExtractor:
    name = "endless-extractor"
    cadence_minutes = 5
    timeout_seconds = 600
    tables = (Table(name="endless", key=("at",), columns=(Column("at", "BIGINT"),)),)

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        del carry
        # An extractor is told of no path: the test names the file to the workers.
        while "culprit" in transcript.key and not Path(os.environ["ENOUGH"]).exists():
            time.sleep(0.01)
        return Extraction(rows={"endless": [(1,)]}, safe_offset=records[-1].end)
