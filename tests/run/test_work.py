"""What becomes of a (processor, session): waits, attempts, dead letters, suspects of a death."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sessionmill.collect.discover import Found
from sessionmill.run.work import (
    DEATHS_TO_CHARGE,
    Leftover,
    RetryPolicy,
    State,
    Task,
    failed,
    succeeded,
    suspects,
)

NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
FOUND = Found("alice/s.jsonl", "alice", "/srv", "/srv/alice/s.jsonl", 500, 7)
TASK = Task(
    processor="usage", version=1, found=FOUND, known=True, stored_version=1, stored_size=500
)

policies = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 50),
    first_wait=st.timedeltas(timedelta(seconds=1), timedelta(hours=1)),
    factor=st.integers(1, 4),
    longest_wait=st.timedeltas(timedelta(hours=1), timedelta(days=30)),
    spread=st.floats(0, 0.9),
)
spreads = st.floats(-1, 1)


def next_task(task: Task, state: State) -> Task:
    """Return the same session's next task, as the store reads it back from its state row."""
    return replace(
        task,
        stored_version=state.version,
        stored_size=state.size,
        safe_offset=state.safe_offset,
        fingerprint=state.fingerprint,
        carry=state.carry,
        file_hash=state.file_hash,
        attempts=state.attempts,
        failing_since=state.failing_since,
        processed_at=state.processed_at,
    )


def fail_often(task: Task, times: int, policy: RetryPolicy) -> list[State]:
    """Fail again and again, a minute apart; return the states."""
    states = []
    for number in range(times):
        states.append(failed(task, "no", NOW + timedelta(minutes=number), policy))
        task = next_task(task, states[-1])
    return states


# ── waits ──


def test_the_waits_are_those_of_the_design() -> None:
    minutes = [RetryPolicy().wait_after(n) / timedelta(minutes=1) for n in range(1, 8)]
    assert minutes == [1, 4, 16, 64, 256, 360, 360]


def test_by_default_five_attempts_are_made_and_waits_are_spread_by_a_fifth() -> None:
    states = fail_often(TASK, 5, RetryPolicy())
    assert [state.dead_at is not None for state in states] == [False] * 4 + [True]
    assert RetryPolicy().wait_after(1, 1.0) == timedelta(seconds=72)
    assert RetryPolicy().wait_after(1, -1.0) == timedelta(seconds=48)


def test_a_wait_grows_for_seventeen_attempts_and_then_no_more() -> None:
    policy = RetryPolicy(
        first_wait=timedelta(seconds=1), factor=2, longest_wait=timedelta(days=300)
    )
    seconds = [policy.wait_after(n) / timedelta(seconds=1) for n in (1, 2, 16, 17, 18, 10_000)]
    assert seconds == [1, 2, 2**15, 2**16, 2**16, 2**16]


@given(policies, st.integers(1, 10_000), spreads)
def test_a_wait_never_shrinks(policy: RetryPolicy, attempts: int, spread: float) -> None:
    assert policy.wait_after(attempts, spread) <= policy.wait_after(attempts + 1, spread)


@given(policies, st.integers(1, 10_000), spreads)
def test_a_wait_never_passes_the_longest_by_more_than_its_spread(
    policy: RetryPolicy, attempts: int, spread: float
) -> None:
    wait = policy.wait_after(attempts, spread)
    longest = policy.longest_wait * (1 + policy.spread)
    assert timedelta(0) < wait <= longest + timedelta(microseconds=1)


@given(policies, st.integers(1, 10_000), spreads)
def test_a_wait_is_spread_by_no_more_than_the_policy_says(
    policy: RetryPolicy, attempts: int, spread: float
) -> None:
    plain, wait = policy.wait_after(attempts), policy.wait_after(attempts, spread)
    assert abs(wait - plain) <= plain * policy.spread + timedelta(microseconds=1)


# ── attempts ──


@given(policies, st.integers(1, 60))
def test_a_session_is_a_dead_letter_from_the_attempt_on_that_spends_them(
    policy: RetryPolicy, times: int
) -> None:
    for number, state in enumerate(fail_often(TASK, times, policy), 1):
        spent = number >= policy.max_attempts
        assert state.attempts == number
        assert (state.dead_at is not None) == spent
        assert (state.next_attempt_at is None) == spent, "a dead letter waits for a person"


def test_a_failed_session_waits_from_its_last_attempt_on() -> None:
    first, second = fail_often(TASK, 2, RetryPolicy())
    assert first.next_attempt_at == NOW + timedelta(minutes=1)
    assert second.next_attempt_at == NOW + timedelta(minutes=1 + 4)


