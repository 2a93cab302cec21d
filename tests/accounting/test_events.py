"""What happened in a session beside turns and calls, and that nothing of it counts twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from books import Books

from sessionmill.testing import ClaudeTranscript, CodexRollout, ToolUse, Transcript, subagent

KEY = "alice/shop/0f3c.jsonl"
BASH = ToolUse("Bash", {"command": "git commit -m x"})
COMMITTED = "[main 1a2b3c4] Fix it\n 1 file changed"


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    with Books(tmp_path) as books:
        yield books


def read(books: Books, transcript: Transcript) -> list[tuple[Any, ...]]:
    """Take a transcript in; return (kind, detail) of its counted events."""
    books.put(KEY, transcript)
    books.take_in()
    return counted(books)


def counted(books: Books) -> list[tuple[Any, ...]]:
    return [(row["kind"], row["detail"]) for row in books.counted("events")]


def test_a_compaction_tells_what_began_it_and_how_large_the_context_was(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.compact_boundary(trigger="manual")
    transcript.compact_summary()
    transcript.microcompact_boundary()

    assert read(books, transcript) == [("compaction", "manual")]
    row = books.row("events")
    assert (row["tokens_before"], row["project"], row["copy_rank"]) == (167_094, "shop", 1)


@pytest.mark.parametrize("metadata", [None, 7, {}, {"trigger": "two words", "preTokens": -1}])
def test_a_compaction_that_does_not_tell_is_one_all_the_same(books: Books, metadata: Any) -> None:
    transcript = ClaudeTranscript()
    transcript.compact_boundary(compactMetadata=metadata)

    assert read(books, transcript) == [("compaction", None)]
    assert books.row("events")["tokens_before"] is None


def test_a_request_that_failed_for_good_is_one_error_however_often_it_was_tried(
    books: Books,
) -> None:
    transcript = ClaudeTranscript()
    for attempt in (1, 2, 3):
        transcript.retry(attempt)
    transcript.api_error(error="overloaded")
    transcript.no_response()

    told = read(books, transcript)

    assert told == [("api_retry", "529")] * 3 + [("api_error", "overloaded")]
    assert books.totals()["responses"] == 0


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"error": "rate_limit", "apiErrorStatus": 429}, "429"),
        ({"error": "rate_limit"}, "rate_limit"),
        ({"error": "You're out of usage"}, None),
        ({"error": {"type": "x"}}, None),
    ],
)
def test_an_error_is_told_by_its_status_or_else_by_its_name(
    books: Books, fields: dict[str, Any], detail: str | None
) -> None:
    transcript = ClaudeTranscript()
    transcript.api_error(**fields)

    assert read(books, transcript) == [("api_error", detail)]


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"error": {"status": 500, "error": {"error": {"type": "x"}}}}, "500"),
        ({"error": {"error": {"type": "error", "error": {"type": "overloaded"}}}}, "overloaded"),
        ({"error": {"status": 0, "connection": {"code": "ECONNRESET"}}}, "ECONNRESET"),
        ({"error": {"cause": {"code": "ECONNREFUSED"}}}, "ECONNREFUSED"),
        ({"error": {}, "cause": {"code": "ETIMEDOUT"}}, "ETIMEDOUT"),
        ({"error": {}}, None),
        ({"error": "words of an error"}, None),
        ({"error": {"status": True, "connection": 7}}, None),
    ],
)
def test_a_retry_is_told_by_the_code_of_what_went_wrong(
    books: Books, fields: dict[str, Any], detail: str | None
) -> None:
    transcript = ClaudeTranscript()
    transcript.retry(**fields)

    assert read(books, transcript) == [("api_retry", detail)]


def test_an_interrupt_is_the_main_transcripts_alone(books: Books) -> None:
    """Clients write it into the running sub-agent's lines as well: escape was pressed once."""
    transcript = ClaudeTranscript()
    transcript.interrupt()
    transcript.interrupt(during_tool=True)
    aside = ClaudeTranscript(sidechain=True, seed=1)
    aside.interrupt()
    transcript.include(aside)
    transcript.prompt("Why [Request interrupted by user]?")

    assert read(books, transcript) == [("interrupt", "response"), ("interrupt", "tool_use")]
    assert books.totals()["prompts"] == 1


