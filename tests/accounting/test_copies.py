"""Resumed, forked and quoted copies: each transcript keeps its row, and one of them is counted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest
from books import Books

from sessionmill.testing import ClaudeTranscript, ToolUse, Transcript, skill

SESSION_ID = ClaudeTranscript().session_id
A, B, C = "alice/a.jsonl", "alice/b.jsonl", "alice/c.jsonl"
AGENT_KEY = f"alice/z/{SESSION_ID}/subagents/agent-a7f3c21.jsonl"


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    with Books(tmp_path) as books:
        yield books


def read(books: Books, arrived: dict[str, Transcript]) -> dict[str, int]:
    for key, transcript in arrived.items():
        books.put(key, transcript)
    books.take_in()
    return books.totals()


def where_counted(books: Books, table: str = "responses") -> list[str]:
    return [row["session_key"] for row in books.counted(table)]


def session() -> ClaudeTranscript:
    """Give a session with one of each that may be copied."""
    transcript = ClaudeTranscript("first")
    transcript.prompt("Fix the total.")
    transcript.command("/clear")
    transcript.call(skill("commit"), output_tokens=10)
    transcript.response(output_tokens=20)
    return transcript


ONE_OF_EACH = {"responses": 2, "tool_calls": 1, "slash_commands": 1, "prompts": 1}


# Forks


def test_a_fork_that_rewrites_the_session_id_repeats_nothing(books: Books) -> None:
    original = session()
    fork = original.fork("second")
    fork.prompt("Now the tax.")
    fork.response(output_tokens=300)

    totals = read(books, {A: original, B: fork})

    assert {name: totals[name] for name in ONE_OF_EACH} == {
        **ONE_OF_EACH,
        "responses": 3,
        "prompts": 2,
    }
    assert totals["output_tokens"] == 330
    assert totals["sessions"] == 2


def test_every_transcript_keeps_its_row(books: Books) -> None:
    original = session()

    read(books, {A: original, B: original.fork("second")})

    for table, number in ONE_OF_EACH.items():
        assert len(books.rows(table)) == 2 * number
        assert len(books.counted(table)) == number


def test_a_fork_of_a_fork_repeats_nothing(books: Books) -> None:
    original = session()
    fork = original.fork("second")
    fork.response(output_tokens=300)
    again = fork.fork("third", lines=len(fork) - 1)
    again.response(output_tokens=4000)

    totals = read(books, {A: original, B: fork, C: again})

    assert (totals["responses"], totals["output_tokens"]) == (4, 4330)


def test_a_prompt_that_is_typed_again_is_another_prompt(books: Books) -> None:
    original = session()
    fork = original.fork("second")
    fork.prompt("Fix the total.")
    fork.command("/clear")

    totals = read(books, {A: original, B: fork})

    assert (totals["prompts"], totals["slash_commands"]) == (2, 2)


def test_lines_without_an_id_are_counted_wherever_they_stand(books: Books) -> None:
    original = ClaudeTranscript("first")
    original.prompt(uuid=None)
    original.command("/clear", uuid=None)
    original.response(id="", uuid=None)

    totals = read(books, {A: original, B: original.fork("second")})

    counted = (totals["prompts"], totals["slash_commands"], totals["responses"])
    assert counted == (2, 2, 2), "nothing tells that they are copies"


# Which copy is counted


def partial_and_whole() -> tuple[ClaudeTranscript, ClaudeTranscript]:
    partial, whole = ClaudeTranscript("first"), ClaudeTranscript("second")
    partial.response(id="msg_1", output_tokens=1, input_tokens=900)
    whole.response(id="msg_1", output_tokens=50, input_tokens=3)
    return partial, whole


@pytest.mark.parametrize("order", list(permutations([A, B])))
def test_the_copy_with_the_largest_output_is_counted(books: Books, order: tuple[str, str]) -> None:
    partial, whole = partial_and_whole()
    contents = {A: partial, B: whole}

    for key in order:
        read(books, {key: contents[key]})

    totals = books.totals()
    assert where_counted(books) == [B]
    assert (totals["output_tokens"], totals["input_tokens"]) == (50, 3), "one copy, as it is"


@pytest.mark.parametrize("order", list(permutations([A, B, C])))
def test_of_equal_copies_the_one_with_the_smallest_key_is_counted(
    books: Books, order: tuple[str, str, str]
) -> None:
    for key in order:
        read(books, {key: session()})

    for table in ONE_OF_EACH:
        assert set(where_counted(books, table)) == {A}


def test_keys_are_compared_by_their_bytes(books: Books) -> None:
    upper, lower, umlaut = "alice/Z.jsonl", "alice/a.jsonl", "alice/ä.jsonl"

    read(books, {umlaut: session(), lower: session(), upper: session()})

    assert set(where_counted(books)) == {upper}


@pytest.mark.parametrize("order", list(permutations([A, AGENT_KEY])))
def test_of_equal_copies_an_agent_file_is_counted_before_a_smaller_key(
    books: Books, order: tuple[str, str]
) -> None:
    agent = ClaudeTranscript(agent_id="a7f3c21")
    agent.call("Grep")
    main = ClaudeTranscript()
    main.relay(agent, parent_tool_use_id="toolu_1")
    contents = {A: main, AGENT_KEY: agent}

    for key in order:
        read(books, {key: contents[key]})

    assert where_counted(books) == [AGENT_KEY]
    assert where_counted(books, "tool_calls") == [AGENT_KEY]
    assert books.totals()["tool_calls"] == 1


def test_a_call_is_counted_where_its_result_is(books: Books) -> None:
    without = ClaudeTranscript("first")
    without.call(ToolUse("Bash", id="toolu_1"), result=None, id="msg_1")
    with_result = ClaudeTranscript("second")
    with_result.call(ToolUse("Bash", id="toolu_1"), is_error=True, id="msg_1", after=7)

    totals = read(books, {A: without, B: with_result})

    assert where_counted(books, "tool_calls") == [B]
    assert where_counted(books) == [A], "its response is counted by other rules"
    assert (totals["tool_calls"], totals["tool_errors"]) == (1, 1)


def test_a_result_in_one_copy_alone_is_counted_before_an_agent_file_without(books: Books) -> None:
    agent = ClaudeTranscript(agent_id="a7f3c21")
    agent.call("Grep", is_error=True)
    main = ClaudeTranscript()
    main.relay(agent, parent_tool_use_id="toolu_1")
    cut = ClaudeTranscript(agent_id="a7f3c21")
    cut.call("Grep", result=None)

    totals = read(books, {A: main, AGENT_KEY: cut})

    assert where_counted(books, "tool_calls") == [A]
    assert totals["tool_errors"] == 1


def test_a_copy_of_the_result_alone_is_not_counted_for_its_call(books: Books) -> None:
    called = ClaudeTranscript("first")
    called.call(ToolUse("Bash", id="toolu_1"), result=None)
    orphan = ClaudeTranscript("second")
    orphan.result("toolu_1", is_error=True)

    totals = read(books, {B: called, A: orphan})

    assert where_counted(books, "tool_calls") == [B]
    assert (totals["tool_calls"], totals["tool_errors"]) == (1, 0)


def test_a_prompt_that_one_copy_knows_to_be_repeated_is_counted_in_none(books: Books) -> None:
    before = ClaudeTranscript("first")
    before.queued_command("go on")
    after = before.fork("second")
    after.prompt("go on")

    totals = read(books, {A: before, B: after})

    assert totals["prompts"] == 1
    assert where_counted(books, "prompts") == [B]


# When copies change


@pytest.mark.parametrize("replacement", [b"", b"{}\n", bytes(ClaudeTranscript("third"))])
def test_a_copy_that_is_no_more_passes_the_count_to_another(
    books: Books, replacement: bytes
) -> None:
    read(books, {A: session(), B: session()})
    before = books.totals()

    books.put(A, replacement)
    books.take_in()

    assert {name: books.totals()[name] for name in ONE_OF_EACH} == ONE_OF_EACH
    assert books.totals()["output_tokens"] == before["output_tokens"]
    for table in ONE_OF_EACH:
        assert set(where_counted(books, table)) == {B}


def test_a_copy_that_grows_past_the_counted_one_is_counted(books: Books) -> None:
    partial, whole = ClaudeTranscript("first"), ClaudeTranscript("second")
    for transcript in (partial, whole):
        transcript.response(id="msg_1", output_tokens=1)
    read(books, {A: partial, B: whole})
    assert where_counted(books) == [A]

    whole.response(id="msg_1", output_tokens=50)
    totals = read(books, {B: whole})

    assert where_counted(books) == [B]
    assert (totals["responses"], totals["output_tokens"]) == (1, 50)


def test_a_result_that_comes_later_moves_the_count_to_its_copy(books: Books) -> None:
    original = ClaudeTranscript("first")
    original.call("Bash", result=None)
    fork = original.fork("second")
    read(books, {A: original, B: fork})
    assert where_counted(books, "tool_calls") == [A]

    fork.result(books.rows("tool_calls")[0]["tool_use_id"], is_error=True)
    totals = read(books, {B: fork})

    assert where_counted(books, "tool_calls") == [B]
    assert (totals["tool_calls"], totals["tool_errors"]) == (1, 1)


def test_a_deleted_file_keeps_its_rows_and_its_count(books: Books) -> None:
    read(books, {A: session(), B: session()})
    before = books.tables()

    books.remove(A)
    books.take_in()

    assert books.tables() == before, "clients delete after some weeks: what they delete is kept"


# Usernames


def test_copies_of_two_usernames_are_counted_for_each(books: Books) -> None:
    read(books, {"alice/a.jsonl": session(), "bob/a.jsonl": session()})

    by_user = books.ask(
        "SELECT username, sum(output_tokens)::BIGINT AS tokens FROM responses"
        " WHERE counted GROUP BY username ORDER BY username"
    )
    assert [(row["username"], row["tokens"]) for row in by_user] == [("alice", 30), ("bob", 30)]
    assert books.totals()["responses"] == 4


def test_another_usernames_copy_leaves_the_count_where_it_was(books: Books) -> None:
    partial, whole = partial_and_whole()
    read(books, {"bob/b.jsonl": partial})

    read(books, {"alice/a.jsonl": whole})

    assert sorted(where_counted(books)) == ["alice/a.jsonl", "bob/b.jsonl"]
    assert books.totals()["output_tokens"] == 51


# The hash that finds copies


def test_copies_are_found_by_a_hash_that_any_program_can_make(books: Books) -> None:
    read(books, {A: session()})

    for table, id in [
        ("responses", "response_id"),
        ("tool_calls", "tool_use_id"),
        ("slash_commands", "command_id"),
        ("prompts", "prompt_id"),
    ]:
        for row in books.rows(table):
            digest = hashlib.md5(row[id].encode(), usedforsecurity=False).digest()
            assert row["key_hash"] == int.from_bytes(digest[8:], "little")
