"""Processors for the tests of commands, named there by `--processor cli_processors:Class`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from sessionmill.contracts import ProcessorContext, ProcessorResult, RetryLater


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


class Once(Words):
    """Gives a session up when it has failed on it once."""

    name = "once"
    tables = ()
    max_attempts = 1

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del username, session_key, conn
        if "FAILING" in session_path.read_text():
            raise ValueError("the cart has no total")
        return ProcessorResult()


class Versioned(Words):
    """Of the version that the environment names."""

    name = "versioned"
    version = int(os.environ.get("TEST_VERSION", "1"))
    tables = ()


class MainOnly(Words):
    name = "main-only"
    transcripts = "main"
    tables = ()

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del session_path, username, session_key, conn
        return ProcessorResult(1)


class Away(Words):
    """What it depends on is away."""

    name = "away"
    tables = ()

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del session_path, username, session_key, conn
        raise RetryLater("the model is asleep")


class Leaving(Words):
    """Ends the program."""

    name = "leaving"
    tables = ()

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del session_path, username, session_key, conn
        raise SystemExit(7)


class Covetous(Words):
    """Takes a table of the framework for its own."""

    name = "covetous"
    tables = ("runs",)


class Settled(Words):
    """Wants a folder and settings of its own."""

    name = "settled"
    tables = ("settled",)

    def __init__(self, context: ProcessorContext) -> None:
        (context.folder / "cache").write_text("mine")
        self.word = context.settings["word"]

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del session_path, username
        conn.execute("CREATE TABLE settled (session_key VARCHAR, word VARCHAR)")
        conn.execute("INSERT INTO settled VALUES (?, ?)", [session_key, self.word])
        return ProcessorResult(1)
