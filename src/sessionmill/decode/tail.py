"""Whole new lines of a transcript since an offset, in slices of bounded size.

A transcript is read up to the size that was seen before reading: what is written meanwhile is
seen next time. Lines end at a newline; nothing else does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase, RawIOBase

#: Bytes of whole lines in one slice.
SLICE_BYTES = 24 * 1024 * 1024
#: A longer line is not read: it is passed over in constant memory, and counted.
LONGEST_LINE = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Slice:
    """Consecutive lines, each with its newline: the first `length` bytes of `buffer`.

    The reader's next step overwrites the buffer.
    """

    offset: int
    buffer: bytes | bytearray
    length: int

    @property
    def end(self) -> int:
        """Byte behind the last line."""
        return self.offset + self.length


@dataclass(frozen=True, slots=True)
class LongLine:
    """A line of more than `LONGEST_LINE` bytes, from `offset` to `end`."""

    offset: int
    end: int


@dataclass(frozen=True, slots=True)
class Rest:
    """What stands behind the last newline: a line that may still be being written."""

    offset: int
    data: bytes


class Reader:
    """Reads transcripts one after the other into one buffer.

    A fresh buffer for each would cost four times the reading: its pages come from the kernel.
    """

    def __init__(self, slice_bytes: int = SLICE_BYTES) -> None:
        self._slice_bytes = slice_bytes
        self._buffer = bytearray(min(slice_bytes, 1024 * 1024))

    def slices(
        self, file: RawIOBase | BufferedIOBase, offset: int, size: int
    ) -> Iterator[Slice | LongLine | Rest]:
        """Yield what lies between `offset` and `size`; `offset` must be a line's start.

        A line longer than a slice comes as a slice of its own. What has no newline yet comes
        last, as a `Rest`; a `LongLine` without an end is not told of: it waits.
        """
        file.seek(offset)
        held = 0  # bytes at the buffer's start that no slice has handed out
        while offset + held < size:
            end = held + min(self._slice_bytes, size - offset - held)
            buffer = self._room(end, held)
            read = file.readinto(memoryview(buffer)[held:end])
            if not read:
                break  # cut while it was read: the next look sees a replaced transcript
            end = held + read
            if held and (first := buffer.find(b"\n", held, end)) > LONGEST_LINE:
                yield LongLine(offset, offset + first + 1)
                offset, held = offset + first + 1, 0
                file.seek(offset)
                continue
            cut = buffer.rfind(b"\n", held, end) + 1
            if cut:
                yield Slice(offset, buffer, cut)
                buffer[: end - cut] = buffer[cut:end]
                offset, end = offset + cut, end - cut
            held = end
            if held > LONGEST_LINE:
                line_end = _skip_line(file, offset + held, size)
                if line_end is None:
                    return
                yield LongLine(offset, line_end)
                offset, held = line_end, 0
                file.seek(offset)
        if held:
            yield Rest(offset, bytes(self._buffer[:held]))

    def _room(self, size: int, held: int) -> bytearray:
        """Return a buffer of at least `size` bytes that begins with the `held` ones."""
        if len(self._buffer) < size:
            # Not resized: records of the last slice may still look into it.
            room = bytearray(size)
            room[:held] = self._buffer[:held]
            self._buffer = room
        return self._buffer


def _skip_line(file: RawIOBase | BufferedIOBase, position: int, size: int) -> int | None:
    """Return the byte behind the next newline, or None if there is none before `size`."""
    while position < size:
        chunk = file.read(min(1024 * 1024, size - position))
        if not chunk:
            return None
        newline = chunk.find(b"\n")
        if newline >= 0:
            return position + newline + 1
        position += len(chunk)
    return None