@given(policies, st.integers(0, 60))
def test_new_content_starts_the_count_anew(policy: RetryPolicy, before: int) -> None:
    task = replace(TASK, attempts=before, found=_resized(501))
    state = failed(task, "no", NOW, policy)
    assert state.attempts == 1
    assert (state.dead_at is None) == (policy.max_attempts > 1)


def test_a_first_failure_counts_one_whatever_the_size() -> None:
    task = replace(TASK, known=False, stored_version=None, stored_size=None)
    assert failed(task, "no", NOW, RetryPolicy()).attempts == 1


@given(st.integers(2, 40))
def test_a_session_fails_since_its_first_failure(times: int) -> None:
    states = fail_often(TASK, times, RetryPolicy())
    assert {state.failing_since for state in states} == {NOW}


def test_success_forgets_failures() -> None:
    [state] = fail_often(TASK, 1, RetryPolicy())
    done = succeeded(next_task(TASK, state), NOW)
    assert (done.attempts, done.failing_since, done.dead_at) == (0, None, None)
    assert (done.next_attempt_at, done.last_error) == (None, None)


# ── what was taken in ──


@given(st.integers(0, 500), st.binary(max_size=20), st.text(max_size=20))
def test_a_failure_keeps_what_this_version_has_taken_in(
    offset: int, carry: bytes, fingerprint: str
) -> None:
    task = replace(TASK, safe_offset=offset, carry=carry, fingerprint=fingerprint, processed_at=NOW)
    state = failed(task, "no", NOW + timedelta(hours=1), RetryPolicy())
    assert (state.safe_offset, state.carry, state.fingerprint) == (offset, carry, fingerprint)
    assert state.processed_at == NOW


@given(st.integers(1, 500))
def test_a_failure_of_another_version_begins_at_the_start(offset: int) -> None:
    task = replace(TASK, version=2, safe_offset=offset, carry=b"x", fingerprint="f", file_hash="h")
    state = failed(task, "no", NOW, RetryPolicy())
    assert (state.safe_offset, state.carry, state.fingerprint) == (0, None, None)
    assert state.file_hash is None, "the same content is to be read again by the new version"


def test_a_state_tells_what_was_seen_before_reading() -> None:
    for state in (succeeded(TASK, NOW), failed(TASK, "no", NOW, RetryPolicy())):
        assert (state.size, state.mtime_ns) == (FOUND.size, FOUND.mtime_ns)


def test_an_extractor_goes_on_where_rows_of_its_version_are_stored_with_a_carry() -> None:
    assert replace(TASK, carry=b"x").goes_on is True
    assert replace(TASK, carry=b"").goes_on is True, "nothing to carry is a carry too"
    assert replace(TASK, carry=None).goes_on is False
    assert replace(TASK, carry=b"x", version=2).goes_on is False
    assert replace(TASK, carry=b"x", stored_version=None).goes_on is False


def test_content_has_changed_where_its_size_has_and_an_earlier_one_is_known() -> None:
    assert TASK.changed is False
    assert replace(TASK, stored_size=499).changed is True
    assert replace(TASK, stored_size=501).changed is True
    assert replace(TASK, stored_size=None).changed is False


def test_a_session_that_was_never_looked_at_has_no_past() -> None:
    task = Task(processor="usage", version=1, found=FOUND)
    assert (task.known, task.same_version, task.goes_on, task.changed) == (False,) * 4
    assert (task.safe_offset, task.attempts, task.items) == (0, 0, 0)


def test_success_tells_of_the_session_its_version_and_its_rows() -> None:
    assert succeeded(replace(TASK, items=3, file_hash="h"), NOW) == State(
        processor_name="usage",
        session_file="alice/s.jsonl",
        username="alice",
        version=1,
        size=500,
        mtime_ns=7,
        last_attempt_at=NOW,
        processed_at=NOW,
        items_extracted=3,
        file_hash="h",
        safe_offset=0,
        attempts=0,
    )


def test_a_failure_of_the_same_version_keeps_the_hash_of_what_was_read() -> None:
    assert failed(replace(TASK, file_hash="h"), "no", NOW, RetryPolicy()).file_hash == "h"


def test_a_failure_waits_by_the_spread_it_is_given() -> None:
    state = failed(TASK, "no", NOW, RetryPolicy(), 0.5)
    assert state.next_attempt_at == NOW + timedelta(seconds=66)
    assert (state.last_error, state.last_attempt_at) == ("no", NOW)


# ── suspects ──


def test_the_halves_of_a_batch_are_named_after_it_and_wait() -> None:
    assert suspects([Leftover("b", ("x", "y", "z"))]) == [
        Leftover("b.0", ("x", "y"), 0, at_work=False),
        Leftover("b.1", ("z",), 0, at_work=False),
    ]


