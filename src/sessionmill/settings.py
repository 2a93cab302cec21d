"""Settings of the service: flags, then the environment, then `config.toml`, then defaults.

Imported by what serves and by `sessionmill config` alone: to declare types takes longer to import
than a quick command takes. What every command needs is read by `sessionmill.config`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from sessionmill.config import SERVICE_SECTIONS, Origin
from sessionmill.errors import UsageError

PREFIX, BETWEEN = "SESSIONMILL_", "__"


def _listed(value: object) -> object:
    """Return what a variable lists: in JSON, or with commas between."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [part.strip() for part in value.split(",") if part.strip()]


_Listed = BeforeValidator(_listed)
Folders = Annotated[tuple[Path, ...], _Listed]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]

_SECTION = ConfigDict(extra="forbid", frozen=True)


class ServeSettings(BaseModel):
    """`[serve]`: where the service listens, what it reads, and what it says."""

    model_config = _SECTION

    #: Address to listen on.
    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    #: 0: any that is free.
    port: Annotated[int, Field(ge=0, le=65535)] = 8765
    #: Roots, as the options of the same names have them; a `~` is the home.
    sessions: Folders = ()
    claude: Folders = ()
    codex: Folders = ()
    #: Names by which browsers may call it, beside those of the loopback and `host`.
    allowed_hosts: Annotated[tuple[str, ...], _Listed] = ()
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class SchedulerSettings(BaseModel):
    """`[scheduler]`: what runs by itself."""

    model_config = _SECTION

    #: Whether processors run by themselves at all.
    enabled: bool = True
    #: After which a run begins nothing more.
    budget_seconds: Seconds = 150
    #: Whether the folders of transcripts are watched, beside the cadence.
    watch: bool = True
    #: What a run may take to end when the service stops.
    stop_seconds: Seconds = 25


class Settings(BaseSettings):
    """All settings of the service."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=BETWEEN,
        extra="forbid",
        frozen=True,
        # A list in a variable need not be JSON, see `_listed`.
        enable_decoding=False,
    )

    serve: ServeSettings = ServeSettings()
    scheduler: SchedulerSettings = SchedulerSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - these are how the library calls it
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what is given alone: `effective` asks each source by itself, to tell origins."""
        return (init_settings,)


class Effective(NamedTuple):
    """Settings, and where each comes from by its dotted name, such as `serve.port`."""

    settings: Settings
    origins: dict[str, Origin]

    def values(self) -> dict[str, Any]:
        """Return every setting by its dotted name."""
        sections = self.settings.model_dump()
        return {f"{s}.{name}": value for s, own in sections.items() for name, value in own.items()}


class _Environment(EnvSettingsSource):
    """The variables of a mapping that was handed in."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(Settings)
        # The library reads the process's own, and knows names in small letters. A variable that
        # is empty sets nothing, as of those that `config` reads.
        self.env_vars = {name.lower(): value for name, value in environ.items() if value}

    def unknown(self) -> dict[str, dict[str, str | None]]:
        """Return what is set of sections that do not exist, which the library passes over."""
        found: dict[str, dict[str, str | None]] = {}
        for variable, value in self.env_vars.items():
            section, between, name = variable.removeprefix(PREFIX.lower()).partition(BETWEEN)
            ours = variable.startswith(PREFIX.lower()) and between
            if ours and section not in SERVICE_SECTIONS:
                found.setdefault(section, {})[name] = value
        return found


def effective(folder: Path, flags: Mapping[str, Any], environ: Mapping[str, str]) -> Effective:
    """Return the settings for a data directory.

    `flags` are those that were given, by dotted names; None is one that was not. Raises UsageError
    for an unknown setting, or a value that is none, by the name under which it was said.
    """
    path = folder / "config.toml"
    given: dict[str, dict[str, Any]] = {section: {} for section in SERVICE_SECTIONS}
    origins: dict[str, Origin] = {}
    for origin, section, name, value in _said(flags, environ, path):
        if name not in given.setdefault(section, {}):
            given[section][name] = value
            origins[f"{section}.{name}"] = origin
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        raise UsageError(_refusal(error.errors()[0], origins, path)) from error
    found = Effective(settings, origins)
    return found._replace(origins={n: origins.get(n, "default") for n in found.values()})


def _said(
    flags: Mapping[str, Any], environ: Mapping[str, str], path: Path
) -> Iterator[tuple[Origin, str, str, Any]]:
    """Yield (origin, section, name, value) of all that is set, what wins first."""
    for dotted, value in flags.items():
        section, _, name = dotted.partition(".")
        if value is not None:
            yield "flag", section, name, value
    environment = _Environment(environ)
    for section, own in (environment() | environment.unknown()).items():
        for name, value in own.items() if isinstance(own, dict) else [("", own)]:
            yield "environment", section, name, value
    file = TomlConfigSettingsSource(Settings, toml_file=path)()
    for section in SERVICE_SECTIONS:  # of the rest `config.load` has an eye
        for name, value in file.get(section, {}).items():
            yield "file", section, name, value


def _refusal(error: ErrorDetails, origins: Mapping[str, Origin], path: Path) -> str:
    """Return what is wrong, by the name under which it was said."""
    said = ".".join(map(str, error["loc"][:2]))
    # Of a section that does not exist, the first name that was said in it.
    said = next((known for known in origins if f"{known}.".startswith(f"{said}.")), said)
    section, _, name = said.partition(".")
    called = {
        "flag": f"--{name.replace('_', '-')}",
        "environment": f"${variable(section, name)}",
    }.get(origins[said], f"{path}: {said}")
    if error["type"] == "extra_forbidden":
        return f"{called} is an unknown setting. To see those there are: sessionmill config"
    return f"{called} can't be {error['input']!r}: {error['msg']}."


def variable(section: str, name: str) -> str:
    """Return the environment variable of a setting."""
    return f"{PREFIX}{section}{BETWEEN if name else ''}{name}".upper()
