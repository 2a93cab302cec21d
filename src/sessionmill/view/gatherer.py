"""A thread that gathers figures again and again, so that nobody who asks for them waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

#: Seconds from the end of one gathering to the next; and its part of the time, at most.
PAUSE, SHARE = 10.0, 0.1


class Gatherer(Generic[T]):
    """Keeps what `gather` returned last; how old that is, it must say itself."""

    def __init__(self, gather: Callable[[], T], *, pause: float = PAUSE) -> None:
        """`gather` runs on this thread alone: it may use a cursor of its own."""
        self._gather, self._pause = gather, pause
        self._latest: T | None = None
        self._problem: str | None = None
        self._asked, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="gatherer", daemon=True)

    def start(self) -> None:
        """Gather now, and then every few seconds."""
        self._thread.start()

    def stop(self, patience: float = 10.0) -> None:
        """Gather no more; wait for what is being gathered, for so many seconds."""
        self._ended.set()
        self._asked.set()
        if self._thread.is_alive():
            self._thread.join(patience)

    def hurry(self) -> None:
        """Gather at once: something has changed that people look for."""
        self._asked.set()

    def once(self) -> None:
        """Gather on the caller's thread; what is raised becomes the `problem`."""
        try:
            self._latest, self._problem = self._gather(), None
        except Exception as error:  # whatever it is, health must say so and go on
            self._problem = f"{type(error).__name__}: {error}"

    @property
    def latest(self) -> T | None:
        """What was gathered last; None before the first time."""
        return self._latest

    @property
    def problem(self) -> str | None:
        """Why the last attempt gathered nothing; None if it did."""
        return self._problem

    def _run(self) -> None:
        while not self._ended.is_set():
            self._asked.clear()
            began = time.monotonic()
            self.once()
            took = time.monotonic() - began
            # Whoever hurries, it keeps to its share: the facts have other work.
            self._ended.wait(took / SHARE)
            self._asked.wait(self._pause)