def test_a_hook_that_blocks_a_call_blocks_it_once_though_two_lines_tell(books: Books) -> None:
    transcript = ClaudeTranscript()
    call = transcript.call(BASH, result=None)
    transcript.hook_attachment("hook_blocking_error", "PreToolUse:Bash", tool_use_id=call)
    transcript.block(call)

    assert read(books, transcript) == [("hook_block", "PreToolUse")]
    assert books.row("tool_calls")["error_kind"] == "denied"


def test_a_hook_that_stops_the_agent_stops_it_once_though_two_lines_tell(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.hook_attachment("hook_stopped_continuation", "Stop", tool_use_id="run-1")
    transcript.stop_hook_summary(stopped=True, toolUseID="run-1")
    transcript.stop_hook_summary(stopped=True, toolUseID="run-2")
    transcript.stop_hook_summary(errors=("no",))
    transcript.hook_attachment("hook_non_blocking_error")

    assert read(books, transcript) == [("hook_block", "Stop")] * 2


def test_a_hook_that_keeps_a_prompt_from_the_model_is_told_by_a_notice(books: Books) -> None:
    transcript = ClaudeTranscript()
    blocked = "UserPromptSubmit operation blocked by hook:\n[check.sh]: no\n\nOriginal prompt: x"
    transcript.system("informational", content=blocked, level="warning")
    transcript.system("informational", content="A prompt was blocked by hook: x")

    assert read(books, transcript) == [("hook_block", "UserPromptSubmit")]


def test_a_denied_permission_is_no_rejection_by_a_person(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.deny(transcript.call(BASH, result=None))
    transcript.deny(transcript.call(BASH, result=None), toolDenialKind=None)
    transcript.reject(transcript.call(BASH, result=None))

    assert read(books, transcript) == [
        ("permission_denial", "automode-unavailable"),
        ("permission_denial", None),
    ]


# Commits and pull requests


def test_a_commit_is_told_by_what_git_printed(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.call(BASH, result=f"hooks ran\n{COMMITTED}\n[main 5d6e7f8] Second\n")

    assert read(books, transcript) == [("commit", "1a2b3c4"), ("commit", "5d6e7f8")]
    ids = [row["event_id"] for row in books.rows("events")]
    assert ids[1] == f"{ids[0]}/1"


def test_only_a_command_that_succeeded_has_committed(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.call(BASH, result=f"Exit code 1\n{COMMITTED}", is_error=True)

    assert read(books, transcript) == []


@pytest.mark.parametrize(
    ("name", "beside", "is_read"),
    [
        ("Bash", {"stdout": ""}, True),
        ("Bash", None, True),
        ("Read", {"type": "text", "file": {}}, False),
        ("Task", {"status": "completed"}, False),
        ("mcp__files__read", COMMITTED, False),
        ("mcp__files__read", [{"type": "text"}], False),
    ],
)
def test_what_other_tools_give_back_quotes_git_and_is_not_read(
    books: Books, name: str, beside: object, is_read: bool
) -> None:
    transcript = ClaudeTranscript()
    transcript.call(name, result=COMMITTED, tool_use_result=beside)

    assert bool(read(books, transcript)) is is_read


def test_what_the_client_says_of_git_adds_what_was_not_printed(books: Books) -> None:
    transcript = ClaudeTranscript()
    pull_request = {"number": 7, "url": "https://github.com/acme/shop/pull/7"}
    operations: list[dict[str, Any]] = [
        {"commit": {"sha": "1a2b3c4", "kind": "committed"}},
        {"commit": {"sha": "9a9b9c9", "kind": "amended"}, "push": {"branch": "main"}},
        {"pr": {**pull_request, "action": "created"}},
        {"pr": {**pull_request, "action": "edited"}},
        {"commit": 7, "pr": [7]},
    ]
    printed = [COMMITTED, "quiet", "", pull_request["url"], ""]
    for operation, output in zip(operations, printed, strict=True):
        beside = {"stdout": output, "gitOperation": operation}
        transcript.call(BASH, result=str(output), tool_use_result=beside)

    assert read(books, transcript) == [
        ("commit", "1a2b3c4"),
        ("commit", "9a9b9c9"),
        ("pull_request", "acme/shop#7"),
    ]


def test_pull_requests_are_those_that_gh_printed_or_the_client_linked(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.pr_link(42)
    transcript.call(BASH, result="Creating …\n\nhttps://github.com/acme/shop/pull/7\n")
    transcript.call(BASH, result="see https://github.com/acme/shop/pull/8")

    assert read(books, transcript) == [
        ("pull_request", "example/shop#42"),
        ("pull_request", "acme/shop#7"),
    ]


def test_a_model_that_answered_in_the_others_place_is_named(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.fall_back(model="claude-opus-4-8")

    assert read(books, transcript) == [("model_fallback", "claude-opus-4-8")]


# Copies


def test_a_forks_events_are_copies_and_links_without_an_id_are_not(books: Books) -> None:
    first = ClaudeTranscript("s1")
    first.compact_boundary()
    first.call(BASH, result=COMMITTED)
    first.deny(first.call(BASH, result=None))
    first.pr_link()
    books.put("alice/s1.jsonl", first)
    books.put("alice/s2.jsonl", first.fork("s2"))
    books.put("bob/s1.jsonl", first)
    books.take_in()

    links = [("pull_request", "example/shop#42")] * 3
    told = [kind for kind, _ in counted(books)]
    assert len(books.rows("events")) == 12
    assert [told.count(k) for k in ("compaction", "commit", "permission_denial")] == [2, 2, 2]
    assert [event for event in counted(books) if event[0] == "pull_request"] == links


def test_a_quoted_line_tells_what_its_agents_file_tells(books: Books) -> None:
    main = ClaudeTranscript("0f3c")
    call = main.call(subagent("Explore"), result=None)
    agent = main.subagent("a7f3c21")
    agent.call(BASH, result=COMMITTED)
    agent.deny(agent.call(BASH, result=None))
    main.relay(agent, parent_tool_use_id=call)

    assert read(books, main) == [("commit", "1a2b3c4"), ("permission_denial", None)]

    books.put("alice/shop/0f3c/subagents/agent-a7f3c21.jsonl", agent)
    books.take_in()
    assert [kind for kind, _ in counted(books)] == ["commit", "permission_denial"]
    assert {row["copy_rank"] for row in books.counted("events")} == {0}


# Codex


def test_a_rollouts_events(books: Books) -> None:
    rollout = CodexRollout()
    rollout.compacted()
    rollout.abort()
    rollout.abort("replaced")
    rollout.call("exec_command", {"cmd": "git commit"}, result=COMMITTED)
    rollout.call("exec_command", {"cmd": "git commit"}, result=COMMITTED, success=False)
    rollout.call("exec_command", {"cmd": "gh pr create"}, result="https://x.invalid/a/b/pull/1")
    rollout.call("update_plan", result=COMMITTED)
    books.put(KEY, rollout)
    books.take_in()

    assert counted(books) == [
        ("compaction", None),
        ("interrupt", "response"),
        ("commit", "1a2b3c4"),
        ("pull_request", "a/b#1"),
    ]


def test_a_line_with_halves_of_surrogate_pairs_tells_its_event(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.compact_boundary(content="\ud83d")

    assert read(books, transcript) == [("compaction", "auto")]
