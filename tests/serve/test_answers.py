"""Answers of reports: worked out once for many, kept while they are good, never without an end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from served import wait_for

from sessionmill.serve import answers as answering
from sessionmill.serve.answers import Answer, Answers


class Facts:
    """What answers are worked out of: it tells how often, and can be told to take long."""

    def __init__(self) -> None:
        self.commit, self.asked = 1, 0
        self.go_on, self.at_it = threading.Event(), threading.Event()
        self.go_on.set()

    def __call__(self) -> bytes:
        self.asked += 1
        told = b"of commit %d" % self.commit
        self.at_it.set()
        assert self.go_on.wait(30)
        return told

    def hold(self) -> Callable[[], None]:
        """Let the next answers take until what is returned is called."""
        self.go_on.clear()
        self.at_it.clear()
        return self.go_on.set


def get(answers: Answers, asked: str, work_out: Callable[[], bytes]) -> Answer:
    """Ask, and wait for the answer."""
    return asyncio.run(answers.get(asked, work_out))


@pytest.fixture
def facts() -> Facts:
    return Facts()


@pytest.fixture
def answers(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    """Answers that are old as soon as the facts have changed."""
    monkeypatch.setattr(answering, "FRESH", 0.0)
    answers = Answers(lambda: facts.commit)
    yield answers
    facts.go_on.set()
    answers.close()


def test_what_is_asked_again_is_not_worked_out_again_until_the_facts_change(
    answers: Answers, facts: Facts
) -> None:
    for _ in range(3):
        assert get(answers, "a", facts).body == b"of commit 1"
    assert facts.asked == 1
    facts.commit = 2
    assert get(answers, "a", facts).body == b"of commit 2"
    assert get(answers, "b", facts).body == b"of commit 2"
    assert facts.asked == 3


def test_one_answer_is_worked_out_for_all_who_ask_meanwhile(answers: Answers, facts: Facts) -> None:
    go_on = facts.hold()
    with ThreadPoolExecutor(20) as pool:
        asking = [pool.submit(get, answers, "a", facts) for _ in range(20)]
        assert facts.at_it.wait(30)
        go_on()
        assert {one.result().body for one in asking} == {b"of commit 1"}
    assert facts.asked == 1


async def _ask_all(answers: Answers, facts: Facts, go_on: Callable[[], None]) -> int:
    """Let a hundred wait for an answer each; return how many threads that takes."""
    before = threading.active_count()
    asking = [asyncio.ensure_future(answers.get(str(n), facts)) for n in range(100)]
    await asyncio.sleep(0.1)
    taken = threading.active_count() - before
    go_on()
    await asyncio.gather(*asking)
    return taken


def test_who_waits_for_an_answer_takes_no_thread(answers: Answers, facts: Facts) -> None:
    taken = asyncio.run(_ask_all(answers, facts, facts.hold()))

    assert facts.asked == 100
    assert taken <= 2, "those that work answers out"


async def _give_up(answers: Answers, facts: Facts, go_on: Callable[[], None]) -> bytes:
    """Let one who waits go away, and return what another hears who waits for the same."""
    asking, other = (asyncio.ensure_future(answers.get("a", facts)) for _ in range(2))
    await asyncio.sleep(0.1)
    asking.cancel()
    go_on()
    return (await other).body


def test_one_who_goes_away_takes_the_answer_from_nobody(answers: Answers, facts: Facts) -> None:
    blocked = facts.hold()
    with ThreadPoolExecutor() as pool:  # what works answers out is busy: theirs is not begun
        busy = [pool.submit(get, answers, name, facts) for name in ("x", "y")]
        assert facts.at_it.wait(30)
        wait_for(lambda: facts.asked == 2)
        assert asyncio.run(_give_up(answers, facts, blocked)) == b"of commit 1"
        for one in busy:
            one.result()


def test_the_old_answer_is_given_while_a_new_one_takes_long_and_then_the_new_one(
    answers: Answers, facts: Facts
) -> None:
    get(answers, "a", facts)
    facts.commit = 2
    go_on = facts.hold()
    for _ in range(2):
        begun = time.monotonic()
        assert get(answers, "a", facts).body == b"of commit 1"
        assert time.monotonic() - begun < 10
    go_on()
    wait_for(lambda: get(answers, "a", facts).body == b"of commit 2")
    assert facts.asked == 2


def test_an_answer_that_is_too_old_is_given_to_nobody(
    answers: Answers, facts: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    get(answers, "a", facts)
    monkeypatch.setattr(answering, "OLDEST", 0.0)
    facts.commit = 2
    go_on = facts.hold()
    with ThreadPoolExecutor() as pool:
        asking = pool.submit(get, answers, "a", facts)
        assert facts.at_it.wait(30)
        time.sleep(answering.PATIENCE * 2)
        assert not asking.done()
        go_on()
        assert asking.result().body == b"of commit 2"


def test_for_a_moment_an_answer_is_good_though_the_facts_have_changed(
    answers: Answers, facts: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "FRESH", 60.0)
    get(answers, "a", facts)
    facts.commit = 2
    assert get(answers, "a", facts).body == b"of commit 1"
    answers.renew()
    assert get(answers, "a", facts).body == b"of commit 2"


def test_once_it_is_renewed_not_even_an_answer_that_was_begun_before_is_given(
    answers: Answers, facts: Facts
) -> None:
    go_on = facts.hold()
    with ThreadPoolExecutor() as pool:
        before = pool.submit(get, answers, "a", facts)
        assert facts.at_it.wait(30)
        facts.commit = 2
        answers.renew()
        after = pool.submit(get, answers, "a", facts)
        time.sleep(0.1)
        go_on()
        assert before.result().body == b"of commit 1"
        assert after.result().body == b"of commit 2"


def test_an_error_is_told_to_all_who_wait_and_not_kept(answers: Answers, facts: Facts) -> None:
    def failing() -> bytes:
        facts()
        raise ValueError("not today")

    go_on = facts.hold()
    with ThreadPoolExecutor(5) as pool:
        asking = [pool.submit(get, answers, "a", failing) for _ in range(5)]
        assert facts.at_it.wait(30)
        go_on()
        for one in asking:
            with pytest.raises(ValueError, match="not today"):
                one.result()
    assert get(answers, "a", facts).body == b"of commit 1"


def test_what_is_committed_while_an_answer_is_worked_out_makes_it_old(
    answers: Answers, facts: Facts
) -> None:
    def while_others_commit() -> bytes:
        told = facts()
        facts.commit += 1
        return told

    assert get(answers, "a", while_others_commit).commit == 1
    assert get(answers, "a", facts).body == b"of commit 2"


def test_answers_take_no_more_room_than_they_may_and_the_latest_asked_stay(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "_BYTES", 100)
    asked: list[str] = []

    def of(name: str, size: int) -> Callable[[], bytes]:
        def work_out() -> bytes:
            asked.append(name)
            return b"x" * size

        return work_out

    for name in ("a", "b", "c"):
        get(answers, name, of(name, 40))  # c drives a out
    for name in ("b", "c", "a", "c"):  # a drives b out
        get(answers, name, of(name, 40))
    assert asked == ["a", "b", "c", "a"]
    for _ in range(2):
        assert len(get(answers, "large", of("large", 101)).body) == 101
    get(answers, "c", of("c", 40))
    assert asked == ["a", "b", "c", "a", "large", "large"], "it is not kept, and drives none out"
