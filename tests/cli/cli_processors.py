"""Processors for the tests of commands, named there by `--processor cli_processors:Class`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from sessionmill.contracts import ProcessorResult


class Words:
    """Counts the words of each transcript; the word FAILING in one makes it fail."""

    name = "words"
    cadence_minutes = 15
    tables: tuple[str, ...] = ("words",)

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        conn.execute("CREATE TABLE IF NOT EXISTS words (session_key VARCHAR, username VARCHAR)")
        conn.execute("INSERT INTO words VALUES (?, ?)", [session_key, username])
        if "FAILING" in session_path.read_text():
            raise ValueError("the cart has no total")
        return ProcessorResult(1)


class Other(Words):
    name = "other"
    tables = ()

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del username, session_key, conn
        if "FAILING" in session_path.read_text():
            raise ValueError("so has the other")
        return ProcessorResult()


class Odd(Words):
    """Returns what is no ProcessorResult."""

    name = "odd"
    tables = ()

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> Any:
        del session_path, username, session_key, conn


class Coloured(Words):
    """Fails with a message that a terminal would obey."""

    name = "coloured"
    tables = ()

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del session_path, username, session_key, conn
        raise ValueError("\x1b[31mred\x1b]0;title\x07 \x9b2J")


class Patient(Words):
    """Says that it has begun, and works until it is told that it is enough."""

    name = "patient"
    tables = ()

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del session_path, username, session_key, conn
        Path(os.environ["TEST_BEGUN"]).touch()
        while not Path(os.environ["TEST_ENOUGH"]).exists():
            time.sleep(0.02)
        return ProcessorResult()


class Broken:
    """Cannot be built."""

    name = "broken"
    cadence_minutes = 5

    def __init__(self) -> None:
        raise ValueError("there is no model")
