"""Settings: the command line, then the environment, then `config.toml`, then defaults.

The only reader of the environment.
"""

from __future__ import annotations

import getpass
import os
import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import platformdirs

from sessionmill.cadence import Cadence
from sessionmill.collect.roots import Root, claude_root, codex_root, sessions_root
from sessionmill.errors import UsageError
from sessionmill.prices import Price, configured

#: Where the value of a setting comes from.
Origin = Literal["flag", "environment", "file", "default"]
#: What only the service reads, by `sessionmill.settings`.
SERVICE_SECTIONS = ("serve", "scheduler")


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set, for one data directory."""

    #: The data directory.
    folder: Path
    #: `processors.extra`: classes to load beside the installed ones.
    extra_processors: tuple[str, ...] = ()
    #: `[processors.<name>]`: handed to the processor; `cadence` is ours.
    processors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: `processors.<name>.cadence`, by that name.
    cadences: Mapping[str, Cadence] = field(default_factory=dict)
    #: `SCHEDULER_…_INTERVAL`, by the variable.
    intervals: Mapping[str, Cadence] = field(default_factory=dict)
    #: `[[prices]]`: they go before the list's.
    prices: tuple[Price, ...] = ()

    def cadence(self, processor: str) -> Cadence | None:
        """Return the cadence that is set for a processor: by a variable, or else by the file."""
        for variable in interval_variables(processor):
            if variable in self.intervals:
                return self.intervals[variable]
        return self.cadences.get(processor)


def interval_variables(processor: str) -> tuple[str, ...]:
    """Return the variables that set a processor's cadence in seconds; the first set one counts."""
    variable = f"SCHEDULER_{processor.upper().replace('-', '_')}_PROCESSOR_INTERVAL"
    return (variable, _DETECTOR) if processor == "verification" else (variable,)


#: An older system's name for the cadence of `verification`.
_DETECTOR = "SCHEDULER_VERIFICATION_DETECTOR_INTERVAL"
_INTERVAL = re.compile(r"SCHEDULER_[A-Z0-9_]+_PROCESSOR_INTERVAL")


def load(folder: Path | None, environ: Mapping[str, str] = os.environ) -> Config:
    """Return the settings for a data directory, by default `$SESSIONMILL_HOME` or the platform's.

    Raises UsageError for a `config.toml` or a variable that says what nobody understands.
    """
    intervals = _intervals(environ)
    if folder is None:
        home = environ.get("SESSIONMILL_HOME")
        folder = Path(home) if home else Path(platformdirs.user_data_dir("sessionmill"))
    folder = folder.expanduser().absolute()
    path = folder / "config.toml"
    try:
        with path.open("rb") as file:
            text = file.read().decode()
            config = _config(folder, tomllib.loads(text), path, _prices(text, path))
            return replace(config, intervals=intervals)
    except (FileNotFoundError, NotADirectoryError):
        return Config(folder, intervals=intervals)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {error}") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _intervals(environ: Mapping[str, str]) -> dict[str, Cadence]:
    found = {}
    for variable, seconds in environ.items():
        if seconds and (_INTERVAL.fullmatch(variable) or variable == _DETECTOR):
            try:
                found[variable] = Cadence.of_seconds(seconds)
            except UsageError as error:
                raise UsageError(f"${variable}: {error}") from error
    return found


def folder_origin(folder: Path | None, environ: Mapping[str, str] = os.environ) -> Origin:
    """Tell where the data directory that `load` returns for the same comes from."""
    if folder is not None:
        return "flag"
    return "environment" if environ.get("SESSIONMILL_HOME") else "default"


def _prices(text: str, path: Path) -> tuple[Price, ...]:
    # Read once more, with Decimal: processors' settings keep their floats, and money has none.
    said = tomllib.loads(text, parse_float=Decimal).get("prices", [])
    try:
        return configured(said)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _config(folder: Path, said: dict[str, Any], path: Path, prices: tuple[Price, ...]) -> Config:
    said.pop("prices", None)
    for section in SERVICE_SECTIONS:
        if not isinstance(said.pop(section, {}), dict):
            raise UsageError(f"{path}: {section} is a table")
    processors = said.pop("processors", {})
    if said:
        raise UsageError(f"{path} has an unknown setting {min(said)!r}")
    if not isinstance(processors, dict):
        raise UsageError(f"{path}: processors is a table")
    extra = processors.pop("extra", [])
    if not isinstance(extra, list) or not all(isinstance(spec, str) for spec in extra):
        raise UsageError(f'{path}: processors.extra is a list like ["package.module:Class"]')
    for name, own in processors.items():
        if not isinstance(own, dict):
            raise UsageError(f"{path}: processors.{name} is a table")
    cadences = {
        name: _cadence(own, f"{path}: processors.{name}")
        for name, own in processors.items()
        if "cadence" in own or "cadence_minutes" in own
    }
    return Config(folder, tuple(extra), processors, cadences, prices=prices)


def _cadence(own: Mapping[str, Any], where: str) -> Cadence:
    if "cadence_minutes" in own:
        minutes = own["cadence_minutes"]
        raise UsageError(
            f"{where}.cadence_minutes is an unknown setting: write cadence = {minutes!r} instead"
        )
    try:
        return Cadence.of(own["cadence"])
    except UsageError as error:
        raise UsageError(f"{where}.cadence: {error}") from error


def roots(
    sessions: list[Path],
    claude: list[Path],
    codex: list[Path],
    user: str | None,
    environ: Mapping[str, str] = os.environ,
) -> list[Root]:
    """Return the roots that a command line names, or else those of this machine."""
    username = _checked(user) if user is not None else os_user()
    if not sessions and not claude and not codex:
        return _of_this_machine(username, environ)
    return [
        *(sessions_root(folder.expanduser()) for folder in sessions),
        *(claude_root(folder.expanduser(), username) for folder in claude),
        *(codex_root(folder.expanduser(), username) for folder in codex),
    ]


def _checked(user: str) -> str:
    """Return a name as a folder would bear it. Raises UsageError for one that none could."""
    if not user or user.startswith(".") or "/" in user or "\0" in user:
        raise UsageError(
            f"{user!r} is no user's name: one is as a folder's, without / and no dot in front."
        )
    return unicodedata.normalize("NFC", user)


def _of_this_machine(username: str, environ: Mapping[str, str]) -> list[Root]:
    team = environ.get("SESSION_DATA_DIR")
    if team:
        return [sessions_root(Path(team).expanduser())]
    home = Path(environ.get("HOME") or Path.home())
    named = [part.strip() for part in environ.get("CLAUDE_CONFIG_DIR", "").split(",")]
    claude = [Path(part).expanduser() for part in named if part]
    codex = environ.get("CODEX_HOME")
    return [
        *(claude_root(folder, username) for folder in claude),
        *(
            claude_root(folder, username, expected=False)
            for folder in (home / ".claude", home / ".config" / "claude")
        ),
        *([codex_root(Path(codex).expanduser(), username)] if codex else []),
        codex_root(home / ".codex", username, expected=False),
    ]


def environment() -> Mapping[str, str]:
    """Return the variables of this process, for what is handed them."""
    return os.environ


def os_user() -> str:
    """Return the name of the person who runs this, as the operating system has it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"
