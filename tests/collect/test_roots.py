"""Where transcripts are, whose they are, and what a session key tells."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sessionmill.collect.discover import walk
from sessionmill.collect.roots import (
    Root,
    claude_root,
    codex_root,
    path_kind,
    session_of_path,
    sessions_root,
    stem,
)
from sessionmill.testing import ClaudeTranscript, CodexRollout


def put(path: Path) -> Path:
    transcript = ClaudeTranscript()
    transcript.prompt()
    return transcript.write(path)


def keys(*roots: Root) -> list[str]:
    return sorted(found.session_key for found in walk(roots).found)


# Session keys


def test_below_a_teams_root_the_first_folder_is_the_user(tmp_path: Path) -> None:
    put(tmp_path / "alice" / "a.jsonl")
    put(tmp_path / "alice" / "-work-shop" / "s1" / "subagents" / "agent-1.jsonl")
    put(tmp_path / "bob" / "a.jsonl")
    found = walk([sessions_root(tmp_path)]).found
    assert sorted((f.session_key, f.username) for f in found) == [
        ("alice/-work-shop/s1/subagents/agent-1.jsonl", "alice"),
        ("alice/a.jsonl", "alice"),
        ("bob/a.jsonl", "bob"),
    ]


def test_a_claude_home_gives_the_keys_of_its_projects_folder(tmp_path: Path) -> None:
    home = tmp_path / ".claude"
    put(home / "projects" / "-work-shop" / "s1.jsonl")
    put(home / "history.jsonl")
    by_home = keys(claude_root(home, "alice"))
    assert by_home == ["alice/-work-shop/s1.jsonl"], "its history is no transcript"
    assert keys(claude_root(home / "projects", "alice")) == by_home


def test_a_claude_home_named_projects_is_a_home(tmp_path: Path) -> None:
    home = tmp_path / "projects"
    put(home / "projects" / "-work-shop" / "s1.jsonl")
    assert keys(claude_root(home, "alice")) == ["alice/-work-shop/s1.jsonl"]


def test_a_folder_of_transcripts_given_as_a_claude_root_is_taken_as_it_is(tmp_path: Path) -> None:
    put(tmp_path / "copied" / "s1.jsonl")
    assert keys(claude_root(tmp_path / "copied", "alice")) == ["alice/s1.jsonl"]


def test_a_claude_home_without_projects_holds_no_transcripts(tmp_path: Path) -> None:
    home = tmp_path / ".claude"
    put(home / "history.jsonl")
    (home / "settings.json").write_text("{}")
    assert keys(claude_root(home, "alice")) == []


def test_keys_of_a_codex_home_begin_with_sessions(tmp_path: Path) -> None:
    rollout = CodexRollout()
    rollout.turn()
    rollout.write(tmp_path / rollout.relative_path)
    put(tmp_path / "sessions" / "2026" / "other.jsonl")
    put(tmp_path / "history.jsonl")
    assert keys(codex_root(tmp_path, "alice")) == [f"alice/{rollout.relative_path.as_posix()}"], (
        "only rollouts below sessions/ are transcripts"
    )


def test_a_root_is_walked_by_its_whole_path_wherever_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "team" / "alice" / "a.jsonl")
    monkeypatch.chdir(tmp_path)
    [found] = walk([sessions_root(Path("team"))]).found
    assert found.root == str(tmp_path / "team")
    assert found.path == str(tmp_path / "team" / "alice" / "a.jsonl")


def test_what_is_found_bears_its_size_and_time(tmp_path: Path) -> None:
    path = put(tmp_path / "alice" / "a.jsonl")
    os.utime(path, ns=(1, 1_772_000_000_123_456_789))
    [found] = walk([sessions_root(tmp_path)]).found
    assert (found.size, found.mtime_ns) == (path.stat().st_size, 1_772_000_000_123_456_789)


# What a key tells


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("alice/s1.jsonl", "main"),
        ("alice/-work-shop/s1.jsonl", "main"),
        ("alice/s1/subagents/agent-ab12.jsonl", "agent_file"),
        ("alice/s1/subagents/more/deep.jsonl", "agent_file"),
        ("alice/-work-shop/agent-ab12.jsonl", "agent_file"),
        ("agent-smith/s1.jsonl", "main"),
        ("alice/agent-work/s1.jsonl", "main"),
        ("alice/subagents.jsonl", "main"),
        ("alice/my-agent-1.jsonl", "main"),
        ("alice/sessions/2026/03/02/rollout-2026-03-02T09-00-00-019c.jsonl", "main"),
    ],
)
def test_a_sub_agents_transcript_is_told_by_where_clients_put_it(key: str, kind: str) -> None:
    assert path_kind(key) == kind


@pytest.mark.parametrize(
    ("key", "session"),
    [
        ("alice/s1/subagents/agent-ab12.jsonl", "s1"),
        ("alice/-work-shop/s1/subagents/agent-ab12.jsonl", "s1"),
        ("alice/-work-shop/s1/subagents/more/agent-ab12.jsonl", "s1"),
        ("alice/-work-shop/agent-ab12.jsonl", None),
        ("alice/s1.jsonl", None),
        ("alice/subagents/agent-ab12.jsonl", None),
        ("alice/s1/subagents", None),
    ],
)
def test_the_folder_above_sub_agents_names_their_session(key: str, session: str | None) -> None:
    assert session_of_path(key) == session


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("alice/s1.jsonl", "s1"),
        ("alice/-work/s1.2.jsonl", "s1.2"),
        ("alice/.jsonl", ""),
        ("alice/x.jsonl.jsonl", "x.jsonl"),
    ],
)
def test_the_name_of_a_file_names_the_session_that_nothing_else_names(key: str, name: str) -> None:
    assert stem(key) == name
