"""What a line says in words, for people to read; nothing that counts looks at these."""

from __future__ import annotations

import json
from typing import Any

#: Blocks of a message that stand for themselves: they are asked for by id.
_CALLS_AND_RESULTS = ("tool_use", "tool_result")
#: Where texts stand, the likeliest first.
_SAID = "content prompt message text thinking summary output result Ok Err stdout error".split()
#: Where the arguments of a call stand: Claude Code writes an object, Codex a string of JSON.
_GIVEN = ("input", "arguments", "action", "query")


def words(line: Any, of: str | None = None) -> str:
    """Return what a whole line (`Record.json()`) says to whoever reads it, "" if nothing.

    That is the text of a turn or an answer; or, `of` the call with this id, what it was given or
    gave back, where a line may hold several.
    """
    for part in _parts(line):
        if isinstance(part, dict) and (said := _of_part(part, of)):
            return said
    return ""


def is_answer(line: Any) -> bool:
    """Tell whether a line holds what a model said: not what the client says in its place.

    In a rollout it stands apart from its counts.
    """
    if not isinstance(line, dict):
        return False
    message, payload = line.get("message"), line.get("payload")
    if isinstance(message, dict):
        return line.get("type") == "assistant" and message.get("model") != "<synthetic>"
    return isinstance(payload, dict) and payload.get("role") == "assistant"


def _parts(line: Any) -> tuple[Any, ...]:
    """Return where a line may say something, what is nested deepest first; the line itself last."""
    if not isinstance(line, dict):
        return ()
    data = line.get("data")
    quoted = data.get("message") if isinstance(data, dict) else None
    nested = quoted.get("message") if isinstance(quoted, dict) else None
    inner = [line.get(name) for name in ("message", "attachment", "payload")]
    own = {name: value for name, value in line.items() if value not in inner and value is not data}
    return (nested, *inner, own)


def _of_part(part: dict[str, Any], of: str | None) -> str:
    content = part.get("content")
    if isinstance(content, list):
        part = part | {"content": _blocks(content, of)}
    return _text(part)


def _blocks(content: list[Any], of: str | None) -> list[Any]:
    """Return the blocks of the call or the result `of` this id; of none, those of neither."""
    blocks = [block for block in content if isinstance(block, dict)]
    if of is not None:
        return [b for b in blocks if of in (b.get("id"), b.get("tool_use_id"))]
    return [b for b in blocks if b.get("type") not in _CALLS_AND_RESULTS]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(filter(None, map(_text, value)))
    if isinstance(value, dict):
        for name in _SAID:
            if name in value and (said := _text(value[name])):
                return said
        return _given(value)
    return ""


def _given(call: dict[str, Any]) -> str:
    for name in _GIVEN:
        given = call.get(name)
        if isinstance(given, str):
            return given
        if given:
            return json.dumps(given, ensure_ascii=False)
    return ""
