"""What happens in a Claude Code session beside turns and calls, as lines of their own tell it.

Such lines are few and short: each is parsed whole, and only a code or an identifier of it is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from sessionmill.decode.git import commits, created_pull_request, pull_request
from sessionmill.decode.records import Event
from sessionmill.decode.text import whole

_MOST = 2**63 - 1
_CODE = re.compile(r"[A-Za-z0-9_.:/#@-]{1,100}")
_BLOCKED = re.compile(r"([A-Za-z]{1,40}) operation blocked by hook:")

INTERRUPTED = "[Request interrupted by user"


def code(value: object) -> str | None:
    """Return a code or an identifier as text; None for what has another form."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None


def of_line(type: str, raw: memoryview | bytes) -> tuple[Event, ...]:
    """Return what a line of a type tells; nothing of most types, without a look at the line."""
    tell = _TELLING.get(type)
    if tell is None:
        return ()
    try:
        line = msgspec.json.decode(raw)
    except msgspec.MsgspecError:
        line = whole(json.loads(bytes(raw)))
    event = tell(line) if isinstance(line, dict) else None
    return () if event is None else (event,)


def of_interrupt(text: str) -> Event:
    """Return the event of a turn with which the client tells that a person pressed escape."""
    return Event("interrupt", "tool_use" if " for tool use" in text[:60] else "response")


def of_output(text: str) -> list[Event]:
    """Return the commits and the pull request that a command's output tells of."""
    events = [Event("commit", sha) for sha in commits(text)]
    if opened := created_pull_request(text):
        events.append(Event("pull_request", opened))
    return events


def of_operation(raw: msgspec.Raw) -> list[Event]:
    """Return what the client itself says of a command that ran git or gh (2.1.205 and newer)."""
    operation = _object(msgspec.json.decode(raw))
    events = []
    if sha := code(_object(operation.get("commit")).get("sha")):
        events.append(Event("commit", sha))
    opened = _object(operation.get("pr"))
    if opened.get("action") == "created" and (name := pull_request(str(opened.get("url")))):
        events.append(Event("pull_request", name))
    return events


def _compaction(line: Mapping[str, Any]) -> Event:
    told = _object(line.get("compactMetadata"))
    return Event(
        "compaction", code(told.get("trigger")), tokens_before=_count(told.get("preTokens"))
    )


def _api_error(line: Mapping[str, Any]) -> Event | None:
    """Return the error that the client gave up at; its tries before stand on lines of their own."""
    if line.get("isApiErrorMessage") is not True:
        return None
    return Event("api_error", code(line.get("apiErrorStatus")) or code(line.get("error")))


def _api_retry(line: Mapping[str, Any]) -> Event:
    error, cause = _object(line.get("error")), _object(line.get("cause"))
    body = _object(error.get("error"))
    told = (
        error.get("status") or None,
        _object(body.get("error")).get("type"),
        body.get("type"),
        _object(error.get("connection")).get("code"),
        _object(error.get("cause")).get("code"),
        cause.get("code"),
    )
    return Event("api_retry", next(filter(None, map(code, told)), None))


def _stopped_by_hook(line: Mapping[str, Any]) -> Event | None:
    if line.get("preventedContinuation") is not True:
        return None
    return Event("hook_block", "Stop", id=code(line.get("toolUseID")))


def _informed(line: Mapping[str, Any]) -> Event | None:
    found = _BLOCKED.match(str(line.get("content")))
    return Event("hook_block", found[1]) if found else None


def _blocked_by_hook(line: Mapping[str, Any]) -> Event:
    attachment = _object(line.get("attachment"))
    return Event(
        "hook_block", code(attachment.get("hookEvent")), id=code(attachment.get("toolUseID"))
    )


def _fallback(line: Mapping[str, Any]) -> Event:
    return Event("model_fallback", code(line.get("fallbackModel")))


def _linked(line: Mapping[str, Any]) -> Event | None:
    repository, number = code(line.get("prRepository")), code(line.get("prNumber"))
    return Event("pull_request", f"{repository}#{number}") if repository and number else None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST:
        return None
    return value


_TELLING: dict[str, Callable[[Mapping[str, Any]], Event | None]] = {
    "system/compact_boundary": _compaction,
    "system/api_error": _api_retry,
    "system/stop_hook_summary": _stopped_by_hook,
    "system/informational": _informed,
    "system/model_refusal_fallback": _fallback,
    "attachment/hook_blocking_error": _blocked_by_hook,
    "attachment/hook_stopped_continuation": _blocked_by_hook,
    "pr-link": _linked,
    # An assistant line of the model <synthetic>.
    "assistant": _api_error,
}
