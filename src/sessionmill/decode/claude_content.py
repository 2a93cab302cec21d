"""How much content a line of a response holds: lengths of JSON as it is written, unescaped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec

from sessionmill.decode.records import Content

#: Tools that the API runs itself are called by the model like any other.
_CALLS = ("tool_use", "server_tool_use", "mcp_tool_use")


class Block(Protocol):
    """A part of a message, its values unread."""

    type: str | None
    text: msgspec.Raw
    input: msgspec.Raw
    thinking: msgspec.Raw
    signature: msgspec.Raw
    data: msgspec.Raw


def measure(content: str | Iterable[Block]) -> Content | None:
    """Measure what a model has said on a line; None where there is nothing to measure."""
    if isinstance(content, str):
        return Content(text_bytes=len(content.encode()))
    text = arguments = calls = thinking = signature = 0
    for block in content:
        kind = block.type
        if kind in _CALLS:
            arguments += memoryview(block.input).nbytes
            calls += 1
        elif kind == "text":
            text += _within_quotes(block.text)
        elif kind == "thinking":
            thinking += _within_quotes(block.thinking)
            signature += _within_quotes(block.signature)
        elif kind == "redacted_thinking":
            signature += _within_quotes(block.data)
    if text or calls or thinking or signature:
        return Content(text, arguments, calls, thinking, signature)
    return None


def _within_quotes(raw: msgspec.Raw) -> int:
    length = memoryview(raw).nbytes
    return length - 2 if length > 2 else 0
