"""Settings: which roots a machine has, and what a `config.toml` may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Mill
from sessionmill.collect.roots import Root
from sessionmill.config import Config, load, os_user, roots
from sessionmill.errors import UsageError
from sessionmill.registry import Registry


def of_machine(**environ: str) -> list[Root]:
    return roots([], [], [], "alice", environ)


def told(found: list[Root]) -> list[tuple[str, str, bool]]:
    return [(root.kind, str(root.given), root.expected) for root in found]


# Roots


def test_a_machine_has_the_homes_of_its_agents(tmp_path: Path) -> None:
    assert told(of_machine(HOME=str(tmp_path))) == [
        ("claude", f"{tmp_path}/.claude", False),
        ("claude", f"{tmp_path}/.config/claude", False),
        ("codex", f"{tmp_path}/.codex", False),
    ]


def test_homes_that_variables_name_are_looked_at_too_and_expected() -> None:
    found = of_machine(HOME="/h", CLAUDE_CONFIG_DIR="/one, /two ,,", CODEX_HOME="/codex")
    assert told(found) == [
        ("claude", "/one", True),
        ("claude", "/two", True),
        ("claude", "/h/.claude", False),
        ("claude", "/h/.config/claude", False),
        ("codex", "/codex", True),
        ("codex", "/h/.codex", False),
    ]
    assert {root.username for root in found} == {"alice"}


@pytest.mark.parametrize("nothing", ["", " ", ",", " , "])
def test_a_variable_that_names_nothing_names_nothing(nothing: str) -> None:
    found = of_machine(HOME="/h", CLAUDE_CONFIG_DIR=nothing, CODEX_HOME="", SESSION_DATA_DIR="")
    assert told(found) == told(of_machine(HOME="/h"))


def test_the_folder_of_a_team_stands_in_the_place_of_all_homes() -> None:
    [root] = of_machine(HOME="/h", SESSION_DATA_DIR="/srv/team", CLAUDE_CONFIG_DIR="/one")
    assert (root.kind, root.folder, root.expected) == ("sessions", Path("/srv/team"), True)
    assert root.username is None, "the folders below it name the users"


def test_a_tilde_is_the_home(home: Path) -> None:
    found = of_machine(HOME=str(home), CLAUDE_CONFIG_DIR="~/one", CODEX_HOME="~/two")
    assert [str(r.given) for r in found if r.expected] == [f"{home}/one", f"{home}/two"]
    [team] = of_machine(HOME=str(home), SESSION_DATA_DIR="~/team")
    assert team.folder == home / "team"
    named = roots([Path("~/a")], [Path("~/b")], [Path("~/c")], "alice", {})
    assert [root.given for root in named] == [home / "a", home / "b", home / "c"]


def test_roots_of_a_command_line_are_the_only_ones() -> None:
    environ = {"HOME": "/h", "SESSION_DATA_DIR": "/srv", "CLAUDE_CONFIG_DIR": "/one"}
    found = roots([Path("/s")], [Path("/c1"), Path("/c2")], [Path("/x")], "bob", environ)
    assert told(found) == [
        ("sessions", "/s", True),
        ("claude", "/c1", True),
        ("claude", "/c2", True),
        ("codex", "/x", True),
    ]
    assert [root.username for root in found] == [None, "bob", "bob", "bob"]


@pytest.mark.parametrize("kind", ["sessions", "claude", "codex"])
def test_one_root_on_a_command_line_is_the_only_one(kind: str) -> None:
    given = {"sessions": list[Path](), "claude": [], "codex": [], kind: [Path("/one")]}
    environ = {"HOME": "/h", "CODEX_HOME": "/x"}
    found = roots(given["sessions"], given["claude"], given["codex"], "alice", environ)
    assert told(found) == [(kind, "/one", True)]


def test_whose_homes_these_are_is_otherwise_the_person_who_runs_it() -> None:
    [root] = roots([], [Path("/c")], [], None, {})
    assert root.username == os_user() == "tester"


@pytest.mark.parametrize("name", ["a/b", ".hidden", ".", "..", "/", "a/", "a\0b"])
def test_a_name_that_no_folder_of_a_user_can_have_is_refused(name: str) -> None:
    # It becomes the first part of every session key.
    with pytest.raises(UsageError):
        roots([], [Path("/c")], [], name, {})


def test_a_name_is_taken_in_its_composed_form() -> None:
    [root] = roots([], [Path("/c")], [], "jose\u0301", {})
    assert root.username == "jos\u00e9", "as it would be, were it the name of a folder"


def test_somebody_whom_the_machine_has_no_name_for_has_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    assert os_user()
    assert "/" not in os_user()


# The data directory


def test_the_data_directory_is_the_named_one_else_the_variables_else_the_platforms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    variable = {"SESSIONMILL_HOME": str(tmp_path / "variable")}
    assert load(tmp_path / "named", variable).folder == tmp_path / "named"
    assert load(None, variable).folder == tmp_path / "variable"
    assert load(None, {}).folder.is_relative_to(home), "of the person who runs it"
    assert load(None, {"SESSIONMILL_HOME": ""}) == load(None, {})
    monkeypatch.chdir(tmp_path)
    assert load(Path("relative"), {}).folder == tmp_path / "relative"
    assert load(Path("~/data"), {}).folder == home / "data"


def test_reading_settings_makes_nothing(tmp_path: Path) -> None:
    assert load(tmp_path / "data", {}) == Config(tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


# config.toml


def loaded(folder: Path, text: str) -> Config:
    (folder / "config.toml").write_text(text)
    return load(folder, {})


def test_what_the_file_says_is_set(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        '[processors]\nextra = ["a.b:C"]\n[processors.words]\nlongest = 7\ncadence = 3\n',
    )
    assert config.extra_processors == ("a.b:C",)
    assert config.processors == {"words": {"longest": 7, "cadence": 3}}


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    assert loaded(tmp_path, "") == Config(tmp_path)
    assert loaded(tmp_path, "[processors]\n") == Config(tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[processors", "is no TOML"),
        ("a = 1", "unknown setting 'a'"),
        ("[process]\nextra = []", "unknown setting 'process'"),
        ("processors = 1", "processors is a table"),
        ("processors = []", "processors is a table"),
        ("[processors]\nextra = 'a:B'", "extra is a list"),
        ("[processors]\nextra = [1]", "extra is a list"),
        ("[processors.extra]\na = 1", "extra is a list"),
        ("[processors]\nusage = 1", "processors.usage is a table"),
        ("[[processors.usage]]\na = 1", "processors.usage is a table"),
    ],
)
def test_what_nobody_understands_is_refused_by_name(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as refused:
        loaded(tmp_path, text)
    assert str(tmp_path / "config.toml") in str(refused.value)


def test_a_file_that_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(UsageError, match=r"config\.toml"):
        load(tmp_path, {})


def test_a_folder_in_the_place_of_the_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(UsageError, match=r"config\.toml"):
        load(tmp_path, {})


# cadences


@pytest.mark.parametrize(
    ("said", "cadence"),
    [
        ("3", "every 3m"),
        ("1440", "every 1d"),
        ('"every 90s"', "every 90s"),
        ('"daily 04:15"', "daily 04:15"),
        ('"15 4 * * sun"', "15 4 * * sun"),
    ],
)
def test_the_cadence_of_a_processor_is_the_files_where_it_names_one(
    tmp_path: Path, said: str, cadence: str
) -> None:
    config = loaded(tmp_path, f"[processors.usage]\ncadence = {said}\n")
    usable = Registry.of(config).usable
    assert str(usable["usage"].cadence) == cadence
    assert str(usable["inventory"].cadence) == "every 1h", "the others keep their own"


@pytest.mark.parametrize("said", ["0", "-1", "true", "1.5", '"often"', "[]", '"15"', "600000"])
def test_a_cadence_that_is_none_is_told(tmp_path: Path, said: str) -> None:
    with pytest.raises(UsageError, match=r"config\.toml: processors\.usage\.cadence: .*expected"):
        loaded(tmp_path, f"[processors.usage]\ncadence = {said}\n")


def test_the_setting_of_before_is_refused_with_the_one_of_now(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"processors\.usage\.cadence_minutes .* cadence = 30"):
        loaded(tmp_path, "[processors.usage]\ncadence_minutes = 30\n")


def test_a_variable_sets_a_cadence_in_seconds_and_goes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[processors.usage]\ncadence = 3\n")
    environ = {"SCHEDULER_USAGE_PROCESSOR_INTERVAL": "90"}
    registry = Registry.of(load(tmp_path, environ))
    assert str(registry.usable["usage"].cadence) == "every 90s"
    assert str(registry.usable["inventory"].cadence) == "every 1h"


def test_a_variable_sets_a_cadence_without_a_file(tmp_path: Path) -> None:
    config = load(tmp_path / "data", {"SCHEDULER_INVENTORY_PROCESSOR_INTERVAL": "600"})
    assert str(Registry.of(config).usable["inventory"].cadence) == "every 10m"


def test_a_variable_names_a_processor_in_capitals_with_underscores(tmp_path: Path) -> None:
    config = load(tmp_path, {"SCHEDULER_TWO_WORDS_2_PROCESSOR_INTERVAL": "60"})
    assert str(config.cadence("two-words_2")) == "every 1m"
    assert config.cadence("words") is None


def test_verification_takes_an_older_systems_variable_where_its_own_is_not_set(
    tmp_path: Path,
) -> None:
    older = {"SCHEDULER_VERIFICATION_DETECTOR_INTERVAL": "900"}
    assert str(load(tmp_path, older).cadence("verification")) == "every 15m"
    assert load(tmp_path, older).cadence("usage") is None
    own = {"SCHEDULER_VERIFICATION_PROCESSOR_INTERVAL": "60"}
    assert str(load(tmp_path, older | own).cadence("verification")) == "every 1m"


@pytest.mark.parametrize(
    "variable",
    ["SCHEDULER_USAGE_PROCESSOR_INTERVAL", "SCHEDULER_VERIFICATION_DETECTOR_INTERVAL"],
)
@pytest.mark.parametrize("said", ["often", "0", "-5", "1.5", "10m", "99999999999", " "])
def test_a_variable_that_is_no_interval_is_refused_by_name(
    tmp_path: Path, variable: str, said: str
) -> None:
    with pytest.raises(UsageError, match=rf"\${variable}: "):
        load(tmp_path, {variable: said})


def test_an_empty_variable_sets_no_cadence(tmp_path: Path) -> None:
    assert load(tmp_path, {"SCHEDULER_USAGE_PROCESSOR_INTERVAL": ""}).intervals == {}


def test_a_command_refuses_an_interval_that_is_none(mill: Mill) -> None:
    ended = mill("processors", SCHEDULER_USAGE_PROCESSOR_INTERVAL="soon")
    assert ended.status == 2
    assert "$SCHEDULER_USAGE_PROCESSOR_INTERVAL" in ended.err
