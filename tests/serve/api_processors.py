"""Processors for tests of the API: one that can't be built, and one that breaks the program."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from sessionmill.contracts import ProcessorContext, ProcessorResult


class Held:
    """Waits with its first transcript for a file `go_on` in its folder, and is quick with others.

    The processor of a team may find its transcripts in many folders: this one has its own.
    """

    name = "held"
    cadence_minutes = 60

    def __init__(self, context: ProcessorContext) -> None:
        self.folder = context.folder

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del session_path, username, session_key, conn
        (self.folder / "begun").touch()
        while not (self.folder / "go_on").exists():
            time.sleep(0.02)
        return ProcessorResult(1)


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
