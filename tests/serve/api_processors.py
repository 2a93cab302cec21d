"""Processors for tests of the API: one that can't be built, and one that breaks the program."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sessionmill.contracts import ProcessorResult


class Unbuildable:
    name = "unbuildable"
    cadence_minutes = 60

    def __init__(self) -> None:
        raise ValueError("the tray is empty")

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        raise NotImplementedError


class Breaking:
    """Has each of its runs fail in the program itself, in a way that nobody foresaw."""

    name = "breaking"
    cadence_minutes = 60

    def __init__(self) -> None:
        if "serve" in sys.argv:
            _break_runs_of(self.name)

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        raise NotImplementedError


def _break_runs_of(name: str) -> None:
    from sessionmill.run import runner

    seen = runner._seen

    def breaking(processor: Any, walk: Any) -> int:
        if processor.name == name:
            raise ZeroDivisionError("words of somebody's")
        return seen(processor, walk)

    runner._seen = breaking
