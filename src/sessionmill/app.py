"""Builds everything for one data directory, and hands it out: the wiring diagram."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sessionmill.collect.discover import Walk
from sessionmill.collect.known import look_again
from sessionmill.collect.roots import path_kind
from sessionmill.config import Config, os_user
from sessionmill.plugins import Processor
from sessionmill.registry import Registry
from sessionmill.run.ports import Watcher
from sessionmill.run.runner import Runner
from sessionmill.run.running import Running
from sessionmill.run.tally import Tally
from sessionmill.shadow import Comparison, compare
from sessionmill.store import vendor
from sessionmill.store.facts import Facts
from sessionmill.store.known import (
    KnownTranscript,
    begin_anew,
    known_transcripts,
    processed_by,
    resolve,
)
from sessionmill.store.prices import bring_up_to_date
from sessionmill.store.run_store import FactsRunStore
from sessionmill.store.swap import VersionNote, add_version_note, now_read_by, read_by_others
from sessionmill.vendor.records import DayUsage, Point
from sessionmill.view import user_sql
from sessionmill.view.changes import By
from sessionmill.view.reports import Rows
from sessionmill.view.standing import note_standing, standing

if TYPE_CHECKING:
    from sessionmill.store.backup import BackupMade


def now() -> datetime:
    """Return the time, UTC: the clock of all that opens the facts."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Reprocessed:
    """What reading anew came to."""

    #: Transcripts that can be read, and were made pending from their start.
    anew: int
    #: Transcripts that cannot, and were read once: the facts of their last reading are kept.
    kept: int
    tallies: list[Tally]


