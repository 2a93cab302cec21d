"""A backup put back: verified first, built beside, and moved into place, the facts last."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import duckdb
import msgspec

from sessionmill.errors import BackupNewer, RestoreFailed, UsageError
from sessionmill.store import manifest
from sessionmill.store.backup import quote
from sessionmill.store.facts import Facts, schema_known
from sessionmill.store.manifest import (
    CONFIG,
    CONTROL,
    BackedUpTable,
    BackedUpView,
    Manifest,
    described,
)
from sessionmill.store.owner import Owner
from sessionmill.store.statements import first

#: Rows that are handed to DuckDB at once.
_ROWS = 16 * 1024

_Made = TypeVar("_Made", BackedUpTable, BackedUpView)


class Restored(msgspec.Struct, frozen=True):
    """What was put back."""

    #: The data directory.
    folder: str
    #: When the backup was made, UTC.
    made_at: datetime
    commit_number: int
    #: Of the backup; and of the facts now.
    backup_schema_version: int
    schema_version: int
    tables: int
    rows: int
    #: Whether there is a control store now.
    control: bool
    #: `restored`, `kept` (the data directory has one of its own), or `none`.
    config: str
    #: Views that were broken when the backup was made, and are left out.
    broken_views: tuple[str, ...]


def restore(backup: Path, into: Path, command: str, *, now: datetime) -> Restored:
    """Put a backup back into a data directory that holds no facts; `command` is what others see.

    Raises UsageError for one that holds some, BackupUnusable, BackupNewer, RestoreFailed, and
    FactsInUse.
    """
    backup, into = backup.expanduser().absolute(), into.expanduser().absolute()
    found = manifest.read(backup)
    if found.schema_version > schema_known():
        raise BackupNewer(backup, "schema", found.schema_version, schema_known())
    try:
        _refuse_what_there_is(into, found)
        manifest.verify(backup, found)
        owner = Owner(into, command)
        try:
            _refuse_what_there_is(into, found)  # a command may have made facts meanwhile
            return _put_back(backup, found, into, now)
        finally:
            owner.release()
    except OSError as error:
        raise RestoreFailed(backup, into, error.strerror or str(error)) from error
    except duckdb.Error as error:
        raise RestoreFailed(backup, into, str(error)) from error


def _refuse_what_there_is(into: Path, found: Manifest) -> None:
    """Raise UsageError for facts, or a control store that is not the backup's."""
    control = found.file(CONTROL)
    for name in ("facts.duckdb", "facts.duckdb.wal", CONTROL):
        # One that is the same was put here by a restore that was broken off.
        same = name == CONTROL and control and (into / name).exists()
        if (into / name).exists() and not (same and described(into, name) == control):
            raise UsageError(
                f"{into / name} is there, and a backup is put back over nothing. Move it away "
                "(it may be what you miss later), or name a new data directory: "
                "sessionmill restore BACKUP --db DIR"
            )


def _put_back(backup: Path, found: Manifest, into: Path, now: datetime) -> Restored:
    draft = Path(tempfile.mkdtemp(prefix="restoring-", dir=into))
    try:
        facts = _RestoredFacts(draft, backup, found, now)
        facts.close()
        if (draft / "facts.duckdb.wal").exists():
            raise RestoreFailed(backup, into, "there was no room to put all into one file")
        # Without it facts are whole, with one of other facts they would pass for damaged.
        (into / "commit_number").unlink(missing_ok=True)
        config = _put_beside(backup, found, draft, into)
        for name in ("facts.duckdb", "commit_number"):
            manifest.put_on_disk(draft / name)
            (draft / name).rename(into / name)
        manifest.put_on_disk(into)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Restored(
        folder=str(into),
        made_at=found.made_at,
        commit_number=found.commit_number,
        backup_schema_version=found.schema_version,
        schema_version=schema_known(),
        tables=len(found.tables),
        rows=found.rows,
        control=(into / CONTROL).exists(),
        config=config,
        broken_views=facts.broken_views,
    )


