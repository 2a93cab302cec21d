"""The audit finds what differs, says where and why, and leaves out what cannot be compared."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from books import Books

from sessionmill.audit.comparison import Difference
from sessionmill.demo.team import generate
from sessionmill.recount.election import ALL_FIGURES
from sessionmill.testing import ClaudeTranscript, CodexRollout, mcp, skill, subagent

KEY, FORK = "alice/s1.jsonl", "alice/s2.jsonl"


def told() -> ClaudeTranscript:
    """Return a transcript with one of each that is counted."""
    said = ClaudeTranscript("s1")
    said.prompt()
    said.command("/clear")
    said.response(id="msg_1", output_tokens=7, partial_output_tokens=(1, 3))
    said.call("Bash", result="no", is_error=True)
    said.call(skill("commit"))
    said.call(subagent("Explore"))
    said.call(mcp("linear", "get"))
    said.tear()
    return said


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    with Books(tmp_path) as books:
        books.put(KEY, told())
        books.put(FORK, told().fork("s2"))
        books.take_in()
        yield books


def change(books: Books, sql: str, *parameters: str) -> None:
    with books.app.facts.transaction() as cursor:
        cursor.execute(sql, parameters)


def found(books: Books) -> list[Difference]:
    audit = books.audit()
    assert audit.same is not bool(audit.differences)
    return audit.differences


# The second count


def test_the_second_count_imports_nothing_of_the_first() -> None:
    program = (
        "import sys, sessionmill.recount.election\n"
        "print(*(name for name in sys.modules if name.startswith('sessionmill.')))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert {name.split(".")[1] for name in printed.split()} == {"recount"}


def test_untouched_tables_are_the_same_in_every_class(books: Books) -> None:
    audit = books.audit()

    assert audit.same
    assert list(audit.users["alice"]) == list(ALL_FIGURES) == list(books.figures())
    assert {name: figure.tables for name, figure in audit.users["alice"].items()} == books.figures()
    assert {
        name: figure.recount for name, figure in audit.users["alice"].items()
    } == books.figures()
    without = {name for name, figure in books.figures().items() if not figure}
    assert without == {"cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens"}
    assert set(audit.sessions) == {("alice", "s1"), ("alice", "s2")}


@pytest.mark.real
def test_the_corpus_differs_in_no_row(tmp_path: Path, corpus: Path) -> None:
    with Books(tmp_path / "real") as books:
        books.sessions.rmdir()
        books.sessions.symlink_to(corpus)
        books.run()

        audit = books.audit()
        assert audit.differences == []
        assert audit.same
        assert not audit.left_out
        assert sum(named["responses"].recount for named in audit.users.values()) > 10_000


@pytest.mark.parametrize("seed", [1, 2])
def test_a_demo_team_differs_in_no_row(tmp_path: Path, seed: int) -> None:
    with Books(tmp_path / "team") as books:
        books.sessions.rmdir()
        generate(books.sessions, users=4, days=7, seed=seed)
        books.take_in()

        assert books.audit().differences == []
        assert books.audit().same


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_compressed_transcripts_are_recounted(books: Books, compress: object) -> None:
    assert callable(compress)
    ending = ".gz" if compress is gzip.compress else ".zst"
    books.put(f"bob/s9.jsonl{ending}", compress(bytes(told())))
    books.take_in()

    audit = books.audit()
    assert audit.same
    assert audit.users["bob"]["output_tokens"].recount > 0


def test_a_compressed_transcript_that_is_cut_is_recounted_as_far_as_it_goes(books: Books) -> None:
    whole = gzip.compress(bytes(told()) * 40)
    books.put("bob/s9.jsonl.gz", whole[:-40])
    books.take_in()

    assert books.audit().same
    assert not books.audit().left_out


# What differs


TAMPERED = {
    "UPDATE responses SET output_tokens = 9 WHERE counted": (
        ("output_tokens", 9, 7),
        "other figures than its lines",
    ),
    "DELETE FROM tool_calls WHERE name = 'Bash' AND counted": (
        ("tool_calls", 0, 1),
        "the tables have no row of it",
    ),
    "UPDATE prompts SET prompt_id = 'nowhere' WHERE counted": (
        ("prompts", 1, 0),
        "no line tells it",
    ),
    "INSERT INTO slash_commands FROM slash_commands WHERE counted": (
        ("slash_commands", 1, 0),
        "stored twice",
    ),
    "UPDATE responses SET counted = NOT counted WHERE response_id = 'msg_1'": (
        ("responses", 0, 1),
        "the copy to be counted is that of alice/s1.jsonl",
    ),
    "DELETE FROM malformed_lines WHERE session_key = 'alice/s1.jsonl'": (
        ("malformed_lines", 0, 1),
        "the tables have no row of it",
    ),
    "UPDATE tool_calls SET is_error = false WHERE name = 'Bash'": (
        ("tool_errors", 0, 1),
        "other figures than its lines",
    ),
}


@pytest.mark.parametrize(("sql", "expected"), TAMPERED.items(), ids=TAMPERED.keys())
def test_a_row_that_differs_is_named_with_its_place_and_cause(
    books: Books, sql: str, expected: tuple[tuple[str, int, int], str]
) -> None:
    figure, cause = expected
    change(books, sql)

    differences = found(books)

    named = [d for d in differences if (d.figure, d.tables, d.recount) == figure]
    assert named, differences
    assert cause in named[0].cause
    assert named[0].session_key == KEY
    assert named[0].line_offset is not None
    assert named[0].id
    figures = books.audit().users["alice"][figure[0]]
    assert figures.tables - figures.recount == sum(
        (d.tables or 0) - (d.recount or 0) for d in differences if d.figure == figure[0]
    )


def test_errors_that_make_up_for_one_another_are_found(books: Books) -> None:
    change(books, "UPDATE responses SET input_tokens = 5, output_tokens = output_tokens + 3")

    audit = books.audit()
    assert not audit.same
    assert {d.figure for d in audit.differences} >= {"input_tokens", "output_tokens"}


def test_a_copy_that_is_not_counted_is_compared_too(books: Books) -> None:
    change(books, "UPDATE responses SET output_tokens = 1 WHERE NOT counted")

    assert {(d.session_key, d.figure) for d in found(books)} == {(FORK, None)}
    assert all(f.tables == f.recount for f in books.audit().users["alice"].values())


def test_a_row_of_another_session_is_found(books: Books) -> None:
    change(books, "UPDATE prompts SET session_id = 's7' WHERE session_key = ?", KEY)

    assert {d.cause for d in found(books)} == {"filed under the session s7"}


def test_a_transcript_of_another_session_is_found(books: Books) -> None:
    change(books, "UPDATE transcripts SET session_id = 's7' WHERE session_key = ?", KEY)

    assert {(d.table, d.id) for d in found(books)} >= {("transcripts", "s7")}


def test_a_view_that_adds_up_otherwise_is_found(books: Books) -> None:
    [view] = books.ask("SELECT sql FROM duckdb_views() WHERE view_name = 'counted_usage'")
    wrong = view["sql"].replace(
        "output_tokens, cache_read", "2 * output_tokens AS output_tokens, cache_read"
    )
    assert wrong != view["sql"]
    change(books, wrong.replace("CREATE VIEW", "CREATE OR REPLACE VIEW"))

    differences = found(books)
    assert {(d.table, d.figure) for d in differences} == {("counted_usage", "output_tokens")}


# What is left out


def test_a_deleted_transcript_is_left_out_on_both_sides(books: Books) -> None:
    books.remove(KEY)
    assert books.audit().left_out == {"gone": 1}, "seen gone before any run says so"
    books.take_in()

    audit = books.audit()
    assert audit.left_out == {"gone": 1}
    assert audit.same
    # The copies of the deleted one are still those that count.
    assert audit.users["alice"]["responses"].recount == 0
    assert books.figures()["responses"] > 0


def test_what_is_kept_of_a_deleted_transcript_must_still_be_elected_rightly(books: Books) -> None:
    books.remove(KEY)
    books.take_in()
    change(books, "UPDATE responses SET counted = true")

    assert {(d.session_key, d.tables, d.recount) for d in found(books) if d.figure == "responses"}
    assert all(d.cause == f"the copy to be counted is that of {KEY}" for d in found(books))

    change(books, "UPDATE responses SET counted = false")
    assert {d.session_key for d in found(books)} == {KEY}


def test_a_transcript_that_grew_is_left_out_until_the_next_run(books: Books) -> None:
    grown = told()
    grown.response(output_tokens=1000)
    books.put(KEY, grown)
    assert books.audit().left_out == {"changed": 1}
    assert books.audit().same

    books.take_in()
    assert not books.audit().left_out
    assert books.audit().same


def test_a_transcript_that_waits_is_left_out(books: Books) -> None:
    change(books, "UPDATE session_processor_state SET version = 0 WHERE session_file = ?", KEY)

    assert books.audit().left_out == {"pending": 1}
    assert books.audit().same


def test_a_transcript_that_usage_failed_on_is_left_out(books: Books) -> None:
    change(books, "UPDATE session_processor_state SET attempts = 2 WHERE session_file = ?", KEY)

    assert books.audit().left_out == {"failed": 1}
    assert books.audit().same


def test_a_transcript_that_cannot_be_decompressed_is_left_out(books: Books) -> None:
    path = books.put("bob/s9.jsonl.gz", gzip.compress(bytes(told())))
    books.take_in()
    stat = path.stat()
    path.write_bytes(b"x" * stat.st_size)
    os.utime(path, ns=(0, stat.st_mtime_ns))

    assert books.audit().left_out == {"unreadable": 1}
    assert books.audit().same


def test_a_folder_in_the_place_of_a_transcript_is_left_out(books: Books) -> None:
    books.remove(KEY)
    (books.sessions / KEY).mkdir()

    assert books.audit().left_out == {"gone": 1}


def test_rollouts_are_recounted(books: Books) -> None:
    rollout = CodexRollout()
    rollout.turn()
    rollout.prompt("go on")
    rollout.tokens(1000, 100, 10)
    rollout.repeat_tokens()
    rollout.call("exec_command", success=False)
    books.put("bob/sessions/rollout-a.jsonl", rollout)
    books.take_in()

    audit = books.audit()
    assert audit.same
    assert audit.users["bob"]["responses"].recount == 1
