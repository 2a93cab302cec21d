"""The bookkeeping of an extract pass: from tasks to jobs, from outcomes to commits and figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from sessionmill.plugins import Processor
from sessionmill.run.batches import Gathered, Marked, batches, cores, plan
from sessionmill.run.messages import (
    Failed,
    Job,
    Outcome,
    Paused,
    Taken,
    Unchanged,
    Unreadable,
    Vanished,
)
from sessionmill.run.ports import Clock, ExtractCommit, Extracted, MarkedBatch, RunStore
from sessionmill.run.tally import Tally
from sessionmill.run.work import (
    DEATHS_TO_CHARGE,
    KILLED_TWICE,
    Leftover,
    RetryPolicy,
    State,
    Task,
    failed,
    succeeded,
    suspects,
)


class ExtractWork:
    """The bookkeeping of one pass of several extractors."""

    def __init__(
        self,
        store: RunStore,
        clock: Clock,
        spread: Callable[[], float],
        processors: Sequence[Processor],
        tallies: Sequence[Tally],
        tasks: Sequence[list[Task]],
    ) -> None:
        self._store, self._clock, self._spread = store, clock, spread
        self._processors, self._tallies = processors, tallies
        self._tasks = {
            (number, task.found.session_key): task
            for number, own in enumerate(tasks)
            for task in own
        }
        self._jobs = {job.number: job for job in plan(dict(enumerate(tasks)))}
        #: (processor, job) whose rows from offset 0 have been committed: more would double them.
        self._begun: set[tuple[int, int]] = set()

    # ── planning ──

    def split(self, leftovers: Sequence[Leftover]) -> tuple[list[Marked], list[tuple[Job, ...]]]:
        """Return suspects, to be run one by one, and batches of all other jobs."""
        doubtful: list[Marked] = []
        states: list[State] = []
        left = dict(self._jobs)
        by_key: dict[str, list[Job]] = {}
        for job in self._jobs.values():
            by_key.setdefault(job.key, []).append(job)
        for part in suspects(leftovers):
            jobs = tuple(
                job
                for key in part.session_keys
                for job in by_key.get(key, ())
                if job.number in left
            )
            for job in jobs:
                del left[job.number]
            if jobs and part.deaths >= DEATHS_TO_CHARGE:
                states += [self._charge(job, t.processor) for job in jobs for t in job.tries]
            elif jobs:
                doubtful.append(Marked(part.batch, jobs, part.deaths))
        if states:
            self._store.commit_extracted(self._processors, ExtractCommit(states=states))
        if leftovers:
            waiting = [replace(m, at_work=False) for batch in doubtful for m in self._mark(batch)]
            self._store.reset_marks([p.name for p in self._processors], waiting)
        return doubtful, batches(left.values(), cores())

    def _charge(self, job: Job, processor: int) -> State:
        return self._fail(self._tasks[processor, job.key], processor, KILLED_TWICE)

    # ── what comes back ──

    def commit(self, gathered: Gathered, marked: Sequence[Marked]) -> None:
        """Store what was gathered, mark what is next, and count."""
        commit = ExtractCommit(rows=gathered.rows)
        extracted: dict[tuple[int, int], Extracted] = {}
        for outcome in gathered.outcomes:
            if isinstance(outcome, Taken):
                self._take(outcome, extracted)
            else:
                commit.states += self._note(outcome)
        commit.extracted = list(extracted.values())
        for batch in gathered.finished:
            commit.unmark += [(name, batch.id) for name in self._names(batch)]
        for batch in marked:
            commit.mark += self._mark(batch)
        written = self._store.commit_extracted(self._processors, commit)
        self._begun |= extracted.keys()
        for (number, _), count in written.items():
            self._tallies[number].items_extracted += count

    def _take(self, taken: Taken, extracted: dict[tuple[int, int], Extracted]) -> None:
        job = self._jobs[taken.job]
        task = self._tasks[taken.processor, job.key]
        before = extracted.get((taken.processor, taken.job))
        anew = taken.start == 0
        replaced = anew and (task.known or (taken.processor, taken.job) in self._begun)
        state = replace(
            succeeded(task, self._clock()),
            safe_offset=taken.safe_offset,
            fingerprint=taken.fingerprint,
            carry=taken.mark,
        )
        if taken.finished:
            self._tallies[taken.processor].processed += 1
        else:
            # Not observed to its end: pending until it is.
            state = replace(state, size=None, mtime_ns=None, processed_at=task.processed_at)
        extracted[taken.processor, taken.job] = Extracted(
            processor=taken.processor,
            job=taken.job,
            found=task.found,
            agent=taken.agent,
            identity=taken.identity,
            fingerprint=taken.fingerprint,
            replaced=replaced or (before is not None and before.replaced),
            fresh=anew or (before is not None and before.fresh),
            state=state,
            items_before=0 if anew else task.items,
        )

    def _note(self, outcome: Outcome) -> list[State]:
        """Count an outcome that takes nothing in; return the states it leaves."""
        job = self._jobs[outcome.job]
        task, tally = self._tasks[outcome.processor, job.key], self._tallies[outcome.processor]
        match outcome:
            case Unchanged():
                tally.skipped += 1
                return [
                    replace(
                        succeeded(task, self._clock()),
                        processed_at=task.processed_at or self._clock(),
                        safe_offset=task.safe_offset,
                        fingerprint=task.fingerprint,
                        carry=task.carry,
                    )
                ]
            case Vanished():
                tally.skipped += 1
            case Unreadable(error=error):
                tally.fail(task.found.session_key, error)
            case Paused(reason=reason, after=after):
                tally.pause_reason, tally.pause_after = reason, after
            case Failed(error=error):
                return [self._fail(task, outcome.processor, error)]
        return []

    def _fail(self, task: Task, processor: int, error: str) -> State:
        self._tallies[processor].fail(task.found.session_key, error)
        policy = RetryPolicy(max_attempts=self._processors[processor].max_attempts)
        return failed(task, error, self._clock(), policy, self._spread())

    # ── marks ──

    def _names(self, batch: Marked) -> list[str]:
        numbers = {t.processor for job in batch.jobs for t in job.tries}
        return [self._processors[number].name for number in sorted(numbers)]

    def _mark(self, batch: Marked) -> list[MarkedBatch]:
        keys: dict[int, list[str]] = {}
        for job in batch.jobs:
            for t in job.tries:
                keys.setdefault(t.processor, []).append(job.key)
        return [
            MarkedBatch(
                processor=self._processors[number].name,
                batch=batch.id,
                session_keys=own,
                deaths=batch.deaths,
            )
            for number, own in keys.items()
        ]
