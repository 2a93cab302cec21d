"""A look into transcripts themselves, where the facts do not tell enough.

Those that are gone or closed meanwhile tell nothing: the walk has told of them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from sessionmill.collect.contents import content, program_of
from sessionmill.collect.known import find_again
from sessionmill.decode.known_fields import unknown_fields
from sessionmill.errors import TranscriptClosed, TranscriptGone, TranscriptUnreadable

#: Bytes of each transcript that are looked at: hundreds of lines.
_BYTES = 256 * 1024


class Sample(NamedTuple):
    """One transcript to look into."""

    session_key: str
    username: str
    root: str
    path: str
    agent: str
    client_version: str | None


def unknown_fields_in(samples: Iterable[Sample]) -> Iterator[tuple[str, str, str | None, int]]:
    """Yield (agent, field, client version, lines with it) of the beginnings of transcripts."""
    for sample in samples:
        counts: Counter[str] = Counter()
        for line in _beginning(sample).split(b"\n")[:-1]:
            try:
                counts.update(unknown_fields(sample.agent, json.loads(line)))
            except (ValueError, RecursionError):
                continue  # counted among the malformed lines
        for field, count in counts.items():
            yield sample.agent, field, sample.client_version, count


def unfinished_bytes(sample: Sample, offset: int) -> int:
    """Return how many bytes of an unfinished line stand at `offset`; 0 if it lacks only its end."""
    rest = _beginning(sample, offset)
    try:
        json.loads(rest)
    except (ValueError, RecursionError):
        return len(rest)
    return 0


def _beginning(sample: Sample, offset: int = 0) -> bytes:
    try:
        found = find_again(sample)
        if program_of(found.path) is None:
            with Path(found.path).open("rb") as file:
                file.seek(offset)
                return file.read(_BYTES)
        with closing(content(Path(found.path), found.size)) as pieces:
            return b"".join(islice(pieces, 1))[offset:][:_BYTES]
    except (TranscriptGone, TranscriptClosed, TranscriptUnreadable, OSError):
        return b""
