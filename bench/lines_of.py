"""A small effectful processor, whose rows must survive kills too; `kills` copies this file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sessionmill.contracts import ProcessorResult


class Lines:
    """Counts the lines of each transcript, in two statements."""

    name = "lines"
    cadence_minutes = 1
    tables = ("lines_of",)

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        """Write how many lines there are, in all and with a result."""
        lines = session_path.read_bytes().splitlines()
        conn.execute(
            "CREATE TABLE IF NOT EXISTS lines_of (session_key VARCHAR, username VARCHAR, n BIGINT)"
        )
        for number in (len(lines), sum(b'"tool_result"' in line for line in lines)):
            conn.execute("INSERT INTO lines_of VALUES (?, ?, ?)", [session_key, username, number])
        return ProcessorResult(2)
