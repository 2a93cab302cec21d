"""Processors of both kinds, each of which does one bad thing to one transcript: `culprit.jsonl`.

--processor run_culprits:Effectful.sleeps    --processor run_culprits:Extracting.sleeps
"""

from __future__ import annotations

import ctypes
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sessionmill.contracts import Column, Extraction, ProcessorResult, Table, Transcript
from sessionmill.decode.records import Record

CULPRIT = "alice/culprit.jsonl"
MEGABYTE = 1024 * 1024


def sleeps() -> None:
    time.sleep(600)


def spins() -> None:
    """Spin in C, never letting another thread of Python's run."""
    sum(itertools.repeat(0))


def segfaults() -> None:
    ctypes.string_at(0)


def is_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leaves() -> None:
    os._exit(3)


def hoards() -> None:
    hoard: list[bytes] = []
    while len(hoard) < 150:  # a machine that nobody guards must not die of the test
        hoard.append(b"x" * (20 * MEGABYTE))
        time.sleep(0.005)
    raise AssertionError("3 GB were taken, and nobody minded")


def raises() -> None:
    raise ValueError("the cart has no total")


def recurses() -> None:
    recurses()


def raises_base_exception() -> None:
    raise BaseException("beyond Exception")


def exits() -> None:
    sys.exit("enough")


def interrupts() -> None:
    raise KeyboardInterrupt


def prints() -> None:
    """Write to standard output, by Python and past it; this is no failure."""
    print("a word of the processor's", flush=True)  # noqa: T201 - that is what it is for
    os.write(1, b"another word\n")


def raises_what_has_no_text() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    raise Mute


DEEDS: dict[str, Callable[[], None]] = {
    deed.__name__: deed
    for deed in (
        sleeps,
        spins,
        segfaults,
        is_killed,
        leaves,
        hoards,
        raises,
        recurses,
        raises_base_exception,
        exits,
        interrupts,
        prints,
        raises_what_has_no_text,
    )
}


class _Effectful:
    name = ""
    cadence_minutes = 1
    timeout_seconds = 60
    memory_limit_mb = 300
    deed: Callable[[], None]

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del session_path, username
        table = self.name.replace("-", "_")
        conn.execute(f"CREATE TABLE IF NOT EXISTS {table} (session_key VARCHAR)")
        conn.execute(f"INSERT INTO {table} VALUES (?)", [session_key])  # noqa: S608
        if session_key == CULPRIT:
            type(self).deed()
        return ProcessorResult(1)


class _Extracting:
    name = ""
    cadence_minutes = 1
    timeout_seconds = 60
    memory_limit_mb = 300
    tables: tuple[Table, ...] = ()
    deed: Callable[[], None]

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        del carry
        if transcript.key == CULPRIT:
            type(self).deed()
        rows = [(records[0].offset,)]
        return Extraction(rows={self.tables[0].name: rows}, safe_offset=records[-1].end)


def _time(deed: Callable[[], None]) -> dict[str, Any]:
    """Give those little time that would never end."""
    return {"timeout_seconds": 1} if deed in (sleeps, spins) else {}


def _effectful(deed: Callable[[], None]) -> type[_Effectful]:
    name = f"effectful-{deed.__name__.replace('_', '-')}"
    return type(name, (_Effectful,), {"name": name, "deed": staticmethod(deed), **_time(deed)})


def _extracting(deed: Callable[[], None]) -> type[_Extracting]:
    name = f"extracting-{deed.__name__.replace('_', '-')}"
    table = Table(
        name=name.replace("-", "_"), key=("at",), columns=(Column("at", "BIGINT", "keep"),)
    )
    own = {"name": name, "deed": staticmethod(deed), "tables": (table,), **_time(deed)}
    return type(name, (_Extracting,), own)


Effectful = SimpleNamespace(**{name: _effectful(deed) for name, deed in DEEDS.items()})
Extracting = SimpleNamespace(**{name: _extracting(deed) for name, deed in DEEDS.items()})
