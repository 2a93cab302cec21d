"""One transcript: its content, whether it is compressed or not, and what it comes to."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from sessionmill.recount.claude_code import ClaudeCode
from sessionmill.recount.codex import Codex
from sessionmill.recount.lines import format_of, lines_of
from sessionmill.recount.rows import Transcript
from sessionmill.recount.values import Json, as_object, as_text

_CHUNK = 1024 * 1024


class NotReadable(Exception):
    """A compressed transcript that is damaged, or not what its name says."""


def content_of(path: Path, size: int | None = None) -> bytes:
    """Return a transcript's content, uncompressed: of its first `size` bytes, or of all.

    Of a compressed stream that is cut, what there is. Raises OSError and NotReadable.
    """
    with path.open("rb") as file:
        if path.name.endswith((".jsonl.gz", ".jsonl.zst")):
            return b"".join(_decompressed(path, file))
        return file.read() if size is None else file.read(size)


def _decompressed(path: Path, file: BinaryIO) -> Iterator[bytes]:
    import zstandard

    if path.name.endswith(".gz"):
        # Of a stream that is cut, read() would give nothing of its last chunk.
        read: Callable[[int], bytes] = gzip.GzipFile(fileobj=file).read1
    else:
        whole = zstandard.ZstdDecompressor(max_window_size=2**27)
        read = whole.stream_reader(file, read_across_frames=True, closefd=False).read
    try:
        while chunk := read(_CHUNK):
            yield chunk
    except EOFError:
        return  # cut: what there was has been told
    except (gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise NotReadable(f"{path.name}: {error}") from error


def read_transcript(key: str, content: bytes) -> Transcript:
    """Read one transcript from its first byte to its last."""
    transcript = Transcript(key, session=_folder_session(key))
    claude, codex = ClaudeCode(transcript), Codex(transcript)
    for offset, line in lines_of(content):
        if line is None:
            transcript.malformed.append(offset)
            continue
        transcript.format = transcript.format or format_of(line)
        if transcript.format is None:
            continue
        transcript.session = transcript.session or _session_of(line, transcript.format)
        if transcript.format == "claude":
            claude.line(offset, line)
        elif format_of(line) == "codex":
            codex.line(offset, line)
    transcript.session = transcript.session or key.rsplit("/", 1)[-1].removesuffix(".jsonl")
    return transcript


def _folder_session(key: str) -> str:
    """Return the session that the path names by `<session>/subagents/`, or nothing."""
    folders = key.split("/")[1:-1]  # without the username and the file's name
    if "subagents" in folders[1:]:
        return folders[folders.index("subagents", 1) - 1]
    return ""


def _session_of(line: Json, file_format: str) -> str:
    """Return the session id that the line carries, or nothing."""
    if file_format == "claude":
        return as_text(line.get("sessionId"))
    if line.get("type") == "session_meta":
        return as_text(as_object(line.get("payload")).get("id"))
    return ""
