"""What is one response, and what it used: each rule with a transcript that misleads a plain sum."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from books import Books
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionmill.testing import ClaudeTranscript, CodexRollout, ToolUse, Transcript, subagent

SESSION_ID = ClaudeTranscript().session_id
KEY = "alice/shop/0f3c.jsonl"
AGENT = "a7f3c21"
AGENT_KEY = f"alice/shop/{SESSION_ID}/subagents/agent-{AGENT}.jsonl"
FLAT_AGENT_KEY = f"alice/shop/agent-{AGENT}.jsonl"


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    with Books(tmp_path) as books:
        yield books


def read(books: Books, *contents: Transcript | tuple[str, Transcript]) -> dict[str, int]:
    """Put transcripts (main ones, or where told), take them in, and return the totals."""
    for content in contents:
        key, transcript = content if isinstance(content, tuple) else (KEY, content)
        books.put(key, transcript)
    books.take_in()
    return books.totals()


# One response, many lines


def test_lines_of_one_response_that_repeat_its_figures_are_one(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.response(
        thinking="", calls=[ToolUse("Bash"), ToolUse("Read")], input_tokens=3, output_tokens=50
    )

    totals = read(books, transcript)

    assert len(transcript) == 4
    assert (totals["responses"], totals["input_tokens"], totals["output_tokens"]) == (1, 3, 50)


def test_lines_of_one_response_that_grow_are_as_large_as_the_largest(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.response(partial_output_tokens=(1, 8, 8), output_tokens=50)

    assert read(books, transcript)["output_tokens"] == 50


def test_of_each_token_class_the_largest_value_counts_whichever_line_has_it(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.response(id="msg_1", input_tokens=9, output_tokens=1, cache_read_tokens=5)
    transcript.response(id="msg_1", input_tokens=2, output_tokens=7, cache_read_tokens=0)
    transcript.response(id="msg_1", input_tokens=0, output_tokens=0, cache_write_1h_tokens=4)

    totals = read(books, transcript)

    assert totals["responses"] == 1
    assert (totals["input_tokens"], totals["output_tokens"]) == (9, 7)
    assert (totals["cache_read_tokens"], totals["cache_write_1h_tokens"]) == (5, 4)


def test_lines_of_one_response_need_not_be_neighbours(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.response(id="msg_1", output_tokens=1)
    transcript.response(id="msg_2", output_tokens=20)
    transcript.prompt()
    transcript.response(id="msg_1", output_tokens=300)

    totals = read(books, transcript)

    assert (totals["responses"], totals["output_tokens"]) == (2, 320)


def test_the_time_of_a_response_is_the_earliest_of_its_lines_and_its_place_the_first(
    books: Books,
) -> None:
    transcript = ClaudeTranscript()
    transcript.prompt()
    transcript.response(id="msg_1", timestamp="2026-03-02T10:00:00.000Z")
    transcript.response(id="msg_1", timestamp="2026-03-02T08:30:00.000Z")
    transcript.response(id="msg_1", timestamp="2026-03-02T12:00:00.000Z")

    read(books, transcript)

    row = books.row("responses")
    assert row["at"].isoformat() == "2026-03-02T08:30:00"
    assert row["line_offset"] == len(transcript.lines[0])


def test_a_line_that_only_repeats_a_response_can_still_be_its_earliest(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.response(id="msg_1", cwd=None, timestamp="2026-03-02T10:00:00.000Z")
    transcript.response(id="msg_1", timestamp="2026-03-02T08:30:00.000Z")

    read(books, transcript)

    row = books.row("responses")
    assert row["at"].isoformat() == "2026-03-02T08:30:00"
    assert row["cwd"] == "/work/shop", "what the first line lacks, a later one fills in"


def test_times_are_utc_whatever_offset_they_are_written_with(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.response(timestamp="2026-03-02T10:00:00.250+02:00")
    transcript.response(timestamp="2026-03-02T08:00:01")

    read(books, transcript)

    times = [row["at"].isoformat() for row in books.rows("responses")]
    assert times == ["2026-03-02T08:00:00.250000", "2026-03-02T08:00:01"]


def test_a_response_without_a_message_id_is_its_line(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.response(id="", output_tokens=5)
    transcript.response(id="", output_tokens=5)

    assert read(books, transcript)["output_tokens"] == 10
    assert {row["response_id"] for row in books.rows("responses")} == uuids(transcript)


def test_a_response_without_message_id_and_uuid_is_its_place(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.response(id="", uuid=None, output_tokens=5)
    transcript.response(id="", uuid=None, output_tokens=5)

    assert read(books, transcript)["output_tokens"] == 10
    second = len(transcript.lines[0])
    named = [row["response_id"] for row in books.rows("responses")]
    assert named == [f"{KEY}:0", f"{KEY}:{second}"]


def test_a_synthetic_line_is_no_response(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.api_error()
    transcript.response(model="<synthetic>", output_tokens=50)

    assert read(books, transcript)["responses"] == 0


@pytest.mark.parametrize("stop_reason", [None, "end_turn", "tool_use", "max_tokens"])
def test_stop_reason_proves_nothing(books: Books, stop_reason: str | None) -> None:
    transcript = ClaudeTranscript()
    with_reason: dict[str, Any] = {"role": "assistant", "stop_reason": stop_reason}
    usage = {"input_tokens": 1, "output_tokens": 5}
    for output in (5, 50):
        message = {**with_reason, "id": "msg_1", "usage": {**usage, "output_tokens": output}}
        transcript.line({"type": "assistant", "message": message})

    totals = read(books, transcript)

    assert (totals["responses"], totals["output_tokens"]) == (1, 50)


def test_an_assistant_line_without_usage_is_no_response(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.response(with_usage=False)
    transcript.response(usage={"output_tokens": None, "input_tokens": None})

    assert read(books, transcript)["responses"] == 1, "a usage block counts, whatever it lacks"


def test_usage_beside_a_users_line_is_no_response(books: Books) -> None:
    transcript = ClaudeTranscript()
    message = {"role": "user", "content": "hi", "usage": {"output_tokens": 50}}
    transcript.prompt(message=message)

    assert read(books, transcript)["responses"] == 0


# What a response used


def test_earlier_iterations_are_responses_of_their_own_model(books: Books) -> None:
    transcript = ClaudeTranscript()
    first = {"input_tokens": 1, "output_tokens": 2, "cache_creation_input_tokens": 3}
    transcript.response(
        id="msg_1",
        model="claude-opus-4-8",
        output_tokens=100,
        usage={
            "iterations": [
                {**first, "type": "message", "model": "claude-fable-5"},
                {"output_tokens": 20, "type": "message"},
                {"output_tokens": 100, "type": "fallback_message", "model": "claude-opus-4-8"},
            ]
        },
    )

    totals = read(books, transcript)

    models = {row["response_id"]: row["model"] for row in books.rows("responses")}
    assert models == {
        "msg_1/0": "claude-fable-5",
        "msg_1/1": "claude-opus-4-8",
        "msg_1": "claude-opus-4-8",
    }
    assert totals["output_tokens"] == 2 + 20 + 100, "the top-level figures are the last one's"
    assert totals["cache_write_5m_tokens"] == 3


@pytest.mark.parametrize("iterations", [None, [], [{"output_tokens": 100}]])
def test_one_iteration_or_none_is_no_other_response(books: Books, iterations: object) -> None:
    transcript = ClaudeTranscript()
    transcript.response(output_tokens=100, usage={"iterations": iterations})

    totals = read(books, transcript)

    assert (totals["responses"], totals["output_tokens"]) == (1, 100)


def test_earlier_iterations_grow_from_line_to_line_like_the_last(books: Books) -> None:
    transcript = ClaudeTranscript()
    for output in (1, 30):
        iterations = [{"output_tokens": output}, {"output_tokens": 100}]
        transcript.response(id="msg_1", output_tokens=100, usage={"iterations": iterations})

    assert read(books, transcript)["output_tokens"] == 130


def test_iterations_that_lines_repeat_are_counted_once(books: Books) -> None:
    transcript = ClaudeTranscript()
    usage = {"iterations": [{"output_tokens": 2}, {"output_tokens": 100}]}
    transcript.response(calls=[ToolUse("Bash")], output_tokens=100, usage=usage)

    totals = read(books, transcript)

    assert (totals["responses"], totals["output_tokens"]) == (2, 102)


def test_cache_writes_are_told_apart_by_their_life(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.response(cache_write_5m_tokens=30, cache_write_1h_tokens=400)

    totals = read(books, transcript)

    assert (totals["cache_write_5m_tokens"], totals["cache_write_1h_tokens"]) == (30, 400)


def test_cache_writes_of_old_lines_without_the_split_are_of_five_minutes(books: Books) -> None:
    transcript = ClaudeTranscript(version="1.0.55")
    transcript.response(cache_write_5m_tokens=30, split_cache=False)

    totals = read(books, transcript)

    assert (totals["cache_write_5m_tokens"], totals["cache_write_1h_tokens"]) == (30, 0)


def test_cache_writes_that_the_split_leaves_out_are_of_five_minutes(books: Books) -> None:
    transcript = ClaudeTranscript()
    split = {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 100}
    usage = {"cache_creation_input_tokens": 117, "cache_creation": split}
    transcript.response(usage=usage)

    totals = read(books, transcript)

    assert (totals["cache_write_5m_tokens"], totals["cache_write_1h_tokens"]) == (17, 100)


def test_server_tools_tier_speed_and_place_are_kept(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.response(
        id="msg_1",
        usage={
            "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 2},
            "service_tier": "priority",
            "speed": "fast",
            "inference_geo": "eu",
        },
    )

    read(books, transcript)

    row = books.row("responses")
    assert (row["web_search_requests"], row["web_fetch_requests"]) == (3, 2)
    assert (row["service_tier"], row["speed"], row["inference_geo"]) == ("priority", "fast", "eu")


WORDS = {"service_tier": "batch", "speed": "fast", "inference_geo": "eu"}
NONE_TOLD: list[dict[str, Any]] = [
    dict.fromkeys(WORDS),
    dict.fromkeys(WORDS, ""),
    dict.fromkeys(WORDS, "not_available"),
    dict.fromkeys(WORDS, 7),
]


def words_of(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in WORDS}


@pytest.mark.parametrize("none", NONE_TOLD, ids=str)
@pytest.mark.parametrize("told_first", [True, False])
def test_a_word_of_any_line_is_kept_whatever_the_others_lack(
    books: Books, none: dict[str, Any], told_first: bool
) -> None:
    transcript = ClaudeTranscript()
    lines = [WORDS, none] if told_first else [none, WORDS]
    for words in lines:
        transcript.response(id="msg_1", usage=words)
        read(books, transcript)

    assert words_of(books.row("responses")) == WORDS


@pytest.mark.parametrize("none", NONE_TOLD, ids=str)
def test_a_word_that_no_line_tells_is_not_known(books: Books, none: dict[str, Any]) -> None:
    transcript = ClaudeTranscript()
    transcript.response(usage=none)

    read(books, transcript)

    assert words_of(books.row("responses")) == dict.fromkeys(WORDS)


def test_of_two_words_the_first_is_kept(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.response(id="msg_1", usage={"speed": "fast"}, output_tokens=1)
    transcript.response(id="msg_1", usage={"speed": "standard"}, output_tokens=9)

    read(books, transcript)

    assert books.row("responses")["speed"] == "fast"


def test_searches_and_fetches_of_the_api_are_the_largest_of_any_line(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.response(id="msg_1", web_searches=1, web_fetches=4, output_tokens=9)
    transcript.response(id="msg_1", web_searches=3, output_tokens=1)
    transcript.response(id="msg_1", usage={"server_tool_use": None}, output_tokens=2)

    read(books, transcript)

    row = books.row("responses")
    assert (row["web_search_requests"], row["web_fetch_requests"]) == (3, 4)


def test_the_counted_copy_has_the_words_and_searches_of_its_lines(books: Books) -> None:
    agent = ClaudeTranscript(agent_id=AGENT)
    agent.response(web_searches=2, usage=WORDS)
    main = ClaudeTranscript()
    main.relay(agent, parent_tool_use_id="toolu_1")
    fork = main.fork("second")

    read(books, main, (AGENT_KEY, agent), ("alice/shop/second.jsonl", fork))

    assert len(books.rows("responses")) == 3
    for row in books.rows("responses"):
        assert words_of(row) == WORDS
        assert row["web_search_requests"] == 2
    [counted] = books.counted("responses")
    assert counted["session_key"] == AGENT_KEY


def test_a_compaction_in_an_agent_file_is_a_response_of_its_session_counted_once(
    books: Books,
) -> None:
    main = ClaudeTranscript()
    main.response(output_tokens=10)
    compaction = ClaudeTranscript(agent_id="acompact-1f2e3d")
    compaction.response("A summary.", output_tokens=500)
    main.relay(compaction, parent_tool_use_id="toolu_1")
    main.compact_boundary()
    main.compact_summary()
    key = f"alice/shop/{SESSION_ID}/subagents/agent-acompact-1f2e3d.jsonl"

    totals = read(books, main, (key, compaction))

    assert (totals["sessions"], totals["responses"], totals["output_tokens"]) == (1, 2, 510)
    assert totals["prompts"] == 0
    [counted] = books.counted("responses", "output_tokens = 500")
    assert (counted["session_key"], counted["session_id"]) == (key, SESSION_ID)


def test_a_cost_that_was_logged_is_the_largest_of_its_lines_and_in_no_total(books: Books) -> None:
    transcript = ClaudeTranscript(version="1.0.24")
    for cost in (0.25, 0.5, 0):
        transcript.response(id="msg_1", costUSD=cost)
    transcript.response(id="msg_2")
    transcript.response(id="msg_3", costUSD="dear")
    transcript.response(id="msg_4", costUSD=-1)

    read(books, transcript)

    costs = {row["response_id"]: row["logged_cost_usd"] for row in books.rows("responses")}
    assert costs == {"msg_1": 0.5, "msg_2": None, "msg_3": None, "msg_4": None}
    assert books.totals()["cost_usd"] < 0.25, "by its tokens, not by what was logged"


@pytest.mark.parametrize("table", ["responses", "tool_calls", "prompts", "slash_commands"])
def test_every_fact_tells_how_its_agent_was_started(books: Books, table: str) -> None:
    transcript = ClaudeTranscript()
    for entrypoint in ("sdk-py", None):
        transcript.prompt(entrypoint=entrypoint)
        transcript.command("/clear", entrypoint=entrypoint)
        transcript.call("Bash", result=None, entrypoint=entrypoint)
    rollout = CodexRollout()
    rollout.prompt()
    rollout.call("exec_command")
    rollout.tokens(1, 0, 1)

    read(books, transcript, ("alice/rollout.jsonl", rollout))

    told = {(row["agent"], row["entrypoint"]) for row in books.rows(table)}
    of_claude = {("claude-code", "sdk-py"), ("claude-code", None)}
    assert told == of_claude | (set() if table == "slash_commands" else {("codex", "codex-tui")})


def test_a_response_is_of_the_project_and_client_that_its_line_names(books: Books) -> None:
    transcript = ClaudeTranscript(cwd="/work/shop", version="2.1.39")
    transcript.response(id="msg_1")
    transcript.cwd, transcript.version = r"D:\posh\website", "2.1.205"
    transcript.response(id="msg_2")

    read(books, transcript)

    told = [(r["cwd"], r["project"], r["client_version"]) for r in books.rows("responses")]
    assert told == [("/work/shop", "shop", "2.1.39"), (r"D:\posh\website", "website", "2.1.205")]


# Sub-agents


def working_agent(*, version: str = "2.1.39") -> ClaudeTranscript:
    agent = ClaudeTranscript(agent_id=AGENT, version=version)
    agent.prompt("Look around.")
    agent.response(id="msg_a1", output_tokens=11)
    agent.response(id="msg_a2", output_tokens=13)
    return agent


def calling(agent: ClaudeTranscript, *, relay: bool = False) -> ClaudeTranscript:
    """Give a main transcript that runs the agent, quoting its lines or not."""
    main = ClaudeTranscript(version=agent.version)
    main.prompt()
    call = main.call(subagent("Explore"), result=None, id="msg_main", output_tokens=5)
    if relay:
        main.relay(agent, parent_tool_use_id=call)
    main.agent_result(call, AGENT, total_tokens=12_345)
    return main


def test_a_subagents_own_file_is_of_its_session(books: Books) -> None:
    agent = working_agent()

    totals = read(books, calling(agent), (AGENT_KEY, agent))

    assert (totals["responses"], totals["output_tokens"]) == (3, 29)
    assert (totals["sessions"], totals["transcripts"]) == (1, 2)
    assert {(r["agent_id"], r["copy_rank"]) for r in books.rows("responses")} == {
        (None, 1),
        (AGENT, 0),
    }


def test_an_older_agent_file_beside_the_main_one_is_of_its_session(books: Books) -> None:
    agent = working_agent(version="2.0.42")

    totals = read(books, calling(agent), (FLAT_AGENT_KEY, agent))

    assert (totals["sessions"], totals["output_tokens"]) == (1, 29)


def test_the_oldest_sidechain_lines_in_the_main_file_count(books: Books) -> None:
    main = ClaudeTranscript(version="1.0.98")
    main.prompt()
    aside = ClaudeTranscript(version="1.0.98", sidechain=True)
    aside.prompt("Look around.")
    aside.response(output_tokens=11)
    main.include(aside)
    main.response(output_tokens=5)

    totals = read(books, main)

    assert totals["output_tokens"] == 16
    assert totals["prompts"] == 1, "a sub-agent's prompt was typed by nobody"
    assert [row["copy_rank"] for row in books.rows("responses")] == [2, 1]


def test_progress_lines_count_where_they_are_the_only_record(books: Books) -> None:
    agent = working_agent()

    totals = read(books, calling(agent, relay=True))

    assert totals["output_tokens"] == 29
    assert totals["prompts"] == 1
    rows = books.rows("responses", "response_id IN ('msg_a1', 'msg_a2')")
    assert [(row["copy_rank"], row["agent_id"]) for row in rows] == [(3, AGENT), (3, AGENT)]


def test_the_time_of_a_quoted_response_is_its_own(books: Books) -> None:
    agent = ClaudeTranscript(agent_id=AGENT, start=datetime(2026, 3, 2, 7, tzinfo=UTC))
    agent.response(id="msg_a1")
    main = ClaudeTranscript()
    main.progress(agent, agent_id=AGENT, parent_tool_use_id="toolu_1")

    read(books, main)

    assert books.row("responses")["at"].isoformat() == "2026-03-02T07:00:00"


@pytest.mark.parametrize("first", ["main", "agent"])
def test_a_response_in_agent_file_progress_and_sidechain_is_counted_in_the_agent_file(
    books: Books, first: str
) -> None:
    agent = working_agent()
    main = calling(agent, relay=True)
    aside = ClaudeTranscript(sidechain=True, version="1.0.98")
    aside.response(id="msg_a1", output_tokens=11)
    main.include(aside)
    arriving = [(KEY, main), (AGENT_KEY, agent)]

    for arrival in arriving if first == "main" else reversed(arriving):
        read(books, arrival)

    totals = books.totals()
    assert (totals["responses"], totals["output_tokens"]) == (3, 29)
    counted = books.counted("responses", "response_id LIKE 'msg_a_'")
    assert {row["session_key"] for row in counted} == {AGENT_KEY}
    copies = books.rows("responses", f"session_key = '{KEY}' AND response_id = 'msg_a1'")
    assert [row["copy_rank"] for row in copies] == [2], "a sidechain line before a progress copy"


def test_a_quoted_copy_with_more_output_is_counted_before_the_agent_file(books: Books) -> None:
    agent = ClaudeTranscript(agent_id=AGENT)
    agent.response(id="msg_a1", output_tokens=100)
    main = ClaudeTranscript()
    main.progress(agent, agent_id=AGENT, parent_tool_use_id="toolu_1")
    cut = ClaudeTranscript(agent_id=AGENT)
    cut.response(id="msg_a1", output_tokens=1)

    totals = read(books, main, (AGENT_KEY, cut))

    assert (totals["responses"], totals["output_tokens"]) == (1, 100)


def test_the_size_of_a_subagents_last_request_is_never_added(books: Books) -> None:
    main = ClaudeTranscript()
    call = main.call(subagent("Explore"), result=None, output_tokens=5, input_tokens=1)
    main.agent_result(call, AGENT, total_tokens=1_000_000)

    totals = read(books, main)

    assert totals["responses"] == 1
    assert sum(totals[name] for name in totals if name.endswith("_tokens")) == 6


def test_a_background_subagent_that_is_only_announced_uses_nothing(books: Books) -> None:
    main = ClaudeTranscript()
    call = main.call(subagent("Explore", tool="Agent"), result=None, output_tokens=5)
    main.agent_result(call, AGENT, background=True)
    main.task_notification()

    assert read(books, main)["output_tokens"] == 5


def test_other_progress_lines_that_hold_a_message_are_no_response(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.response()
    transcript.hook_progress(
        data={"type": "hook_progress", "message": {"type": "assistant", "message": {"id": "x"}}}
    )

    assert read(books, transcript)["responses"] == 1


# Any lines of any responses

line_of_a_response = st.tuples(st.integers(0, 2), *[st.integers(0, 5)] * 5)


@settings(max_examples=10)
@given(lines=st.lists(line_of_a_response, min_size=1, max_size=12))
def test_a_response_is_the_largest_of_its_lines_in_any_sequence(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[int, ...]]
) -> None:
    transcript = ClaudeTranscript()
    expected: dict[str, tuple[int, ...]] = {}
    for number, *figures in lines:
        id = f"msg_{number}"
        names = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
        tokens: Any = {f"{n}_tokens": f for n, f in zip(names, figures, strict=True)}
        transcript.response(id=id, **tokens)
        transcript.wait(-3600)
        before = expected.get(id, (0,) * 5)
        expected[id] = tuple(map(max, before, figures))

    with Books(tmp_path_factory.mktemp("books")) as books:
        totals = read(books, transcript)

    assert totals["responses"] == len(expected)
    sums = tuple(map(sum, zip(*expected.values(), strict=True)))
    assert sums == (
        totals["input_tokens"],
        totals["output_tokens"],
        totals["cache_read_tokens"],
        totals["cache_write_5m_tokens"],
        totals["cache_write_1h_tokens"],
    )


def uuids(transcript: ClaudeTranscript) -> set[str]:
    return {json.loads(line)["uuid"] for line in transcript.lines}
