"""The facts: one DuckDB file, owned by one process, written by one thread.

Nothing but DuckDB opens the file or its WAL (a POSIX lock falls when any descriptor of the file is
closed in the process). What opening does not prove, a commit number does: each transaction raises
it in the facts, and a small file beside them is written after each commit.
"""

from __future__ import annotations

import gc
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.resources import files
from pathlib import Path

import duckdb

from sessionmill.collect.contents import prepare_spool
from sessionmill.errors import DiskFull, FactsUnreadable, FolderClosed, NewerSchema
from sessionmill.store.owner import PATIENCE, Owner
from sessionmill.store.statements import first
from sessionmill.store.upgrade import adopt_older_tables

CORE_TABLES = frozenset(
    {
        "transcripts",
        "session_processor_state",
        "runs",
        "in_flight",
        "version_notes",
        "schema_version",
        "commits",
        "prices",
        "rollups",
        "stale_sessions",
        "vendor_usage",
        "vendor_points",
        "vendor_names",
    }
)
#: Bytes that stay free, so that a checkpoint, without which the file cannot be closed, has room.
KEPT_FREE = 64 * 1024 * 1024

#: Beside workers: to insert rows on several threads costs half as much again, and blocks of the
#: file that stay in memory are of no use to whom only writes. A statement that needs more spills.
_SPARING: dict[str, str | int] = {"threads": 1, "memory_limit": "224MB"}


