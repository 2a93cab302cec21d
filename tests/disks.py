"""Disks of the tests' own, small enough to be filled."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


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


def fill(disk: Path, *, leave: int) -> Path:
    """Take room away until so many bytes are left; return the file that takes it."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - leave)
    return filler
