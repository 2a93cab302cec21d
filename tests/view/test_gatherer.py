"""Figures are gathered in the background, and a failure is said and got over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from sessionmill.view.gatherer import SHARE, Gatherer


def counter() -> Callable[[], int]:
    numbers = iter(range(1, 1_000_000))
    return lambda: next(numbers)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_what_was_gathered_last_is_there_at_once() -> None:
    gatherer = Gatherer(counter())
    assert (gatherer.latest, gatherer.problem) == (None, None)
    gatherer.once()
    gatherer.once()
    assert gatherer.latest == 2


def test_a_failure_is_a_problem_and_what_was_gathered_before_stays() -> None:
    answers: Iterator[int | Exception] = iter([1, LookupError("the facts are closed"), 3])

    def gather() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    gatherer = Gatherer(gather)
    gatherer.once()
    gatherer.once()
    assert (gatherer.latest, gatherer.problem) == (1, "LookupError: the facts are closed")
    gatherer.once()
    assert (gatherer.latest, gatherer.problem) == (3, None)


def test_it_gathers_again_and_again_until_it_is_stopped() -> None:
    gatherer = Gatherer(counter(), pause=0.001)
    gatherer.start()
    until(lambda: (gatherer.latest or 0) >= 5)
    gatherer.stop()
    last = gatherer.latest
    time.sleep(0.05)
    assert gatherer.latest == last
    assert "gatherer" not in {thread.name for thread in threading.enumerate()}


def test_who_hurries_it_need_not_wait_for_its_pause() -> None:
    gatherer = Gatherer(counter(), pause=3600.0)
    gatherer.start()
    until(lambda: gatherer.latest == 1)
    gatherer.hurry()
    until(lambda: gatherer.latest == 2)
    gatherer.stop()


def test_however_it_is_hurried_it_takes_no_more_than_its_share() -> None:
    busy = 0.0

    def gather() -> float:
        nonlocal busy
        began = time.monotonic()
        time.sleep(0.01)
        busy += time.monotonic() - began
        return busy

    gatherer = Gatherer(gather, pause=0.0)
    began = time.monotonic()
    gatherer.start()
    while time.monotonic() - began < 0.5:
        gatherer.hurry()
        time.sleep(0.001)
    # What it is about to begin may still be added.
    lasted = time.monotonic() - began
    gatherer.stop()
    assert busy <= lasted * SHARE * 1.5 + 0.05


def test_one_that_was_never_started_stops_at_once() -> None:
    Gatherer(counter()).stop()


def test_a_gathering_that_hangs_does_not_hold_a_stop_for_ever() -> None:
    hanging = threading.Event()
    gatherer = Gatherer(hanging.wait)
    gatherer.start()
    gatherer.stop(patience=0.05)
    assert gatherer.latest is None, "how old figures are, health tells"
    hanging.set()


@pytest.mark.parametrize("error", [ValueError("x"), RuntimeError("y")])
def test_whatever_is_raised_the_thread_goes_on(error: Exception) -> None:
    tries = iter([error, error])

    def gather() -> int:
        for one in tries:
            raise one
        return 7

    gatherer = Gatherer(gather, pause=0.001)
    gatherer.start()
    until(lambda: gatherer.latest == 7)
    gatherer.stop()
