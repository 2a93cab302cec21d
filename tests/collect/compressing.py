"""Compresses transcripts, as people and agents do; and small disks to do that on."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Callable
from pathlib import Path

import zstandard

for _folder in ("run", "accounting"):
    sys.path.append(str(Path(__file__).parents[1] / _folder))

Compress = Callable[[bytes], bytes]


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def zstandardised(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(content)


COMPRESS: dict[str, Compress] = {"": bytes, ".gz": gzipped, ".zst": zstandardised}
ENDINGS = [ending for ending in COMPRESS if ending]


def compress(path: Path, ending: str, content: bytes | None = None) -> Path:
    """Put a compressed file in the place of a plain one, as gzip and zstd do; return its path.

    With `content`, that is what it holds.
    """
    stat = path.stat()
    compressed = path.with_name(path.name + ending)
    compressed.write_bytes(COMPRESS[ending](path.read_bytes() if content is None else content))
    path.unlink()
    os.utime(compressed, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return compressed
