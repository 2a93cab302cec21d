"""Unchanged transcripts are told by their size and time: no run opens them again."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from run_place import Place, told

from sessionmill.testing import FakeClock

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux's inotify tells which files were opened"
)

_OPENED = 0x20
_HEAD = struct.Struct("iIII")


@contextmanager
def opened_below(folder: Path) -> Iterator[set[str]]:
    """Gather the names of the files in `folder` that anybody opens meanwhile."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert fd >= 0
    assert libc.inotify_add_watch(fd, os.fsencode(folder), _OPENED) >= 0
    names: set[str] = set()
    try:
        yield names
        names |= set(_names(fd))
    finally:
        os.close(fd)


def _names(fd: int) -> Iterator[str]:
    while True:
        try:
            data = os.read(fd, 1 << 20)
        except BlockingIOError:
            return
        while data:
            *_, length = _HEAD.unpack_from(data)
            name = data[_HEAD.size : _HEAD.size + length].rstrip(b"\0").decode()
            data = data[_HEAD.size + length :]
            if name.endswith(".jsonl"):
                yield name


@pytest.mark.parametrize(
    "spec", ["usage", "inventory", "run_effectful:Lines", "run_extractors:Groups"]
)
def test_a_run_opens_what_is_new_or_has_changed_and_nothing_else(
    tmp_path: Path, clock: FakeClock, spec: str
) -> None:
    with Place(tmp_path, clock) as place:
        place.write_many(5)
        with opened_below(place.sessions / "alice") as first:
            place.run_one(spec)
        assert first == {f"s{n:02}.jsonl" for n in range(5)}, "the watch sees what is opened"

        with opened_below(place.sessions / "alice") as again:
            place.run_one(spec)
        assert again == set()

        place.append("s03", told("more").lines[0])
        place.write("new")
        with opened_below(place.sessions / "alice") as changed:
            place.run_one(spec)
        assert changed == {"s03.jsonl", "new.jsonl"}


def test_a_dead_letter_is_not_opened(tmp_path: Path, clock: FakeClock) -> None:
    with Place(tmp_path, clock) as place:
        place.write("failing")
        for _ in range(2):
            place.run_one("run_effectful:Brittle")
            clock.advance(hours=8)
        with opened_below(place.sessions / "alice") as opened:
            place.run_one("run_effectful:Brittle")
        assert opened == set()
