"""A processor that asks the database, of one transcript, what it will never know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sessionmill.contracts import ProcessorResult

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
