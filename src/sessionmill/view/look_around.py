"""Looks at what health is told of beside the facts: roots, the disk, the control store, workers.

The edge of health: nothing else of it touches this machine.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from sessionmill.collect.roots import Root
from sessionmill.paths import written
from sessionmill.run.supervise import Worker, WorkerLost
from sessionmill.view.surroundings import Condition, RootCondition

#: Seconds that a question to the control store may wait for who writes it.
_PATIENCE = 1.0


def look_at_roots(roots: Iterable[Root]) -> dict[str, RootCondition]:
    """Return how each root is, by its path as the facts write it: one look, no walk.

    One that nobody named, and that is not there, is left out.
    """
    found = {written(os.path.realpath(root.folder)): (root, _root(root.folder)) for root in roots}
    return {
        path: condition
        for path, (root, condition) in found.items()
        if root.expected or condition != "missing"
    }


def _root(folder: Path) -> RootCondition:
    try:
        with os.scandir(folder) as entries:
            return "there" if any(True for _ in entries) else "empty"
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError:
        return "unreadable"


def free_bytes(folder: Path) -> int | None:
    """Return how much room the disk of a folder has; None where that can't be told."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def facts_bytes(folder: Path) -> int | None:
    """Return the size of the facts in a data directory, their log included, by `stat` alone."""
    try:
        return sum(path.stat().st_size for path in folder.glob("facts.duckdb*"))
    except OSError:
        return None


def look_at_control(folder: Path) -> Condition | None:
    """Return whether the control store of a data directory can be read; None if it has none."""
    path = folder / "control.db"
    if not path.exists():
        return None
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_PATIENCE)
        ) as store:
            store.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except sqlite3.Error as error:
        return Condition(f"{path.name}: {error}")
    return Condition()


def look_at_workers(spool: Path) -> Condition:
    """Start a worker without processors, and end it: some tenths of a second."""
    try:
        worker = Worker([], spool)
    except OSError as error:
        return Condition(str(error))
    try:
        worker.ready()
    except WorkerLost as lost:
        return Condition(lost.reason)
    finally:
        worker.close()
    return Condition()


def noted_commit(folder: Path) -> int | None:
    """Return the number of the last commit as it stands beside the facts; None if it does not."""
    try:
        return int((folder / "commit_number").read_text("ascii"))
    except (OSError, ValueError):
        return None
