"""Why ccusage's figures differ: each rule, with a transcript of which the two say otherwise.

Where ccusage itself is on the PATH, it is asked too: nothing may be left that no rule explains.
"""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from books import Books
from hypothesis import given
from hypothesis import strategies as st
from made_up import AGENT, ClaudeSession, examples, moves, play

from sessionmill.audit.bridge import bridge
from sessionmill.audit.ccusage import against_ccusage
from sessionmill.audit.stored import Stored, stored
from sessionmill.audit.usage_lines import usage_lines
from sessionmill.demo.team import generate
from sessionmill.testing import ClaudeTranscript

needs_ccusage = pytest.mark.skipif(
    shutil.which("ccusage") is None, reason="ccusage is not on the PATH"
)
#: What cleans the environment of tests leaves the PATH alone.
START = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    with Books(tmp_path) as books:
        yield books


def tables_of(books: Books) -> Stored:
    return stored(books.app.facts.cursor(), version=1)


def explained(books: Books) -> dict[str, tuple[int, ...]]:
    """Return what each rule explains, of those that explain anything."""
    _, steps, _ = bridge(usage_lines(tables_of(books).transcripts))
    return {rule: tokens for rule, tokens in steps if any(tokens)}


def totals_of(books: Books) -> tuple[int, ...]:
    totals = books.totals()
    written = totals["cache_write_5m_tokens"] + totals["cache_write_1h_tokens"]
    return (
        totals["input_tokens"],
        totals["output_tokens"],
        totals["cache_read_tokens"],
        written,
    )


def transcript(*told: Callable[[ClaudeTranscript], object]) -> bytes:
    said = ClaudeTranscript("s1", start=START)
    for tell in told:
        tell(said)
    return bytes(said)


def answer(**how: Any) -> Callable[[ClaudeTranscript], object]:
    return lambda said: said.response(**how)


ONE = answer(id="msg_1", output_tokens=100)

#: For each rule, files that differ by it alone, and how many tokens of each class.
RULES: dict[str, tuple[dict[str, bytes], tuple[int, int, int, int]]] = {
    "compressed transcripts are not read": (
        {"alice/s1.jsonl.gz": gzip.compress(transcript(ONE))},
        (10, 100, 0, 0),
    ),
    "lines that are damaged are skipped": (
        {"alice/s1.jsonl": transcript(ONE, answer(output_tokens=7), lambda said: said.pad())},
        (10, 7, 0, 0),
    ),
    "lines without a time are skipped": (
        {"alice/s1.jsonl": transcript(ONE, answer(output_tokens=7, timestamp=None))},
        (10, 7, 0, 0),
    ),
    "lines with usage of any type count": (
        {"alice/s1.jsonl": transcript(ONE, answer(output_tokens=7, type=None))},
        (-10, -7, 0, 0),
    ),
    "earlier iterations of a fallback do not count": (
        {"alice/s1.jsonl": transcript(lambda said: said.fall_back())},
        (2, 2, 27_056, 21_874),
    ),
    "copies count once, whoever holds them": (
        {"alice/s1.jsonl": transcript(ONE), "bob/s1.jsonl": transcript(ONE)},
        (10, 100, 0, 0),
    ),
    "lines without a message id count each": (
        {
            "alice/s1.jsonl": transcript(answer(id="", output_tokens=7)),
            "alice/s2.jsonl": transcript(answer(id="", output_tokens=7)),
        },
        (-10, -7, 0, 0),
    ),
    "the line with the most tokens counts, main lines first": (
        {
            "alice/s1.jsonl": transcript(
                answer(id="msg_1", input_tokens=90, output_tokens=5, requestId="req_1"),
                answer(id="msg_1", input_tokens=10, output_tokens=20, requestId="req_1"),
            )
        },
        (0, 15, 0, 0),
    ),
    "lines under another request id, or none, count again": (
        {
            "alice/s1.jsonl": transcript(
                answer(id="msg_1", output_tokens=20, requestId="req_1"),
                answer(id="msg_1", output_tokens=20, requestId="req_2"),
            )
        },
        (-10, -20, 0, 0),
    ),
    "cache writes beyond their split do not count": (
        {
            "alice/s1.jsonl": transcript(
                answer(
                    id="msg_1",
                    output_tokens=1,
                    usage={
                        "cache_creation_input_tokens": 50,
                        "cache_creation": {"ephemeral_5m_input_tokens": 30},
                    },
                )
            )
        },
        (0, 0, 0, 20),
    ),
}


