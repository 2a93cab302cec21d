"""Who owns the facts: one process at a time, named in `owner.json`.

The lock is `flock` on `owner.lock`, held for the process's life; `owner.json` only tells others
whom they wait for. It is left behind by a killed owner, and means nothing without the lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from sessionmill.errors import FactsInUse, FolderClosed

#: Seconds that a command waits for another one to end.
PATIENCE = 10.0


class Owner:
    """The right to open the facts in `folder`, as long as this object is not released."""

    def __init__(self, folder: Path, command: str, *, patience: float = PATIENCE) -> None:
        """Take the right, or raise `FactsInUse` after `patience` seconds."""
        self._folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _close_to_others(folder)
            self._fd = os.open(folder / "owner.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise FolderClosed(folder, error) from error
        try:
            lock(self._fd, fcntl.LOCK_EX, folder, patience)
            self._sign(command)
        except FactsInUse:
            os.close(self._fd)
            raise
        except OSError as error:
            os.close(self._fd)
            raise FolderClosed(folder, error) from error

    def release(self) -> None:
        """Give the right back."""
        with contextlib.suppress(FileNotFoundError):
            (self._folder / "owner.json").unlink()
        os.close(self._fd)

    def _sign(self, command: str) -> None:
        name = {
            "pid": os.getpid(),
            "start": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command,
        }
        draft = self._folder / "owner.json.new"
        with open(draft, "w", opener=lambda p, f: os.open(p, f, 0o600)) as file:
            json.dump(name, file)
        draft.replace(self._folder / "owner.json")


def lock(fd: int, how: int, folder: Path, patience: float) -> None:
    """Wait for the lock on an open `owner.lock`; FactsInUse after `patience` seconds."""
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(fd, how | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= end:
                pid, command = read_owner(folder)
                raise FactsInUse(folder, pid, command, patience) from None
            time.sleep(0.05)


def _close_to_others(folder: Path) -> None:
    """Let nobody else in, if the directory is ours: DuckDB's log is readable where that is."""
    ours = folder.stat().st_uid == os.geteuid()
    if ours and ((folder / "owner.lock").exists() or not any(folder.iterdir())):
        # What its owner may not do either, it is not given the right to.
        folder.chmod(folder.stat().st_mode & 0o700)


def read_owner(folder: Path) -> tuple[int | None, str | None]:
    """Return pid and command of who holds the facts, as far as `owner.json` tells."""
    try:
        name = json.loads((folder / "owner.json").read_text("utf-8"))
        return int(name["pid"]), str(name["command"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, None
