"""When each processor runs, in a process that stays: by its cadence, or soon after a nudge.

A thread looks every few seconds which processors are due, and starts each in a thread of its own.
What is due is found out anew at each look, from two clocks: the wall clock, which may jump, and
the monotonic one, which does not tell the time. So nothing waits for a time that was reckoned
before a jump (docs/why/013-a-scheduler-of-our-own.md).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sessionmill.cadence import Cadence
from sessionmill.errors import AlreadyRunning
from sessionmill.run.ports import Clock

#: Seconds between two looks, at most: so long does a jump of the clock stay unnoticed.
LOOK_SECONDS = 5.0
#: Looks that may be missing before the scheduler counts as dead.
_LATE_LOOKS = 6
#: Seconds over which processors that never ran are spread.
FIRST_SECONDS = 60.0
#: Seconds between a run and the next one that a nudge asks for.
NUDGE_GAP_SECONDS = 0.3
#: Seconds after which a nudge is tried again that met a run of somebody else's.
_TRY_AGAIN_SECONDS = 1.0
#: Of an error's text, at most.
_ERROR_CHARACTERS = 300

_log = logging.getLogger("sessionmill.schedule")

#: Does something elsewhere, and returns at once; given what to do, and a name for it.
Launch = Callable[[Callable[[], None], str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """How the scheduler stands with one processor."""

    cadence: Cadence
    #: When it is to start next, UTC, by the clock as it goes now.
    next_at: datetime
    last_started: datetime | None
    #: By the clock as it goes now, as all that tells how long something takes.
    running_since: datetime | None
    running_seconds: float | None
    #: A change was seen, for which it is to run once more.
    nudged: bool
    #: Starts left out in a row, because a run went on still.
    refused: int
    #: The same since the scheduler was made.
    refused_in_all: int
    #: Why its last run ended by an exception; it may hold a plugin's words.
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleState:
    """How the scheduler stands."""

    #: It looks for what is due, and is not late with it.
    alive: bool
    started_at: datetime | None
    jobs: Mapping[str, JobState]


class Scheduler:
    """Starts processors when they are due; one run of each at a time."""

    def __init__(
        self,
        cadences: Mapping[str, Cadence],
        last_starts: Mapping[str, datetime],
        start: Callable[[str], None],
        clock: Clock,
        spread: Callable[[], float],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        launch: Launch | None = None,
    ) -> None:
        """`start` runs a processor to its end, and may raise; one of another name may run beside.

        `last_starts` (UTC) lack those that never ran. `spread` gives numbers from 0 to 1, by which
        these are spread over their first minute.
        """
        self._start, self._clock, self._monotonic = start, clock, monotonic
        self._launch = launch or _in_thread
        now, at = clock(), monotonic()
        self._jobs = {
            name: _Job(name, cadence, last_starts.get(name), now, at, spread())
            for name, cadence in cadences.items()
        }
        #: Held while jobs are looked at or changed, never while one runs.
        self._changed = threading.Condition()
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._started_at: datetime | None = None
        self._looked_at = at

    def start(self) -> None:
        """Begin to look for what is due, in a thread of its own."""
        self._started_at, self._looked_at = self._clock(), self._monotonic()
        self._thread = threading.Thread(target=self._look_on, name="scheduler", daemon=True)
        self._thread.start()

    def tick(self) -> float:
        """Start what is due; return after how many seconds to look again, at most LOOK_SECONDS.

        Called by the scheduler's own thread; by a test, instead of it, as time passes.
        """
        with self._changed:
            due = [] if self._stopping else self._begin_due()
        for job in due:
            self._launch_run(job)
        with self._changed:
            now, at = self._clock(), self._monotonic()
            self._looked_at = at
            return min([LOOK_SECONDS, *(job.wait(now, at) for job in self._jobs.values())])

    def nudge(self, name: str) -> None:
        """Let a processor run soon: what it reads has changed.

        Any number of nudges before that run are one; any that come while it goes on make one run
        more, as nobody knows whether it has seen the change.
        """
        with self._changed:
            self._jobs[name].nudged = True
        self._wake.set()

    def stop(self, limit_seconds: float) -> list[str]:
        """Start nothing more, and wait for what runs; return what still runs at the limit."""
        with self._changed:
            self._stopping = True
            self._wake.set()
            self._changed.wait_for(lambda: not self._running(), limit_seconds)
            running = self._running()
        if self._thread is not None:
            self._thread.join(LOOK_SECONDS)
        return running

    def states(self) -> ScheduleState:
        """Return how it stands, and how each processor does."""
        with self._changed:
            now, at = self._clock(), self._monotonic()
            looks = self._thread is not None and self._thread.is_alive()
            return ScheduleState(
                alive=looks and at - self._looked_at <= _LATE_LOOKS * LOOK_SECONDS,
                started_at=self._started_at,
                jobs={name: job.state(now, at) for name, job in self._jobs.items()},
            )

    def _look_on(self) -> None:
        while not self._stopping:
            try:
                wait = self.tick()
            except Exception:
                _log.exception("The scheduler could not look for what is due; it tries again")
                wait = LOOK_SECONDS
            self._wake.wait(max(wait, 0.01))
            self._wake.clear()

    def _begin_due(self) -> list[_Job]:
        """Mark as running what is due; return it. What runs still is refused."""
        now, at, due = self._clock(), self._monotonic(), []
        for job in self._jobs.values():
            if job.wait(now, at) > 0:
                continue
            if job.running is None:
                job.begin(now, at)
                due.append(job)
            else:
                job.refuse(now, at)
        return due

    def _launch_run(self, job: _Job) -> None:
        try:
            self._launch(lambda: self._run(job), job.name)
        except Exception as error:  # no thread can be had: as a run that failed
            _log.exception("%s could not be started", job.name)
            self._end(job, _told(error))

    def _run(self, job: _Job) -> None:
        """Run a processor to its end, whatever that is."""
        try:
            self._start(job.name)
        except AlreadyRunning:
            self._end(job, None, was_refused=True)
        except BaseException as error:  # of a plugin too: nothing but this job ends by it
            _log.exception("The run of %s ended by an exception", job.name)
            self._end(job, _told(error))
        else:
            self._end(job, None)

    def _end(self, job: _Job, error: str | None, *, was_refused: bool = False) -> None:
        with self._changed:
            if was_refused:
                job.end_refused(self._monotonic())
            else:
                job.end(self._monotonic(), error)
            self._changed.notify_all()
        self._wake.set()

    def _running(self) -> list[str]:
        return [name for name, job in self._jobs.items() if job.running is not None]


class _Job:
    """When one processor is due; `now` is the wall clock's time, `at` the monotonic one's."""

    def __init__(
        self,
        name: str,
        cadence: Cadence,
        last_started: datetime | None,
        now: datetime,
        at: float,
        spread: float,
    ) -> None:
        self.name, self.cadence = name, cadence
        if last_started is not None and last_started > now:
            last_started = None  # noted by a clock that was wrong
        self.last_started = self.started_before = last_started
        #: What its cadence counts from: its last start, or one that was refused since.
        self.since = last_started
        self.since_at = at - (now - last_started).total_seconds() if last_started else at
        #: When it is due that never ran.
        self.first_at = at + FIRST_SECONDS * spread
        #: (since when, and the same of the monotonic clock), while it runs.
        self.running: tuple[datetime, float] | None = None
        self.nudged = False
        #: The run that goes on was asked for by a nudge.
        self.by_nudge = False
        #: From when on a nudge may start it.
        self.free_at = at
        self.refused = self.refused_in_all = 0
        self.error: str | None = None

    def wait(self, now: datetime, at: float) -> float:
        """Return the seconds until something is to be done: none left, or less, where it is due."""
        wait = self._cadence_wait(now, at)
        if self.nudged and self.running is None:
            wait = min(wait, self.free_at - at)
        return wait

    def _cadence_wait(self, now: datetime, at: float) -> float:
        if self.since is None:
            return self.first_at - at
        passed = at - self.since_at
        if self.since > now:
            # The clock was set back: its last start was when, by this clock, it would have been.
            self.since = now - timedelta(seconds=passed)
        wait = (self.cadence.next_due(self.since, now) - now).total_seconds()
        if self.cadence.is_by_clock:
            return wait
        # After a clock was set back by less than that: no longer than its period all the same.
        return min(wait, self.cadence.period().total_seconds() - passed)

    def begin(self, now: datetime, at: float) -> None:
        """Take it for running."""
        self.since, self.since_at = now, at
        self.started_before, self.last_started = self.last_started, now
        self.running = now, at
        # Before the run, not after it: a nudge that comes meanwhile is not lost.
        self.by_nudge, self.nudged = self.nudged, False

    def refuse(self, now: datetime, at: float) -> None:
        """Leave out a start that was due while it runs; the next is one cadence later."""
        self.since, self.since_at = now, at
        self.refused += 1
        self.refused_in_all += 1

    def end(self, at: float, error: str | None) -> None:
        """Take it for run, well or not."""
        self.running, self.error, self.refused = None, error, 0
        self.free_at = at + NUDGE_GAP_SECONDS

    def end_refused(self, at: float) -> None:
        """Take it for not run, because somebody else runs it."""
        self.running, self.last_started = None, self.started_before
        if self.by_nudge:
            # That other run may have looked before the change came.
            self.nudged, self.free_at = True, at + _TRY_AGAIN_SECONDS
        else:
            self.refused += 1
            self.refused_in_all += 1

    def state(self, now: datetime, at: float) -> JobState:
        """Return how it stands."""
        since, seconds = None, None
        if self.running is not None:
            since, seconds = self.running[0], at - self.running[1]
            if abs((now - since).total_seconds() - seconds) > 1:
                since = now - timedelta(seconds=seconds)  # the clock has jumped since
        return JobState(
            cadence=self.cadence,
            next_at=now + timedelta(seconds=max(0.0, self.wait(now, at))),
            last_started=self.last_started,
            running_since=since,
            running_seconds=seconds,
            nudged=self.nudged,
            refused=self.refused,
            refused_in_all=self.refused_in_all,
            last_error=self.error,
        )


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:_ERROR_CHARACTERS]


def _in_thread(run: Callable[[], None], name: str) -> None:
    threading.Thread(target=run, name=f"run-{name}", daemon=True).start()
