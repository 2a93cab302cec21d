"""configuration.md tells of every command, option, variable and limit, with its default."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest
from cyclopts import App
from pages import README, Page, page, table_rows

from sessionmill import config
from sessionmill.cadence import Cadence
from sessionmill.cli.app import app
from sessionmill.cli.reports import By
from sessionmill.errors import UsageError
from sessionmill.settings import Settings
from sessionmill.view import doctor, settings

CONFIGURATION = page("configuration")

#: Read by what config.py calls, and so by no line of it.
READ_ELSEWHERE = {"LOGNAME", "USER", "TZ", "XDG_DATA_HOME"}

#: Looked for among all variables, whatever the processor's name.
INTERVALS = {
    config.interval_variables("<name>")[0],
    config.interval_variables("verification")[1],
}


@dataclass(frozen=True)
class Option:
    """An option or argument of a command, as its help has it."""

    name: str
    is_option: bool
    default: object
    help: str


def _commands(of: App, path: tuple[str, ...] = ()) -> Iterator[tuple[str, App]]:
    for name in of:
        if name.startswith("-"):
            continue
        command = of[name]
        if command.default_command is None:
            yield from _commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(_commands(app))


def options(command: str) -> list[Option]:
    """Return what a command takes."""
    return [
        Option(
            argument.names[0],
            argument.names[0].startswith("--"),
            argument.field_info.default,
            argument.parameter.help or "",
        )
        for argument in COMMANDS[command].assemble_argument_collection()
    ]


def test_every_command_has_a_section_and_no_other_has_one() -> None:
    told = re.findall(r"^### sessionmill (.+)$", CONFIGURATION.text, re.MULTILINE)
    assert set(told) == set(COMMANDS)
    assert len(COMMANDS) >= 7


def test_every_command_stands_on_the_first_page_and_no_other_does() -> None:
    rows = table_rows(Page(README).section("Commands"))
    assert {row[0].strip("`").removeprefix("sessionmill ") for row in rows} == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_told_with_its_default(command: str) -> None:
    section = CONFIGURATION.section(f"sessionmill {command}")
    rows = [row for row in table_rows(section) if row[0].startswith("`--")]
    told = {row[0].strip("`"): row[1:] for row in rows}
    taken = options(command)
    assert set(told) == {option.name for option in taken if option.is_option}
    for option in taken:
        if not option.is_option:
            assert re.search(rf"`sessionmill {command} (?:\w+ )?\[?{option.name}", section), (
                option.name
            )
        elif option.default not in (None, Ellipsis, inspect.Parameter.empty):
            assert told[option.name][0].strip("`") == str(option.default), option.name


def test_everything_to_sum_up_by_is_told() -> None:
    rows = table_rows(CONFIGURATION.section("sessionmill report usage"))
    row = next(row for row in rows if row[0] == "`--by`")
    assert set(re.findall(r"`(\w+)`", row[2])) == set(get_args(By))


def test_every_check_of_an_examination_is_told_and_no_other_is() -> None:
    rows = table_rows(CONFIGURATION.section("sessionmill doctor"))
    told = [row[0].strip("`") for row in rows if not row[0].startswith("`--")]
    source = Path(doctor.__file__).read_text("utf-8")
    found = re.findall(r"(?:Finding|by_version)\(\s*\"(\w+)\"", source)
    assert told == list(dict.fromkeys(found)), "in the order in which they are made"


# ── the environment ──


def variables() -> set[str]:
    """Every variable that config.py asks the environment for."""
    tree = ast.parse(Path(config.__file__).read_text("utf-8"))
    return {
        call.args[0].value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "environ"
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def test_every_variable_is_told_and_no_other_is() -> None:
    section = CONFIGURATION.section("Environment variables")
    assert {row[0].strip("`") for row in table_rows(section)} == variables() | INTERVALS
    code = " ".join(set(re.findall("`[^`]+`", section)) - {f"`{name}`" for name in INTERVALS})
    named = set(re.findall(r"\b[A-Z]{2,}(?:_[A-Z]+)*\b", code))
    assert named - variables() == READ_ELSEWHERE


def test_the_environment_is_asked_in_no_other_way() -> None:
    text = Path(config.__file__).read_text("utf-8")
    other = re.findall(r"getenv|environ\[|environ\.(?!get\()|in environ\b(?!\.)", text)
    assert other == ["environ."], "for intervals; the tests above look for environ.get(…) alone"
    assert "in environ.items():\n        if seconds and (_INTERVAL.fullmatch(variable)" in text


# ── the file ──


def test_the_configuration_that_is_shown_is_understood(tmp_path: Path) -> None:
    shown = next(b for b in CONFIGURATION.of("toml") if b.first_line == "# config.toml")
    (tmp_path / "config.toml").write_text(shown.body)
    read = config.load(tmp_path)
    assert read.extra_processors == ("acme:Greeting",)
    assert read.processors["greeting"] == {"text": "good morning"}


def test_every_setting_of_the_service_is_told_with_its_default() -> None:
    rows = table_rows(CONFIGURATION.section("Settings of the service"))
    told = {row[0].strip("`"): row[2].strip("`") for row in rows}
    sections = Settings().model_dump()
    defaults = {f"{s}.{name}": value for s, own in sections.items() for name, value in own.items()}
    assert told == {
        name: "none"
        if value == ()
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
        for name, value in defaults.items()
    }


def test_every_word_that_masks_a_setting_is_told() -> None:
    told = CONFIGURATION.section("sessionmill config").partition("A value is masked")[2]
    assert set(re.findall(r"`(\w+)`", told.partition("several")[0])) == settings._SECRET


def test_every_kind_of_cadence_is_one() -> None:
    rows = table_rows(CONFIGURATION.section("Cadences"))
    assert len(rows) >= 4
    for written, _ in rows:
        Cadence.of(tomllib.loads(f"cadence = {written.strip('`')}")["cadence"])


def test_an_unknown_setting_is_refused_as_told(tmp_path: Path) -> None:
    assert "An unknown setting is refused" in CONFIGURATION.text
    (tmp_path / "config.toml").write_text("[procesors]\n")
    with pytest.raises(UsageError, match="procesors"):
        config.load(tmp_path)


# ── limits ──


def test_every_limit_has_the_value_that_is_told() -> None:
    rows = table_rows(CONFIGURATION.section("Limits"))
    assert len(rows) >= 7
    for _, value, where in rows:
        module, _, name = where.strip("`").rpartition(".")
        limit = getattr(importlib.import_module(f"sessionmill.{module}"), name)
        number, _, unit = value.partition(" ")
        assert limit == int(number) * (2**20 if unit == "MiB" else 1), where
