"""A temporary folder in which whole commands run, in an environment that leads nowhere else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil

#: Variables that could lead a command to somebody's data, or let that data change it.
_CLEARED = ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "SESSION_DATA_DIR")
_CLEARED_BEGINNINGS = ("SESSIONMILL_", "XDG_", "OPENAI_", "ANTHROPIC_", "AWS_", "GOOGLE_")
#: Seconds after which a command is held to hang.
_PATIENCE = 3600.0

PROGRAM = (sys.executable, "-m", "sessionmill")


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended."""

    command: Sequence[object]
    status: int
    out: str
    err: str
    #: Wall time from its start to its end.
    seconds: float
    #: Processes that it has left behind.
    left: list[int]

    @property
    def json(self) -> Any:
        """Return the document that it printed; raises CommandFailed if it printed none."""
        try:
            return json.loads(self.out)
        except ValueError as error:
            raise CommandFailed(self) from error

    @property
    def runs(self) -> dict[str, dict[str, Any]]:
        """Return what `run --json` tells of each processor."""
        return {run["processor"]: run for run in self.json["runs"]}


class CommandFailed(Exception):
    """A command that a bench relies on failed."""

    def __init__(self, ended: Ended) -> None:
        words = " ".join(map(str, ended.command))
        super().__init__(f"exit status {ended.status} of: {words}\n{ended.err[-2000:].rstrip()}")


class Started:
    """A command that runs, in a session of its own, so that what it leaves behind can be found."""

    def __init__(self, command: Sequence[object], folder: Path, environ: dict[str, str]) -> None:
        self.command = command
        # To files: with pipes, a child left behind would keep us waiting.
        self._out, self._err = (tempfile.TemporaryFile(dir=folder) for _ in "oe")  # noqa: SIM115 - `end` closes them
        self._since = time.perf_counter()
        self.process = subprocess.Popen(
            list(map(str, command)),
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
            start_new_session=True,
        )

    def end(self) -> Ended:
        """Wait until it ends."""
        status = self.process.wait(_PATIENCE)
        seconds = time.perf_counter() - self._since
        out, err = _text(self._out), _text(self._err)
        return Ended(self.command, status, out, err, seconds, self.left())

    def left(self) -> list[int]:
        """Return the processes of its session that live, but for itself."""
        return [
            pid for pid in psutil.pids() if pid != self.process.pid and self._is_of_session(pid)
        ]

    def _is_of_session(self, pid: int) -> bool:
        try:
            zombie = psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
            return os.getsid(pid) == self.process.pid and not zombie
        except (OSError, psutil.Error):
            return False


def _text(file: IO[bytes]) -> str:
    """Return what was written into a file, and close it."""
    with file:
        file.seek(0)
        return file.read().decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of a bench's own, and the commands that run there."""

    folder: Path
    environ: dict[str, str]
    #: The command that was started last: one at a time runs.
    last: list[Started] = field(default_factory=list)

    def start(self, *command: object, **env: str) -> Started:
        """Start any command."""
        self.last[:] = [Started(command, self.folder, {**self.environ, **env})]
        return self.last[0]

    def stop(self) -> None:
        """Kill what still runs, if anything; its children end with it."""
        for started in self.last:
            started.process.kill()
            started.process.wait()

    def run(self, *command: object, **env: str) -> Ended:
        """Run any command to its end; it must succeed."""
        ended = self.start(*command, **env).end()
        if ended.status != 0:
            raise CommandFailed(ended)
        return ended

    def start_mill(self, *args: object, data: Path | None = None, **env: str) -> Started:
        """Start a `sessionmill` command, over the data directory `data`."""
        env["SESSIONMILL_HOME"] = str(data or self.folder / "data")
        return self.start(*PROGRAM, *args, **env)

    def mill(self, *args: object, data: Path | None = None, **env: str) -> Ended:
        """Run a `sessionmill` command to its end, whatever its status."""
        return self.start_mill(*args, data=data, **env).end()

    def must(self, *args: object, data: Path | None = None, **env: str) -> Ended:
        """Run a `sessionmill` command to its end; it must succeed."""
        ended = self.mill(*args, data=data, **env)
        if ended.status != 0:
            raise CommandFailed(ended)
        return ended

    def empty(self, data: Path) -> Path:
        """Remove a data directory, and return its path."""
        shutil.rmtree(data, ignore_errors=True)
        return data


@contextmanager
def place() -> Iterator[Place]:
    """Yield a new place; its folder is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="sessionmill-bench-") as folder:
        path = Path(folder).resolve()
        environ = {
            name: value
            for name, value in os.environ.items()
            if name not in _CLEARED and not name.startswith(_CLEARED_BEGINNINGS)
        }
        home = path / "home"
        home.mkdir()
        environ |= {"HOME": str(home), "TZ": "UTC", "NO_COLOR": "1"}
        for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
            environ[name] = str(home / name.lower())
        here = Place(path, environ)
        try:
            yield here
        finally:
            here.stop()
