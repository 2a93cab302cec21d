"""A processor that prints wherever it can: when it is imported, made, and at work."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sessionmill.contracts import ProcessorResult


def say(what: str) -> None:
    print(what, flush=True)  # noqa: T201 - that is what the test is about
    os.write(1, f"{what}, past Python\n".encode())


say("imported")


class Loud:
    name = "loud"
    cadence_minutes = 5

    def __init__(self) -> None:
        say("made")

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del session_path, username, session_key, conn
        say("at work")
        return ProcessorResult()
