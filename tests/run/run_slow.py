"""A processor that takes its time."""

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
