"""What is handed to workers and what comes back: jobs, batches of them, and what was gathered."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from sessionmill.collect.contents import bytes_to_read
from sessionmill.collect.roots import path_kind
from sessionmill.run.messages import Job, Outcome, Rows, Try
from sessionmill.run.work import Task

#: What one batch holds at most.
BATCH_BYTES = 24 * 1024 * 1024
BATCH_JOBS = 500
#: So much more memory do rows take that have to be completed by key.
_TO_COMPLETE = 10


@dataclass(frozen=True)
class Marked:
    """Jobs that are in flight together."""

    id: str
    jobs: tuple[Job, ...]
    #: Owners that died while it was at work, standing alone.
    deaths: int = 0


@dataclass
class Gathered:
    """What workers have sent and no commit holds yet."""

    outcomes: list[Outcome] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)
    finished: list[Marked] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """How much its rows weigh: in memory, while they are stored."""
        return sum(len(rows.ipc) * (1 if rows.whole else _TO_COMPLETE) for rows in self.rows)

    def __bool__(self) -> bool:
        return bool(self.outcomes or self.rows or self.finished)


def plan(tasks: dict[int, list[Task]]) -> list[Job]:
    """Return one job for each (transcript, offset) that extractors wait at.

    `tasks` holds the tasks of each extractor by its number. Job numbers grow from 1.
    """
    together: dict[tuple[str, int, str | None], list[tuple[int, Task]]] = defaultdict(list)
    for processor, own in tasks.items():
        for task in own:
            start = task.safe_offset if task.goes_on else 0
            fingerprint = task.fingerprint if task.goes_on else None
            together[task.found.session_key, start, fingerprint].append((processor, task))
    return [
        Job(
            number=number,
            key=key,
            username=waiting[0][1].found.username,
            path=os.fsencode(waiting[0][1].found.path),
            path_kind=path_kind(key),
            size=waiting[0][1].found.size,
            offset=start,
            fingerprint=fingerprint,
            known=any(task.known for _, task in waiting),
            tries=[
                Try(processor, task.carry if task.goes_on else None) for processor, task in waiting
            ],
        )
        for number, ((key, start, fingerprint), waiting) in enumerate(together.items(), 1)
    ]


def batches(jobs: Iterable[Job], workers: int) -> list[tuple[Job, ...]]:
    """Split jobs, in their order, into batches small enough to keep all workers busy."""
    jobs = list(jobs)
    weights = [bytes_to_read(os.fsdecode(job.path), job.size, job.offset) for job in jobs]
    total = sum(weights)
    most_bytes = max(1024 * 1024, min(BATCH_BYTES, total // (4 * workers)))
    most_jobs = max(20, min(BATCH_JOBS, len(jobs) // (2 * workers) + 1))
    made: list[tuple[Job, ...]] = []
    current: list[Job] = []
    size = 0
    for job, weight in zip(jobs, weights, strict=True):
        if current and (size + weight > most_bytes or len(current) >= most_jobs):
            made.append(tuple(current))
            current, size = [], 0
        current.append(job)
        size += weight
    if current:
        made.append(tuple(current))
    return made


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
