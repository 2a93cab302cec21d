r"""Paths as text that a database, a terminal and JSON can hold, and back.

Not every path is UTF-8: what is none is written out, `\xff` for each such byte.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_WRITTEN_OUT = re.compile(rb"\\x([89a-f][0-9a-f])")


def written(path: Path | str) -> str:
    """Return a path, or a part of one, as text."""
    text = str(path)
    return text if text.isascii() else os.fsencode(text).decode("utf-8", "backslashreplace")


def native(written: str) -> str:
    """Return the path that was written as text."""
    if "\\x" not in written or os.path.lexists(written):
        return written
    return os.fsdecode(
        _WRITTEN_OUT.sub(lambda byte: bytes([int(byte.group(1), 16)]), written.encode())
    )
