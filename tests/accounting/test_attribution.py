"""What calls and commands brought about: sub-agent runs, results by size, turns of commands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from books import Books, Row
from hypothesis import given
from made_up import examples, families

from sessionmill.process.usage import Usage
from sessionmill.testing import ClaudeTranscript, MemoryStore, ToolUse, skill, subagent
from sessionmill.view import reports

#: Dollars for a million tokens of the model that builders name.
INPUT, OUTPUT, WRITE_5M, WRITE_1H = Decimal(3), Decimal(15), Decimal("3.75"), Decimal(6)
ALL_TOKENS = (
    "input_tokens + output_tokens + cache_read_tokens + cache_write_5m_tokens"
    " + cache_write_1h_tokens"
)


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    with Books(tmp_path) as books:
        yield books


def report(books: Books, by: reports.By, **given: Any) -> dict[str | None, Row]:
    """Return the rows of a report by their groups."""
    rows = reports.usage(books.cursor(), by, **given).document()["rows"]
    return {row[by]: row for row in rows}


def tokens(books: Books, by: reports.By) -> dict[str | None, int | None]:
    return {group: row["attributed_tokens"] for group, row in report(books, by).items()}


def read(books: Books, *transcripts: ClaudeTranscript) -> None:
    """Take transcripts of alice's in, each where its client keeps it."""
    for transcript in transcripts:
        books.put(f"alice/shop/{transcript.path()}", transcript)
    books.take_in()


def of_subagents(books: Books) -> int:
    """Return the tokens of all that sub-agents answered."""
    [row] = books.ask(
        f"SELECT coalesce(sum({ALL_TOKENS}), 0)::BIGINT AS n FROM responses"  # noqa: S608 - ours
        " WHERE counted AND agent_id IS NOT NULL"
    )
    return int(row["n"])


# Runs of sub-agents


def test_a_run_goes_to_the_call_that_started_it() -> None:
    main = ClaudeTranscript("s1")
    call = main.call(subagent("Explore"), result=None, output_tokens=1)
    agent = main.subagent("a1")
    agent.response(input_tokens=2, output_tokens=3, cache_read_tokens=4, cache_write_5m_tokens=5)
    agent.response(input_tokens=0, output_tokens=7, cache_write_1h_tokens=11)
    main.agent_result(call, "a1", total_tokens=999)
    main.response(output_tokens=1000)
    with MemoryStore(Usage) as store:
        store.process(main)
        store.process(agent)
        [row] = store.rows("tool_calls", "tool_use_id", "started_agent_id")
        assert row == {"tool_use_id": call, "started_agent_id": "a1"}
        told = store.sql(
            "SELECT tool_use_id, run_agent_id, run_responses, run_input_tokens, run_output_tokens,"
            " run_cache_read_tokens, run_cache_write_5m_tokens, run_cache_write_1h_tokens,"
            " attributed_tokens FROM attributed_usage"
        )
    assert told == [(call, "a1", 2, 2, 10, 4, 5, 11, 32)]


def test_the_run_of_a_run_is_its_own_calls_and_not_the_outer_ones(books: Books) -> None:
    main = ClaudeTranscript("s1")
    outer_call = main.call(subagent("outer"), result=None)
    outer = main.subagent("a1")
    inner_call = outer.call(subagent("inner"), result=None, input_tokens=0, output_tokens=10)
    inner = outer.subagent("a2")
    inner.response(input_tokens=0, output_tokens=500)
    outer.agent_result(inner_call, "a2")
    outer.response(input_tokens=0, output_tokens=7)
    main.agent_result(outer_call, "a1")
    read(books, main, outer, inner)

    assert tokens(books, "subagent") == {"outer": 17, "inner": 500}
    assert of_subagents(books) == 517
    assert tokens(books, "tool") == {"Task": 517}


