"""Runs that nobody asks for: on each processor's cadence, and when a transcript grows."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC

from sessionmill.app import now
from sessionmill.run.schedule import Launch, Scheduler
from sessionmill.serve.service import SCHEDULER, Service
from sessionmill.settings import SchedulerSettings


@contextmanager
def scheduling(service: Service, settings: SchedulerSettings) -> Iterator[None]:
    """Run processors when they are due, until the end; those that run then are left to end."""
    scheduler = new_scheduler(service, settings)
    service.overview.scheduler = scheduler
    scheduler.start()
    try:
        yield
    finally:
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


def _run(service: Service, name: str, budget: float) -> None:
    service.run([name], SCHEDULER, budget=budget)
