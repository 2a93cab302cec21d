"""Processors of both kinds that go astray on one transcript; `isolation` copies this file.

--processor astray:BaseSleeps    --processor astray:ExtractorSleeps

Each puts a row for every other transcript into the table `astray`. The limits come from the
environment: $BENCH_SECONDS, $BENCH_MEMORY_MB.
"""

# ruff: noqa: D101 - kind and deed are the name

from __future__ import annotations

import ctypes
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sessionmill.contracts import Column, Extraction, ProcessorResult, Table, Transcript
from sessionmill.decode.records import Record

#: How the name of the transcript ends on which they go astray.
CULPRIT = "culprit.jsonl"

_MEGABYTE = 1024 * 1024


class _Calm:
    """What nobody has to be guarded against."""

    def deed(self) -> None:
        """Do nothing."""


class _Sleeps:
    timeout_seconds = float(os.environ.get("BENCH_SECONDS", "5"))

    def deed(self) -> None:
        """Sleep for ever."""
        while True:
            time.sleep(3600)


class _Dies:
    def deed(self) -> None:
        """Read what cannot be read: SIGSEGV."""
        ctypes.string_at(0)


class _Hoards:
    def deed(self) -> None:
        """Take 10 GB, and touch every page of it."""
        hoard: list[bytes] = []
        for _ in range(200):
            hoard.append(b"x" * (50 * _MEGABYTE))
            time.sleep(0.01)
        raise AssertionError(f"{len(hoard) * 50} MB were taken, and nobody minded")


class _Limited(ABC):
    name = "astray"
    cadence_minutes = 1
    timeout_seconds = 60.0  # of those that do not sleep: a slow machine is no deed
    memory_limit_mb = int(os.environ.get("BENCH_MEMORY_MB", "1000"))

    @abstractmethod
    def deed(self) -> None:
        """Go astray, or not."""


class _Base(_Limited):
    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        """Write a row, and go astray before it is committed."""
        del session_path, username
        conn.execute("CREATE TABLE IF NOT EXISTS astray (session_key VARCHAR)")
        conn.execute("INSERT INTO astray VALUES (?)", [session_key])
        if session_key.endswith(CULPRIT):
            self.deed()
        return ProcessorResult(1)


class _Extractor(_Limited):
    tables = (Table(name="astray", key=("at",), columns=(Column("at", "BIGINT", "keep"),)),)

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        """Return a row for the first record."""
        del carry
        if transcript.key.endswith(CULPRIT):
            self.deed()
        rows = [(records[0].offset,)]
        return Extraction(rows={"astray": rows}, safe_offset=records[-1].end)


class BaseCalm(_Calm, _Base): ...


class BaseSleeps(_Sleeps, _Base): ...


class BaseDies(_Dies, _Base): ...


class BaseHoards(_Hoards, _Base): ...


class ExtractorCalm(_Calm, _Extractor): ...


class ExtractorSleeps(_Sleeps, _Extractor): ...


class ExtractorDies(_Dies, _Extractor): ...


class ExtractorHoards(_Hoards, _Extractor): ...
