"""One pass of the extractors over what is pending: read once for all, committed by one thread.

The calling thread plans, marks, commits; one thread for each worker hands it batches and collects
what comes back. A batch is marked in flight, and that committed, before it is handed out.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from sessionmill.collect.contents import bytes_to_read
from sessionmill.collect.roots import path_kind
from sessionmill.errors import WorkersCannotStart
from sessionmill.plugins import Processor
from sessionmill.run import messages
from sessionmill.run.messages import (
    Failed,
    Job,
    Outcome,
    Paused,
    Rows,
    Taken,
    Try,
)
from sessionmill.run.note import BUILDING
from sessionmill.run.ports import Watcher
from sessionmill.run.supervise import Worker, WorkerLost
from sessionmill.run.work import Task

#: What one batch holds at most.
BATCH_BYTES = 24 * 1024 * 1024
BATCH_JOBS = 500
#: Batches that are marked in one commit.
_MARKED_AHEAD = 32
#: How often a worker may die before it is ready, if no processor is to blame.
_STARTS = 3
#: Seconds, and bytes of rows, after which what has come is committed: commits have a price of
#: their own, and a killed run loses this much work and nothing else.
_COMMIT_AFTER = 4.0
_COMMIT_BYTES = 96 * 1024 * 1024
#: So much more memory do rows take that have to be completed by key.
_TO_COMPLETE = 10
#: Messages of each worker that may wait for a commit: then it waits too, and memory does not grow.
_MESSAGES_AHEAD = 3
#: So many batches are committed about as fast as one is worked through. They are, when workers
#: have just enough left to do meanwhile, if they are worth a commit by their rows' bytes.
_COMMIT_RATIO = 2
_COMMIT_WORTH = 4 * 1024 * 1024


@dataclass(frozen=True)
class Marked:
    """Jobs that are in flight together."""

    id: str
    jobs: tuple[Job, ...]
    #: Owners that died while it was at work, standing alone.
    deaths: int = 0


@dataclass
class Gathered:
    """What workers have sent and no commit holds yet."""

    outcomes: list[Outcome] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)
    finished: list[Marked] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """How much its rows weigh: in memory, while they are stored."""
        return sum(len(rows.ipc) * (1 if rows.whole else _TO_COMPLETE) for rows in self.rows)

    def __bool__(self) -> bool:
        return bool(self.outcomes or self.rows or self.finished)


#: Stores what was gathered and marks what is next, in one transaction.
Commit = Callable[[Gathered, Sequence[Marked]], None]


def plan(tasks: dict[int, list[Task]]) -> list[Job]:
    """Return one job for each (transcript, offset) that extractors wait at.

    `tasks` holds the tasks of each extractor by its number. Job numbers grow from 1.
    """
    together: dict[tuple[str, int, str | None], list[tuple[int, Task]]] = defaultdict(list)
    for processor, own in tasks.items():
        for task in own:
            start = task.safe_offset if task.goes_on else 0
            fingerprint = task.fingerprint if task.goes_on else None
            together[task.found.session_key, start, fingerprint].append((processor, task))
    return [
        Job(
            number=number,
            key=key,
            username=waiting[0][1].found.username,
            path=os.fsencode(waiting[0][1].found.path),
            path_kind=path_kind(key),
            size=waiting[0][1].found.size,
            offset=start,
            fingerprint=fingerprint,
            known=any(task.known for _, task in waiting),
            tries=[
                Try(processor, task.carry if task.goes_on else None) for processor, task in waiting
            ],
        )
        for number, ((key, start, fingerprint), waiting) in enumerate(together.items(), 1)
    ]


def batches(jobs: Iterable[Job], workers: int) -> list[tuple[Job, ...]]:
    """Split jobs, in their order, into batches small enough to keep all workers busy."""
    jobs = list(jobs)
    weights = [bytes_to_read(os.fsdecode(job.path), job.size, job.offset) for job in jobs]
    total = sum(weights)
    most_bytes = max(1024 * 1024, min(BATCH_BYTES, total // (4 * workers)))
    most_jobs = max(20, min(BATCH_JOBS, len(jobs) // (2 * workers) + 1))
    made: list[tuple[Job, ...]] = []
    current: list[Job] = []
    size = 0
    for job, weight in zip(jobs, weights, strict=True):
        if current and (size + weight > most_bytes or len(current) >= most_jobs):
            made.append(tuple(current))
            current, size = [], 0
        current.append(job)
        size += weight
    if current:
        made.append(tuple(current))
    return made


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class ExtractPass:
    """Runs jobs through workers until all are done, or the time is over."""

    def __init__(
        self,
        processors: Sequence[Processor],
        commit: Commit,
        spool: Path,
        watcher: Watcher,
        *,
        deadline: float | None,
    ) -> None:
        """`deadline` is of time.monotonic(): no batch is begun after it."""
        self._processors, self._commit, self._deadline = processors, commit, deadline
        self._spool, self._watched = spool, _Watched(watcher)
        self._ready: queue.SimpleQueue[Marked | None] = queue.SimpleQueue()
        self._sent: queue.Queue[Gathered | BaseException] = queue.Queue(_MESSAGES_AHEAD * cores())
        self._paused: set[int] = set()
        self._waiting: deque[tuple[Job, ...]] = deque()
        #: Batches handed out and not finished.
        self._out = 0
        self._aborted = False

    def run(self, suspects: Sequence[Marked], waiting: Sequence[tuple[Job, ...]]) -> None:
        """Do `suspects`, which a dead owner left in flight, one by one; then the others."""
        self._watched.begin([*(marked.jobs for marked in suspects), *waiting])
        workers = min(cores(), max(bool(suspects), len(waiting)))
        drivers = [
            _Driver(
                self._processors, self._spool, self._ready, self._sent, self._paused, self._over
            )
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
            self._aborted = True
            for driver in drivers:
                driver.abort()
            raise
        finally:
            self._dismiss(drivers)
            for thread in threads:
                self._join(thread)

    # ── the calling thread ──

    def _join(self, thread: threading.Thread) -> None:
        """Wait for a driver's end; what nobody collects any more must not hold it up."""
        while thread.is_alive():
            with contextlib.suppress(queue.Empty):
                self._sent.get_nowait()
            thread.join(0.02)

    def _dismiss(self, drivers: Sequence[_Driver]) -> None:
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
        late = self._deadline is not None and time.monotonic() >= self._deadline
        return late or self._aborted


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


