"""Processors that kill the run they belong to, or never let go of their child process.

Only for runs in a process of their own: without $TEST_OWN_PROCESS they refuse.
"""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sessionmill.contracts import Column, Extraction, ProcessorResult, Table, Transcript
from sessionmill.decode.records import Record


def _refuse_elsewhere() -> None:
    if "TEST_OWN_PROCESS" not in os.environ:
        raise RuntimeError("this is for runs that a test has started in a process of their own")


def kills_owner() -> None:
    _refuse_elsewhere()
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


def _say_begun() -> None:
    _refuse_elsewhere()
    Path(os.environ["TEST_BEGUN"]).touch()


def sleeps() -> None:
    _say_begun()
    time.sleep(600)


def spins() -> None:
    """Spin in C, never letting another thread of Python's run."""
    _say_begun()
    sum(itertools.repeat(0))


class _Effectful:
    name = ""
    cadence_minutes = 5
    deed: Callable[[], None]

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del session_path, username
        table = self.name.replace("-", "_")
        conn.execute(f"CREATE TABLE IF NOT EXISTS {table} (session_key VARCHAR)")
        conn.execute(f"INSERT INTO {table} VALUES (?)", [session_key])  # noqa: S608
        if "culprit" in session_key:
            type(self).deed()
        return ProcessorResult(1)


class _Extracting:
    name = ""
    cadence_minutes = 5
    tables: tuple[Table, ...] = ()
    deed: Callable[[], None]

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        del carry
        if "culprit" in transcript.key:
            type(self).deed()
        rows = [(records[0].offset,)]
        return Extraction(rows={self.tables[0].name: rows}, safe_offset=records[-1].end)


def _of(kind: type, prefix: str) -> SimpleNamespace:
    made = {}
    for deed in (kills_owner, sleeps, spins):
        name = f"{prefix}-{deed.__name__.replace('_', '-')}"
        own: dict[str, Any] = {"name": name, "deed": staticmethod(deed)}
        if kind is _Extracting:
            columns = (Column("at", "BIGINT", "keep"),)
            own["tables"] = (Table(name=name.replace("-", "_"), key=("at",), columns=columns),)
        made[deed.__name__] = type(name, (kind,), own)
    return SimpleNamespace(**made)


Effectful, Extracting = _of(_Effectful, "effectful"), _of(_Extracting, "extracting")
