"""Where to look: the roots, and whose each transcript below them is.

A **sessions** root holds a folder per user. A **claude** root is one person's Claude Code home (or
its `projects` folder), a **codex** root one person's Codex home.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sessionmill.contracts import PathKind

_SUBAGENTS = "/subagents/"

#: What Claude Code's own documentation gives as the default of `cleanupPeriodDays`.
KEPT_DAYS = 30

RootKind = Literal["sessions", "claude", "codex"]


@dataclass(frozen=True, slots=True)
class Root:
    """A directory to walk."""

    kind: RootKind
    #: As given, for messages.
    given: Path
    #: What is walked, and below which keys are taken.
    folder: Path
    #: Whose transcripts these are; None where the first folder below names the user.
    username: str | None
    #: Given by name, so that it is an error if it is missing.
    expected: bool = True


def sessions_root(folder: Path) -> Root:
    """Return the root of a team: `<folder>/<user>/**/*.jsonl`."""
    return Root("sessions", folder, folder, None)


def claude_root(folder: Path, username: str, *, expected: bool = True) -> Root:
    """Return the root of one person's Claude Code home, or of its `projects` folder."""
    projects = folder / "projects"
    is_home = os.path.isdir(projects) or _is_claude_home(folder) or not expected  # noqa: PTH112 - Path.is_dir raises behind a closed folder
    return Root("claude", folder, projects if is_home else folder, username, expected)


def _is_claude_home(folder: Path) -> bool:
    """Tell a home, be it without projects, from a `projects` folder under whatever name."""
    marks = ("settings.json", "history.jsonl", ".credentials.json")
    return folder.name in (".claude", "claude") or any(
        os.path.exists(folder / mark)  # noqa: PTH110 - as above
        for mark in marks
    )


def codex_root(folder: Path, username: str, *, expected: bool = True) -> Root:
    """Return the root of one person's Codex home; keys begin with `sessions/`."""
    return Root("codex", folder, folder, username, expected)


def claude_home(root: Root) -> Path | None:
    """Return the Claude Code home that a root is, or lies in; None where it is a mere folder."""
    if root.kind != "claude":
        return None
    if root.folder != root.given:
        return root.given
    above = root.given.absolute().parent
    return above if root.given.name == "projects" and _is_claude_home(above) else None


def kept_days(home: Path) -> int:
    """Return after how many days Claude Code deletes a transcript of its home."""
    try:
        said = json.loads((home / "settings.json").read_text("utf-8"))
        days = said.get("cleanupPeriodDays", KEPT_DAYS)
    except (OSError, ValueError, AttributeError, RecursionError):
        return KEPT_DAYS
    return days if type(days) is int else KEPT_DAYS


def path_kind(session_key: str) -> PathKind:
    """Tell a sub-agent's transcript from a main one, by where clients put them."""
    name = session_key.rpartition("/")[2]
    is_agent = _SUBAGENTS in session_key or name.startswith("agent-")
    return "agent_file" if is_agent else "main"


def session_of_path(session_key: str) -> str | None:
    """Return the session that a path names: of `<session>/subagents/agent-….jsonl`."""
    before, below, _ = session_key.partition(_SUBAGENTS)
    username, slash, folder = before.rpartition("/")
    return folder if below and slash and username else None


def stem(session_key: str) -> str:
    """Return the file's name without its endings, which names a session that no record does."""
    return session_key.rpartition("/")[2].removesuffix(".jsonl")
