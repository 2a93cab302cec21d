"""Rollouts of the Codex CLI: running totals, and lines that say little of where they belong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from books import Books
from hypothesis import given
from hypothesis import strategies as st
from made_up import CodexSession, examples, moves, play

from sessionmill.testing import ClaudeTranscript, CodexRollout

KEY = "alice/sessions/2026/03/02/rollout-a.jsonl"
FORK_KEY = "alice/sessions/2026/03/02/rollout-b.jsonl"
AGAIN_KEY = "alice/sessions/2026/03/02/rollout-c.jsonl"
FORK_ID = "019cac2e-0000-7c41-9a3b-4d5e6f708192"


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    with Books(tmp_path) as books:
        yield books


def read(books: Books, *rollouts: CodexRollout) -> dict[str, int]:
    for key, rollout in zip((KEY, FORK_KEY, AGAIN_KEY), rollouts, strict=False):
        books.put(key, rollout)
    books.take_in()
    return books.figures()


def token_count(rollout: CodexRollout, info: dict[str, Any] | None) -> None:
    rollout.line({"type": "event_msg", "payload": {"type": "token_count", "info": info}})


def figures(input: int, output: int) -> dict[str, int]:
    names = ("cached_input_tokens", "reasoning_output_tokens")
    total = {"input_tokens": input, "output_tokens": output, "total_tokens": input + output}
    return {**dict.fromkeys(names, 0), **total}


# Tokens


def test_a_response_is_what_the_totals_grew_by(books: Books) -> None:
    rollout = CodexRollout()
    rollout.turn()
    rollout.tokens(24_000, 2_400, 390, reasoning=260)
    rollout.tokens(30_000, 24_000, 12)

    totals = read(books, rollout)

    assert (totals["responses"], totals["output_tokens"]) == (2, 402)
    rows = books.rows("responses")
    assert [(r["input_tokens"], r["cache_read_tokens"], r["output_tokens"]) for r in rows] == [
        (21_600, 2_400, 390),
        (6_000, 24_000, 12),
    ], "what was cached is a part of the input, and what was reasoned one of the output"


def test_a_count_that_repeats_is_no_response(books: Books) -> None:
    rollout = CodexRollout()
    rollout.turn()
    rollout.tokens(1000, 0, 10)
    rollout.repeat_tokens()
    rollout.message()
    rollout.repeat_tokens()

    totals = read(books, rollout)

    assert (totals["responses"], totals["output_tokens"]) == (1, 10)


def test_a_count_without_figures_is_no_response_and_forgets_nothing(books: Books) -> None:
    rollout = CodexRollout()
    rollout.turn()
    rollout.null_tokens()
    rollout.tokens(1000, 0, 10)
    rollout.null_tokens()
    token_count(rollout, {"total_token_usage": None, "last_token_usage": figures(7, 7)})
    rollout.repeat_tokens()
    rollout.tokens(1000, 0, 10)

    totals = read(books, rollout)

    assert (totals["responses"], totals["input_tokens"], totals["output_tokens"]) == (2, 2000, 20)


def test_a_compaction_ends_no_count(books: Books) -> None:
    rollout = CodexRollout()
    rollout.turn()
    rollout.tokens(1000, 0, 10)
    rollout.compacted()
    rollout.tokens(500, 0, 5)

    assert read(books, rollout)["input_tokens"] == 1500


def test_totals_that_fell_begin_again_with_the_last_request(books: Books) -> None:
    rollout = CodexRollout()
    rollout.turn()
    rollout.tokens(1000, 0, 10)
    token_count(
        rollout, {"total_token_usage": figures(300, 3), "last_token_usage": figures(300, 3)}
    )
    token_count(
        rollout, {"total_token_usage": figures(700, 9), "last_token_usage": figures(400, 6)}
    )

    totals = read(books, rollout)

    assert (totals["responses"], totals["input_tokens"], totals["output_tokens"]) == (3, 1700, 19)


def test_a_first_count_that_has_a_past_is_its_last_request(books: Books) -> None:
    rollout = CodexRollout()
    rollout.turn()
    token_count(
        rollout, {"total_token_usage": figures(90_000, 900), "last_token_usage": figures(100, 1)}
    )

    assert read(books, rollout)["output_tokens"] == 1


def test_more_cached_than_there_was_input_makes_no_negative_input(books: Books) -> None:
    rollout = CodexRollout()
    rollout.turn()
    rollout.tokens(100, 150, 1)

    totals = read(books, rollout)

    assert (totals["input_tokens"], totals["cache_read_tokens"]) == (0, 150)


def test_each_turn_names_the_model_of_its_responses_and_calls_no_other(books: Books) -> None:
    rollout = CodexRollout()
    rollout.turn("gpt-5.5")
    rollout.tokens(1000, 0, 10)
    rollout.turn("gpt-5.3-codex-spark")
    rollout.tokens(1000, 0, 20)
    rollout.tokens(1000, 0, 30)

    read(books, rollout)

    models = [(row["output_tokens"], row["model"]) for row in books.rows("responses")]
    spark = "gpt-5.3-codex-spark"
    assert models == [(10, "gpt-5.5"), (20, spark), (30, spark)]


# Where lines belong


def test_session_folder_and_version_are_those_of_the_meta_line(books: Books) -> None:
    rollout = CodexRollout(cwd="/work/shop", version="0.142.4")
    rollout.turn()
    rollout.prompt()
    rollout.call()
    rollout.tokens(1000, 0, 10)

    totals = read(books, rollout)

    for table in ("responses", "tool_calls", "prompts"):
        row = books.row(table)
        assert row["session_id"] == rollout.session_id
        assert (row["agent"], row["cwd"], row["client_version"]) == (
            "codex",
            "/work/shop",
            "0.142.4",
        )
    assert totals["sessions"] == 1


def test_a_turn_moves_to_another_folder(books: Books) -> None:
    rollout = CodexRollout(cwd="/work/shop")
    rollout.cwd = "/work/tax"
    rollout.turn()
    rollout.prompt()

    read(books, rollout)

    assert books.row("prompts")["project"] == "tax"


def test_a_session_that_was_reopened_is_one_and_its_totals_go_on(books: Books) -> None:
    rollout = CodexRollout()
    rollout.turn()
    rollout.tokens(1000, 0, 10)
    for _ in range(3):
        rollout.reopen()
        rollout.null_tokens()
        rollout.repeat_tokens()
    rollout.turn()
    rollout.tokens(1000, 0, 20)

    totals = read(books, rollout)

    assert (totals["sessions"], totals["responses"], totals["output_tokens"]) == (1, 2, 30)


# Forks


def forked() -> tuple[CodexRollout, CodexRollout]:
    rollout = CodexRollout()
    rollout.turn()
    rollout.prompt()
    rollout.call("exec_command")
    rollout.tokens(1000, 100, 10)
    rollout.tokens(2000, 1000, 20)
    return rollout, rollout.fork(FORK_ID)


@pytest.mark.parametrize("fork_first", [True, False])
def test_what_a_fork_replays_is_counted_once(books: Books, fork_first: bool) -> None:
    rollout, fork = forked()
    fork.turn()
    fork.tokens(3000, 0, 300)
    contents = [(KEY, rollout), (FORK_KEY, fork)]

    for key, content in reversed(contents) if fork_first else contents:
        books.put(key, content)
        books.take_in()

    totals = books.totals()
    assert (totals["responses"], totals["output_tokens"]) == (3, 330)
    assert totals["sessions"] == 2
    assert totals["tool_calls"] == 1


def test_what_a_fork_of_a_fork_replays_is_counted_once(books: Books) -> None:
    rollout, fork = forked()
    fork.turn()
    fork.tokens(3000, 0, 300)
    again = fork.fork("019cac2e-1111-7c41-9a3b-4d5e6f708192")
    again.turn()
    again.tokens(3000, 0, 4000)

    totals = read(books, rollout, fork, again)

    assert (totals["responses"], totals["output_tokens"]) == (4, 4330)


def test_a_fork_that_replays_all_but_its_parents_meta_line_is_counted_once(books: Books) -> None:
    rollout, _ = forked()
    fork = CodexRollout(FORK_ID, forked_from=rollout.session_id)
    for line in rollout.lines[1:]:
        fork.raw(line)

    totals = read(books, rollout, fork)

    assert (totals["responses"], totals["output_tokens"]) == (2, 30)


def test_a_fork_of_a_part_counts_on_from_where_it_left(books: Books) -> None:
    rollout = CodexRollout()
    rollout.turn()
    rollout.tokens(1000, 100, 10)
    part = len(rollout)
    rollout.tokens(2000, 1000, 20)
    fork = rollout.fork(FORK_ID, lines=part)
    fork.turn()
    fork.tokens(500, 0, 300)

    totals = read(books, rollout, fork)

    assert (totals["responses"], totals["output_tokens"]) == (3, 330)


def test_parent_and_fork_that_both_go_on_are_both_counted(books: Books) -> None:
    rollout, fork = forked()
    rollout.tokens(100, 0, 1000)
    fork.tokens(200, 0, 2000)

    assert read(books, rollout, fork)["output_tokens"] == 3030


def test_a_spawned_agent_that_copied_its_parent_counts_its_own(books: Books) -> None:
    rollout, _ = forked()
    agent = rollout.fork(FORK_ID, subagent=True)
    agent.turn("gpt-5.5")
    agent.tokens(100, 0, 7)

    totals = read(books, rollout, agent)

    assert totals["output_tokens"] == 37
    [own] = [row for row in books.rows("responses") if row["output_tokens"] == 7]
    assert (own["session_id"], own["model"]) == (FORK_ID, "gpt-5.5")


def test_two_sessions_with_the_same_figures_are_two(books: Books) -> None:
    rollouts = [CodexRollout(), CodexRollout(FORK_ID)]
    for rollout in rollouts:
        rollout.turn()
        rollout.tokens(1000, 100, 10)

    totals = read(books, *rollouts)

    assert (totals["responses"], totals["output_tokens"]) == (2, 20)


# Calls and prompts


def test_calls_are_named_as_those_of_other_agents(books: Books) -> None:
    rollout = CodexRollout()
    rollout.turn()
    rollout.call("exec_command", {"cmd": "ls"})
    rollout.call("ask_question", namespace="mcp__deepwiki")
    rollout.call("ask_question", namespace="mcp__deepwiki__")
    rollout.call("mcp__linear__get_issue")
    rollout.custom_call("apply_patch")
    rollout.web_search()

    totals = read(books, rollout)

    assert [(row["name"], row["kind"]) for row in books.rows("tool_calls")] == [
        ("exec_command", "tool"),
        ("mcp__deepwiki__ask_question", "mcp"),
        ("mcp__deepwiki__ask_question", "mcp"),
        ("mcp__linear__get_issue", "mcp"),
        ("apply_patch", "tool"),
        ("web_search", "tool"),
    ]
    assert (totals["tool_calls"], totals["mcp_calls"]) == (6, 3)
    servers = [row["mcp_server"] for row in books.rows("tool_calls", "kind = 'mcp'")]
    assert servers == ["deepwiki", "deepwiki", "linear"]


def test_calls_that_say_that_they_failed_are_errors(books: Books) -> None:
    rollout = CodexRollout()
    rollout.turn()
    rollout.call("ask_question", namespace="mcp__deepwiki", success=False)
    rollout.custom_call("apply_patch", success=False)
    call = rollout.call("update_plan", result=None)
    output = {"content": "no", "success": False}
    payload = {"type": "function_call_output", "call_id": call, "output": output}
    rollout.line({"type": "response_item", "payload": payload})
    rollout.call("ask_question", namespace="mcp__deepwiki", success=True)
    rollout.custom_call("apply_patch")

    assert read(books, rollout)["tool_errors"] == 3


def test_a_call_takes_the_time_until_its_first_result(books: Books) -> None:
    rollout = CodexRollout()
    rollout.turn()
    rollout.call("update_plan", result="ümläut", after=4.5)

    read(books, rollout)

    row = books.row("tool_calls")
    assert (row["duration_seconds"], row["result_bytes"], row["is_error"]) == (4.5, 8, False)


def test_a_prompt_is_the_event_and_not_the_item_for_the_model(books: Books) -> None:
    rollout = CodexRollout()
    rollout.turn()
    rollout.prompt("Fix the tötal.")
    rollout.message("Fixed.")

    assert read(books, rollout)["prompts"] == 1
    row = books.row("prompts")
    assert row["characters"] == 14
    assert row["prompt_id"] == f"{KEY}:{row['line_offset']}", "events bear no id"


def test_lines_of_claude_in_a_rollout_and_the_other_way_round_are_passed_over(
    books: Books,
) -> None:
    claude, rollout = ClaudeTranscript(), CodexRollout()
    claude.response(output_tokens=5)
    rollout.turn()
    rollout.tokens(1000, 0, 10)
    mixed = [bytes(claude) + bytes(rollout), bytes(rollout) + bytes(claude)]

    for key, content in zip((KEY, FORK_KEY), mixed, strict=True):
        books.put(key, content)
    books.take_in()

    agents = {r["session_key"]: (r["agent"], r["output_tokens"]) for r in books.rows("responses")}
    assert agents == {KEY: ("claude-code", 5), FORK_KEY: ("codex", 10)}


@examples(5)
@given(
    drawn=moves(CodexSession, most=30),
    forked_at=st.integers(0, 60),
    own=moves(CodexSession, most=10),
)
def test_any_rollout_and_fork_are_as_a_recount_has_them(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: list[tuple[str, int]],
    forked_at: int,
    own: list[tuple[str, int]],
) -> None:
    rollout = CodexRollout()
    play(CodexSession(rollout), drawn)
    fork = rollout.fork(FORK_ID, lines=forked_at)
    play(CodexSession(fork), own)

    with Books(tmp_path_factory.mktemp("books")) as books:
        assert read(books, rollout, fork) == books.recounted()
