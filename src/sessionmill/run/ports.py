"""What running needs of a store: the port; `sessionmill.store.run_store` is its adapter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from msgspec import Struct, field

from sessionmill.collect.discover import Found, Walk
from sessionmill.plugins import Processor
from sessionmill.run.messages import Identity, Rows
from sessionmill.run.work import Leftover, State, Task


class Extracted(Struct, frozen=True, kw_only=True, gc=False):
    """One transcript's part in a commit of extracted rows, for one processor."""

    processor: int
    job: int
    found: Found
    agent: str | None
    identity: Identity
    fingerprint: str
    #: Its stored rows go: it was replaced, or is read anew.
    replaced: bool
    #: Nothing of it is stored, once `replaced` is done.
    fresh: bool
    #: Its state after this commit, but for `items_extracted`.
    state: State
    #: Rows stored before, by this processor, that stay.
    items_before: int


class MarkedBatch(Struct, frozen=True, kw_only=True):
    """What one processor has at work, to be found by whom comes after a dead owner."""

    processor: str
    batch: str
    session_keys: Sequence[str]
    #: Owners that died while it was at work alone.
    deaths: int = 0
    #: False for a suspect that waits for its turn.
    at_work: bool = True


class ExtractCommit(Struct, kw_only=True):
    """Everything of one transaction of an extract pass."""

    extracted: list[Extracted] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)
    #: States of sessions that failed, or proved unchanged.
    states: list[State] = field(default_factory=list)
    unmark: list[tuple[str, str]] = field(default_factory=list)
    mark: list[MarkedBatch] = field(default_factory=list)


class RunRow(Struct, frozen=True, kw_only=True):
    """A row of `runs`; see the schema."""

    run_id: str
    processor_name: str
    version: int
    actor: str
    started_at: datetime
    seconds: float
    outcome: str
    seen: int
    scanned: int
    processed: int
    skipped: int
    capped: int
    errors: int
    items_extracted: int
    resume_at: datetime | None
    pause_reason: str | None


class LastRun(Struct, frozen=True):
    """When a processor ran last, and whether it asked to be left alone until later."""

    started_at: datetime
    outcome: str
    resume_at: datetime | None
    pause_reason: str | None
    #: When the run began that paused it; of no meaning otherwise.
    paused_at: datetime


class EffectTransaction(Protocol):
    """One session of an effectful processor: its statements, then its end."""

    @property
    def first_error(self) -> Exception | None:
        """The first statement that failed: nothing after it can be kept."""

    @property
    def conflicted(self) -> bool:
        """Whether a statement failed because another transaction wrote the same thing."""

    def answer(self, request: bytes) -> bytes:
        """Run a request of the stand-in."""

    def interrupt(self) -> None:
        """End the running statement; from another thread."""

    def commit(self, state: State, identity: Identity, agent: str | None) -> None:
        """Keep everything, with the state; raises WriteConflict to be run again."""

    def keep_unchanged(self, state: State, identity: Identity, agent: str | None) -> None:
        """Keep the rows that there are, with the state: the content is what it was."""

    def keep_state(self, state: State) -> None:
        """Keep the state alone."""


class RunStore(Protocol):
    """Reads and writes of running; each write is one transaction."""

    @property
    def spool(self) -> Path:
        """A folder for what workers decompress; no worker's is left when the facts are opened."""

    def prepare(self, processors: Sequence[Processor]) -> dict[str, str]:
        """Create what extractors declare; return, by name, why some can't be."""

    def note_walk(self, walk: Walk, now: datetime) -> None:
        """Write down what the walk found, and what it missed."""

    def known_roots(self) -> dict[str, int]:
        """Return how many transcripts each root is known to hold."""

    def pending(self, processor: Processor, now: datetime) -> list[Task]:
        """Return what of the noted walk needs a look."""

    def leftovers(self, processor: str) -> list[Leftover]:
        """Return what a dead owner left at work."""

    def reset_marks(self, processors: Sequence[str], marked: Sequence[MarkedBatch]) -> None:
        """Say that of these processors nothing but `marked` is at work, or suspected."""

    def commit_extracted(
        self, processors: Sequence[Processor], commit: ExtractCommit
    ) -> dict[tuple[int, str], int]:
        """Store it all; return rows written by (processor, session key)."""

    def mark(self, marked: MarkedBatch) -> None:
        """Say what is at work now."""

    def unmark(self, processor: str, batch: str) -> None:
        """Say that a batch is not at work any more."""

    def effect(
        self, processor: Processor, found: Found
    ) -> AbstractContextManager[EffectTransaction]:
        """Open one session for an effectful processor; rolled back unless committed."""

    def last_runs(self) -> dict[str, LastRun]:
        """Return each processor's last run."""

    def roll_up(self, processors: Sequence[Processor]) -> dict[str, str]:
        """Sum up anew what has changed; return, by name, whose sums can't be made, and why."""

    def write_runs(self, rows: Sequence[RunRow]) -> None:
        """Write down how processors ran."""


class Watcher(Protocol):
    """Is told how far a run has come, in bytes of transcripts; from several threads."""

    def reads_anew(self, processor: Processor, versions: Mapping[int, int]) -> None:
        """Be told, before it does, that a processor reads anew what other versions have read.

        `versions`: how many transcripts each has.
        """

    def begin(self, total: int) -> None:
        """Be told that so many more are to be read."""

    def advance(self, read: int) -> None:
        """Be told that so many more have been read."""

    def end(self) -> None:
        """Be told that the run is over, be it at its end or not."""


class Unwatched:
    """A watcher for where nobody watches."""

    def reads_anew(self, processor: Processor, versions: Mapping[int, int]) -> None:
        """Do nothing."""

    def begin(self, total: int) -> None:
        """Do nothing."""

    def advance(self, read: int) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""


class WriteConflict(Exception):
    """Two transactions wrote the same thing: no failure of the session, which is run again."""


Clock = Callable[[], datetime]
