"""One walk over the roots: every transcript, as a `stat` shows it, and what was passed over."""

from __future__ import annotations

import os
import shlex
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from sessionmill.collect.contents import ENDINGS, compare, content, plain_name, program_of
from sessionmill.collect.roots import Root
from sessionmill.errors import CannotRead, TranscriptUnreadable
from sessionmill.paths import written

_MISSING = (
    "there is no such directory. Nothing that it held is marked as gone. Mount it, mend its name, "
    "or leave it out"
)


class Found(msgspec.Struct, frozen=True, gc=False):
    """A transcript that a walk has seen."""

    session_key: str
    username: str
    #: The walked folder it lies below.
    root: str
    path: str
    size: int
    mtime_ns: int


@dataclass
class Walk:
    """What one walk over the roots has seen; paths as text, whatever bytes they are of."""

    found: list[Found] = field(default_factory=list)
    #: Folders of roots walked to their end without an error: only below these can one be missed.
    complete: list[str] = field(default_factory=list)
    #: Folders that were only looked for, and are not there.
    absent: list[str] = field(default_factory=list)
    #: (path, what is wrong): errors of the run.
    errors: list[tuple[str, str]] = field(default_factory=list)
    #: (path, why): not transcripts, or not to be followed.
    passed_over: list[tuple[str, str]] = field(default_factory=list)


def walk(roots: Iterable[Root]) -> Walk:
    """Look at every root once; a folder given twice, by whatever name, is walked once."""
    result = Walk()
    seen: set[str] = set()
    keys: dict[str, Found] = {}
    for root in roots:
        real = os.path.realpath(root.folder)
        if real in seen:
            continue
        seen.add(real)
        for transcript in _walk_root(root, real, result):
            other = keys.setdefault(transcript.session_key, transcript)
            if other is not transcript:
                _same_key(other, transcript, keys, result)
    result.found = list(keys.values())
    return result


def _walk_root(root: Root, real: str, result: Walk) -> Iterator[Found]:
    errors = len(result.errors)
    if not os.path.isdir(real):  # noqa: PTH112 - Path.is_dir raises behind a closed folder
        if root.expected:
            result.errors.append((written(real), _MISSING))
        else:
            result.absent.append(written(real))
        return
    if root.kind == "sessions":
        yield from _walk_users(root, real, result)
    elif root.kind == "codex":
        yield from _walk_codex(root, real, result)
    else:
        yield from _walk_user(root, real, root.username or "", real, result)
    if len(result.errors) == errors:
        result.complete.append(written(real))


def _walk_users(root: Root, real: str, result: Walk) -> Iterator[Found]:
    for entry in _entries(real, result):
        if not entry.is_dir(follow_symlinks=False):
            _pass_over(entry, result)
        elif entry.name.startswith("."):
            result.passed_over.append((written(entry.path), "hidden: no user's name"))
        else:
            username = unicodedata.normalize("NFC", written(entry.name))
            yield from _walk_user(root, real, username, entry.path, result)


def _walk_codex(root: Root, real: str, result: Walk) -> Iterator[Found]:
    names = {entry.name for entry in _entries(real, result)}
    if "archived_sessions" in names:
        result.passed_over.append((written(f"{real}/archived_sessions"), "archived by Codex"))
    if "sessions" in names:
        sessions = f"{real}/sessions"
        yield from _walk_user(root, real, root.username or "", sessions, result, "sessions/")


def _walk_user(
    root: Root, real: str, username: str, top: str, result: Walk, below: str = ""
) -> Iterator[Found]:
    """Yield the transcripts of one user, deepest folders last."""
    folder, prefix = written(real), "rollout-" if root.kind == "codex" else ""
    pending = [(top, below)]
    while pending:
        directory, below = pending.pop()
        for entry in _entries(directory, result):
            name = entry.name
            if entry.is_dir(follow_symlinks=False):
                if name.endswith(ENDINGS):
                    result.passed_over.append((written(entry.path), "a directory"))
                else:
                    pending.append((entry.path, f"{below}{name}/"))
            elif name.endswith(ENDINGS) and name.startswith(prefix):
                stat = _stat(entry, real, result)
                if stat is not None:
                    key = written(f"{username}/{below}{plain_name(name)}")
                    size, mtime_ns = stat.st_size, stat.st_mtime_ns
                    yield Found(key, username, folder, entry.path, size, mtime_ns)
            elif entry.is_symlink() and os.path.isdir(entry.path):  # noqa: PTH112 - quick, and never raises
                _pass_over(entry, result)


def _stat(entry: os.DirEntry[str], real: str, result: Walk) -> os.stat_result | None:
    """Return a transcript's size and time; None, with the reason noted, for what is none."""
    if not entry.is_file(follow_symlinks=False) and not _inside(entry, real):
        _pass_over(entry, result)
        return None
    try:
        return entry.stat()
    except FileNotFoundError:
        return None  # deleted since it was listed
    except OSError as error:
        result.errors.append((written(entry.path), str(CannotRead(Path(entry.path), error))))
        return None


def _entries(directory: str, result: Walk) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        result.errors.append((written(directory), _closed(directory, error)))
        return []


def _closed(directory: str, error: OSError) -> str:
    return (
        f"cannot be looked into: {error.strerror or error}. What is in it is not read, and nothing "
        "below its root is marked as gone. To see who may look: "
        f"ls -ld {shlex.quote(written(directory))}"
    )


def _inside(entry: os.DirEntry[str], real: str) -> bool:
    """Tell whether a link leads to a file below the root."""
    try:
        target = os.path.realpath(entry.path)
        return entry.is_symlink() and entry.is_file() and Path(target).is_relative_to(real)
    except OSError:
        return False  # a circle of links


def _pass_over(entry: os.DirEntry[str], result: Walk) -> None:
    why = ""
    if entry.is_symlink():
        why = "a link out of the root"
    elif not entry.is_file(follow_symlinks=False):
        why = "not a regular file"
    elif entry.name.endswith(ENDINGS):
        why = "in no user's folder"
    if why:
        result.passed_over.append((written(entry.path), why))


def _same_key(first: Found, second: Found, keys: dict[str, Found], result: Walk) -> None:
    """Two files claim one key: the one that extends the other counts."""
    both = f"{written(first.path)} and {written(second.path)}"
    try:
        with (
            closing(content(Path(first.path), first.size)) as one,
            closing(content(Path(second.path), second.size)) as other,
        ):
            comparison = compare(one, other)
    except OSError as error:
        unreadable = written(error.filename) if error.filename else "one of them"
        why = f"{unreadable} cannot be read: {error.strerror}"
        result.errors.append((first.session_key, f"{both} have this key, and {why}"))
        return
    except TranscriptUnreadable as error:
        result.errors.append((first.session_key, f"{both} have this key, and one is {error}"))
        return
    if comparison == "different":
        why = (
            f"two different files have this key: {written(first.path)} is read, "
            f"{written(second.path)} is not. Rename or remove one of them."
        )
        result.errors.append((first.session_key, why))
    elif comparison == "second extends" or (comparison == "same" and _is_plainer(second, first)):
        keys[second.session_key] = second


def _is_plainer(second: Found, first: Found) -> bool:
    """Tell whether of two files with the same content the second is the one not compressed."""
    return program_of(second.path) is None and program_of(first.path) is not None
