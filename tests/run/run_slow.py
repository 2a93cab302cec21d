"""Processors that take their time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from sessionmill.contracts import ProcessorResult


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
