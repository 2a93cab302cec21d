"""Whole commands for tests: each in a process of its own, none of which imports anything anew.

What a command does takes a tenth of a second, and what it imports twice as long. So a server,
which has imported what commands use and has neither threads nor open facts, forks each of them.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[dict[str, Any]]:
        return list(self.json["rows"])


def in_new_process(
    args: list[str], *, cwd: Path, timeout: float, stdin: str, environ: Mapping[str, str]
) -> Ended:
    """Run a command as a shell would: all that Python does before it is part of it."""
    ended = subprocess.run(
        [sys.executable, "-m", "sessionmill", *args],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=timeout,
        env=environ,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


class CommandServer:
    """The client's side of a server; one command at a time."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the tests, which then end it
        )
        self._python = _read_by_python(os.environ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.communicate()

    def serves(self, environ: Mapping[str, str]) -> bool:
        """Tell whether Python itself, as it starts, would read nothing else than the server did."""
        return _read_by_python(environ) == self._python

    def run(
        self, args: list[str], *, cwd: Path, timeout: float, stdin: str, environ: Mapping[str, str]
    ) -> Ended:
        """Run a command as `in_new_process` does."""
        with tempfile.TemporaryDirectory(prefix="sessionmill-command-") as folder:
            files = [Path(folder, name) for name in ("stdin", "stdout", "stderr")]
            files[0].write_text(stdin)
            status = self._ask(
                args=args,
                cwd=str(cwd),
                environ=dict(environ),
                files=[str(file) for file in files],
                seconds=timeout,
            )
            if status == -signal.SIGALRM:
                raise subprocess.TimeoutExpired(args, timeout)
            return Ended(status, files[1].read_text(), files[2].read_text())

    def _ask(self, **wanted: Any) -> int:
        requests, replies = self._server.stdin, self._server.stdout
        assert requests is not None and replies is not None
        requests.write(json.dumps(wanted).encode() + b"\n")
        requests.flush()
        return int(replies.readline())


def _read_by_python(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith("PYTHON")}


# ── the server's side ────────────────────────────────────────────────────────────────────────


#: What commands import where they use it, because it takes most of a second.
_SLOW_TO_IMPORT = (
    "alembic.config",
    "alembic.runtime.environment",
    "alembic.script",
    "argon2",
    "sessionmill.settings",
    "sessionmill.store.control",
)


def _serve() -> None:
    """Fork a command for each request; end when there are no more."""
    import sessionmill.cli

    for module in pkgutil.iter_modules(sessionmill.cli.__path__, "sessionmill.cli."):
        importlib.import_module(module.name)
    for name in _SLOW_TO_IMPORT:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    for line in sys.stdin.buffer:
        if not (pid := os.fork()):
            _become(**json.loads(line))
            sessionmill.cli.main()
        _, status = os.waitpid(pid, 0)
        os.write(1, b"%d\n" % os.waitstatus_to_exitcode(status))


def _become(
    args: list[str], cwd: str, environ: dict[str, str], files: list[str], seconds: float
) -> None:
    """Make of this process what `python -m sessionmill` starts as."""
    import sessionmill

    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    signal.setitimer(signal.ITIMER_REAL, seconds)  # ends the process, which has no handler for it
    os.chdir(cwd)
    sys.argv[:] = [str(Path(sessionmill.__path__[0], "__main__.py")), *args]
    sys.path[0] = str(Path.cwd())
    for fd, (file, flags) in enumerate(zip(files, _FLAGS, strict=True)):
        opened = os.open(file, flags, 0o600)
        os.dup2(opened, fd)
        os.close(opened)


_FLAGS = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT)

if __name__ == "__main__":
    _serve()
