"""Where to look: the roots, and whose each transcript below them is.

A **sessions** root holds a folder per user. A **claude** root is one person's Claude Code home (or
its `projects` folder), a **codex** root one person's Codex home.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sessionmill.contracts import PathKind

_SUBAGENTS = "/subagents/"

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
    return Root("sessions", folder, folder.absolute(), None)


def claude_root(folder: Path, username: str, *, expected: bool = True) -> Root:
    """Return the root of one person's Claude Code home, or of its `projects` folder."""
    projects = folder / "projects"
    walked = projects if projects.is_dir() or folder.name != "projects" else folder
    if not projects.is_dir() and expected and folder.is_dir():
        walked = folder
    return Root("claude", folder, walked.absolute(), username, expected)


def codex_root(folder: Path, username: str, *, expected: bool = True) -> Root:
    """Return the root of one person's Codex home; keys begin with `sessions/`."""
    return Root("codex", folder, folder.absolute(), username, expected)


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
