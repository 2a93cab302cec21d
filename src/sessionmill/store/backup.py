"""A backup of a data directory, made while its facts are open and runs commit.

The facts are read through DuckDB in one transaction, a snapshot, and written as Parquet by way of
Arrow: their file is never opened (see `sessionmill.store.facts`). The control store is copied by
SQLite's own means.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import msgspec
from duckdb.sqltypes import DuckDBPyType

from sessionmill.errors import BackupFailed, TypeNotKept, UsageError
from sessionmill.store import manifest
from sessionmill.store.facts import Facts, roll_back
from sessionmill.store.manifest import (
    CONFIG,
    CONTROL,
    BackedUpColumn,
    BackedUpFile,
    BackedUpTable,
    BackedUpView,
    Manifest,
)
from sessionmill.store.statements import statements

if TYPE_CHECKING:
    import pyarrow

#: Rows that are fetched at once: those of one vector of DuckDB's.
_FETCHED = 2048
#: A row group is written once it has so many rows or bytes, whichever comes first.
_GROUP_ROWS, _GROUP_BYTES = 128 * 1024, 16 * 1024 * 1024

#: Types that Arrow and Parquet keep to the last bit.
_KEPT = frozenset(
    "boolean tinyint smallint integer bigint utinyint usmallint uinteger ubigint float double"
    " decimal varchar blob date time timestamp".split()
) | {"timestamp with time zone"}
#: Types that they would change or refuse, and that text keeps.
_KEPT_AS_TEXT = frozenset(
    "hugeint uhugeint bignum bit uuid enum interval time_ns timestamp_s timestamp_ms"
    " timestamp_ns".split()
) | {"time with time zone"}


class BackupMade(msgspec.Struct, frozen=True):
    """What a backup came to."""

    folder: str
    #: UTC.
    made_at: datetime
    commit_number: int
    schema_version: int
    tables: int
    rows: int
    files: int
    #: Of all files.
    bytes: int
    #: Whether there was a control store, and a `config.toml`.
    control: bool
    config: bool


def write_backup(facts: Facts, data: Path, target: Path, *, now: datetime) -> BackupMade:
    """Back up the open facts of the data directory `data`, and what stands beside them.

    `target` is a folder that does not exist or is empty. It comes into being whole, or not at all.
    Raises UsageError for another, BackupFailed where it cannot be written, and TypeNotKept.
    """
    target = target.expanduser().absolute()
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise UsageError(
                f"{target} is there already, and a backup is not written over anything. Name a "
                "folder that does not exist, such as: "
                f"sessionmill backup {target}-{now:%Y%m%dT%H%M%S}"
            )
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.unfinished-", dir=target.parent))
    except OSError as error:
        raise BackupFailed(target, error.strerror or str(error)) from error
    try:
        made = _write(facts, data, draft, now)
        draft.rename(target)
        manifest.put_on_disk(target.parent)
    except BaseException as error:
        shutil.rmtree(draft, ignore_errors=True)
        if isinstance(error, OSError):
            raise BackupFailed(target, error.strerror or str(error)) from error
        if isinstance(error, sqlite3.Error):
            raise BackupFailed(target, f"{data / CONTROL}: {error}") from error
        raise
    return BackupMade(
        folder=str(target),
        made_at=now,
        commit_number=made.commit_number,
        schema_version=made.schema_version,
        tables=len(made.tables),
        rows=made.rows,
        files=len(made.files),
        bytes=made.bytes,
        control=made.file(CONTROL) is not None,
        config=made.file(CONFIG) is not None,
    )


def _write(facts: Facts, data: Path, draft: Path, now: datetime) -> Manifest:
    # The control store comes first: it notes the facts' commit number, and facts that were older
    # than its note would pass for damaged.
    beside = [*_copy_control(data, draft), *_copy_config(data, draft)]
    cursor = facts.cursor()
    try:
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        sql = statements("backup")
        [(commit_number, schema_version)] = cursor.execute(sql["state"]).fetchall()
        tables = _tables(cursor)
        views = tuple(BackedUpView(*row) for row in cursor.execute(sql["views"]).fetchall())
        written = [_write_table(cursor, table, draft) for table in tables]
    finally:
        roll_back(cursor)
        cursor.close()
    made = Manifest(
        format=manifest.FORMAT,
        program=metadata.version("sessionmill"),
        schema_version=schema_version,
        commit_number=commit_number,
        made_at=now,
        tables=tables,
        views=views,
        files=(*written, *beside),
    )
    manifest.write(draft, made)
    return made


def _copy_control(data: Path, draft: Path) -> Iterator[BackedUpFile]:
    if (data / CONTROL).exists():
        # Never opened as a file: as with DuckDB's, a lock would fall with the descriptor.
        source = sqlite3.connect(f"{(data / CONTROL).as_uri()}?mode=rw", uri=True)
        with closing(source), closing(sqlite3.connect(draft / CONTROL)) as copy:
            source.backup(copy)
        yield manifest.described(draft, CONTROL)


def _copy_config(data: Path, draft: Path) -> Iterator[BackedUpFile]:
    if (data / CONFIG).exists():
        shutil.copyfile(data / CONFIG, draft / CONFIG)
        yield manifest.described(draft, CONFIG)


# ── tables ──


def _tables(cursor: duckdb.DuckDBPyConnection) -> tuple[BackedUpTable, ...]:
    found = cursor.execute(statements("backup")["tables"]).fetchall()
    return tuple(
        BackedUpTable(name, sql, comment, _columns(cursor, name), _file_name(number, name))
        for number, (name, sql, comment) in enumerate(found, 1)
    )


def _file_name(number: int, table: str) -> str:
    """Return a name that any disk can hold: a table's may have every sign."""
    return f"{number:03}-{re.sub('[^a-z0-9_]+', '-', table.lower())[:60]}.parquet"


