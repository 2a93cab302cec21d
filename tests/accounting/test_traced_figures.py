"""Figures traced to lines: each with its rule, and together what the tables say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from books import Books
from hypothesis import given
from hypothesis import strategies as st
from made_up import edges, examples, families

from sessionmill.errors import IdUnknown, UsageError
from sessionmill.store.known import known_transcripts
from sessionmill.testing import ClaudeTranscript, CodexRollout, ToolUse, Transcript, skill
from sessionmill.view.contributions import RULES, Contribution
from sessionmill.view.explain import Explanation, explain_id, explain_session

A, B = "alice/a.jsonl", "alice/b.jsonl"


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    with Books(tmp_path) as books:
        yield books


def explained(books: Books, key: str = A, *, limit: int = 10_000) -> Explanation:
    cursor = books.app.facts.cursor()
    [known] = known_transcripts(cursor, key)
    return explain_session(cursor, known, books.app.facts.spool, limit=limit)


def explained_id(books: Books, id: str) -> Explanation:
    return explain_id(books.app.facts.cursor(), id, books.app.facts.spool, limit=10_000)


def explained_all(books: Books) -> list[Explanation]:
    """Explain every session there is."""
    sessions = books.ask(
        "SELECT username, session_id, min(session_key) AS key FROM transcripts GROUP BY ALL"
    )
    return [explained(books, row["key"]) for row in sessions]


def read(books: Books, **transcripts: Transcript) -> None:
    for name, transcript in transcripts.items():
        books.put(f"alice/{name}.jsonl", transcript)
    books.take_in()


def of(told: Explanation, what: str = "response") -> list[Contribution]:
    return [row for row in told.rows if row.what == what]


def rules(told: Explanation, what: str = "response") -> list[str]:
    return [row.rule for row in of(told, what)]


def added(told: list[Explanation]) -> dict[str, int]:
    """Add up what single rows add."""
    sums = Counter[str]()
    for one in told:
        assert not one.truncated
        for row in one.rows:
            sums.update(row.counted)
    return sums


def hold_to_the_tables(books: Books) -> None:
    """Hold that the lines of all sessions add up to what the tables and reports say."""
    told = explained_all(books)
    assert [one.differing for one in told] == [[]] * len(told)
    assert all(row.equal for one in told for row in one.sums)
    assert {row.rule for one in told for row in one.rows} <= set(RULES)
    totals, sums = books.totals(), added(told)
    figures = totals.keys() - {"transcripts", "sessions"}
    costs = {name for name in figures if not isinstance(totals[name], int)}
    for name in figures - costs:
        assert sums[name] == totals[name], name
    for name in costs:  # a report may round them, and says NULL of none
        assert float(sums[name]) == pytest.approx(float(totals[name] or 0), abs=1e-6), name


# Any transcripts


@examples(4)
@given(files=families, part=st.integers(0, 1000))
def test_the_lines_of_any_family_of_transcripts_add_up_to_what_the_tables_say(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], part: int
) -> None:
    """Copies, forks, sub-agents and progress lines among them; read in part, then whole."""
    with Books(tmp_path_factory.mktemp("books")) as books:
        for number, (place, content) in enumerate(files.items()):
            places = edges(content) or [0]
            books.put(f"alice/{place}", content[: places[(part + number) % len(places)]])
        books.take_in()
        hold_to_the_tables(books)
        for place, content in files.items():
            books.put(f"alice/{place}", content)
        books.take_in()
        hold_to_the_tables(books)


@examples(3)
@given(files=families)
def test_what_is_gone_still_adds_up(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    with Books(tmp_path_factory.mktemp("books")) as books:
        for place, content in files.items():
            books.put(f"alice/{place}", content)
        books.take_in()
        for place in list(files)[::2]:
            books.remove(f"alice/{place}")
        hold_to_the_tables(books)


# The rules


def test_of_a_response_each_line_adds_what_it_has_more(books: Books) -> None:
    transcript = ClaudeTranscript()
    for output in (1, 1, 50):
        transcript.response(id="msg_1", output_tokens=output, input_tokens=3)
    read(books, a=transcript)

    told = explained(books)

    assert rules(told) == ["first_line", "completes", "grows"]
    assert [row.counted.get("output_tokens", 0) for row in told.rows] == [1, 0, 49]
    assert [row.discarded.get("output_tokens", 0) for row in told.rows] == [0, 1, 1]
    assert [row.states["output_tokens"] for row in told.rows] == [1, 1, 50]
    assert [row.discarded.get("responses", 0) for row in told.rows] == [0, 1, 1]
    offsets = [row["line_offset"] for row in books.rows("responses")]
    assert [row.line_offset for row in told.rows][:1] == offsets
    assert [row.line_type for row in told.rows] == ["assistant"] * 3


def test_an_earlier_iteration_is_said_to_be_one(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.fall_back()
    read(books, a=transcript)

    told = explained(books)

    assert "earlier_iteration" in rules(told)
    [row] = [row for row in told.rows if row.rule == "earlier_iteration"]
    assert row.id is not None and row.id.endswith("/0")
    assert row.counted["responses"] == 1


def test_a_synthetic_line_is_told_and_adds_nothing(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.response(model="<synthetic>", output_tokens=50)
    read(books, a=transcript)

    [row] = explained(books).rows

    assert (row.rule, row.counted) == ("synthetic", {})
    assert row.discarded["output_tokens"] == 50


def test_a_result_completes_its_call_and_says_whether_it_failed(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.call(skill("commit"), is_error=True)
    read(books, a=transcript)

    told = explained(books)

    assert rules(told, "call") == ["first_line"]
    assert of(told, "call")[0].counted == {"tool_calls": 1, "skill_invocations": 1}
    assert rules(told, "result") == ["completes"]
    assert of(told, "result")[0].counted == {"tool_errors": 1}


def test_a_result_without_its_call_adds_nothing(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.prompt()
    transcript.result("toolu_elsewhere", is_error=True)
    read(books, a=transcript)

    [row] = of(explained(books), "result")

    assert (row.rule, row.id, row.counted) == ("result_without_call", "toolu_elsewhere", {})
    assert row.discarded == {"tool_errors": 1}


def test_a_result_before_its_call_leaves_the_count_to_the_call(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.prompt()
    transcript.result("toolu_1", is_error=True)
    transcript.call(ToolUse("Bash", id="toolu_1"), result=None)
    read(books, a=transcript)

    told = explained(books)

    assert rules(told, "result") == ["completes"]
    assert rules(told, "call") == ["first_line"]
    assert of(told, "call")[0].counted == {"tool_calls": 1, "tool_errors": 1}
    assert told.agrees


def test_a_queued_prompt_that_a_user_line_repeats_is_not_counted_and_both_lines_say_so(
    books: Books,
) -> None:
    transcript = ClaudeTranscript()
    transcript.queued_command("go on")
    transcript.prompt("go on")
    transcript.queued_command("and the tax")
    read(books, a=transcript)

    told = explained(books)

    assert rules(told, "prompt") == [
        "queued_repeated", "first_line", "repeats_queued", "first_line"
    ]  # fmt: skip
    queued, typed, mark, other = of(told, "prompt")
    assert (queued.counted, queued.discarded) == ({}, {"prompts": 1})
    assert (mark.id, mark.line_offset) == (queued.id, typed.line_offset)
    assert typed.counted == other.counted == {"prompts": 1}


def test_a_prompt_whose_copy_is_known_to_be_repeated_names_that_copy(books: Books) -> None:
    before = ClaudeTranscript("first")
    before.queued_command("go on")
    after = before.fork("second")
    after.prompt("go on")
    read(books, a=before, b=after)

    [row] = of(explained(books, A), "prompt")

    assert (row.rule, row.elected, row.decided_by) == ("queued_repeated", B, "repeated")


def test_a_malformed_line_is_told_with_its_place(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.prompt()
    transcript.raw(b"{not JSON}\n")
    read(books, a=transcript)

    [row] = of(explained(books), "malformed")

    assert (row.id, row.rule, row.counted) == (None, "first_line", {"malformed_lines": 1})
    assert row.line_offset == books.row("malformed_lines")["line_offset"]


def test_a_rollouts_repeated_count_is_told_and_adds_nothing(books: Books) -> None:
    rollout = CodexRollout()
    rollout.turn()
    rollout.tokens(100, 40, 7)
    rollout.repeat_tokens()
    read(books, a=rollout)

    told = explained(books)

    assert rules(told) == ["first_line", "repeats"]
    first, again = of(told)
    assert first.id == again.id
    assert (again.counted, again.discarded["output_tokens"]) == ({}, 7)
    assert told.agrees


# Copies


def forked() -> dict[str, Transcript]:
    original = ClaudeTranscript("first")
    original.prompt()
    original.call(ToolUse("Bash", id="toolu_1"), id="msg_1", output_tokens=5)
    fork = original.fork("second")
    fork.response(id="msg_2", output_tokens=70)
    return {"a": original, "b": fork}


def test_a_copy_names_the_transcript_that_is_counted_and_what_decided(books: Books) -> None:
    read(books, **forked())

    told = explained(books, B)

    copies = [row for row in told.rows if row.id != "msg_2"]
    assert {row.rule for row in copies} == {"copy_not_counted"}
    assert {(row.elected, row.decided_by) for row in copies} == {(A, "session_key")}
    assert all(row.counted == {} for row in copies)
    assert all(row.discarded == row.states for row in copies)
    assert (added([told])["responses"], added([told])["output_tokens"]) == (1, 70)


@pytest.mark.parametrize(
    ("mine", "decided_by"),
    [({"output_tokens": 1}, "output_tokens"), ({"isSidechain": True}, "copy_rank")],
)
def test_what_decides_between_copies_is_the_first_term_in_which_they_differ(
    books: Books, mine: dict[str, Any], decided_by: str
) -> None:
    less, more = ClaudeTranscript("first"), ClaudeTranscript("second")
    fields = {"output_tokens": 9} | mine
    less.response(id="msg_1", **fields)
    more.response(id="msg_1", output_tokens=9)
    read(books, a=less, b=more)

    [row] = of(explained(books, A))

    assert (row.rule, row.elected, row.decided_by) == ("copy_not_counted", B, decided_by)


def test_the_transcripts_of_sub_agents_belong_to_their_session(books: Books) -> None:
    agent = ClaudeTranscript(agent_id="a7f3c21")
    agent.call("Grep")
    main = ClaudeTranscript()
    main.relay(agent, parent_tool_use_id="toolu_1")
    agent_key = f"alice/z/{main.session_id}/subagents/agent-a7f3c21.jsonl"
    books.put(A, main)
    books.put(agent_key, agent)
    books.take_in()

    told = explained(books, A)

    assert [one.session_key for one in told.transcripts] == [A, agent_key]
    by_transcript = {row.session_key: row.rule for row in of(told)}
    assert by_transcript == {A: "copy_not_counted", agent_key: "first_line"}
    assert {row.elected for row in of(told) if row.session_key == A} == {agent_key}
    assert told.agrees


# One response, one call


def test_a_response_is_traced_through_all_transcripts_of_all_users(books: Books) -> None:
    transcripts = forked()
    books.put("bob/c.jsonl", transcripts["a"])
    read(books, **transcripts)

    told = explained_id(books, "msg_1")

    assert [(row.session_key, row.rule) for row in told.rows] == [
        (A, "first_line"),
        (B, "copy_not_counted"),
        ("bob/c.jsonl", "first_line"),
    ]
    sums = {row.figure: row for row in told.sums}
    assert (sums["output_tokens"].counted, sums["output_tokens"].discarded) == (10, 5)
    assert sums["output_tokens"].tables == 10
    assert told.agrees


def test_a_call_is_traced_with_its_results(books: Books) -> None:
    read(books, **forked())

    told = explained_id(books, "toolu_1")

    assert [(row.session_key, row.what) for row in told.rows] == [
        (A, "call"), (A, "result"), (B, "call"), (B, "result")
    ]  # fmt: skip
    assert added([told]) == {"tool_calls": 1}


def test_the_earlier_iterations_of_a_response_are_traced_with_it(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.fall_back()
    read(books, a=transcript)
    id = books.rows("responses")[-1]["response_id"].partition("/")[0]

    told = explained_id(books, id)

    assert {row.id for row in told.rows} >= {id, f"{id}/0"}
    assert told.agrees


@pytest.mark.parametrize("id", ["msg_nowhere", "", "msg_"])
def test_an_id_that_nothing_states_is_refused(books: Books, id: str) -> None:
    read(books, **forked())
    with pytest.raises(IdUnknown, match="sessionmill explain --session"):
        explained_id(books, id)


# What has changed since


def test_a_transcript_that_grew_is_traced_as_far_as_it_was_read(books: Books) -> None:
    transcript = ClaudeTranscript("first")
    transcript.response(output_tokens=5)
    read(books, a=transcript)
    length = len(bytes(transcript))
    transcript.response(output_tokens=6)
    books.put(A, transcript)

    told = explained(books)

    [traced] = told.transcripts
    assert (traced.state, traced.traced_bytes) == ("grown", length)
    assert traced.new_bytes == len(bytes(transcript)) - length
    assert added([told])["output_tokens"] == 5
    assert told.agrees and not told.is_whole


def test_an_unterminated_line_that_was_read_is_traced(books: Books) -> None:
    transcript = ClaudeTranscript("first")
    transcript.response(output_tokens=5)
    books.put(A, bytes(transcript).removesuffix(b"\n"))
    books.take_in()

    told = explained(books)

    assert added([told])["output_tokens"] == 5
    assert [one.state for one in told.transcripts] == ["read"]
    assert told.agrees


def test_of_a_replaced_transcript_the_tables_rows_are_told(books: Books) -> None:
    read(books, **forked())
    books.put(A, ClaudeTranscript("third"))

    told = explained(books)

    assert [one.state for one in told.transcripts] == ["replaced"]
    assert {row.rule for row in told.rows} == {"gone"}
    assert added([told])["output_tokens"] == 5


def test_a_gone_transcripts_rows_are_told_from_the_tables(books: Books) -> None:
    read(books, **forked())
    books.remove(A)
    books.remove(B)

    told = explained(books, B)

    assert [one.state for one in told.transcripts] == ["gone"]
    assert {row.rule for row in told.rows} == {"gone"}
    copies = [row for row in of(told) if row.id == "msg_1"]
    assert [(row.counted, row.elected) for row in copies] == [({}, A)]
    assert added([told])["output_tokens"] == 70
    assert told.agrees


def test_a_transcript_that_was_never_read_is_said_to_be(books: Books) -> None:
    read(books, **forked())
    books.ask("DELETE FROM session_processor_state WHERE processor_name = 'usage'")
    assert [one.state for one in explained(books).transcripts] == ["unread"]


# The verdict


def test_an_election_that_counts_two_copies_is_noticed(books: Books) -> None:
    read(books, **forked())
    books.ask("UPDATE responses SET counted = true")

    told = explained(books, B)

    assert "copy_not_counted" in rules(told)
    assert told.differing == [B]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE responses SET output_tokens = output_tokens + 1 WHERE session_key = ?",
        "DELETE FROM prompts WHERE session_key = ?",
        "UPDATE tool_calls SET counted = false WHERE session_key = ?",
        "UPDATE slash_commands SET counted = NOT counted WHERE session_key = ?",
        "DELETE FROM malformed_lines WHERE session_key = ?",
    ],
)
def test_tables_that_say_something_else_than_the_lines_are_noticed(
    books: Books, damage: str
) -> None:
    transcript = ClaudeTranscript("first")
    transcript.prompt()
    transcript.call("Bash")
    transcript.command("/clear")
    transcript.raw(b"{not JSON}\n")
    read(books, a=transcript)
    assert explained(books).agrees

    books.ask(damage, A)

    told = explained(books)
    assert not told.agrees
    assert told.differing == [A]
    assert not all(row.equal for row in told.sums)


def test_rows_are_limited_and_sums_are_not(books: Books) -> None:
    read(books, **forked())
    whole, cut = explained(books, B), explained(books, B, limit=2)

    assert (len(cut.rows), cut.truncated) == (2, True)
    assert cut.rows == whole.rows[:2]
    assert cut.sums == whole.sums
    assert not explained(books, B, limit=len(whole.rows)).truncated
    with pytest.raises(UsageError, match="--limit"):
        explained(books, B, limit=0)
