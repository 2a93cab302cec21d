"""Runs that nobody asks for: on each processor's cadence, and when a transcript grows."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC

import structlog

from sessionmill.app import now
from sessionmill.collect.roots import Root
from sessionmill.run.schedule import Launch, Scheduler
from sessionmill.serve.service import SCHEDULER, Service
from sessionmill.settings import SchedulerSettings

log = structlog.get_logger()

#: What runs soon after a transcript has changed, so that reports tell of it within seconds.
_NEAR_LIVE = "usage"


@contextmanager
def scheduling(service: Service, settings: SchedulerSettings) -> Iterator[None]:
    """Run processors when they are due, until the end; those that run then are left to end."""
    scheduler = new_scheduler(service, settings)
    service.overview.scheduler = scheduler
    ended = threading.Event()
    scheduler.start()
    if settings.watch and _NEAR_LIVE in service.app.registry.usable:
        told = (service.roots, scheduler, ended)
        threading.Thread(target=_watch, args=told, name="watch", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        scheduler.stop(0)


def new_scheduler(
    service: Service,
    settings: SchedulerSettings,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    launch: Launch | None = None,
) -> Scheduler:
    """Return what starts the service's processors, each by its cadence since its last run."""
    processors = service.app.registry.usable.values()
    last = {
        name: run.started_at.replace(tzinfo=UTC)
        for name, run in service.app.store.beside().last_runs().items()
    }
    return Scheduler(
        {processor.name: processor.cadence for processor in processors},
        {name: at for name, at in last.items() if name in service.app.registry.usable},
        lambda name: _run(service, name, settings.budget_seconds),
        now,
        random.random,
        monotonic=monotonic,
        launch=launch,
    )


def _watch(roots: Sequence[Root], scheduler: Scheduler, ended: threading.Event) -> None:
    from sessionmill.collect.watch import watch

    def begun(reason: str | None) -> None:
        if reason is None:
            log.info("transcripts are watched")
        else:
            log.warning("transcripts are looked at every few seconds, not watched", reason=reason)
        scheduler.nudge(_NEAR_LIVE)  # what changed before then, nobody is told of

    for _ in watch([root.folder for root in roots], ended, on_polling=begun):
        scheduler.nudge(_NEAR_LIVE)


def _run(service: Service, name: str, budget: float) -> None:
    service.run([name], SCHEDULER, budget=budget)
