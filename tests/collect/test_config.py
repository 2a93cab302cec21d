"""Settings: which roots a machine has, and what a `config.toml` may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

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
        '[processors]\nextra = ["a.b:C"]\n[processors.words]\nlongest = 7\ncadence_minutes = 3\n',
    )
    assert config.extra_processors == ("a.b:C",)
    assert config.processors == {"words": {"longest": 7, "cadence_minutes": 3}}


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


@pytest.mark.parametrize("minutes", [3, 1440])
def test_the_cadence_of_a_processor_is_the_files_where_it_names_one(
    tmp_path: Path, minutes: int
) -> None:
    config = loaded(tmp_path, f"[processors.usage]\ncadence_minutes = {minutes}\n")
    usable = Registry.of(config).usable
    assert usable["usage"].cadence_minutes == minutes
    assert usable["inventory"].cadence_minutes == 60, "the others keep their own"


@pytest.mark.parametrize("minutes", ["0", '"often"'])
def test_a_cadence_that_is_none_is_told(tmp_path: Path, minutes: str) -> None:
    def unusable() -> Any:
        config = loaded(tmp_path, f"[processors.usage]\ncadence_minutes = {minutes}\n")
        return [u.name for u in Registry.of(config).unusable]

    try:
        assert unusable() == ["usage"]
    except UsageError as refused:
        assert "cadence_minutes" in str(refused)
