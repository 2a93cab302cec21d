"""What a fuzzer's bytes mean: a few numbers, which choose, and a content."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

_NUMBER_BYTES = 2
#: Bytes that mean something in JSON, to a decoder of UTF-8 or to a reader of lines.
_DAMAGE = b'\0\n\r "\\{}[],:ut0-9.\x80\xc3\xed\xff'


def numbers_and_content(data: bytes, count: int) -> tuple[list[int], bytes]:
    """Return the numbers that `data` begins with, 0 where it is too short, and what follows."""
    ends = range(0, count * _NUMBER_BYTES, _NUMBER_BYTES)
    numbers = [int.from_bytes(data[at : at + _NUMBER_BYTES], "little") for at in ends]
    return numbers, data[count * _NUMBER_BYTES :]


def joined(content: bytes, *numbers: int) -> bytes:
    """Return the bytes that mean these numbers and this content."""
    return b"".join(n.to_bytes(_NUMBER_BYTES, "little") for n in numbers) + content


def damaged(content: bytes, seed: int, times: int) -> Iterator[bytes]:
    """Yield `content` so many times with some bytes replaced, lost or come in, and once cut."""
    random = Random(seed)  # noqa: S311 - made-up damage, no secret
    for _ in range(times):
        changed = bytearray(content)
        for _ in range(random.randint(1, 3)):
            at, loses = random.randrange(len(changed)), random.randrange(2)
            changed[at : at + loses] = bytes(random.sample(_DAMAGE, random.randrange(2)))
        yield bytes(changed)
    yield content[: random.randrange(len(content))]
