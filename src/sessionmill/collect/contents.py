"""A transcript's content, whether it is compressed or not.

Offsets, fingerprints and hashes are of uncompressed bytes, so that a transcript that is compressed
after it was read is the one that was read. A compressed one is decompressed into a temporary file,
in constant memory: what it holds costs disk, for as long as it is read.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import uuid
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

from sessionmill.errors import CannotDecompress, NotDecompressible

ENDING = ".jsonl"
#: What compresses: its ending behind a transcript's, and the program that checks it.
PROGRAMS = {".gz": "gzip", ".zst": "zstd"}
ENDINGS = (ENDING, *(ENDING + ending for ending in PROGRAMS))
#: Bytes that decompressing leaves free on the disk: more than the facts need to be closed.
KEPT_FREE = 128 * 1024 * 1024
#: Bytes of memory that a zstd file may ask for, as much as `zstd` itself grants.
LARGEST_WINDOW = 128 * 1024 * 1024
#: How many times longer than its compressed file a transcript is thought to be.
_EXPANSION = 8
_READ_BYTES = 64 * 1024
_CHUNK_BYTES = 1024 * 1024
#: What the names of workers' folders begin with.
_WORKERS = "worker-"


def plain_name(name: str) -> str:
    """Return a transcript's name, or its path, without what compressing added to it."""
    if name.endswith(ENDING):
        return name  # nearly all: a walk may see a hundred thousand
    for ending in PROGRAMS:
        if name.endswith(ENDING + ending):
            return name.removesuffix(ending)
    return name


def program_of(path: str) -> str | None:
    """Return the program that a transcript is compressed with, by its name; None if it is not."""
    for ending, program in PROGRAMS.items():
        if path.endswith(ENDING + ending):
            return program
    return None


def bytes_to_read(path: str, size: int, offset: int) -> int:
    """Estimate how much there is to read from `offset` on; of a compressed transcript all is."""
    return size - offset if program_of(path) is None else size * _EXPANSION


@contextmanager
def opened(path: Path, size: int, spool: Path) -> Iterator[tuple[io.FileIO, int]]:
    """Open a transcript of which a walk has seen `size` bytes; give its content and its length.

    The content is a file of its own in the folder `spool` if it is compressed. Raises OSError
    where the transcript cannot be read, and TranscriptUnreadable.
    """
    if program_of(str(path)) is None:
        with path.open("rb", buffering=0) as file:
            yield file, size
        return
    with _anonymous(path, spool) as file:
        length = _decompress(path, size, file, spool)
        file.seek(0)
        yield file, length


@contextmanager
def as_plain_file(path: Path, spool: Path) -> Iterator[Path]:
    """Give the path of a transcript's uncompressed content, in a file of the same plain name.

    Raises OSError where the transcript cannot be read, and TranscriptUnreadable.
    """
    if program_of(str(path)) is None:
        yield path
        return
    folder = _folder(path, spool)
    try:
        local = folder / plain_name(path.name)
        with _named(path, local) as file:
            _decompress(path, path.stat().st_size, file, spool)
        yield local
    finally:
        # A processor may have left anything here: the rest goes when the facts are opened next.
        shutil.rmtree(folder, ignore_errors=True)


def content(path: Path, size: int) -> Generator[bytes, None, None]:
    """Yield the content of the first `size` bytes of a file, decompressed, in pieces.

    Of a compressed stream that is cut, what there is. Raises OSError, and NotDecompressible.
    """
    with path.open("rb", buffering=0) as file:
        source = io.BufferedReader(_Beginning(file, size), _READ_BYTES)
        program = program_of(str(path))
        if program == "gzip":
            yield from _gunzip(path, source)
        elif program == "zstd":
            yield from _unzstd(path, source)
        else:
            while data := source.read(_CHUNK_BYTES):
                yield data


Comparison = Literal["same", "first extends", "second extends", "different"]


