"""Runs: one pass of each processor over what is pending, each unable to hurt another.

Extractors share one reading of the transcripts; each effectful processor goes its own way beside
them. Every pass leaves a row in `runs`, whatever became of it.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sessionmill.collect.discover import Walk
from sessionmill.collect.roots import path_kind
from sessionmill.plugins import Processor
from sessionmill.run.effect_pass import EffectPass
from sessionmill.run.extract_pass import ExtractPass
from sessionmill.run.extract_work import ExtractWork
from sessionmill.run.ports import Clock, LastRun, RunRow, RunStore, Unwatched, Watcher
from sessionmill.run.running import Allowance, Running, UnderWay
from sessionmill.run.tally import Tally
from sessionmill.run.work import Leftover, Task


@dataclass(frozen=True, slots=True)
class _Share:
    """One processor's part in a run."""

    processor: Processor
    tally: Tally
    tasks: list[Task]
    #: What a dead owner had at work.
    leftovers: list[Leftover]


class Runner:
    """Runs processors, one run of each at a time."""

    def __init__(
        self,
        store: RunStore,
        clock: Clock,
        spread: Callable[[], float],
        watcher: Watcher | None = None,
        running: Running | None = None,
    ) -> None:
        """`spread` gives numbers between -1 and 1, by which waits differ.

        Runners of several threads share one `running`, each with a store of its own.
        """
        self._store, self._clock, self._spread = store, clock, spread
        self._watcher = watcher or Unwatched()
        self._running = running or Running()

    def run(
        self,
        processors: Sequence[Processor],
        walk: Walk,
        *,
        actor: str,
        budget: float | None = None,
        due_only: bool = False,
        run_ids: Mapping[str, str] | None = None,
    ) -> list[Tally]:
        """Run each processor over what the walk found; return the figures of each.

        `budget` is in seconds: what is not begun by then is left for another run. With
        `due_only`, processors whose cadence is not over are left out. `run_ids`, by processor, are
        made up where they are not given. Raises AlreadyRunning.
        """
        started, begun = self._clock(), time.monotonic()
        last = self._store.last_runs()
        if due_only:
            processors = [p for p in processors if _is_due(p, last.get(p.name), started)]
        ids = {p.name: uuid.uuid4().hex for p in processors} | dict(run_ids or {})
        runs = [UnderWay(ids[p.name], p.name, started, actor) for p in processors]
        with self._running.alone(runs):
            root_errors = [*walk.errors, *_emptied(walk, self._store.known_roots())]
            refused = self._store.prepare(processors)
            self._store.note_walk(walk, started)
            allowed = Allowance(self._running, None if budget is None else begun + budget)
            tallies = [Tally(processor.name) for processor in processors]
            try:
                for tally in tallies:
                    if tally.processor in refused:
                        tally.errors.append((tally.processor, refused[tally.processor]))
                usable = [p for p in processors if p.name not in refused]
                running = [t for t in tallies if t.processor not in refused]
                self._pass(usable, running, walk, allowed.over, started, last)
                unsummed = self._store.roll_up(usable)
                for tally in running:
                    if tally.processor in unsummed:
                        tally.errors.append((tally.processor, unsummed[tally.processor]))
            except BaseException:
                for tally in tallies:
                    tally.broken = True
                raise
            finally:
                self._watcher.end()
                for tally in tallies:
                    tally.errors += root_errors
                    tally.seconds = time.monotonic() - begun
                self._store.write_runs(
                    [
                        self._row(tally, processor, run, last.get(processor.name))
                        for tally, processor, run in zip(tallies, processors, runs, strict=True)
                    ]
                )
        return tallies

    def _pass(
        self,
        processors: Sequence[Processor],
        tallies: Sequence[Tally],
        walk: Walk,
        over: Callable[[], bool],
        now: datetime,
        last: dict[str, LastRun],
    ) -> None:
        shares = [
            self._share(processor, tally, walk, now, last.get(processor.name))
            for processor, tally in zip(processors, tallies, strict=True)
        ]
        stale = [share.processor.name for share in shares if share.leftovers and not share.tasks]
        if stale:
            self._store.reset_marks(stale, [])
        shares = [share for share in shares if share.tasks]
        effects = [
            (self._effect(share, over), share)
            for share in shares
            if not share.processor.is_extractor
        ]
        with self._running.abortable(*(effect.abort for effect, _ in effects)):
            threads = [
                _Thread(effect.run, share.tasks, share.leftovers) for effect, share in effects
            ]
            try:
                self._extract([share for share in shares if share.processor.is_extractor], over)
                for thread in threads:
                    thread.wait()
            except BaseException:
                for effect, _ in effects:
                    effect.abort()
                raise
            finally:
                for thread in threads:
                    thread.join()
        for thread in threads:
            thread.raise_again()

    def _share(
        self, processor: Processor, tally: Tally, walk: Walk, now: datetime, last: LastRun | None
    ) -> _Share:
        tasks = self._store.pending(processor, now)
        tally.seen, tally.scanned = _seen(processor, walk), len(tasks)
        if last is not None and _is_paused(last, now):
            tally.pause_reason, tasks = last.pause_reason or "paused", []
        others = Counter(task.other_version for task in tasks if task.other_version is not None)
        if others:
            self._watcher.reads_anew(processor, others)
        return _Share(processor, tally, tasks, self._store.leftovers(processor.name))

    def _effect(self, share: _Share, over: Callable[[], bool]) -> EffectPass:
        return EffectPass(
            self._store,
            self._clock,
            self._spread,
            share.processor,
            share.tally,
            over,
            watcher=self._watcher,
        )

    def _extract(self, shares: Sequence[_Share], over: Callable[[], bool]) -> None:
        if not shares:
            return
        processors = [share.processor for share in shares]
        work = ExtractWork(
            self._store,
            self._clock,
            self._spread,
            processors,
            [share.tally for share in shares],
            [share.tasks for share in shares],
        )
        doubtful, batches = work.split([left for share in shares for left in share.leftovers])
        extract = ExtractPass(
            processors,
            work.commit,
            self._store.spool,
            self._watcher,
            over=over,
        )
        with self._running.abortable(extract.abort):
            extract.run(doubtful, batches)

    def _row(
        self,
        tally: Tally,
        processor: Processor,
        run: UnderWay,
        last: LastRun | None,
    ) -> RunRow:
        now = self._clock()
        if _is_paused(last, run.since) and last is not None:
            resume_at = last.resume_at
        else:
            resume_at = tally.resume_at(now, _pause_of(last))
        return RunRow(
            run_id=run.run_id,
            processor_name=processor.name,
            version=processor.version,
            actor=run.actor,
            started_at=run.since,
            seconds=tally.seconds,
            outcome=tally.outcome,
            seen=tally.seen,
            scanned=tally.scanned,
            processed=tally.processed,
            skipped=tally.skipped,
            capped=tally.capped,
            errors=len(tally.errors),
            items_extracted=tally.items_extracted,
            resume_at=resume_at,
            pause_reason=tally.pause_reason,
        )


