"""The extractor that docs/writing-a-processor.md shows keeps the rule that the page asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pages import page

from conftest import Ended, Mill
from sessionmill.testing import ClaudeTranscript

Run = Callable[[Path], Ended]


def conversation() -> ClaudeTranscript:
    """Two prompts and their answers, what is typed meanwhile, a sub-agent, and an open question."""
    said = ClaudeTranscript()
    said.prompt("Fix the total of the cart.")
    said.wait(4).response("I look.", partial_output_tokens=[1])
    said.queued_command("And the tax.")
    said.call("Bash", {"command": "make test"}, result="3 passed")
    said.prompt("Who else uses it?")
    agent = ClaudeTranscript(said.session_id, start=said.now, sidechain=True, seed=1)
    agent.prompt("Look around.")
    agent.response("Three places.")
    said.include(agent)
    said.wait(9).response("Three places.")
    said.prompt("Thanks. One more thing.")
    return said


@pytest.fixture
def run(mill: Mill, tmp_path: Path) -> Run:
    """Run the page's extractor over a folder."""
    shown = next(
        b for b in page("writing-a-processor").of("python") if b.first_line == "# answers.py"
    )
    (tmp_path / "answers.py").write_text(shown.body)

    def run(folder: Path) -> Ended:
        given = ("--processor", "answers:Answers", "--sessions", folder, "--db", f"{folder}.db")
        return mill("run", "answers", *given)

    return run


def waits(mill: Mill, folder: Path) -> list[dict[str, object]]:
    """Return all that the extractor has stored of a folder."""
    query = "SELECT * FROM waits ORDER BY session_key, line_offset"
    rows: list[dict[str, object]] = mill("sql", query, "--json", "--db", f"{folder}.db").rows
    return rows


def test_it_tells_how_long_a_person_waited_for_the_first_line_of_an_answer(
    run: Run, mill: Mill, tmp_path: Path
) -> None:
    conversation().write(tmp_path / "team" / "alice" / "a.jsonl")
    assert run(tmp_path / "team").status == 0

    rows = waits(mill, tmp_path / "team")
    assert [row["wait_seconds"] for row in rows] == [5.0, 11.0, None]
    assert [row["counted"] for row in rows] == [True, True, False]


def test_a_fork_repeats_a_prompt_and_it_is_counted_where_it_was_answered(
    run: Run, mill: Mill, tmp_path: Path
) -> None:
    said = conversation()
    said.write(tmp_path / "team" / "alice" / "a.jsonl")
    fork = said.fork("0f3c9a52-0000-4b86-a2c4-5e8f10b7d936", lines=1)
    fork.write(tmp_path / "team" / "alice" / "a-fork.jsonl")
    run(tmp_path / "team")

    rows = waits(mill, tmp_path / "team")
    first = [row for row in rows if row["prompt_id"] == rows[0]["prompt_id"]]
    assert [(row["session_key"], row["counted"]) for row in first] == [
        ("alice/a-fork.jsonl", False),
        ("alice/a.jsonl", True),
    ]


def test_however_the_transcript_grew_the_table_is_that_of_reading_it_once(
    run: Run, mill: Mill, tmp_path: Path
) -> None:
    whole = bytes(conversation())
    ends = [at + 1 for at, byte in enumerate(whole) if byte == ord("\n")]
    # Behind the question; within a line; before a newline; within the sub-agent's; before the last.
    cuts = [ends[0], ends[1] + 40, ends[2] - 1, ends[6], ends[-2], ends[-1] - 1, len(whole)]
    for name, lengths in {"once": [len(whole)], "grown": cuts}.items():
        path = tmp_path / name / "alice" / "a.jsonl"
        path.parent.mkdir(parents=True)
        for length in lengths:
            path.write_bytes(whole[:length])
            ended = run(tmp_path / name)
            assert ended.status == 0, ended.err
    assert waits(mill, tmp_path / "grown") == waits(mill, tmp_path / "once")
