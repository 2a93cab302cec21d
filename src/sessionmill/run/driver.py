"""One worker after the other, each handed batches by a thread of its own; deaths find a culprit."""

from __future__ import annotations

import queue
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence, Set
from pathlib import Path

import msgspec

from sessionmill.errors import WorkersCannotStart
from sessionmill.plugins import Processor
from sessionmill.run import messages
from sessionmill.run.batches import Gathered, Marked
from sessionmill.run.messages import Failed, Job, Outcome, Taken
from sessionmill.run.note import BUILDING
from sessionmill.run.supervise import Worker, WorkerLost

#: How often a worker may die before it is ready, if no processor is to blame.
_STARTS = 3


class Driver:
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
        self._aborted = False
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
        """Kill the worker at whatever it is, for which nothing is blamed; from another thread."""
        self._aborted = True
        worker = self._worker  # which may end meanwhile
        if worker is not None:
            worker.kill()

    def _do(self, jobs: tuple[Job, ...]) -> list[tuple[Job, ...]]:
        """Do jobs; return those that a worker's death left undone, in parts."""
        jobs = _without(jobs, self._paused)
        if not jobs:
            return []
        worker = self._worker or self._start()
        if self._aborted:
            return []
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
            return [] if self._aborted else self._blame(lost, left)
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
