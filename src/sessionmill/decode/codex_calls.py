"""Calls and outputs in Codex rollouts: which program ran, what a patch changed, what failed."""

from __future__ import annotations

import re

import msgspec

from sessionmill.decode import edits
from sessionmill.decode.failures import error_kind
from sessionmill.decode.git import commits, created_pull_request
from sessionmill.decode.programs import program, program_of
from sessionmill.decode.records import Call, Event, Result
from sessionmill.decode.text import arguments_hash, starts, string, text_bytes

_NOTHING = msgspec.Raw(b"")


class _Shell(msgspec.Struct, gc=False):
    """What a shell tool is given: newer ones a line (`cmd`), older ones a line or its words."""

    cmd: msgspec.Raw = _NOTHING
    command: msgspec.Raw = _NOTHING


class _Patch(msgspec.Struct, gc=False):
    input: msgspec.Raw = _NOTHING
    patch: msgspec.Raw = _NOTHING


class _Change(msgspec.Struct, gc=False):
    """What a patch did to one file."""

    type: str | None = None
    unified_diff: str | None = None
    #: Of a file that was added or deleted.
    content: str | None = None


class _Output(msgspec.Struct, gc=False):
    """An output that is an object or a part of a list; older ones are plain strings."""

    success: bool | None = None
    content: msgspec.Raw = _NOTHING
    text: msgspec.Raw = _NOTHING
    image_url: msgspec.Raw = _NOTHING


_shell = msgspec.json.Decoder(_Shell)
_patch = msgspec.json.Decoder(_Patch)
_words = msgspec.json.Decoder(list[str])
_changes = msgspec.json.Decoder(dict[str, _Change])
_output = msgspec.json.Decoder(_Output)
_outputs = msgspec.json.Decoder(list[_Output])

_SHELLS = frozenset("exec_command shell shell_command local_shell container.exec".split())
#: Above what a command printed the client writes how it ended; an apply_patch has the short form.
_EXIT = re.compile(
    r"(?:Chunk ID: \S+\n)?(?:Exit code: (?P<short>-?\d+)\n)?Wall time: [\d.]+ seconds\n"
    r"(?:Process exited with code (?P<long>-?\d+)\n)?"
)
#: Outputs that begin so have nothing of a command's own.
_FAILED = (
    "apply_patch verification failed",
    "exec_command failed",
    "write_stdin failed",
    "exec command rejected by user",
    "patch rejected by user",
    "aborted by user",
)


def call(id: str, name: str, arguments: msgspec.Raw) -> Call:
    """Return the call of a tool with its arguments, as the line has them."""
    hashed = arguments_hash(name, arguments)
    if name in _SHELLS:
        return Call(id, name, program=_program(arguments), input_hash=hashed)
    if name == "apply_patch" and (patch := _patch_of(arguments)):
        asked = edits.of_patch(patch)
        return Call(
            id,
            name,
            input_hash=hashed,
            lines_added=asked.lines_added,
            lines_removed=asked.lines_removed,
            file_hash=asked.file_hash,
        )
    return Call(id, name, input_hash=hashed)


def result(call_id: str, raw: msgspec.Raw) -> tuple[Result, tuple[Event, ...]]:
    """Return the result that an output is, and what it tells of commits and pull requests."""
    text, size, failed = _measured(raw)
    if failed or _says_it_failed(text):
        return Result(call_id, True, size, _kind(text)), ()
    ended = _EXIT.match(text)
    if ended is None or ended["long"] is None:
        return Result(call_id, False, size), ()
    printed = text[ended.end() :]
    events = [Event("commit", sha) for sha in commits(printed)]
    if opened := created_pull_request(printed):
        events.append(Event("pull_request", opened))
    return Result(call_id, False, size), tuple(events)


def patched(call_id: str, success: bool | None, raw: msgspec.Raw) -> Result:
    """Return what a patch's end tells: whether it succeeded, and what it changed."""
    if success is False:
        return Result(call_id, True, 0, "other")
    try:
        changes = _changes.decode(raw)
    except msgspec.MsgspecError:
        return Result(call_id, False, 0)
    added = removed = 0
    for change in changes.values():
        lines = edits.line_count(change.content or "")
        if change.type == "add":
            added += lines
        elif change.type == "delete":
            removed += lines
        else:
            more, less = edits.of_diff((change.unified_diff or "").split("\n"))
            added, removed = added + more, removed + less
    return Result(call_id, False, 0, None, added, removed)


# ── arguments ────────────────────────────────────────────────────────────────────────────────


def _program(arguments: msgspec.Raw) -> str | None:
    """Return the program of a shell call, whose arguments are JSON or JSON within a string."""
    try:
        text = string(arguments).encode() if starts(arguments, b'"') else arguments
        given = _shell.decode(text)
        command = given.cmd if memoryview(given.cmd) else given.command
        if starts(command, b'"'):
            return program(string(command))
        return program_of(_words.decode(command)) if starts(command, b"[") else None
    except (msgspec.MsgspecError, UnicodeEncodeError):
        return None


def _patch_of(arguments: msgspec.Raw) -> str | None:
    """Return the patch that a call is given: as free text, or in JSON within a string."""
    if not starts(arguments, b'"'):
        return None
    text = string(arguments)
    if not text.startswith("{"):
        return text
    try:
        given = _patch.decode(text)
    except msgspec.MsgspecError:
        return None
    patch = given.input if memoryview(given.input) else given.patch
    return string(patch) if starts(patch, b'"') else None


# ── outputs ──────────────────────────────────────────────────────────────────────────────────


def _measured(raw: msgspec.Raw) -> tuple[str, int, bool]:
    """Return an output's first text, its texts' bytes, and whether it says that its call failed."""
    try:
        if starts(raw, b'"'):
            text = string(raw)
            return text, text_bytes(text), False
        if starts(raw, b"{"):
            output = _output.decode(raw)
            texts = _texts(output)
            return "".join(texts[:1]), sum(map(text_bytes, texts)), output.success is False
        if starts(raw, b"["):
            texts = [text for part in _outputs.decode(raw) for text in _texts(part)]
            return "".join(texts[:1]), sum(map(text_bytes, texts)), False
    except msgspec.MsgspecError:
        pass
    return "", 0, False


def _texts(output: _Output) -> list[str]:
    parts = (output.content, output.text, output.image_url)
    return [string(part) for part in parts if starts(part, b'"')]


def _says_it_failed(text: str) -> bool:
    if ended := _EXIT.match(text):
        return (ended["long"] or ended["short"] or "0") != "0"
    return text.startswith(_FAILED)


def _kind(text: str) -> str:
    kind = error_kind(text)
    return "nonzero_exit" if kind == "other" and _EXIT.match(text) else kind
