"""Rollups of an extractor follow its rows, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from run_place import Place, key, told

from conftest import Mill
from sessionmill.run.runner import Runner
from sessionmill.shadow import compare
from sessionmill.testing import ClaudeTranscript, FakeClock

SUMMED, ANEW, BY_CHANCE = (f"run_extractors:Summed{kind}" for kind in ("", "Anew", "ByChance"))
INVENTORY = "inventory"


@pytest.fixture
def place(tmp_path: Path, clock: FakeClock) -> Iterator[Place]:
    with Place(tmp_path, clock) as place:
        yield place


def sums(place: Place) -> list[tuple[str, int]]:
    return [
        (id, lines)
        for id, lines in place.ask("SELECT session_id, lines FROM offset_sums ORDER BY ALL")
    ]


def test_a_rollup_follows_what_is_new_what_grew_and_what_was_replaced(place: Place) -> None:
    for name in ("s1", "s2", "s3"):
        place.write(name, told(name))
    place.run_one(SUMMED)
    assert sums(place) == [("s1", 2), ("s2", 2), ("s3", 2)]

    place.write("s2", told("s2", prompts=3))
    place.run_one(SUMMED)
    assert sums(place) == [("s1", 2), ("s2", 6), ("s3", 2)]
    assert place.ask("FROM offset_lines") == [(10,)]

    place.write("s3", told("s4"))
    place.run_one(SUMMED)
    assert sums(place) == [("s1", 2), ("s2", 6), ("s4", 2)]
    assert place.ask("FROM stale_sessions") == []


def test_a_rollup_of_sessions_that_have_not_changed_is_left_alone(place: Place) -> None:
    for name in ("s1", "s2", "s3"):
        place.write(name, told(name))
    place.run_one(SUMMED)
    place.ask("UPDATE offset_sums SET lines = 70 WHERE session_id = 's1'")
    place.write("s2", told("s2", prompts=3))
    place.run_one(SUMMED)
    assert sums(place) == [("s1", 70), ("s2", 6), ("s3", 2)]


def test_where_most_sessions_have_changed_a_rollup_is_made_whole(place: Place) -> None:
    for name in ("s1", "s2", "s3"):
        place.write(name, told(name))
    place.run_one(SUMMED)
    place.ask("UPDATE offset_sums SET lines = 70 WHERE session_id = 's1'")
    for name in ("s2", "s3"):
        place.write(name, told(name, prompts=3))
    place.run_one(SUMMED)
    assert sums(place) == [("s1", 2), ("s2", 6), ("s3", 6)]


def test_a_rollup_that_is_declared_no_more_is_gone_and_a_new_one_is_made_of_what_is_there(
    place: Place,
) -> None:
    place.write("s1")
    place.run_one(SUMMED)
    place.run_one(ANEW)
    assert place.tables() == ["offset_ends", "offsets"]
    assert place.column("SELECT name FROM rollups WHERE whole") == ["offset_ends"]
    assert place.ask("SELECT session_id, last FROM offset_ends") == place.ask(
        "SELECT session_id, max(line_offset) FROM offsets GROUP BY session_id"
    )


def test_rows_that_are_swapped_in_are_summed_up(place: Place) -> None:
    asked = ClaudeTranscript("s1")
    asked.prompt("Nobody answers.")
    place.write("s1", asked)
    place.write("s2", told("s2"))
    place.write("s3", told("s3"))
    place.run_one(SUMMED)
    assert sums(place) == [("s1", 1), ("s2", 2), ("s3", 2)]
    for spec, expected in (
        ("run_extractors:SummedAnswers", [("s2", 1), ("s3", 1)]),
        ("run_extractors:SummedAll", [("s1", 1), ("s2", 2), ("s3", 2)]),
    ):
        for name in ("s1", "s2", "s3"):  # each alone: of no swap most sessions are a part
            swap_in(place, spec, name)
        assert sums(place) == expected


def swap_in(place: Place, spec: str, name: str) -> None:
    [processor] = place.processors(spec)
    compare(
        place.facts,
        processor,
        new_runner=lambda store: Runner(store, place.clock, lambda: 0.0),
        clock=place.clock,
        actor="cli:tester",
        session_key=key(name),
        swapping=True,
    )


def test_sql_that_is_refused_over_some_rows_is_an_error_of_its_processor_alone(
    place: Place,
) -> None:
    place.write("s1", told("s1"))
    place.run(BY_CHANCE, INVENTORY)
    place.write("s1", told("s1", prompts=2))
    failing, other = place.run(BY_CHANCE, INVENTORY)
    [(named, reason)] = failing.errors
    assert named == "offsets"
    assert "more than three lines" in reason
    assert other.errors == []
    assert place.ask("SELECT count(*) FROM offsets") == [(4,)], "rows are kept"
    assert sums(place) == [("s1", 2)], "and what they were summed up to before"

    place.run_one(SUMMED)
    assert sums(place) == [("s1", 4)]


def test_what_a_run_did_not_live_to_sum_up_the_next_command_does(
    tmp_path: Path, clock: FakeClock, mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: object) -> None:
        raise KeyboardInterrupt

    with Place(tmp_path, clock) as place:
        place.write("s1", told("s1", prompts=2))
        monkeypatch.setattr(place.store, "roll_up", killed)
        with pytest.raises(KeyboardInterrupt):
            place.run_one("usage")
    [total] = mill("report", "usage", "--json").rows
    assert (total["prompts"], total["responses"]) == (2, 2)
