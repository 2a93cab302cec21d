"""A look into some transcripts of each client version, for fields that nobody knows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from sessionmill.collect.known import native
from sessionmill.decode.known_fields import unknown_fields

#: Bytes of each transcript that are looked at: hundreds of lines.
_BYTES = 256 * 1024


class Sample(NamedTuple):
    """One transcript to look into."""

    agent: str
    client_version: str
    session_key: str
    path: str


def unknown_fields_in(samples: Iterable[Sample]) -> Iterator[tuple[str, str, str, int]]:
    """Yield (agent, field, client version, lines with it) of the beginnings of transcripts."""
    for sample in samples:
        counts: Counter[str] = Counter()
        for line in _lines(sample.path):
            counts.update(unknown_fields(sample.agent, line))
        for field, count in counts.items():
            yield sample.agent, field, sample.client_version, count


def _lines(path: str) -> Iterator[object]:
    try:
        with Path(native(path)).open("rb") as file:
            beginning = file.read(_BYTES)
    except OSError:
        return  # gone or closed since: the walk has told of it
    for line in beginning.split(b"\n")[:-1]:
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            continue  # counted among the malformed lines
