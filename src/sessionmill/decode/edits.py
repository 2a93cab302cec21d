"""How many lines an edit adds and removes, and of which file; what the lines say is not kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sessionmill.decode.text import text_hash


class Edit(NamedTuple):
    """What a call that edits a file asks for; None is what it does not tell."""

    lines_added: int | None
    lines_removed: int | None
    #: Of the path as the call writes it.
    file_hash: int | None


def replaced(old: str, new: str) -> tuple[int, int]:
    """Return (added, removed) of replacing a text by another.

    Lines that both begin or end with are context: neither added nor removed.
    """
    before, after = _lines(old), _lines(new)
    pairs = enumerate(zip(before, after, strict=False))
    same = next((n for n, (a, b) in pairs if a != b), min(len(before), len(after)))
    before, after = before[same:], after[same:]
    while before and after and before[-1] == after[-1]:
        before.pop()
        after.pop()
    return len(after), len(before)


def line_count(text: str) -> int:
    """Return how many lines a text has; a last one needs no newline."""
    return text.count("\n") + (text != "" and not text.endswith("\n"))


def of_diff(lines: Iterable[str]) -> tuple[int, int]:
    """Return (added, removed) of a diff's lines: those behind a + and a -."""
    added = removed = 0
    for line in lines:
        added += line.startswith("+")
        removed += line.startswith("-")
    return added, removed


def of_patch(patch: str) -> Edit:
    """Return what a patch in the form of `apply_patch` asks for; of several files, the first's."""
    lines = patch.split("\n")
    paths = (line.partition(" File: ")[2].strip() for line in lines if _names_a_file(line))
    path = next(filter(None, paths), None)
    added, removed = of_diff(lines)
    # A file that is deleted is named, and its lines are not.
    gone = any(line.startswith("*** Delete File: ") for line in lines)
    return Edit(added, None if gone else removed, file_hash(path))


def file_hash(path: str | None) -> int | None:
    """Return the hash by which files are told apart; the path itself is not kept."""
    return text_hash(path) if path else None


def _names_a_file(line: str) -> bool:
    return line.startswith(("*** Update File: ", "*** Add File: ", "*** Delete File: "))


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines
