"""Which transcripts can be recounted, and their second count; why the others cannot."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import Literal

from sessionmill.audit.stored import KnownTranscript
from sessionmill.paths import native
from sessionmill.recount.rows import Transcript
from sessionmill.recount.transcripts import NotReadable, content_of, read_transcript

Reason = Literal["gone", "failed", "pending", "changed", "unreadable"]
#: Each reason to leave a transcript out, and what it means.
REASONS: dict[str, str] = {
    "gone": "what was read of them is kept, and cannot be read again",
    "failed": "usage has failed on them; to see why: sessionmill status usage",
    "pending": "usage has not taken them in yet; to do so: sessionmill run",
    "changed": "they were written to since the last run; to take that in: sessionmill run",
    "unreadable": "they can't be opened, or not be decompressed; to see why: sessionmill run",
}


@dataclass
class Recounted:
    """The second count of what can be read, and what was left out."""

    transcripts: list[tuple[KnownTranscript, Transcript]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def recounted(known: Iterable[KnownTranscript]) -> Recounted:
    """Read every transcript that is as it was when it was taken in, from its first byte."""
    result = Recounted()
    for one in known:
        content = one.reason or content_if_unchanged(one)
        if isinstance(content, str):
            result.left_out[content] += 1
        else:
            result.transcripts.append((one, read_transcript(one.session_key, content)))
    return result


def content_if_unchanged(known: KnownTranscript) -> bytes | Reason:
    """Return a transcript's content, or why it cannot be compared."""
    path = Path(native(known.path))
    try:
        if (reason := _reason(known, path)) is not None:
            return reason
        content = content_of(path, known.size)
        # It may have been replaced while it was read.
        return _reason(known, path) or content
    except (OSError, NotReadable):
        return "unreadable"


def _reason(known: KnownTranscript, path: Path) -> Reason | None:
    try:
        stat = os.stat(path)  # noqa: PTH116 - a path of any bytes
    except (FileNotFoundError, NotADirectoryError):
        return "gone"
    if not S_ISREG(stat.st_mode):
        return "gone"
    same = (stat.st_size, stat.st_mtime_ns) == (known.size, known.mtime_ns)
    return None if same else "changed"
