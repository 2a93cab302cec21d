"""A bar on a terminal while a run is long: how much is read, how fast, how long it will take."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

#: Seconds that a run may take without a bar.
_PATIENCE = 0.7


class Bar:
    """A progress bar on stderr, where that is a terminal; it shows once a run is long.

    `NO_COLOR` in the environment leaves its colours out.
    """

    def __init__(self) -> None:
        self._is_seen = sys.stderr.isatty()
        self._total = self._done = 0
        self._since = time.monotonic()
        self._shown: tuple[Progress, TaskID] | None = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown is not None:
            self._shown[0].stop()

    def begin(self, total_bytes: int) -> None:
        """Expect so many more bytes."""
        self._total += total_bytes

    def advance(self, read_bytes: int) -> None:
        """Take so many bytes for read."""
        self._done += read_bytes
        if not self._is_seen or time.monotonic() - self._since < _PATIENCE:
            return
        progress, task = self._shown = self._shown or _start(self._total)
        progress.update(task, completed=self._done, total=self._total)


def _start(total: int) -> tuple[Progress, TaskID]:
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
        console=Console(stderr=True),
        transient=True,
    )
    progress.start()
    return progress, progress.add_task("", total=total)