class _Driver:
    """Hands batches to one worker after the other, in a thread of its own."""

    def __init__(
        self,
        processors: Sequence[Processor],
        spool: Path,
        ready: queue.SimpleQueue[Marked | None],
        sent: queue.Queue[Gathered | BaseException],
        paused: Set[int],
        over: Callable[[], bool],
    ) -> None:
        self._processors, self._ready, self._sent = processors, ready, sent
        self._paused, self._over, self._spool = paused, over, spool
        self._worker: Worker | None = None
        self._unusable: dict[int, str] = {}
        self._broken: dict[int, str] = {}

    def run(self) -> None:
        """Do batches until there is a None; an exception is sent on."""
        try:
            if not self._over():
                self._start()  # while the first batch is planned and marked
            while (batch := self._ready.get()) is not None:
                pending = deque([batch.jobs])
                while pending and not self._over():
                    pending.extend(self._do(pending.popleft()))
                self._sent.put(Gathered(finished=[batch]))
        except BaseException as error:  # raised again by the thread that waits
            self._sent.put(error)
        finally:
            self._drop_worker()

    def abort(self) -> None:
        """Kill the worker at whatever it is; from another thread."""
        worker = self._worker  # which may end meanwhile
        if worker is not None:
            worker.kill()

    def _do(self, jobs: tuple[Job, ...]) -> list[tuple[Job, ...]]:
        """Do jobs; return those that a worker's death left undone, in parts."""
        jobs = _without(jobs, self._paused)
        if not jobs:
            return []
        worker = self._worker or self._start()
        for processor, reason in self._unusable.items():
            self._fail(jobs, processor, reason)
        jobs = _without(jobs, self._unusable.keys())
        left = {job.number: job for job in jobs}
        try:
            for progress in worker.work(messages.Batch(list(jobs))):
                self._sent.put(Gathered(outcomes=progress.outcomes, rows=progress.rows))
                for outcome in progress.outcomes:
                    _strike(left, outcome)
        except WorkerLost as lost:
            self._drop_worker()
            return self._blame(lost, left)
        return []

    def _blame(self, lost: WorkerLost, left: dict[int, Job]) -> list[tuple[Job, ...]]:
        """Charge the one that a worker died of; return the others, to be done again."""
        jobs = tuple(left.values())
        if lost.job is None and len(jobs) > 1:
            half = len(jobs) // 2
            return [jobs[:half], jobs[half:]]
        number = jobs[0].number if lost.job is None and jobs else lost.job
        culprit = left.pop(number, None) if number is not None else None
        if culprit is None:
            return [tuple(left.values())] if left else []
        for t in culprit.tries:
            if lost.processor in (None, t.processor):
                self._fail((culprit,), t.processor, f"the worker {lost.reason}")
        if lost.processor is not None:
            left |= {job.number: job for job in _without((culprit,), {lost.processor})}
        return [tuple(left.values())] if left else []

    def _fail(self, jobs: Iterable[Job], processor: int, reason: str) -> None:
        failed: list[Outcome] = [
            Failed(job.number, processor, reason)
            for job in jobs
            if any(t.processor == processor for t in job.tries)
        ]
        self._sent.put(Gathered(outcomes=failed))

    def _start(self) -> Worker:
        """Start a worker, without the processors that it dies of while it builds them."""
        deaths: Counter[int | None] = Counter()
        while True:
            self._worker = Worker(self._processors, self._spool, self._broken)
            try:
                self._unusable = self._broken | self._worker.ready()
            except WorkerLost as lost:
                self._drop_worker()
                # Once may be an accident: somebody killed it.
                blamed = lost.processor if lost.job == BUILDING else None
                deaths[blamed] += 1
                if blamed is not None and deaths[blamed] > 1:
                    self._broken[blamed] = f"the worker that built it {lost.reason}"
                elif deaths[blamed] > _STARTS:
                    raise WorkersCannotStart(lost.reason) from lost
            else:
                return self._worker

    def _drop_worker(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None


def _strike(left: dict[int, Job], outcome: Outcome) -> None:
    """Take off what an outcome ends. What it only begins would replace what it stored."""
    job = left.pop(outcome.job, None)
    if job is None:
        return
    if isinstance(outcome, Taken) and not outcome.finished:
        left[job.number] = msgspec.structs.replace(job, known=True)
        return
    left |= {job.number: job for job in _without((job,), {outcome.processor})}


def _without(jobs: Iterable[Job], processors: Set[int]) -> tuple[Job, ...]:
    """Return jobs without the tries of some processors, and without jobs that have none left."""
    if not processors:
        return tuple(jobs)
    kept = []
    for job in jobs:
        tries = [t for t in job.tries if t.processor not in processors]
        if len(tries) == len(job.tries):
            kept.append(job)
        elif tries:
            kept.append(msgspec.structs.replace(job, tries=tries))
    return tuple(kept)
