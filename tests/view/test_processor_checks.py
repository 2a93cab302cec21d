"""Each check of a processor, and the history that makes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from histories import USAGE, History, everything, processor, scheduled, well

from sessionmill.cadence import Cadence
from sessionmill.plugins import Unusable
from sessionmill.testing import FakeClock
from sessionmill.view.health import (
    Pace,
    Scheduled,
    Surroundings,
)

CANARY = "Kanarienvogel"
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def history(clock: FakeClock, tmp_path: Path) -> Iterator[History]:
    with History(clock, tmp_path) as history:
        yield history


# ── last run ──


def test_a_processor_that_is_not_run_any_more_is_told_of_after_two_cadences(
    history: History,
) -> None:
    history.write("a")
    history.run()
    for minutes, status in ((10, "ok"), (10, "ok"), (1, "warning"), (60, "error")):
        history.clock.advance(minutes=minutes)
        found = history.check("usage.last_run")
        assert found.status == status
    assert found.sentence == "Its last run began 81 minutes ago, and one is due every 10 minutes."
    assert found.to_do.endswith("sessionmill run usage")


def test_cadence_and_grace_are_the_configurations(history: History) -> None:
    history.write("a")
    history.run()
    history.clock.advance(minutes=45)
    paces = {"usage": Pace(30 * MINUTE, 30 * MINUTE)}
    assert history.check("usage.last_run").status == "warning"
    slower = replace(well(history.clock), paces=paces)
    assert history.check("usage.last_run", around=slower).status == "ok"


def test_a_processor_that_never_ran_is_told_of_once_its_first_run_is_overdue(
    history: History,
) -> None:
    for minutes, status in ((1, "ok"), (30, "warning"), (600, "error")):
        around = well(history.clock, up_for=minutes * MINUTE)
        assert history.check("usage.last_run", around=around).status == status
    alone = replace(well(history.clock), scheduler=None)
    assert history.check("usage.last_run", around=alone).status == "unknown"
    assert history.health(around=alone).status == "unknown", "which never counts as ok"


def test_runs_that_are_broken_off_again_and_again_are_told_of(history: History) -> None:
    history.write("a")
    history.run()
    history.run(broken=True)
    assert history.check("usage.last_run").status == "ok", "one may have been stopped by somebody"
    history.run(broken=True)
    found = history.check("usage.last_run")
    assert (found.status, found.sentence) == ("warning", "Its last 2 runs were broken off.")
    history.run()
    assert history.check("usage.last_run").status == "ok"


def test_errors_of_a_run_that_are_no_sessions_are_told_of(history: History) -> None:
    history.write("a")
    history.run(errors=2)
    assert history.check("usage.last_run").status == "warning"
    assert "2 errors" in history.check("usage.last_run").sentence
    history.run()
    assert history.alarms() == {}


def test_a_run_that_never_ends_is_an_error_and_a_long_one_that_moves_is_none(
    history: History,
) -> None:
    history.write("a")
    history.run()
    began = history.clock()

    def running() -> Surroundings:
        return scheduled(history.clock, Scheduled(running_since=began))

    history.clock.advance(minutes=50)
    assert history.check("usage.last_run", around=running()).status == "ok"
    history.clock.advance(minutes=60)
    assert history.check("usage.last_run", around=running()).status == "error"
    history.write("b")
    history.run()
    assert history.check("usage.last_run", around=running()).status == "warning"


def test_a_run_may_take_an_hour_whatever_the_cadence(history: History) -> None:
    often = {"usage": Pace(MINUTE, MINUTE)}
    for minutes, status in ((59, "ok"), (61, "error")):
        began = history.clock() - minutes * MINUTE
        around = scheduled(history.clock, Scheduled(running_since=began))
        found = history.check("usage.last_run", around=replace(around, paces=often))
        assert found.status == status


# ── last success ──


def test_runs_that_do_not_succeed_are_told_of_though_they_begin_in_time(history: History) -> None:
    history.write("a")
    history.run()
    statuses = []
    for _ in range(9):
        history.clock.advance(minutes=10)
        history.run(errors=1)
        statuses.append(history.check("usage.last_success").status)
    assert statuses == ["ok", "ok", *["warning"] * 6, "error"]
    assert history.check("usage.last_success").sentence == "No run has succeeded for 90 minutes."


def test_a_processor_that_never_succeeded_is_told_of(history: History) -> None:
    history.write("a")
    for _ in range(4):
        history.run(errors=1, most=0)
        history.clock.advance(minutes=10)
    found = history.check("usage.last_success")
    assert found.status == "warning"
    assert "since the first" in found.sentence


# ── lag ──


def test_what_waits_for_more_than_two_cadences_is_told_of(history: History) -> None:
    history.write("read")
    history.run()
    history.write("unreadable")
    history.walk()
    statuses = []
    for _ in range(9):
        history.clock.advance(minutes=10)
        history.run(most=0)
        statuses.append(history.check("usage.lag").status)
    assert statuses == ["ok", "ok", *["warning"] * 6, "error"]
    found = history.check("usage.lag")
    assert found.sentence == "1 transcript waits, one of them for 90 minutes."


def test_a_backlog_that_is_worked_off_is_a_warning_for_a_day(history: History) -> None:
    hourly = replace(USAGE, cadence=Cadence.of(60))
    history.write(*(f"s{n}" for n in range(40)))
    statuses = []
    for _ in range(26):
        history.run(hourly, most=1)
        statuses.append(history.check("usage.lag", hourly).status)
        history.clock.advance(hours=1)
    assert statuses == [*["ok"] * 3, *["warning"] * 22, "error"], "it will never be through"
    assert history.check("usage.lag", hourly).sentence.endswith("they are being worked off.")


# ── failing ──


def test_a_processor_that_fails_on_most_sessions_shows_though_the_newest_succeeded(
    history: History,
) -> None:
    history.write(*(f"bad-{n}" for n in range(8)), "good-1", "good-2")
    history.run(fails=lambda name: name.startswith("bad"))
    history.clock.advance(minutes=10)
    history.write("newest")
    history.run(fails=lambda name: name.startswith("bad"))
    found = history.check("usage.failing")
    assert found.status == "error"
    assert found.sentence == "It fails on 8 of 11 sessions."
    assert history.check("usage.last_success").status == "ok"
    assert history.health().status == "error"


def test_one_processor_that_fails_shows_while_the_others_succeed(history: History) -> None:
    other = processor("other")
    history.write("a", "b", "c")
    history.run()
    history.run(other, fails=lambda name: name != "a")
    assert history.check("other.failing", USAGE, other).status == "error"
    assert history.check("usage.failing", USAGE, other).status == "ok"


def test_a_processor_that_fails_on_all_that_is_new_shows_in_spite_of_a_long_past(
    history: History,
) -> None:
    history.write(*(f"old-{n}" for n in range(500)))
    history.run_for(3 * DAY, every=DAY)
    history.write("new-1", "new-2", "new-3")
    history.run(fails=everything)
    found = history.check("usage.failing")
    assert found.status == "error"
    assert found.sentence == "It fails on 3 of 3 sessions tried in the last day."


def test_one_failing_session_of_many_is_no_alarm_though_it_alone_is_tried(
    history: History,
) -> None:
    history.write(*(f"good-{n}" for n in range(50)), "bad")
    history.run()
    history.clock.advance(days=2)
    history.write("bad")
    history.run(fails=everything)
    found = history.check("usage.failing")
    assert (found.status, found.sentence) == ("ok", "It fails on 1 of 51 sessions.")


def test_some_failing_sessions_are_a_warning(history: History) -> None:
    history.write(*(f"s{n}" for n in range(10)))
    history.run(fails=lambda name: name in ("s1", "s2", "s3"))
    assert history.check("usage.failing").status == "warning"


# ── dead letters ──


def test_dead_letters_are_told_of_until_somebody_retries_them(history: History) -> None:
    history.write(*(f"good-{n}" for n in range(50)), "bad")
    while not history.dead_letters():
        history.run(fails=lambda name: name == "bad")
        history.clock.advance(minutes=10)
    found = history.check("usage.dead_letters")
    assert (found.status, found.sentence) == ("warning", "It has given 1 session up.")
    assert found.to_do.endswith("sessionmill retry usage")
    history.store.make_due("usage", None)
    history.run()
    assert history.alarms() == {}


# ── paused ──


def test_a_paused_processor_is_one_warning_and_no_false_alarm_beside_it(history: History) -> None:
    history.write("a")
    history.run()
    history.write("b")
    for _ in range(18):
        history.clock.advance(minutes=10)
        history.run(paused=f"429 {CANARY}")
    assert list(history.alarms()) == ["usage.paused"]
    found = history.check("usage.paused")
    assert found.status == "warning"
    assert "for 2 hours" in found.sentence
    assert found.details["reason"] == f"429 {CANARY}"
    history.clock.advance(minutes=10)
    history.run()
    assert history.alarms() == {}


def test_a_pause_without_an_end_is_an_error(history: History) -> None:
    for _ in range(26):
        history.run(paused="away")
        history.clock.advance(hours=1)
    assert history.check("usage.paused").status == "error"


# ── silence ──


def test_silence_where_something_once_came_is_told_of_after_a_weekend(history: History) -> None:
    history.write("a")
    history.run_for(60 * HOUR, every=2 * HOUR)
    assert history.check("usage.silence").status == "ok"
    history.run_for(DAY, every=2 * HOUR)
    found = history.check("usage.silence")
    assert found.status == "warning"
    assert "found nothing new" in found.sentence
    history.write("b")
    history.run()
    assert history.check("usage.silence").status == "ok"


def test_silence_where_nothing_ever_came_is_no_news(history: History) -> None:
    history.run_for(10 * DAY, every=6 * HOUR)
    assert history.alarms() == {}


def test_runs_that_see_no_transcript_any_more_are_told_of_soon(history: History) -> None:
    history.write("a")
    history.run()
    history.delete("a")
    history.run_for(HOUR)
    found = history.check("usage.silence")
    assert (found.status, found.sentence) == (
        "warning",
        "Its last 7 runs saw no transcript, and earlier ones did.",
    )


def test_runs_that_were_broken_off_before_they_looked_are_no_silence(history: History) -> None:
    history.write("a")
    history.run()
    history.delete("a")
    for _ in range(5):
        history.run(broken=True)
    assert history.check("usage.silence").status == "ok"


# ── a processor that can't be built ──


def test_a_processor_that_cannot_be_built_is_an_error_of_its_own(history: History) -> None:
    around = replace(well(history.clock), unusable=[Unusable("words", f"ImportError: {CANARY}")])
    found = history.check("words.built", around=around)
    assert found.status == "error"
    assert found.details == {"reason": f"ImportError: {CANARY}"}
    assert set(history.alarms(around=around)) == {"words.built", "usage.last_run"}
