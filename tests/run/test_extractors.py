"""The pure contract: records in, rows out; however a transcript grew, the same tables."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import run_extractors
from hypothesis import given, settings
from hypothesis import strategies as st
from run_extractors import BREACHES, CULPRIT, GOOD
from run_place import Place, counted, errors_of, figures, key, told

from samples import sampled
from sessionmill.contracts import Extractor, SessionProcessor
from sessionmill.testing import ClaudeTranscript, FakeClock

OFFSETS = "run_extractors:Offsets"
GROUPS = "run_extractors:Groups"


@pytest.fixture
def place(tmp_path: Path, clock: FakeClock) -> Iterator[Place]:
    with Place(tmp_path, clock) as place:
        yield place


def starts(transcript: ClaudeTranscript) -> list[int]:
    """Return the offset of each line."""
    offsets, at = [], 0
    for line in transcript.lines:
        offsets.append(at)
        at += len(line)
    return offsets


# ── what it is given ──


def test_the_contracts_tell_the_two_kinds_apart() -> None:
    offsets: Extractor = run_extractors.Offsets()
    assert isinstance(offsets, Extractor)
    assert not isinstance(offsets, SessionProcessor)


def test_every_record_is_given_once_with_the_offset_of_its_line(place: Place) -> None:
    transcript = place.write("s1", told("s1", prompts=5))
    assert figures(place.run_one(OFFSETS)) == counted(seen=1, scanned=1, processed=1)
    assert place.column("SELECT line_offset FROM offsets ORDER BY ALL") == starts(transcript)


def test_the_framework_adds_whose_row_it_is(place: Place) -> None:
    place.write("s1", told("0f3c"))
    place.run_one(OFFSETS)
    columns = "SELECT DISTINCT session_key, session_id, username, agent FROM offsets"
    assert place.ask(columns) == [(key("s1"), "0f3c", "alice", "claude-code")]


def test_it_is_told_of_the_transcript_and_of_its_settings(tmp_path: Path, clock: FakeClock) -> None:
    settings = '[processors.told]\ngreeting = "good day"\n'
    with Place(tmp_path, clock, settings) as place:
        place.write("s1", told("0f3c"))
        place.write("s1/subagents/agent-7f", told("0f3c"))
        place.run_one("run_extractors:Told")
        rows = place.ask('SELECT key, "user", session, of_agent, path_kind FROM told ORDER BY key')
        greetings = place.column("SELECT DISTINCT greeting FROM told")
    agent_file = key("s1/subagents/agent-7f")
    assert rows == [
        (key("s1"), "alice", "0f3c", "claude-code", "main"),
        (agent_file, "alice", "s1", "claude-code", "agent_file"),
    ]
    assert greetings == ["good day"]


def test_it_is_given_main_transcripts_alone_where_it_says_so(place: Place) -> None:
    place.write("s1")
    place.write("s1/subagents/agent-7f")
    tally = place.run_one("run_extractors:MainOffsets")
    assert figures(tally) == counted(seen=1, scanned=1, processed=1)
    assert place.column("SELECT DISTINCT session_key FROM offsets") == [key("s1")]


def test_rows_may_be_given_by_column_name(place: Place) -> None:
    transcript = place.write("s1", told("s1", prompts=1))
    place.run_one("run_extractors:AsDicts")
    columns = 'SELECT line_offset, model, "at", known, share FROM as_dicts ORDER BY line_offset'
    first, second = place.ask(columns)
    assert first[:2] == (0, None)
    assert second[:2] == (starts(transcript)[1], "claude-sonnet-4-5-20250929")
    assert (first[3], first[4]) == (None, 0.5)
    assert first[2].isoformat() == "2026-03-02T09:00:00"


def test_an_extractor_may_have_views_over_its_tables(place: Place) -> None:
    place.write("s1", told("s1", prompts=2))
    place.run_one("run_extractors:Viewed")
    assert place.ask("FROM offset_counts") == [(4,)]


def test_a_new_version_may_have_another_column_and_another_view(place: Place) -> None:
    place.write("s1", told("s1", prompts=2))
    place.run_one("run_extractors:Viewed")
    place.run_one("run_extractors:ViewedAnew")
    assert (
        place.column("SELECT line_type FROM offsets ORDER BY ALL")
        == ["assistant"] * 2 + ["user"] * 2
    )
    assert place.ask("FROM offset_counts") == [(4,)]


# ── what is processed again ──


def test_what_has_not_changed_is_not_scanned(place: Place) -> None:
    place.write("s1")
    place.run_one(OFFSETS)
    assert figures(place.run_one(OFFSETS)) == counted(seen=1)


def test_a_touched_file_of_the_same_content_is_skipped(place: Place) -> None:
    place.write("s1")
    place.run_one(OFFSETS)
    before = place.ask("FROM offsets ORDER BY line_offset")
    place.touch("s1")
    assert figures(place.run_one(OFFSETS)) == counted(seen=1, scanned=1, skipped=1)
    assert place.ask("FROM offsets ORDER BY line_offset") == before
    assert figures(place.run_one(OFFSETS)) == counted(seen=1), "the new time was written down"


def test_of_a_grown_file_what_is_new_is_given_alone(place: Place) -> None:
    transcript = place.write("s1", told("s1", prompts=2))
    place.run_one(OFFSETS)
    transcript.prompt("And once more.")
    place.write("s1", transcript)
    tally = place.run_one(OFFSETS)
    assert figures(tally) == counted(seen=1, scanned=1, processed=1)
    assert tally.items_extracted == 1
    assert place.ask("SELECT together, calls FROM offsets ORDER BY line_offset")[-1] == (1, 2)
    assert place.state("offsets", "s1")["items_extracted"] == 5


@pytest.mark.parametrize("size", ["smaller", "same", "larger"])
def test_a_replaced_file_is_read_from_zero_and_its_rows_are_replaced(
    place: Place, size: str
) -> None:
    place.write("other")
    place.write("s1", told("s1", prompts=4))
    place.run_one(OFFSETS)
    prompts = {"smaller": 2, "same": 4, "larger": 6}[size]
    replacement = ClaudeTranscript("another", cwd="/work/site")  # as long a path
    for number in range(prompts):
        replacement.prompt(f"Fix the title of the page, {number}.")
        replacement.response("Fixed.", output_tokens=100 + number)
    place.write("s1", replacement)
    place.touch("s1")
    assert figures(place.run_one(OFFSETS)) == counted(seen=2, scanned=1, processed=1)
    mine = "SELECT line_offset FROM offsets WHERE session_key = ? ORDER BY line_offset"
    assert place.column(mine, key("s1")) == starts(replacement)
    assert len(place.column(mine, key("other"))) == 2
    assert place.column("SELECT DISTINCT session_id FROM offsets ORDER BY ALL") == [
        "another",
        "other",
    ]


def test_a_new_version_reads_everything_from_zero(place: Place) -> None:
    place.write_many(3)
    place.run_one(OFFSETS)
    assert place.run_one("run_extractors:OffsetsAnew").processed == 3
    assert len(place.ask("FROM offsets")) == 6
    assert place.column("SELECT DISTINCT version FROM session_processor_state") == [2]
    assert place.run_one("run_extractors:OffsetsAnew").scanned == 0


def test_a_new_version_leaves_the_rows_of_what_is_gone(place: Place) -> None:
    place.write("gone")
    place.write("stays")
    place.run_one(OFFSETS)
    place.path("gone").unlink()
    assert place.run_one("run_extractors:OffsetsAnew").scanned == 1
    assert len(place.ask("FROM offsets WHERE session_key = ?", key("gone"))) == 2
    assert place.state("offsets", "gone")["version"] == 1


def test_extractors_that_stand_at_different_offsets_catch_up_each_for_itself(place: Place) -> None:
    transcript = place.write("s1", told("s1", prompts=2))
    place.run_one(OFFSETS)
    transcript.prompt("And once more.")
    place.write("s1", transcript)
    offsets, groups = place.run(OFFSETS, GROUPS)
    assert (offsets.items_extracted, groups.items_extracted) == (1, 1)
    assert len(place.ask("FROM offsets")) == 5


def test_the_session_of_all_extractors_rows_is_the_one_that_later_records_name(
    place: Place,
) -> None:
    transcript = ClaudeTranscript("0f3c")
    transcript.snapshot()
    place.write("s1", transcript)
    place.run(OFFSETS, GROUPS, "inventory")
    assert place.column("SELECT DISTINCT session_id FROM offsets") == ["s1"], "named by its file"
    transcript.prompt()
    place.write("s1", transcript)
    place.run_one(OFFSETS)
    place.run_one("inventory")
    assert place.column("SELECT DISTINCT session_id FROM offsets") == ["0f3c"]
    assert place.column("SELECT DISTINCT session_id FROM line_types") == ["0f3c"]


# ── holding back ──


def groups_of(place: Place, name: str = "s1") -> list[tuple[Any, ...]]:
    columns = "SELECT number, first, last, types FROM groups WHERE session_key = ? ORDER BY number"
    return place.ask(columns, key(name))


def expected_groups(transcript: ClaudeTranscript) -> list[tuple[Any, ...]]:
    offsets = starts(transcript)
    types = ["user", "assistant"] * len(offsets)
    whole = len(offsets) // 3
    return [
        (n, offsets[3 * n], offsets[3 * n + 2], " ".join(types[3 * n : 3 * n + 3]))
        for n in range(whole)
    ]


def test_records_that_were_held_back_come_again_with_the_next_run(place: Place) -> None:
    transcript = told("s1", prompts=1)
    for prompts in range(1, 6):
        transcript = told("s1", prompts=prompts)
        place.write("s1", transcript)
        place.run_one(GROUPS)
        assert groups_of(place) == expected_groups(transcript)
    taken_in = place.state("groups", "s1")["safe_offset"]
    assert taken_in == starts(transcript)[9], "the tenth record makes no three yet"


def test_records_that_were_held_back_come_again_with_the_next_slice(place: Place) -> None:
    transcript = ClaudeTranscript("s1")
    for number in range(7):  # a slice holds one or two, and the reader's buffer is used again
        transcript.prompt("x" * (13_000_000 + 100_000 * number))
    place.write("s1", transcript)
    assert errors_of(place.run_one(GROUPS)) == {}
    at, types = starts(transcript), "user user user"
    assert groups_of(place) == [(0, at[0], at[2], types), (1, at[3], at[5], types)]


histories = st.randoms(use_true_random=False)


@settings(max_examples=5)
@given(histories)
def test_any_split_into_appends_gives_the_same_tables(random: Random) -> None:
    _grow_and_compare(random)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@settings(max_examples=400)
@given(histories)
def test_very_many_splits_into_appends_give_the_same_tables(random: Random) -> None:
    _grow_and_compare(random)


def _grow_and_compare(random: Random) -> None:
    """Let ten transcripts grow, each by cuts of its own at any byte, with a run after each step."""
    transcripts = {f"s{n}": told(f"s{n}", prompts=random.randint(1, 6)) for n in range(10)}
    parts = {name: _cut(bytes(transcripts[name]), 4, random) for name in transcripts}
    with TemporaryDirectory() as folder, Place(Path(folder), FakeClock()) as place:
        for step in range(4):
            for name, own in parts.items():
                place.append(name, own[step])
            tallies = place.run(GROUPS, OFFSETS)
            assert [errors_of(tally) for tally in tallies] == [{}, {}]
        for name, transcript in transcripts.items():
            assert groups_of(place, name) == expected_groups(transcript)
            mine = "SELECT line_offset FROM offsets WHERE session_key = ? ORDER BY 1"
            assert place.column(mine, key(name)) == starts(transcript)


def _cut(content: bytes, parts: int, random: Random) -> list[bytes]:
    """Cut at any byte, before a final newline too; parts may be empty."""
    likely = [len(content) - 1, content.index(b"\n"), content.index(b"\n") + 1]
    cuts = [random.choice([*likely, *random.choices(range(len(content)), k=6)]) for _ in range(3)]
    assert len(cuts) == parts - 1
    return [content[a:b] for a, b in pairwise([0, *sorted(cuts), len(content)])]


# ── the last line ──


def test_a_whole_last_line_without_its_newline_comes_alone_and_its_progress_is_dropped(
    place: Place,
) -> None:
    transcript = told("s1", prompts=2)
    place.path("s1").write_bytes(bytes(transcript)[:-1])
    place.run_one(OFFSETS)
    rows = "SELECT together, calls FROM offsets ORDER BY line_offset"
    assert place.ask(rows) == [(3, 1), (3, 1), (3, 1), (1, 2)]
    last = starts(transcript)[-1]
    assert place.state("offsets", "s1")["safe_offset"] == last

    place.append("s1", b"\n" + told("more").lines[0])
    place.run_one(OFFSETS)
    assert place.ask(rows) == [(3, 1), (3, 1), (3, 1), (2, 2), (2, 2)], (
        "the call for the unterminated line handed nothing on"
    )


def test_a_last_line_that_is_no_whole_object_waits(place: Place) -> None:
    transcript = told("s1", prompts=2)
    content = bytes(transcript)
    place.path("s1").write_bytes(content[:-20])
    place.run_one(OFFSETS)
    assert place.column("SELECT line_offset FROM offsets ORDER BY 1") == starts(transcript)[:-1]
    place.append("s1", content[-20:])
    place.run_one(OFFSETS)
    assert place.column("SELECT line_offset FROM offsets ORDER BY 1") == starts(transcript)


# ── breaches ──


@pytest.mark.parametrize("breach", sampled(BREACHES, 2))
def test_a_breach_of_the_contract_fails_its_session_alone_and_names_the_place(
    place: Place, breach: str
) -> None:
    place.write_many(3, "culprit")
    tally, usage = place.run(f"run_extractors:Breaking.{breach}", "usage")
    assert figures(tally) == counted(seen=4, scanned=4, processed=3, errors=1)
    errors = errors_of(tally)
    assert list(errors) == [CULPRIT]
    for word in BREACHES[breach][1]:
        assert word in errors[CULPRIT]
    assert "Worker" not in errors[CULPRIT], "the worker must not die of it"
    stored = place.column("SELECT session_key FROM broken ORDER BY ALL")
    assert stored == [key("s00"), key("s01"), key("s02")]
    assert place.state(tally.processor, "culprit")["safe_offset"] == 0
    assert (usage.processed, errors_of(usage)) == (4, {})


def test_a_carry_of_just_64_kilobytes_is_kept(place: Place) -> None:
    place.write("s1")
    assert errors_of(place.run_one("run_carriers:Largest")) == {}
    assert len(place.state("largest", "s1")["carry"]) > 65_000


def test_a_misfit_among_very_many_rows_fails_its_session_and_only_that(place: Place) -> None:
    place.write_many(2, "culprit")
    tally = place.run_one("run_extractors:Spilling")
    assert figures(tally) == counted(seen=3, scanned=3, processed=2, errors=1)
    assert "broken.text" in errors_of(tally)[CULPRIT]
    counts = dict(place.ask("SELECT session_key, count(*) FROM broken GROUP BY ALL"))
    assert counts == {key("s00"): 60_000, key("s01"): 60_000}
    state = place.state("spilling", "culprit")
    assert (state["attempts"], state["processed_at"], state["safe_offset"]) == (1, None, 0)


def test_a_good_row_is_stored_as_it_is(place: Place) -> None:
    place.write("s1")
    place.run_one("run_extractors:Breaking.no_key")
    [row] = place.ask('SELECT number, text, small, "at", yes, share, unsigned, whole FROM broken')
    assert row == (*GOOD[:3], GOOD[3].replace(tzinfo=None), *GOOD[4:])
