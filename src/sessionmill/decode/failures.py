"""Why a call failed, told by how the text of its result begins; the text itself is kept nowhere.

The beginnings are those of results that clients wrote; what begins otherwise is `other`.
"""

from __future__ import annotations

import re
from typing import Literal

ErrorKind = Literal[
    "user_rejected",
    "denied",
    "timeout",
    "nonzero_exit",
    "not_found",
    "interrupted",
    "api",
    "other",
]

#: Clients name who refused a call, on the line of the result (2.1.205 and newer).
_DENIALS: dict[str, ErrorKind] = {
    "user-rejected": "user_rejected",
    "interrupted": "interrupted",
    "cancelled": "interrupted",
}

#: So much of a text is looked at.
_HEAD = 300

_BEGINNINGS: tuple[tuple[str, ErrorKind], ...] = (
    ("The user doesn't want to ", "user_rejected"),
    ("exec command rejected by user", "user_rejected"),
    ("patch rejected by user", "user_rejected"),
    ("[Request interrupted by user", "interrupted"),
    # A call of the same response failed, and the client let go of this one.
    ("Sibling tool call errored", "interrupted"),
    ("Cancelled: parallel tool call", "interrupted"),
    ("aborted by user", "interrupted"),
    ("This command requires approval", "denied"),
    ("This Bash command contains multiple operations", "denied"),
    ("Permission to use ", "denied"),
    ("Permission for this ", "denied"),
    ("Claude requested permissions to ", "denied"),
    ("File is in a directory that is denied", "denied"),
    ("Execution stopped by PreToolUse hook", "denied"),
    ("Command timed out after ", "timeout"),
    ("command timed out after ", "timeout"),
    ("MCP error -32001: Request timed out", "timeout"),
    ("Command failed with exit code ", "nonzero_exit"),
    ("File does not exist", "not_found"),
    ("Path does not exist", "not_found"),
    ("Directory does not exist", "not_found"),
    ("Notebook file does not exist", "not_found"),
    ("ENOENT", "not_found"),
    ("String to replace not found", "not_found"),
    ("Unknown skill", "not_found"),
    ("No such tool available", "not_found"),
    ("No task found with ID", "not_found"),
    ("apply_patch verification failed: Failed to find expected lines", "not_found"),
    ("API Error", "api"),
    ("Agent terminated early due to an API error", "api"),
    # Of a page that was fetched.
    ("Request failed with status code ", "api"),
)

_EXIT = re.compile(r"(?:Error: )?Exit code -?\d+(?:\n|$)")
_HOOK = re.compile(
    r"(?:(?P<before>[A-Z][A-Za-z]{1,39}):[^\s:]{1,80} hook (?:blocking )?error"
    r"|[A-Za-z_]{1,60} operation blocked by hook"
    r"|Execution stopped by (?P<stopped>[A-Z][A-Za-z]{1,39}) hook)"
)
_ELSEWHERE: tuple[tuple[re.Pattern[str], ErrorKind], ...] = (
    (re.compile(r".{0,200}? was blocked\. For security, ", re.DOTALL), "denied"),
    (re.compile(r"\S{1,80} is temporarily unavailable, "), "api"),
    (re.compile(r"\S{1,60} failed: \S{1,60} timed out after "), "timeout"),
    (re.compile(r"Agent type '[^'\n]{0,100}' not found"), "not_found"),
)


def error_kind(text: str, denial: str | None = None) -> ErrorKind:
    """Return why a call failed whose result is `text`; `denial` is the client's own word for it."""
    if denial:
        return _DENIALS.get(denial, "denied")
    head = _bare(text)
    if exited := _EXIT.match(head):
        # What the client adds below the exit code, and not what the command printed.
        below = _by_beginning(head[exited.end() :])
        if below == "timeout":
            return "timeout"
        return "interrupted" if below == "interrupted" else "nonzero_exit"
    if _HOOK.match(head):
        return "denied"
    if kind := _by_beginning(head):
        return kind
    return next((kind for pattern, kind in _ELSEWHERE if pattern.match(head)), "other")


def blocking_hook(text: str) -> str | None:
    """Return the event of the hook that blocked a call, as its result tells; None if none did."""
    found = _HOOK.match(_bare(text))
    if not found:
        return None
    return found["before"] or found["stopped"] or "PreToolUse"


def _bare(text: str) -> str:
    """Return the beginning of a text, without the client's tag around it."""
    return text[:_HEAD].lstrip().removeprefix("<tool_use_error>").removeprefix("Error: ").lstrip()


def _by_beginning(head: str) -> ErrorKind | None:
    return next((kind for start, kind in _BEGINNINGS if head.startswith(start)), None)
