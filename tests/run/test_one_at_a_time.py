"""One run of each processor at a time: a second one is refused, never queued."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from run_place import Place, key

from sessionmill.errors import AlreadyRunning
from sessionmill.run.tally import Tally
from sessionmill.testing import FakeClock

PATIENT = "run_effectful:Patient"


@pytest.fixture
def place(tmp_path: Path, clock: FakeClock) -> Iterator[Place]:
    with Place(tmp_path, clock) as place:
        place.write("s1")
        yield place


@contextmanager
def running(place: Place, spec: str) -> Iterator[list[Tally]]:
    """Keep a run of a patient processor going meanwhile; its figures are there when it ended."""
    tallies: list[Tally] = []
    thread = threading.Thread(target=lambda: tallies.extend(place.run(spec)))
    thread.start()
    notes = place.sessions / "notes.txt"
    try:
        end = time.monotonic() + 20
        while not notes.exists() and time.monotonic() < end:
            time.sleep(0.01)
        assert notes.exists()
        yield tallies
    finally:
        (place.sessions / "enough").touch()
        thread.join(20)
    assert not thread.is_alive()


def test_a_second_run_of_a_processor_is_refused_at_once(place: Place) -> None:
    with running(place, PATIENT) as first:
        begun = time.monotonic()
        with pytest.raises(AlreadyRunning, match="patient"):
            place.run(PATIENT)
        assert time.monotonic() - begun < 5
    assert [tally.processed for tally in first] == [1], "the first run was not disturbed"
    assert place.column("SELECT processed FROM runs") == [1], "a refused run leaves no row"


def test_a_run_of_several_is_refused_as_a_whole(place: Place) -> None:
    with running(place, PATIENT), pytest.raises(AlreadyRunning, match="patient"):
        place.run("usage", PATIENT)
    assert place.tables() == ["lines_of"], "usage did not run"


def test_the_processor_can_be_run_again_once_the_first_run_has_ended(place: Place) -> None:
    with running(place, PATIENT):
        pass
    assert place.run_one(PATIENT).scanned == 0


def test_the_processor_can_be_run_again_after_a_run_that_broke_off(place: Place) -> None:
    processors = place.processors("usage")
    with pytest.raises(AttributeError):
        place.runner.run(processors, None, actor="cli:tester")  # type: ignore[arg-type]
    assert place.run_one("usage").processed == 1


def test_what_a_run_does_is_in_flight_meanwhile(place: Place) -> None:
    with running(place, PATIENT):
        rows = place.ask("SELECT processor_name, session_file, deaths, at_work FROM in_flight")
    assert rows == [("patient", key("s1"), 0, True)]
    assert place.ask("FROM in_flight") == []
