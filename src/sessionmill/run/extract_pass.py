"""One pass of the extractors over what is pending: read once for all, committed by one thread.

The calling thread marks and commits; one thread for each worker hands it batches and collects
what comes back. A batch is marked in flight, and that committed, before it is handed out.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from sessionmill.plugins import Processor
from sessionmill.run.batches import Gathered, Marked, cores
from sessionmill.run.driver import Driver
from sessionmill.run.messages import Job, Outcome, Paused, Taken
from sessionmill.run.ports import Watcher

#: Batches that are marked in one commit.
_MARKED_AHEAD = 32
#: Seconds, and bytes of rows, after which what has come is committed: commits have a price of
#: their own, and a killed run loses this much work and nothing else.
_COMMIT_AFTER = 4.0
_COMMIT_BYTES = 96 * 1024 * 1024
#: Messages of each worker that may wait for a commit: then it waits too, and memory does not grow.
_MESSAGES_AHEAD = 3
#: So many batches are committed about as fast as one is worked through. They are, when workers
#: have just enough left to do meanwhile, if they are worth a commit by their rows' bytes.
_COMMIT_RATIO = 2
_COMMIT_WORTH = 4 * 1024 * 1024

#: Stores what was gathered and marks what is next, in one transaction.
Commit = Callable[[Gathered, Sequence[Marked]], None]


class ExtractPass:
    """Runs jobs through workers until all are done, or the time is over."""

    def __init__(
        self,
        processors: Sequence[Processor],
        commit: Commit,
        spool: Path,
        watcher: Watcher,
        *,
        over: Callable[[], bool],
    ) -> None:
        """Once `over` says so, no batch is begun any more."""
        self._processors, self._commit, self._time_is_over = processors, commit, over
        self._spool, self._watched = spool, _Watched(watcher)
        self._ready: queue.SimpleQueue[Marked | None] = queue.SimpleQueue()
        self._sent: queue.Queue[Gathered | BaseException] = queue.Queue(_MESSAGES_AHEAD * cores())
        self._paused: set[int] = set()
        self._waiting: deque[tuple[Job, ...]] = deque()
        #: Batches handed out and not finished.
        self._out = 0
        self._aborted = False
        self._drivers: list[Driver] = []

    def run(self, suspects: Sequence[Marked], waiting: Sequence[tuple[Job, ...]]) -> None:
        """Do `suspects`, which a dead owner left in flight, one by one; then the others."""
        self._watched.begin([*(marked.jobs for marked in suspects), *waiting])
        workers = min(cores(), max(bool(suspects), len(waiting)))
        self._drivers = drivers = [
            Driver(self._processors, self._spool, self._ready, self._sent, self._paused, self._over)
            for _ in range(workers)
        ]
        threads = [threading.Thread(target=driver.run, daemon=True) for driver in drivers]
        for thread in threads:
            thread.start()
        try:
            for suspect in suspects:
                if not self._over():
                    self._hand_out([suspect], Gathered())
                    self._hand_out([], self._collect())
            self._waiting = deque(waiting)
            self._hand_out(self._next_marked(), Gathered())
            last = self._collect()
            self._dismiss(drivers)  # they end beside the last commit
            self._hand_out([], last)
        except BaseException:
            self.abort()
            raise
        finally:
            self._dismiss(drivers)
            for thread in threads:
                self._join(thread)

    def abort(self) -> None:
        """Kill the workers, and begin nothing more; from any thread."""
        self._aborted = True
        for driver in self._drivers:
            driver.abort()

    # ── the calling thread ──

    def _join(self, thread: threading.Thread) -> None:
        """Wait for a driver's end; what nobody collects any more must not hold it up."""
        while thread.is_alive():
            with contextlib.suppress(queue.Empty):
                self._sent.get_nowait()
            thread.join(0.02)

    def _dismiss(self, drivers: Sequence[Driver]) -> None:
        for _ in drivers:
            self._ready.put(None)

    def _collect(self) -> Gathered:
        """Commit what comes until nothing is out; return what is still to be committed."""
        gathered, since = Gathered(), time.monotonic()
        while self._out:
            sent = self._sent.get()
            if isinstance(sent, BaseException):
                raise sent
            gathered.outcomes += sent.outcomes
            gathered.rows += sent.rows
            gathered.finished += sent.finished
            self._out -= len(sent.finished)
            self._paused |= {o.processor for o in sent.outcomes if isinstance(o, Paused)}
            self._watched.take(sent.outcomes)
            if self._is_due(gathered, since):
                self._hand_out(self._next_marked(), gathered)
                gathered, since = Gathered(), time.monotonic()
        return gathered

    def _is_due(self, gathered: Gathered, since: float) -> bool:
        """Tell whether to commit what has come since `since`, and to mark what is next."""
        if self._waiting and self._out <= 2:
            return True
        if not self._out:
            return False
        turned = len(gathered.finished) >= _COMMIT_RATIO * self._out
        return (
            time.monotonic() - since > _COMMIT_AFTER
            or gathered.bytes > _COMMIT_BYTES
            or (turned and gathered.bytes > _COMMIT_WORTH)
        )

    def _next_marked(self) -> list[Marked]:
        """Take batches to be marked now: as many as to keep the workers busy until the next."""
        marked: list[Marked] = []
        while self._waiting and self._out + len(marked) < _MARKED_AHEAD and not self._over():
            marked.append(Marked(uuid.uuid4().hex, self._waiting.popleft()))
        return marked

    def _hand_out(self, marked: Sequence[Marked], gathered: Gathered) -> None:
        if not marked and not gathered:
            return
        self._commit(gathered, marked)
        self._out += len(marked)
        for batch in marked:
            self._ready.put(batch)

    def _over(self) -> bool:
        return self._aborted or self._time_is_over()


class _Watched:
    """Tells a watcher of bytes read, whatever number of processors share the reading."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._jobs: dict[int, Job] = {}
        self._read: Counter[int] = Counter()

    def begin(self, batches: Iterable[tuple[Job, ...]]) -> None:
        self._jobs = {job.number: job for jobs in batches for job in jobs}
        self._watcher.begin(sum(job.size - job.offset for job in self._jobs.values()))

    def take(self, outcomes: Iterable[Outcome]) -> None:
        before = self._read.total()
        for outcome in outcomes:
            job = self._jobs[outcome.job]
            whole = job.size - job.offset
            if isinstance(outcome, Taken) and not outcome.finished:
                read = min(outcome.safe_offset - job.offset, whole)
            else:
                read = whole
            self._read[job.number] = max(self._read[job.number], read)
        self._watcher.advance(self._read.total() - before)
