"""A second look at transcripts that are known already: where they are, and whether they still are.

Commands that name no roots read these.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from stat import S_ISREG
from typing import Protocol

from sessionmill.collect.discover import Found, Walk
from sessionmill.errors import TranscriptClosed, TranscriptGone
from sessionmill.paths import native


class Known(Protocol):
    """What was stored of a transcript."""

    @property
    def session_key(self) -> str:
        """Its key."""

    @property
    def username(self) -> str:
        """Whose it is."""

    @property
    def root(self) -> str:
        """The folder it was found below."""

    @property
    def path(self) -> str:
        """Where it was found, as text."""


def look_again(known: Iterable[Known]) -> Walk:
    """Look at known transcripts.

    Those that are not there are not in it, and those that cannot be looked at are errors; none
    counts as gone for that: only a walk over a whole root proves so much.
    """
    walk = Walk()
    for one in known:
        try:
            walk.found.append(find_again(one))
        except TranscriptGone:
            continue
        except TranscriptClosed as error:
            walk.errors.append((one.path, error.reason))
    return walk


def find_again(known: Known) -> Found:
    """Look at a known transcript. Raises TranscriptGone and TranscriptClosed."""
    path = native(known.path)
    try:
        stat = os.stat(path)  # noqa: PTH116 - a path of any bytes
    except (FileNotFoundError, NotADirectoryError) as error:
        raise TranscriptGone(known.session_key, known.path) from error
    except OSError as error:
        raise TranscriptClosed(known.session_key, known.path, error.strerror) from error
    if not S_ISREG(stat.st_mode):
        # A folder or a pipe stands in its place: a walk would pass it over, and so do we.
        raise TranscriptGone(known.session_key, known.path)
    return Found(
        known.session_key, known.username, known.root, path, stat.st_size, stat.st_mtime_ns
    )
