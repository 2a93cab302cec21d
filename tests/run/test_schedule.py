"""The scheduler: each processor by its cadence, whatever the others and the clock do."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionmill.cadence import Cadence
from sessionmill.errors import AlreadyRunning
from sessionmill.run.schedule import FIRST_SECONDS, LOOK_SECONDS, NUDGE_GAP_SECONDS, Scheduler

NOON = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
#: Seconds that a test waits for what is to happen at once.
SOON = 30.0


@dataclass
class World:
    """Two clocks and runs that take as long as a test says: nothing in it sleeps."""

    now: datetime = NOON
    #: Of the monotonic clock: seconds since the world began.
    at: float = 0.0
    #: By processor, how long a run takes; no time at all without.
    lasts: dict[str, float] = field(default_factory=dict)
    #: By processor, what a run does before it ends.
    does: dict[str, Callable[[], None]] = field(default_factory=dict)
    #: (processor, seconds since the world began), of each start.
    starts: list[tuple[str, float]] = field(default_factory=list)
    looks: int = 0
    _under_way: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def scheduler(
        self,
        cadences: Mapping[str, object],
        last: Mapping[str, datetime] | None = None,
        spread: float = 0.0,
    ) -> Scheduler:
        return Scheduler(
            {name: Cadence.of(said) for name, said in cadences.items()},
            last or {},
            lambda name: self.does.get(name, lambda: None)(),
            lambda: self.now,
            lambda: spread,
            monotonic=lambda: self.at,
            launch=self._launch,
        )

    def _launch(self, run: Callable[[], None], name: str) -> None:
        self.starts.append((name, self.at))
        self._under_way.append((self.at + self.lasts.get(name, 0.0), run))

    def pass_by(self, scheduler: Scheduler, seconds: float) -> None:
        """Let time pass, with every look and every end of a run at its time."""
        end = self.at + seconds
        while True:
            wait = max(scheduler.tick(), 0.01)
            self.looks += 1
            if self._end_runs():
                continue  # an end wakes the scheduler
            if self.at >= end:
                return
            until = min([self.at + wait, end, *(at for at, _ in self._under_way)])
            self.now += timedelta(seconds=until - self.at)
            self.at = until
            self._end_runs()

    def _end_runs(self) -> bool:
        over = [run for at, run in self._under_way if at <= self.at]
        self._under_way = [(at, run) for at, run in self._under_way if at > self.at]
        for run in over:
            run()
        return bool(over)

    def jump(self, seconds: float) -> None:
        """Set the clock forward or back."""
        self.now += timedelta(seconds=seconds)

    def times(self, name: str) -> list[float]:
        return [round(at, 3) for started, at in self.starts if started == name]


@pytest.fixture
def world() -> World:
    return World()


def fails() -> None:
    raise ValueError("no such file")


# ── cadences ──


def test_each_processor_runs_on_its_own_cadence(world: World) -> None:
    scheduler = world.scheduler({"usage": 10, "inventory": "every 1h", "nightly": "daily 04:15"})
    world.pass_by(scheduler, DAY)
    assert Counter(name for name, _ in world.starts) == {
        "usage": 145,
        "inventory": 25,
        "nightly": 2,
    }
    assert world.times("nightly") == [0, 16 * HOUR + 15 * MINUTE]
    assert world.times("usage")[:3] == [0, 10 * MINUTE, 20 * MINUTE]


def test_a_day_of_looks_is_no_hot_loop(world: World) -> None:
    world.pass_by(world.scheduler({f"p{n}": n for n in range(1, 30)}), DAY)
    assert world.looks < 3 * DAY / LOOK_SECONDS


def test_what_never_ran_is_due_at_once_spread_over_its_first_minute(world: World) -> None:
    world.pass_by(world.scheduler({"usage": 600}, spread=0.5), HOUR)
    assert world.times("usage") == [FIRST_SECONDS / 2]


def test_what_ran_before_goes_on_from_then(world: World) -> None:
    last = {"usage": NOON - timedelta(minutes=4), "late": NOON - timedelta(days=3)}
    scheduler = world.scheduler({"usage": 10, "late": 10}, last)
    assert scheduler.states().jobs["usage"].next_at == NOON + timedelta(minutes=6)
    world.pass_by(scheduler, 7 * MINUTE)
    assert world.starts == [("late", 0), ("usage", 6 * MINUTE)], "what was missed runs once"


def test_a_last_start_ahead_of_now_counts_as_never(world: World) -> None:
    scheduler = world.scheduler({"usage": 10}, {"usage": NOON + timedelta(days=2)}, spread=1.0)
    assert scheduler.states().jobs["usage"].last_started is None
    world.pass_by(scheduler, 2 * MINUTE)
    assert world.times("usage") == [FIRST_SECONDS]


@settings(max_examples=30)
@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(1, 90), min_size=1),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 240)),
)
def test_each_starts_when_its_cadence_is_over_and_the_run_before_has_ended(
    minutes: dict[str, int], lasts: dict[str, int]
) -> None:
    world = World(lasts={name: lasted * MINUTE + 1 for name, lasted in lasts.items()})
    world.pass_by(world.scheduler(minutes), 8 * HOUR)
    for name, cadence in minutes.items():
        cadences_of_a_run = lasts.get(name, 0) // cadence + 1
        for one, following in pairwise(world.times(name)):
            expected = cadences_of_a_run * cadence * MINUTE
            assert following - one == pytest.approx(expected, abs=0.1 * cadences_of_a_run)


# ── slow, failing ──


def test_a_slow_one_delays_no_other_and_is_not_started_again(world: World) -> None:
    world.lasts["slow"] = 35 * MINUTE
    scheduler = world.scheduler({"slow": 10, "usage": 10})
    world.pass_by(scheduler, 34 * MINUTE)
    slow = scheduler.states().jobs["slow"]
    assert (slow.running_since, slow.running_seconds) == (NOON, 34 * MINUTE)
    assert (slow.refused, slow.refused_in_all) == (3, 3)
    world.pass_by(scheduler, 26 * MINUTE)
    assert world.times("slow") == [0, 40 * MINUTE], "its next start is the next that was due"
    assert world.times("usage") == [n * 10 * MINUTE for n in range(7)]


def test_one_that_never_returns_is_shown_to_run_and_delays_no_other(world: World) -> None:
    world.lasts["endless"] = 10 * DAY
    scheduler = world.scheduler({"endless": 10, "usage": 10})
    world.pass_by(scheduler, DAY)
    assert world.times("endless") == [0]
    assert len(world.times("usage")) == 145
    assert scheduler.states().jobs["endless"].running_seconds == DAY
    assert scheduler.states().jobs["endless"].refused == 144


def test_refusals_are_counted_in_a_row_and_in_all(world: World) -> None:
    world.lasts["usage"] = 15 * MINUTE
    scheduler = world.scheduler({"usage": 10})
    world.pass_by(scheduler, 16 * MINUTE)
    usage = scheduler.states().jobs["usage"]
    assert (usage.refused, usage.refused_in_all, usage.running_since) == (0, 1, None)


def test_one_that_fails_is_tried_again_on_its_cadence_and_says_why(world: World) -> None:
    world.does["broken"] = fails
    scheduler = world.scheduler({"broken": 10, "usage": 10})
    world.pass_by(scheduler, HOUR)
    assert world.times("broken") == world.times("usage")
    broken = scheduler.states().jobs["broken"]
    assert broken.last_error == "ValueError: no such file"
    assert broken.last_started == NOON + timedelta(hours=1)
    assert scheduler.states().jobs["usage"].last_error is None

    world.does["broken"] = lambda: None
    world.pass_by(scheduler, 10 * MINUTE)
    assert scheduler.states().jobs["broken"].last_error is None


@pytest.mark.parametrize("ending", [SystemExit(1), KeyboardInterrupt(), MemoryError()])
def test_no_exception_of_a_run_ends_more_than_that_run(world: World, ending: BaseException) -> None:
    def end() -> None:
        raise ending

    world.does["broken"] = end
    scheduler = world.scheduler({"broken": 10})
    world.pass_by(scheduler, 25 * MINUTE)
    assert len(world.times("broken")) == 3
    assert type(ending).__name__ in str(scheduler.states().jobs["broken"].last_error)


def test_a_long_error_is_cut(world: World) -> None:
    def fail_at_length() -> None:
        raise ValueError("x" * 10_000)

    world.does["usage"] = fail_at_length
    scheduler = world.scheduler({"usage": 10})
    world.pass_by(scheduler, MINUTE)
    assert len(str(scheduler.states().jobs["usage"].last_error)) == 300


def test_what_cannot_be_started_has_failed_and_is_tried_on_its_cadence() -> None:
    world = World()

    def no_thread(_run: Callable[[], None], name: str) -> None:
        world.starts.append((name, world.at))
        raise RuntimeError("can't start new thread")

    scheduler = Scheduler(
        {"usage": Cadence.of(10)},
        {},
        lambda _: None,
        lambda: world.now,
        lambda: 0.0,
        monotonic=lambda: world.at,
        launch=no_thread,
    )
    world.pass_by(scheduler, 25 * MINUTE)
    assert world.times("usage") == [0, 10 * MINUTE, 20 * MINUTE]
    usage = scheduler.states().jobs["usage"]
    assert usage.running_since is None
    assert usage.last_error == "RuntimeError: can't start new thread"


# ── runs of somebody else ──


def is_running() -> None:
    raise AlreadyRunning("usage", NOON, "user:3")


def test_a_run_of_somebody_else_is_a_refusal_and_no_error(world: World) -> None:
    world.does["usage"] = is_running
    scheduler = world.scheduler({"usage": 10})
    world.pass_by(scheduler, 25 * MINUTE)
    usage = scheduler.states().jobs["usage"]
    assert (usage.refused, usage.last_error, usage.last_started) == (3, None, None)
    assert world.times("usage") == [0, 10 * MINUTE, 20 * MINUTE]


def test_a_nudge_during_a_run_of_somebody_else_is_kept_until_that_ends(world: World) -> None:
    scheduler = world.scheduler({"usage": 10})
    world.pass_by(scheduler, MINUTE)
    world.does["usage"] = is_running
    scheduler.nudge("usage")
    world.pass_by(scheduler, 20)
    tried = len(world.starts)
    assert 10 < tried < 30, "tried again, and not in a hot loop"
    assert scheduler.states().jobs["usage"].refused == 0, "no start of its cadence was"

    del world.does["usage"]
    world.pass_by(scheduler, MINUTE)
    assert len(world.starts) == tried + 1
    assert not scheduler.states().jobs["usage"].nudged


# ── nudges ──


def test_a_nudge_lets_one_run_soon(world: World) -> None:
    scheduler = world.scheduler({"usage": 10, "other": 10})
    world.pass_by(scheduler, MINUTE)
    scheduler.nudge("usage")
    world.pass_by(scheduler, MINUTE)
    assert world.times("usage") == [0, MINUTE]
    assert world.times("other") == [0]
    world.pass_by(scheduler, 9.5 * MINUTE)
    assert world.times("usage") == [0, MINUTE, 11 * MINUTE], "its cadence counts from the last run"


def test_nudges_before_a_run_are_one_and_those_during_it_make_one_more(world: World) -> None:
    world.lasts["usage"] = 20.0
    scheduler = world.scheduler({"usage": 10})
    world.pass_by(scheduler, MINUTE)
    for _ in range(5):
        scheduler.nudge("usage")
    world.pass_by(scheduler, 10)
    for _ in range(5):
        scheduler.nudge("usage")
    assert scheduler.states().jobs["usage"].nudged
    world.pass_by(scheduler, 5 * MINUTE)
    assert world.times("usage") == [0, 60, pytest.approx(80 + NUDGE_GAP_SECONDS, abs=0.05)]
    assert scheduler.states().jobs["usage"].refused_in_all == 0, "no start of its cadence was"


def test_a_nudge_in_the_last_moment_of_a_run_leads_to_one_more(world: World) -> None:
    scheduler = world.scheduler({"usage": 10})
    left = [None, None]

    def nudged_while_it_ends() -> None:
        if left:
            left.pop()
            scheduler.nudge("usage")

    world.does["usage"] = nudged_while_it_ends
    world.pass_by(scheduler, MINUTE)
    assert len(world.times("usage")) == 3


def test_a_flood_of_nudges_leaves_a_gap_between_runs(world: World) -> None:
    scheduler = world.scheduler({"usage": 10})
    world.does["usage"] = lambda: scheduler.nudge("usage")
    world.pass_by(scheduler, MINUTE)
    gaps = [b - a for a, b in pairwise(world.times("usage"))]
    assert min(gaps) >= NUDGE_GAP_SECONDS - 0.02
    assert len(gaps) > 100


def test_a_nudge_waits_for_no_first_minute(world: World) -> None:
    scheduler = world.scheduler({"usage": 10}, spread=1.0)
    scheduler.nudge("usage")
    world.pass_by(scheduler, 2 * MINUTE)
    assert world.times("usage") == [0]


# ── the clock jumps ──

jumps = st.lists(
    st.tuples(st.floats(1, 3 * HOUR), st.floats(-30 * HOUR, 30 * HOUR)), min_size=1, max_size=6
)


@settings(max_examples=40)
@given(jumps, st.sampled_from([1, 10, 60]), st.sampled_from([0.0, 90.0, 2 * HOUR]))
def test_however_the_clock_jumps_a_processor_neither_stands_still_nor_runs_hot(
    jumps: list[tuple[float, float]], minutes: int, lasts: float
) -> None:
    world = World(lasts={"usage": lasts})
    scheduler = world.scheduler({"usage": minutes, "nightly": "daily 04:15"})
    for seconds, jump in jumps:
        world.pass_by(scheduler, seconds)
        world.jump(jump)
    world.pass_by(scheduler, 3 * HOUR)
    times, length = world.times("usage"), minutes * MINUTE
    gaps = [b - a for a, b in pairwise([*times, world.at])]
    assert max(gaps) <= max(length, lasts) + length + LOOK_SECONDS, "it stood still"
    assert len(times) <= world.at / length + 2 + len(jumps), "at most one run more for each jump"
    assert world.looks < 20 * (world.at / LOOK_SECONDS + len(times) + len(jumps))


@pytest.mark.parametrize("hours", [-30, -5, -1, 1, 5, 30])
def test_a_jump_leads_to_one_run_more_at_most(world: World, hours: float) -> None:
    scheduler = world.scheduler({"usage": 10})
    world.pass_by(scheduler, 25 * MINUTE)
    world.jump(hours * HOUR)
    world.pass_by(scheduler, 35 * MINUTE - 1)
    assert len(world.times("usage")) == 6 + (hours > 0), "forward: as after a sleep of the machine"


def test_a_clock_set_back_a_little_delays_nothing(world: World) -> None:
    scheduler = world.scheduler({"usage": "every 6h"}, {"usage": NOON - timedelta(hours=5)})
    world.jump(-4 * HOUR)
    world.pass_by(scheduler, 2 * HOUR)
    assert world.times("usage") == [HOUR]


def test_a_daily_one_runs_at_its_time_by_the_clock_that_was_set(world: World) -> None:
    scheduler = world.scheduler({"nightly": "daily 04:15"}, {"nightly": NOON})
    world.jump(-5 * HOUR)  # it is seven
    world.pass_by(scheduler, DAY)
    assert world.times("nightly") == [21 * HOUR + 15 * MINUTE]
    world.jump(-20 * HOUR)  # eleven of the day before
    world.pass_by(scheduler, 18 * HOUR)
    assert world.times("nightly")[1:] == [DAY + 17 * HOUR + 15 * MINUTE]
    world.jump(30 * HOUR)  # past the time
    world.pass_by(scheduler, HOUR)
    assert len(world.times("nightly")) == 3, "what was jumped over runs once"


def test_a_daily_one_is_not_early_for_a_clock_that_was_set_back(world: World) -> None:
    scheduler = world.scheduler({"nightly": "daily 04:15"}, {"nightly": NOON})
    world.pass_by(scheduler, 20 * HOUR)
    world.jump(-3 * HOUR)  # from eight to five
    world.pass_by(scheduler, DAY)
    assert world.times("nightly") == [16.25 * HOUR, 43.25 * HOUR]


def test_a_run_during_a_jump_is_told_as_long_as_it_took(world: World) -> None:
    world.lasts["usage"] = HOUR
    scheduler = world.scheduler({"usage": 600})
    world.pass_by(scheduler, MINUTE)
    for jump in (-5 * HOUR, 9 * HOUR):
        world.jump(jump)
        usage = scheduler.states().jobs["usage"]
        assert usage.running_seconds == MINUTE
        assert usage.running_since == world.now - timedelta(minutes=1)


# ── threads ──


class Works:
    """Runs of real threads, each of which goes on until a test lets it end."""

    def __init__(self) -> None:
        self.begun: dict[str, threading.Semaphore] = {}
        self.enough: dict[str, threading.Event] = {}
        self.running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self._lock = threading.Lock()

    def holding(self, *names: str) -> Works:
        for name in names:
            self.begun[name], self.enough[name] = threading.Semaphore(0), threading.Event()
        return self

    def __call__(self, name: str) -> None:
        with self._lock:
            self.running[name] += 1
            self.most[name] = max(self.most[name], self.running[name])
        self.begun[name].release()
        self.enough[name].wait(SOON)
        with self._lock:
            self.running[name] -= 1

    def wait_for(self, name: str) -> None:
        assert self.begun[name].acquire(timeout=SOON), f"{name} did not begin"


@pytest.fixture
def works() -> Works:
    return Works().holding("slow", "usage")


@pytest.fixture
def scheduler(works: Works) -> Iterator[Scheduler]:
    cadences = {name: Cadence.of(600) for name in works.begun}
    scheduler = Scheduler(cadences, {}, works, lambda: datetime.now(UTC), lambda: 0.0)
    yield scheduler
    for enough in works.enough.values():
        enough.set()
    assert scheduler.stop(SOON) == []


def test_threads_run_what_is_due_beside_each_other(scheduler: Scheduler, works: Works) -> None:
    assert not scheduler.states().alive
    scheduler.start()
    works.wait_for("slow")
    works.wait_for("usage")
    state = scheduler.states()
    assert state.alive
    assert state.started_at is not None
    assert all(job.running_since is not None for job in state.jobs.values())


def test_a_nudge_wakes_the_scheduler_and_one_run_goes_on_at_a_time(
    scheduler: Scheduler, works: Works
) -> None:
    scheduler.start()
    works.wait_for("usage")
    scheduler.nudge("usage")
    works.enough["usage"].set()
    works.wait_for("usage")
    for _ in range(5):
        scheduler.nudge("usage")
        works.wait_for("usage")
    assert works.most["usage"] == 1


def test_stopping_waits_for_what_runs_and_starts_nothing_more(
    scheduler: Scheduler, works: Works
) -> None:
    scheduler.start()
    works.wait_for("usage")
    works.wait_for("slow")
    works.enough["usage"].set()
    assert scheduler.stop(0.0) != []
    assert not scheduler.states().alive
    scheduler.nudge("usage")
    scheduler.tick()
    threading.Timer(0.1, works.enough["slow"].set).start()
    assert scheduler.stop(1_000_000) == [], "it waits for the slow one, and no longer"
    assert not works.begun["usage"].acquire(blocking=False)


def test_stopping_waits_no_longer_than_its_limit(scheduler: Scheduler, works: Works) -> None:
    scheduler.start()
    works.wait_for("usage")
    works.wait_for("slow")
    works.enough["usage"].set()
    scheduler_left = scheduler.stop(0.2)
    assert "slow" in scheduler_left, "it is told what was left behind"


def test_a_scheduler_whose_looks_fail_goes_on_looking_and_is_not_alive_meanwhile() -> None:
    broken, looked = threading.Event(), threading.Semaphore(0)
    at = [0.0]

    def clock() -> datetime:
        looked.release()
        if broken.is_set():
            raise OSError("no clock")
        return NOON

    scheduler = Scheduler(
        {"usage": Cadence.of(10)},
        {"usage": NOON},
        lambda _: None,
        clock,
        lambda: 0.0,
        monotonic=lambda: at[0],
    )
    scheduler.start()
    assert scheduler.states().alive
    broken.set()
    at[0] = 100 * LOOK_SECONDS
    while looked.acquire(blocking=False):
        pass
    scheduler.nudge("usage")
    assert looked.acquire(timeout=SOON)
    broken.clear()
    # Nothing but a look sets it right, and no look has gone well since.
    assert not scheduler.states().alive
    scheduler.nudge("usage")
    scheduler.stop(SOON)
