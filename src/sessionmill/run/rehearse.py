"""A rehearsal: one processor run here, in this process, by the same code that workers run.

There is no worker, so no limit of time or memory; what the processor raises is raised, with its
traceback. For writing and testing processors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sessionmill.collect.discover import Walk
from sessionmill.contracts import RetryLater
from sessionmill.plugins import Processor
from sessionmill.run import messages
from sessionmill.run.effect_pass import EffectPass, session_of
from sessionmill.run.effecting import Effecting
from sessionmill.run.extract_pass import Gathered
from sessionmill.run.extract_work import ExtractWork
from sessionmill.run.extracting import Extracting, Turn
from sessionmill.run.messages import MESSAGE, Channel, Job, Progress
from sessionmill.run.note import READING, Note
from sessionmill.run.ports import Clock, EffectTransaction, RunStore
from sessionmill.run.tally import Tally
from sessionmill.run.work import Task


def rehearse(store: RunStore, clock: Clock, processor: Processor, made: Any, walk: Walk) -> Tally:
    """Let `made`, an instance of `processor`, process what is new in a walk.

    Raises what it raises, and ValueError for rows that fit no table.
    """
    now = clock()
    store.note_walk(walk, now)
    tasks = store.pending(processor, now)
    tally = Tally(processor.name, seen=len(walk.found), scanned=len(tasks))
    if processor.is_extractor:
        work = ExtractWork(store, clock, _no_spread, [processor], [tally], [tasks])
        _, batches = work.split([])
        extracting = _Extracting(made)
        for jobs in batches:
            work.commit(extracting.gather(jobs), [])
    else:
        _EffectPass(store, clock, _no_spread, processor, tally, None, made).run(tasks, [])
    if tally.pause_reason is not None:
        raise RetryLater(tally.pause_reason, tally.pause_after)
    if tally.errors:
        raise ValueError("; ".join(f"{session}: {error}" for session, error in tally.errors))
    return tally


def _no_spread() -> float:
    return 0.0


class _Extracting(Extracting):
    """Extracts as a worker does; failures are raised."""

    def __init__(self, made: Any) -> None:
        self._collected = _Collected()
        super().__init__(self._collected, _Unwritten(), {0: made})

    def gather(self, jobs: tuple[Job, ...]) -> Gathered:
        """Return what comes of jobs."""
        for job in jobs:
            self._take(job)
        self._send(done=True)
        gathered, self._collected.gathered = self._collected.gathered, Gathered()
        return gathered

    def _fail(self, job: Job, turn: Turn, error: Exception) -> None:
        del job, turn
        raise error


@dataclass
class _EffectPass(EffectPass):
    """Runs an effectful processor's sessions here, each in its own transaction."""

    made: Any

    def _try(self, task: Task) -> None:
        with self.store.effect(self.processor, task.found) as transaction:
            processed = _Effecting(self.made, transaction).process(session_of(task))
            self._settle(task, processed, transaction)


class _Effecting(Effecting):
    """Asks a transaction of this process."""

    def __init__(self, made: Any, transaction: EffectTransaction) -> None:
        super().__init__(_Collected(), _Unwritten(), made)
        self._transaction = transaction

    def _ask(self, request: bytes) -> bytes:
        return self._transaction.answer(request)


class _Collected(Channel):
    """A channel to nobody, which keeps what was sent."""

    def __init__(self) -> None:
        self.gathered = Gathered()

    def send(self, body: bytes, kind: int = MESSAGE) -> None:
        """Keep a message's rows and outcomes."""
        del kind
        progress = messages.from_worker.decode(body)
        if isinstance(progress, Progress):
            self.gathered.outcomes += progress.outcomes
            self.gathered.rows += progress.rows


class _Unwritten(Note):
    """A note that nobody would read."""

    def __init__(self) -> None:
        pass

    def write(self, job: int, processor: int = READING) -> None:
        """Write nothing."""
