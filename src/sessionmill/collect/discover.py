"""One walk over the roots: every transcript, as a `stat` shows it, and what was passed over."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from sessionmill.collect.roots import Root

ENDING = ".jsonl"


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
    """What one walk over the roots has seen."""

    found: list[Found] = field(default_factory=list)
    #: Folders of roots walked to their end without an error: only below these can one be missed.
    complete: list[str] = field(default_factory=list)
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
        for transcript in _walk_root(root, result):
            other = keys.setdefault(transcript.session_key, transcript)
            if other is not transcript:
                _same_key(other, transcript, keys, result)
    result.found = list(keys.values())
    return result


def _walk_root(root: Root, result: Walk) -> Iterator[Found]:
    errors = len(result.errors)
    if not root.folder.is_dir():
        if root.expected:
            result.errors.append((str(root.folder), "there is no such directory"))
        return
    if root.kind == "sessions":
        for entry in _entries(str(root.folder), result):
            if not entry.is_dir(follow_symlinks=False):
                _pass_over(entry, result)
            elif entry.name.startswith("."):
                result.passed_over.append((entry.path, "hidden: no user's name"))
            else:
                username = unicodedata.normalize("NFC", _text(entry.name))
                yield from _walk_user(root, username, entry.path, result)
    elif root.kind == "codex":
        sessions = str(root.folder / "sessions")
        if Path(sessions).is_dir():
            yield from _walk_user(root, root.username or "", sessions, result, "sessions/")
    else:
        yield from _walk_user(root, root.username or "", str(root.folder), result)
    if len(result.errors) == errors:
        result.complete.append(str(root.folder))


def _walk_user(
    root: Root, username: str, top: str, result: Walk, below: str = ""
) -> Iterator[Found]:
    """Yield the transcripts of one user, deepest folders last."""
    folder, prefix = str(root.folder), "rollout-" if root.kind == "codex" else ""
    pending = [(top, below)]
    while pending:
        directory, below = pending.pop()
        for entry in _entries(directory, result):
            name = entry.name
            if entry.is_dir(follow_symlinks=False):
                if name.endswith(ENDING):
                    result.passed_over.append((entry.path, "a directory"))
                else:
                    pending.append((entry.path, f"{below}{name}/"))
            elif name.endswith(ENDING) and name.startswith(prefix):
                if not entry.is_file(follow_symlinks=False) and not _inside(entry, folder):
                    _pass_over(entry, result)
                    continue
                try:
                    stat = entry.stat()
                except OSError as error:
                    if not isinstance(error, FileNotFoundError):
                        result.errors.append((entry.path, error.strerror or str(error)))
                    continue
                yield Found(
                    _text(f"{username}/{below}{name}"),
                    username,
                    folder,
                    entry.path,
                    stat.st_size,
                    stat.st_mtime_ns,
                )


def _entries(directory: str, result: Walk) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        result.errors.append((directory, error.strerror or str(error)))
        return []


def _inside(entry: os.DirEntry[str], folder: str) -> bool:
    """Tell whether a link leads to a file below the root."""
    if not entry.is_symlink() or not entry.is_file():
        return False
    return Path(os.path.realpath(entry.path)).is_relative_to(os.path.realpath(folder))


def _pass_over(entry: os.DirEntry[str], result: Walk) -> None:
    if entry.is_symlink():
        result.passed_over.append((entry.path, "a link out of the root"))
    elif not entry.is_file():
        result.passed_over.append((entry.path, "not a regular file"))
    elif entry.name.endswith(ENDING):
        result.passed_over.append((entry.path, "in no user's folder"))


def _text(name: str) -> str:
    """Return a name as text that a database can hold: undecodable bytes are written out."""
    if name.isascii():
        return name
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _same_key(first: Found, second: Found, keys: dict[str, Found], result: Walk) -> None:
    """Two files claim one key: the one that extends the other counts."""
    small, large = sorted((first, second), key=lambda found: found.size)
    if _extends(large.path, small.path):
        keys[large.session_key] = large
        return
    result.errors.append(
        (
            first.session_key,
            f"two different files have this key: {first.path} is read, {second.path} is not. "
            "Rename or remove one of them.",
        )
    )


def _extends(large: str, small: str) -> bool:
    with Path(large).open("rb") as whole, Path(small).open("rb") as part:
        while chunk := part.read(1024 * 1024):
            if whole.read(len(chunk)) != chunk:
                return False
    return True
