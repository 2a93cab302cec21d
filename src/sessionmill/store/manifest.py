"""What a backup holds, as its `manifest.json` tells, and whether that is so.

A backup is a folder: a Parquet file for each table, `control.db` and `config.toml` where there are
any, `manifest.json`, and `manifest.sha256`, by which a change of the manifest itself shows.
"""

from __future__ import annotations

import hashlib
import os
from datetime import datetime
from pathlib import Path

import msgspec

from sessionmill.errors import BackupNewer, BackupUnusable

MANIFEST, SEAL = "manifest.json", "manifest.sha256"
CONTROL, CONFIG = "control.db", "config.toml"
#: Of how a backup is laid out. Raised where an older program could not read it.
FORMAT = 1


class BackedUpColumn(msgspec.Struct, frozen=True):
    """A column of a table."""

    name: str
    type: str
    #: The type by which the Parquet file has it: text, where Arrow or Parquet would change it.
    carrier: str
    comment: str | None


class BackedUpTable(msgspec.Struct, frozen=True):
    """A table: the SQL that makes it, and the file that has its rows."""

    name: str
    sql: str
    comment: str | None
    columns: tuple[BackedUpColumn, ...]
    file: str


class BackedUpView(msgspec.Struct, frozen=True):
    """A view."""

    name: str
    sql: str
    comment: str | None


class BackedUpFile(msgspec.Struct, frozen=True):
    """A file of the backup."""

    #: Below its folder.
    name: str
    bytes: int
    sha256: str
    #: Of a table's file.
    rows: int | None = None


class Manifest(msgspec.Struct, frozen=True):
    """All that a backup holds."""

    format: int
    #: Version of the sessionmill that made it.
    program: str
    schema_version: int
    #: Of the last transaction that is in it.
    commit_number: int
    #: UTC.
    made_at: datetime
    tables: tuple[BackedUpTable, ...]
    views: tuple[BackedUpView, ...]
    files: tuple[BackedUpFile, ...]

    def file(self, name: str) -> BackedUpFile | None:
        """Return what is said of a file, if it is in the backup."""
        return next((file for file in self.files if file.name == name), None)

    @property
    def rows(self) -> int:
        """How many rows all tables have."""
        return sum(file.rows or 0 for file in self.files)

    @property
    def bytes(self) -> int:
        """How many bytes all files have, but for the manifest and its seal."""
        return sum(file.bytes for file in self.files)


def described(folder: Path, name: str, rows: int | None = None) -> BackedUpFile:
    """Return what there is to be said of a file."""
    with (folder / name).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return BackedUpFile(name, file.tell(), digest, rows)


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest and its seal, and have all that is there on the disk."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    (folder / MANIFEST).write_bytes(text)
    (folder / SEAL).write_text(_seal(text))
    for name in (*(file.name for file in manifest.files), MANIFEST, SEAL, ""):
        put_on_disk(folder / name)


def read(folder: Path) -> Manifest:
    """Return what a backup holds. Raises BackupUnusable where its manifest is not as written."""
    try:
        text = (folder / MANIFEST).read_bytes()
        seal = (folder / SEAL).read_bytes()
    except OSError as error:
        name = Path(str(error.filename)).name
        raise BackupUnusable(folder, name, error.strerror or "it cannot be read") from error
    if seal != _seal(text).encode():
        raise BackupUnusable(folder, MANIFEST, f"its hash is not the one that {SEAL} tells")
    try:
        manifest = msgspec.json.decode(text, type=Manifest)
    except msgspec.MsgspecError as error:
        raise BackupUnusable(folder, MANIFEST, f"it is no manifest: {error}") from error
    if manifest.format > FORMAT:
        raise BackupNewer(folder, "format", manifest.format, FORMAT)
    return manifest


def verify(folder: Path, manifest: Manifest) -> None:
    """Read every file. Raises BackupUnusable for the first that is not as the manifest says."""
    import pyarrow
    from pyarrow import parquet

    for file in manifest.files:
        try:
            found = described(folder, file.name, file.rows)
        except OSError as error:
            raise BackupUnusable(folder, file.name, error.strerror or str(error)) from error
        if found.bytes != file.bytes:
            raise BackupUnusable(
                folder, file.name, f"it has {found.bytes} bytes, and should have {file.bytes}"
            )
        if found.sha256 != file.sha256:
            raise BackupUnusable(folder, file.name, "its content is not what was written")
        if file.rows is not None:
            try:
                rows = parquet.read_metadata(folder / file.name).num_rows
            except (OSError, pyarrow.ArrowException) as error:
                raise BackupUnusable(folder, file.name, f"it is no Parquet: {error}") from error
            if rows != file.rows:
                raise BackupUnusable(
                    folder, file.name, f"it has {rows} rows, and should have {file.rows}"
                )


def put_on_disk(path: Path) -> None:
    """Wait until a file, or what a folder lists, would outlive a loss of power."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _seal(text: bytes) -> str:
    """Return what `sha256sum -c` reads."""
    return f"{hashlib.sha256(text).hexdigest()}  {MANIFEST}\n"
