"""Workers, supervised: timed, weighed, killed when they must be, and asked what they died of.

A worker is an ordinary child process, started by this one and signalled only through its handle.
What it is at stands in shared memory, so that a death or a time-out names the culprit at once.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from sessionmill.collect.contents import folder_for_worker
from sessionmill.errors import SessionmillError
from sessionmill.plugins import Processor
from sessionmill.run import messages
from sessionmill.run.messages import (
    MESSAGE,
    Batch,
    Channel,
    FromWorker,
    ProcessorSpec,
    Progress,
    Ready,
    Setup,
    ToWorker,
)
from sessionmill.run.note import READING, SIZE, Note

#: Seconds between two looks at a worker that says nothing.
_LOOK = 0.05
#: Seconds for a worker to start, and for one that was told to end.
_PATIENCE = 60.0
#: glibc gives large blocks back to the kernel at once; rows come and go by the megabyte.
_KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": "268435456",
    "MALLOC_TRIM_THRESHOLD_": "268435456",
    "MALLOC_TOP_PAD_": "16777216",
}
#: For reading a transcript, which no processor is to blame for.
_READING_SECONDS = 600.0
_READING_MB = 2048


@dataclass(frozen=True, slots=True)
class Limits:
    """What one processor may take for one transcript."""

    seconds: float
    memory_mb: int


class WorkerLost(SessionmillError):
    """A worker died or was killed; `job` and `processor` were at work then (None: unknown)."""

    def __init__(self, reason: str, job: int | None, processor: int | None) -> None:
        super().__init__(reason)
        self.reason, self.job, self.processor = reason, job, processor


class Worker:
    """One child process with its processors; used by one thread."""

    def __init__(
        self, processors: Sequence[Processor], spool: Path, broken: Iterable[int] = ()
    ) -> None:
        """Start it; below `spool` it has a folder of its own, which goes with it."""
        self._spool = folder_for_worker(spool)
        self._limits = [Limits(p.timeout_seconds, p.memory_limit_mb) for p in processors]
        ours, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        with tempfile.TemporaryFile() as memory:
            memory.truncate(SIZE)
            fds = (theirs.fileno(), memory.fileno(), lifeline)
            self._process = subprocess.Popen(
                [sys.executable, "-m", __package__ + ".worker", *map(str, fds), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=2,  # what a plugin prints must not get into our JSON
                pass_fds=fds,
                # Ctrl-C is for its owner, which then ends it.
                start_new_session=True,
                env={**os.environ, **_KEEP_MEMORY},
            )
            self._note = Note(memory.fileno())
        theirs.close()
        os.close(lifeline)
        self._channel = Channel(ours)
        self._unchanged_since = time.monotonic()
        self._count = self._looked = 0.0
        setup = Setup(
            sys_path=sys.path,
            processors=[
                ProcessorSpec(p.name, p.spec, str(p.folder), dict(p.settings)) for p in processors
            ],
            broken=list(broken),
            spool=os.fsencode(self._spool),
        )
        # One that is dead already is told of by `ready`, which knows what it died of.
        with contextlib.suppress(EOFError):
            self._channel.send(messages.encode(setup))

    def ready(self) -> dict[int, str]:
        """Wait until it is set up; return the processors it could not build, and why."""
        message = self.receive(_PATIENCE)
        if not isinstance(message, Ready):
            raise WorkerLost(f"sent {type(message).__name__} first", None, None)
        return message.unusable

    def work(self, batch: Batch) -> Iterator[Progress]:
        """Yield what it does of a batch, until it is done. Raises WorkerLost."""
        self.send(batch)
        while True:
            progress = self.receive()
            if not isinstance(progress, Progress):
                raise WorkerLost(f"sent {type(progress).__name__} for a batch", None, None)
            yield progress
            if progress.done:
                return

    def send(self, message: ToWorker) -> None:
        """Send a message. Raises WorkerLost."""
        self._unchanged_since = time.monotonic()
        try:
            self._channel.send(messages.encode(message))
        except EOFError:
            raise self._lost() from None

    def reply(self, body: bytes) -> None:
        """Send a stand-in's reply. Raises WorkerLost."""
        try:
            self._channel.send(body, messages.REPLY)
        except EOFError:
            raise self._lost() from None

    def receive(self, patience: float | None = None) -> FromWorker:
        """Return its next message. Raises WorkerLost."""
        kind, body = self.receive_frame(patience)
        if kind != MESSAGE:
            raise WorkerLost("asked for the database, which an extractor has not", None, None)
        message: FromWorker = messages.from_worker.decode(body)
        return message

    def receive_frame(self, patience: float | None = None) -> tuple[int, bytes]:
        """Return its next frame, keeping an eye on it while waiting. Raises WorkerLost."""
        while True:
            if time.monotonic() - self._looked > _LOOK:
                self._look(patience)
            try:
                return self._channel.receive(_LOOK)
            except TimeoutError:
                continue
            except EOFError:
                raise self._lost() from None

    def seconds_left(self, processor: int) -> float:
        """Return how long what it is at may still take."""
        spent = time.monotonic() - self._unchanged_since
        return max(0.0, self._limits[processor].seconds - spent)

    def kill(self) -> None:
        """End it at once, with no regard to what it is doing."""
        self._process.kill()

    def close(self) -> None:
        """Tell it to end, or kill it; return when it is gone."""
        self._channel.close()
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_PATIENCE)
        os.close(self._lifeline)
        self._note.close()
        # Left by one that was killed. What cannot be deleted now is when the facts are opened.
        shutil.rmtree(self._spool, ignore_errors=True)

    # ── keeping an eye on it ──

    def _look(self, patience: float | None) -> None:
        now = self._looked = time.monotonic()
        count, job, processor = self._note.read()
        if count != self._count:
            self._count, self._unchanged_since = count, now
        limits = self._limits_of(job, processor, patience)
        if now - self._unchanged_since > limits.seconds:
            self._end(f"took longer than {limits.seconds:g} s")
        if self._megabytes() > limits.memory_mb:
            self._end(f"took more than {limits.memory_mb} MB of memory")

    def _limits_of(self, job: int, processor: int, patience: float | None) -> Limits:
        if patience is not None:
            return Limits(patience, _READING_MB)
        if job and processor != READING:
            return self._limits[processor]
        return Limits(_READING_SECONDS, max(_READING_MB, *(li.memory_mb for li in self._limits)))

    def _megabytes(self) -> int:
        try:
            return int(psutil.Process(self._process.pid).memory_info().rss) // 2**20
        except psutil.Error:
            return 0  # it has just died, which the socket tells

    def _end(self, reason: str) -> None:
        self._process.kill()
        raise self._lost(reason)

    def _lost(self, reason: str = "") -> WorkerLost:
        status = self._process.wait(_PATIENCE)
        if not reason:
            reason = "died: " + (_signal(-status) if status < 0 else f"exit status {status}")
        _, job, processor = self._note.read()
        if not job:
            return WorkerLost(reason, None, None)
        return WorkerLost(reason, job, None if processor == READING else processor)


def _signal(number: int) -> str:
    try:
        return f"killed by {signal.Signals(number).name}"
    except ValueError:
        return f"killed by signal {number}"