def _columns(cursor: duckdb.DuckDBPyConnection, table: str) -> tuple[BackedUpColumn, ...]:
    """Return the columns that hold something: what is generated is made anew by itself."""
    relation = cursor.sql(f"SELECT * FROM {quote(table)} LIMIT 0")
    types = dict(zip(relation.columns, relation.types, strict=True))
    rows = cursor.execute(statements("backup")["columns"], {"table": table}).fetchall()
    return tuple(
        BackedUpColumn(name, str(types[name]), _carrier(types[name], f"{table}.{name}"), comment)
        for name, comment in rows
    )


def _carrier(type: DuckDBPyType, of: str) -> str:
    """Return the type that takes a column's values through Arrow and Parquet unchanged."""
    if type.id in _KEPT:
        return str(type)
    if type.id in _KEPT_AS_TEXT:
        return "VARCHAR"
    if type.id in ("list", "array", "struct", "map"):
        parts = type.children
        inner = [(n, _carrier(part, of)) for n, part in parts if isinstance(part, DuckDBPyType)]
        if type.id == "struct":
            return f"STRUCT({', '.join(f'{quote(name)} {part}' for name, part in inner)})"
        if type.id == "map":
            return f"MAP({', '.join(part for _, part in inner)})"
        return f"{inner[0][1]}[{parts[1][1] if type.id == 'array' else ''}]"
    raise TypeNotKept(of, str(type))


def _write_table(
    cursor: duckdb.DuckDBPyConnection, table: BackedUpTable, draft: Path
) -> BackedUpFile:
    from pyarrow import parquet

    columns = ", ".join(
        f"CAST({quote(c.name)} AS {c.carrier}) AS {quote(c.name)}" for c in table.columns
    )
    # A relation's stream is read as it comes; that of a statement would be held whole.
    relation = cursor.sql(f"SELECT {columns} FROM {quote(table.name)}")
    rows = 0
    reader = relation.to_arrow_reader(_FETCHED)
    with parquet.ParquetWriter(draft / table.file, reader.schema, compression="zstd") as writer:
        for group in _groups(reader):
            writer.write_table(group)
            rows += group.num_rows
    return manifest.described(draft, table.file, rows)


def _groups(reader: pyarrow.RecordBatchReader) -> Iterator[pyarrow.Table]:
    """Yield tables that are large enough to be written well, and fit into memory."""
    import pyarrow

    batches: list[pyarrow.RecordBatch] = []
    rows = size = 0
    for batch in reader:
        batches.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            yield pyarrow.Table.from_batches(batches)
            batches, rows, size = [], 0, 0
    if batches:
        yield pyarrow.Table.from_batches(batches)


def quote(name: str) -> str:
    """Return a name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'
