"""What is one invocation, of what kind it is, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from books import Books
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionmill.testing import ClaudeTranscript, ToolUse, Transcript, mcp, skill, subagent

KEY = "alice/shop/0f3c.jsonl"
PNG = "iVBORw0KGgoAAAANSUhEUg=="


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    with Books(tmp_path) as books:
        yield books


def read(books: Books, transcript: Transcript, key: str = KEY) -> dict[str, int]:
    books.put(key, transcript)
    books.take_in()
    return books.totals()


# What was invoked


@pytest.mark.parametrize(
    ("use", "kind", "named"),
    [
        (ToolUse("Bash", {"command": "ls"}), "tool", {}),
        (skill("commit"), "skill", {"skill": "commit"}),
        (
            skill("superpowers:writing-plans"),
            "skill",
            {"skill": "superpowers:writing-plans", "plugin": "superpowers"},
        ),
        (
            skill("entire-engineering:workflows:review"),
            "skill",
            {"skill": "entire-engineering:workflows:review", "plugin": "entire-engineering"},
        ),
        (ToolUse("Skill", {"command": "commit"}), "skill", {"skill": "commit"}),
        (ToolUse("Skill", {"name": "commit"}), "skill", {"skill": "commit"}),
        (ToolUse("Skill", {"skill": 7}), "skill", {}),
        (subagent("Explore"), "subagent", {"subagent_type": "Explore"}),
        (
            subagent("superpowers:code-reviewer", tool="Agent"),
            "subagent",
            {"subagent_type": "superpowers:code-reviewer", "plugin": "superpowers"},
        ),
        (ToolUse("Agent", {"prompt": "Look."}), "subagent", {}),
        (mcp("linear-server", "create_issue"), "mcp", {"mcp_server": "linear-server"}),
        (mcp("plugin_shop_db", "run__query"), "mcp", {"mcp_server": "plugin_shop_db"}),
        (ToolUse("mcp_auth", {}), "tool", {}),
        (ToolUse("ToolSearch", {"skill": "commit"}), "tool", {}),
    ],
    ids=lambda value: f"{value.name} {dict(value.input)}" if isinstance(value, ToolUse) else "",
)
def test_a_call_is_of_its_kind(
    books: Books, use: ToolUse, kind: str, named: dict[str, str]
) -> None:
    transcript = ClaudeTranscript()
    transcript.call(use)

    totals = read(books, transcript)

    row = books.row("tool_calls")
    none = dict.fromkeys(("skill", "subagent_type", "mcp_server", "plugin"))
    assert (row["name"], row["kind"]) == (use.name, kind)
    assert {name: row[name] for name in none} == {**none, **named}
    column = {"skill": "skill_invocations", "subagent": "subagent_runs", "mcp": "mcp_calls"}
    counted = {name: totals[name] for name in column.values()}
    assert counted == {name: int(column.get(kind) == name) for name in column.values()}
    assert totals["tool_calls"] == 1


def test_each_call_of_a_response_is_one(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.response("", calls=[ToolUse("Bash"), ToolUse("Bash"), ToolUse("Read")])

    totals = read(books, transcript)

    assert (totals["responses"], totals["tool_calls"]) == (1, 3)


def test_several_calls_on_one_line_are_each_one(books: Books) -> None:
    transcript = ClaudeTranscript()
    blocks = [
        {"type": "tool_use", "id": f"toolu_{n}", "name": "Bash", "input": {}} for n in range(3)
    ]
    message = {"id": "msg_1", "model": "m", "usage": {"output_tokens": 5}, "content": blocks}
    transcript.response(message=message)

    totals = read(books, transcript)

    assert (totals["responses"], totals["tool_calls"]) == (1, 3)


def test_a_call_that_lines_repeat_is_one(books: Books) -> None:
    transcript = ClaudeTranscript()
    use = ToolUse("Bash", {"command": "ls"}, id="toolu_1")
    transcript.response("", id="msg_1", calls=[use])
    transcript.response("", id="msg_1", calls=[use])

    assert read(books, transcript)["tool_calls"] == 1


def test_a_call_names_its_response_and_model(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.call("Bash", id="msg_1", model="claude-opus-4-6")

    read(books, transcript)

    row = books.row("tool_calls")
    assert (row["response_id"], row["model"]) == ("msg_1", "claude-opus-4-6")


def test_a_call_of_a_fallback_is_of_the_model_that_answered_last(books: Books) -> None:
    transcript = ClaudeTranscript()
    iterations = [{"output_tokens": 1, "model": "first"}, {"output_tokens": 100, "model": "last"}]
    transcript.call("Bash", id="msg_1", model="last", usage={"iterations": iterations})

    read(books, transcript)

    row = books.row("tool_calls")
    assert (row["response_id"], row["model"]) == ("msg_1", "last")


@pytest.mark.parametrize("block", [{"id": None}, {"id": ""}, {"name": None}, {"name": ""}])
def test_a_block_without_id_or_name_is_no_call(books: Books, block: dict[str, Any]) -> None:
    transcript = ClaudeTranscript()
    whole = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}
    transcript.response(message={"id": "msg_1", "content": [{**whole, **block}]})

    assert read(books, transcript)["tool_calls"] == 0


def test_a_call_is_counted_in_a_response_without_usage(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.call("Bash", with_usage=False)

    totals = read(books, transcript)

    assert (totals["responses"], totals["tool_calls"]) == (0, 1)


def test_an_input_that_is_no_object_leaves_the_call(books: Books) -> None:
    transcript = ClaudeTranscript()
    for input in ("text", [1], None, 7):
        block = {"type": "tool_use", "id": f"toolu_{input}", "name": "Skill", "input": input}
        transcript.response(message={"id": "msg_1", "content": [block]})

    assert read(books, transcript)["skill_invocations"] == 4


# How it ended


@pytest.mark.parametrize(("said", "is_error"), [(None, False), (False, False), (True, True)])
def test_a_result_says_whether_the_call_failed(
    books: Books, said: bool | None, is_error: bool
) -> None:
    transcript = ClaudeTranscript()
    transcript.call("Bash", is_error=said)

    totals = read(books, transcript)

    assert books.row("tool_calls")["is_error"] is is_error
    assert totals["tool_errors"] == int(is_error)


def test_a_call_without_a_result_is_no_error_and_has_no_duration(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.call("Bash", result=None)

    totals = read(books, transcript)

    row = books.row("tool_calls")
    assert (totals["tool_calls"], totals["tool_errors"]) == (1, 0)
    ended = ("is_error", "result_at", "result_bytes", "duration_seconds")
    assert [row[name] for name in ended] == [None] * 4


def test_a_duration_is_the_time_from_the_call_to_its_result(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.call("Bash", after=12.25)

    read(books, transcript)

    assert books.row("tool_calls")["duration_seconds"] == 12.25


def test_a_result_with_an_earlier_time_took_no_time(books: Books) -> None:
    transcript = ClaudeTranscript()
    call = transcript.call("Bash", result=None)
    transcript.wait(-60)
    transcript.result(call)

    read(books, transcript)

    assert books.row("tool_calls")["duration_seconds"] == 0


def test_a_duration_is_known_once_the_result_comes_in_a_later_append(books: Books) -> None:
    transcript = ClaudeTranscript()
    call = transcript.call("Bash", result=None)
    read(books, transcript)

    transcript.wait(8)
    transcript.result(call, "done", is_error=True, after=1)
    totals = read(books, transcript)

    row = books.row("tool_calls")
    assert (row["duration_seconds"], row["result_bytes"], row["is_error"]) == (9, 4, True)
    assert (totals["tool_calls"], totals["tool_errors"]) == (1, 1)
    assert row["line_offset"] == 0, "it is traced to the call's line"


@pytest.mark.parametrize("failed", [(True, False), (False, True), (True, None)])
@pytest.mark.parametrize("appended", [False, True])
def test_a_result_that_is_told_twice_keeps_its_first_time_and_its_failure(
    books: Books, failed: tuple[bool, bool | None], appended: bool
) -> None:
    transcript = ClaudeTranscript()
    call = transcript.call("Bash", result="x" * 10, is_error=failed[0], after=2)
    if appended:
        read(books, transcript)
    transcript.wait(100)
    transcript.result(call, "x", is_error=failed[1])

    read(books, transcript)

    row = books.row("tool_calls")
    assert (row["duration_seconds"], row["result_bytes"], row["is_error"]) == (2, 10, True)


# How large a result is


def image(data: str) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


def text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


@pytest.mark.parametrize(
    ("content", "size"),
    [
        ("", 0),
        ("plain", 5),
        ("ümläut ✓", 12),
        ("\U0001f600", 4),
        ('a "quote", a \\ and a\nline', 25),
        ("\x00\x1b[0m", 5),
        ([text("plain"), text("ü")], 7),
        ([], 0),
        ([image(PNG)], len(PNG)),
        ([text("see: "), image(PNG)], 5 + len(PNG)),
        ([{"type": "tool_reference", "tool_name": "Read"}], 0),
    ],
)
def test_a_result_is_as_large_as_its_text_in_utf8_and_its_images_in_base64(
    books: Books, content: str | list[dict[str, Any]], size: int
) -> None:
    transcript = ClaudeTranscript()
    transcript.call("Read", result=content)

    read(books, transcript)

    assert books.row("tool_calls")["result_bytes"] == size


def test_a_character_that_is_written_as_an_escape_is_as_large_as_the_character(
    books: Books,
) -> None:
    transcript = ClaudeTranscript()
    call = transcript.call("Bash", result=None)
    transcript.result(call, "CONTENT")
    *before, last = transcript.lines
    escaped = last.replace(b"CONTENT", rb"\u00fc\ud83d\ude00\n\/")
    books.put(KEY, b"".join([*before, escaped]))

    books.take_in()

    assert books.row("tool_calls")["result_bytes"] == len("ü\U0001f600\n/".encode())


@settings(max_examples=15)
@given(results=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=9))
def test_any_text_is_as_large_as_its_utf8(
    tmp_path_factory: pytest.TempPathFactory, results: list[str]
) -> None:
    transcript = ClaudeTranscript()
    for result in results:
        transcript.call("Bash", result=result)

    with Books(tmp_path_factory.mktemp("books")) as books:
        read(books, transcript)
        sizes = [row["result_bytes"] for row in books.rows("tool_calls")]

    assert sizes == [len(result.encode()) for result in results]


def test_what_the_client_keeps_beside_a_result_is_no_part_of_it(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.call("Bash", result="ok", tool_use_result={"stdout": "x" * 500, "is_error": True})

    read(books, transcript)

    row = books.row("tool_calls")
    assert (row["result_bytes"], row["is_error"]) == (2, False)


# A result without its call


def test_a_result_whose_call_is_not_here_is_kept_and_never_counted(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.result("toolu_of_elsewhere", "gone", is_error=True)

    totals = read(books, transcript)

    assert (totals["tool_calls"], totals["tool_errors"]) == (0, 0)
    row = books.row("tool_calls")
    assert (row["name"], row["kind"], row["counted"]) == (None, None, False)
    assert (row["is_error"], row["result_bytes"]) == (True, 4)


@pytest.mark.parametrize("appended", [False, True])
def test_a_call_that_comes_behind_its_result_is_filled_in(books: Books, appended: bool) -> None:
    transcript = ClaudeTranscript()
    transcript.result("toolu_1", "gone", is_error=True)
    if appended:
        read(books, transcript)
    transcript.wait(-10)
    transcript.response("", calls=[_identified("toolu_1")])

    totals = read(books, transcript)

    row = books.row("tool_calls")
    assert (totals["tool_calls"], totals["tool_errors"]) == (1, 1)
    assert (row["name"], row["kind"], row["skill"]) == ("Skill", "skill", "shop:deploy")
    told = row["at"].isoformat()
    assert told == "2026-03-02T08:59:51", "a call's time is never its result's"
    assert row["duration_seconds"] == 9


def _identified(id: str) -> ToolUse:
    return ToolUse("Skill", {"skill": "shop:deploy"}, id=id)


def test_results_quoted_by_progress_lines_end_the_calls_quoted_there(books: Books) -> None:
    agent = ClaudeTranscript(agent_id="a7f3c21")
    agent.call("Grep", result="nothing", is_error=True, after=3)
    main = ClaudeTranscript()
    main.relay(agent, parent_tool_use_id="toolu_1")

    totals = read(books, main)

    row = books.row("tool_calls", "name IS NOT NULL")
    assert (totals["tool_calls"], totals["tool_errors"]) == (1, 1)
    assert (row["duration_seconds"], row["result_bytes"], row["agent_id"]) == (3, 7, "a7f3c21")


def test_tool_blocks_in_the_wrong_kind_of_line_are_none(books: Books) -> None:
    transcript = ClaudeTranscript()
    call = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_2", "content": "x"}
    transcript.prompt_blocks([call])
    transcript.response(message={"id": "msg_1", "content": [result]})

    assert read(books, transcript)["tool_calls"] == 0
    assert books.rows("tool_calls") == []
