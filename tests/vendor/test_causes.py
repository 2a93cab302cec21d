"""Why figures differ: each cause where what is stored bears it out, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionmill.view.causes import Cause, Compared, Effect, Tokens, cancelling, explain

DAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 20, tzinfo=UTC)
OURS = Tokens(100, 50, 3000, 400)
#: A day on which both counted the same.
SAME = Compared(
    username="alice",
    vendor_names=("alice@example.com",),
    source="analytics_api",
    day=DAY,
    ours=OURS,
    theirs=OURS,
    our_sessions=2,
    their_sessions=2,
    as_of=datetime(2026, 3, 4, tzinfo=UTC),
    first_seen_at=datetime(2026, 3, 3, tzinfo=UTC),
)


def causes(now: datetime = NOW, **given: Any) -> list[Cause]:
    """Return the causes of a day that is the same but for what is given."""
    return [explanation.cause for explanation in explain(replace(SAME, **given), now)]


def theirs(*more: int) -> Tokens:
    """Return theirs where they have so much more than we have."""
    return OURS.plus(Tokens(*more))


def test_where_nothing_differs_nothing_is_told_whatever_else_there_is() -> None:
    effects = {Cause.OTHER_MACHINE: Effect(Tokens(-5), "")}
    assert causes() == []
    assert causes(username=None) == []
    assert causes(effects=effects, not_read=3, cancels_with=(DAY,), now=NOW) == []
    assert causes(now=datetime(2026, 3, 2, 12, tzinfo=UTC)) == []


def test_a_name_of_nobodys_is_told_with_how_to_say_whose_it_is() -> None:
    [told] = explain(replace(SAME, username=None, ours=None), NOW)
    assert told.cause == Cause.NOT_MAPPED
    assert "--as alice@example.com=USERNAME" in told.detail


@pytest.mark.parametrize(
    ("hours", "arriving"), [(0, True), (23, True), (24.9, True), (25, False), (400, False)]
)
def test_a_day_arrives_until_an_hour_after_its_end(hours: float, arriving: bool) -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(hours=hours)
    assert (causes(now, theirs=theirs(-1)) == [Cause.ARRIVING]) is arriving


@pytest.mark.parametrize(
    ("source", "minutes", "arriving"),
    [
        ("analytics_api", 0, True),
        ("analytics_api", 59, True),
        ("analytics_api", 60, False),
        ("otel", -1, True),
        ("otel", 0, False),
    ],
)
def test_what_was_used_after_theirs_end_cannot_be_in_them(
    source: str, minutes: int, arriving: bool
) -> None:
    last = datetime(2026, 3, 2, 12, tzinfo=UTC)
    given: dict[str, Any] = {"source": source, "ours_until": last}
    given["as_of"] = last + timedelta(minutes=minutes)
    assert (causes(**given, theirs=theirs(-1, -2)) == [Cause.ARRIVING]) is arriving
    assert causes(**given, theirs=theirs(-1, 2)) == [Cause.UNEXPLAINED], "theirs has more"


def test_who_has_no_row_of_theirs_is_not_in_their_figures() -> None:
    assert causes(theirs=None, vendor_names=(), as_of=None) == [Cause.NOT_THEIRS]


def test_a_day_without_anything_of_ours_has_no_transcripts() -> None:
    assert causes(ours=None) == [Cause.NO_TRANSCRIPTS]


def test_transcripts_that_wait_are_told_before_it_is_said_that_there_are_none() -> None:
    assert causes(ours=None, not_read=2) == [Cause.NOT_READ]
    assert causes(theirs=theirs(5, 5), not_read=2) == [Cause.NOT_READ]
    assert causes(theirs=theirs(-5), not_read=2) == [Cause.UNEXPLAINED], "ours has more already"


@pytest.mark.parametrize(("days", "gone"), [(0, False), (30, False), (31, True), (365, True)])
def test_what_is_older_than_clients_keep_may_have_gone_before_the_first_run(
    days: int, gone: bool
) -> None:
    seen = datetime(2026, 3, 2, 12, tzinfo=UTC) + timedelta(days=days)
    expected = Cause.GONE if gone else Cause.NO_TRANSCRIPTS
    assert causes(ours=None, first_seen_at=seen) == [expected]
    expected = Cause.GONE if gone else Cause.UNEXPLAINED
    assert causes(theirs=theirs(1, 0, 2), first_seen_at=seen) == [expected]


def test_output_alone_that_is_less_was_logged_in_part() -> None:
    assert causes(theirs=theirs(0, 7)) == [Cause.PARTIAL]
    assert causes(theirs=theirs(0, -7)) == [Cause.UNEXPLAINED]
    assert causes(theirs=theirs(1, 7)) == [Cause.UNEXPLAINED]
    assert causes(theirs=theirs(0, 7), partial_responses=2) == [Cause.PARTIAL]
    assert causes(theirs=theirs(0, 7), partial_responses=0) == [Cause.UNEXPLAINED]


def test_more_sessions_of_theirs_are_another_machine() -> None:
    assert causes(theirs=theirs(9, 9, 9, 9), their_sessions=3) == [Cause.OTHER_MACHINE]
    assert causes(theirs=theirs(9, -9, 9, 9), their_sessions=3) == [Cause.UNEXPLAINED]
    assert causes(theirs=theirs(9, 9, 9, 9), their_sessions=2) == [Cause.UNEXPLAINED]


def test_sessions_that_one_side_has_explain_what_they_come_to() -> None:
    here = {Cause.NO_TELEMETRY: Effect(Tokens(10, 5), "1 session")}
    there = {Cause.OTHER_MACHINE: Effect(Tokens(-3, -8, -1), "2 sessions")}
    assert causes(theirs=theirs(-10, -5), effects=here) == [Cause.NO_TELEMETRY]
    assert causes(theirs=theirs(3, 8, 1), effects=there) == [Cause.OTHER_MACHINE]
    both = here | there
    assert set(causes(theirs=theirs(-7, 3, 1), effects=both)) == both.keys()
    assert causes(theirs=theirs(3, 8, 1), effects=both) == [Cause.OTHER_MACHINE]
    assert causes(theirs=theirs(3, 9, 1), effects=there) == [Cause.OTHER_MACHINE, Cause.PARTIAL]
    assert causes(theirs=theirs(4, 8, 1), effects=there)[1:] == [Cause.UNEXPLAINED]


def test_a_cause_told_by_figures_must_fit_into_the_difference() -> None:
    effects = {Cause.BACKGROUND: Effect(Tokens(-3, -8), "haiku")}
    assert causes(theirs=theirs(3, 8), effects=effects) == [Cause.BACKGROUND]
    assert causes(theirs=theirs(3, 9), effects=effects) == [Cause.BACKGROUND, Cause.PARTIAL]
    assert causes(theirs=theirs(2, 9), effects=effects) == [Cause.UNEXPLAINED]
    assert causes(theirs=theirs(-3, -8), effects=effects) == [Cause.UNEXPLAINED]


@pytest.mark.parametrize("cause", [Cause.OTHER_MODELS, Cause.COPIES])
def test_models_and_copies_explain_what_they_come_to(cause: Cause) -> None:
    effects = {cause: Effect(Tokens(-3, -8), "shown")}
    assert causes(theirs=theirs(3, 8), effects=effects) == [cause]


def test_responses_that_two_users_have_are_counted_twice_here() -> None:
    effects = {Cause.SHARED: Effect(Tokens(30, 20), "1 response")}
    assert causes(theirs=theirs(-30, -20), effects=effects) == [Cause.SHARED]


def test_what_is_left_is_told_class_by_class() -> None:
    [told] = explain(replace(SAME, theirs=theirs(-1, 0, 2000)), NOW)
    assert told.detail == "left: input +1, cache_read -2,000"


# ── day boundary ──

A, B, C = (DAY + timedelta(days=n) for n in range(3))


def test_neighbours_that_cancel_are_one_day_boundary() -> None:
    assert cancelling({A: Tokens(5, 1), B: Tokens(-5, -1)}) == {A: (B,), B: (A,)}
    assert causes(theirs=theirs(5, 1), cancels_with=(B,)) == [Cause.BOUNDARY]


@pytest.mark.parametrize(
    "differences",
    [
        {A: Tokens(5, 1), B: Tokens(-5)},
        {A: Tokens(5), C: Tokens(-5)},
        {A: Tokens(5), B: Tokens(), C: Tokens(-5)},
        {A: Tokens(), B: Tokens()},
        {A: Tokens(5)},
        {},
    ],
)
def test_what_does_not_cancel_class_by_class_or_is_apart_is_none(
    differences: dict[date, Tokens],
) -> None:
    assert cancelling(differences) == {}


def test_a_row_of_days_may_cancel_together() -> None:
    days = {A: Tokens(5), B: Tokens(-2), C: Tokens(-3)}
    assert cancelling(days) == {A: (B, C), B: (A, C), C: (A, B)}
    before = {A - timedelta(days=1): Tokens(7)}
    assert cancelling(days | before) == cancelling(days), "though the day before does not"


small = st.integers(-3, 3)


@given(st.dictionaries(st.integers(0, 8), st.tuples(small, small)))
def test_days_that_are_said_to_cancel_do(told: dict[int, tuple[int, int]]) -> None:
    differences = {DAY + timedelta(days=n): Tokens(*value) for n, value in told.items()}
    for day, others in cancelling(differences).items():
        total = differences[day]
        for other in others:
            total = total.plus(differences[other])
        assert total == Tokens()
        row = sorted((day, *others))
        assert row[-1] - row[0] == timedelta(days=len(row) - 1)


effects = st.dictionaries(
    st.sampled_from([c for c in Cause if c not in (Cause.NOT_MAPPED, Cause.UNEXPLAINED)]),
    st.tuples(small, small, small, small).map(lambda t: Effect(Tokens(*t), "shown")),
)


@given(st.tuples(small, small, small, small), effects)
def test_what_is_explained_and_what_is_left_are_the_difference(
    more: tuple[int, int, int, int], of_causes: dict[Cause, Effect]
) -> None:
    day = replace(SAME, theirs=theirs(*more), effects=of_causes, their_sessions=0)
    left = day.difference
    told = explain(day, NOW)
    for explanation in told:
        if explanation.cause in of_causes and explanation.cause != Cause.PARTIAL:
            left = left.minus(of_causes[explanation.cause].tokens)
    last = told[-1].cause if told else None
    if last == Cause.PARTIAL:
        assert left == Tokens(output=min(left.output, -1))
    elif last == Cause.UNEXPLAINED:
        assert left.size
    else:
        assert not left.size
