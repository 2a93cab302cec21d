"""`reprocess`: a processor reads again, from its start, what can still be read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_place import HERE, busy, document, write

from commands import Ended
from conftest import Mill
from sessionmill.testing import ClaudeTranscript


def named(name: str) -> tuple[str, ...]:
    """Return what loads a processor of the tests: `Words` is named words."""
    return ("--processor", f"cli_processors:{name}")


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    """Busy transcripts of alice and bob, and one with a sub-agent's."""
    folder = tmp_path / "sessions"
    busy("0f3c").write(folder / "alice" / "0f3c.jsonl")
    busy("7d1e").write(folder / "bob" / "7d1e.jsonl")
    agent = ClaudeTranscript("7d1e", agent_id="a1")
    agent.response("Three places.")
    agent.write(folder / "bob" / "7d1e" / "subagents" / "agent-a1.jsonl")
    return folder


def change_unseen(path: Path, old: bytes, new: bytes) -> None:
    """Change a transcript so that a walk cannot see it: its size and its time stay."""
    assert len(old) == len(new)
    stat = path.stat()
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def sql(mill: Mill, query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = document(mill("sql", query, "--json"))["rows"]
    return rows


def models(mill: Mill) -> list[str]:
    rows = sql(mill, "SELECT DISTINCT model FROM responses ORDER BY model")
    return [row["model"] for row in rows]


def rows_of(mill: Mill, table: str) -> list[dict[str, Any]]:
    return sql(mill, f"SELECT * FROM {table} ORDER BY ALL")  # noqa: S608 - ours


def states(mill: Mill, processor: str) -> dict[str, dict[str, Any]]:
    query = f"SELECT * FROM session_processor_state WHERE processor_name = '{processor}'"  # noqa: S608 - ours
    return {row["session_file"]: row for row in sql(mill, query)}


def only_run(ended: Ended) -> dict[str, Any]:
    [run] = document(ended)["runs"]
    return dict(run)


def test_what_a_run_takes_for_unchanged_is_read_anew_and_its_rows_are_replaced(
    mill: Mill, sessions: Path
) -> None:
    mill("run", "usage", "--sessions", sessions)
    before = {table: len(rows_of(mill, table)) for table in ("responses", "tool_calls", "prompts")}
    change_unseen(sessions / "alice" / "0f3c.jsonl", b"sonnet-4-5", b"sonnet-4-6")
    assert only_run(mill("run", "usage", "--sessions", sessions, "--json"))["scanned"] == 0

    ended = mill("reprocess", "usage", "--json")

    assert ended.status == 0, ended.err
    told = document(ended)
    assert list(told) == ["processor", "anew", "kept", "runs"]
    assert (told["processor"], told["anew"], told["kept"]) == ("usage", 3, 0)
    assert told["runs"][0]["processed"] == 3
    assert models(mill) == ["claude-sonnet-4-5-20250929", "claude-sonnet-4-6-20250929"]
    after = {table: len(rows_of(mill, table)) for table in before}
    assert after == before, "replaced, not doubled"
    assert [row["processor_name"] for row in rows_of(mill, "runs")] == ["usage"] * 3


def test_facts_that_are_read_anew_are_the_same_to_the_row(mill: Mill, sessions: Path) -> None:
    mill("run", "--sessions", sessions)
    tables = ("responses", "tool_calls", "prompts", "malformed_lines", "line_types")
    before = {table: rows_of(mill, table) for table in tables}
    for processor in ("usage", "inventory"):
        assert mill("reprocess", processor).status == 0
    assert {table: rows_of(mill, table) for table in tables} == before


@pytest.mark.parametrize("given", ["alice/0f3c.jsonl", "0f3c", "ali"])
def test_one_session_alone_may_be_read_anew(mill: Mill, sessions: Path, given: str) -> None:
    mill("run", "usage", "--sessions", sessions)
    for path in ("alice/0f3c.jsonl", "bob/7d1e.jsonl"):
        change_unseen(sessions / path, b"sonnet-4-5", b"sonnet-4-6")
    told = document(mill("reprocess", "usage", "--session", given, "--json"))
    assert (told["anew"], told["runs"][0]["processed"]) == (1, 1)
    changed = sql(mill, "SELECT DISTINCT session_key FROM responses WHERE model LIKE '%4-6%'")
    assert changed == [{"session_key": "alice/0f3c.jsonl"}]


def test_what_is_gone_keeps_its_facts_and_is_counted(mill: Mill, sessions: Path) -> None:
    mill("run", "usage", "--sessions", sessions)
    (sessions / "alice" / "0f3c.jsonl").unlink()
    before = rows_of(mill, "responses")
    told = document(mill("reprocess", "usage", "--json"))
    assert (told["anew"], told["kept"], told["runs"][0]["errors"]) == (2, 1, 0)
    assert rows_of(mill, "responses") == before
    people = mill("reprocess", "usage").out.splitlines()
    assert people[:2] == [
        "To be read from their start: 2",
        "Gone, so that their facts are kept: 1",
    ]
    assert people[2].split()[0] == "processor"


def test_that_a_file_is_missing_here_is_no_proof_that_it_is_gone(
    mill: Mill, sessions: Path
) -> None:
    mill("run", "usage", "--sessions", sessions)
    sessions.rename(sessions.with_name("unmounted"))
    assert document(mill("reprocess", "usage", "--json"))["kept"] == 3
    assert sql(mill, "FROM transcripts WHERE gone_at IS NOT NULL") == []


def test_what_cannot_be_looked_at_is_an_error_and_keeps_its_facts(
    mill: Mill, sessions: Path
) -> None:
    mill("run", "usage", "--sessions", sessions)
    path = sessions / "alice" / "0f3c.jsonl"
    path.unlink()
    path.symlink_to(path)  # a circle of links: what the system says of it is no "not found"
    ended = mill("reprocess", "usage", "--json")
    assert ended.status == 1
    assert str(path) in ended.err
    assert document(ended)["runs"][0]["processed"] == 2
    kept = "FROM responses WHERE session_key = 'alice/0f3c.jsonl'"
    assert len(sql(mill, kept)) == 5


def test_dead_letters_come_back(mill: Mill, tmp_path: Path) -> None:
    path = write(tmp_path / "team", "bob", "7d1e", "FAILING")
    once = ("once", *named("Once"))
    mill("run", *once, "--sessions", tmp_path / "team", cwd=HERE)
    change_unseen(path, b"FAILING", b"MENDED.")
    assert (
        only_run(mill("run", *once, "--sessions", "team", "--json", PYTHONPATH=str(HERE)))[
            "scanned"
        ]
        == 0
    ), "a dead letter is left alone"

    ended = mill("reprocess", *once, "--json", cwd=HERE)

    assert ended.status == 0, ended.err
    assert only_run(ended)["processed"] == 1
    state = states(mill, "once")["bob/7d1e.jsonl"]
    assert (state["dead_at"], state["attempts"], state["last_error"]) == (None, 0, None)


def test_attempts_are_counted_from_zero_again(mill: Mill, tmp_path: Path) -> None:
    write(tmp_path / "team", "bob", "7d1e", "FAILING")
    words = ("words", *named("Words"))
    for _ in range(2):
        mill("run", *words, "--sessions", tmp_path / "team", cwd=HERE)
        mill("retry")
    before = states(mill, "words")["bob/7d1e.jsonl"]
    assert before["attempts"] == 2

    ended = mill("reprocess", *words, cwd=HERE)

    assert ended.status == 1, "it fails again"
    assert "ValueError: the cart has no total" in ended.err
    state = states(mill, "words")["bob/7d1e.jsonl"]
    assert state["attempts"] == 1
    assert state["failing_since"] > before["failing_since"]


def test_an_effectful_processors_rows_are_replaced_too(mill: Mill, sessions: Path) -> None:
    words = ("words", *named("Words"))
    mill("run", *words, "--sessions", sessions, cwd=HERE)
    told = only_run(mill("reprocess", *words, "--json", cwd=HERE))
    assert (told["processed"], told["skipped"], told["items_extracted"]) == (3, 0, 3)
    assert len(rows_of(mill, "words")) == 3


def test_a_processor_of_a_newer_version_reads_what_it_can_and_keeps_the_rest(
    mill: Mill, sessions: Path
) -> None:
    versioned = ("versioned", *named("Versioned"))
    mill("run", *versioned, "--sessions", sessions, cwd=HERE)
    (sessions / "alice" / "0f3c.jsonl").unlink()
    ended = mill("reprocess", *versioned, "--json", cwd=HERE, TEST_VERSION="2")
    assert (document(ended)["anew"], document(ended)["kept"]) == (2, 1)
    versions = {key: state["version"] for key, state in states(mill, "versioned").items()}
    assert versions == {
        "alice/0f3c.jsonl": 1,
        "bob/7d1e.jsonl": 2,
        "bob/7d1e/subagents/agent-a1.jsonl": 2,
    }


def test_a_processor_of_main_transcripts_is_given_these_alone(mill: Mill, sessions: Path) -> None:
    main_only = ("main-only", *named("MainOnly"))
    mill("run", *main_only, "--sessions", sessions, cwd=HERE)
    told = document(mill("reprocess", *main_only, "--json", cwd=HERE))
    assert (told["anew"], told["runs"][0]["processed"]) == (2, 2)


_KILLED = """
import os, sys
from sessionmill.app import App
from sessionmill.cli import main

App.run = lambda *given, **options: os._exit(9)
sys.argv = ["sessionmill", "reprocess", "usage"]
main()
"""


def test_killed_before_anything_was_read_it_is_finished_by_the_next_run(
    mill: Mill, sessions: Path, data: Path
) -> None:
    mill("run", "usage", "--sessions", sessions)
    before = rows_of(mill, "tool_calls")
    change_unseen(sessions / "alice" / "0f3c.jsonl", b"sonnet-4-5", b"sonnet-4-6")
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED],
        env={**os.environ, "SESSIONMILL_HOME": str(data)},
        check=False,
    )
    assert killed.returncode == 9
    assert rows_of(mill, "tool_calls") == before, "the rows stay until they are replaced"
    [usage] = document(mill("status", "usage", "--json"))["rows"]
    assert usage["pending"] == 3

    assert only_run(mill("run", "usage", "--sessions", sessions, "--json"))["processed"] == 3

    assert models(mill) == ["claude-sonnet-4-5-20250929", "claude-sonnet-4-6-20250929"]
    assert len(rows_of(mill, "tool_calls")) == len(before)
    assert document(mill("status", "usage", "--json"))["rows"][0]["pending"] == 0


def test_before_anything_was_found_there_is_nothing_to_read_anew(mill: Mill) -> None:
    told = document(mill("reprocess", "usage", "--json"))
    assert (told["anew"], told["kept"], told["runs"][0]["seen"]) == (0, 0, 0)
