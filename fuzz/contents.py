"""The reading of gzip and zstd: any bytes, seen up to any size.

It gives what they hold or says NotDecompressible; in pieces of bounded size; and of a sound stream
that is cut, a beginning of what it holds. Python's own gzip is the second opinion.
"""

from __future__ import annotations

import gzip
import io
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path

from fuzz.given import damaged, joined, numbers_and_content
from sessionmill.collect import contents
from sessionmill.errors import NotDecompressible

_NAMES = ("t.jsonl.gz", "t.jsonl.zst", "t.jsonl")
_LONGEST_PIECE = 1024 * 1024
#: A few kilobytes may hold gigabytes: no more than this is asked for.
_MOST = 32 * 1024 * 1024


def check(data: bytes) -> None:
    """Hold the reading of a file to what it promises of any bytes."""
    (kind, size), stored = numbers_and_content(data, 2)
    name = _NAMES[kind % len(_NAMES)]
    path = _folder() / name
    path.write_bytes(stored)
    size %= len(stored) + 1
    whole, damage = _read(path, len(stored))
    cut, cut_damage = _read(path, size)
    if name == "t.jsonl":
        assert (whole, cut) == (stored, stored[:size])
    elif damage is None:
        assert cut_damage is None, "a sound stream that is cut is no damaged one"
        assert whole.startswith(cut), "a cut stream gives a beginning"
    if name.endswith(".gz") and len(whole) < _MOST:
        plain = _gunzipped(stored)
        # It overlooks reserved flags and a header's check, which readers are to refuse.
        overlooked = damage is not None and "header" in damage
        assert plain is None or overlooked or (damage, whole) == (None, plain), damage


def seeds() -> Iterator[bytes]:
    """Yield streams of one part and of several, of text and of much of nothing, whole and not."""
    import zstandard

    text = b'{"type":"user","uuid":"x"}\n' * 30
    nothing = bytes(1200 * 1024)
    streams = {
        0: (gzip.compress(text, mtime=0), gzip.compress(nothing, mtime=0)),
        1: (zstandard.compress(text), zstandard.compress(nothing, 1)),
    }
    for kind, (first, second) in streams.items():
        for stream in (first, second, first + first, first + bytes(600) + first, first + b"more"):
            yield joined(stream, kind, len(stream) - 1)
            yield joined(stream, kind, len(stream) // 2)
            for changed in damaged(stream, len(stream), 10):
                yield joined(changed, kind, len(changed))
    window = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=False)
    yield joined(zstandard.ZstdCompressor(compression_params=window).compress(text), 1, 9)
    yield joined(b"\x28\xb5\x2f\xfd\x00\xff" + bytes(30), 1, 30)  # a window of terabytes
    yield joined(b"\x50\x2a\x4d\x18\x04\x00\x00\x00skip", 1, 12)
    yield joined(text, 2, 40)


def tokens() -> Iterator[str]:
    """Yield nothing: the streams' own words are in the seeds."""
    yield from ()


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="sessionmill-fuzz-"))


def _read(path: Path, size: int) -> tuple[bytes, str | None]:
    """Return what there is of a file's content, and what is wrong with it."""
    read = bytearray()
    try:
        with closing(contents.content(path, size)) as pieces:
            for piece in pieces:
                assert 0 < len(piece) <= _LONGEST_PIECE
                read += piece
                if len(read) >= _MOST:
                    break
    except NotDecompressible as error:
        return bytes(read), str(error)
    return bytes(read), None


def _gunzipped(stored: bytes) -> bytes | None:
    """Return what Python's gzip makes of a file; None where it makes nothing of it."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(stored)) as file:
            return file.read()
    except (EOFError, OSError, zlib.error):
        return None