class Facts:
    """The open facts of a data directory."""

    def __init__(
        self,
        folder: Path,
        command: str,
        *,
        now: datetime,
        sparing: bool = False,
        patience: float = PATIENCE,
    ) -> None:
        """Take the facts in `folder`, made if there are none, and bring them up to date.

        `sparing` leaves cores and memory to workers; `patience` is how many seconds to wait for
        another that holds them. Raises FactsInUse, FolderClosed,
        NewerSchema, FactsUnreadable. `notice` then says what was found to be wrong and mended.
        """
        self.folder, self.path = folder, folder / "facts.duckdb"
        #: Where workers put what they decompress.
        self.spool = folder / "spool"
        self.notice: str | None = None
        self._sparing = sparing
        self._number = 0
        self._committing = threading.Lock()
        self._writing = threading.RLock()
        self._owner = Owner(folder, command, patience=patience)
        try:
            self._open(now)
        except OSError as error:
            self._owner.release()
            raise FolderClosed(folder, error) from error
        except BaseException:
            self._owner.release()
            raise

    def announce(self, url: str, token: str) -> None:
        """Tell commands that this process answers for the facts, and what lets them ask."""
        self._owner.announce(url, token)

    def close(self) -> None:
        """Put everything into the file, and let others have it."""
        try:
            self._conn.close()
        finally:
            self._owner.release()

    def __enter__(self) -> Facts:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def commit_number(self) -> int:
        """The number of the last commit."""
        return self._number

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a cursor of the caller's own: one for each thread."""
        return self._conn.cursor()

    @contextmanager
    def transaction(self, *, kept: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a cursor whose statements are committed together, or not at all.

        Not at all either unless they are to be `kept`: to see what they would make of the facts.
        One at a time, whatever the thread: two that wrote the same row would conflict. Raises
        DiskFull before it begins where a checkpoint might find no room.
        """
        self.check_room()
        with self._writing:
            cursor = self._conn.cursor()
            try:
                cursor.execute("BEGIN")
                try:
                    yield cursor
                    if kept:
                        self.commit(cursor)
                    else:
                        roll_back(cursor)
                except BaseException:
                    roll_back(cursor)
                    raise
            finally:
                cursor.close()

    def commit(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Commit what `cursor` has begun, numbered; one at a time, whatever the thread."""
        with self._committing:
            number = self._number + 1
            # A row of its own: transactions that raised one row's number would conflict.
            cursor.execute("INSERT INTO commits VALUES (?)", [number])
            cursor.execute("COMMIT")
            self._number = number
            self._note_commit()

    def _note_commit(self) -> None:
        """Write the number of the last commit beside the facts, once it is committed."""
        draft = self.folder / "commit_number.new"
        try:
            with draft.open("w") as file:
                file.write(f"{self._number}\n")
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.folder / "commit_number")
        except OSError as error:
            raise FolderClosed(self.folder, error) from error

    def is_given_up(self) -> bool:
        """Tell whether DuckDB has given the open file up: for want of room at a checkpoint.

        Nothing that was committed is lost, but nothing works until `reopen`.
        """
        cursor = self.cursor()
        try:
            cursor.execute("SELECT 1").fetchall()
        except duckdb.FatalException:
            return True
        finally:
            cursor.close()
        return False

    def reopen(self, now: datetime) -> None:
        """Open the file anew that DuckDB has given up, once there is room; cursors are then dead.

        Raises DiskFull, and FactsUnreadable while somebody still has a cursor of it.
        """
        with self._writing, self._committing:
            self.check_room()
            self._conn.close()
            gc.collect()  # a cursor that is kept anywhere keeps the dead instance
            self._connect()
            if self.is_given_up():
                raise FactsUnreadable(self.path, "somebody still reads what DuckDB has given up")
            damage = self._damage_after_opening()
            if damage is not None:
                self._set_aside(damage, now)
                self._connect()
                self._migrate(now)

    def check_room(self, beside: int = 0) -> None:
        """Raise DiskFull if the disk has less room than closing the facts may take.

        `beside`: bytes that are about to be written, and must leave that room.
        """
        free, needed = shutil.disk_usage(self.folder).free, KEPT_FREE + beside
        if free < needed:
            raise DiskFull(self.folder, free, needed)

    # ── opening ──

    def _open(self, now: datetime) -> None:
        (self.folder / "spill").mkdir(mode=0o700, exist_ok=True)
        prepare_spool(self.spool)
        damage = self._damage_before_opening()
        if damage is None:
            self._connect()
            self._migrate(now)
            damage = self._damage_after_opening()
        if damage is not None:
            self._set_aside(damage, now)
            self._connect()
            self._migrate(now)

    def _connect(self) -> None:
        new = not self.path.exists()
        limits = _SPARING if self._sparing else {}
        try:
            self._conn = duckdb.connect(
                str(self.path),
                config={
                    "enable_external_access": False,
                    "autoinstall_known_extensions": False,
                    "autoload_known_extensions": False,
                    "temp_directory": str(self.folder / "spill"),
                    **limits,
                },
            )
        except duckdb.Error as error:
            if not new and not os.access(self.path, os.R_OK | os.W_OK):
                raise FolderClosed(
                    self.folder, f"{self.path.name} is not yours to write"
                ) from error
            raise FactsUnreadable(self.path, str(error)) from error
        if new:
            self.path.chmod(0o600)
        row = first(self._conn.execute("SELECT current_setting('TimeZone')"))
        self.local_timezone = str(row[0]) if row else "UTC"
        self._conn.execute("SET GLOBAL TimeZone = 'UTC'")
        self._conn.execute("SET lock_configuration = true")

    def _migrate(self, now: datetime) -> None:
        migrations = _migrations()
        with self._migration() as cursor:
            adopt = adopt_older_tables(cursor)
            version = _schema_version(cursor)
            if version > len(migrations):
                raise NewerSchema(self.path, version, len(migrations))
            for number, (name, sql) in enumerate(migrations[version:], version + 1):
                cursor.execute(sql)
                cursor.execute("INSERT INTO schema_version VALUES (?, ?, ?)", [number, name, now])
            adopt.finish(cursor)
            cursor.execute(
                "DELETE FROM commits WHERE number + 1000 < (SELECT max(number) FROM commits)"
            )

    @contextmanager
    def _migration(self) -> Iterator[duckdb.DuckDBPyConnection]:
        cursor = self._conn.cursor()
        try:
            cursor.execute("BEGIN")
            yield cursor
            cursor.execute("COMMIT")
        except BaseException:
            roll_back(cursor)
            self._conn.close()
            raise
        finally:
            cursor.close()

    # ── damage ──

    def _damage_before_opening(self) -> str | None:
        if not self.path.exists() and self._noted() > 0:
            return f"{self.path.name} is missing"
        if self._noted() > 0 and self.path.stat().st_size == 0:
            return f"{self.path.name} is empty"
        if not self.path.exists() and self.path.with_suffix(".duckdb.wal").exists():
            return f"{self.path.name} is missing, and its log is still there"
        return None

    def _damage_after_opening(self) -> str | None:
        row = first(self._conn.execute("SELECT max(number) FROM commits"))
        stored, noted = (row[0] or 0) if row else 0, self._noted()
        self._number = stored
        # One ahead: killed between a commit and its note.
        if stored < noted:
            self._conn.close()
            self._number = 0
            return f"{noted - stored} of {noted} commits are missing in {self.path.name}"
        return None

    def _noted(self) -> int:
        try:
            return int((self.folder / "commit_number").read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def _set_aside(self, damage: str, now: datetime) -> None:
        aside = self.folder / f"damaged-{now:%Y%m%dT%H%M%S}-{self._noted()}"
        while aside.exists():
            aside = aside.with_name(f"{aside.name}+")
        aside.mkdir(mode=0o700)
        for path in (self.path, self.path.with_suffix(".duckdb.wal")):
            if path.exists():
                path.rename(aside / path.name)
        (self.folder / "commit_number").unlink(missing_ok=True)
        self.notice = (
            f"{damage}: the facts are damaged. They were set aside in {aside}, and are made anew "
            "from the transcripts that still exist; facts of deleted ones stand only there. "
            "To make them anew: sessionmill run"
        )


def _migrations() -> list[tuple[str, str]]:
    folder = files(__package__).joinpath("migrations")
    found = sorted(
        (m.name, m.read_text("utf-8")) for m in folder.iterdir() if m.name[-4:] == ".sql"
    )
    return [(name.removesuffix(".sql"), sql) for name, sql in found]


def schema_known() -> int:
    """Return the newest schema that this program knows."""
    return len(_migrations())


def _schema_version(cursor: duckdb.DuckDBPyConnection) -> int:
    cursor.execute(
        "CREATE TABLE IF NOT EXISTS schema_version"
        " (version BIGINT, name VARCHAR, applied_at TIMESTAMP)"
    )
    row = first(cursor.execute("SELECT max(version) FROM schema_version"))
    return int(row[0] or 0) if row else 0


def roll_back(cursor: duckdb.DuckDBPyConnection) -> None:
    """Undo what a cursor has begun, if anything."""
    try:
        cursor.execute("ROLLBACK")
    except duckdb.Error:
        return  # a failed commit has ended the transaction already