class _Thread(threading.Thread):
    """A thread whose exception is raised again by whom waits for it."""

    def __init__(self, target: Callable[..., None], *args: object) -> None:
        super().__init__(daemon=True)
        self._call, self._with = target, args
        self._error: BaseException | None = None
        self._ended = threading.Event()
        self.start()

    def run(self) -> None:
        try:
            self._call(*self._with)
        except BaseException as error:  # raised again by raise_again
            self._error = error
        finally:
            self._ended.set()

    def wait(self) -> None:
        """Wait for its end. After a join that Ctrl-C breaks off, CPython takes it for ended."""
        self._ended.wait()

    def raise_again(self) -> None:
        """Raise what the thread ended with, if it was an exception."""
        if self._error is not None:
            raise self._error


def _seen(processor: Processor, walk: Walk) -> int:
    if processor.main_only:
        return sum(path_kind(found.session_key) == "main" for found in walk.found)
    return len(walk.found)


def _is_due(processor: Processor, last: LastRun | None, now: datetime) -> bool:
    return processor.cadence.is_due(None if last is None else last.started_at, now)


def _lies_ahead(last: LastRun, now: datetime) -> bool:
    """Tell whether a run was noted by a clock that was wrong, so that its times say nothing."""
    return last.started_at > now


def _is_paused(last: LastRun | None, now: datetime) -> bool:
    if last is None or last.resume_at is None or _lies_ahead(last, now):
        return False
    return now < last.resume_at


def _pause_of(last: LastRun | None) -> timedelta | None:
    if last is None or last.resume_at is None:
        return None
    return last.resume_at - last.paused_at


def _emptied(walk: Walk, held: dict[str, int]) -> list[tuple[str, str]]:
    """Return an error for each root that held transcripts and holds none now.

    An unmounted disk looks so: nothing in it is marked as gone.
    """
    holding = {found.root for found in walk.found}
    emptied = [root for root in walk.complete if held.get(root) and root not in holding]
    for root in emptied:
        walk.complete.remove(root)
    missing = [root for root in walk.absent if held.get(root)]
    return [
        (
            root,
            f"held {held[root]} transcripts and {now}; nothing is marked as gone. Mount it again, "
            "or leave it out",
        )
        for roots, now in ((emptied, "is empty now"), (missing, "is missing now"))
        for root in roots
    ]
