"""The two checks of the kit: each passes where it should, and fails with what helps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from kit_processors import (
    AskingAgain,
    CallCounter,
    Elected,
    Forgetful,
    ForgetfulLater,
    Greeting,
    Keyless,
    OnSelf,
    Unnamed,
    Words,
)

from samples import sampled
from sessionmill import testing
from sessionmill.contracts import Extraction, Transcript
from sessionmill.decode.records import Record
from sessionmill.process.inventory import Inventory
from sessionmill.process.usage import Usage
from sessionmill.testing import (
    ClaudeTranscript,
    CodexRollout,
    check_any_cut,
    check_golden,
    mcp,
)


def conversation() -> ClaudeTranscript:
    said = ClaudeTranscript("s1")
    said.prompt("Fix the total of the cart.")
    said.call("Bash", {"command": "make test"}, result="3 passed")
    said.call(mcp("linear", "get"))
    said.prompt("And the tax.")
    said.call("Bash", {"command": "make test"}, result="4 passed")
    said.response("Done.", partial_output_tokens=[1])
    said.prompt("Thanks.")
    return said


def rollout() -> CodexRollout:
    told = CodexRollout()
    told.turn()
    told.prompt()
    told.call("exec_command", {"cmd": "make test"}, result="3 passed")
    told.tokens(24_000, 2_400, 390)
    told.message()
    return told


# ── any cut ──


def test_one_that_is_right_over_one_cut_and_wrong_over_several_fails() -> None:
    with pytest.raises(AssertionError, match="when it is cut again and again"):
        check_any_cut(ForgetfulLater, conversation())


@pytest.mark.parametrize(
    "processor", sampled([Usage, AskingAgain, CallCounter, Elected, Inventory, Words], 2)
)
def test_a_processor_that_keeps_the_rule_passes(processor: type) -> None:
    check_any_cut(processor, conversation())


@pytest.mark.parametrize("processor", [Inventory, Usage])
def test_the_built_in_ones_keep_it_over_rollouts(processor: type) -> None:
    check_any_cut(processor, rollout())


def test_a_sub_agents_file_can_be_cut_and_settings_are_handed_on() -> None:
    agent = ClaudeTranscript("s1", agent_id="a7f3")
    agent.call("Bash")
    check_any_cut(CallCounter, agent)
    with pytest.raises(AssertionError, match="greetings differs"):
        check_any_cut(Greeting, agent, settings={"text": "a number that grows:"}, most_cuts=2)


def test_a_processor_without_carry_fails_and_is_told_where_and_what_to_do() -> None:
    with pytest.raises(AssertionError) as failed:
        check_any_cut(Forgetful, conversation())

    said = str(failed.value).splitlines()
    first = bytes(conversation()).split(b"\n")
    behind_two_calls = len(b"\n".join(first[:2])) + 1
    assert said[0] == (
        "call_counts differs from reading the transcript at once, when it is cut "
        f"before line 3 (at byte {behind_two_calls})"
    )
    assert said[1:3] == [
        '  + {"calls": 1, "name": "Bash"}',
        '  - {"calls": 2, "name": "Bash"}',
    ]
    assert "belongs into `carry`" in said[3]


def test_memory_on_self_is_no_carry() -> None:
    with pytest.raises(AssertionError, match="not on `self`"):
        check_any_cut(OnSelf, conversation())


def test_rows_of_what_is_half_written_are_found_out() -> None:
    class Guessing(CallCounter):
        """Takes the last record that it sees for the end."""

        name = "guessing"

        def extract(
            self, transcript: Transcript, records: Sequence[Record], carry: Any
        ) -> Extraction:
            done = super().extract(transcript, records, carry)
            ends = [(f"end-{records[-1].offset}", 1)]
            return Extraction(
                rows={"call_counts": ends}, safe_offset=done.safe_offset, carry=done.carry
            )

    with pytest.raises(AssertionError, match=r"within line 2|end of line 1|before line 2"):
        check_any_cut(Guessing, conversation())


def test_an_effectful_processor_that_does_not_name_its_table_is_told_to() -> None:
    with pytest.raises(AssertionError, match="names its tables in `tables`"):
        check_any_cut(Unnamed, conversation())


def test_what_cannot_be_compared_is_no_success() -> None:
    with pytest.raises(AssertionError, match="makes no rows of this transcript"):
        check_any_cut(CallCounter, ClaudeTranscript("s1"))
    with pytest.raises(AssertionError, match="sizes has rows without a session_key"):
        check_any_cut(Keyless, conversation())


def test_a_processor_that_fails_at_a_cut_is_told_which() -> None:
    class Impatient(Words):
        name = "impatient"

        def process_session(self, *given: Any) -> Any:
            if not given[0].read_bytes().endswith(b"\n"):
                raise ValueError("half a line")
            return super().process_session(*given)

    with pytest.raises(ValueError, match="half a line") as failed:
        check_any_cut(Impatient, conversation())
    [note] = failed.value.__notes__
    assert note.startswith("It was processing cut-a")


def test_however_few_cuts_are_asked_for_all_kinds_of_them_have_their_turn() -> None:
    content = bytes(conversation()) * 30
    kinds = {testing._place_of(cut, content).split(" line")[0] for cut in testing._cuts(content, 9)}
    assert kinds == {"before", "at the end of", "within"}
    assert len(testing._cuts(content, 9)) <= 9


# ── golden ──


def test_the_first_time_the_rows_are_written_and_the_next_time_held_to(tmp_path: Path) -> None:
    golden = tmp_path / "golden" / "calls.json"
    with pytest.raises(AssertionError, match=r"calls\.json was not there, and is written; look"):
        check_golden(CallCounter, conversation(), golden)
    assert json.loads(golden.read_text())["call_counts"][0]["name"] == "Bash"
    assert "key_hash" not in golden.read_text()

    check_golden(CallCounter, conversation(), golden)


@pytest.mark.parametrize(
    ("changed", "lines"),
    [
        ('"calls": 2', ['  + {"calls": 2, "name": "Bash"}', '  - {"calls": 7, "name": "Bash"}']),
        ('"session_id": "s1"', ['"session_id": "s1"', '"session_id": "s1"', "7"]),
    ],
    ids=["a figure", "what the framework says"],
)
def test_a_changed_row_fails_and_shows_both(tmp_path: Path, changed: str, lines: list[str]) -> None:
    golden = tmp_path / "calls.json"
    with pytest.raises(AssertionError):
        check_golden(CallCounter, conversation(), golden)
    before = golden.read_text()
    assert changed in before
    name, _, _ = changed.partition(":")
    golden.write_text(before.replace(changed, f"{name}: 7", 1))

    with pytest.raises(AssertionError, match=r"call_counts differs from .*calls\.json") as failed:
        check_golden(CallCounter, conversation(), golden)
    assert all(line in str(failed.value) for line in lines), str(failed.value)
    assert f"delete {golden} and run again" in str(failed.value)
    assert golden.read_text() != before, "a file that differs is not written over"


def test_a_row_more_or_fewer_fails_too_and_many_are_not_all_shown(tmp_path: Path) -> None:
    golden = tmp_path / "asked.json"
    kept = {"call_counts": [{"name": f"T{n}", "calls": 1} for n in range(9)]}
    golden.write_text(json.dumps(kept))
    with pytest.raises(AssertionError, match="- … and 6 more"):
        check_golden(CallCounter, conversation(), golden)

    tables = testing.run_session(CallCounter, conversation()).tables
    twice = {"call_counts": [*tables["call_counts"], tables["call_counts"][0]]}
    golden.write_text(json.dumps(twice))
    with pytest.raises(AssertionError, match=r'- \{"calls": 2, "name": "Bash"\}'):
        check_golden(CallCounter, conversation(), golden)


def test_times_and_settings_can_be_golden(tmp_path: Path) -> None:
    golden = tmp_path / "asked.json"
    for processor, settings in ((Elected, None), (Greeting, {"text": "hello"})):
        golden.unlink(missing_ok=True)
        with pytest.raises(AssertionError, match="written"):
            check_golden(processor, conversation(), golden, settings=settings)
        check_golden(processor, conversation(), golden, settings=settings)
