"""Every setting as it counts, and where it comes from; what may be a secret is masked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sessionmill.collect.roots import Root, RootKind
from sessionmill.config import Config, Origin, interval_variables
from sessionmill.paths import written
from sessionmill.settings import Effective
from sessionmill.settings import variable as variable_of
from sessionmill.view.reports import Rows

COLUMNS = ("setting", "value", "origin", "where")

MASK = "********"
#: Words of a name, in the singular, that say that its value is nobody's business.
_SECRET = frozenset(
    "apikey auth authorization cookie credential dsn key passphrase passwd password pin private"
    " secret token".split()
)
#: A name is `apiKey`, `api_key` or `API-KEY`.
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
#: The password in `https://name:password@host`.
_IN_URL = re.compile(r"(?<=://)([^/@\s]*:)[^/@\s]+(?=@)")


#: What sets the data directory.
_FOLDER: Mapping[Origin, str] = {"flag": "--db", "environment": "SESSIONMILL_HOME"}
#: What names roots of a kind.
_ROOTS: Mapping[RootKind, str] = {
    "sessions": "SESSION_DATA_DIR",
    "claude": "CLAUDE_CONFIG_DIR",
    "codex": "CODEX_HOME",
}


def settings(
    config: Config, folder_origin: Origin, effective: Effective, roots: Sequence[Root]
) -> Rows:
    """List them; `roots` are those of this machine, which are read where none are named."""
    file = written(config.folder / "config.toml")
    rows: list[tuple[Any, ...]] = [
        ("data_directory", written(config.folder), folder_origin, _FOLDER.get(folder_origin)),
        *_roots(roots),
    ]
    for name, value in effective.values().items():
        section, _, own = name.partition(".")
        origin = effective.origins[name]
        where = {"flag": f"--{own}", "environment": variable_of(section, own), "file": file}
        rows.append((name, _masked(own, value), origin, where.get(origin)))
    rows += _of_processors(config, file)
    # Their number: `sessionmill prices` shows them.
    rows.append(("prices", len(config.prices), *_said_in(file, config.prices)))
    return Rows(list(COLUMNS), rows)


def _roots(roots: Sequence[Root]) -> Iterator[tuple[str, list[str], Origin, str | None]]:
    """Yield a row for each kind of root. One that a variable names is expected to be there."""
    team = any(root.kind == "sessions" for root in roots)
    for kind, name in _ROOTS.items():
        own = [root for root in roots if root.kind == kind]
        folders = [written(root.given) for root in own]
        if team:  # then no home is looked at
            yield f"roots.{kind}", folders, "environment", _ROOTS["sessions"]
        elif any(root.expected for root in own):
            yield f"roots.{kind}", folders, "environment", name
        else:
            yield f"roots.{kind}", folders, "default", None


def _of_processors(config: Config, file: str) -> Iterator[tuple[str, Any, Origin, str | None]]:
    """Yield a row for each setting of processors, and for each cadence that a variable sets."""
    extra = list(config.extra_processors)
    yield "processors.extra", extra, *_said_in(file, extra)
    intervals = dict(config.intervals)
    for processor, own in config.processors.items():
        for name, value in own.items():
            setting = f"processors.{processor}.{name}"
            by = [v for v in interval_variables(processor) if v in config.intervals]
            if name == "cadence" and by:
                yield setting, str(intervals.pop(by[0])), "environment", by[0]
            else:
                yield setting, _masked(name, value), "file", file
    for variable, cadence in intervals.items():
        yield variable, str(cadence), "environment", variable


def _said_in(file: str, value: object) -> tuple[Origin, str | None]:
    return ("file", file) if value else ("default", None)


def _masked(name: str, value: Any) -> Any:
    """Return a value as it may be shown: for what may be a secret, by its name, a mask."""
    words = {word.lower().removesuffix("s") for word in _WORD.findall(name)}
    if words & _SECRET:
        return MASK
    if isinstance(value, Mapping):
        return {own: _masked(own, inner) for own, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(name, inner) for inner in value]
    if isinstance(value, Path):
        return written(value)
    return _IN_URL.sub(rf"\1{MASK}", value) if isinstance(value, str) else value
