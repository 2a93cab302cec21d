"""What a run's figures say of it: what was left, how it ended, when a paused processor is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sessionmill.run.tally import Tally

NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def tally(**figures: int) -> Tally:
    made = Tally("usage")
    for name, figure in figures.items():
        setattr(made, name, figure)
    return made


def paused(after: float | None = None) -> Tally:
    made = tally(scanned=1)
    made.pause_reason, made.pause_after = "no route to the judge", after
    return made


def test_a_new_tally_has_counted_nothing_and_is_well() -> None:
    assert Tally("usage").report() == {
        "processor": "usage",
        "seen": 0,
        "scanned": 0,
        "processed": 0,
        "skipped": 0,
        "capped": 0,
        "errors": 0,
        "items_extracted": 0,
        "errors_detail": [],
        "seconds": 0.0,
    }
    assert Tally("usage").outcome == "ok"


def test_the_report_holds_every_figure_and_each_error_by_its_session() -> None:
    figures = tally(seen=20, scanned=10, processed=4, skipped=3, items_extracted=77)
    figures.seconds = 1.23456
    figures.fail("alice/a.jsonl", "ValueError: no")
    figures.fail("bob/b.jsonl", "KeyError: 'x'")

    assert figures.report() == {
        "processor": "usage",
        "seen": 20,
        "scanned": 10,
        "processed": 4,
        "skipped": 3,
        "capped": 1,
        "errors": 2,
        "items_extracted": 77,
        "errors_detail": [
            {"session": "alice/a.jsonl", "error": "ValueError: no"},
            {"session": "bob/b.jsonl", "error": "KeyError: 'x'"},
        ],
        "seconds": 1.235,
    }


def test_what_needed_a_look_and_got_none_is_capped() -> None:
    assert tally(scanned=5, processed=2, skipped=2).capped == 1
    assert tally(scanned=5, processed=3, skipped=2).capped == 0
    assert tally(scanned=5, processed=3, skipped=3).capped == 0, "never less than none"


def test_an_error_of_the_run_itself_is_no_session_that_failed() -> None:
    figures = tally(scanned=1)
    figures.errors.append(("/srv/sessions", "permission denied"))

    assert figures.capped == 1
    assert figures.outcome == "errors"


def test_an_outcome_is_the_worst_of_what_happened() -> None:
    figures = tally(scanned=1)
    assert figures.outcome == "capped"
    figures.fail("alice/a.jsonl", "no")
    assert figures.outcome == "errors"
    figures.pause_reason = ""
    assert figures.outcome == "paused", "a reason may be empty"
    figures.broken = True
    assert figures.outcome == "broken off"


def test_tallies_do_not_share_their_errors() -> None:
    Tally("usage").fail("alice/a.jsonl", "no")
    assert (Tally("usage").errors, Tally("usage").warnings) == ([], [])


def test_a_run_that_did_not_pause_is_not_resumed() -> None:
    assert tally(scanned=1).resume_at(NOW, HOUR) is None


@pytest.mark.parametrize(
    ("earlier", "wait"),
    [
        (None, MINUTE),
        (MINUTE, 4 * MINUTE),
        (4 * MINUTE, 16 * MINUTE),
        (15 * MINUTE, HOUR),
        (16 * MINUTE, HOUR),
        (HOUR, HOUR),
    ],
    ids=str,
)
def test_a_paused_processor_is_asked_each_time_four_times_later_up_to_an_hour(
    earlier: timedelta | None, wait: timedelta
) -> None:
    assert paused().resume_at(NOW, earlier) == NOW + wait


@pytest.mark.parametrize(
    ("after", "wait"),
    [(0, MINUTE), (59, MINUTE), (61, timedelta(seconds=61)), (3600, HOUR), (7200, HOUR)],
)
def test_a_processor_that_names_a_time_is_asked_no_sooner_but_within_an_hour(
    after: float, wait: timedelta
) -> None:
    assert paused(after).resume_at(NOW, None) == NOW + wait
