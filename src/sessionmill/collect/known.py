"""A second look at transcripts that are known already: where they are, and whether they still are.

Commands that name no roots read these.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Protocol

from sessionmill.collect.discover import Found, Walk

_WRITTEN_OUT = re.compile(rb"\\x([0-9a-f]{2})")


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

    Those that are not there, or cannot be looked at, are not in it; none counts as gone for that:
    only a walk over a whole root proves so much.
    """
    walk = Walk()
    for one in known:
        path = native(one.path)
        try:
            stat = os.stat(path)  # noqa: PTH116 - a path of any bytes
        except OSError:
            continue
        walk.found.append(
            Found(one.session_key, one.username, one.root, path, stat.st_size, stat.st_mtime_ns)
        )
    return walk


def native(written: str) -> str:
    r"""Return the path that is stored as text: bytes that were no UTF-8 are written as `\xff`."""
    if "\\x" not in written or os.path.lexists(written):
        return written
    return os.fsdecode(
        _WRITTEN_OUT.sub(lambda byte: bytes([int(byte.group(1), 16)]), written.encode())
    )
