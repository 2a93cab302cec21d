"""Compresses transcripts, as people and agents do; and small disks to do that on."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
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


@contextmanager
def small_disk(disk: Path, megabytes: int) -> Iterator[Path]:
    """Mount a file system of its own; where that cannot be, the test is skipped."""
    disk.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.getuid() != 0:
        pytest.skip("no small disk: mounting a tmpfs takes root")
    command = [mount, "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no small disk: this machine mounts no tmpfs")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)  # noqa: S607 - as mount


def give_room(disk: Path, megabytes: int) -> None:
    """Make a small disk larger."""
    options = f"remount,size={megabytes}m"
    subprocess.run(["mount", "-o", options, str(disk)], check=True)  # noqa: S607 - as before
