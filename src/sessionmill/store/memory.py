"""Facts in memory, of this process alone: for trying things out. Gone when they are closed."""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path

import duckdb

from sessionmill.store.facts import Facts


class MemoryFacts(Facts):
    """The same tables and the same transactions as `Facts`, without a file to lose or to share."""

    def __init__(self, *, now: datetime, spool: Path) -> None:
        """Make them; what is decompressed is put into the folder `spool`, and deleted."""
        self.folder = self.path = Path(":memory:")
        self.spool, self.notice, self.local_timezone = spool, None, "UTC"
        self._number = 0
        self._committing, self._writing = threading.Lock(), threading.RLock()
        self._conn = duckdb.connect(
            ":memory:",
            config={
                "enable_external_access": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                # None: a large query would put it where the person stands.
                "temp_directory": "",
                # A transcript is small, and threads cost more than they gain.
                "threads": 1,
            },
        )
        self._conn.execute("SET GLOBAL TimeZone = 'UTC'")
        self._conn.execute("SET lock_configuration = true")
        self._migrate(now)

    def close(self) -> None:
        """Forget everything."""
        self._conn.close()

    def check_room(self, beside: int = 0) -> None:
        """Do nothing: there is no disk to fill."""

    def _note_commit(self) -> None:
        pass  # there is no file that a commit could be missing from
