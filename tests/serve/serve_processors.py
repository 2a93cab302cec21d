"""Processors for servers in tests: ones that take their time, and ones that never end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sessionmill.contracts import Column, Extraction, ProcessorResult, Table, Transcript
from sessionmill.decode.records import Record


class Waiting:
    """Waits with each session for a file named `go_on` beside the users' folders."""

    name = "waiting"
    cadence_minutes = 60
    tables = ("waited",)

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del username
        here = session_path.parents[1]
        (here / "begun").touch()
        conn.execute("CREATE TABLE IF NOT EXISTS waited (session_key VARCHAR)")
        conn.execute("INSERT INTO waited VALUES (?)", [session_key])
        while not (here / "go_on").exists():
            time.sleep(0.02)
        return ProcessorResult(1)


class Asking:
    """Asks the database what it will never know."""

    name = "asking"
    cadence_minutes = 60

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del username, session_key
        (session_path.parents[1] / "begun").touch()
        conn.execute(
            "SELECT count(*) FROM range(100000000) a, range(100000000) b"
            " WHERE a.range + b.range = 7"
        )
        return ProcessorResult(1)


class NeverDone:
    """An extractor that tells, in the folder where it runs, that it has begun, and never ends."""

    name = "never-done"
    cadence_minutes = 60
    tables = (Table(name="never", key=("at",), columns=(Column("at", "BIGINT"),)),)

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        del transcript, carry
        (Path.cwd() / "begun").touch()
        while not (Path.cwd() / "go_on").exists():
            time.sleep(0.05)
        return Extraction(rows={}, safe_offset=records[-1].end)


class Killed:
    """An extractor whose worker is killed, by the system say, at one transcript."""

    name = "killed"
    cadence_minutes = 60
    tables = (Table(name="killed", key=("at",), columns=(Column("at", "BIGINT"),)),)

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        del carry
        if "culprit" in transcript.key:
            os.kill(os.getpid(), signal.SIGKILL)
        return Extraction(rows={}, safe_offset=records[-1].end)
