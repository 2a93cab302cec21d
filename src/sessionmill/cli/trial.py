"""The command try."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sessionmill import config
from sessionmill.app import now
from sessionmill.cli.common import Db, Json, stdout_to_stderr
from sessionmill.cli.output import print_json, print_line, print_rows, print_traceback, warn
from sessionmill.collect.discover import Found
from sessionmill.collect.known import find_again
from sessionmill.collect.roots import path_kind
from sessionmill.config import Config
from sessionmill.contracts import RetryLater
from sessionmill.errors import ProcessorUnusable, SessionmillError, SessionUnknown, UsageError
from sessionmill.plugins import Processor, load
from sessionmill.registry import Registry
from sessionmill.remote import RemoteApp
from sessionmill.store.known import known_transcripts, resolve
from sessionmill.store.owner import serving
from sessionmill.store.visit import visit
from sessionmill.trial import Trial, transcript_at
from sessionmill.view.reports import Rows

_ADDED = frozenset({"session_key", "session_id", "username", "agent", "key_hash"})


def try_out(
    spec: Annotated[
        str, Parameter(name="SPEC", help="package.module:Class, or the name of a loaded one.")
    ],
    session: Annotated[
        str,
        Parameter(name="SESSION", help="A transcript's path, or a key, a session id, a start."),
    ],
    /,
    *,
    limit: Annotated[int, Parameter(help="Rows of each table.")] = 20,
    json: Json = False,
    db: Db = None,
) -> int:
    """Run a processor over one transcript and print its rows; nothing is written.

    It runs in this process, over empty facts in memory: what it prints is seen, what it raises is
    shown whole, a debugger can stop in it.
    """
    if limit < 1:
        raise UsageError("--limit is more than zero")
    settings = config.load(db)
    found = _found(session, settings.folder)
    with tempfile.TemporaryDirectory() as folder, stdout_to_stderr():
        tried = _tried(spec, replace(settings, folder=Path(folder)), found, limit)
    if tried is None:
        return 1
    items, tables = tried
    _print(found.session_key, items, tables, as_json=json)
    return 0


def _tried(
    spec: str, settings: Config, found: Found, limit: int
) -> tuple[int, dict[str, Rows]] | None:
    """Return what a processor writes of a transcript; None, with the reason said, if it fails."""
    try:
        processor = _load(spec, settings)
        _check_kind(processor, found)
        with Trial.of(processor, now) as trial:
            items = trial.process(found)
            for warning in trial.warnings:
                warn(warning)
            return items, trial.tables(limit)
    except RetryLater as later:
        warn(f"{spec} asks to be tried again later: {later}; nothing was written.")
    except SessionmillError as error:
        if isinstance(error, ProcessorUnusable) and error.__cause__ is not None:
            print_traceback(error.__cause__)
        raise
    except (Exception, SystemExit) as error:
        # Whatever it is, it is the processor's: its author wants to see where.
        print_traceback(error)
        warn(f"{spec} failed; nothing was written.")
    return None


def _found(session: str, folder: Path) -> Found:
    """Return the transcript that a path names, or else what the facts know by that name."""
    if os.path.isfile(session):  # noqa: PTH113 - Path.is_file raises behind a closed folder
        return transcript_at(Path(session).absolute(), config.os_user())
    if (owner := serving(folder)) is not None:
        return find_again(RemoteApp(Config(folder), owner).transcript(session))
    with visit(folder) as facts:
        if facts is None:
            raise SessionUnknown(session, [])
        [known] = known_transcripts(facts, resolve(facts, session))
    return find_again(known)


def _load(spec: str, settings: Config) -> Processor:
    """Load a processor by its class or its name."""
    if ":" not in spec:
        [named] = Registry.of(settings).named([spec])
        return named
    if "" not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    processor = load(spec, settings.folder, settings.processors)
    Registry().check_names(processor)
    return processor


def _check_kind(processor: Processor, found: Found) -> None:
    """Raise UsageError for a transcript that a run would not give to the processor."""
    if processor.main_only and path_kind(found.session_key) != "main":
        raise UsageError(
            f"{processor.name} is given main transcripts alone, and {found.session_key} is a "
            "sub-agent's."
        )


def _print(session_key: str, items: int, tables: dict[str, Rows], *, as_json: bool) -> None:
    if as_json:
        documents = {name: rows.document() for name, rows in tables.items()}
        print_json({"session": session_key, "items": items, "tables": documents})
        return
    for name, rows in tables.items():
        print_line(name)
        print_rows(_own(rows), as_json=False)
        print()
    print_line(f"Items of {session_key}, as a run counts them: {items:,}. Nothing was written.")


def _own(rows: Rows) -> Rows:
    """Leave out what the framework adds: it is the same in every row."""
    own = [i for i, name in enumerate(rows.columns) if name not in _ADDED]
    values = [tuple([row[i] for i in own]) for row in rows.values]
    return Rows([rows.columns[i] for i in own], values, rows.truncated)
