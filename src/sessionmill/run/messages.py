"""What passes between the owner of the facts and its workers: msgpack, never pickle.

A frame is eight bytes of length and one of kind before its body.
"""

from __future__ import annotations

import socket
import struct
from typing import Any, Literal

import msgspec

from sessionmill.contracts import PathKind

_HEAD = struct.Struct("<QB")
#: Kinds of frames: a message of this module, a request of the stand-in, its reply.
MESSAGE, REQUEST, REPLY = 0, 1, 2


class ProcessorSpec(msgspec.Struct, frozen=True):
    """How a worker builds a processor: just as the owner has."""

    name: str
    #: "package.module:Class".
    spec: str
    folder: str
    settings: dict[str, Any]


class Setup(msgspec.Struct, frozen=True):
    """The first message to a worker."""

    sys_path: list[str]
    processors: list[ProcessorSpec]
    #: Those of the list that are not to be built: a worker died of it.
    broken: list[int]
    #: A folder of the worker's own, for what it decompresses; not there until it is needed.
    spool: bytes


class Identity(msgspec.Struct, array_like=True, frozen=True):
    """What the first records of a transcript say of it."""

    session_id: str | None = None
    client_version: str | None = None
    cwd: str | None = None


class Mark(msgspec.Struct, array_like=True, frozen=True):
    """What, beside the bytes themselves, is needed to go on at an offset: kept as `carry`."""

    agent: str | None = None
    decoder: Any = None
    identity: Identity = Identity()
    extractor: Any = None
    #: Bytes behind the offset of an unterminated line whose rows were stored.
    rest: int = 0


class Try(msgspec.Struct, frozen=True):
    """One extractor's turn at a job; `processor` indexes the setup's list."""

    processor: int
    mark: bytes | None = None


class Job(msgspec.Struct, frozen=True):
    """A transcript to extract from, by processors that stand at the same offset."""

    number: int
    key: str
    username: str
    #: As the file system has it: not every path is UTF-8.
    path: bytes
    path_kind: PathKind
    #: Seen before reading: no byte behind it is read.
    size: int
    offset: int
    fingerprint: str | None
    #: Rows of it may be stored: read from zero, it replaces them, all at once.
    known: bool
    tries: list[Try]


class Batch(msgspec.Struct, frozen=True, tag=True):
    """Jobs to do one after the other."""

    jobs: list[Job]


class Session(msgspec.Struct, frozen=True, tag=True):
    """A transcript for the effectful processor of this worker."""

    key: str
    username: str
    path: bytes
    path_kind: PathKind
    #: MD5 of the content that was processed last; None where that does not matter.
    file_hash: str | None


# ── what comes back ──────────────────────────────────────────────────────────────────────────


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The worker is set up; `unusable` names the processors it could not build, and why."""

    unusable: dict[int, str]


class Taken(msgspec.Struct, frozen=True, tag=True):
    """A stretch of a transcript is taken in; its rows come in the same message."""

    job: int
    processor: int
    start: int
    safe_offset: int
    mark: bytes
    #: Of what was read, an unterminated line included.
    fingerprint: str
    #: The transcript was read to the size seen.
    finished: bool
    agent: str | None
    identity: Identity


class Unchanged(msgspec.Struct, frozen=True, tag=True):
    """The content proved to be what was processed before."""

    job: int
    processor: int


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The processor raised, or died."""

    job: int
    processor: int
    error: str


class Unreadable(msgspec.Struct, frozen=True, tag=True):
    """The transcript could not be opened or read: no processor's fault."""

    job: int
    processor: int
    error: str


class Vanished(msgspec.Struct, frozen=True, tag=True):
    """The transcript was deleted since the walk; the next walk marks it gone."""

    job: int
    processor: int


class Paused(msgspec.Struct, frozen=True, tag=True):
    """The processor asked to be run later."""

    job: int
    processor: int
    reason: str
    after: float | None


Outcome = Taken | Unchanged | Failed | Unreadable | Vanished | Paused


class Rows(msgspec.Struct, frozen=True):
    """Rows of one table as an Arrow IPC stream, with `_job` and `_seq`."""

    processor: int
    table: str
    ipc: bytes
    #: They are all that their jobs have for this table: no key comes twice in a job.
    whole: bool
    #: Rows by job.
    counts: dict[int, int]


class Progress(msgspec.Struct, frozen=True, tag=True):
    """What was done since the last message; `done` at a batch's end."""

    outcomes: list[Outcome]
    rows: list[Rows]
    done: bool


class Processed(msgspec.Struct, frozen=True, tag=True):
    """How the effectful processor's session ended."""

    status: Literal["processed", "unchanged", "failed", "unreadable", "vanished", "paused"]
    items: int = 0
    file_hash: str | None = None
    agent: str | None = None
    identity: Identity = Identity()
    error: str = ""
    after: float | None = None
    warning: str | None = None


ToWorker = Batch | Session
FromWorker = Ready | Progress | Processed

to_worker = msgspec.msgpack.Decoder(ToWorker)
from_worker = msgspec.msgpack.Decoder(FromWorker)
setup = msgspec.msgpack.Decoder(Setup)
mark = msgspec.msgpack.Decoder(Mark)
encode = msgspec.msgpack.Encoder().encode


class Channel:
    """Frames over a socket. `receive` raises EOFError when the other side is gone."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._pending = bytearray()

    def close(self) -> None:
        """Close this side; the other one meets the end."""
        self._socket.close()

    def send(self, body: bytes, kind: int = MESSAGE) -> None:
        """Send one frame; waits for room."""
        self._socket.settimeout(None)
        try:
            self._socket.sendall(_HEAD.pack(len(body), kind) + body)
        except OSError as error:
            raise EOFError from error

    def receive(self, timeout: float | None = None) -> tuple[int, bytes]:
        """Return kind and body of the next frame.

        Raises TimeoutError after `timeout` seconds; what has come of a frame by then is kept.
        """
        self._socket.settimeout(timeout)
        while True:
            if len(self._pending) >= _HEAD.size:
                length, kind = _HEAD.unpack_from(self._pending)
                end = _HEAD.size + length
                if len(self._pending) >= end:
                    body = bytes(self._pending[_HEAD.size : end])
                    del self._pending[:end]
                    return kind, body
            try:
                data = self._socket.recv(1024 * 1024)
            except TimeoutError:
                raise
            except OSError as error:
                raise EOFError from error
            if not data:
                raise EOFError
            self._pending += data