def put(books: Books, files: dict[str, bytes]) -> None:
    for key, content in files.items():
        books.put(key, content)
    books.take_in()


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_explains_what_it_alone_makes_differ(books: Books, rule: str) -> None:
    files, tokens = RULES[rule]
    put(books, files)

    assert explained(books) == {rule: tokens}


@needs_ccusage
@pytest.mark.parametrize("rule", RULES)
def test_ccusage_does_what_each_rule_says(books: Books, rule: str) -> None:
    files, tokens = RULES[rule]
    put(books, {"zoe/s0.jsonl": transcript(answer(id="msg_0", output_tokens=3)), **files})
    tables = tables_of(books)

    against = against_ccusage(tables.transcripts, tables.days)

    assert dict(against.steps)[rule] == tokens
    assert against.rules().values[-1][1:] == (0, 0, 0, 0)


@needs_ccusage
def test_answers_of_no_model_are_no_tokens_and_change_nothing(books: Books) -> None:
    put(books, {"alice/s1.jsonl": transcript(ONE, lambda said: said.api_error())})
    tables = tables_of(books)

    assert against_ccusage(tables.transcripts, tables.days).totals().values[1][-1] == 0


@examples(6)
@given(drawn=moves(ClaudeSession, most=30), forked_at=st.integers(0, 30))
def test_by_our_rules_lines_come_to_what_the_tables_hold(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, int]], forked_at: int
) -> None:
    with Books(tmp_path_factory.mktemp("books")) as books:
        main = ClaudeTranscript("s1")
        session = ClaudeSession(main)
        play(session, drawn)
        put(
            books,
            {
                "alice/s1.jsonl": bytes(main),
                "alice/s2.jsonl": bytes(main.fork("s2", lines=forked_at)),
                f"alice/s1/subagents/agent-{AGENT}.jsonl": bytes(session.agent),
                "bob/s1.jsonl": bytes(main),
            },
        )
        first, _, _ = bridge(usage_lines(tables_of(books).transcripts))

        assert first == totals_of(books)


@needs_ccusage
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_of_a_demo_team_ccusage_says_nothing_that_no_rule_explains(
    tmp_path: Path, seed: int
) -> None:
    with Books(tmp_path) as books:
        books.sessions.rmdir()
        generate(books.sessions, users=4, days=14, seed=seed)
        books.take_in()
        tables = tables_of(books)
        against = against_ccusage(tables.transcripts, tables.days)

    assert against.rules().values[-1][1:] == (0, 0, 0, 0)
    assert "is explained" in against.verdict()


@needs_ccusage
@pytest.mark.real
def test_of_the_corpus_ccusage_says_nothing_that_no_rule_explains(
    books: Books, corpus: Path
) -> None:
    books.sessions.rmdir()
    books.sessions.symlink_to(corpus)
    books.run()
    tables = tables_of(books)

    against = against_ccusage(tables.transcripts, tables.days)

    assert against.rules().values[-1][1:] == (0, 0, 0, 0)


def test_what_is_gone_explains_what_ccusage_cannot_read(books: Books) -> None:
    put(books, {"alice/s1.jsonl": transcript(ONE), "alice/s2.jsonl": transcript(answer())})
    books.remove("alice/s1.jsonl")
    books.take_in()

    first, _, _ = bridge(usage_lines(tables_of(books).transcripts))
    assert totals_of(books) == (20, 200, 0, 0)
    assert first == (10, 100, 0, 0)
