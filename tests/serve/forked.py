"""Servers whose imports were done once: forked, as they are, from a process that has them all.

To import what a server uses takes longer than most tests of one.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO, Any

_IMPORTED = [
    "alembic.config",
    "alembic.runtime.environment",
    "alembic.script",
    "sessionmill.cli.app",
    "sessionmill.cli.serve",
    "sessionmill.process.inventory",
    "sessionmill.process.usage",
    "sessionmill.serve.server",
    "sessionmill.store.control",
]


@cache
def _context() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED)
    return context


class Forked:
    """A server's process: what tests use of `subprocess.Popen[str]`."""

    def __init__(self, args: list[str], cwd: Path, environ: Mapping[str, str]) -> None:
        with tempfile.TemporaryDirectory(prefix="sessionmill-server-") as folder:
            fifo = Path(folder, "said")
            os.mkfifo(fifo)
            self._process = _context().Process(
                target=_become, args=(args, str(cwd), dict(environ), str(fifo))
            )
            self._process.start()
            #: What it says, until it and its workers have ended.
            self.stdout: IO[str] = fifo.open(encoding="utf-8")

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        code: int | None = self._process.exitcode
        return code

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired("sessionmill serve", timeout or 0.0)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        end = time.monotonic() + (timeout or 3600.0)
        said = self.stdout.read()
        self.stdout.close()
        self.wait(max(0.1, end - time.monotonic()))
        return said, ""

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)  # a child of the tests' own, not yet waited for


def _become(args: list[str], cwd: str, environ: dict[str, str], fifo: str) -> None:
    """Make of this process what `python -m sessionmill` starts as, and run it."""
    import sessionmill.cli

    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    os.chdir(cwd)
    said = os.open(fifo, os.O_WRONLY)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.close(said)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for its life
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv[:] = [str(Path(sessionmill.__file__).with_name("__main__.py")), *args]
    sys.path[:0] = [*filter(None, environ.get("PYTHONPATH", "").split(os.pathsep))]
    sys.path.insert(0, cwd)
    sessionmill.cli.main()
