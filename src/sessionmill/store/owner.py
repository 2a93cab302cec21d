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
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sessionmill.errors import FactsInUse, FolderClosed

#: Seconds that a command waits for another one to end.
PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class OwnerName:
    """Who holds the facts, as far as `owner.json` tells."""

    pid: int | None = None
    command: str | None = None
    #: Of a server: where it answers, and the token that acts as its OS user.
    url: str | None = None
    token: str | None = None


class Owner:
    """The right to open the facts in `folder`, as long as this object is not released."""

    def __init__(self, folder: Path, command: str, *, patience: float = PATIENCE) -> None:
        """Take the right, or raise `FactsInUse` after `patience` seconds."""
        self._folder, self._command = folder, command
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            close_to_others(folder)
            self._fd = os.open(folder / "owner.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise FolderClosed(folder, error) from error
        try:
            lock(self._fd, fcntl.LOCK_EX, folder, patience)
            self._sign({})
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

    def announce(self, url: str, token: str) -> None:
        """Tell commands that this process answers for the facts, and what lets them ask."""
        self._sign({"url": url, "token": token})

    def _sign(self, more: dict[str, str]) -> None:
        name = {
            "pid": os.getpid(),
            "start": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": self._command,
            **more,
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
                owner = read_owner(folder)
                raise FactsInUse(folder, owner.pid, owner.command, patience) from None
            time.sleep(0.05)


def close_to_others(folder: Path) -> None:
    """Let nobody else in, if the directory is ours: DuckDB's log is readable where that is."""
    ours = folder.stat().st_uid == os.geteuid()
    if ours and ((folder / "owner.lock").exists() or not any(folder.iterdir())):
        # What its owner may not do either, it is not given the right to.
        folder.chmod(folder.stat().st_mode & 0o700)


def read_owner(folder: Path) -> OwnerName:
    """Return who holds the facts, or held them last, as far as `owner.json` tells."""
    try:
        name = json.loads((folder / "owner.json").read_text("utf-8"))
        url, token = name.get("url"), name.get("token")
        return OwnerName(int(name["pid"]), str(name["command"]), url, token)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return OwnerName()


def serving(folder: Path) -> OwnerName | None:
    """Return the server that holds the facts in `folder` now; None where none does."""
    owner = read_owner(folder)
    if owner.url is None or owner.token is None:
        return None
    try:
        fd = os.open(folder / "owner.lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return owner
    finally:
        os.close(fd)
    return None  # a killed server has left its name behind