def compare(first: Iterable[bytes], second: Iterable[bytes]) -> Comparison:
    """Tell how two contents, each in pieces of whatever length, are to one another."""
    firsts, seconds = iter(first), iter(second)
    here = there = b""
    while (here := here or next(firsts, b"")) and (there := there or next(seconds, b"")):
        common = min(len(here), len(there))
        if here[:common] != there[:common]:
            return "different"
        here, there = here[common:], there[common:]
    if here:
        return "first extends"
    return "second extends" if there or next(seconds, b"") else "same"


class _Beginning(io.RawIOBase):
    """The first bytes of a file: those that a walk has seen."""

    def __init__(self, file: io.FileIO, size: int) -> None:
        self._file, self._left = file, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override] # all that BufferedReader hands in
        read = self._file.readinto(memoryview(buffer)[: self._left])
        self._left -= read
        return read


def _gunzip(path: Path, source: BinaryIO) -> Iterator[bytes]:
    """Yield what gzip members hold, one after the other, with zeros between them or not."""
    import zlib

    member = zlib.decompressobj(wbits=31)  # 31: with gzip's header and checks
    between, waiting = False, b""
    try:
        while waiting or (waiting := source.read(_READ_BYTES)):
            if between:
                waiting = waiting.lstrip(b"\0")
                if not waiting:
                    continue
                member, between = zlib.decompressobj(wbits=31), False
            data = member.decompress(waiting, _CHUNK_BYTES)
            between = member.eof
            waiting = member.unused_data if member.eof else member.unconsumed_tail
            if data:
                yield data
        if rest := member.flush():
            yield rest
    except zlib.error as error:
        raise NotDecompressible(path, "gzip", str(error)) from error


def _unzstd(path: Path, source: BinaryIO) -> Iterator[bytes]:
    """Yield what zstd frames hold, one after the other."""
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW)
    try:
        with decompressor.stream_reader(source, read_across_frames=True, closefd=False) as frames:
            while data := frames.read(_CHUNK_BYTES):
                yield data
    except zstandard.ZstdError as error:
        raise NotDecompressible(path, "zstd", str(error)) from error


# ── the spool ──


def prepare_spool(spool: Path) -> None:
    """Make the spool, and delete what killed workers left: none is at work now.

    The folder may be a link to one on a larger disk, in which other things lie too.
    """
    spool.mkdir(mode=0o700, exist_ok=True)
    for left in spool.glob(f"{_WORKERS}*"):
        shutil.rmtree(left)


def folder_for_worker(spool: Path) -> Path:
    """Return a folder of a worker's own, which is not there until it is needed."""
    return spool / f"{_WORKERS}{uuid.uuid4().hex}"


def _decompress(path: Path, size: int, file: io.FileIO, spool: Path) -> int:
    """Write a compressed transcript's content into `file`; return its length."""
    length = 0
    with closing(content(path, size)) as pieces:
        for data in pieces:
            with _explained(path, spool, length):
                free = shutil.disk_usage(spool).free - len(data)
                if free < KEPT_FREE:
                    raise CannotDecompress(
                        path, spool, length, f"{KEPT_FREE // 2**20} MB of the disk are kept free"
                    )
                _write(file, data)
            length += len(data)
    return length


def _write(file: io.FileIO, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]  # a file without a buffer may take a part


@contextmanager
def _explained(path: Path, spool: Path, length: int) -> Iterator[None]:
    """Tell an error of the spool's from one of the transcript's."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise CannotDecompress(path, spool, length, reason) from error


def _anonymous(path: Path, spool: Path) -> io.FileIO:
    """Return a file without a name, of which a killed process leaves nothing."""
    with _explained(path, spool, 0):
        spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        return tempfile.TemporaryFile(buffering=0, dir=spool)


def _folder(path: Path, spool: Path) -> Path:
    with _explained(path, spool, 0):
        spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=spool))


def _named(path: Path, local: Path) -> io.FileIO:
    with _explained(path, local.parent, 0):
        return open(local, "xb", buffering=0, opener=lambda p, flags: os.open(p, flags, 0o600))
