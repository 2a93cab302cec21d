"""The extractor that docs/writing-a-processor.md shows keeps the rule that the page asks for."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from pages import page

from sessionmill.testing import ClaudeTranscript, MemoryStore, check_any_cut, run_session


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """The page's extractor."""
    (tmp_path / "answers.py").write_text(page("writing-a-processor").files["answers.py"])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "answers", raising=False)
    return importlib.import_module("answers").Answers


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


def test_it_tells_how_long_a_person_waited_for_the_first_line_of_an_answer(
    answers: object,
) -> None:
    store = run_session(answers, conversation())
    rows = store.sql("SELECT wait_seconds, counted FROM waits ORDER BY line_offset")
    assert rows == [(5.0, True), (11.0, True), (None, False)]


def test_a_fork_repeats_a_prompt_and_it_is_counted_where_it_was_answered(answers: object) -> None:
    said = conversation()
    with MemoryStore(answers) as store:
        store.process(said, "alice/a.jsonl")
        fork = said.fork("0f3c9a52-0000-4b86-a2c4-5e8f10b7d936", lines=1)
        store.process(fork, "alice/a-fork.jsonl")
        counted = {
            row["session_key"]: row["counted"]
            for row in store.rows("waits")
            if row["line_offset"] == 0
        }
    assert counted == {"alice/a.jsonl": True, "alice/a-fork.jsonl": False}


def test_however_the_transcript_grew_the_table_is_that_of_reading_it_once(answers: object) -> None:
    check_any_cut(answers, conversation())
