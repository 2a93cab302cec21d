"""The life of one server: from the address it takes to the last checkpoint.

What it takes it takes in an order in which nothing is disturbed where something is refused: first
the address, then the data directory. What it gives back at its end, likewise: it takes no work any
more, lets runs end between two batches, breaks off what does not, checkpoints, and goes.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import structlog
import uvicorn

from sessionmill.app import App, now
from sessionmill.collect.roots import Root
from sessionmill.errors import NobodyCanSignIn, PortTaken, ServerRunning
from sessionmill.serve.access import Door, is_loopback, own_names
from sessionmill.serve.api.app import create
from sessionmill.serve.protocol import Protocol
from sessionmill.serve.scheduling import scheduling
from sessionmill.serve.service import Service
from sessionmill.settings import Settings
from sessionmill.store.control import Control
from sessionmill.store.owner import serving
from sessionmill.view.reports import Rows

log = structlog.get_logger()

#: Of the time that stopping may take, the parts after which runs are broken off, and requests.
_RUNS_PART, _REQUESTS_PART = 0.7, 0.4
#: Seconds that remain for the checkpoint, once all else has ended or was broken off.
_CHECKPOINT_SECONDS = 5.0
#: For which a connection stays open that nobody asks by. Whoever asks just as it is closed gets no
#: answer: it is longer than programs and proxies keep theirs, so that they are who closes it.
_KEEP_ALIVE_SECONDS = 75


@dataclass(frozen=True, slots=True)
class Beginnings:
    """What a server begins with."""

    settings: Settings
    folder: Path
    roots: list[Root]
    #: Opens the data directory with its processors.
    open_app: Callable[[], App]
    #: Told, once it answers, its URL, and a link for a browser where there is one.
    ready: Callable[[str, str | None], None]
    #: Every setting and where it comes from, for administrators; secrets are masked.
    shown: Rows


def serve(given: Beginnings) -> None:
    """Serve until a signal ends it. Raises what keeps it from beginning."""
    if (other := serving(given.folder)) is not None:
        raise ServerRunning(given.folder, other.pid, other.url)
    host = given.settings.serve.host
    with (
        _address(host, given.settings.serve.port) as listening,
        Control(given.folder, now) as control,
    ):
        if not is_loopback(host) and not control.users.any_can_sign_in():
            raise NobodyCanSignIn(host)
        app = given.open_app()
        try:
            _Life(given, app, control, listening).live()
        finally:
            app.facts.close()
    _leave()


class _Life:
    """One server, from its first answer to its last."""

    def __init__(
        self, given: Beginnings, app: App, control: Control, listening: socket.socket
    ) -> None:
        self._given, self._app, self._control = given, app, control
        self._listening = listening
        self._service = Service(app, control, given.roots, given.shown)
        self._token = secrets.token_urlsafe(32)
        host, port = given.settings.serve.host, listening.getsockname()[1]
        names = own_names(host, port, given.settings.serve.allowed_hosts)
        door = Door(control, self._token, self._service.signing_in.local)
        self._url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        self._stop_seconds = given.settings.scheduler.stop_seconds
        self._server = _Uvicorn(
            self._announce,
            uvicorn.Config(
                create(self._service, door, names),
                http=Protocol,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=max(1, int(self._stop_seconds * _REQUESTS_PART)),
            ),
        )
        self._stopped_at: float | None = None

    def live(self) -> None:
        """Answer until told to stop, then let go of everything in order."""
        with self._signals(), contextlib.ExitStack() as parts:
            self._compare_commits()
            self._service.copy_runs()
            self._service.overview.start()
            if self._given.settings.scheduler.enabled:
                parts.enter_context(scheduling(self._service, self._given.settings.scheduler))
            self._server.run(sockets=[self._listening])
            self._stop()
            self._let_runs_end()
        self._service.close()

    def _compare_commits(self) -> None:
        """Say if the facts lack what the control store knows to have been committed."""
        known, there = self._control.commit_number(), self._app.facts.commit_number
        if there < known and self._app.facts.notice is None:
            self._app.facts.notice = (
                f"The facts are of commit {there}, and the control store knows of commit {known}: "
                "an older facts.duckdb was put here. What it lacks is read anew from the "
                "transcripts that still exist by: sessionmill run"
            )
            log.error("facts are behind", commit=there, known=known)

    def _announce(self) -> None:
        """Tell others, once it answers."""
        self._app.facts.announce(self._url, self._token)
        alone = is_loopback(self._given.settings.serve.host) and not self._control.users.all()
        link = None
        if alone:
            link = f"{self._url}/first-steps?link={self._service.signing_in.new_link()}"
        log.info("serving", url=self._url, pid=os.getpid())
        self._given.ready(self._url, link)

    # ── the end ──

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Let SIGTERM and SIGINT end it; a second SIGINT ends it without patience."""

        def told(number: int, _: FrameType | None) -> None:
            if self._stopped_at is not None and number == signal.SIGINT:
                self._app.running.abort()
                self._server.force_exit = True
            self._stop()

        before = {number: signal.signal(number, told) for number in _ENDING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self) -> None:
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()
        self._app.running.stop()
        self._server.should_exit = True

    def _let_runs_end(self) -> None:
        """Wait for runs; break off those that take too long."""
        begun = self._stopped_at or time.monotonic()
        if not self._no_run_until(begun + self._stop_seconds * _RUNS_PART):
            log.warning("runs are broken off", runs=sorted(self._app.running.under_way()))
            self._app.running.abort()
            self._no_run_until(begun + self._stop_seconds)
        self._service.copy_runs()

    def _no_run_until(self, end: float) -> bool:
        while self._app.running.under_way():
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True


_ENDING = (signal.SIGTERM, signal.SIGINT)


class _Uvicorn(uvicorn.Server):
    """Tells when it answers, and leaves signals to us: at its end it would raise them again."""

    def __init__(self, answers: Callable[[], None], config: uvicorn.Config) -> None:
        super().__init__(config)
        self._answers = answers

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        if self.started:
            self._answers()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@contextlib.contextmanager
def _address(host: str, port: int) -> Iterator[socket.socket]:
    """Listen. Raises PortTaken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.ExitStack() as stack:
        try:
            listening = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, port))
            listening.listen(512)
        except OSError as error:
            raise PortTaken(host, port, error) from error
        yield listening


def _leave() -> None:
    """End the process, though a thread is left: a statement, say, that nobody can interrupt."""
    left = [thread for thread in threading.enumerate() if not thread.daemon]
    if len(left) > 1:
        log.warning("threads are left", threads=[thread.name for thread in left])
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