class App:
    """The open facts of a data directory, and what can be done with them."""

    def __init__(
        self,
        config: Config,
        registry: Registry,
        command: str,
        *,
        sparing: bool = False,
        watcher: Watcher | None = None,
    ) -> None:
        """Open the facts; `command` is what others are told who wait for them.

        `sparing` leaves cores and memory to workers; `watcher` is told how far runs have come.
        Raises FactsInUse and StoreError.
        """
        self.config, self.registry = config, registry
        self.facts = Facts(config.folder, command, now=now(), sparing=sparing)
        try:
            bring_up_to_date(self.facts, config.prices)
        except BaseException:
            self.facts.close()
            raise
        self.store = FactsRunStore(self.facts, now)
        #: What runs now; several threads may run processors.
        self.running = Running()
        self._watcher = watcher

    def __enter__(self) -> App:
        return self

    def __exit__(self, *_: object) -> None:
        self.facts.close()

    def make_ready(self) -> dict[str, str]:
        """Create what processors declare, and sum up what is not summed up yet.

        Those whose SQL DuckDB refuses are taken out. Returns, by name, why processors' sums stay as
        they are.
        """
        for name, reason in self.store.prepare(list(self.registry.usable.values())).items():
            self.registry.refuse(name, reason)
        return self.store.roll_up(list(self.registry.usable.values()))

    def mend(self) -> bool:
        """Open the facts anew where DuckDB has given them up; tell whether it had.

        Raises DiskFull while there is no room to.
        """
        if not self.facts.is_given_up():
            return False
        self.store.close()
        self.facts.reopen(now())
        self.store = self.store.beside()
        return True

    def run(
        self,
        processors: Sequence[Processor],
        walk: Walk,
        *,
        actor: str | None = None,
        budget: float | None = None,
        due_only: bool = False,
        run_ids: Mapping[str, str] | None = None,
    ) -> list[Tally]:
        """Run processors over what a walk found; by default for the person at the command line.

        What another version has read, and the loaded one reads now, is noted. From any thread.
        Raises AlreadyRunning.
        """
        cursor = self.facts.cursor()
        others = [(processor, read_by_others(cursor, processor)) for processor in processors]
        actor = actor or self.actor
        tallies = self._new_runner(self.store.beside()).run(
            processors, walk, actor=actor, budget=budget, due_only=due_only, run_ids=run_ids
        )
        for processor, versions in others:
            if versions:
                self._note(processor, versions, actor)
        if any(tally.processor == "usage" and tally.items_extracted for tally in tallies):
            self._note_standing()
        return tallies

    def _note(self, processor: Processor, versions: dict[str, int], actor: str) -> None:
        count = now_read_by(self.facts.cursor(), processor, list(versions))
        if not count:
            return
        oldest = min(versions.values())
        note = VersionNote(
            processor=processor.name,
            from_version=oldest,
            to_version=processor.version,
            swapped_at=now(),
            actor=actor,
            transcripts=count,
            figures=None,
            why=processor.why(oldest),
        )
        with self.facts.transaction() as cursor:
            add_version_note(cursor, note)

    def compare(
        self,
        processor: Processor,
        session_key: str | None = None,
        *,
        by: By = "day",
        swapping: bool = False,
        actor: str | None = None,
    ) -> Comparison:
        """Compare a processor's loaded version with what is stored, days being this machine's.

        `swapping` puts its rows in the place of the others'. Raises NotComparable and
        ShadowUnfinished.
        """
        done = compare(
            self.facts,
            processor,
            new_runner=self._new_runner,
            clock=now,
            actor=actor or self.actor,
            by=by,
            timezone=self.facts.local_timezone,
            session_key=session_key,
            swapping=swapping,
        )
        if swapping and processor.name == "usage":
            self._note_standing()
        return done

    def _note_standing(self) -> None:
        note_standing(self.config.folder, standing(self.facts.cursor(), now()))

    def reprocess(
        self, processor: Processor, session_key: str | None = None, *, actor: str | None = None
    ) -> Reprocessed:
        """Let a processor read from the start what can still be read; of one transcript, or all.

        That they are pending is committed first: where this is broken off, the next run goes on.
        """
        cursor = self.facts.cursor()
        known = known_transcripts(cursor, session_key)
        if processor.main_only:
            known = [one for one in known if path_kind(one.session_key) == "main"]
        walk = look_again(known)
        readable = [found.session_key for found in walk.found]
        kept = set(processed_by(cursor, processor.name, session_key)).difference(readable)
        with self.facts.transaction() as writing:
            begin_anew(writing, processor.name, readable)
        return Reprocessed(len(readable), len(kept), self.run([processor], walk, actor=actor))

    def take_in_vendor_usage(
        self, usage: Sequence[DayUsage], points: Sequence[Point], said: Mapping[str, str]
    ) -> None:
        """Take in, all together, what the vendor counted, and usernames by the vendor's names."""
        if usage or points or said:
            with self.facts.transaction() as cursor:
                vendor.take_in_usage(cursor, usage)
                vendor.take_in_points(cursor, points)
                vendor.say_who(cursor, said)

    def select(self, query: str, *, limit: int, timeout: float, with_errors: bool = True) -> Rows:
        """Ask the facts anything, in SQL: one SELECT or EXPLAIN, ended after `timeout` seconds."""
        return user_sql.select(
            self.facts.cursor(), query, limit=limit, timeout=timeout, with_errors=with_errors
        )

    @property
    def actor(self) -> str:
        """Who runs: the person at the command line."""
        return f"cli:{os_user()}"

    def _new_runner(self, store: FactsRunStore) -> Runner:
        spread = lambda: random.uniform(-1, 1)  # noqa: S311, E731 - spreads waits
        return Runner(store, now, spread, self._watcher, self.running)

    def backup(self, target: Path) -> BackupMade:
        """Back the data directory up into a new folder, while it is in use.

        Raises UsageError for a folder that holds something, BackupFailed and TypeNotKept.
        """
        from sessionmill.store.backup import write_backup

        return write_backup(self.facts, self.config.folder, target, now=now())

    def transcript(self, session: str) -> KnownTranscript:
        """Return what is known of the transcript that a key, a session id or a prefix names.

        Raises SessionUnknown.
        """
        cursor = self.facts.cursor()
        [known] = known_transcripts(cursor, resolve(cursor, session))
        return known
