"""Cadences: what may be written, and when each is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sessionmill.cadence import LONGEST, Cadence
from sessionmill.errors import UsageError

NOON = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)  # a Wednesday

numbers = st.integers(1, 500).map(str)


def cron_fields(first: int, last: int) -> st.SearchStrategy[str]:
    value = st.integers(first, last)
    ranges = st.tuples(value, value).map(lambda pair: f"{min(pair)}-{max(pair)}")
    steps = st.builds("{}/{}".format, st.just("*") | ranges, st.integers(1, 40))
    return st.lists(value.map(str) | ranges | steps | st.just("*"), min_size=1, max_size=3).map(
        ",".join
    )


lines_of_cron = st.tuples(
    cron_fields(0, 59),
    cron_fields(0, 23),
    cron_fields(1, 28),
    cron_fields(1, 12),
    cron_fields(0, 7),
).map(" ".join)
written = (
    st.integers(1, 500_000)
    | st.builds("every {}{}".format, numbers, st.sampled_from("smh"))
    | st.builds("daily {:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
    | lines_of_cron
)
cadences = written.map(Cadence.of)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2105, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


# ── what may be written ──


@pytest.mark.parametrize(
    ("said", "cadence", "period"),
    [
        (15, "every 15m", timedelta(minutes=15)),
        (60, "every 1h", timedelta(hours=1)),
        ("every 90s", "every 90s", timedelta(seconds=90)),
        ("Every 15 M", "every 15m", timedelta(minutes=15)),
        ("every 36h", "every 36h", timedelta(hours=36)),
        ("every 2d", "every 2d", timedelta(days=2)),
        ("daily 04:15", "daily 04:15", timedelta(days=1)),
        ("daily at 4:15", "daily 04:15", timedelta(days=1)),
        ("15 4 * * SUN", "15 4 * * sun", timedelta(days=7)),
        ("*/5 * * * *", "*/5 * * * *", timedelta(minutes=5)),
        ("0 9,17 * * *", "0 9,17 * * *", timedelta(hours=16)),
        ("0 9-17 * * mon-fri", "0 9-17 * * mon-fri", timedelta(hours=64)),
        ("0 0 31 * *", "0 0 31 * *", timedelta(days=61)),
        ("0 0 29 feb *", "0 0 29 feb *", timedelta(days=4 * 365 + 1)),
    ],
)
def test_a_cadence_reads_as_it_would_be_written_and_has_a_length(
    said: object, cadence: str, period: timedelta
) -> None:
    assert str(Cadence.of(said)) == cadence
    assert Cadence.of(said).period() == period


@given(cadences)
def test_what_a_cadence_reads_as_means_that_cadence(cadence: Cadence) -> None:
    assert Cadence.of(str(cadence)) == cadence


@pytest.mark.parametrize(
    "said",
    [
        *(0, -1, True, None, 1.5, [], {}, "", "15", "often", "every", "every 0s", "every -1m"),
        *("every 1.5h", "every 15", "every 15y", "every 367d", "every 999999999d", 600_000),
        *("daily", "daily 24:00", "daily 04:60", "daily 4", "daily 4:5", "daily 04:15:00"),
        *("* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *"),
        *("* * * * 8", "* * * * sunday", "*/0 * * * *", "5/10 * * * *", "9-5 * * * *"),
        *("* * last * *", "* * 1, * *", "* * -1 * *", "* * * * sat-mon", "٣ * * * *", "every ٣m"),
        *("0 0 30 2 *", "0 0 31 4,6,9,11 *"),
    ],
)
def test_what_is_no_cadence_is_refused_with_what_is_expected(said: object) -> None:
    with pytest.raises(UsageError) as refused:
        Cadence.of(said)
    assert repr(said) in str(refused.value)
    assert '"every 15m"' in str(refused.value)


def test_a_field_of_cron_that_is_none_is_named() -> None:
    with pytest.raises(UsageError, match=r"its day of the week 'sunday' is not within 0 to 7"):
        Cadence.of("15 4 * * sunday")
    with pytest.raises(UsageError, match="no month has such a day"):
        Cadence.of("0 0 30 2 *")


# ── when it is due ──


def fires(said: str, count: int, since: datetime = NOON) -> list[str]:
    """Return the next times of a cadence, each reckoned from the one before."""
    found = []
    for _ in range(count):
        since = Cadence.of(said).next_due(since, since)
        found.append(f"{since:%a %d %b %H:%M}")
    return found


def test_a_daily_one_is_due_once_a_day() -> None:
    assert fires("daily 04:15", 2) == ["Thu 19 Mar 04:15", "Fri 20 Mar 04:15"]
    assert fires("daily 12:00", 1) == ["Thu 19 Mar 12:00"], "it has run at twelve"


@pytest.mark.parametrize("sunday", ["0", "7", "sun", "SUN", "0,7"])
def test_sunday_is_0_and_7_as_in_cron(sunday: str) -> None:
    assert fires(f"15 4 * * {sunday}", 2) == ["Sun 22 Mar 04:15", "Sun 29 Mar 04:15"]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ("1-5", "Mon Tue Wed Thu Fri"),
        ("mon-fri", "Mon Tue Wed Thu Fri"),
        ("5-7", "Sun Fri Sat"),
        ("fri-sun", "Sun Fri Sat"),
        ("sun-tue", "Sun Mon Tue"),
        ("*/2", "Sun Tue Thu Sat"),
        ("1,3", "Mon Wed"),
    ],
)
def test_days_of_the_week_are_those_of_cron(days: str, expected: str) -> None:
    week = fires(f"0 0 * * {days}", len(expected.split()), datetime(2026, 3, 21, 1, tzinfo=UTC))
    assert [time.split()[0] for time in week] == expected.split()


def test_a_day_of_the_month_and_one_of_the_week_are_either_as_in_cron() -> None:
    assert fires("0 0 1 * mon", 3) == ["Mon 23 Mar 00:00", "Mon 30 Mar 00:00", "Wed 01 Apr 00:00"]
    assert fires("0 0 1-7 * *", 1) == ["Wed 01 Apr 00:00"]
    assert fires("0 0 */10 * mon", 1) == ["Mon 11 May 00:00"], "with a star in front it is both"


def test_a_month_without_that_day_is_passed_over() -> None:
    assert fires("0 0 31 * *", 3) == ["Tue 31 Mar 00:00", "Sun 31 May 00:00", "Fri 31 Jul 00:00"]
    assert fires("0 0 */31 2 mon", 2) == ["Mon 01 Feb 00:00", "Mon 01 Feb 00:00"], "2027, 2038"
    assert fires("0 0 29 2 *", 1, datetime(2097, 1, 1, tzinfo=UTC)) == ["Fri 29 Feb 00:00"]


def test_times_are_utc_whatever_zone_the_last_start_is_told_in() -> None:
    last = datetime.fromisoformat("2026-03-18T02:00:00+05:00")  # the evening before, in UTC
    assert Cadence.of("daily 04:15").next_due(last, NOON) == datetime(
        2026, 3, 18, 4, 15, tzinfo=UTC
    )


@given(cadences, moments)
def test_what_never_ran_is_due(cadence: Cadence, now: datetime) -> None:
    assert cadence.next_due(None, now) == now
    assert cadence.is_due(None, now)


@given(cadences, moments, st.timedeltas(timedelta(microseconds=1), timedelta(days=9_000)))
def test_a_last_start_ahead_of_now_counts_as_never(
    cadence: Cadence, now: datetime, ahead: timedelta
) -> None:
    assert cadence.is_due(now + ahead, now)


@given(cadences, moments, st.timedeltas(timedelta(0), LONGEST))
def test_the_next_start_is_after_the_last_and_after_now_unless_it_is_due(
    cadence: Cadence, last: datetime, since: timedelta
) -> None:
    now = last + since
    due = cadence.next_due(last, now)
    assert last < due <= last + cadence.period()
    assert (due > now) != cadence.is_due(last, now)
    assert due.utcoffset() == timedelta(0)


@given(
    cadences, moments, st.timedeltas(timedelta(0), LONGEST), st.timedeltas(timedelta(0), LONGEST)
)
def test_who_started_later_is_due_no_earlier(
    cadence: Cadence, first: datetime, between: timedelta, since: timedelta
) -> None:
    second = first + between
    now = second + since
    assert cadence.next_due(first, now) <= cadence.next_due(second, now)


@given(lines_of_cron, moments)
def test_no_time_of_a_line_of_cron_is_left_out(line: str, last: datetime) -> None:
    cadence = Cadence.of(line)
    due = cadence.next_due(last, last)
    assume(due - last < timedelta(days=3))
    minute = last.replace(second=0, microsecond=0)
    between = [
        minute + timedelta(minutes=n) for n in range(1, (due - minute) // timedelta(minutes=1))
    ]
    for time in between:
        assert not _admits(line, time)
    assert _admits(line, due)


def _admits(line: str, time: datetime) -> bool:
    """Tell whether a line of cron names a minute; written the slow and plain way."""
    minute, hour, day, month, weekday = line.split()
    day_holds = _in(day, time.day, 1, 31)
    weekday_holds = any(_in(weekday, n, 0, 7) for n in {time.isoweekday() % 7, time.isoweekday()})
    either = not day.startswith("*") and not weekday.startswith("*")
    return (
        _in(minute, time.minute, 0, 59)
        and _in(hour, time.hour, 0, 23)
        and _in(month, time.month, 1, 12)
        and (day_holds or weekday_holds if either else day_holds and weekday_holds)
    )


def _in(field: str, value: int, first: int, last: int) -> bool:
    for part in field.split(","):
        span, _, step = part.partition("/")
        low, _, high = (f"{first}-{last}" if span == "*" else span).partition("-")
        if int(low) <= value <= int(high or low) and (value - int(low)) % int(step or 1) == 0:
            return True
    return False
