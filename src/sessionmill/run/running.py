"""What runs in this process now: one run of each processor at a time, and all told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sessionmill.errors import AlreadyRunning


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A run that goes on: of which processor, since when (UTC), and for whom."""

    run_id: str
    processor: str
    since: datetime
    actor: str


class Running:
    """The runs of one process; shared by its threads."""

    def __init__(self) -> None:
        self._runs: dict[str, UnderWay] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._aborts: list[Callable[[], None]] = []

    @contextmanager
    def alone(self, runs: Sequence[UnderWay]) -> Iterator[None]:
        """Let no second run of these processors begin meanwhile. Raises AlreadyRunning."""
        with self._lock:
            for run in runs:
                self._refuse(run.processor)
            self._runs |= {run.processor: run for run in runs}
        try:
            yield
        finally:
            with self._lock:
                for run in runs:
                    self._runs.pop(run.processor, None)

    def refuse(self, processor: str) -> None:
        """Raise AlreadyRunning if this one runs: before work is done for a run of it."""
        with self._lock:
            self._refuse(processor)

    def _refuse(self, processor: str) -> None:
        if (other := self._runs.get(processor)) is not None:
            raise AlreadyRunning(processor, other.since, other.actor)

    def under_way(self) -> dict[str, UnderWay]:
        """Return what runs now, by processor."""
        with self._lock:
            return dict(self._runs)

    def stop(self) -> None:
        """Let every run, and each that begins later, begin no batch and no session more."""
        self._stopping.set()

    @contextmanager
    def abortable(self, *aborts: Callable[[], None]) -> Iterator[None]:
        """Let `abort` break off meanwhile what does not stop by itself."""
        with self._lock:
            self._aborts += aborts
        try:
            yield
        finally:
            with self._lock:
                for abort in aborts:
                    self._aborts.remove(abort)

    def abort(self) -> None:
        """Stop, and kill what is at work: nobody is charged, and it is done again."""
        self.stop()
        with self._lock:
            aborts = list(self._aborts)
        for abort in aborts:
            abort()

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stopping.is_set()


@dataclass(frozen=True, slots=True)
class Allowance:
    """The time that a run may take: until its budget is spent, or all runs are to stop."""

    running: Running
    #: Of time.monotonic().
    deadline: float | None = None

    def over(self) -> bool:
        """Tell whether nothing more is to be begun."""
        late = self.deadline is not None and time.monotonic() >= self.deadline
        return late or self.running.stopping
