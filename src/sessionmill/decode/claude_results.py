"""Results in Claude Code's lines: whether a call failed and why, and what it has changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from sessionmill.decode import claude_events
from sessionmill.decode.claude_calls import patched, word
from sessionmill.decode.failures import blocking_hook, error_kind
from sessionmill.decode.records import Event, Result
from sessionmill.decode.text import starts, text_bytes

_NOTHING = msgspec.Raw(b"")


class Source(msgspec.Struct, gc=False):
    """Of an image."""

    data: str | None = None


class Part(msgspec.Struct, gc=False):
    """A part of a tool's result."""

    text: str | None = None
    source: Source | None = None


#: What a result holds.
Content = str | list[Part] | Part | None


class Beside(msgspec.Struct, gc=False):
    """What the client keeps beside a result, for itself."""

    #: Of a file that was written: "create" or "update".
    type: msgspec.Raw = _NOTHING
    structuredPatch: msgspec.Raw = _NOTHING
    #: Of the sub-agent run that the call has started.
    agentId: msgspec.Raw = _NOTHING
    #: Of a shell command.
    stdout: msgspec.Raw = _NOTHING
    gitOperation: msgspec.Raw = _NOTHING


def read_results(
    answers: Sequence[tuple[str, bool, Content]], beside: object, denial: str | None
) -> tuple[tuple[Result, ...], tuple[Event, ...]]:
    """Return what a line tells of its results, each given as (call id, is error, content).

    `beside` is the line's `toolUseResult`, `denial` its `toolDenialKind`.
    """
    if len(answers) > 1:
        beside = None  # it does not say which of them it is about
    results, events = [], list[Event]()
    for call_id, is_error, content in answers:
        if is_error:
            kind = _failure(call_id, content, denial, events)
            results.append(Result(call_id, True, _result_bytes(content), kind))
        else:
            results.append(_succeeded(call_id, _result_bytes(content), beside))
            _look_for_git(content, beside, events)
    return tuple(results), tuple(events)


def _failure(call_id: str, content: Content, denial: str | None, events: list[Event]) -> str:
    """Return why a call failed; add what refused it to `events`, once for each call."""
    text = next(_texts(content), "")
    kind, hook = error_kind(text, denial), blocking_hook(text)
    if hook is not None or (denial is not None and "hook" in denial):
        events.append(Event("hook_block", hook or "PreToolUse", id=call_id))
    elif kind == "denied":
        events.append(Event("permission_denial", claude_events.code(denial), id=call_id))
    return kind


def _succeeded(call_id: str, size: int, beside: object) -> Result:
    if not isinstance(beside, Beside):
        return Result(call_id, False, size)
    added, removed = patched(beside.type, beside.structuredPatch)
    return Result(call_id, False, size, None, added, removed, word(beside.agentId))


def _look_for_git(content: Content, beside: object, events: list[Event]) -> None:
    """Add to `events` what a shell command's output tells of commits and pull requests.

    Of old and of quoted lines, which have nothing beside the result, any tool's output is looked
    at; else that of shells alone.
    """
    if beside is None:
        operation = _NOTHING
    elif isinstance(beside, Beside) and memoryview(beside.stdout):
        operation = beside.gitOperation
    else:
        return
    found = [event for text in _texts(content) for event in claude_events.of_output(text)]
    if starts(operation, b"{"):
        # The client knows what ran: an address that was printed proves no pull request to it.
        found = [event for event in found if event.kind == "commit"]
        found += [e for e in claude_events.of_operation(operation) if e not in found]
    events += found


def _texts(content: Content) -> Iterator[str]:
    if isinstance(content, str):
        yield content
        return
    for part in content if isinstance(content, list) else (content,):
        if isinstance(part, Part) and part.text is not None:
            yield part.text


def _result_bytes(content: Content) -> int:
    if isinstance(content, str):
        return text_bytes(content)
    if isinstance(content, list):
        return sum(_part_bytes(part) for part in content)
    return _part_bytes(content) if content is not None else 0


def _part_bytes(part: Part) -> int:
    if part.text is not None:
        return text_bytes(part.text)
    return len(part.source.data or "") if part.source is not None else 0
