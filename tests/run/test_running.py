"""What runs in one process: one run of each processor; and all told to stop, or broken off."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from run_place import Place, errors_of, figures

from samples import sampled
from sessionmill.collect.discover import walk
from sessionmill.collect.roots import sessions_root
from sessionmill.errors import AlreadyRunning
from sessionmill.run.runner import Runner
from sessionmill.run.running import Allowance, Running, UnderWay
from sessionmill.run.tally import Tally
from sessionmill.testing import FakeClock

SINCE = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
MOODY = "run_slow:SlowAndMoody"
ENDLESS = [
    "run_endless:EndlessForLong",
    "run_endless:EndlessInPython",
    "run_endless:EndlessExtractor",
]


def of(*processors: str) -> list[UnderWay]:
    return [UnderWay(f"run of {name}", name, SINCE, "cli:alice") for name in processors]


# ── one at a time ──


def test_a_second_run_is_told_since_when_and_for_whom_the_first_goes_on() -> None:
    running = Running()
    with running.alone(of("usage")):
        with pytest.raises(AlreadyRunning, match="09:30:00 UTC, for cli:alice") as refused:
            running.refuse("usage")
        assert (refused.value.since, refused.value.actor) == (SINCE, "cli:alice")
        with pytest.raises(AlreadyRunning), running.alone(of("usage")):
            raise AssertionError("it was let in")
        running.refuse("inventory")
        with running.alone(of("inventory")):
            assert set(running.under_way()) == {"usage", "inventory"}
    assert running.under_way() == {}


def test_of_several_that_are_refused_none_is_taken_to_run() -> None:
    running = Running()
    with running.alone(of("usage")):
        with pytest.raises(AlreadyRunning), running.alone(of("inventory", "usage")):
            raise AssertionError("it was let in")
        assert set(running.under_way()) == {"usage"}, "and the first goes on"


def test_whatever_a_run_raises_the_next_one_may_begin() -> None:
    running = Running()
    for error in (ValueError, KeyboardInterrupt, SystemExit):
        with pytest.raises(error), running.alone(of("usage")):
            raise error
        running.refuse("usage")


def test_of_many_that_begin_at_once_one_does() -> None:
    running, together = Running(), threading.Barrier(8)
    let_in: list[int] = []
    out = threading.Event()

    def begin(number: int) -> None:
        together.wait(10)
        try:
            with running.alone(of("usage")):
                let_in.append(number)
                out.wait(10)
        except AlreadyRunning:
            if len(refused) == 6:
                out.set()
            refused.append(number)

    refused: list[int] = []
    threads = [threading.Thread(target=begin, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (len(let_in), len(refused)) == (1, 7)


def test_what_is_under_way_is_told_as_it_was_and_cannot_be_changed() -> None:
    running = Running()
    with running.alone(of("usage")):
        told = running.under_way()
        told.clear()
        assert running.under_way()["usage"].run_id == "run of usage"


# ── stop and abort ──


def test_time_is_over_at_its_end_or_when_all_are_to_stop() -> None:
    running = Running()
    later = time.monotonic() + 60
    assert not Allowance(running).over()
    assert not Allowance(running, later).over()
    assert Allowance(running, time.monotonic()).over()
    running.stop()
    assert Allowance(running).over()
    assert Allowance(running, later).over()


def test_what_is_over_is_not_broken_off_any_more() -> None:
    running = Running()
    broken_off: list[str] = []
    with running.abortable(lambda: broken_off.append("first")):
        pass
    with running.abortable(lambda: broken_off.append("second"), lambda: broken_off.append("third")):
        running.abort()
    running.abort()
    assert broken_off == ["second", "third"]
    assert running.stopping


# ── whole runs ──


@pytest.fixture
def place(tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with Place(tmp_path, clock) as place:
        monkeypatch.setenv("ENOUGH", str(place.sessions / "enough"))
        yield place


class Begun:
    """A run that goes on in a thread of its own."""

    def __init__(self, place: Place, running: Running, spec: str) -> None:
        self._tallies: list[Tally] = []
        runner = Runner(place.store.beside(), place.clock, lambda: 0.0, running=running)
        processors, found = place.processors(spec), walk([sessions_root(place.sessions)])

        def run() -> None:
            self._tallies += runner.run(processors, found, actor="cli:tester")

        self._thread = threading.Thread(target=run)
        self._thread.start()

    def end(self, within: float) -> Tally:
        """Return its figures."""
        self._thread.join(within)
        assert not self._thread.is_alive(), f"it goes on after {within} s"
        [tally] = self._tallies
        return tally


def wait_for(what: Path, lines: int) -> None:
    end = time.monotonic() + 60
    while not what.exists() or what.read_text().count("\n") < lines:
        assert time.monotonic() < end
        time.sleep(0.01)


def wait_for_work(place: Place) -> None:
    """Wait until something is at work, and then until it is at the transcript without end."""
    end = time.monotonic() + 60
    while not place.ask("FROM in_flight"):
        assert time.monotonic() < end
        time.sleep(0.05)
    time.sleep(1.5)


def test_a_run_that_is_told_to_stop_leaves_the_rest_for_the_next(place: Place) -> None:
    names = place.write_many(20)
    running = Running()
    begun = Begun(place, running, MOODY)
    wait_for(place.sessions / "notes.txt", 3)
    running.stop()
    tally = begun.end(20)
    assert tally.errors == []
    assert 3 <= tally.processed < len(names)
    assert tally.capped == len(names) - tally.processed
    assert place.ask("FROM in_flight") == []
    assert place.column("SELECT capped FROM runs") == [tally.capped]
    assert running.under_way() == {}
    assert place.run_one(MOODY).processed == tally.capped, "and they are done by it"


def test_an_extractors_run_that_is_told_to_stop_ends_between_batches(place: Place) -> None:
    names = place.write_many(200)  # 0.08 s each, in batches of some dozens
    running = Running()
    begun = Begun(place, running, "run_slow:SlowExtractor")
    wait_for_work(place)
    running.stop()
    tally = begun.end(60)
    assert tally.errors == []
    assert 0 < tally.processed < len(names)
    assert tally.processed + tally.capped == len(names)
    assert place.ask("FROM in_flight") == []
    done = place.column("SELECT session_file FROM session_processor_state WHERE attempts = 0")
    assert len(done) == tally.processed


def test_a_run_that_begins_after_the_stop_does_nothing_and_says_so(place: Place) -> None:
    names = place.write_many(5)
    running = Running()
    running.stop()
    for spec in (MOODY, "usage"):
        tally = Begun(place, running, spec).end(20)
        assert (tally.processed, tally.capped, tally.errors) == (0, len(names), [])


@pytest.mark.parametrize("spec", sampled(ENDLESS, 3))
def test_what_is_broken_off_is_charged_to_nobody_and_done_by_the_next_run(
    place: Place, spec: str
) -> None:
    names = place.write_many(3, "s01-culprit")
    running = Running()
    begun = Begun(place, running, spec)
    wait_for_work(place)
    running.abort()
    tally = begun.end(15)
    assert errors_of(tally) == {}
    assert tally.processed + tally.capped == len(names)
    assert tally.capped >= 1
    assert place.column("SELECT sum(attempts) FROM session_processor_state") in ([None], [0])
    assert place.column("SELECT count(*) FROM runs") == [1]
    assert running.under_way() == {}

    (place.sessions / "enough").touch()
    if "ForLong" in spec:
        place.path("s01-culprit").unlink()  # nothing makes that statement end
    after = place.run_one(spec)
    assert errors_of(after) == {}
    left = place.processors(spec)[0].name
    states = place.ask(
        "SELECT count(*) FROM session_processor_state"
        " WHERE processor_name = ? AND attempts = 0 AND processed_at IS NOT NULL",
        left,
    )
    assert states == [(len(names) - ("ForLong" in spec),)]
    assert place.ask("FROM in_flight") == []
    assert figures(place.run_one(spec))["scanned"] == 0
