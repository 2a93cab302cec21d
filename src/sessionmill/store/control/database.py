"""The file, its schema, and its transactions: what many processes may use at once."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from sessionmill.errors import ControlUnreadable, NewerSchema
from sessionmill.run.ports import Clock
from sessionmill.store.owner import close_to_others

if TYPE_CHECKING:
    from sessionmill.store.control.audit_log import AuditLog
    from sessionmill.store.control.tokens import Tokens
    from sessionmill.store.control.users import Users

#: The newest migration in `versions`.
_VERSION = "0001"
#: Milliseconds that a statement waits for another process's transaction.
_BUSY_MS = 10_000
#: Seconds that another process may take between making the file and writing its first page.
_CREATED = 2.0


class Control:
    """The control store of one data directory; safe for threads and for other processes."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """Open `control.db` in `folder`, made if it is not there, and bring it up to date.

        Raises ControlUnreadable and NewerSchema.
        """
        self.path, self.clock = folder / "control.db", clock
        self._engine = _engine(self.path)
        self._local = threading.local()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            close_to_others(folder)
            _create(self.path)
            version = _version(self.path)
            if version is not None and version > _VERSION:
                raise NewerSchema(self.path, int(version), int(_VERSION))
            if version != _VERSION:
                self._migrate()
        except (OSError, sqlite3.Error, sa.exc.DBAPIError) as error:
            self._engine.dispose()
            raise ControlUnreadable(self.path, error) from error

    def close(self) -> None:
        """Let the file be."""
        self._engine.dispose()

    def __enter__(self) -> Control:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Yield a connection whose statements are committed together, or not at all.

        What the same thread begins meanwhile belongs to it: a change and its audit row. It writes,
        so it waits for others that do. Raises ControlUnreadable.
        """
        if self._under_way_here is not None:
            yield self._under_way_here
            return
        with self._transaction("IMMEDIATE") as connection:
            self._local.connection = connection
            try:
                yield connection
            finally:
                self._local.connection = None

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Yield a connection that sees one state and waits for nobody. Raises ControlUnreadable."""
        if self._under_way_here is not None:
            yield self._under_way_here
            return
        with self._transaction("DEFERRED") as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sa.Connection]:
        try:
            with self._engine.execution_options(begin=begin).begin() as connection:
                yield connection
        except (sqlite3.Error, sa.exc.DBAPIError) as error:
            raise ControlUnreadable(self.path, error) from error

    @property
    def _under_way_here(self) -> sa.Connection | None:
        return getattr(self._local, "connection", None)

    @cached_property
    def users(self) -> Users:
        """Who may sign in."""
        from sessionmill.store.control.users import Users

        return Users(self)

    @cached_property
    def tokens(self) -> Tokens:
        """By what they ask."""
        from sessionmill.store.control.tokens import Tokens

        return Tokens(self)

    @cached_property
    def audit(self) -> AuditLog:
        """Who did what."""
        from sessionmill.store.control.audit_log import AuditLog

        return AuditLog(self)

    def commit_number(self) -> int:
        """Return the last commit of the facts that is known here."""
        with self.reading() as connection:
            return int(connection.execute(sa.text("SELECT commit_number FROM facts")).scalar_one())

    def note_commit_number(self, number: int) -> None:
        """Remember a commit of the facts: facts that are behind it later are damaged."""
        with self.begin() as connection:
            connection.execute(sa.text("UPDATE facts SET commit_number = :n"), {"n": number})

    def _migrate(self) -> None:
        # Imported here: it takes most of a second.
        from alembic.config import Config
        from alembic.runtime.environment import EnvironmentContext
        from alembic.script import ScriptDirectory

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent))
        config.set_main_option("path_separator", "os")
        script = ScriptDirectory.from_config(config)

        def upgrade(revision: Any, _: Any) -> Any:
            return script._upgrade_revs("head", revision)

        with (
            EnvironmentContext(config, script, fn=upgrade) as environment,
            self._engine.begin() as connection,
        ):
            environment.configure(connection=connection)
            environment.run_migrations()


def _engine(path: Path) -> sa.Engine:
    # A statement's parameters may be hashes, and its error may be logged.
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)), hide_parameters=True)

    @sa.event.listens_for(engine, "connect")
    def connect(connection: Any, _: object) -> None:
        # We begin ourselves: Python's sqlite3 begins no transaction before DDL, so that half a
        # migration stayed, and a deferred one that reads first fails where another has written.
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout={_BUSY_MS}",
            "journal_mode=wal",
            "foreign_keys=on",
            # A revocation that a power cut takes back lets somebody in again.
            "synchronous=full",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        how = connection.get_execution_options().get("begin", "IMMEDIATE")
        connection.exec_driver_sql(f"BEGIN {how}")

    return engine


def _create(path: Path) -> None:
    """Make the file if it is not there, closed to others from the start.

    One that is there is never opened but by SQLite, whose locks fall when any descriptor of the
    file is closed in the process. Raises OSError for one that has lost all it held: SQLite would
    take it for a new one.
    """
    try:
        log = path.with_name(f"{path.name}-wal")
        if not path.exists() and log.exists() and log.stat().st_size:
            raise OSError(f"it is missing, and its log {log.name} is there")
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        _wait_for_content(path)
        if (mode := path.stat().st_mode & 0o777) & 0o077 and path.stat().st_uid == os.geteuid():
            path.chmod(mode & 0o700)
        return
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=wal")


def _wait_for_content(path: Path) -> None:
    end = time.monotonic() + _CREATED
    while not path.stat().st_size:
        if time.monotonic() >= end:
            raise OSError("it is empty")
        time.sleep(0.01)


def _version(path: Path) -> str | None:
    """Return the version of the schema; None where there is none yet."""
    with closing(sqlite3.connect(path, timeout=_BUSY_MS / 1000)) as connection:
        found = connection.execute(
            "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'"
        ).fetchone()
        if not found[0]:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None
