"""What every builder of a transcript shares: lines, made-up ids, and a time that only lines move.

Nothing is random and no clock is read: the same calls on the same arguments give the same bytes.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

#: Time that passes from one line to the next, unless a method says otherwise.
STEP_SECONDS = 1.0

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def timestamp(moment: datetime) -> str:
    """Give a moment the one shape that the agents write: 2026-03-02T09:00:00.000Z."""
    return (
        moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"
    )


def encode(record: object) -> bytes:
    """Write a record as the agents do: no spaces, letters beyond ASCII as they are, a newline.

    Half of a surrogate pair, which UTF-8 cannot hold, is written as its escape.
    """
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="backslashreplace") + b"\n"


def decode(line: bytes) -> dict[str, Any] | None:
    """Read a line back; None if it is malformed or not an object."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def release_of(version: str) -> tuple[int, ...]:
    """Make a version comparable; one that is no version is taken for newer than all others."""
    parts = version.partition("-")[0].split(".")
    known = all(part.isascii() and part.isdigit() for part in parts)
    return tuple(int(part) for part in parts) if known else (sys.maxsize,)


class Ids:
    """Ids in the shapes of the agents, each a hash of the origin and of how many came before."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._given = 0

    def _bytes(self) -> bytes:
        self._given += 1
        return hashlib.blake2b(f"{self.origin}#{self._given}".encode(), digest_size=32).digest()

    def uuid(self) -> str:
        """Return a fresh uuid of version 4."""
        return uuid_of(self._bytes())

    def hex(self, length: int) -> str:
        """Return fresh hexadecimal digits, as in the names of agent files."""
        return self._bytes().hex()[:length]

    def base58(self, prefix: str, length: int) -> str:
        """Return `prefix` and fresh letters, as in the ids of messages, tool uses and requests."""
        number = int.from_bytes(self._bytes(), "big")
        letters = []
        for _ in range(length):
            number, digit = divmod(number, 58)
            letters.append(_BASE58[digit])
        return prefix + "".join(letters)


def uuid_of(digest: bytes, version: int = 4) -> str:
    """Form a uuid from 16 bytes or more, with the bits of its version set."""
    digits = bytearray(digest[:16])
    digits[6] = digits[6] & 0x0F | version << 4
    digits[8] = digits[8] & 0x3F | 0x80
    text = digits.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Transcript:
    """Lines in the order they were written; the formats' builders add what makes them."""

    def __init__(self, start: datetime, ids: Ids) -> None:
        self.ids = ids
        self._lines: list[bytes] = []
        self._now = start
        self._started = False

    @property
    def lines(self) -> list[bytes]:
        """What was written so far, a line each, with its newline."""
        return list(self._lines)

    @property
    def now(self) -> datetime:
        """The time of the last line that bears one; before that, the start."""
        return self._now

    def __bytes__(self) -> bytes:
        return b"".join(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def wait(self, seconds: float) -> Self:
        """Let time pass before the next line, beside what every line takes."""
        self._now += timedelta(seconds=seconds)
        return self

    def line(self, record: Mapping[str, object]) -> None:
        """Append any object as a line; neither time nor the chain of parents moves."""
        self._lines.append(encode(record))

    def value(self, value: object) -> None:
        """Append a line that is JSON, and no object."""
        self._lines.append(encode(value))

    def raw(self, data: bytes) -> None:
        """Append bytes as they are: a malformed line, or a part of one (bring your own newline)."""
        self._lines.append(data)

    def write(self, path: Path) -> Path:
        """Write the file and the folders above it; an older file there is replaced."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(self))
        return path

    # Damage, as transcripts have it

    def tear(self) -> Self:
        """Write the first half of the last line once more: a malformed line, as a crash leaves."""
        last = self._lines[-1]
        self._lines.append(last[: len(last) // 2] + b"\n")
        return self

    def glue(self) -> Self:
        """Put the last two lines on one, as two writers at once do; both can be read."""
        last = self._lines.pop()
        self._lines[-1] = self._lines[-1].rstrip(b"\r\n") + last
        return self

    def pad(self, nuls: int = 16) -> Self:
        """Put NULs before the last line, as a power cut does; it can be read all the same."""
        self._lines[-1] = b"\0" * nuls + self._lines[-1]
        return self

    def nuls(self, count: int = 16) -> Self:
        """Write a line of NULs alone: a malformed one."""
        self._lines.append(b"\0" * count + b"\n")
        return self

    def blank(self) -> Self:
        """Write a line of nothing."""
        self._lines.append(b"\n")
        return self

    def with_crlf(self) -> Self:
        """End every line so far as Windows does."""
        self._lines = [line.rstrip(b"\r\n") + b"\r\n" for line in self._lines]
        return self

    def with_bom(self) -> Self:
        """Begin with a byte order mark, as some editors write."""
        self._lines[0] = b"\xef\xbb\xbf" + self._lines[0]
        return self

    def unended(self) -> Self:
        """Take the newline from the last line, which is whole otherwise."""
        self._lines[-1] = self._lines[-1].rstrip(b"\r\n")
        return self

    def cut(self) -> Self:
        """Keep the first half of the last line: the transcript ends amid a write."""
        last = self._lines[-1]
        self._lines[-1] = last[: len(last) // 2]
        return self

    def _stamp(self, after: float = STEP_SECONDS) -> str:
        """Move time on and return it as a line bears it; the first line bears the start."""
        self._now += timedelta(seconds=after if self._started else 0.0)
        self._started = True
        return timestamp(self._now)