def test_a_run_without_its_file_is_taken_from_progress_lines(books: Books) -> None:
    main = ClaudeTranscript("s1", version="2.1.39")
    call = main.call(subagent("Explore"), result=None)
    agent = main.subagent("a1")
    agent.response(input_tokens=1, output_tokens=20)
    agent.call("Grep", result="none", input_tokens=1, output_tokens=20)
    main.relay(agent, parent_tool_use_id=call)
    read(books, main)  # no result has come, and no file is there

    assert tokens(books, "subagent") == {"Explore": 42}
    read(books, agent)
    assert tokens(books, "subagent") == {"Explore": 42}, "told twice, counted once"


def test_a_run_in_the_background_goes_to_its_call_too(books: Books) -> None:
    main = ClaudeTranscript("s1", version="2.1.205")
    call = main.call(subagent("Explore", tool="Agent", run_in_background=True), result=None)
    main.agent_result(call, "a1", background=True)
    agent = main.subagent("a1")
    main.response()
    agent.response(input_tokens=0, output_tokens=33)
    main.task_notification()
    read(books, main, agent)

    assert tokens(books, "subagent") == {"Explore": 33}


def test_copies_in_forks_add_nothing(books: Books) -> None:
    main = ClaudeTranscript("s1", version="2.1.39")
    call = main.call(subagent("Explore"), result=None)
    agent = main.subagent("a1")
    agent.response(input_tokens=0, output_tokens=33)
    main.relay(agent, parent_tool_use_id=call)
    main.agent_result(call, "a1")
    main.call("Read", result="x" * 100)
    main.response(input_tokens=0, cache_write_5m_tokens=1000)
    read(books, main, agent)
    alone = tokens(books, "tool")
    read(books, main.fork("s0"), main.fork("s2"))

    assert tokens(books, "tool") == alone == {"Task": 33, "Read": 40}
    assert of_subagents(books) == 33


def test_a_run_has_the_call_in_its_own_session_though_a_forks_copy_is_counted(books: Books) -> None:
    main = ClaudeTranscript("s1")
    call = main.call(subagent("Explore"), result=None)
    agent = main.subagent("a1")
    agent.response(input_tokens=0, output_tokens=33)
    main.agent_result(call, "a1")
    read(books, main.fork("s0"), main, agent)

    rows = books.rows("attributed_usage")
    assert [(row["session_id"], row["counted"], row["attributed_tokens"]) for row in rows] == [
        ("s0", True, None),
        ("s1", False, 33),
    ]
    [row] = report(books, "subagent").values()
    assert (row["tool_calls"], row["attributed_tokens"]) == (1, 33)


def test_a_run_of_whose_session_no_call_is_left_is_of_no_type(books: Books) -> None:
    main = ClaudeTranscript("s1")
    call = main.call(subagent("Explore"), result=None)
    agent = main.subagent("a1")
    agent.response(input_tokens=0, output_tokens=33)
    main.agent_result(call, "a1")
    read(books, main.fork("s2"), agent)  # the client has deleted the session's own transcript

    assert tokens(books, "subagent") == {"Explore": None, None: 33}


def test_runs_of_one_id_go_each_to_the_call_of_their_own_session(books: Books) -> None:
    for session, type, output in (("s1", "Explore", 10), ("s2", "Plan", 200)):
        main = ClaudeTranscript(session, seed=output)
        call = main.call(subagent(type), result=None)
        agent = main.subagent("a1")
        agent.response(input_tokens=0, output_tokens=output)
        main.agent_result(call, "a1")
        read(books, main, agent)

    assert tokens(books, "subagent") == {"Explore": 10, "Plan": 200}


def test_a_run_that_two_calls_name_goes_to_the_first(books: Books) -> None:
    main = ClaudeTranscript("s1")
    agent = main.subagent("a1")
    for _ in range(2):
        call = main.call(subagent("Explore"), result=None)
        main.agent_result(call, "a1")
        agent.response(input_tokens=0, output_tokens=10)
    read(books, main, agent)

    told = [row["attributed_tokens"] for row in books.rows("attributed_usage")]
    assert sorted(told, key=str) == [20, None], "whole, and once"


