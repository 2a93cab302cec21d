"""Effectful processors of the tests: each shows one side of the contract.

What a test wants of one of them it says by a file beside the transcripts (`told_by`): that changes
no transcript, and reaches the child process.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import duckdb

from sessionmill.contracts import ProcessorContext, ProcessorResult, RetryLater


def told_by(session_path: Path, word: str) -> Path:
    """Return the file of that name beside the users' folders."""
    return session_path.parents[1] / word


def note(session_path: Path, text: str) -> None:
    """Write a line down that no roll-back takes away."""
    with told_by(session_path, "notes.txt").open("a") as file:
        file.write(text + "\n")


class Lines:
    """Counts the lines of each transcript, in a table whose rows the framework deletes."""

    name = "lines"
    cadence_minutes = 5
    tables: tuple[str, ...] = ("lines_of",)

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        note(session_path, session_key)
        conn.execute(
            "CREATE TABLE IF NOT EXISTS lines_of"
            " (session_key VARCHAR, username VARCHAR, n BIGINT, line VARCHAR)"
        )
        lines = session_path.read_text().splitlines()
        rows = [[session_key, username, n, line[:20]] for n, line in enumerate(lines)]
        if rows:  # of an empty transcript there are none
            conn.executemany("INSERT INTO lines_of VALUES (?, ?, ?, ?)", rows)
        return ProcessorResult(len(rows))


class LinesAnew(Lines):
    version = 2


class MainLines(Lines):
    transcripts = "main"


class OwnAffair(Lines):
    """Declares no table: what it wrote of a session before is its own affair."""

    tables = ()


class Keyless:
    """Declares a table that has no session_key."""

    name = "keyless"
    cadence_minutes = 5
    tables = ("keyless",)

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del session_path, username
        conn.execute("CREATE TABLE IF NOT EXISTS keyless (key VARCHAR)")
        conn.execute("INSERT INTO keyless VALUES (?)", [session_key])
        return ProcessorResult(1)


class Silent(Lines):
    """Writes a row the first time that it sees a session, and runs no statement ever after."""

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        if told_by(session_path, "silence").exists():
            return ProcessorResult()
        return super().process_session(session_path, username, session_key, conn)


class Moody(Lines):
    """Writes its rows and then raises, until the file `mended` is there."""

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        result = super().process_session(session_path, username, session_key, conn)
        if "failing" in session_key and not told_by(session_path, "mended").exists():
            raise ValueError("the cart has no total")
        return result


class MoodyAnew(Moody):
    version = 2


class Brittle(Moody):
    max_attempts = 2


class LongWinded:
    """Raises with more than anybody wants to keep."""

    name = "long-winded"
    cadence_minutes = 5

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del session_path, username, session_key, conn
        raise ValueError("x" * 10_000)


class Swallows:
    """Makes an error of DuckDB's, swallows it, goes on, and says that all is well."""

    name = "swallows"
    cadence_minutes = 5

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del session_path, username
        conn.execute("CREATE TABLE IF NOT EXISTS swallowed (session_key VARCHAR)")
        conn.execute("INSERT INTO swallowed VALUES (?)", [session_key])
        if "failing" in session_key:
            with contextlib.suppress(duckdb.Error):
                conn.execute("SELECT * FROM nowhere")
            with contextlib.suppress(duckdb.Error):
                conn.execute("INSERT INTO swallowed VALUES ('after')")
        return ProcessorResult(1)


class Odd:
    """Returns what is no ProcessorResult."""

    name = "odd"
    cadence_minutes = 5

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> Any:
        del session_path, username
        conn.execute("CREATE TABLE IF NOT EXISTS odd (session_key VARCHAR)")
        conn.execute("INSERT INTO odd VALUES (?)", [session_key])
        return 7 if "seven" in session_key else None


class Dependent(Lines):
    """Depends on something that is away as long as the file `away` is there."""

    name = "dependent"

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        away = told_by(session_path, "away")
        result = super().process_session(session_path, username, session_key, conn)
        if away.exists() and "s00" not in session_key:
            raise RetryLater("the model does not answer", float(away.read_text() or 0) or None)
        return result


class Contextual:
    """Writes down what its context holds, and counts its calls in a file of its folder."""

    name = "contextual"
    cadence_minutes = 5

    def __init__(self, context: ProcessorContext) -> None:
        self._context = context

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del session_path, username
        calls = self._context.folder / "calls"
        calls.write_text(f"{calls.read_text() if calls.exists() else ''}{session_key}\n")
        conn.execute(
            "CREATE TABLE IF NOT EXISTS contextual (greeting VARCHAR, n BIGINT, redacted VARCHAR)"
        )
        settings = self._context.settings
        conn.execute(
            "INSERT INTO contextual VALUES (?, ?, ?)",
            [
                settings.get("greeting"),
                settings.get("n"),
                self._context.redact("password=hunter22"),
            ],
        )
        self._context.log.info("done")
        if "failing" in session_key:
            raise ValueError("no")
        return ProcessorResult(1)


class Namesake:
    """Holds a class of the same name as another module's processor."""

    class Contextual(Contextual):
        name = "namesake"


class Raiser(Lines):
    """Raises one row that all sessions and its twin share: whoever is late has a conflict."""

    name = "raiser"
    tables = ()

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del username
        conn.execute("UPDATE shared SET n = n + 1")
        note(session_path, f"{self.name} {session_key}")
        time.sleep(0.05)
        return ProcessorResult(1)


class RaiserToo(Raiser):
    name = "raiser-too"


class Sharing(Lines):
    """Brings the row into being that the raisers raise."""

    name = "sharing"
    tables = ()

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del session_path, username, session_key
        conn.execute("CREATE TABLE IF NOT EXISTS shared (n BIGINT)")
        conn.execute("INSERT INTO shared SELECT 0 WHERE NOT EXISTS (FROM shared)")
        return ProcessorResult(1)


class Patient(Lines):
    """Works until the file `enough` is there."""

    name = "patient"

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        note(session_path, session_key)
        while not told_by(session_path, "enough").exists():
            time.sleep(0.01)
        return super().process_session(session_path, username, session_key, conn)
