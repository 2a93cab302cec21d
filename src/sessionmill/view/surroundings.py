"""What health is told that no facts hold: plain values, which whoever runs the program hands in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from sessionmill.plugins import Unusable

#: `empty`: there is nothing at all in it, not even a folder.
RootCondition = Literal["there", "empty", "missing", "unreadable"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a processor is to run, and how much later is not yet late."""

    cadence: timedelta
    grace: timedelta

    @property
    def warn_after(self) -> timedelta:
        """Time after which something late is a warning: two cadences, unless grace was set."""
        return self.cadence + self.grace

    @property
    def fail_after(self) -> timedelta:
        """Time after which something late is an error."""
        return self.warn_after * 4


@dataclass(frozen=True, slots=True)
class Condition:
    """How something is that was looked at: fine, or with a problem."""

    #: For those who may see details.
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """How the scheduler stands with one processor."""

    next_at: datetime | None = None
    running_since: datetime | None = None
    #: Starts refused in a row, because one was running still.
    refused: int = 0
    #: What went wrong outside of any run; may hold a plugin's words.
    last_error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduler:
    """How the scheduler stands."""

    alive: bool
    started_at: datetime
    processors: Mapping[str, Scheduled] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Everything beside the facts. Of what is None nothing is known."""

    now: datetime
    #: By processor; one that has none here runs by its own cadence, with a grace of as much.
    paces: Mapping[str, Pace] = field(default_factory=dict)
    unusable: Sequence[Unusable] = ()
    #: On the disk of the data directory.
    free_bytes: int | None = None
    facts_bytes: int | None = None
    #: What opening the facts found to be damaged, and did about it.
    facts_notice: str | None = None
    #: Whether the facts can be read and written now.
    facts: Condition = Condition()
    control: Condition | None = None
    #: Whether workers can be started.
    workers: Condition | None = None
    #: None where nothing schedules.
    scheduler: Scheduler | None = None
    #: A server answers, with a scheduler or without.
    serving: bool = False
    #: How far the clock has gone since the program began, beyond the time that has passed.
    clock_jump: timedelta | None = None
    #: By path, as the facts write it.
    roots: Mapping[str, RootCondition] | None = None