def test_a_death_of_its_owner_is_counted_for_what_stood_alone_and_for_nothing_else() -> None:
    assert suspects([Leftover("b", ("x",))]) == [Leftover("b", ("x",), 1, at_work=False)]
    assert suspects([Leftover("b", ("x",), 1)]) == [Leftover("b", ("x",), 2, at_work=False)]
    halves = suspects([Leftover("b", ("x", "y"), 1)])
    assert [half.deaths for half in halves] == [0, 0]


def test_what_one_of_two_processors_was_at_work_with_was_at_work() -> None:
    waited, worked = Leftover("b", ("x",), 0, at_work=False), Leftover("b", ("x",), 1)
    for left in ([waited, worked], [worked, waited]):
        assert suspects(left) == [Leftover("b", ("x",), 2, at_work=False)]


def test_two_deaths_charge_a_session() -> None:
    assert DEATHS_TO_CHARGE == 2


def _batches(sizes: list[int]) -> list[list[str]]:
    return [[f"alice/{batch}-{n}.jsonl" for n in range(size)] for batch, size in enumerate(sizes)]


batches = st.lists(st.integers(1, 80), min_size=1, max_size=6).map(_batches)


def test_a_batch_is_halved_until_one_stands_alone() -> None:
    left = [Leftover("b", tuple("abcde"))]
    sizes = []
    while len(left[0].session_keys) > 1:
        left = suspects([replace(left[0], at_work=True)])
        sizes.append([len(part.session_keys) for part in left])
    assert sizes == [[3, 2], [2, 1], [1, 1]]


@given(batches)
def test_halving_loses_no_session_and_doubles_none(parts: list[list[str]]) -> None:
    left = [Leftover(f"b{number}", tuple(part)) for number, part in enumerate(parts)]
    after = [key for part in suspects(left) for key in part.session_keys]
    assert sorted(after) == sorted(key for part in parts for key in part)


@given(batches, st.integers(0, 1))
def test_a_suspect_that_only_waited_stays_as_it_is(parts: list[list[str]], deaths: int) -> None:
    left = [Leftover(f"b{n}", tuple(p), deaths, at_work=False) for n, p in enumerate(parts)]
    assert suspects(left) == left


def test_a_batch_left_by_two_processors_is_halved_once() -> None:
    left = Leftover("b", ("a", "b", "c"))
    assert suspects([left, left]) == suspects([left])


def test_a_session_left_by_one_of_two_processors_that_shared_a_batch_stays_a_suspect() -> None:
    shared = [Leftover("b", ("a", "b")), Leftover("b", ("a", "b", "c", "d"))]
    assert {key for part in suspects(shared) for key in part.session_keys} == set("abcd")


@given(batches, st.data())
def test_only_what_kills_its_owner_is_charged_and_soon(
    parts: list[list[str]], data: st.DataObject
) -> None:
    everything = [key for part in parts for key in part]
    killers = data.draw(st.sets(st.sampled_from(everything), max_size=3))
    charged, done, deaths = _run_until_quiet(parts, killers)
    assert charged == killers
    assert done == set(everything) - killers
    longest = max(map(len, parts))
    each = ceil(log2(longest)) + DEATHS_TO_CHARGE
    assert deaths <= each * len(killers), f"{deaths} deaths for {len(killers)} killers"


@pytest.mark.parametrize("size", [1, 2, 3, 50, 500])
def test_a_killer_dies_alone_twice_before_it_is_charged(size: int) -> None:
    part = [f"s{number}" for number in range(size)]
    charged, _, deaths = _run_until_quiet([part], {part[-1]})
    assert charged == {part[-1]}
    assert deaths >= DEATHS_TO_CHARGE, "nobody is charged for one dead owner"


def _run_until_quiet(parts: list[list[str]], killers: set[str]) -> tuple[set[str], set[str], int]:
    """Run batches in owner after owner, each ended by the first killer that it meets."""
    charged: set[str] = set()
    done: set[str] = set()
    deaths = 0
    waiting = [Leftover(f"b{n}", tuple(part), at_work=False) for n, part in enumerate(parts)]
    while waiting:
        part, *waiting = waiting
        if part.deaths >= DEATHS_TO_CHARGE:
            assert len(part.session_keys) == 1
            charged |= set(part.session_keys)
        elif killers & set(part.session_keys):
            deaths += 1
            assert deaths < 100, "it never ends"
            waiting = suspects([replace(part, at_work=True), *waiting])
        else:
            done |= set(part.session_keys)
    return charged, done, deaths


def _resized(size: int) -> Found:
    return Found("alice/s.jsonl", "alice", "/srv", "/srv/alice/s.jsonl", size, 7)
