"""Days, weeks and months are those of the time zone that is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reported import read_in, report

from sessionmill.app import App
from sessionmill.demo.transcript import timestamp
from sessionmill.testing import ClaudeTranscript

ZONES = [
    "UTC",
    "Europe/Berlin",
    "Pacific/Kiritimati",  # 14 hours ahead
    "Pacific/Pago_Pago",  # 11 hours behind
    "America/St_Johns",  # half an hour off
    "Asia/Kathmandu",  # three quarters off
    "Australia/Lord_Howe",  # summer time of half an hour
    "America/Havana",  # midnight comes twice in autumn, and not at all in spring
    "America/Sao_Paulo",  # no midnight on the first day of summer time, until 2019
    "Asia/Beirut",  # no midnight on the first day of summer time
    "Pacific/Apia",  # a whole day left out, at the end of 2011
]

#: Around these hours something happens in one of the zones.
EDGES = [
    datetime(2026, 3, 2, 0, tzinfo=UTC),
    datetime(2026, 3, 29, 0, tzinfo=UTC),
    datetime(2026, 3, 28, 22, tzinfo=UTC),
    datetime(2026, 3, 8, 5, tzinfo=UTC),
    datetime(2026, 11, 1, 5, tzinfo=UTC),
    datetime(2018, 11, 4, 3, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC),
    datetime(2024, 12, 30, 0, tzinfo=UTC),
    datetime(2026, 12, 31, 12, tzinfo=UTC),
]
MOMENTS = [
    edge + timedelta(minutes=minutes)
    for edge in EDGES
    for minutes in (-841, -661, -601, -180, -60, -30, -1, 0, 1, 29, 31, 59, 61, 121, 601, 661, 841)
]
DAYS = sorted({(edge + timedelta(days=days)).date() for edge in EDGES for days in range(-1, 3)})


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    told = ClaudeTranscript("a1")
    for moment in MOMENTS:
        told.response(timestamp=timestamp(moment))
    with read_in(tmp_path_factory.mktemp("days"), {"alice/a1.jsonl": told}) as app:
        yield app


def in_zone(zone: str) -> list[datetime]:
    return [moment.astimezone(ZoneInfo(zone)) for moment in MOMENTS]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("by", "written"), [("day", "%Y-%m-%d"), ("week", "%G-W%V"), ("month", "%Y-%m")]
)
def test_groups_of_time_are_those_of_the_zone(app: App, zone: str, by: str, written: str) -> None:
    expected = Counter(local.strftime(written) for local in in_zone(zone))
    rows = report(app, by, timezone=zone)  # type: ignore[arg-type] # one of the groups
    assert [(row[by], row["responses"]) for row in rows] == sorted(expected.items())


@settings(max_examples=100)
@given(
    zone=st.sampled_from(ZONES), first=st.sampled_from(DAYS), days=st.sampled_from([0, 1, 2, 30])
)
def test_since_and_until_are_days_of_the_zone(app: App, zone: str, first: date, days: int) -> None:
    last = first + timedelta(days=days)
    within = [local for local in in_zone(zone) if first <= local.date() < last]
    [total] = report(app, "total", since=first, until=last, timezone=zone)
    assert total["responses"] == len(within)

    rows = report(app, "day", since=first, until=last, timezone=zone)
    assert {row["day"] for row in rows} == {local.strftime("%Y-%m-%d") for local in within}


@pytest.mark.parametrize("zone", ZONES)
def test_every_day_of_a_zone_is_what_since_and_until_cut_out(app: App, zone: str) -> None:
    for row in report(app, "day", timezone=zone):
        day = date.fromisoformat(row["day"])
        cut = report(app, "day", since=day, until=day + timedelta(days=1), timezone=zone)
        assert cut == [row], f"{zone}: no more and no less than that day"


@pytest.mark.parametrize("day", [date(1, 1, 1), date(1969, 12, 31), date(9999, 12, 31)])
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_day_far_away_is_a_day(app: App, day: date, zone: str) -> None:
    [since] = report(app, "total", since=day, timezone=zone)
    [until] = report(app, "total", until=day, timezone=zone)
    everything = len(MOMENTS)
    expected = (0, everything) if day.year == 9999 else (everything, 0)
    assert (since["responses"], until["responses"]) == expected
