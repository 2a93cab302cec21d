"""A rehearsal: one processor run here, in this process, by the same code that workers run.

There is no worker, so no limit of time or memory. What the processor raises is raised, with its
traceback, and leaves no state: no attempt is counted, nothing waits. For writing and testing
processors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sessionmill.collect.discover import Walk
from sessionmill.contracts import RetryLater
from sessionmill.plugins import Processor
from sessionmill.run import messages
from sessionmill.run.batches import Gathered
from sessionmill.run.effect_pass import EffectPass, session_of
from sessionmill.run.effecting import Effecting
from sessionmill.run.extract_work import ExtractWork
from sessionmill.run.extracting import Extracting, Turn
from sessionmill.run.messages import MESSAGE, Channel, Failed, Job, Progress
from sessionmill.run.note import READING, Note
from sessionmill.run.ports import Clock, EffectTransaction, MarkedBatch, RunStore
from sessionmill.run.tally import Tally
from sessionmill.run.work import Task


def rehearse(store: RunStore, clock: Clock, processor: Processor, made: Any, walk: Walk) -> Tally:
    """Let `made`, an instance of `processor`, process what is new in a walk.

    Raises what it raises, RetryLater too; ValueError for a row that fits no table; and OSError for
    a transcript that cannot be read.
    """
    now = clock()
    store.note_walk(walk, now)
    tasks = store.pending(processor, now)
    tally = Tally(processor.name, seen=len(walk.found), scanned=len(tasks))
    if processor.is_extractor:
        work = ExtractWork(store, clock, _no_spread, [processor], [tally], [tasks])
        _, batches = work.split([])
        extracting = _Extracting(made, store.spool)
        for jobs in batches:
            gathered = extracting.gather(jobs)
            for outcome in gathered.outcomes:
                if isinstance(outcome, Failed):
                    raise ValueError(outcome.error)
            work.commit(gathered, [])
    else:
        _EffectPass(store, clock, _no_spread, processor, tally, _never, made).run(tasks, [])
    if tally.errors:
        raise OSError("; ".join(f"{session}: {error}" for session, error in tally.errors))
    return tally


def _no_spread() -> float:
    return 0.0


def _never() -> bool:
    return False


class _Extracting(Extracting):
    """Extracts as a worker does; failures are raised."""

    def __init__(self, made: Any, spool: Path) -> None:
        self._collected = _Collected()
        super().__init__(self._collected, _Unwritten(), {0: made}, spool)

    def gather(self, jobs: tuple[Job, ...]) -> Gathered:
        """Return what comes of jobs."""
        for job in jobs:
            self._take(job)
        self._send(done=True)
        gathered, self._collected.gathered = self._collected.gathered, Gathered()
        return gathered

    def _pause(self, job: Job, turn: Turn, later: RetryLater) -> None:
        del job, turn
        raise later

    def _fail(self, job: Job, turn: Turn, error: Exception) -> None:
        del turn
        error.add_note(f"It was processing {job.key}.")
        raise error


@dataclass
class _EffectPass(EffectPass):
    """Runs an effectful processor's sessions here, each in its own transaction."""

    made: Any

    def _run_batch(self, marked: MarkedBatch, tasks: Sequence[Task]) -> None:
        del marked  # nobody comes after this process, to find marks
        for task in tasks:
            self._run_task(task)

    def _try(self, task: Task) -> None:
        with self.store.effect(self.processor, task.found) as transaction:
            try:
                effecting = _Effecting(self.made, transaction, self.store.spool)
                processed = effecting.process(session_of(task))
            except Exception as error:
                error.add_note(f"It was processing {task.found.session_key}.")
                raise
            self._settle(task, processed, transaction)

    def _fail(self, task: Task, error: str, transaction: EffectTransaction | None = None) -> None:
        del task
        if transaction is None or transaction.first_error is None:
            raise RuntimeError(error)
        failed = transaction.first_error
        failed.add_note(
            "The processor has caught this error; yet it ended the transaction, so nothing of "
            "this session can be kept. Ask before you try: CREATE TABLE IF NOT EXISTS, SELECT."
        )
        raise failed


class _Effecting(Effecting):
    """Asks a transaction of this process."""

    def __init__(self, made: Any, transaction: EffectTransaction, spool: Path) -> None:
        super().__init__(_Collected(), _Unwritten(), made, spool)
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
