"""Values of a JSON line, each with what stands for one of a wrong type."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]

#: A larger figure fits no column, and is no count.
_MOST = 2**63 - 1
_HALF_A_PAIR = re.compile("[\ud800-\udfff]")


def as_object(value: object) -> Json:
    """Return the value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_text(value: object) -> str:
    """Return the value if it is a string, else the empty one; halves of pairs are replaced."""
    return _HALF_A_PAIR.sub("\ufffd", value) if isinstance(value, str) else ""


def as_count(value: object) -> int:
    """Return a count; what is not a whole number from 0 up, or fits no column, counts as 0."""
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return value if 0 <= value <= _MOST else 0


def blocks_of(content: object) -> list[Json]:
    """Return the content blocks of a message; a plain string has none."""
    if not isinstance(content, list):
        return []
    return [block for block in content if isinstance(block, dict)]


def text_of(content: object) -> str:
    """Return a message's text: the string itself, or its first text block."""
    if isinstance(content, str):
        return content
    texts = (as_text(b.get("text")) for b in blocks_of(content) if b.get("type") == "text")
    return next(texts, "")


def moment_of(line: Json) -> float | None:
    """Return the line's time in seconds since 1970, or None when it has none that can be read."""
    try:
        moment = datetime.fromisoformat(as_text(line.get("timestamp")))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
