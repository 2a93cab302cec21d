"""The file, its schema, and its transactions: what many processes may use at once."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from sessionmill.errors import ControlUnreadable, NewerSchema
from sessionmill.run.ports import Clock

if TYPE_CHECKING:
    from sessionmill.store.control.audit_log import AuditLog
    from sessionmill.store.control.tokens import Tokens
    from sessionmill.store.control.users import Users

#: The newest migration in `versions`.
_VERSION = "0001"
#: Milliseconds that a statement waits for another process's transaction.
_BUSY_MS = 10_000


class Control:
    """The control store of one data directory; safe for threads and for other processes."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """Open `control.db` in `folder`, made if it is not there, and bring it up to date.

        Raises ControlUnreadable and NewerSchema.
        """
        self.path, self.clock = folder / "control.db", clock
        self._engine = _engine(self.path)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Made here, so that it is closed to others from the start.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
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

        It writes, so it waits for others that do. Raises ControlUnreadable.
        """
        try:
            with self._engine.begin() as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            raise ControlUnreadable(self.path, error) from error

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
        with self.begin() as connection:
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
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)))

    @sa.event.listens_for(engine, "connect")
    def connect(connection: Any, _: object) -> None:
        # We begin ourselves: Python's sqlite3 begins no transaction before DDL, so that half a
        # migration stayed, and a deferred one that reads first fails where another has written.
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout={_BUSY_MS}",
            "journal_mode=wal",
            "foreign_keys=on",
            "synchronous=normal",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


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