def test_a_run_without_a_call_has_a_row_of_its_own(books: Books) -> None:
    main = ClaudeTranscript("s1")
    call = main.call(subagent("Explore"), result=None)
    agent, compaction = main.subagent("a1"), main.subagent("acompact-1")
    agent.response(input_tokens=0, output_tokens=10)
    compaction.response(input_tokens=0, output_tokens=200)
    main.agent_result(call, "a1")
    read(books, main, agent, compaction)

    rows = report(books, "subagent")
    assert {type: row["attributed_tokens"] for type, row in rows.items()} == {
        "Explore": 10,
        None: 200,
    }
    assert (rows[None]["tool_calls"], rows[None]["result_bytes"]) == (0, 0)
    assert sum(row["attributed_tokens"] for row in rows.values()) == of_subagents(books)
    assert set(tokens(books, "tool")) == {"Task"}


def test_a_skill_that_runs_as_a_sub_agent_is_given_its_run(books: Books) -> None:
    main = ClaudeTranscript("s1", version="2.1.205")
    call = main.call(skill("review"), result=None)
    agent = main.subagent("a1")
    agent.response(input_tokens=0, output_tokens=10)
    main.agent_result(call, "a1")
    read(books, main, agent)

    assert tokens(books, "skill") == {"review": 10}
    assert tokens(books, "subagent") == {None: 10}, "of no type, and the rows are all runs"


def test_a_run_that_left_no_trace_is_not_known_and_never_zero(books: Books) -> None:
    main = ClaudeTranscript("s1")
    call = main.call(subagent("Explore"), result=None)
    main.agent_result(call, "a1")
    main.reject(main.call(subagent("Plan"), result=None))
    main.response()
    read(books, main)

    assert tokens(books, "subagent") == {"Explore": None, "Plan": 0}
    assert report(books, "subagent")["Explore"]["attributed_cost_usd"] is None


def test_a_run_counts_whole_on_the_day_of_its_call(books: Books) -> None:
    main = ClaudeTranscript("s1")
    call = main.call(subagent("Explore"), result=None)
    main.agent_result(call, "a1", background=True)
    agent = main.subagent("a1")
    agent.wait(86_400).response(input_tokens=0, output_tokens=10)
    read(books, main, agent)

    day = main.now.date()
    assert report(books, "subagent", since=day)["Explore"]["attributed_tokens"] == 10
    assert report(books, "subagent", until=day) == {}


# Results


def filled(books: Books) -> dict[str, int]:
    """Return the tokens of each call's result, by the name of the tool."""
    return {row["name"]: row["attributed_tokens"] for row in books.rows("attributed_usage")}


def test_a_result_takes_of_the_next_response_and_of_no_other(books: Books) -> None:
    main = ClaudeTranscript("s1")
    main.call("Read", result="x" * 1000, input_tokens=0, cache_write_5m_tokens=7000)
    reader = main.response(input_tokens=0, cache_write_5m_tokens=300)
    main.response(input_tokens=0, cache_write_5m_tokens=5000, cache_read_tokens=9000)
    read(books, main)

    [row] = books.rows("attributed_usage")
    assert (row["result_response_id"], row["attributed_tokens"]) == (reader, 300)


def test_results_that_are_read_together_share_by_their_size(books: Books) -> None:
    main = ClaudeTranscript("s1")
    calls = [ToolUse("Read", {"n": 1}, id="toolu_1"), ToolUse("Grep", {"n": 2}, id="toolu_2")]
    main.response("", calls=calls)
    main.result("toolu_1", "x" * 3000)
    main.result("toolu_2", "x" * 1000)
    main.response(input_tokens=0, cache_write_1h_tokens=1000)
    read(books, main)

    assert filled(books) == {"Read": 750, "Grep": 250}


def test_a_prompt_that_is_read_together_with_a_result_has_its_share(books: Books) -> None:
    main = ClaudeTranscript("s1")
    main.call("Read", result="x" * 1000)
    main.prompt("y" * 3000)
    main.response(input_tokens=0, cache_write_5m_tokens=400)
    read(books, main)

    assert filled(books) == {"Read": 100}


