"""The door by which processors enter: what is refused, with what reason, and at whose cost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from run_misdeclared import BROKEN, REFUSED
from run_place import Place, errors_of

from sessionmill import config
from sessionmill.collect.discover import walk
from sessionmill.collect.roots import sessions_root
from sessionmill.config import Config
from sessionmill.errors import ProcessorUnknown, ProcessorUnusable
from sessionmill.registry import Registry
from sessionmill.run.tally import Tally
from sessionmill.testing import FakeClock

BUILT_IN = ["inventory", "usage"]


@pytest.fixture
def place(tmp_path: Path, clock: FakeClock) -> Iterator[Place]:
    with Place(tmp_path, clock) as place:
        yield place


def registry_of(folder: Path, *specs: str) -> Registry:
    return Registry.of(Config(folder), specs)


def reason_of(registry: Registry, spec: str) -> str:
    """Return why a processor was refused; the built-ins must be there all the same."""
    assert sorted(registry.usable) == BUILT_IN
    [unusable] = registry.unusable
    assert unusable.name == spec
    return unusable.reason


# ── what is refused ──


def test_the_built_ins_enter_by_the_plugin_door(tmp_path: Path) -> None:
    registry = registry_of(tmp_path)
    assert list(registry.usable) == BUILT_IN
    assert registry.usable["usage"].spec == "sessionmill.process.usage:Usage"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("run_unimportable:Any", "a_package_that_nobody_has"),
        ("no_such_module:Any", "no_such_module"),
        ("run_misdeclared:NoSuchClass", "NoSuchClass"),
        ("run_misdeclared", "package.module:Class"),
        ("run_misdeclared:", "package.module:Class"),
        (":NoProcessor", "package.module:Class"),
        ("run_misdeclared:NUMBER", "not a class"),
        ("run_misdeclared:NoProcessor", "neither process_session nor extract"),
        ("run_misdeclared:TwoArguments", "arguments"),
        ("run_misdeclared:Raising", "ValueError: there is no model"),
        ("run_misdeclared:Exiting", "SystemExit"),
    ],
)
def test_what_cannot_be_built_is_listed_with_its_reason(
    tmp_path: Path, spec: str, reason: str
) -> None:
    assert reason in reason_of(registry_of(tmp_path, spec), spec)


@pytest.mark.parametrize("case", REFUSED)
def test_what_declares_the_impossible_is_listed_with_its_reason(tmp_path: Path, case: str) -> None:
    spec = f"run_misdeclared:Refused.{case}"
    assert REFUSED[case][1] in reason_of(registry_of(tmp_path, spec), spec)


@pytest.mark.parametrize("case", BROKEN)
def test_a_declaration_that_breaks_later_costs_its_own_processor_alone(
    place: Place, case: str
) -> None:
    place.write_many(3)
    spec = f"run_misdeclared:Broken.{case}"
    registry = registry_of(place.data, spec)
    place.store.prepare(list(registry.usable.values()))  # as every command does
    tallies = run_all(place, registry)
    assert (tallies["usage"].processed, tallies["usage"].errors) == (3, [])
    told = [unusable.reason for unusable in registry.unusable]
    for name, tally in tallies.items():
        if name not in BUILT_IN:
            told += errors_of(tally).values()
    assert any(BROKEN[case][1] in reason for reason in told)


def run_all(place: Place, registry: Registry) -> dict[str, Tally]:
    tallies = place.runner.run(
        registry.named(()), walk([sessions_root(place.sessions)]), actor="cli:tester"
    )
    return {tally.processor: tally for tally in tallies}


def test_two_processors_of_one_name_are_not_mixed_up(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, "run_effectful:Lines", "run_effectful:LinesAnew")
    assert registry.usable["lines"].spec == "run_effectful:Lines"
    [refused] = registry.unusable
    assert refused.name == "run_effectful:LinesAnew"
    assert "run_effectful:Lines" in refused.reason


def test_a_processor_named_twice_is_loaded_once(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, "run_effectful:Lines", "run_effectful:Lines")
    assert sorted(registry.usable) == ["inventory", "lines", "usage"]
    assert registry.unusable == []


def test_an_effectful_processor_may_not_have_its_rows_deleted_from_anothers_table(
    tmp_path: Path,
) -> None:
    spec = "run_grasping:Grasping"
    assert "responses" in reason_of(registry_of(tmp_path, spec), spec)


# ── asking by name ──


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ProcessorUnknown, match=r"'words'.*inventory, usage"):
        registry_of(tmp_path).named(["words"])


def test_asking_for_one_that_cannot_run_tells_why(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, "run_misdeclared:Raising")
    with pytest.raises(ProcessorUnusable, match="there is no model"):
        registry.named(["run_misdeclared:Raising"])


def test_without_names_all_that_can_run_are_meant(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, "run_misdeclared:Raising", "run_effectful:Lines")
    assert [p.name for p in registry.named(())] == ["inventory", "usage", "lines"]


def test_a_name_given_twice_runs_once(tmp_path: Path) -> None:
    assert [p.name for p in registry_of(tmp_path).named(["usage", "usage"])] == ["usage"]


# ── the configuration ──


def test_the_configuration_loads_processors_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('processors.extra = ["run_effectful:Lines"]\n')
    assert "lines" in Registry.of(config.load(tmp_path)).usable


def test_the_configuration_may_override_a_cadence(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        'processors.extra = ["run_effectful:Lines"]\n'
        "[processors.usage]\ncadence = 3\n[processors.lines]\ncadence = 'daily 04:15'\n"
    )
    usable = Registry.of(config.load(tmp_path)).usable
    assert str(usable["usage"].cadence) == "every 3m"
    assert str(usable["lines"].cadence) == "daily 04:15"


def test_a_processor_may_spell_out_that_it_is_one(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, "run_grasping:Spelt", "run_grasping:SpeltExtractor")
    assert registry.unusable == []
    assert {"spelt", "spelt-extractor"} <= set(registry.usable)
