"""Each check of the instance, and what makes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from histories import ROOT, History, scheduled, well

from sessionmill.store.facts import KEPT_FREE
from sessionmill.testing import FakeClock
from sessionmill.view.checks import Status
from sessionmill.view.health import (
    Condition,
    RootCondition,
    Scheduled,
    Scheduler,
    health,
)

CANARY = "Kanarienvogel"
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def history(clock: FakeClock, tmp_path: Path) -> Iterator[History]:
    with History(clock, tmp_path) as history:
        yield history


@pytest.mark.parametrize(
    ("free", "status"),
    [(KEPT_FREE - 1, "error"), (KEPT_FREE, "warning"), (4 * KEPT_FREE, "ok"), (None, "unknown")],
)
def test_a_disk_that_is_full_or_soon_is_told_of(
    history: History, free: int | None, status: Status
) -> None:
    around = replace(well(history.clock), free_bytes=free)
    assert history.check("disk", around=around).status == status


def test_a_disk_that_the_facts_will_soon_have_filled_is_told_of(history: History) -> None:
    history.write("a")
    history.walk()
    # What is there on the first days is a backlog, and no pace.
    around = replace(well(history.clock), free_bytes=9 << 30, facts_bytes=14 << 30)
    assert history.check("disk", around=around).status == "ok"
    history.clock.advance(days=20)
    history.write("b")
    history.walk()
    around = replace(around, now=history.clock())
    found = history.check("disk", around=around)
    assert found.status == "warning", "14 GB, of which half came in a week: 1 GB a day"
    assert "enough for 8 days" in found.sentence
    assert history.check("disk").status == "ok", "with plenty of room"


def test_facts_that_cannot_be_asked_are_an_error_and_nothing_is_said_of_processors(
    history: History,
) -> None:
    around = replace(well(history.clock), facts=Condition(f"IO Error: {CANARY}"))
    judged = health(None, around)
    assert judged.status == "error"
    assert judged.checks["facts"].status == "error"
    assert "usage.lag" not in judged.checks


def test_facts_that_nobody_has_asked_yet_are_unknown(clock: FakeClock) -> None:
    assert health(None, well(clock)).status == "unknown"


def test_commits_that_are_missing_are_an_error(history: History) -> None:
    history.write("a")
    history.run()
    gathered = history.gathered()
    for ahead, status in ((-1, "ok"), (0, "ok"), (1, "error")):
        noted = replace(gathered, noted_commit=gathered.commit_number + ahead)
        assert health(noted, well(history.clock)).checks["facts"].status == status


def test_facts_that_were_set_aside_are_told_of(history: History) -> None:
    around = replace(well(history.clock), facts_notice="2 of 5 commits are missing")
    assert history.check("facts", around=around).status == "warning"


def test_figures_that_are_old_alarm_with_their_age_alone(history: History) -> None:
    history.write("a")
    history.run()
    gathered = history.gathered()
    found: list[tuple[Status, Status]] = []
    for _ in range(3):
        judged = health(gathered, well(history.clock))
        found.append((judged.checks["figures"].status, judged.checks["usage.last_run"].status))
        history.clock.advance(minutes=8)
    assert found == [("ok", "ok"), ("unknown", "ok"), ("error", "ok")]


@pytest.mark.parametrize("name", ["control", "workers"])
def test_what_does_not_answer_is_an_error(history: History, name: str) -> None:
    broken = {name: Condition(f"{CANARY} said no")}
    unseen: dict[str, Condition | None] = {name: None}
    around = well(history.clock)
    assert history.check(name, around=replace(around, **broken)).status == "error"  # type: ignore[arg-type] # a name of either
    assert history.check(name, around=replace(around, **unseen)).status == "unknown"  # type: ignore[arg-type] # a name of either
    assert history.check(name, around=around).status == "ok"


def test_a_scheduler_that_is_dead_is_an_error(history: History) -> None:
    dead = Scheduler(alive=False, started_at=history.clock())
    around = replace(well(history.clock), scheduler=dead)
    assert history.check("scheduler", around=around).status == "error"


@pytest.mark.parametrize(
    ("late", "status"), [(-HOUR, "ok"), (MINUTE, "ok"), (5 * MINUTE, "warning"), (HOUR, "error")]
)
def test_ticks_that_are_late_are_told_of(history: History, late: timedelta, status: Status) -> None:
    around = scheduled(history.clock, Scheduled(next_at=history.clock() - late))
    assert history.check("scheduler", around=around).status == status


def test_a_tick_is_not_late_while_the_processor_runs(history: History) -> None:
    now = history.clock()
    around = scheduled(history.clock, Scheduled(next_at=now - HOUR, running_since=now - 2 * MINUTE))
    assert history.check("scheduler", around=around).status == "ok"


def test_starts_that_are_refused_or_fail_are_told_of_without_a_plugins_words(
    history: History,
) -> None:
    once = scheduled(history.clock, Scheduled(refused=1))
    assert history.check("scheduler", around=once).status == "ok"
    found = history.check("scheduler", around=scheduled(history.clock, Scheduled(refused=3)))
    assert (found.status, found.sentence) == ("warning", "Still running whenever due: usage.")
    wrong = scheduled(history.clock, Scheduled(last_error=CANARY))
    found = history.check("scheduler", around=wrong)
    assert (found.status, found.sentence) == ("warning", "Could not be started: usage.")
    assert found.details["errors"] == {"usage": CANARY}


def test_where_no_server_runs_it_says_so_and_alarms_nobody(history: History) -> None:
    history.write("a")
    history.run()
    around = replace(well(history.clock), scheduler=None, control=None, serving=False)
    assert list(history.alarms(around=around)) == ["scheduler"]
    assert history.check("scheduler", around=around).status == "unknown"
    assert history.check("scheduler", around=around).sentence.startswith("No server runs")


def test_a_clock_that_jumps_is_told_of_and_stuck_in_nothing(history: History) -> None:
    history.write("a")
    history.clock.advance(hours=5)
    history.run()
    history.clock.advance(hours=-5)
    found = history.check("clock")
    assert (found.status, found.sentence) == (
        "warning",
        "The last run is noted 5 hours ahead of now.",
    )
    history.clock.advance(minutes=1)
    history.run()
    assert history.alarms() == {}, "the next run is of now"
    for jump in (-HOUR, HOUR):
        around = replace(well(history.clock), clock_jump=jump)
        assert history.check("clock", around=around).status == "warning"
    around = replace(well(history.clock), clock_jump=timedelta(seconds=-20))
    assert history.check("clock", around=around).status == "ok"


@pytest.mark.parametrize(
    ("how", "held", "status"),
    [
        ("there", True, "ok"),
        ("empty", False, "ok"),
        ("empty", True, "error"),
        ("missing", False, "warning"),
        ("missing", True, "error"),
        ("unreadable", False, "error"),
        ("unreadable", True, "error"),
    ],
)
def test_roots_that_are_not_as_they_were_are_told_of(
    history: History,
    how: RootCondition,
    held: bool,
    status: Status,
) -> None:
    if held:
        history.write("a")
    history.run()
    around = replace(well(history.clock), roots={ROOT: how, "/srv/other": "there"})
    found = history.check("roots", around=around)
    assert found.status == status
    assert ROOT not in found.sentence, "paths are details"
    assert found.details[ROOT] == {"is": how, "held": int(held)}


def test_no_root_at_all_is_a_warning_and_roots_nobody_looked_at_are_unknown(
    history: History,
) -> None:
    around = well(history.clock)
    assert history.check("roots", around=replace(around, roots={})).status == "warning"
    assert history.check("roots", around=replace(around, roots=None)).status == "unknown"