def test_a_response_that_writes_its_context_anew_does_so_for_no_small_result(books: Books) -> None:
    main = ClaudeTranscript("s1")
    main.call("Read", result="x" * 100)
    main.response(input_tokens=0, cache_write_5m_tokens=150_000)
    read(books, main)

    assert filled(books) == {"Read": 40}


def test_what_was_read_by_nobody_took_nothing(books: Books) -> None:
    main = ClaudeTranscript("s1")
    main.response(input_tokens=5000)
    main.call("Read", result="x" * 1000, input_tokens=5000)
    main.call("Grep", result=None)
    read(books, main)

    assert filled(books) == {"Read": 10, "Grep": 0}


def test_a_result_fills_the_context_it_stands_in(books: Books) -> None:
    main = ClaudeTranscript("s1")
    call = main.call(subagent("Explore"), result=None)
    agent = main.subagent("a1")
    agent.call("Read", result="x" * 1000, input_tokens=0, output_tokens=0)
    main.wait(1).call("Grep", result="x" * 1000)
    main.response(input_tokens=100)  # before the agent's next
    agent.wait(10).response(input_tokens=300, output_tokens=0)
    main.agent_result(call, "a1")
    read(books, main, agent)

    assert filled(books) == {"Read": 300, "Grep": 100, "Task": 300}


def test_absurd_figures_of_a_damaged_line_are_no_error(books: Books) -> None:
    main = ClaudeTranscript("s1")
    main.command("/review")
    main.call("Read", result="x" * 1000, input_tokens=0, output_tokens=0)
    huge = 2**63 - 1
    call = main.call(
        subagent("Explore"),
        result=None,
        input_tokens=huge,
        output_tokens=0,
        cache_write_5m_tokens=huge,
        cache_write_1h_tokens=huge,
    )
    agent = main.subagent("a1")
    agent.response(input_tokens=huge, output_tokens=huge)
    main.agent_result(call, "a1")
    read(books, main, agent)

    # Of 400 tokens each class has a third, rounded down.
    assert filled(books) == {"Read": 399, "Task": 2 * huge}
    assert tokens(books, "tool") == {"Read": 399, "Task": 2 * huge}
    assert tokens(books, "command") == {"/review": 3 * huge}


# Dollars


def test_costs_are_those_of_the_tokens_to_the_last_digit(books: Books) -> None:
    main = ClaudeTranscript("s1")
    call = main.call(subagent("Explore"), result=None)
    agent = main.subagent("a1")
    agent.response(input_tokens=1, output_tokens=3)
    main.agent_result(call, "a1", "")
    main.call("Read", result="x" * 1000)
    main.response(input_tokens=3, cache_write_5m_tokens=200, cache_write_1h_tokens=100)
    read(books, main, agent)

    costs = {row["name"]: row["attributed_cost_usd"] for row in books.rows("attributed_usage")}
    assert costs["Task"] == (1 * INPUT + 3 * OUTPUT) / 1_000_000
    assert costs["Read"] == (3 * INPUT + 200 * WRITE_5M + 100 * WRITE_1H) / 1_000_000


def test_what_has_no_price_is_unpriced_and_never_zero(books: Books) -> None:
    main = ClaudeTranscript("s1")
    call = main.call(subagent("Explore"), result=None)
    agent = main.subagent("a1")
    agent.response(model="nobody-sells-it")
    main.agent_result(call, "a1")
    main.call("Read")
    main.response(model="nobody-sells-it")
    main.command("/review")
    main.response(model="nobody-sells-it")
    read(books, main, agent)

    for by in ("subagent", "command"):
        [row] = report(books, by).values()
        assert (row["attributed_tokens"], row["attributed_cost_usd"]) == (110, None), by
    assert report(books, "tool")["Read"]["attributed_cost_usd"] is None


# Slash commands


