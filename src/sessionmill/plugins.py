"""The door by which processors enter: found by name, checked, and built alike everywhere.

Entry points of the group `sessionmill.processors` (the built-ins use it too), `processors.extra`
of the configuration, and `--processor package.module:Class` on a command line. One that cannot be
built is listed with its reason, and takes nothing else down.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sessionmill.cadence import Cadence
from sessionmill.contracts import (
    COLUMN_TYPES,
    Extractor,
    ProcessorContext,
    SessionProcessor,
    Table,
)
from sessionmill.errors import ProcessorUnusable, UsageError

GROUP = "sessionmill.processors"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """A processor that can run, with what it declares or the defaults."""

    name: str
    spec: str
    version: int
    cadence: Cadence
    timeout_seconds: float
    memory_limit_mb: int
    max_attempts: int
    #: Whether it is given main transcripts alone.
    main_only: bool
    settings: Mapping[str, Any]
    folder: Path
    #: Of an extractor: its tables, views and rollups.
    tables: tuple[Table, ...] = ()
    views: Mapping[str, str]
    rollups: Mapping[str, str] = field(default_factory=dict)
    #: Of an effectful processor: tables whose rows of a session are deleted before it runs.
    own_tables: tuple[str, ...] = ()
    is_extractor: bool
    #: What each version changed, in a sentence.
    changes: Mapping[int, str] = field(default_factory=dict)

    def why(self, from_version: int | None) -> str | None:
        """Return what the versions after `from_version` say of themselves, up to this one."""
        since = [n for n in sorted(self.changes) if (from_version or 0) < n <= self.version]
        return " ".join(self.changes[n] for n in since) or None


@dataclass(frozen=True, slots=True)
class Unusable:
    """A processor that was asked for and cannot be built."""

    name: str
    reason: str


def build(spec: str, folder: Path, settings: Mapping[str, Any]) -> Any:
    """Return an instance of the class that `spec` ("package.module:Class") names.

    Raises whatever importing or making it raises, and ProcessorUnusable for a spec of no class.
    """
    return make(_class_of(spec), spec, folder, settings)


def make(made: Any, spec: str, folder: Path, settings: Mapping[str, Any]) -> Any:
    """Return an instance of a class; a context is given to one that takes an argument."""
    if not _takes_context(made):
        return made()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = _name_of(made) or spec
    return made(
        ProcessorContext(
            settings=settings,
            folder=folder,
            redact=redact,
            log=logging.getLogger(f"sessionmill.processors.{name}"),
        )
    )


def _class_of(spec: str) -> Any:
    module_name, colon, class_name = spec.partition(":")
    if not colon or not module_name or not class_name:
        raise ProcessorUnusable(spec, f"{spec!r} is not of the form package.module:Class")
    made: Any = importlib.import_module(module_name)
    for part in class_name.split("."):
        made = getattr(made, part)
    if not callable(made):
        raise ProcessorUnusable(spec, f"{spec} is {type(made).__name__}, not a class")
    return made


def _name_of(made: Any) -> str | None:
    """Return the name that a class declares, if it is one that a folder can bear."""
    name = getattr(made, "name", None)
    return name if isinstance(name, str) and _NAME.fullmatch(name) else None


def load(
    spec: str, data_folder: Path, settings: Mapping[str, Mapping[str, Any]], known_name: str = ""
) -> Processor:
    """Build a processor once, check it, and return what it declares.

    Raises ProcessorUnusable, whose reason says what is wrong.
    """
    try:
        name = _name_of(_class_of(spec)) or known_name or spec.rpartition(":")[2]
        folder, own = data_folder / "processors" / name, settings.get(name, {})
        made = build(spec, folder, own)
    except ProcessorUnusable:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ProcessorUnusable(spec, f"{type(error).__name__}: {error}") from error
    return describe(made, spec, folder, own)


def entry_points() -> list[tuple[str, str]]:
    """Return (name, spec) of every installed processor, the built-ins first."""
    from importlib.metadata import entry_points as installed

    found = {(point.name, point.value) for point in installed(group=GROUP)}
    return sorted(found, key=lambda point: (not point[1].startswith("sessionmill."), point))


def redact(text: str) -> str:
    """Mask what looks like a secret: key=value pairs and long tokens."""
    return _SECRET.sub(lambda match: f"{match.group(1) or ''}[redacted]", text)


_SECRET = re.compile(
    r"((?:password|passwd|secret|token|api[_-]?key)[\"']?\s*[:=]\s*[\"']?)[^\s\"']{4,}"
    r"|\b(?:sk|pk|ghp|gho|ghs|glpat|xox[abps]|AKIA|eyJ)[-_A-Za-z0-9.]{12,}",
    re.IGNORECASE,
)


def _takes_context(made: Any) -> bool:
    if not inspect.isclass(made) or made.__init__ is object.__init__:
        return False
    parameters = list(inspect.signature(made).parameters.values())
    required = [
        p
        for p in parameters
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    return len(required) == 1


def describe(made: Any, spec: str, folder: Path, settings: Mapping[str, Any]) -> Processor:
    """Return what a processor declares, checked. Raises ProcessorUnusable.

    Its cadence is its own; the registry puts the configured one in its place.
    """
    name = getattr(made, "name", None)
    minutes = getattr(made, "cadence_minutes", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ProcessorUnusable(
            spec, f"its name is {name!r}; lower-case letters, digits, _ and - are expected"
        )
    if isinstance(minutes, bool) or not isinstance(minutes, int):
        raise ProcessorUnusable(spec, f"its cadence_minutes is {minutes!r}; minutes are expected")
    try:
        cadence = Cadence.of(minutes)
    except UsageError as error:
        raise ProcessorUnusable(spec, f"its cadence_minutes: {error}") from error
    is_extractor = callable(getattr(made, "extract", None))
    if not is_extractor and not callable(getattr(made, "process_session", None)):
        raise ProcessorUnusable(
            spec, "it has neither process_session nor extract, so it is no processor"
        )
    tables = tuple(getattr(made, "tables", ()))
    if is_extractor:
        _check_tables(tables, spec)
    return Processor(
        name=name,
        spec=spec,
        version=_number(made, "version", 1, spec),
        cadence=cadence,
        timeout_seconds=_number(made, "timeout_seconds", 300, spec),
        memory_limit_mb=_number(made, "memory_limit_mb", 2048, spec),
        max_attempts=_number(made, "max_attempts", 5, spec),
        main_only=getattr(made, "transcripts", "all") == "main",
        settings=dict(settings),
        folder=folder,
        tables=tables if is_extractor else (),
        views=dict(getattr(made, "views", {})) if is_extractor else {},
        rollups=dict(getattr(made, "rollups", {})) if is_extractor else {},
        own_tables=() if is_extractor else tuple(map(str, tables)),
        is_extractor=is_extractor,
        changes=_changes(made, spec),
    )


def _changes(made: Any, spec: str) -> dict[int, str]:
    changes = getattr(made, "changes", {})
    if not isinstance(changes, Mapping) or not all(
        isinstance(version, int) and isinstance(sentence, str)
        for version, sentence in changes.items()
    ):
        raise ProcessorUnusable(
            spec, f"its changes are {changes!r}; a sentence for each version is expected"
        )
    return dict(changes)


def _number(made: Any, name: str, default: int, spec: str) -> int:
    value = getattr(made, name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise ProcessorUnusable(spec, f"its {name} is {value!r}; a positive number is expected")
    return value  # type: ignore[return-value] # a float of seconds is as good


def _check_tables(tables: Iterable[object], spec: str) -> None:
    for table in tables:
        if not isinstance(table, Table):
            raise ProcessorUnusable(spec, f"an extractor's tables are Table, not {table!r}")
        names = [column.name for column in table.columns]
        for column in table.columns:
            if column.type not in COLUMN_TYPES:
                raise ProcessorUnusable(
                    spec, f"{table.name}.{column.name} has the unknown type {column.type!r}"
                )
        _check_names(table, spec)
        if not table.key:
            raise ProcessorUnusable(spec, f"{table.name} declares no key")
        for key in table.key:
            if key not in names:
                raise ProcessorUnusable(spec, f"{table.name} has no column {key!r} for its key")


def _check_names(table: Table, spec: str) -> None:
    """Refuse names that the framework uses itself; DuckDB takes cases for the same."""
    names = [*(column.name for column in table.columns), *table.derived]
    folded = [name.casefold() for name in names]
    for name in (table.name, *names):
        if not name or name.startswith("_"):
            raise ProcessorUnusable(spec, f"{name!r}: names that start with _ are the framework's")
    for name, low in zip(names, folded, strict=True):
        if low in _FRAMEWORK_COLUMNS:
            raise ProcessorUnusable(spec, f"{table.name}.{name}: the framework adds that column")
        if folded.count(low) > 1:
            raise ProcessorUnusable(spec, f"{table.name} declares the column {name} twice")


#: `rowid` is DuckDB's own.
_FRAMEWORK_COLUMNS = frozenset(
    {"session_key", "session_id", "username", "agent", "key_hash", "counted", "rowid"}
)


__all__ = [
    "Extractor",
    "Processor",
    "SessionProcessor",
    "Unusable",
    "build",
    "describe",
    "load",
    "redact",
]
