"""What is said while a run goes on: what changes by it; and, while it is long, a bar."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING

from sessionmill.cli.output import warn
from sessionmill.plugins import Processor

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

#: Seconds that a run may take without a bar.
_PATIENCE = 0.7


class Bar:
    """A progress bar on a terminal; it shows once a run is long.

    `NO_COLOR` in the environment leaves its colours out.
    """

    def __init__(self, *, patience: float = _PATIENCE, file: IO[str] | None = None) -> None:
        """`patience`: seconds without a bar; `file` takes the place of stderr."""
        self._file, self._patience = file or sys.stderr, patience
        self._is_seen = self._file.isatty()
        self._lock = threading.Lock()
        self._total = self._done = 0
        self._since: float | None = None
        self._shown: tuple[Progress, TaskID] | None = None

    def reads_anew(self, processor: Processor, versions: Mapping[int, int]) -> None:
        """Say that figures may change, why, and how to see it first."""
        read = ", ".join(
            f"{count} that version {version} has read"
            for version, count in sorted(versions.items())
        )
        why = processor.why(min(versions))
        warn(
            f"{processor.name}: version {processor.version} reads transcripts anew: {read}. "
            f"Figures may change.{f' {why}' if why else ''}"
        )
        if processor.is_extractor:
            warn(
                "to see first what changes, interrupt this run, then: "
                f"sessionmill reprocess {processor.name} --compare"
            )

    def begin(self, total: int) -> None:
        """Expect so many more bytes."""
        with self._lock:
            self._total += total
            self._since = self._since or time.monotonic()

    def advance(self, read: int) -> None:
        """Take so many bytes for read."""
        with self._lock:
            self._done += read
            if self._is_seen and self._since and time.monotonic() - self._since > self._patience:
                progress, task = self._shown = self._shown or _start(self._file, self._total)
                progress.update(task, completed=self._done, total=self._total)

    def end(self) -> None:
        """Take the bar away."""
        if self._shown is not None:
            self._shown[0].stop()
        self._shown, self._since, self._total, self._done = None, None, 0, 0


def _start(file: IO[str], total: int) -> tuple[Progress, TaskID]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    progress = Progress(
        TextColumn("Reading transcripts"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(file=file),
        transient=True,
    )
    progress.start()
    return progress, progress.add_task("", total=total)
