"""One processor that goes astray on one transcript costs that transcript, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from run_culprits import CULPRIT, DEEDS
from run_place import Place, counted, errors_of, figures

from samples import sampled
from sessionmill.testing import FakeClock

#: What a person reads of each deed.
TOLD = {
    "sleeps": "took longer than 1 s",
    "spins": "took longer than 1 s",
    "segfaults": "killed by SIGSEGV",
    "is_killed": "killed by SIGKILL",
    "leaves": "exit status 3",
    "hoards": "took more than 300 MB of memory",
    "raises": "ValueError: the cart has no total",
    "recurses": "RecursionError: maximum recursion depth exceeded",
    "raises_base_exception": "died",
    "exits": "died",
    "interrupts": "died",
    "raises_what_has_no_text": "",
}
KINDS = ("Extracting", "Effectful")
HEALTHY = 40


@pytest.fixture
def place(tmp_path: Path, clock: FakeClock) -> Iterator[Place]:
    with Place(tmp_path, clock) as place:
        place.write_many(HEALTHY, "culprit")
        yield place


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("deed", sampled(TOLD, 3))
def test_of_a_bad_deed_the_culprit_alone_is_named_and_all_others_are_processed(
    place: Place, kind: str, deed: str
) -> None:
    tally = place.run_one(f"run_culprits:{kind}.{deed}")
    everything = HEALTHY + 1
    assert figures(tally) == counted(
        seen=everything, scanned=everything, processed=HEALTHY, errors=1
    )
    errors = errors_of(tally)
    assert list(errors) == [CULPRIT]
    assert TOLD[deed] in errors[CULPRIT]
    assert tally.items_extracted == HEALTHY

    table = f"{kind}_{deed}".lower()
    stored = place.column(f"SELECT session_key FROM {table} ORDER BY ALL")  # noqa: S608 - ours
    assert len(stored) == len(set(stored)) == HEALTHY
    assert CULPRIT not in stored


def test_every_deed_has_its_test() -> None:
    assert set(DEEDS) == set(TOLD) | {"prints"}


def test_extractors_that_share_a_worker_pay_each_for_their_own_deed(place: Place) -> None:
    deeds = ["segfaults", "raises", "leaves", "hoards", "sleeps", "exits"]
    *bad, usage, inventory = place.run(
        *(f"run_culprits:Extracting.{deed}" for deed in deeds), "usage", "inventory"
    )
    for deed, tally in zip(deeds, bad, strict=True):
        assert tally.processed == HEALTHY, deed
        assert list(errors_of(tally)) == [CULPRIT], deed
        assert TOLD[deed] in errors_of(tally)[CULPRIT]
    for tally in (usage, inventory):
        assert errors_of(tally) == {}
        assert tally.processed == HEALTHY + 1, "its neighbours' deaths cost it nothing"
    assert len(set(place.column("SELECT session_key FROM responses"))) == HEALTHY + 1
    assert len(place.ask("FROM responses")) == HEALTHY + 1, "what is done twice is stored once"


def test_an_effectful_deed_leaves_the_processors_beside_it_alone(place: Place) -> None:
    bad, good, usage = place.run("run_culprits:Effectful.segfaults", "run_effectful:Lines", "usage")
    assert list(errors_of(bad)) == [CULPRIT]
    assert (errors_of(good), errors_of(usage)) == ({}, {})
    assert (bad.processed, good.processed, usage.processed) == (HEALTHY, HEALTHY + 1, HEALTHY + 1)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_processor_prints_does_not_come_out_here(
    place: Place, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    tally = place.run_one(f"run_culprits:{kind}.prints")
    assert errors_of(tally) == {}
    out, err = capfd.readouterr()
    assert out == ""
    assert "a word of the processor's" in err
    assert "another word" in err


@pytest.mark.parametrize("kind", KINDS)
def test_a_culprit_is_charged_one_attempt_and_the_others_none(place: Place, kind: str) -> None:
    place.run_one(f"run_culprits:{kind}.segfaults")
    attempts = dict(place.ask("SELECT session_file, attempts FROM session_processor_state"))
    assert attempts.pop(CULPRIT) == 1
    assert set(attempts.values()) == {0}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_in_flight_after_a_run(place: Place, kind: str) -> None:
    place.run(f"run_culprits:{kind}.segfaults", "inventory")
    assert place.ask("FROM in_flight") == []


def test_a_statement_without_end_is_ended_with_its_session(place: Place) -> None:
    tally = place.run_one("run_endless:Endless")
    assert tally.processed == HEALTHY
    assert list(errors_of(tally)) == [CULPRIT]


# ── a processor that cannot be built where it is to work ──


@pytest.mark.parametrize("way", ["raises", "exits", "dies"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_processor_that_cannot_be_built_in_its_worker_takes_no_other_down(
    tmp_path: Path, clock: FakeClock, kind: str, way: str
) -> None:
    with Place(tmp_path, clock) as place:
        place.write_many(4)
        bad, usage = place.run(f"run_unbuildable:{kind}.{way}", "usage")
    assert (usage.processed, errors_of(usage)) == (4, {})
    assert bad.processed == 0
    assert len(errors_of(bad)) == 4
