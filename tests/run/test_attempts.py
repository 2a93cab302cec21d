"""When a session is tried again, when a processor pauses, and who comes first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from run_place import Place, counted, errors_of, figures, key

from sessionmill.collect.discover import walk
from sessionmill.collect.roots import sessions_root
from sessionmill.run.tally import Tally
from sessionmill.testing import FakeClock

MOODY = "run_effectful:Moody"
#: Of either kind: fails on `culprit.jsonl` whatever it holds.
FAILING = ("run_culprits:Effectful.raises", "run_culprits:Extracting.raises")
#: Of either kind: asks to be run later.
DEPENDENT = ("run_effectful:Dependent", "run_extractors:Dependent")


@pytest.fixture
def place(tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with Place(tmp_path, clock) as place:
        monkeypatch.setenv("TEST_AWAY", str(place.sessions / "away"))
        yield place


def called_for(place: Place) -> list[str]:
    """Return the names of the transcripts that an effectful processor was called for, in order."""
    notes = place.sessions / "notes.txt"
    names = notes.read_text().split() if notes.exists() else []
    notes.unlink(missing_ok=True)
    return [name.removeprefix("alice/").removesuffix(".jsonl") for name in names]


# ── waits ──


@pytest.mark.parametrize("spec", FAILING)
def test_a_failed_session_is_due_after_its_wait_and_not_before(
    place: Place, clock: FakeClock, spec: str
) -> None:
    place.write("culprit")
    place.write("fine")
    assert figures(place.run_one(spec)) == counted(seen=2, scanned=2, processed=1, errors=1)
    for minutes in (1, 4, 16):
        clock.advance(minutes=minutes, seconds=-1)
        assert figures(place.run_one(spec)) == counted(seen=2)
        clock.advance(seconds=1)
        assert figures(place.run_one(spec)) == counted(seen=2, scanned=1, errors=1)


@pytest.mark.parametrize("spec", FAILING)
def test_a_session_that_failed_as_often_as_it_may_is_left_alone(
    place: Place, clock: FakeClock, spec: str
) -> None:
    place.write("culprit")
    [processor] = place.processors(spec)
    for _ in range(5):
        assert len(place.run_one(spec).errors) == 1
        clock.advance(hours=8)
    assert figures(place.run_one(spec)) == counted(seen=1)
    state = place.state(processor.name, "culprit")
    assert (state["attempts"], state["next_attempt_at"]) == (5, None)
    assert state["dead_at"] == state["last_attempt_at"]
    assert state["last_error"] == "ValueError: the cart has no total"


def test_a_processor_says_how_often_is_too_often(place: Place, clock: FakeClock) -> None:
    place.write("failing")
    for attempts in (1, 2):
        place.run_one("run_effectful:Brittle")
        assert place.state("lines", "failing")["attempts"] == attempts
        clock.advance(hours=8)
    assert place.state("lines", "failing")["dead_at"] is not None
    assert place.run_one("run_effectful:Brittle").scanned == 0


def test_waits_are_spread_by_what_the_runner_is_given(place: Place, clock: FakeClock) -> None:
    place.write("failing")
    place.runner._spread = lambda: 1.0
    place.run_one(MOODY)
    due = clock.now.replace(tzinfo=None) + timedelta(seconds=72)
    assert place.state("lines", "failing")["next_attempt_at"] == due


@pytest.mark.parametrize("spec", FAILING)
def test_new_content_brings_a_failed_session_back_at_once_and_counts_anew(
    place: Place, spec: str
) -> None:
    transcript = place.write("culprit")
    [processor] = place.processors(spec)
    place.run_one(spec)
    transcript.prompt("And once more.")
    place.write("culprit", transcript)
    assert figures(place.run_one(spec)) == counted(seen=1, scanned=1, errors=1)
    assert place.state(processor.name, "culprit")["attempts"] == 1


@pytest.mark.parametrize("spec", FAILING)
def test_new_content_brings_a_dead_letter_back(place: Place, clock: FakeClock, spec: str) -> None:
    transcript = place.write("culprit")
    [processor] = place.processors(spec)
    for _ in range(5):
        place.run_one(spec)
        clock.advance(hours=8)
    transcript.prompt("And once more.")
    place.write("culprit", transcript)
    assert figures(place.run_one(spec)) == counted(seen=1, scanned=1, errors=1)
    state = place.state(processor.name, "culprit")
    assert (state["attempts"], state["dead_at"]) == (1, None)


def test_a_person_brings_failing_and_dead_sessions_back_at_once(
    place: Place, clock: FakeClock
) -> None:
    place.write("failing-long")
    for _ in range(5):
        place.run_one(MOODY)
        clock.advance(hours=8)
    place.write("failing-new")
    place.run_one(MOODY)
    assert sorted(place.store.make_due(None, None)) == [
        ("lines", key("failing-long")),
        ("lines", key("failing-new")),
    ]
    (place.sessions / "mended").touch()
    assert figures(place.run_one(MOODY)) == counted(seen=2, scanned=2, processed=2)


def test_a_dead_letter_that_fails_again_after_a_person_brought_it_back_waits_again(
    place: Place, clock: FakeClock
) -> None:
    place.write("failing")
    for _ in range(5):
        place.run_one(MOODY)
        clock.advance(hours=8)
    place.store.make_due("lines", key("failing"))
    assert len(place.run_one(MOODY).errors) == 1
    state = place.state("lines", "failing")
    assert state["dead_at"] is None, "one more failure is no reason to give it up at once"
    assert state["next_attempt_at"] > clock.now.replace(tzinfo=None)


EITHER_KIND = ("run_effectful:Lines", "run_extractors:Offsets")


def found_then(place: Place, spec: str, then: Callable[[Path], object]) -> Tally:
    """Run over what was found before `then` did something to the one transcript."""
    place.write("s1")
    processors, found = place.processors(spec), walk([sessions_root(place.sessions)])
    then(place.path("s1"))
    [tally] = place.runner.run(processors, found, actor="cli:tester")
    return tally


def replace_by_a_folder(path: Path) -> None:
    """Make a transcript unreadable, for root too."""
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spec", EITHER_KIND)
def test_a_transcript_that_cannot_be_read_counts_no_attempt_and_is_tried_each_run(
    place: Place, spec: str
) -> None:
    tally = found_then(place, spec, replace_by_a_folder)
    [(session, reason)] = errors_of(tally).items()
    assert session == key("s1")
    assert "cannot be read: Is a directory." in reason
    assert reason.endswith(f"ls -ld {place.path('s1')}"), "the way out"
    assert place.ask("FROM session_processor_state") == []
    place.path("s1").rmdir()
    place.write("s1")
    assert place.run_one(spec).processed == 1


@pytest.mark.parametrize("spec", EITHER_KIND)
def test_a_transcript_that_vanished_since_it_was_found_is_no_error(place: Place, spec: str) -> None:
    tally = found_then(place, spec, Path.unlink)
    assert tally.errors == []
    assert place.ask("FROM session_processor_state") == []


# ── order ──


def test_the_least_recently_attempted_comes_first(place: Place, clock: FakeClock) -> None:
    for name in ("c-failing", "a-failing", "b-failing"):
        place.write(name)
        place.run_one(MOODY)
        clock.advance(seconds=1)
    called_for(place)
    clock.advance(hours=1)
    place.run_one(MOODY)
    assert called_for(place) == ["c-failing", "a-failing", "b-failing"]


def test_what_was_never_attempted_comes_before_what_failed(place: Place, clock: FakeClock) -> None:
    place.write("a-failing")
    place.run_one(MOODY)
    called_for(place)
    clock.advance(hours=1)
    place.write("z-new")
    place.run_one(MOODY)
    assert called_for(place) == ["z-new", "a-failing"]


def test_failing_sessions_do_not_starve_healthy_ones_when_time_is_short(
    place: Place, clock: FakeClock
) -> None:
    place.write_many(0, *(f"a{n}-failing" for n in range(8)))
    place.write_many(8)
    done: set[str] = set()
    for _ in range(20):  # each of them with time for a few sessions
        place.run_one("run_slow:SlowAndMoody", budget=0.5)
        done |= {name for name in called_for(place) if "failing" not in name}
        clock.advance(hours=8)
        if len(done) == 8:
            return
    raise AssertionError(f"only {sorted(done)} had their turn")


# ── pauses ──


@pytest.mark.parametrize("spec", DEPENDENT)
def test_retry_later_pauses_the_processor_and_counts_no_attempt(
    place: Place, clock: FakeClock, spec: str
) -> None:
    take_away(place, 8)
    tally = place.run_one(spec)
    assert tally.errors == []
    assert tally.outcome == "paused"
    assert tally.pause_reason == "the model does not answer"
    assert tally.capped >= 1
    assert tally.processed + tally.capped == tally.scanned == 8
    assert place.ask("FROM session_processor_state WHERE attempts > 0") == []
    clock.advance(seconds=10)
    assert figures(place.run_one(spec)) == counted(
        seen=8, scanned=tally.capped, capped=tally.capped
    ), "a run before the pause is over does nothing"

    bring_back(place)
    clock.advance(seconds=90)
    done = place.run_one(spec)
    assert (done.processed, done.capped, done.pause_reason) == (tally.capped, 0, None)
    processed = "SELECT * FROM session_processor_state WHERE processed_at IS NOT NULL"
    assert len(place.ask(processed)) == 8


def test_what_was_done_before_the_pause_is_kept(place: Place) -> None:
    take_away(place, 3)
    assert place.run_one("run_effectful:Dependent").processed == 1
    assert place.column("SELECT DISTINCT session_key FROM lines_of") == [key("s00")]


def test_a_paused_effectful_processor_is_probed_with_one_session(
    place: Place, clock: FakeClock
) -> None:
    take_away(place, 8)
    place.run_one("run_effectful:Dependent")
    called_for(place)
    for _ in range(3):
        clock.advance(hours=1)
        place.run_one("run_effectful:Dependent")
        assert len(called_for(place)) == 1


def resumes_in(place: Place, clock: FakeClock) -> float:
    """Return in how many minutes a paused processor goes on."""
    [resume_at] = place.column("SELECT resume_at FROM runs ORDER BY started_at DESC LIMIT 1")
    return float((resume_at - clock.now.replace(tzinfo=None)) / timedelta(minutes=1))


def test_a_pause_grows_from_a_minute_to_an_hour(place: Place, clock: FakeClock) -> None:
    take_away(place, 3)
    pauses = []
    for _ in range(6):
        place.run_one("run_effectful:Dependent")
        pauses.append(resumes_in(place, clock))
        clock.advance(minutes=pauses[-1])
    assert pauses == [1, 4, 16, 60, 60, 60]


def test_runs_during_a_pause_do_not_shorten_the_next_one(place: Place, clock: FakeClock) -> None:
    take_away(place, 3)
    place.run_one("run_effectful:Dependent")
    clock.advance(seconds=50)
    place.run_one("run_effectful:Dependent")
    assert resumes_in(place, clock) == pytest.approx(10 / 60)
    clock.advance(seconds=10)
    place.run_one("run_effectful:Dependent")
    assert resumes_in(place, clock) == 4


def test_a_pause_lasts_at_least_as_long_as_the_processor_asks(
    place: Place, clock: FakeClock
) -> None:
    take_away(place, 3, seconds=600)
    place.run_one("run_effectful:Dependent")
    assert resumes_in(place, clock) == 10


def test_no_pause_is_longer_than_an_hour(place: Place, clock: FakeClock) -> None:
    take_away(place, 3, seconds=1_000_000)
    place.run_one("run_effectful:Dependent")
    assert resumes_in(place, clock) == 60


def test_a_pause_begins_anew_once_a_run_went_well(place: Place, clock: FakeClock) -> None:
    take_away(place, 3)
    for _ in range(3):
        place.run_one("run_effectful:Dependent")
        clock.advance(hours=1)
    bring_back(place)
    place.run_one("run_effectful:Dependent")
    clock.advance(hours=1)
    take_away(place, 5)
    place.run_one("run_effectful:Dependent")
    assert resumes_in(place, clock) == 1


def test_another_processor_runs_while_one_pauses(place: Place) -> None:
    take_away(place, 4)
    paused, usage = place.run("run_extractors:Dependent", "usage")
    assert (paused.outcome, usage.outcome) == ("paused", "ok")
    assert usage.processed == 4


def take_away(place: Place, transcripts: int, seconds: float = 0) -> None:
    """Write transcripts, all but the first of which need what is away now."""
    (place.sessions / "away").write_text(str(seconds))
    for number in range(transcripts):
        name = f"s{number:02}"
        if not place.path(name).exists() or seconds:
            place.write(name)


def bring_back(place: Place) -> None:
    (place.sessions / "away").unlink()


# ── cadence and time ──


def test_a_processor_is_due_when_its_cadence_is_over(place: Place, clock: FakeClock) -> None:
    place.write("s1")
    assert len(place.run("usage", "inventory", due_only=True)) == 2, "never run: due at once"
    clock.advance(minutes=9, seconds=59)
    assert place.run("usage", "inventory", due_only=True) == []
    clock.advance(seconds=1)
    [usage] = place.run("usage", "inventory", due_only=True)
    assert usage.processor == "usage"
    clock.advance(minutes=50)
    assert [t.processor for t in place.run("usage", "inventory", due_only=True)] == [
        "usage",
        "inventory",
    ]


def test_a_run_that_failed_is_the_last_run_all_the_same(place: Place, clock: FakeClock) -> None:
    place.write("failing")
    place.run(MOODY, due_only=True)
    clock.advance(minutes=4)
    assert place.run(MOODY, due_only=True) == [], "a broken processor runs on its cadence"
    clock.advance(minutes=1)
    assert len(place.run(MOODY, due_only=True)) == 1


@pytest.mark.parametrize("spec", ["run_effectful:Lines", "run_extractors:Offsets"])
def test_a_run_without_time_leaves_everything_for_the_next(place: Place, spec: str) -> None:
    place.write_many(10)
    tally = place.run_one(spec, budget=0)
    assert figures(tally) == counted(seen=10, scanned=10, capped=10)
    assert tally.outcome == "capped"
    assert place.run_one(spec).processed == 10
    assert place.ask("FROM in_flight") == []


def test_a_run_stops_when_its_time_is_over(place: Place) -> None:
    place.write_many(12)
    (place.sessions / "slow").touch()
    tally = place.run_one("run_slow:Slow", budget=1.0)
    assert tally.processed > 0
    assert tally.capped > 0
    assert tally.processed + tally.capped == 12
    assert tally.errors == []
    (place.sessions / "slow").unlink()
    assert place.run_one("run_slow:Slow").scanned == tally.capped
    assert place.ask("FROM in_flight") == []


def test_a_run_of_an_extractor_stops_between_batches(place: Place) -> None:
    place.write_many(80)
    tally = place.run_one("run_slow:SlowExtractor", budget=1.0)
    assert 0 < tally.processed < 80
    assert tally.capped == 80 - tally.processed
    assert place.run_one("run_slow:SlowExtractor", budget=0).scanned == tally.capped
    assert place.ask("FROM in_flight") == []


# ── the row that a run leaves ──


def test_every_run_leaves_a_row_with_its_figures(place: Place, clock: FakeClock) -> None:
    place.write("failing")
    place.write("fine")
    started = clock.now.replace(tzinfo=None)
    tally = place.run_one(MOODY)
    columns = "processor_name, version, actor, started_at, outcome, seen, scanned, processed"
    [row] = place.ask(f"SELECT {columns}, skipped, capped, errors, items_extracted FROM runs")  # noqa: S608 - ours
    assert row == (
        *("lines", 1, "cli:tester", started, "errors"),
        *(2, 2, 1, 0, 0, 1),
        tally.items_extracted,
    )


def test_a_run_that_broke_off_leaves_a_row_too(place: Place) -> None:
    place.write("s1")
    broken = "run_unbuildable:Extracting.dies"
    try:
        place.run(broken, "usage")
    except Exception:
        assert len(place.ask("FROM runs")) == 2
    else:
        assert len(place.ask("FROM runs")) == 2


@pytest.mark.parametrize(
    ("specs", "outcome"),
    [
        (["run_effectful:Lines"], "ok"),
        ([MOODY], "errors"),
        (["run_effectful:Dependent"], "paused"),
    ],
)
def test_a_run_says_in_a_word_how_it_ended(place: Place, specs: list[str], outcome: str) -> None:
    place.write("failing")
    (place.sessions / "away").write_text("0")
    [tally] = place.run(*specs)
    assert tally.outcome == outcome
    assert place.column("SELECT outcome FROM runs") == [outcome]
