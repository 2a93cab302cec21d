"""Why the vendor counted something else, of one person and day: worked out from what is stored.

Pure. A cause is named only where the figures bear it out; what is left then is `unexplained`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import combinations
from typing import NamedTuple

from sessionmill.collect.roots import KEPT_DAYS
from sessionmill.vendor import otlp

#: The vendor's data are up to an hour late (its guide: "only data older than 1 hour is included").
LATE = timedelta(hours=1)


class Cause(StrEnum):
    """The causes, as a comparison names them; docs/reconciliation.md tells what bears each out."""

    NOT_MAPPED = "person not mapped"
    ARRIVING = "still arriving"
    NOT_THEIRS = "not in their figures"
    BOUNDARY = "day boundary"
    NOT_READ = "transcripts not read"
    GONE = "transcripts gone before first run"
    NO_TRANSCRIPTS = "no transcripts of that day"
    OTHER_MACHINE = "other machine or surface"
    NO_TELEMETRY = "sessions without telemetry"
    SHARED = "also another user's"
    BACKGROUND = "background requests"
    OTHER_MODELS = "models that no transcript names"
    COPIES = "copies counted once"
    PARTIAL = "partial output logged"
    UNEXPLAINED = "unexplained"


class Tokens(NamedTuple):
    """Tokens by class, or a difference; cache writes of both durations are one class."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0

    def plus(self, other: Tokens) -> Tokens:
        """Add class by class."""
        return Tokens(*(a + b for a, b in zip(self, other, strict=True)))

    def minus(self, other: Tokens) -> Tokens:
        """Subtract class by class."""
        return Tokens(*(a - b for a, b in zip(self, other, strict=True)))

    @property
    def size(self) -> int:
        """How much it is, whatever the sign."""
        return sum(map(abs, self))

    def is_part_of(self, whole: Tokens) -> bool:
        """Tell whether no class has more than the whole has, nor another sign."""
        return all(min(w, 0) <= p <= max(w, 0) for p, w in zip(self, whole, strict=True))


class Effect(NamedTuple):
    """What one cause adds to ours minus theirs, and what shows it."""

    tokens: Tokens
    shown_by: str


class Explanation(NamedTuple):
    """A cause, and what shows it."""

    cause: Cause
    detail: str


@dataclass(frozen=True, slots=True)
class Compared:
    """One person's day by one source of the vendor's, with all that may tell why it differs."""

    #: None of a name of the vendor's that is nobody's.
    username: str | None
    #: As the vendor has them; none where it has nothing.
    vendor_names: tuple[str, ...]
    source: str
    day: date
    ours: Tokens | None
    theirs: Tokens | None
    #: By list price; None where nothing of it has one.
    ours_cost_usd: Decimal | None = Decimal(0)
    #: As the vendor estimates it.
    theirs_cost_usd: Decimal = Decimal(0)
    #: Of ours: they cost something, and it is not known what.
    unpriced_responses: int = 0
    our_sessions: int = 0
    #: The last response of ours that day; UTC.
    ours_until: datetime | None = None
    #: As the API counts them; 0 where it does not.
    their_sessions: int = 0
    #: What happened later is not in theirs; UTC.
    as_of: datetime | None = None
    #: When a walk first found a transcript of the person; UTC.
    first_seen_at: datetime | None = None
    #: Transcripts of the person, written to that day or later, that are not taken in.
    not_read: int = 0
    #: Responses whose output is flagged as logged in part; None where nothing flags them.
    partial_responses: int | None = None
    effects: Mapping[Cause, Effect] = field(default_factory=dict)
    #: Neighbouring days whose differences and this one's add up to nothing.
    cancels_with: tuple[date, ...] = ()

    @property
    def cost_difference(self) -> Decimal | None:
        """Ours minus theirs, as far as ours is priced."""
        if self.ours_cost_usd is None:
            return None
        return self.ours_cost_usd - self.theirs_cost_usd

    @property
    def difference(self) -> Tokens:
        """Ours minus theirs."""
        return (self.ours or Tokens()).minus(self.theirs or Tokens())


def explain(day: Compared, now: datetime) -> list[Explanation]:
    """Return why a day differs, one cause after the other; nothing where it does not."""
    if not day.difference.size:
        return []
    whole = next(_of_the_whole(day, now), None)
    return [whole] if whole else list(_of_parts(day))


def cancelling(differences: Mapping[date, Tokens]) -> dict[date, tuple[date, ...]]:
    """Return, for each day of a row of days whose differences add up to nothing, the others.

    The vendor knows when a request ended, or was told of; a transcript when its answer began.
    """
    found: dict[date, tuple[date, ...]] = {}
    for first in sorted(differences):
        if first in found or not differences[first].size:
            continue
        row, total = [first], differences[first]
        while total.size:
            row.append(row[-1] + timedelta(days=1))
            if not differences.get(row[-1], Tokens()).size:
                break
            total = total.plus(differences[row[-1]])
        else:
            found |= {day: tuple(other for other in row if other != day) for day in row}
    return found


