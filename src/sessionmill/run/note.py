"""What a worker is at, in memory that it shares with its owner: still there when it has died."""

from __future__ import annotations

import mmap
import struct

_NOTE = struct.Struct("<qqq")
SIZE = _NOTE.size
#: In place of a processor: the transcript is being read, for all of them.
READING = -1
#: In place of a job: the processor is being built.
BUILDING = -1


class Note:
    """The job and processor at work, and a count that grows with each change of them."""

    def __init__(self, fd: int) -> None:
        self._memory = mmap.mmap(fd, SIZE)
        self._count = 0

    def write(self, job: int, processor: int = READING) -> None:
        """Say what is begun now; done by the worker alone."""
        self._count += 1
        _NOTE.pack_into(self._memory, 0, self._count, job, processor)

    def clear(self) -> None:
        """Say that nothing is at work."""
        self.write(0)

    def read(self) -> tuple[int, int, int]:
        """Return count, job (0: none) and processor."""
        count, job, processor = _NOTE.unpack_from(self._memory, 0)
        return count, job, processor

    def close(self) -> None:
        """Let go of the memory."""
        self._memory.close()
