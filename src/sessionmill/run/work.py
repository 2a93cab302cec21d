"""One (processor, session): what is known of it, and how that may change.

    new, changed, or of another version ──▶ pending ──succeed──▶ processed
                                              ▲  │
                     the wait is over, `retry` │  └──fail──▶ failing ──too often──▶ dead letter
                                              └──────────────┘          (new content or `retry`)

Pure: every function takes `now`, UTC. Nothing here reads a clock, opens a file or logs.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from sessionmill.collect.discover import Found


class RetryPolicy(Struct, frozen=True):
    """When to try again what has failed."""

    max_attempts: int = 5
    first_wait: timedelta = timedelta(minutes=1)
    factor: int = 4
    longest_wait: timedelta = timedelta(hours=6)
    #: The wait is spread by this part of it, so that what failed together is not tried together.
    spread: float = 0.2

    def wait_after(self, attempts: int, spread: float = 0.0) -> timedelta:
        """Return the wait after so many failures; `spread` lies between -1 and 1."""
        exponent = min(attempts - 1, 16)
        wait = min(self.first_wait * int(self.factor**exponent), self.longest_wait)
        return wait * (1.0 + self.spread * spread)


class Task(Struct, frozen=True, kw_only=True, gc=False):
    """A transcript that needs a look by a processor, with what its state row tells."""

    processor: str
    #: Of the processor that is to look.
    version: int
    found: Found
    #: There was a state row, so rows of this transcript may be stored.
    known: bool = False
    #: Of the processor that wrote the stored rows; None where an older system did.
    stored_version: int | None = None
    stored_size: int | None = None
    safe_offset: int = 0
    fingerprint: str | None = None
    carry: bytes | None = None
    file_hash: str | None = None
    attempts: int = 0
    failing_since: datetime | None = None
    processed_at: datetime | None = None
    items: int = 0

    @property
    def same_version(self) -> bool:
        """Whether the stored rows are this version's, so that it may go on from them."""
        return self.stored_version == self.version

    @property
    def other_version(self) -> int | None:
        """The other version that wrote the stored rows; None if there is no such thing."""
        return None if self.same_version or self.processed_at is None else self.stored_version

    @property
    def goes_on(self) -> bool:
        """Whether an extractor can go on at the safe offset, if the content is still the same."""
        return self.same_version and self.carry is not None

    @property
    def changed(self) -> bool:
        """Whether the content is not that of the last attempt, as far as sizes tell."""
        return self.stored_size is not None and self.stored_size != self.found.size


class State(Struct, frozen=True, kw_only=True, gc=False):
    """A row of `session_processor_state`; see the schema for its columns."""

    processor_name: str
    session_file: str
    username: str
    version: int
    size: int | None
    mtime_ns: int | None
    last_attempt_at: datetime
    processed_at: datetime | None = None
    items_extracted: int | None = None
    file_hash: str | None = None
    safe_offset: int = 0
    fingerprint: str | None = None
    carry: bytes | None = None
    attempts: int = 0
    next_attempt_at: datetime | None = None
    failing_since: datetime | None = None
    dead_at: datetime | None = None
    last_error: str | None = None


def succeeded(task: Task, now: datetime) -> State:
    """Return the state of a session that is processed; the caller adds offset and rows."""
    found = task.found
    return State(
        processor_name=task.processor,
        session_file=found.session_key,
        username=found.username,
        version=task.version,
        size=found.size,
        mtime_ns=found.mtime_ns,
        last_attempt_at=now,
        processed_at=now,
        items_extracted=task.items,
        file_hash=task.file_hash,
    )


def failed(
    task: Task, error: str, now: datetime, policy: RetryPolicy, spread: float = 0.0
) -> State:
    """Return the state after a failed attempt: to be tried again later, or a dead letter.

    What was taken in stays taken in, unless another version did it: that one begins anew.
    """
    # New content starts the count anew: what failed before is not what fails now.
    attempts = 1 if task.changed else task.attempts + 1
    spent = attempts >= policy.max_attempts
    state = replace(
        succeeded(task, now),
        processed_at=task.processed_at,
        attempts=attempts,
        next_attempt_at=None if spent else now + policy.wait_after(attempts, spread),
        failing_since=task.failing_since or now,
        dead_at=now if spent else None,
        last_error=error,
    )
    if not task.same_version:
        return replace(state, file_hash=None)
    return replace(
        state, safe_offset=task.safe_offset, fingerprint=task.fingerprint, carry=task.carry
    )


class Leftover(Struct, frozen=True):
    """A batch that was in flight when its owner died."""

    batch: str
    session_keys: tuple[str, ...]
    #: Owners that died while it was at work alone.
    deaths: int = 0
    #: False where it only waited to be run, as a suspect of an earlier death.
    at_work: bool = True


def suspects(leftovers: Iterable[Leftover]) -> list[Leftover]:
    """Return what is to be run first, one by one: each batch in halves, until one stands alone.

    Nobody is charged for a dead owner but a session that stood alone when one died twice.
    """
    whole: dict[str, Leftover] = {}
    for left in leftovers:
        # Processors that shared a batch may have left different parts of it.
        other = whole.get(left.batch, left)
        keys = tuple(dict.fromkeys((*other.session_keys, *left.session_keys)))
        whole[left.batch] = Leftover(
            left.batch,
            keys,
            max(other.deaths, left.deaths),
            at_work=other.at_work or left.at_work,
        )
    return [part for left in whole.values() for part in _halves(left)]


def _halves(left: Leftover) -> list[Leftover]:
    keys = left.session_keys
    if not left.at_work:
        return [left]
    if len(keys) == 1:
        return [Leftover(left.batch, keys, left.deaths + 1, at_work=False)]
    half = (len(keys) + 1) // 2
    return [
        Leftover(f"{left.batch}.0", keys[:half], at_work=False),
        Leftover(f"{left.batch}.1", keys[half:], at_work=False),
    ]


#: Deaths of owners after which a session that stood alone is charged with an attempt.
DEATHS_TO_CHARGE = 2
KILLED_TWICE = "the program was killed twice while this was at work, alone"
