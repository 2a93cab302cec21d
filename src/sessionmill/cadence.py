"""Cadences: how often a processor runs; pure.

Written as minutes (`15`), as `every 15m`, as `daily 04:15`, or as a line of cron (`15 4 * * sun`).
Times of the day are UTC.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

from sessionmill.errors import UsageError

__all__ = ["EXPECTED", "LONGEST", "Cadence"]

EXPECTED = (
    'minutes (15), "every 15m" (s, m, h or d), "daily 04:15" or a line of cron '
    '("15 4 * * sun") are expected, times of the day in UTC'
)
#: Of what is longer somebody has mistaken the unit.
LONGEST = timedelta(days=366)
#: Every date on every day of the week comes again within these: 29 February skips 2100.
_COMES_AGAIN = timedelta(days=41 * 366)
_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}

#: The fields of a line of cron, in their order: name, first and last value, names of values.
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = tuple("jan feb mar apr may jun jul aug sep oct nov dec".split())
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)


@dataclass(frozen=True, slots=True)
class _Times:
    """Times by the clock (UTC): certain minutes of certain days."""

    #: Minutes of a day, in order.
    minutes: tuple[int, ...]
    #: 1 to 31.
    days: frozenset[int]
    months: frozenset[int]
    #: 0 to 6, Sunday is 0: as cron has them.
    weekdays: frozenset[int]
    #: Cron's rule where both kinds of days are given: it is enough that one holds.
    either: bool

    def after(self, moment: datetime) -> datetime:
        """Return the first of these times that is later. Raises LookupError where none comes."""
        moment = moment.astimezone(UTC)
        day, end = moment.date(), moment.date() + _COMES_AGAIN
        passed = bisect_right(self.minutes, moment.hour * 60 + moment.minute)
        while day <= end:
            if passed < len(self.minutes) and self._holds(day):
                hour, minute = divmod(self.minutes[passed], 60)
                return datetime.combine(day, time(hour, minute), UTC)
            day, passed = day + timedelta(days=1), 0
        raise LookupError("no such day")

    def longest(self) -> timedelta:
        """Return the longest time between two of them."""
        first = date(2024, 1, 1)
        every_day = len(self.days) == 31 and len(self.months) == 12 and len(self.weekdays) == 7
        span = 2 if every_day else _COMES_AGAIN.days
        days = [first + timedelta(days=n) for n in range(span)]
        gap = max(b - a for a, b in pairwise([day for day in days if self._holds(day)]))
        night = gap + timedelta(minutes=self.minutes[0] - self.minutes[-1])
        return max([night, *(timedelta(minutes=b - a) for a, b in pairwise(self.minutes))])

    def _holds(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_month, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_month or by_week if self.either else by_month and by_week


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often a processor runs."""

    #: As somebody would write it.
    text: str
    #: The time from one start to the next; of times by the clock, the longest there is.
    _length: timedelta
    _times: _Times | None = None

    @classmethod
    def of(cls, given: object) -> Cadence:
        """Return the cadence that a setting means. Raises UsageError for what is none."""
        if isinstance(given, int) and not isinstance(given, bool):
            return _every(given, 60, given)
        if not isinstance(given, str):
            raise _refusal(given)
        text = " ".join(given.casefold().split())
        if every := re.fullmatch(r"every ?([0-9]{1,9}) ?([smhd])", text):
            return _every(int(every[1]), _UNITS[every[2]], given)
        if daily := re.fullmatch(r"daily (?:at )?([0-9]{1,2}):([0-9]{2})", text):
            hour, minute = int(daily[1]), int(daily[2])
            if hour > 23 or minute > 59:
                raise _refusal(given, "there is no such time of the day")
            return _by_clock(f"daily {hour:02}:{minute:02}", f"{minute} {hour} * * *", given)
        if len(text.split()) == len(_FIELDS):
            return _by_clock(text, text, given)
        raise _refusal(given)

    @classmethod
    def of_seconds(cls, given: str) -> Cadence:
        """Return the cadence that a number of seconds means. Raises UsageError."""
        if not re.fullmatch(r"[0-9]{1,9}", given.strip()):
            raise UsageError(f"{given!r} is no interval: a whole number of seconds is expected")
        return _every(int(given), 1, given)

    def next_due(self, last_started: datetime | None, now: datetime) -> datetime:
        """Return when it is due next (UTC), `now` or earlier where it is due.

        `last_started` is None where it never ran. One that lies ahead of `now` was noted by a
        clock that was wrong: it says nothing.
        """
        if last_started is None or last_started > now:
            return now
        if self._times is None:
            return last_started + self._length
        return self._times.after(last_started)

    def is_due(self, last_started: datetime | None, now: datetime) -> bool:
        """Tell whether it is due at `now`."""
        return self.next_due(last_started, now) <= now

    def period(self) -> timedelta:
        """Return the time from one start to the next; of times by the clock, the longest."""
        return self._length

    @property
    def is_by_clock(self) -> bool:
        """Whether it names times of the day, rather than the time from one start to the next."""
        return self._times is not None

    def __str__(self) -> str:
        return self.text


def _every(count: int, unit: int, given: object) -> Cadence:
    seconds = count * unit
    if seconds < 1:
        raise _refusal(given, "it must be a second at least")
    if seconds > LONGEST.total_seconds():
        raise _refusal(given, f"it may be {LONGEST.days} days at most")
    name, length = next(unit for unit in _UNITS.items() if seconds % unit[1] == 0)
    return Cadence(f"every {seconds // length}{name}", timedelta(seconds=seconds))


def _by_clock(text: str, line: str, given: str) -> Cadence:
    """Return the cadence of a line of cron, which `text` says as well."""
    fields = line.split()
    sets = []
    for field, (name, first, last, names) in zip(fields, _FIELDS, strict=True):
        try:
            sets.append(_values(field, first, last, names))
        except ValueError:
            shown = f"{first} to {last}" + (f" or {names[0]} to {names[-1]}" if names else "")
            raise _refusal(given, f"its {name} {field!r} is not within {shown}") from None
    minutes, hours, days, months, weekdays = sets
    times = _Times(
        tuple(sorted(hour * 60 + minute for hour in hours for minute in minutes)),
        days,
        months,
        frozenset(day % 7 for day in weekdays),
        either=not fields[2].startswith("*") and not fields[4].startswith("*"),
    )
    try:
        times.after(datetime(2024, 1, 1, tzinfo=UTC))
    except LookupError:
        raise _refusal(given, "no month has such a day") from None
    return Cadence(text, times.longest(), times)


def _values(field: str, first: int, last: int, names: Sequence[str]) -> frozenset[int]:
    """Return what a field of cron admits: `*`, `1`, `1-5`, `*/10`, `1-5/2`, and lists of these.

    Raises ValueError.
    """
    found: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        low, dash, high = span.partition("-")
        if span == "*":
            begin, end = first, last
        else:
            begin = _value(low, first, names)
            end = _value(high, first, names) if dash else begin
        if end == 0 < begin and high == "sun":
            end = 7  # fri-sun
        if not first <= begin <= end <= last or (slash and span == low != "*"):
            raise ValueError(part)
        found.update(range(begin, end + 1, _number(step) if slash else 1))
    return frozenset(found)


def _value(text: str, first: int, names: Sequence[str]) -> int:
    return names.index(text) + first if text in names else _number(text)


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text):
        raise ValueError(text)
    return int(text)


def _refusal(given: object, why: str = "") -> UsageError:
    return UsageError(f"{given!r} is no cadence{f' ({why})' if why else ''}: {EXPECTED}")
