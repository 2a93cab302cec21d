"""Histories that make health what it is: transcripts come, and processors run over them.

What a run leaves is written as runs write it, by the store and by the rules of `run.work`; only
which sessions fail is the test's to say. Nothing waits, and no process is started.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import TracebackType

from sessionmill.cadence import Cadence
from sessionmill.collect.discover import Found, Walk
from sessionmill.plugins import Processor
from sessionmill.run.ports import RunRow
from sessionmill.run.tally import Tally
from sessionmill.run.work import RetryPolicy, State, failed, succeeded
from sessionmill.store.facts import Facts
from sessionmill.store.memory import MemoryFacts
from sessionmill.store.progress import naive, write_states
from sessionmill.store.run_store import FactsRunStore
from sessionmill.testing import FakeClock
from sessionmill.view.checks import Judgement
from sessionmill.view.health import (
    Condition,
    Gathered,
    Health,
    Scheduled,
    Scheduler,
    Surroundings,
    gather,
    health,
)

ROOT = "/srv/transcripts"
PLENTY = 500 << 30


def processor(name: str = "usage", *, version: int = 1, main_only: bool = False) -> Processor:
    """Return one that is to run every ten minutes."""
    return Processor(
        name=name,
        spec=f"tests:{name}",
        version=version,
        cadence=Cadence.of(10),
        timeout_seconds=300,
        memory_limit_mb=2048,
        max_attempts=3,
        main_only=main_only,
        settings={},
        folder=Path(),
        views={},
        is_extractor=False,
    )


USAGE = processor()


Fails = Callable[[str], bool]


def everything(name: str) -> bool:
    """Fail on whatever there is."""
    return bool(name)


def nothing(name: str) -> bool:
    return not name


class History:
    """The facts of a team, from a moment on."""

    def __init__(self, clock: FakeClock, spool: Path) -> None:
        self.clock = clock
        self.facts: Facts = MemoryFacts(now=clock(), spool=spool)
        self.store = FactsRunStore(self.facts, clock)
        self._files: dict[str, Found] = {}

    def __enter__(self) -> History:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.facts.close()

    # ── what happens ──

    def write(self, *names: str, ago: timedelta = timedelta(), root: str = ROOT) -> None:
        """Let transcripts of alice grow, or begin."""
        mtime_ns = int((self.clock() - ago).timestamp() * 1e9)
        for name in names:
            key = f"alice/{name}.jsonl"
            size = self._files[key].size if key in self._files else 0
            self._files[key] = Found(key, "alice", root, f"{root}/{key}", size + 1000, mtime_ns)

    def delete(self, name: str) -> None:
        del self._files[f"alice/{name}.jsonl"]

    def walk(self) -> None:
        """Look at all files, as any run does first."""
        self.store.note_walk(Walk(list(self._files.values()), [ROOT]), self.clock())

    def run(
        self,
        of: Processor = USAGE,
        *,
        fails: Fails = nothing,
        most: int | None = None,
        paused: str | None = None,
        broken: bool = False,
        errors: int = 0,
    ) -> Tally:
        """Run a processor over what is pending, the first `most` of it; it takes no time."""
        self.walk()
        now, tally = self.clock(), Tally(of.name)
        tasks = self.store.pending(of, now)
        tally.seen, tally.scanned = len(self._files), len(tasks)
        tally.pause_reason, tally.broken = paused, broken
        tally.errors += [(ROOT, "cannot be read")] * errors
        states: list[State] = []
        for task in [] if paused or broken else tasks[:most]:
            if fails(task.found.session_key.removeprefix("alice/").removesuffix(".jsonl")):
                policy = RetryPolicy(max_attempts=of.max_attempts)
                states.append(failed(task, "a plugin's words", now, policy))
                tally.fail(task.found.session_key, "a plugin's words")
            else:
                states.append(succeeded(task, now))
                tally.processed += 1
        with self.facts.transaction() as cursor:
            write_states(cursor, states)
        self.store.write_runs(
            [
                RunRow(
                    run_id=uuid.uuid4().hex,
                    processor_name=of.name,
                    version=of.version,
                    actor="scheduler",
                    started_at=now,
                    seconds=0.0,
                    outcome=tally.outcome,
                    seen=tally.seen,
                    scanned=tally.scanned,
                    processed=tally.processed,
                    skipped=0,
                    capped=tally.capped,
                    errors=len(tally.errors),
                    items_extracted=tally.processed,
                    resume_at=tally.resume_at(now, None),
                    pause_reason=paused,
                )
            ]
        )
        return tally

    def run_for(
        self, time: timedelta, of: Processor = USAGE, *, every: timedelta = timedelta(minutes=10)
    ) -> None:
        """Run it again and again, for so long; the last run is of the end."""
        for _ in range(time // every):
            self.run(of)
            self.clock.now += every
        self.run(of)

    # ── what is said of it ──

    def gathered(self, *processors: Processor, roots: list[str] | None = None) -> Gathered:
        loaded = processors or (USAGE,)
        return gather(self.facts.cursor(), loaded, self.clock(), roots=roots)

    def surroundings(self) -> Surroundings:
        """All well, in a server that began with the history."""
        return well(self.clock)

    def health(self, *processors: Processor, around: Surroundings | None = None) -> Health:
        return health(self.gathered(*processors), around or self.surroundings())

    def check(
        self, name: str, *processors: Processor, around: Surroundings | None = None
    ) -> Judgement:
        """Return what one check found."""
        return self.health(*processors, around=around).checks[name]

    def alarms(self, *processors: Processor, around: Surroundings | None = None) -> dict[str, str]:
        """Return the sentences of all that is not ok."""
        checks = self.health(*processors, around=around).checks
        return {name: one.sentence for name, one in checks.items() if one.status != "ok"}

    def dead_letters(self) -> int:
        [(count,)] = (
            self.facts.cursor()
            .execute(
                "SELECT count(*) FROM session_processor_state WHERE dead_at <= ?",
                [naive(self.clock())],
            )
            .fetchall()
        )
        return int(count)


def well(clock: FakeClock, *, up_for: timedelta = timedelta(days=30)) -> Surroundings:
    """Return surroundings in which nothing is wrong, of a server that has run for so long."""
    return Surroundings(
        now=clock(),
        free_bytes=PLENTY,
        facts_bytes=10 << 20,
        control=Condition(),
        workers=Condition(),
        scheduler=Scheduler(alive=True, started_at=clock() - up_for),
        serving=True,
        clock_jump=timedelta(),
        roots={ROOT: "there"},
    )


def scheduled(clock: FakeClock, usage: Scheduled) -> Surroundings:
    """Return surroundings in which the scheduler stands so with `usage`."""
    around = well(clock)
    assert around.scheduler is not None
    return replace(around, scheduler=replace(around.scheduler, processors={"usage": usage}))
