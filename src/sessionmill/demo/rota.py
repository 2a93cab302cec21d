"""Who works when: time zones, weekends, holidays, projects of one's own.

Everything is told in whole days and minutes; no calendar of the machine is asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sessionmill.demo import words
from sessionmill.demo.dice import Dice

#: Minutes that the users' clocks are ahead of UTC, in their order.
_ZONES = (60, -300, 480, 60, 330, 0, -480, 540)
#: Days of the year on which nearly nobody works: month and day.
_HOLIDAYS = frozenset({(1, 1), (1, 6), (5, 1), (10, 3), (12, 24), (12, 25), (12, 26), (12, 31)})
#: Of so many days each user takes the last ones off, each in weeks of their own.
_SEASON_DAYS, _HOLIDAY_DAYS = 70, 10
#: How likely a first and a second session of a day are.
_WORKDAY, _DAY_OFF = (0.65, 0.2), (0.1, 0.05)


@dataclass(frozen=True, kw_only=True)
class Sitting:
    """Who sits down when, on which project."""

    user: str
    project: str
    branch: str
    start: datetime


def sittings(
    names: tuple[str, ...], days: int, end: date, dice: Dice, *, at_least: int
) -> list[Sitting]:
    """Spread sessions over the days, in the order of time."""
    told = [sitting for back in range(days) for sitting in _day(names, back, end, dice)]
    while len(told) < at_least:
        number = int(dice.fraction() * len(names))
        told.append(sit_down(names, number, end - timedelta(days=len(told) % days), dice))
    return sorted(told, key=lambda sitting: (sitting.start, sitting.user))


def projects_of(number: int) -> tuple[str, ...]:
    """Return the projects of the user of that number, the most frequent first."""
    count = len(words.PROJECTS)
    own = [words.PROJECTS[(number + step) % count] for step in range(3)]
    return (own[0], own[0], *own)


def _day(names: tuple[str, ...], back: int, end: date, dice: Dice) -> Iterator[Sitting]:
    day = end - timedelta(days=back)
    for number in range(len(names)):
        for chance in _DAY_OFF if _is_off(number, back, day) else _WORKDAY:
            if dice.chance(chance):
                yield sit_down(names, number, day, dice)


def _is_off(number: int, back: int, day: date) -> bool:
    away = (back + 17 * number) % _SEASON_DAYS >= _SEASON_DAYS - _HOLIDAY_DAYS
    # The last weeks are worked through: a team asked for by default has nobody away.
    away = away and back >= 14
    return away or day.weekday() >= 5 or (day.month, day.day) in _HOLIDAYS


def sit_down(names: tuple[str, ...], number: int, day: date, dice: Dice) -> Sitting:
    """Let the user of that number begin at some time of their working day."""
    local = dice.number(8 * 60, 17 * 60)
    midnight = datetime.combine(day, time(), UTC)
    return Sitting(
        user=names[number],
        project=dice.choice(projects_of(number)),
        branch=dice.choice(words.BRANCHES),
        start=midnight + timedelta(minutes=local - _ZONES[number % len(_ZONES)]),
    )
