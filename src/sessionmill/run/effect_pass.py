"""One pass of an effectful processor: a child of its own, one session at a time.

The child reads the transcript and asks for the database; the statements run here, in a
transaction that ends with the session's state, or with nothing.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from sessionmill.collect.roots import path_kind
from sessionmill.plugins import Processor
from sessionmill.run import messages
from sessionmill.run.messages import MESSAGE, REQUEST, Processed, Session
from sessionmill.run.ports import (
    Clock,
    EffectTransaction,
    MarkedBatch,
    RunStore,
    Unwatched,
    Watcher,
    WriteConflict,
)
from sessionmill.run.supervise import Worker, WorkerLost
from sessionmill.run.tally import Tally
from sessionmill.run.work import (
    DEATHS_TO_CHARGE,
    KILLED_TWICE,
    Leftover,
    RetryPolicy,
    Task,
    failed,
    succeeded,
    suspects,
)

#: Sessions that are marked in flight together.
_BATCH = 50
#: How often a session is run again because another transaction wrote the same thing.
_CONFLICTS = 10
#: Seconds before the first time; each wait is twice the one before.
_CONFLICT_SECONDS = 0.005


@dataclass
class EffectPass:
    """Runs one effectful processor over its tasks."""

    store: RunStore
    clock: Clock
    spread: Callable[[], float]
    processor: Processor
    tally: Tally
    #: Once it says so, no session is begun any more.
    over: Callable[[], bool]
    watcher: Watcher = field(default_factory=Unwatched, kw_only=True)

    def __post_init__(self) -> None:
        self._worker: Worker | None = None
        self._transaction: EffectTransaction | None = None
        self._aborted = False

    def run(self, tasks: Sequence[Task], leftovers: Sequence[Leftover]) -> None:
        """Process tasks, those first that a dead owner left at work."""
        self.watcher.begin(sum(task.found.size for task in tasks))
        try:
            for marked, batch in self._batches(tasks, leftovers):
                if self._over():
                    return
                if marked.deaths >= DEATHS_TO_CHARGE:
                    self._fail(batch[0], KILLED_TWICE)
                    self.store.unmark(marked.processor, marked.batch)
                else:
                    self._run_batch(marked, batch)
        finally:
            self._drop_worker()

    def _batches(
        self, tasks: Sequence[Task], leftovers: Sequence[Leftover]
    ) -> list[tuple[MarkedBatch, list[Task]]]:
        """Return suspects, then all others, with what marks them while they are at work."""
        left = {task.found.session_key: task for task in tasks}
        made = []
        for part in suspects(leftovers):
            doubtful = [left.pop(key) for key in part.session_keys if key in left]
            if doubtful:
                made.append((self._mark(part.batch, doubtful, part.deaths), doubtful))
        if leftovers:
            waiting = [replace(marked, at_work=False) for marked, _ in made]
            self.store.reset_marks([self.processor.name], waiting)
        others = list(left.values())
        for first in range(0, len(others), _BATCH):
            batch = others[first : first + _BATCH]
            made.append((self._mark(uuid.uuid4().hex, batch, 0), batch))
        return made

    def _mark(self, batch: str, tasks: Sequence[Task], deaths: int) -> MarkedBatch:
        return MarkedBatch(
            processor=self.processor.name,
            batch=batch,
            session_keys=[task.found.session_key for task in tasks],
            deaths=deaths,
        )

    def _run_batch(self, marked: MarkedBatch, tasks: Sequence[Task]) -> None:
        self.store.mark(marked)
        for task in tasks:
            if self._over():
                break
            self._run_task(task)
            self.watcher.advance(task.found.size)
        self.store.unmark(marked.processor, marked.batch)

    def abort(self) -> None:
        """Kill the child, end its statement, and begin nothing more; from another thread."""
        self._aborted = True
        worker, transaction = self._worker, self._transaction  # which may end meanwhile
        if worker is not None:
            worker.kill()
        if transaction is not None:
            transaction.interrupt()

    def _over(self) -> bool:
        return self._aborted or self.tally.pause_reason is not None or self.over()

    def _run_task(self, task: Task) -> None:
        for attempt in range(_CONFLICTS):
            try:
                self._try(task)
                return
            except WriteConflict as conflict:
                last = conflict
                time.sleep(_CONFLICT_SECONDS * 2**attempt)  # let the other one end
        self._fail(task, f"could not be written {_CONFLICTS} times, because others wrote: {last}")

    def _try(self, task: Task) -> None:
        try:
            worker = self._worker or self._start()
            with self.store.effect(self.processor, task.found) as transaction:
                self._transaction = transaction
                try:
                    processed = self._converse(worker, task, transaction)
                finally:
                    self._transaction = None
                self._settle(task, processed, transaction)
        except WorkerLost as lost:
            self._drop_worker()
            if not self._aborted:
                self._fail(task, f"the worker {lost.reason}")

    def _converse(self, worker: Worker, task: Task, transaction: EffectTransaction) -> Processed:
        """Serve the child's statements until it says how the session ended."""
        worker.send(session_of(task))
        while True:
            kind, body = worker.receive_frame()
            if kind == REQUEST:
                self._answer(worker, body, transaction)
            elif kind == MESSAGE:
                processed = messages.from_worker.decode(body)
                if isinstance(processed, Processed):
                    return processed
                raise WorkerLost(f"sent {type(processed).__name__}", None, None)

    def _answer(self, worker: Worker, request: bytes, transaction: EffectTransaction) -> None:
        # A statement may outlast the session's time: nobody looks while it runs.
        timer = threading.Timer(worker.seconds_left(0), transaction.interrupt)
        timer.start()
        try:
            reply = transaction.answer(request)
        finally:
            timer.cancel()
        worker.reply(reply)

    def _settle(self, task: Task, processed: Processed, transaction: EffectTransaction) -> None:
        now = self.clock()
        if transaction.conflicted:
            raise WriteConflict(str(transaction.first_error))
        match processed.status:
            case "processed" if transaction.first_error is not None:
                error = transaction.first_error
                self._fail(task, f"{type(error).__name__}: {error}"[:300], transaction)
            case "processed":
                state = replace(
                    succeeded(task, now),
                    file_hash=processed.file_hash,
                    items_extracted=processed.items,
                )
                transaction.commit(state, processed.identity, processed.agent)
                self.tally.processed += 1
                self.tally.items_extracted += processed.items
                if processed.warning:
                    self.tally.warnings.append((task.found.session_key, processed.warning))
            case "unchanged":
                state = replace(
                    succeeded(task, now),
                    processed_at=task.processed_at or now,
                    file_hash=processed.file_hash,
                )
                transaction.keep_unchanged(state, processed.identity, processed.agent)
                self.tally.skipped += 1
            case "failed":
                self._fail(task, processed.error, transaction)
            case "vanished":
                self.tally.skipped += 1
            case "unreadable":
                self.tally.fail(task.found.session_key, processed.error)
            case "paused":
                self.tally.pause_reason = processed.error
                self.tally.pause_after = processed.after

    def _fail(self, task: Task, error: str, transaction: EffectTransaction | None = None) -> None:
        self.tally.fail(task.found.session_key, error)
        policy = RetryPolicy(max_attempts=self.processor.max_attempts)
        state = failed(task, error, self.clock(), policy, self.spread())
        if transaction is not None:
            transaction.keep_state(state)
            return
        with self.store.effect(self.processor, task.found) as alone:
            alone.keep_state(state)

    def _start(self) -> Worker:
        self._worker = Worker([self.processor], self.store.spool)
        unusable = self._worker.ready()
        if unusable:
            raise WorkerLost(f"could not build it: {unusable[0]}", None, None)
        return self._worker

    def _drop_worker(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None


def session_of(task: Task) -> Session:
    """Return a task as the worker is told of it."""
    found = task.found
    adopted = task.stored_version is None
    known = task.same_version or adopted
    return Session(
        key=found.session_key,
        username=found.username,
        path=os.fsencode(found.path),
        path_kind=path_kind(found.session_key),
        # A session that failed is done again, though its content is the same.
        file_hash=task.file_hash if known and not task.attempts else None,
    )
