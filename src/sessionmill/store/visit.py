"""A visit to the facts that changes no byte of the data directory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from sessionmill.errors import FactsUnreadable
from sessionmill.store.owner import PATIENCE, lock
from sessionmill.store.statements import first


@contextmanager
def visit(
    folder: Path, *, patience: float = PATIENCE
) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """Yield a connection that only reads the facts in `folder`; None where there are none.

    No owner can begin meanwhile. Raises FactsInUse and FactsUnreadable.
    """
    path = folder / "facts.duckdb"
    if not path.exists():
        yield None
        return
    with _locked(folder, patience):
        try:
            connection = duckdb.connect(
                str(path),
                read_only=True,
                config={"enable_external_access": False, "temp_directory": ""},
            )
        except duckdb.Error as error:
            raise FactsUnreadable(path, str(error)) from error
        try:
            yield connection if _has_transcripts(connection) else None
        finally:
            connection.close()


@contextmanager
def _locked(folder: Path, patience: float) -> Iterator[None]:
    try:
        fd = os.open(folder / "owner.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield  # facts that were copied here: nobody has opened them yet
        return
    try:
        lock(fd, fcntl.LOCK_SH, folder, patience)
        yield
    finally:
        os.close(fd)


def _has_transcripts(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether these facts were ever opened by a program that knows of walks."""
    found = connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'transcripts'")
    return first(found) is not None
