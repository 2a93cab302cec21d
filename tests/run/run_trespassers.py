"""Processors that write to tables which are not theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sessionmill.contracts import ProcessorResult


class _Trespasser:
    name = ""
    cadence_minutes = 5
    table = ""

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del session_path, username, session_key
        conn.execute(f"DELETE FROM {self.table}")  # noqa: S608 - the test names it
        return ProcessorResult()


def _on(table: str) -> type[_Trespasser]:
    name = "on-" + table.replace("_", "-")
    return type(name, (_Trespasser,), {"name": name, "table": table})


on_runs = _on("runs")
on_session_processor_state = _on("session_processor_state")
on_responses = _on("responses")
