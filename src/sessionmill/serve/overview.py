"""How the server does: gathered in the background, so that who asks for it never waits."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from sessionmill import __version__
from sessionmill.app import App, now
from sessionmill.collect.roots import Root
from sessionmill.run.schedule import Scheduler, ScheduleState
from sessionmill.view import look_around
from sessionmill.view.gatherer import Gatherer
from sessionmill.view.health import (
    Condition,
    Gathered,
    Health,
    Scheduled,
    Surroundings,
    gather,
    health,
)
from sessionmill.view.health import Scheduler as Schedule
from sessionmill.view.metrics import Metrics, Told, Totals, gather_totals

log = structlog.get_logger()

#: A clock that was set is told of for so many seconds, and no longer: nothing waits for it.
_JUMP_TOLD = 3600.0
#: A clock that nobody sets, and that goes on while the machine sleeps, where there is one: a laptop
#: that slept all night had no jump.
_UNSET = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
#: Seconds between two workers that are started only to see that one can be.
_WORKER_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class _Latest:
    """What was gathered last."""

    gathered: Gathered
    totals: Totals
    around: Surroundings


class Overview:
    """Health and metrics of one server."""

    def __init__(self, app: App, roots: list[Root]) -> None:
        self._app, self._roots = app, roots
        #: None where nothing is scheduled.
        self.scheduler: Scheduler | None = None
        self._began = now()
        #: Both clocks, at moments of the last hour, the oldest first.
        self._clocks: deque[tuple[datetime, float]] = deque([_both()])
        self._workers = Condition()
        self._workers_looked = -_WORKER_SECONDS
        self._gatherer: Gatherer[_Latest] = Gatherer(self._gather)
        self.metrics = Metrics(__version__, self._told)

    def start(self) -> None:
        """Gather once, and then again and again."""
        self._gatherer.once()
        self._gatherer.start()

    def stop(self) -> None:
        """Gather no more."""
        self._gatherer.stop()

    def hurry(self) -> None:
        """Gather soon: a run has ended."""
        self._gatherer.hurry()

    def health(self) -> Health:
        """Judge what was gathered last, as of now."""
        told = self._told()
        return health(told.gathered, told.around)

    def _told(self) -> Told:
        latest, problem = self._gatherer.latest, self._gatherer.problem
        around = latest.around if latest else self._around()
        around = replace(
            around,
            now=now(),
            facts=Condition(problem),
            scheduler=self._schedule(),
            clock_jump=self._clock_jump(),
        )
        gathered, totals = (latest.gathered, latest.totals) if latest else (None, None)
        return Told(gathered, totals, around)

    # ── on the gatherer's thread ──

    def _gather(self) -> _Latest:
        if self._app.mend():
            log.warning("DuckDB had given the facts up; they were opened anew")
        self._note_clocks()
        noted = look_around.noted_commit(self._app.config.folder)
        cursor = self._app.facts.cursor()
        try:
            processors = list(self._app.registry.usable.values())
            around = self._around()
            roots = None if around.roots is None else list(around.roots)
            gathered = gather(cursor, processors, now(), roots=roots, noted_commit=noted)
            return _Latest(gathered, gather_totals(cursor), around)
        finally:
            cursor.close()

    def _note_clocks(self) -> None:
        self._clocks.append(_both())
        while self._clocks[-1][1] - self._clocks[0][1] > _JUMP_TOLD:
            self._clocks.popleft()

    def _around(self) -> Surroundings:
        folder = self._app.config.folder
        return Surroundings(
            now=now(),
            unusable=self._app.registry.unusable,
            free_bytes=look_around.free_bytes(folder),
            facts_bytes=look_around.facts_bytes(folder),
            facts_notice=self._app.facts.notice,
            control=look_around.look_at_control(folder) or Condition("control.db is missing"),
            workers=self._look_at_workers(),
            roots=look_around.look_at_roots(self._roots) or None,
            serving=True,
        )

    def _look_at_workers(self) -> Condition:
        if time.monotonic() - self._workers_looked >= _WORKER_SECONDS or self._workers.problem:
            self._workers = look_around.look_at_workers(self._app.facts.spool)
            self._workers_looked = time.monotonic()
        return self._workers

    # ── quick ──

    def _schedule(self) -> Schedule | None:
        if self.scheduler is None:
            return None
        return _as_health_has_it(self.scheduler.states(), self._began)

    def _clock_jump(self) -> timedelta:
        (wall, unset), (then, unset_then) = _both(), self._clocks[0]
        return (wall - then) - timedelta(seconds=unset - unset_then)


def _both() -> tuple[datetime, float]:
    """Return the time as the clock has it, and as one that nobody sets."""
    return now(), time.clock_gettime(_UNSET)


def _as_health_has_it(states: ScheduleState, began: datetime) -> Schedule:
    return Schedule(
        alive=states.alive,
        started_at=states.started_at or began,
        processors={
            name: Scheduled(
                next_at=job.next_at,
                running_since=job.running_since,
                refused=job.refused,
                last_error=job.last_error,
            )
            for name, job in states.jobs.items()
        },
    )