def test_a_commands_turn_ends_with_the_next_prompt_or_command(books: Books) -> None:
    main = ClaudeTranscript("s1")
    main.response(output_tokens=1, input_tokens=0)
    main.command("/review", custom=True)
    main.meta("Review it.")
    main.call("Read", output_tokens=20, input_tokens=0)
    main.response(output_tokens=300, input_tokens=0)
    main.prompt()
    main.response(output_tokens=4000, input_tokens=0)
    main.command("/clear")
    main.command("/deploy")
    main.response(output_tokens=50_000, input_tokens=0)
    read(books, main, main.fork("s0"), main.fork("s2"))

    assert tokens(books, "command") == {"/review": 320, "/clear": 0, "/deploy": 50_000}


def test_what_sub_agents_do_is_no_commands(books: Books) -> None:
    main = ClaudeTranscript("s1")
    main.command("/review")
    call = main.call(subagent("Explore"), result=None, output_tokens=1, input_tokens=0)
    agent, aside = main.subagent("a1"), main.subagent(None)
    agent.response(output_tokens=20, input_tokens=0)
    aside.response(output_tokens=300, input_tokens=0)
    main.include(aside)
    main.agent_result(call, "a1")
    main.response(output_tokens=4000, input_tokens=0)
    read(books, main, agent)

    assert tokens(books, "command") == {"/review": 4001}


# All of it


@pytest.mark.parametrize("since", [None, date(2026, 1, 1)])
def test_a_session_that_runs_a_program_again_and_again_is_one_session(
    books: Books, since: date | None
) -> None:
    """In several quarters of an hour, and once in vain."""
    main = ClaudeTranscript("s1")
    for is_error in (False, True, False):
        main.call("Bash", {"command": "git status"}, is_error=is_error)
        main.wait(1200)
    read(books, main)
    for row in (
        report(books, "program", since=since)["git"],
        report(books, "tool", since=since)["Bash"],
    ):
        assert (row["tool_calls"], row["tool_errors"], row["sessions"]) == (3, 1, 1)


@given(families)
@examples(6)
def test_the_parts_come_to_the_whole_whatever_happened(transcripts: dict[str, bytes]) -> None:
    with MemoryStore(Usage) as store:
        for place, content in transcripts.items():
            store.process(content, f"alice/{place}")
        [(calls, distinct, runs)] = store.sql(
            "SELECT count(tool_use_id), count(DISTINCT tool_use_id),"
            " coalesce(sum(attributed_tokens) FILTER (run_agent_id IS NOT NULL), 0)"
            " FROM attributed_usage"
        )
        assert [(calls,)] == store.sql("SELECT count(*) FROM tool_calls WHERE counted")
        assert calls == distinct
        assert [(runs,)] == store.sql(
            f"SELECT coalesce(sum({ALL_TOKENS}), 0) FROM responses"  # noqa: S608 - ours
            " WHERE counted AND agent_id IS NOT NULL"
        )
        assert not store.sql(
            "SELECT response_id, r.input_tokens FROM attributed_usage a"
            " JOIN responses r ON r.response_id = a.result_response_id AND r.counted"
            " GROUP BY ALL HAVING sum(result_input_tokens) > r.input_tokens"
        )
        columns: dict[reports.By, str] = {"tool": "name", "program": "program"}
        for by, column in columns.items():
            rows = reports.usage(store._trial.facts.cursor(), by).document()["rows"]
            sessions = {row[by]: row["sessions"] for row in rows if row["tool_calls"]}
            assert sessions == dict(
                store.sql(
                    f"SELECT {column}, count(DISTINCT (username, session_id)) FROM tool_calls"  # noqa: S608 - ours
                    f" WHERE counted AND {column} IS NOT NULL GROUP BY {column}"
                )
            )
        [(of_commands,)] = store.sql("SELECT coalesce(sum(responses), 0) FROM attributed_commands")
        [(of_main,)] = store.sql(
            "SELECT count(*) FROM responses WHERE counted AND agent_id IS NULL"
        )
        assert of_commands <= of_main
