"""What a line says in words, for people to read; nothing that counts looks at these."""

from __future__ import annotations

import json
from typing import Any


def words(line: Any) -> str:
    """Return what a whole line (`Record.json()`) says to whoever reads it, "" if nothing.

    A turn's or an answer's text, what a call was given, what a tool gave back.
    """
    if not isinstance(line, dict):
        return ""
    for part in (line.get("message"), line.get("attachment"), line.get("payload"), line):
        if isinstance(part, dict) and (said := _of_part(part)):
            return said
    return ""


def _of_part(part: dict[str, Any]) -> str:
    """Read a message, an attachment, a rollout's payload, or a line that is one itself."""
    for name in ("content", "prompt", "message", "text", "summary", "output"):
        if name in part and (said := _text(part[name])):
            return said
    return _given(part)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(filter(None, map(_text, value)))
    if isinstance(value, dict):
        for name in ("text", "thinking", "content", "output"):
            if name in value and (said := _text(value[name])):
                return said
        return _given(value)
    return ""


def _given(call: dict[str, Any]) -> str:
    """Return what a call was given: Claude Code writes an object, Codex a string of JSON."""
    for name in ("input", "arguments", "action"):
        given = call.get(name)
        if isinstance(given, str):
            return given
        if given:
            return json.dumps(given, ensure_ascii=False)
    return ""
