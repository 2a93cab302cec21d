"""The lines of a transcript: where each begins, what it holds, and who must have written it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from sessionmill.recount.values import Json

#: Bytes of one line; a longer one is malformed.
LONGEST = 64 * 1024 * 1024

_CODEX_LINES = {"session_meta", "turn_context", "response_item", "event_msg", "compacted"}
_CLAUDE_MARKS = (
    "sessionId",
    "uuid",
    "parentUuid",
    "leafUuid",
    "message",
    "snapshot",
    "messageId",
)
_BOM = b"\xef\xbb\xbf"


def lines_of(content: bytes) -> Iterator[tuple[int, Json | None]]:
    """Yield each object and the byte it begins at; None in place of a malformed line."""
    *ended, last = content.split(b"\n")
    offset = 0
    for line in ended:
        yield from _line(offset, line)
        offset += len(line) + 1
    # Without its newline a line is still being written: it counts only once it is whole.
    start = _start(offset, last)
    if len(last) <= LONGEST and (unended := _whole_object(last[start - offset :])) is not None:
        yield start, unended


def _whole_object(line: bytes) -> Json | None:
    """Return the object that an unended line is; None where it may still go on."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _line(offset: int, line: bytes) -> Iterator[tuple[int, Json | None]]:
    start = _start(offset, line)
    line = line[start - offset :]
    if not line.strip(b" \t\r"):
        return
    objects = _objects_of(line)
    if objects is None:
        yield start, None
    for place, value in objects or []:
        yield start + place, value


def _start(offset: int, line: bytes) -> int:
    """Return where a line begins: the first one of a file behind its byte order mark."""
    return offset + (len(_BOM) if offset == 0 and line.startswith(_BOM) else 0)


def _objects_of(line: bytes) -> list[tuple[int, Json]] | None:
    """Return the objects of one ended line, each with its place; None if it is malformed."""
    if len(line) > LONGEST:
        return None
    valid, value = _loads(line)
    if valid:
        return [(0, value)] if isinstance(value, dict) else []
    return _several_objects(line)


def _loads(line: bytes) -> tuple[bool, object]:
    """Return whether the line is one JSON value, and the value."""
    try:
        return True, json.loads(_text(line))
    except (ValueError, RecursionError):
        return False, None


def _text(line: bytes) -> str:
    """Decode a line; bytes that are no UTF-8 stay apart, for `as_text` to replace."""
    return line.decode("utf-8", "surrogateescape")


def _several_objects(line: bytes) -> list[tuple[int, Json]] | None:
    """Return the objects of a line that holds nothing else but NULs and spaces, else None."""
    found: list[tuple[int, Json]] = []
    try:
        rest = _text(line)
        place = 0
        while bare := rest.lstrip("\0 \t\r"):
            place += len(rest) - len(bare)
            value, end = json.JSONDecoder().raw_decode(bare)
            if not isinstance(value, dict):
                return None
            found.append((place, value))
            place += len(bare[:end].encode("utf-8", "surrogateescape"))
            rest = bare[end:]
    except (ValueError, RecursionError):
        return None
    return found or None


def format_of(line: Json) -> str | None:
    """Return the format that the line proves its file to have, "claude" or "codex", or None."""
    kind = line.get("type")
    if not isinstance(kind, str):
        return None
    if kind in _CODEX_LINES and isinstance(line.get("payload"), dict):
        return "codex"
    return "claude" if any(mark in line for mark in _CLAUDE_MARKS) else None
