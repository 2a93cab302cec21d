"""What a check of health finds, and the words that all of them share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, get_args

#: From best to worst. What is unknown is never ok; it is no alarm either.
Status = Literal["ok", "unknown", "warning", "error"]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one check found."""

    status: Status
    #: For everyone: no path, no user's name, no word of a plugin's but its processor's name.
    sentence: str
    to_do: str = ""
    #: For those who may see details: figures, paths, and what plugins and systems said.
    details: Mapping[str, Any] = field(default_factory=dict)


def worst(statuses: Iterable[Status]) -> Status:
    """Return the worst of them; of none, unknown."""
    return max(statuses, key=STATUSES.index, default="unknown")


def span(time: timedelta) -> str:
    """Return a time as people say it: "45 seconds", "3 hours"; whole ones, rounded down."""
    seconds = int(time.total_seconds())
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:,} {unit}s"
    return f"{seconds:,} second{'' if seconds == 1 else 's'}"


def late(time: timedelta, warn_after: timedelta, fail_after: timedelta) -> Status:
    """Return what so much time is, against what is allowed."""
    if time > fail_after:
        return "error"
    return "warning" if time > warn_after else "ok"
