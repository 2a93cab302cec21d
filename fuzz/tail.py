"""The tail reader: any bytes, any slice size, any line's start, any limit of size, short reads.

Its parts are held against a second reader that knows no slices: whole lines and nothing else,
joined they are the content, and what is longer than the longest line is passed over.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from unittest import mock

from fuzz.given import damaged, joined, numbers_and_content
from sessionmill.decode import tail
from sessionmill.decode.tail import LongLine, Reader, Rest, Slice

#: ("lines", offset, bytes), ("long", offset, length) or ("rest", offset, bytes).
Part = tuple[str, int, bytes | int]


def check(data: bytes) -> None:
    """Hold the reader to what it promises of any bytes."""
    (slices, longest, at, limit, reads), content = numbers_and_content(data, 5)
    longest = longest % 600 + 1
    # As in the product: a slice is no longer than the longest line.
    slice_bytes = slices % longest + 1
    size = limit % (len(content) + 4)  # the file may have been cut since it was seen
    starts = [0, *(i + 1 for i, byte in enumerate(content[:size]) if byte == 0x0A)]
    offset = starts[at % len(starts)]
    file = _Stuttering(content, reads % 64 + 1)
    with mock.patch.object(tail, "LONGEST_LINE", longest):
        found = list(_parts(Reader(slice_bytes), file, offset, size, longest))
    assert _lines_joined(found) == _expected(content[:size], offset, longest)


def seeds() -> Iterator[bytes]:
    """Yield lines of many lengths, with every choice large and small."""
    contents = (
        b"",
        b"\n",
        b"\n\n\na",
        b"one\ntwo\r\nthree\n\0\0\nhalf",
        b"".join(b"x" * length + b"\n" for length in (0, 1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 200)),
        b"short\n" + b"y" * 900 + b"\nshort\n" + b"z" * 650,
    )
    for content in contents:
        for choice in (0, 1, 7, 8, 64, 599, 65535):
            yield joined(content, choice, 8, 0, len(content), choice)
            yield joined(content, 599, choice, 1, len(content), 63)
            yield joined(content, 3, 16, choice, choice, 5)
    for changed in damaged(contents[-1], 1, 20):
        yield joined(changed, 5, 20, 1, len(changed), 9)


def tokens() -> Iterator[str]:
    """Yield nothing: lines have no words."""
    yield from ()


class _Stuttering(io.RawIOBase):
    """A file that gives less at a time than it is asked for."""

    def __init__(self, content: bytes, most: int) -> None:
        self._file, self._most = io.BytesIO(content), most

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # all that is handed in
        return self._file.readinto(buffer[: self._most])

    def read(self, size: int = -1) -> bytes:
        return self._file.read(min(size, self._most))


def _parts(
    reader: Reader, file: _Stuttering, offset: int, size: int, longest: int
) -> Iterator[Part]:
    """Yield what a reader gives, each part held to follow the one before it."""
    for part in reader.slices(file, offset, size):
        if isinstance(part, Slice):
            lines = bytes(part.buffer[: part.length])
            assert lines.endswith(b"\n"), "a slice is of whole lines"
            assert len(part.buffer) <= longest + longest + 1, "memory is bounded"
            yield "lines", part.offset, lines
        elif isinstance(part, LongLine):
            yield "long", part.offset, part.end - part.offset
        else:
            assert isinstance(part, Rest)
            yield "rest", part.offset, part.data


def _lines_joined(parts: list[Part]) -> list[Part]:
    """Join the slices that stand side by side."""
    joined_parts: list[Part] = []
    for kind, offset, what in parts:
        if joined_parts and kind == "lines" == joined_parts[-1][0]:
            _, start, lines = joined_parts[-1]
            assert isinstance(lines, bytes) and isinstance(what, bytes)
            assert offset == start + len(lines), "slices stand side by side"
            joined_parts[-1] = ("lines", start, lines + what)
        else:
            joined_parts.append((kind, offset, what))
    return joined_parts


def _expected(content: bytes, offset: int, longest: int) -> list[Part]:
    parts: list[Part] = []
    for line in content[offset:].split(b"\n"):
        whole = line + b"\n"
        if offset + len(line) == len(content):
            if line and len(line) <= longest:
                parts.append(("rest", offset, line))
        elif len(line) > longest:
            parts.append(("long", offset, len(whole)))
        else:
            parts.append(("lines", offset, whole))
        offset += len(whole)
    return _lines_joined(parts)
