"""Processors that can be built in the program itself, and not in its workers."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sessionmill.contracts import Column, Extraction, ProcessorResult, Table, Transcript
from sessionmill.decode.records import Record


def _raises() -> None:
    raise ValueError("not here")


def _exits() -> None:
    sys.exit("not here")


def _dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _Unbuildable:
    cadence_minutes = 5
    way = staticmethod(_raises)

    def __init__(self) -> None:
        if any("sessionmill.run.worker" in part for part in sys.orig_argv):
            self.way()


class _Effectful(_Unbuildable):
    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del session_path, username, session_key, conn
        return ProcessorResult()


class _Extracting(_Unbuildable):
    tables = (Table(name="unbuildable", key=("at",), columns=(Column("at", "BIGINT"),)),)

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        del transcript, carry
        return Extraction(rows={}, safe_offset=records[-1].end)


def _of(kind: type[_Unbuildable]) -> SimpleNamespace:
    ways = {"raises": _raises, "exits": _exits, "dies": _dies}
    return SimpleNamespace(
        **{
            name: type(name, (kind,), {"name": f"unbuildable-{name}", "way": staticmethod(way)})
            for name, way in ways.items()
        }
    )


Effectful, Extracting = _of(_Effectful), _of(_Extracting)
