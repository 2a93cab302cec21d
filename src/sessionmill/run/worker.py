"""A worker: the child process in which extractors and effectful processors run.

Started by `supervise`, with a socket to its owner and a page of shared memory for its note. It has
no database. It ends with its owner, whatever it is doing then.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import socket
import sys
import threading
from pathlib import Path

from sessionmill.plugins import build
from sessionmill.run import messages
from sessionmill.run.messages import Batch, Channel, Ready, Session
from sessionmill.run.note import BUILDING, Note


def main() -> None:
    """Serve the owner until it closes the socket."""
    channel_fd, note_fd, lifeline_fd, owner_pid = map(int, sys.argv[1:5])
    _end_with(owner_pid, lifeline_fd)
    channel = Channel(socket.socket(fileno=channel_fd))
    note = Note(note_fd)
    # Records hold no cycles, and there are a million of them a second.
    gc.disable()
    try:
        _serve(channel, note)
    except EOFError:
        return


def _serve(channel: Channel, note: Note) -> None:
    setup = messages.setup.decode(channel.receive()[1])
    sys.path[:] = setup.sys_path
    processors, unusable = {}, {}
    for number, spec in enumerate(setup.processors):
        if number in setup.broken:
            continue
        note.write(BUILDING, number)
        try:
            processors[number] = build(spec.spec, Path(spec.folder), spec.settings)
        except Exception as error:
            unusable[number] = f"{type(error).__name__}: {error}"
    note.clear()
    channel.send(messages.encode(Ready(unusable)))
    spool = Path(os.fsdecode(setup.spool))
    gc.freeze()  # what is loaded by now stays, and need not be looked through after each message
    extracting = effecting = None
    while True:
        message = messages.to_worker.decode(channel.receive()[1])
        match message:
            case Batch():
                if extracting is None:
                    from sessionmill.run.extracting import Extracting

                    extracting = Extracting(channel, note, processors, spool)
                extracting.work(message)
            case Session():
                if effecting is None:
                    from sessionmill.run.effecting import Effecting

                    effecting = Effecting(channel, note, processors[0], spool)
                effecting.work(message)
        gc.collect()


def _end_with(owner_pid: int, lifeline_fd: int) -> None:
    """End when the owner does: by the kernel's signal on Linux, and by the end of a pipe."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != owner_pid:
            os._exit(1)  # it died before the call
    threading.Thread(target=_watch, args=(lifeline_fd,), daemon=True).start()


def _watch(lifeline_fd: int) -> None:
    os.read(lifeline_fd, 1)  # nothing is ever written: it returns when the owner is gone
    os._exit(1)


if __name__ == "__main__":
    main()
