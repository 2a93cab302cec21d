"""A transcript grows while it is read: what the next reading finds, and what it has to remember."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from books import Books

from sessionmill.testing import ClaudeTranscript, CodexRollout

KEY = "alice/0f3c.jsonl"
ROLLOUT = "alice/sessions/rollout-0f3c.jsonl"


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    with Books(tmp_path) as books:
        yield books


# The last line


def unfinished(content: bytes) -> bytes:
    """Take the newline off."""
    return content.removesuffix(b"\n")


def test_a_whole_last_line_counts_before_its_newline_is_written(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.prompt()
    transcript.response(output_tokens=7)

    books.put(KEY, unfinished(bytes(transcript)))
    books.take_in()
    assert books.totals()["output_tokens"] == 7

    transcript.response(output_tokens=2)
    books.put(KEY, transcript)
    books.take_in()
    assert books.totals()["responses"] == 2, "the newline must not make another response of it"
    assert books.totals()["output_tokens"] == 9


def test_half_a_last_line_waits_until_it_is_whole(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.prompt()
    transcript.response(output_tokens=7)
    content = bytes(transcript)

    books.put(KEY, content[:-40])
    books.take_in()
    assert books.totals()["responses"] == 0
    assert books.totals()["malformed_lines"] == 0, "it is being written, not damaged"

    books.put(KEY, content)
    books.take_in()
    assert books.totals()["output_tokens"] == 7


def test_a_last_line_of_several_objects_waits_for_its_newline(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.command()
    transcript.prompt()
    transcript.response(output_tokens=7)
    first, *others = transcript.lines
    content = first + b"".join(map(unfinished, others))

    books.put(KEY, content)
    books.take_in()
    assert books.totals()["prompts"] == 0

    books.put(KEY, content + b"\n")
    books.take_in()
    assert books.totals()["prompts"] == 1
    assert books.totals()["output_tokens"] == 7


def test_a_last_line_that_was_counted_and_is_cut_away_counts_no_more(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.prompt()
    before = bytes(transcript)
    transcript.response(output_tokens=7)
    books.put(KEY, unfinished(bytes(transcript)))
    books.take_in()

    books.put(KEY, before)
    books.take_in()

    assert books.totals()["responses"] == 0, "a transcript that was cut is read from zero"


def test_a_last_line_that_was_counted_and_is_another_now_counts_no_more(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.prompt()
    other = ClaudeTranscript()
    other.include(transcript)
    transcript.response(id="msg_1", output_tokens=7)
    other.response(id="msg_2", output_tokens=70)
    other.response(id="msg_3", output_tokens=700)
    books.put(KEY, unfinished(bytes(transcript)))
    books.take_in()

    books.put(KEY, other)
    books.take_in()

    assert books.totals()["output_tokens"] == 770, "a transcript that was replaced begins anew"


def test_a_last_line_that_was_counted_and_went_on_to_be_malformed_is_only_that(
    books: Books,
) -> None:
    transcript = ClaudeTranscript()
    transcript.prompt()
    transcript.response(output_tokens=7)
    whole = unfinished(bytes(transcript))
    books.put(KEY, whole)
    books.take_in()

    books.put(KEY, whole + b"half of\n")
    books.take_in()

    totals = books.totals()
    assert (totals["responses"], totals["malformed_lines"]) == (0, 1)


# What is remembered between readings


def read_in_two(books: Books, before: bytes, whole: bytes) -> None:
    """Let one user's transcript be read before it has grown and after, another's but after."""
    books.put("both/0f3c.jsonl", before)
    books.take_in()
    books.put("both/0f3c.jsonl", whole)
    books.put("once/0f3c.jsonl", whole)
    books.take_in()


def test_a_queued_prompt_meets_the_line_that_repeats_it_in_a_later_append(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.queued_command("go on")
    books.put(KEY, transcript)
    books.take_in()
    assert books.totals()["prompts"] == 1

    transcript.prompt("go on")
    books.put(KEY, transcript)
    books.take_in()
    assert books.totals()["prompts"] == 1
    assert [row["queued"] for row in books.counted("prompts")] == [False]


def test_as_many_prompts_are_remembered_within_a_reading_as_between_two(books: Books) -> None:
    transcript = ClaudeTranscript("s1")
    queued_at = transcript.now
    transcript.prompt("the first")
    for number in range(200):
        transcript.prompt(f"prompt {number}")
    before = bytes(transcript)
    transcript.wait((queued_at - transcript.now).total_seconds() - 1)
    transcript.queued_command("the first")

    read_in_two(books, before, bytes(transcript))

    assert books.differences() == []


@pytest.mark.parametrize("typed", [199, 201, 500])
def test_a_prompt_is_found_to_be_repeated_however_many_stand_between(
    books: Books, typed: int
) -> None:
    transcript = ClaudeTranscript("s1")
    transcript.queued_command("the first")
    for number in range(typed):
        transcript.prompt(f"prompt {number}")
    before = bytes(transcript)
    transcript.prompt("the first")

    read_in_two(books, before, bytes(transcript))

    assert books.differences() == []
    [row] = books.rows("prompts", "username = 'once' AND repeated")
    assert row["queued"]


def test_codex_totals_and_model_are_remembered_between_appends(books: Books) -> None:
    rollout = CodexRollout()
    rollout.turn("gpt-5.5")
    rollout.tokens(1000, 100, 10)
    books.put(ROLLOUT, rollout)
    books.take_in()

    rollout.tokens(2000, 1000, 20)
    books.put(ROLLOUT, rollout)
    books.take_in()

    later = books.rows("responses")[1]
    assert (later["output_tokens"], later["model"]) == (20, "gpt-5.5")
    assert (later["session_id"], later["cwd"]) == (rollout.session_id, "/work/shop")


# Reading again


def told() -> bytes:
    transcript = ClaudeTranscript()
    transcript.prompt("go on")
    transcript.call("Bash")
    transcript.call("Read", result=None)
    transcript.command()
    transcript.response(output_tokens=7)
    return bytes(transcript)


def test_a_transcript_that_only_bears_another_time_is_not_read_again(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.call("Bash")
    books.put(KEY, transcript)
    books.run()
    before = books.tables()

    books.put(KEY, transcript)
    tallies = books.run()

    assert [(tally.processed, tally.skipped) for tally in tallies] == [(0, 1), (0, 1)]
    assert books.tables() == before


def test_another_version_of_the_processors_ends_in_the_same_tables(books: Books) -> None:
    books.put(KEY, told())
    books.put("alice/0f3c-fork.jsonl", told())
    books.take_in()
    before = books.tables()

    books.take_in(version=2)

    assert books.tables() == before


@pytest.mark.parametrize("shorter", [0, 1, 900, 3000])
def test_a_transcript_that_was_cut_is_read_from_zero(books: Books, shorter: int) -> None:
    content = told()
    for key in ("u1/0f3c.jsonl", "u2/0f3c.jsonl"):
        books.put(key, content)
    books.take_in()

    books.put("u1/0f3c.jsonl", content[:shorter])
    books.remove("u2/0f3c.jsonl")
    books.put("u3/0f3c.jsonl", content[:shorter])
    books.take_in()

    assert books.tables_of("u1") == books.tables_of("u3")


# What a transcript is called


def unnamed_then_named() -> list[bytes]:
    """Give a transcript whose first lines name no session, then one that does, then more."""
    transcript = ClaudeTranscript("the-session")
    transcript.snapshot()
    transcript.prompt(sessionId=None, version=None, cwd=None)
    transcript.raw(b"// a comment\n")
    unnamed = bytes(transcript)
    transcript.response()
    named = bytes(transcript)
    transcript.call("Bash")
    return [unnamed, named, bytes(transcript)]


def sessions_of(books: Books) -> set[str]:
    """Return the session ids of all rows of all tables."""
    tables = [table for table in books.tables() if table != "transcripts"]
    named = [{row["session_id"] for row in books.rows(table)} for table in tables]
    [transcript] = books.ask("SELECT session_id FROM transcripts")
    return {transcript["session_id"]}.union(*named)


def test_a_transcript_without_a_named_session_is_called_by_its_stem(books: Books) -> None:
    unnamed, *_ = unnamed_then_named()

    books.put(KEY, unnamed)
    books.take_in()

    assert sessions_of(books) == {"0f3c"}


def test_a_session_that_is_named_later_names_the_rows_there_are(books: Books) -> None:
    for content in unnamed_then_named():
        books.put(KEY, content)
        books.run()

    assert sessions_of(books) == {"the-session"}


@pytest.mark.parametrize("names", [("usage", "inventory"), ("inventory", "usage")])
def test_a_session_that_is_named_later_names_the_rows_of_the_processor_that_comes_second(
    books: Books, names: tuple[str, str]
) -> None:
    unnamed, named, _ = unnamed_then_named()
    books.put(KEY, unnamed)
    books.run()

    books.put(KEY, named)
    for name in names:
        books.reopen()
        books.run(name)

    assert sessions_of(books) == {"the-session"}


def test_the_first_session_that_is_named_stays_the_session(books: Books) -> None:
    transcript = ClaudeTranscript("first-named")
    transcript.prompt()
    books.put(KEY, transcript)
    books.take_in()

    transcript.prompt(sessionId="second-named")
    books.put(KEY, transcript)
    books.take_in()

    assert sessions_of(books) == {"first-named"}


def test_the_folder_of_subagents_names_the_session_whatever_the_records_say(books: Books) -> None:
    agent = ClaudeTranscript("another", agent_id="a7f3c21")
    agent.prompt()
    agent.response()

    books.put("alice/shop/the-session/subagents/agent-a7f3c21.jsonl", agent)
    books.take_in()

    assert sessions_of(books) == {"the-session"}


def test_an_agent_file_beside_the_main_file_is_of_the_session_its_records_name(
    books: Books,
) -> None:
    agent = ClaudeTranscript("the-session", agent_id="a7f3c21", version="2.0.42")
    agent.response()

    books.put("alice/shop/agent-a7f3c21.jsonl", agent)
    books.take_in()

    assert sessions_of(books) == {"the-session"}


def test_the_first_version_and_folder_that_are_named_are_the_transcripts(books: Books) -> None:
    first, *_, whole = unnamed_then_named()
    books.put(KEY, first)
    books.take_in()
    books.put(KEY, whole + first.replace(b'"version":"2.1.200",', b""))
    books.take_in()

    [told] = books.ask("SELECT client_version, cwd, project, agent FROM transcripts")
    assert told == {
        "client_version": "2.1.200",
        "cwd": "/work/shop",
        "project": "shop",
        "agent": "claude-code",
    }
