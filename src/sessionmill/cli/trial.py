"""The command try."""

from __future__ import annotations

import sys
import tempfile
import traceback
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sessionmill import config
from sessionmill.app import now
from sessionmill.cli.common import Db, Json, open_app, stdout_to_stderr
from sessionmill.cli.output import print_json, print_rows, warn
from sessionmill.collect.discover import Found
from sessionmill.collect.known import look_again
from sessionmill.config import Config
from sessionmill.errors import SessionmillError, TranscriptGone
from sessionmill.plugins import Processor, load
from sessionmill.registry import Registry
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
    settings = config.load(db)
    with tempfile.TemporaryDirectory() as folder, stdout_to_stderr():
        try:
            processor = _load(spec, settings, Path(folder))
            found = _found(session, db)
            with Trial.of(processor, now) as trial:
                items = trial.process(found)
                tables = trial.tables(limit)
        except SessionmillError as error:
            if error.__cause__ is not None:
                traceback.print_exception(error.__cause__)
            raise
        except Exception:
            # Whatever it is, it is the processor's: its author wants to see where.
            traceback.print_exc()
            warn(f"{spec} failed; nothing was written.")
            return 1
    _print(found.session_key, items, tables, as_json=json)
    return 0


def _load(spec: str, settings: Config, folder: Path) -> Processor:
    """Load a processor by its class or its name, with `folder` for its own."""
    if ":" not in spec:
        [known] = Registry.of(settings).named([spec])
        spec = known.spec
    elif "" not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    return load(spec, folder, settings.processors)


def _found(session: str, db: Path | None) -> Found:
    """Return the transcript that a path names, or else what the facts know by that name."""
    path = Path(session)
    if path.is_file():
        return transcript_at(path.absolute(), config.os_user())
    with open_app(db) as app:
        known = app.transcript(session)
    for found in look_again([known]).found:
        return found
    raise TranscriptGone(known.session_key, known.path)


def _print(session_key: str, items: int, tables: dict[str, Rows], *, as_json: bool) -> None:
    if as_json:
        documents = {name: rows.document() for name, rows in tables.items()}
        print_json({"session": session_key, "items": items, "tables": documents})
        return
    for name, rows in tables.items():
        print(name)
        print_rows(_own(rows), as_json=False)
        print()
    print(f"{items:,} rows of {session_key}; nothing was written.")


def _own(rows: Rows) -> Rows:
    """Leave out what the framework adds: it is the same in every row."""
    own = [i for i, name in enumerate(rows.columns) if name not in _ADDED]
    values = [tuple([row[i] for i in own]) for row in rows.values]
    return Rows([rows.columns[i] for i in own], values, rows.truncated)
