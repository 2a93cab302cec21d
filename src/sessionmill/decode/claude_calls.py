"""Calls in Claude Code's lines: what identifies each, and never what it was given.

Of a call's arguments only those are read that tell which skill, sub-agent or program is meant, or
how many lines of which file an edit changes; the others are hashed unread.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from sessionmill.decode import edits
from sessionmill.decode.edits import Edit
from sessionmill.decode.programs import program
from sessionmill.decode.records import Call
from sessionmill.decode.text import arguments_hash, starts, string

_NOTHING = msgspec.Raw(b"")


class _Skill(msgspec.Struct, gc=False):
    skill: msgspec.Raw = _NOTHING
    #: Versions before 2.0 said `command` or `name`.
    command: msgspec.Raw = _NOTHING
    name: msgspec.Raw = _NOTHING


class _Agent(msgspec.Struct, gc=False):
    subagent_type: msgspec.Raw = _NOTHING


class _Shell(msgspec.Struct, gc=False):
    command: msgspec.Raw = _NOTHING


class _Replacement(msgspec.Struct, gc=False):
    old_string: msgspec.Raw = _NOTHING
    new_string: msgspec.Raw = _NOTHING


class _Edit(_Replacement, gc=False):
    file_path: msgspec.Raw = _NOTHING


class _MultiEdit(msgspec.Struct, gc=False):
    file_path: msgspec.Raw = _NOTHING
    edits: msgspec.Raw = _NOTHING


class _Write(msgspec.Struct, gc=False):
    file_path: msgspec.Raw = _NOTHING
    content: msgspec.Raw = _NOTHING


class _NotebookEdit(msgspec.Struct, gc=False):
    notebook_path: msgspec.Raw = _NOTHING
    new_source: msgspec.Raw = _NOTHING
    edit_mode: msgspec.Raw = _NOTHING


class _Hunk(msgspec.Struct, gc=False):
    lines: list[str] = []


_skill = msgspec.json.Decoder(_Skill)
_agent = msgspec.json.Decoder(_Agent)
_shell = msgspec.json.Decoder(_Shell)
_edit = msgspec.json.Decoder(_Edit)
_multi_edit = msgspec.json.Decoder(_MultiEdit)
_replacements = msgspec.json.Decoder(list[_Replacement])
_write = msgspec.json.Decoder(_Write)
_notebook_edit = msgspec.json.Decoder(_NotebookEdit)
_hunks = msgspec.json.Decoder(list[_Hunk])


def call(id: str, name: str, arguments: msgspec.Raw) -> Call:
    """Return the call of a tool with its arguments, as the line has them."""
    hashed = arguments_hash(name, arguments)
    if (read := _READERS.get(name)) is not None and starts(arguments, b"{"):
        return read(id, name, hashed, arguments)
    return Call(id, name, input_hash=hashed)


def word(raw: msgspec.Raw) -> str | None:
    """Return a JSON string, or None for any other value."""
    return string(raw) if starts(raw, b'"') else None


def patched(kind: msgspec.Raw, patch: msgspec.Raw) -> tuple[int | None, int | None]:
    """Return (added, removed) of the change that the client says it made; None where it is silent.

    The patch of a file that is created is empty: its lines are those that the call has given.
    """
    if not starts(patch, b"["):
        return None, None
    if bytes(kind) == b'"create"':
        return None, 0
    try:
        hunks = _hunks.decode(patch)
    except msgspec.MsgspecError:
        return None, None
    return edits.of_diff(line for hunk in hunks for line in hunk.lines)


def _skill_call(id: str, name: str, hashed: int, arguments: msgspec.Raw) -> Call:
    given = _skill.decode(arguments)
    skill = word(given.skill) or word(given.command) or word(given.name)
    return Call(id, name, skill, input_hash=hashed)


def _agent_call(id: str, name: str, hashed: int, arguments: msgspec.Raw) -> Call:
    return Call(id, name, None, word(_agent.decode(arguments).subagent_type), input_hash=hashed)


def _shell_call(id: str, name: str, hashed: int, arguments: msgspec.Raw) -> Call:
    command = word(_shell.decode(arguments).command)
    return Call(id, name, program=program(command) if command else None, input_hash=hashed)


def _edit_call(id: str, name: str, hashed: int, arguments: msgspec.Raw) -> Call:
    asked = _ASKED[name](arguments)
    return Call(
        id,
        name,
        input_hash=hashed,
        lines_added=asked.lines_added,
        lines_removed=asked.lines_removed,
        file_hash=asked.file_hash,
    )


def _asked_by_edit(arguments: msgspec.Raw) -> Edit:
    given = _edit.decode(arguments)
    return Edit(*_replaced(given), edits.file_hash(word(given.file_path)))


def _asked_by_multi_edit(arguments: msgspec.Raw) -> Edit:
    given = _multi_edit.decode(arguments)
    path = edits.file_hash(word(given.file_path))
    try:
        each = [_replaced(one) for one in _replacements.decode(given.edits)]
    except msgspec.MsgspecError:
        return Edit(None, None, path)
    return Edit(sum(added for added, _ in each), sum(removed for _, removed in each), path)


def _asked_by_write(arguments: msgspec.Raw) -> Edit:
    # What the file held before, the call does not tell.
    given = _write.decode(arguments)
    return Edit(
        edits.line_count(word(given.content) or ""), None, edits.file_hash(word(given.file_path))
    )


def _asked_by_notebook_edit(arguments: msgspec.Raw) -> Edit:
    given = _notebook_edit.decode(arguments)
    deletes = word(given.edit_mode) == "delete"
    added = 0 if deletes else edits.line_count(word(given.new_source) or "")
    return Edit(added, None, edits.file_hash(word(given.notebook_path)))


def _replaced(given: _Replacement) -> tuple[int, int]:
    return edits.replaced(word(given.old_string) or "", word(given.new_string) or "")


_ASKED: dict[str, Callable[[msgspec.Raw], Edit]] = {
    "Edit": _asked_by_edit,
    "MultiEdit": _asked_by_multi_edit,
    "Write": _asked_by_write,
    "NotebookEdit": _asked_by_notebook_edit,
}
_READERS: dict[str, Callable[[str, str, int, msgspec.Raw], Call]] = {
    "Skill": _skill_call,
    "Task": _agent_call,
    "Agent": _agent_call,
    "Bash": _shell_call,
    "PowerShell": _shell_call,
    **dict.fromkeys(_ASKED, _edit_call),
}