# ── causes of a whole difference ──


def _of_the_whole(day: Compared, now: datetime) -> Iterator[Explanation]:
    ends = datetime.combine(day.day, time(), UTC) + timedelta(days=1)
    if day.username is None:
        names = " ".join(f"--as {name}=USERNAME" for name in day.vendor_names)
        yield Explanation(Cause.NOT_MAPPED, f"say who it is: {names}")
    if now < ends + LATE:
        yield Explanation(Cause.ARRIVING, "the day is not over, or just over")
    if _end_before_ours(day) and min(day.difference) >= 0:
        yield Explanation(Cause.ARRIVING, f"theirs end at {day.as_of:%Y-%m-%d %H:%M} UTC")
    if day.cancels_with:
        others = ", ".join(map(str, day.cancels_with))
        yield Explanation(Cause.BOUNDARY, f"with {others} the difference is nothing")
    if day.theirs is None:
        yield Explanation(Cause.NOT_THEIRS, f"{day.source} has nothing of this person and day")
    if day.ours is None:
        yield from _missing(day)
        yield Explanation(Cause.NO_TRANSCRIPTS, "nothing is counted on this day")


def _end_before_ours(day: Compared) -> bool:
    """Tell whether theirs can't have the last of ours; telemetry says itself when it ends."""
    if day.as_of is None or day.ours_until is None:
        return False
    return day.as_of - (timedelta() if day.source == otlp.SOURCE else LATE) < day.ours_until


def _missing(day: Compared) -> Iterator[Explanation]:
    """Yield why transcripts of a day may be missing altogether."""
    if day.not_read:
        detail = f"{day.not_read} not taken in; see: sessionmill status usage"
        yield Explanation(Cause.NOT_READ, detail)
    seen = day.first_seen_at
    if seen is not None and day.day < seen.date() - timedelta(days=KEPT_DAYS):
        detail = f"first looked at on {seen:%Y-%m-%d}; clients delete after {KEPT_DAYS} days"
        yield Explanation(Cause.GONE, detail)


# ── causes of parts ──


#: Told by what names a session or a response: those are taken away after which least is left.
_BY_KEY = (Cause.OTHER_MACHINE, Cause.NO_TELEMETRY, Cause.SHARED)
#: Told by figures: taken away only where no class has less.
_BY_FIGURES = (Cause.BACKGROUND, Cause.OTHER_MODELS, Cause.COPIES)


def _of_parts(day: Compared) -> Iterator[Explanation]:
    left = day.difference
    chosen = _explaining_most(left, [c for c in _BY_KEY if c in day.effects], day)
    for cause in chosen:
        left = left.minus(day.effects[cause].tokens)
        yield Explanation(cause, day.effects[cause].shown_by)
    for cause in _BY_FIGURES:
        effect = day.effects.get(cause)
        if effect and effect.tokens.size and effect.tokens.is_part_of(left):
            left = left.minus(effect.tokens)
            yield Explanation(cause, effect.shown_by)
    if left.size:
        yield _of_the_rest(left, day)


def _explaining_most(left: Tokens, causes: list[Cause], day: Compared) -> Iterable[Cause]:
    """Choose the causes after which least is left; the fewest of those."""
    choices = [c for count in range(len(causes) + 1) for c in combinations(causes, count)]

    def rest(choice: tuple[Cause, ...]) -> int:
        after = left
        for cause in choice:
            after = after.minus(day.effects[cause].tokens)
        return after.size

    return min(choices, key=rest)  # of equals the first, which is the shortest


def _of_the_rest(left: Tokens, day: Compared) -> Explanation:
    if max(left) <= 0:
        for explanation in _missing(day):
            return explanation
        if left == Tokens(output=left.output) and day.partial_responses != 0:
            flagged = day.partial_responses
            of = "" if flagged is None else f"; responses logged in part: {flagged:,}"
            detail = f"{-left.output:,} tokens of output, and no other{of}"
            return Explanation(Cause.PARTIAL, detail)
        if day.their_sessions > day.our_sessions:
            detail = f"sessions: {day.their_sessions} of theirs, {day.our_sessions} here"
            return Explanation(Cause.OTHER_MACHINE, detail)
    parts = (f"{name} {value:+,}" for name, value in zip(left._fields, left, strict=True) if value)
    return Explanation(Cause.UNEXPLAINED, "left: " + ", ".join(parts))
