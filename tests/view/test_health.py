"""Health alarms nobody without a cause, and says what everyone may hear."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from histories import ROOT, USAGE, History, everything, processor, scheduled, well
from hypothesis import given
from hypothesis import strategies as st

from sessionmill.plugins import Unusable
from sessionmill.store.known import begin_anew
from sessionmill.testing import FakeClock
from sessionmill.view.checks import STATUSES, Judgement, Status, span, worst
from sessionmill.view.health import (
    Condition,
    Health,
    Scheduled,
)

CANARY = "Kanarienvogel"
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def history(clock: FakeClock, tmp_path: Path) -> Iterator[History]:
    with History(clock, tmp_path) as history:
        yield history


# ── all well ──


def test_all_is_well_where_runs_succeed_and_nothing_waits(history: History) -> None:
    history.write("a", "b")
    history.run_for(HOUR)
    assert history.alarms() == {}
    assert history.health().status == "ok"


def test_a_transcript_that_grows_all_day_alarms_nobody(history: History) -> None:
    for _ in range(20):
        history.write("a")
        history.run()
        history.write("a")
        history.walk()
        history.clock.advance(minutes=10)
        assert history.alarms() == {}


def test_an_old_transcript_that_has_just_come_has_not_waited_since_it_was_written(
    history: History,
) -> None:
    history.run_for(HOUR)
    history.write("from-last-year", ago=365 * DAY)
    history.walk()
    assert history.check("usage.lag").status == "ok"
    assert history.check("usage.lag").details["pending"] == 1


def test_a_transcript_of_a_machine_whose_clock_is_ahead_alarms_nobody(history: History) -> None:
    history.write("a", ago=-3 * HOUR)
    history.run_for(HOUR)
    history.write("a", ago=-3 * HOUR)
    history.walk()
    assert history.alarms() == {}


def test_an_idle_transcript_that_grows_again_has_not_waited_all_night(history: History) -> None:
    history.write("a")
    history.run_for(10 * HOUR)
    history.write("a")
    history.walk()
    assert history.alarms() == {}


@pytest.mark.parametrize("main_only", [True, False])
def test_a_nested_file_is_no_stuck_one(history: History, *, main_only: bool) -> None:
    nested = "shop/2026/03/0f3c/subagents/agent-a7f3c21"
    history.write("main", nested, "agent-at-the-side", "deep/down/below/the/folder")
    loaded = processor(main_only=main_only)
    if main_only:  # as runs do: agent files are none of its pending ones
        assert len(history.store.last_runs()) == 0
    history.run_for(DAY, loaded, every=HOUR)
    assert history.alarms(loaded) == {}
    assert history.check("usage.lag", loaded).details["pending"] == 0


def test_a_gone_file_waits_for_nothing(history: History) -> None:
    history.write("a", "b", "c")
    history.run(most=1)
    history.delete("b")
    history.delete("c")
    history.clock.advance(days=1)
    history.run_for(HOUR)
    assert history.alarms() == {}


def test_sessions_that_failed_and_are_gone_are_nobodys_to_mend(history: History) -> None:
    history.write("good", "bad")
    history.run(fails=lambda name: name == "bad")
    history.delete("bad")
    history.run_for(HOUR)
    assert history.alarms() == {}


def test_a_failing_session_that_waits_for_its_next_try_is_no_lag(history: History) -> None:
    history.write(*(f"good-{n}" for n in range(50)), "bad")
    history.run(fails=lambda name: name == "bad")
    history.clock.advance(minutes=30)
    assert history.check("usage.lag").status == "ok"
    assert history.check("usage.lag").details["pending"] == 0


def test_a_processor_just_installed_alarms_nobody(history: History) -> None:
    history.write(*(f"s{n}" for n in range(40)), ago=90 * DAY)
    history.run_for(DAY, every=HOUR)
    new = processor("new")
    just_begun = well(history.clock, up_for=30 * timedelta(seconds=1))
    assert history.alarms(USAGE, new, around=just_begun) == {}
    assert history.check("new.last_run", new, around=just_begun).sentence.startswith(
        "It has not run yet"
    )

    history.clock.advance(minutes=1)
    history.run(USAGE)
    history.run(new, most=5)
    assert history.alarms(USAGE, new, around=well(history.clock, up_for=2 * MINUTE)) == {}


def test_a_new_version_that_has_everything_to_read_again_alarms_nobody_at_once(
    history: History,
) -> None:
    history.write(*(f"s{n}" for n in range(40)))
    history.run_for(10 * DAY, every=DAY)
    newer = processor(version=2)
    history.run(newer, most=5)
    assert history.check("usage.lag", newer).status == "ok"
    assert history.check("usage.lag", newer).details["pending"] == 35


def test_what_is_to_be_read_anew_has_not_waited_since_before_it_was_read_last(
    history: History,
) -> None:
    history.write("a")
    history.run(fails=everything)
    history.clock.advance(hours=10)
    history.run()
    with history.facts.transaction() as cursor:
        begin_anew(cursor, "usage", ["alice/a.jsonl"])
    history.clock.advance(minutes=5)
    found = history.check("usage.lag")
    assert (found.status, found.details["pending"]) == ("ok", 1)
    assert found.details["waiting_since"] == history.clock() - 5 * MINUTE


def test_a_root_that_is_not_read_any_more_keeps_nothing_waiting(history: History) -> None:
    history.write("a")
    history.write("of-another-place", root="/mnt/once")
    history.run(most=1)
    history.run_for(HOUR)
    history.write("of-another-place", root="/mnt/once")
    history.walk()
    history.clock.advance(days=1)
    [everywhere] = history.gathered().processors
    [here] = history.gathered(roots=[ROOT]).processors
    assert (everywhere.pending, here.pending) == (1, 0)


def test_a_server_that_was_down_for_days_alarms_nobody_when_it_is_up_again(
    history: History,
) -> None:
    history.write("a")
    history.run_for(HOUR)
    history.write("a")
    history.walk()
    history.clock.advance(days=5)
    assert history.alarms(around=well(history.clock, up_for=MINUTE)) == {}
    assert "usage.last_run" in history.alarms()


# ── what is said ──


@given(st.lists(st.sampled_from(STATUSES)))
def test_the_whole_is_the_worst_of_all_checks(statuses: list[Status]) -> None:
    checks = {str(n): Judgement(status, "") for n, status in enumerate(statuses)}
    judged = Health(FakeClock()(), checks)
    for status in ("error", "warning", "unknown", "ok"):
        if status in statuses:
            assert judged.status == status
            break
    else:
        assert judged.status == "unknown", "nothing was looked at"


@given(st.lists(st.sampled_from(STATUSES), min_size=1))
def test_the_worst_is_one_of_them_whatever_their_order(statuses: list[Status]) -> None:
    assert worst(statuses) in statuses
    assert worst(statuses) == worst(reversed(statuses)) == worst(sorted(statuses))
    assert worst([*statuses, "unknown"]) != "ok"


def test_every_alarm_says_what_to_do_and_the_short_form_says_no_words_of_others(
    history: History,
) -> None:
    history.write(*(f"s{n}-{CANARY}" for n in range(9)))
    for _ in range(6):
        history.run(fails=everything)
        history.clock.advance(hours=2)
    history.run(paused=CANARY)
    around = replace(
        scheduled(history.clock, Scheduled(last_error=CANARY, refused=5)),
        unusable=[Unusable("words", CANARY)],
        facts_notice=CANARY,
        control=Condition(CANARY),
        workers=Condition(CANARY),
        free_bytes=1,
        clock_jump=HOUR,
        roots={f"/srv/{CANARY}": "missing"},
    )
    judged = history.health(around=around)
    for name, found in judged.checks.items():
        assert found.sentence.endswith("."), name
        assert bool(found.to_do) or found.status in ("ok", "unknown"), name
    short, detailed = judged.short("9.9"), judged.detailed("9.9")
    assert CANARY not in json.dumps(short)
    assert "alice" not in json.dumps(short)
    assert CANARY in json.dumps(detailed)
    assert "a plugin's words" not in json.dumps(detailed), "each session's is for `status`"
    assert (short["status"], short["version"]) == ("error", "9.9")
    assert short["checks"]["disk"].keys() == {"status", "sentence"}
    assert short["checks"]["usage.silence"] == {"status": "ok"}
    assert short["checks"].keys() == detailed["checks"].keys()


def test_times_are_told_as_utc(history: History) -> None:
    history.write("a")
    history.run()
    detailed = history.health().detailed("1")
    assert detailed["at"] == "2026-03-20T12:00:00Z"
    at = detailed["checks"]["usage.last_run"]["details"]["last_run_at"]
    assert at == "2026-03-20T12:00:00Z"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 seconds"),
        (1.9, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7_200, "2 hours"),
        (172_799, "47 hours"),
        (864_000, "10 days"),
    ],
)
def test_a_span_is_said_in_whole_units_rounded_down(seconds: float, said: str) -> None:
    assert span(timedelta(seconds=seconds)) == said