def _put_beside(backup: Path, found: Manifest, draft: Path, into: Path) -> str:
    """Put the control store and the settings in place; tell what came of the latter."""
    config = "none" if found.file(CONFIG) is None else "restored"
    if (into / CONFIG).exists():
        config = "kept"
    for name, wanted in ((CONTROL, found.file(CONTROL)), (CONFIG, config == "restored")):
        if wanted:
            shutil.copyfile(backup / name, draft / name)
            (draft / name).chmod(0o600)
            manifest.put_on_disk(draft / name)
            (draft / name).rename(into / name)
    return config


class _RestoredFacts(Facts):
    """Facts that begin with what a backup holds, where others begin empty."""

    def __init__(self, folder: Path, backup: Path, found: Manifest, now: datetime) -> None:
        self._backup, self._found = backup, found
        self.broken_views: tuple[str, ...] = ()
        super().__init__(folder, "sessionmill restore", now=now, sparing=True)

    def close(self) -> None:
        """Close, with everything in the one file that is to be moved, and its number noted."""
        try:
            self._conn.execute("CHECKPOINT")
            self._note_commit()
        finally:
            super().close()

    def _migrate(self, now: datetime) -> None:
        cursor = self._conn.cursor()
        try:
            self.broken_views = _fill(cursor, self._backup, self._found)
        except BaseException:
            self._conn.close()
            raise
        super()._migrate(now)


def _fill(cursor: duckdb.DuckDBPyConnection, backup: Path, found: Manifest) -> tuple[str, ...]:
    """Make tables and views as they were; return the names of views that were broken."""
    tables = _in_turn(cursor, found.tables)
    for table in found.tables:
        if table not in tables:
            cursor.execute(table.sql)  # which tells why it cannot be made
    for table in tables:
        _insert(cursor, backup, table)
        for column in table.columns:
            _comment(cursor, f"COLUMN {quote(table.name)}.{quote(column.name)}", column.comment)
        _comment(cursor, f"TABLE {quote(table.name)}", table.comment)
    views = _in_turn(cursor, found.views)
    for view in views:
        _comment(cursor, f"VIEW {quote(view.name)}", view.comment)
    return tuple(view.name for view in found.views if view not in views)


def _in_turn(cursor: duckdb.DuckDBPyConnection, wanted: Sequence[_Made]) -> list[_Made]:
    """Make what can be made, in an order in which it can: one may refer to another."""
    made: list[_Made] = []
    left, before = list(wanted), -1
    while len(made) > before:
        before = len(made)
        for one in tuple(left):
            with suppress(duckdb.BinderException, duckdb.CatalogException):
                cursor.execute(one.sql)
                made.append(one)
                left.remove(one)
    return made


def _insert(cursor: duckdb.DuckDBPyConnection, backup: Path, table: BackedUpTable) -> None:
    from pyarrow import RecordBatchReader, parquet

    into = f"main.{quote(table.name)}"
    names = ", ".join(quote(column.name) for column in table.columns)
    # To read ahead would be to hold the whole file.
    with parquet.ParquetFile(backup / table.file, pre_buffer=False) as file:
        rows = file.metadata.num_rows
        batches = file.iter_batches(_ROWS)
        cursor.register("_rows", RecordBatchReader.from_batches(file.schema_arrow, batches))
        # What was carried as text becomes what the column holds.
        cursor.execute(f"INSERT INTO {into} ({names}) SELECT {names} FROM _rows")
        cursor.unregister("_rows")
    if first(cursor.execute(f"SELECT count(*) FROM {into}")) != (rows,):
        raise duckdb.Error(f"of the {rows} rows of {table.name} not all arrived")


def _comment(cursor: duckdb.DuckDBPyConnection, on: str, text: str | None) -> None:
    if text is not None:
        escaped = text.replace("'", "''")
        cursor.execute(f"COMMENT ON {on} IS '{escaped}'")
