"""Output that was logged in part is flagged, and what it took is estimated beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from books import Books
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionmill.decode.records import Content
from sessionmill.process.usage.partial_output import EARLIER, LATER, tokens, weights
from sessionmill.testing import ClaudeTranscript, CodexRollout, ToolUse, Transcript

KEY = "alice/shop/0f3c.jsonl"
EARLIER_MODEL, LATER_MODEL = "claude-opus-4-6", "claude-opus-5"
WORDS = "x" * 1000


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    with Books(tmp_path) as books:
        yield books


def read(books: Books, transcript: Transcript, key: str = KEY) -> list[dict[str, Any]]:
    books.put(key, transcript)
    books.take_in()
    return books.rows("responses")


def said(
    text: str = WORDS, *, output_tokens: int, stopped: bool = False, **how: Any
) -> ClaudeTranscript:
    """Give a transcript of one response; without a stop reason, if nothing else is told."""
    told = ClaudeTranscript(version="2.1.39")
    how = {"model": EARLIER_MODEL, **how}
    told.response(text, output_tokens=output_tokens, stopped=stopped, **how)
    return told


def partial(row: dict[str, Any]) -> tuple[bool | None, int | None]:
    return row["output_is_partial"], row["output_tokens_estimate"]


# When it is partial


@pytest.mark.parametrize(("logged", "is_partial"), [(1, True), (149, True), (150, False)])
def test_output_of_less_than_half_of_what_its_content_takes_is_partial(
    books: Books, logged: int, is_partial: bool
) -> None:
    [row] = read(books, said(output_tokens=logged))

    assert row["content_tokens"] == 300
    assert partial(row) == (is_partial, 300 if is_partial else None)


def test_output_of_a_response_with_a_stop_reason_is_complete_whatever_its_content(
    books: Books,
) -> None:
    [row] = read(books, said(output_tokens=1, stopped=True))

    assert row["has_stop_reason"] is True
    assert partial(row) == (False, None)


def test_one_line_with_a_stop_reason_is_enough(books: Books) -> None:
    told = said(output_tokens=1, id="msg_1")
    told.response("", id="msg_1", calls=[ToolUse("Bash")], output_tokens=1, stopped=True)
    told.response("", id="msg_1", calls=[ToolUse("Read")], output_tokens=1, stopped=False)

    [row] = read(books, told)

    assert partial(row) == (False, None)


def test_output_that_grew_to_what_its_content_takes_is_complete_without_a_stop_reason(
    books: Books,
) -> None:
    [row] = read(books, said(partial_output_tokens=(1,), output_tokens=280))

    assert (row["output_tokens"], *partial(row)) == (280, False, None)


def test_what_has_neither_a_stop_reason_nor_content_is_not_known(books: Books) -> None:
    told = ClaudeTranscript()
    iterations = [{"output_tokens": 2}, {"output_tokens": 100}]
    told.response(id="msg_1", usage={"iterations": iterations})

    earlier, last = sorted(read(books, told), key=lambda row: str(row["response_id"]), reverse=True)

    assert earlier["response_id"] == "msg_1/0"
    assert (earlier["content_tokens"], *partial(earlier)) == (None, None, None)
    assert partial(last) == (False, None)


def test_an_estimate_is_in_no_total(books: Books) -> None:
    [row] = read(books, said(output_tokens=1))

    assert row["output_tokens_estimate"] == 300
    assert books.totals()["output_tokens"] == 1
    [hour] = books.ask("SELECT output_tokens FROM hourly_usage")
    assert hour["output_tokens"] == 1


def test_output_of_codex_is_complete(books: Books) -> None:
    rollout = CodexRollout()
    rollout.turn()
    rollout.message("x" * 10_000)
    rollout.tokens(100, 10, 1)

    [row] = read(books, rollout)

    assert (row["has_stop_reason"], row["content_tokens"], *partial(row)) == (
        True,
        None,
        False,
        None,
    )


# What content takes


@pytest.mark.parametrize(
    ("content", "earlier", "later"),
    [
        (Content(text_bytes=1000), 300, 365),
        (Content(argument_bytes=1000, calls=1), 355, 490),
        (Content(calls=2), 110, 120),
        (Content(signature_bytes=1150), 168, round(0.266 * 850)),
        (Content(thinking_bytes=1000, signature_bytes=400), 300, 365),
        (Content(thinking_bytes=1000), 300, 365),
        (Content(signature_bytes=20), 0, 0),
    ],
    ids=str,
)
def test_content_takes_what_its_kinds_weigh(content: Content, earlier: int, later: int) -> None:
    assert tokens(content, EARLIER_MODEL) == earlier
    assert tokens(content, LATER_MODEL) == later


@pytest.mark.parametrize(
    "model",
    [
        *("claude-3-5-haiku-20241022", "claude-sonnet-4-20250514", "claude-opus-4-1-20250805"),
        *("claude-haiku-4-5-20251001", "claude-sonnet-4-6", "claude-opus-4"),
    ],
)
def test_earlier_models_have_weights_of_their_own(model: str) -> None:
    assert weights(model) is EARLIER


@pytest.mark.parametrize("model", ["claude-opus-4-7", "claude-opus-4-8", "claude-opus-5", "", None])
def test_later_and_unknown_models_are_weighed_alike(model: str | None) -> None:
    assert weights(model) is LATER


def test_thinking_that_is_not_shown_is_weighed_by_its_signature(books: Books) -> None:
    signature = "s" * 1150
    [hidden] = read(books, said("", thinking="", signature=signature, output_tokens=1))

    assert hidden["content_tokens"] == 168
    assert partial(hidden) == (True, 168)


def test_blocks_on_lines_of_their_own_are_added_up(books: Books) -> None:
    calls = [ToolUse("Bash", {"command": "x" * 986}), ToolUse("Bash", {"command": "x" * 986})]
    told = said(thinking="", signature="s" * 1150, calls=calls, output_tokens=5)

    [row] = read(books, told)

    assert len(told) == 4
    assert row["content_tokens"] == 168 + 300 + 2 * (55 + 300)


def test_a_line_and_the_progress_line_that_quotes_it_are_weighed_once(books: Books) -> None:
    agent = ClaudeTranscript(agent_id="a7f3c21", version="2.1.39")
    agent.response(WORDS, id="msg_1", model=EARLIER_MODEL, output_tokens=1, stopped=False)
    main = ClaudeTranscript(version="2.1.39")
    main.include(agent)
    main.relay(agent, parent_tool_use_id="toolu_1")

    [row] = read(books, main)

    assert row["content_tokens"] == 300


def test_content_goes_on_where_another_run_left_it(books: Books) -> None:
    told = said(id="msg_1", output_tokens=1)
    read(books, told)
    told.prompt()
    told.response(WORDS, id="msg_1", model=EARLIER_MODEL, output_tokens=1, stopped=False)

    [row] = read(books, told)

    assert partial(row) == (True, 600)


def test_what_is_partial_so_far_is_complete_once_it_ends(books: Books) -> None:
    told = said(id="msg_1", output_tokens=1)
    [before] = read(books, told)
    told.response("", id="msg_1", calls=[ToolUse("Bash")], output_tokens=360, stopped=True)

    [after] = read(books, told)

    assert (partial(before), partial(after)) == ((True, 300), (False, None))


lengths = st.lists(st.integers(1, 3000), min_size=1, max_size=6)


@settings(max_examples=12)
@given(lengths=lengths, logged=st.integers(0, 2000), later=st.booleans())
def test_only_output_that_did_not_end_is_partial_and_its_estimate_is_above_what_was_logged(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], logged: int, later: bool
) -> None:
    open_, ended = ClaudeTranscript(seed=1), ClaudeTranscript(seed=2)
    how: dict[str, Any] = {"id": "msg_1", "model": LATER_MODEL if later else EARLIER_MODEL}
    for length in lengths:
        open_.response("x" * length, output_tokens=logged, stopped=False, **how)
        ended.response("x" * length, output_tokens=logged, stopped=True, **how)
    with Books(tmp_path_factory.mktemp("books")) as books:
        books.put("alice/a.jsonl", open_)
        books.put("bob/b.jsonl", ended)
        books.take_in()
        [of_open, of_ended] = books.rows("responses")

    assert partial(of_ended) == (False, None)
    assert of_open["content_tokens"] == of_ended["content_tokens"]
    is_partial, estimate = partial(of_open)
    if is_partial:
        assert estimate == of_open["content_tokens"] > 2 * logged
    else:
        assert (is_partial, estimate) == (False, None)
        assert of_open["content_tokens"] <= 2 * logged
