"""What calls have done: the program, the lines, the sub-agent that was started, why one failed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from books import Books, Row

from sessionmill.testing import ClaudeTranscript, CodexRollout, ToolUse, Transcript, subagent

KEY = "alice/shop/0f3c.jsonl"


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    with Books(tmp_path) as books:
        yield books


def read(books: Books, transcript: Transcript) -> Row:
    """Take a transcript in; return its one call."""
    books.put(KEY, transcript)
    books.take_in()
    return books.row("tool_calls", "name IS NOT NULL")


def changed(row: Row) -> tuple[Any, ...]:
    return row["lines_added"], row["lines_removed"], row["file_hash"] is not None


# Programs


@pytest.mark.parametrize(
    ("use", "program"),
    [
        (ToolUse("Bash", {"command": "cd /x && git status"}), "git"),
        (ToolUse("PowerShell", {"command": "Get-ChildItem"}), "Get-ChildItem"),
        (ToolUse("Bash", {"command": 7}), None),
        (ToolUse("Bash", {}), None),
        (ToolUse("Read", {"command": "git status"}), None),
        (ToolUse("mcp__shell__run", {"command": "git status"}), None),
    ],
    ids=str,
)
def test_a_shell_call_has_the_program_that_ran(
    books: Books, use: ToolUse, program: str | None
) -> None:
    transcript = ClaudeTranscript()
    transcript.call(use)

    assert read(books, transcript)["program"] == program


def test_codexs_shells_have_the_program_that_ran(books: Books) -> None:
    rollout = CodexRollout()
    rollout.call("exec_command", {"cmd": "cd x && git log"})
    rollout.call("shell", {"command": ["bash", "-lc", "npm test"]})
    rollout.call("shell_command", {"command": "make"})
    rollout.local_shell("rg x")
    rollout.call("exec_command", "no JSON")
    rollout.call("update_plan", {"cmd": "git log"})
    books.put(KEY, rollout)
    books.take_in()

    told = [row["program"] for row in books.rows("tool_calls")]
    assert told == ["git", "npm", "make", "rg", None, None]


def test_calls_with_the_same_arguments_have_the_same_hash(books: Books) -> None:
    transcript = ClaudeTranscript()
    for name, command in (("Bash", "ls"), ("Bash", "ls"), ("Bash", "ls -l"), ("PowerShell", "ls")):
        transcript.call(name, {"command": command})
    books.put(KEY, transcript)
    books.take_in()

    first, again, other, elsewhere = (r["input_hash"] for r in books.rows("tool_calls"))
    assert first == again and len({first, other, elsewhere}) == 3


def test_a_line_that_had_to_be_mended_has_the_hash_of_the_whole_one(books: Books) -> None:
    arguments = {"command": "echo 'ümläut ✓' \"quoted\"", "timeout": 5}
    transcript = ClaudeTranscript()
    transcript.call("Bash", arguments, result=None)
    transcript.call("Bash", arguments, result=None)
    transcript.pad()
    books.put(KEY, transcript)
    books.take_in()

    assert len({row["input_hash"] for row in books.rows("tool_calls")}) == 1


# Lines

EDIT = {"file_path": "/work/a", "old_string": "a\nb\nc", "new_string": "a\nx\ny\nc"}
HUNKS = [{"lines": [" a", "-b", "+x"]}, {"lines": ["+y", "+z", " c"]}]


@pytest.mark.parametrize(
    ("use", "lines"),
    [
        (ToolUse("Edit", EDIT), (2, 1, True)),
        (ToolUse("MultiEdit", {"file_path": "/a", "edits": [EDIT, EDIT]}), (4, 2, True)),
        (ToolUse("MultiEdit", {"file_path": "/a", "edits": 7}), (None, None, True)),
        (ToolUse("Write", {"file_path": "/a", "content": "a\nb\n"}), (2, None, True)),
        (ToolUse("NotebookEdit", {"notebook_path": "/a", "new_source": "a\nb"}), (2, None, True)),
        (
            ToolUse("NotebookEdit", {"notebook_path": "/a", "edit_mode": "delete"}),
            (0, None, True),
        ),
        (ToolUse("Edit", {"file_path": 7, "old_string": 7}), (0, 0, False)),
        (ToolUse("Edit", {}), (0, 0, False)),
        (ToolUse("Read", EDIT), (None, None, False)),
    ],
    ids=str,
)
def test_an_edit_changes_what_it_asks_for_where_the_client_does_not_say(
    books: Books, use: ToolUse, lines: tuple[Any, ...]
) -> None:
    transcript = ClaudeTranscript()
    transcript.call(use, tool_use_result=None)

    assert changed(read(books, transcript)) == lines


@pytest.mark.parametrize(
    ("use", "beside", "lines"),
    [
        (ToolUse("Edit", EDIT), {"structuredPatch": HUNKS}, (3, 1, True)),
        (ToolUse("Edit", EDIT), {"structuredPatch": []}, (0, 0, True)),
        (ToolUse("Edit", EDIT), {"structuredPatch": [{"lines": [7]}]}, (2, 1, True)),
        (ToolUse("Edit", EDIT), {"structuredPatch": 7}, (2, 1, True)),
        (ToolUse("Edit", EDIT), "a text", (2, 1, True)),
        (ToolUse("Edit", EDIT), [7], (2, 1, True)),
        (ToolUse("Edit", EDIT), 7, (2, 1, True)),
        (
            ToolUse("Write", {"file_path": "/a", "content": "a\nb"}),
            {"type": "create", "structuredPatch": []},
            (2, 0, True),
        ),
        (
            ToolUse("Write", {"file_path": "/a", "content": "a\nb"}),
            {"type": "update", "structuredPatch": HUNKS},
            (3, 1, True),
        ),
    ],
    ids=str,
)
def test_an_edit_changes_what_the_client_says_that_it_changed(
    books: Books, use: ToolUse, beside: object, lines: tuple[Any, ...]
) -> None:
    transcript = ClaudeTranscript()
    transcript.call(use, tool_use_result=beside)

    assert changed(read(books, transcript)) == lines


def test_an_edit_that_failed_or_was_not_answered_changed_nothing(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.call("Edit", EDIT, is_error=True, tool_use_result={"structuredPatch": HUNKS})
    transcript.call("Edit", EDIT, result=None)
    books.put(KEY, transcript)
    books.take_in()

    assert [changed(row) for row in books.rows("tool_calls")] == [(None, None, False)] * 2


def test_an_edit_counts_once_its_result_comes_in_a_later_append(books: Books) -> None:
    transcript = ClaudeTranscript()
    call = transcript.call("Edit", EDIT, result=None)
    assert changed(read(books, transcript)) == (None, None, False)

    transcript.result(call)

    assert changed(read(books, transcript)) == (4, 3, True)


def test_what_stands_beside_several_results_is_of_none_of_them(books: Books) -> None:
    transcript = ClaudeTranscript()
    calls = [transcript.call("Edit", EDIT, result=None) for _ in range(2)]
    results = [{"type": "tool_result", "tool_use_id": call, "content": "ok"} for call in calls]
    transcript.user(results, toolUseResult={"structuredPatch": HUNKS, "agentId": "b8"})
    books.put(KEY, transcript)
    books.take_in()

    for row in books.rows("tool_calls"):
        assert (changed(row), row["started_agent_id"]) == ((2, 1, True), None)


PATCH = "*** Begin Patch\n*** Update File: a.py\n-a\n+b\n+c\n*** End Patch"
CHANGES = {
    "/work/a.py": {"type": "update", "unified_diff": "@@ -1 +1,3 @@\n-a\n+b\n+c\n+d"},
    "/work/b.py": {"type": "add", "content": "x\ny\n"},
    "/work/c.py": {"type": "delete", "content": "z\n"},
}


@pytest.mark.parametrize(
    ("changes", "success", "lines"),
    [
        (None, None, (2, 1, True)),
        (CHANGES, None, (5, 2, True)),
        ({"/work/a.py": 7}, None, (2, 1, True)),
        (CHANGES, False, (None, None, False)),
    ],
)
def test_codexs_patches_change_what_their_end_tells_or_what_they_ask_for(
    books: Books, changes: Any, success: bool | None, lines: tuple[Any, ...]
) -> None:
    rollout = CodexRollout()
    rollout.custom_call(input=PATCH, changes=changes, success=success)

    assert changed(read(books, rollout)) == lines


@pytest.mark.parametrize("name", ["input", "patch"])
def test_a_patch_may_come_as_the_argument_of_a_function(books: Books, name: str) -> None:
    rollout = CodexRollout()
    rollout.call("apply_patch", {name: PATCH})

    assert changed(read(books, rollout)) == (2, 1, True)


# Failures


def test_a_call_that_failed_says_why_and_no_other_does(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.call("Bash", result="Exit code 1\nno", is_error=True)
    transcript.call("Bash", result="Exit code 1\nno")
    transcript.reject(transcript.call("Bash", result=None), "Leave it.")
    transcript.deny(transcript.call("Bash", result=None))
    transcript.call("Read", result=[{"type": "text", "text": "ENOENT: x"}], is_error=True)
    transcript.call("Read", result=[], is_error=True)
    transcript.call("Bash", result=None)
    books.put(KEY, transcript)
    books.take_in()

    told = [row["error_kind"] for row in books.rows("tool_calls")]
    assert told == ["nonzero_exit", None, "user_rejected", "denied", "not_found", "other", None]


@pytest.mark.parametrize(
    ("output", "kind"),
    [
        ("Chunk ID: 3fa9c1\nWall time: 0.1 seconds\nProcess exited with code 2\nOutput:\n", "…"),
        ("Wall time: 0.1 seconds\nProcess exited with code -1\nOutput:\n", "…"),
        ("Exit code: 1\nWall time: 0.1 seconds\nOutput:\nno", "…"),
        ("Chunk ID: 3f\nWall time: 0.1 seconds\nProcess exited with code 0\nOutput:\n", None),
        ("Chunk ID: 3f\nWall time: 0.1 seconds\nProcess running with session ID 7\n", None),
        # What the command printed.
        ("Wall time: 1 seconds\nProcess exited with code 0\nOutput:\nExit code: 1", None),
        ("Process exited with code 1", None),
        ("Exit code: 1", None),
        ("apply_patch verification failed: Failed to find expected lines in a", "not_found"),
        ("apply_patch verification failed: no", "other"),
        ("exec command rejected by user", "user_rejected"),
        ("aborted by user after 2.0s", "interrupted"),
    ],
)
def test_codexs_outputs_tell_exit_codes_above_what_was_printed(
    books: Books, output: str, kind: str | None
) -> None:
    rollout = CodexRollout()
    rollout.call("write_stdin", result=output)

    row = read(books, rollout)

    expected = "nonzero_exit" if kind == "…" else kind
    assert (row["is_error"], row["error_kind"]) == (kind is not None, expected)
    assert books.totals()["tool_errors"] == books.recounted()["tool_errors"]


# Sub-agents


@pytest.mark.parametrize("background", [False, True])
def test_the_result_tells_which_run_a_call_has_started(books: Books, background: bool) -> None:
    transcript = ClaudeTranscript()
    call = transcript.call(subagent("Explore", tool="Agent"), result=None)
    transcript.agent_result(call, "a7f3c21", background=background)

    assert read(books, transcript)["started_agent_id"] == "a7f3c21"


def test_a_running_sub_agents_lines_tell_which_call_has_started_it(books: Books) -> None:
    """Its result may never come: the session was cut off, or is still at work."""
    transcript = ClaudeTranscript()
    call = transcript.call(subagent("Explore"), result=None)
    agent = ClaudeTranscript(agent_id="a7f3c21", seed=1)
    agent.prompt("Look around.")
    agent.response()
    transcript.relay(agent, parent_tool_use_id=call)

    row = read(books, transcript)

    assert row["started_agent_id"] == "a7f3c21"
    assert (row["line_offset"], row["copy_rank"], row["agent_id"]) == (0, 1, None)
    assert books.totals()["subagent_runs"] == 1


def test_a_runs_tokens_can_be_given_to_the_call_that_started_it(books: Books) -> None:
    main = ClaudeTranscript()
    call = main.call(subagent("Explore"), result=None)
    agent = main.subagent("a7f3c21")
    agent.response(output_tokens=70)
    agent.response(output_tokens=7)
    main.relay(agent, parent_tool_use_id=call)
    main.agent_result(call, "a7f3c21")
    books.put(KEY, main)
    books.put("alice/shop/0f3c/subagents/agent-a7f3c21.jsonl", agent)
    books.take_in()

    [spent] = books.ask(
        "SELECT c.subagent_type AS type, sum(r.output_tokens) AS tokens"
        "  FROM responses r JOIN tool_calls c"
        "    ON r.username = c.username AND r.agent_id = c.started_agent_id"
        " WHERE r.counted AND c.counted GROUP BY ALL"
    )
    assert spent == {"type": "Explore", "tokens": 77}
