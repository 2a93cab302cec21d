"""A version beside the one that wrote the facts: what is shown is what the swap makes of them."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from run_place import Place, key, told

from sessionmill.errors import NotComparable
from sessionmill.run.runner import Runner
from sessionmill.shadow import Comparison, compare
from sessionmill.store.swap import other_versions
from sessionmill.testing import ClaudeTranscript, FakeClock
from sessionmill.view.changes import By
from sessionmill.view.reports import Rows

ONE, TWO, STRICT = "run_versions:One", "run_versions:Two", "run_versions:Strict"
TABLES = ("answers", "kinds")


@pytest.fixture
def place(tmp_path: Path, clock: FakeClock) -> Place:
    return Place(tmp_path, clock)


def compared(
    place: Place,
    spec: str = TWO,
    *,
    by: By = "user",
    swapping: bool = False,
    name: str | None = None,
) -> Comparison:
    [processor] = place.processors(spec)
    return compare(
        place.facts,
        processor,
        new_runner=lambda store: Runner(store, place.clock, lambda: 0.0),
        clock=place.clock,
        actor="cli:tester",
        by=by,
        session_key=None if name is None else key(name),
        swapping=swapping,
    )


def stored(place: Place) -> dict[str, list[dict[str, Any]]]:
    """Return all rows, by column, with those that version 2 adds when it is loaded."""
    assert place.store.prepare(place.processors(TWO)) == {}
    return {table: rows_of(place, table) for table in TABLES}


def rows_of(place: Place, table: str) -> list[dict[str, Any]]:
    rows = Rows.of(place.facts.cursor().execute(f"SELECT * FROM {table}"))  # noqa: S608 - ours
    found: list[dict[str, Any]] = rows.document()["rows"]
    return sorted(found, key=lambda row: json.dumps(row, sort_keys=True, default=str))


def figures(rows: Rows) -> dict[str, tuple[Any, Any, Any]]:
    """Return (before, after, change) of the figures in all."""
    return {name: tuple(values) for name, *values in rows.values}


def notes(place: Place) -> list[tuple[Any, ...]]:
    return place.ask(
        "SELECT processor_name, from_version, to_version, actor, transcripts, figures, why"
        " FROM version_notes ORDER BY swapped_at"
    )


def scanned(place: Place, spec: str = TWO) -> int:
    return place.run_one(spec).scanned


# ── whatever there is to read ──

#: An example takes a second: to make a failing one smaller would take too many.
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)

#: Of each transcript its answers: whose id, and how long each is; and whether a line is damaged.
answers = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 20)), max_size=6)
teams = st.lists(st.tuples(answers, st.booleans()), min_size=1, max_size=5)
#: What may befall a transcript between the two versions.
fates = st.lists(st.sampled_from(["stay", "gone", "grow", "replace"]), min_size=5, max_size=5)


def transcript(name: str, drawn: list[tuple[int, int]], damaged: bool) -> ClaudeTranscript:
    made = ClaudeTranscript(name)
    made.prompt("Fix the total.")
    for number, output in drawn:
        made.response(id=f"msg_{number}", model=f"claude-{number % 3}", output_tokens=output)
    if damaged:
        made.raw(b"{not JSON}\n")
    return made


def write(place: Place, team: list[tuple[list[tuple[int, int]], bool]]) -> list[Path]:
    """Write a team's transcripts, for alice and for bob in turn: with copies of one another's."""
    return [
        transcript(f"s{number}", *drawn).write(
            place.sessions / ("alice", "bob")[number % 2] / f"s{number}.jsonl"
        )
        for number, drawn in enumerate(team)
    ]


def befall(path: Path, fate: str) -> None:
    if fate == "gone":
        path.unlink()
    elif fate == "grow":
        with path.open("ab") as file:
            file.write(bytes(transcript(path.stem, [(1, 9), (5, 10)], damaged=False)))
    elif fate == "replace":
        transcript(path.stem, [(2, 5), (3, 7), (4, 20)], damaged=True).write(path)


@settings(max_examples=3, phases=UNSHRUNK)
@given(teams, st.sampled_from(["day", "user", "model", "rule"]))
def test_after_the_swap_the_facts_are_those_that_the_new_version_makes_from_nothing(
    team: list[tuple[list[tuple[int, int]], bool]], by: By
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        clock = FakeClock()
        with Place(Path(folder, "a"), clock) as place, Place(Path(folder, "b"), clock) as fresh:
            write(place, team)
            write(fresh, team)
            place.run(ONE)
            fresh.run(TWO)
            before = stored(place)

            shown = compared(place, by=by)

            assert stored(place) == before, "nothing is changed until it is swapped"
            swapped = compared(place, by=by, swapping=True)
            assert stored(place) == stored(fresh)
            assert (shown.total, shown.differences) == (swapped.total, swapped.differences)
            hold_the_books(swapped.total, before, stored(place))
            if by != "rule":
                hold_groups(swapped)
            assert scanned(place) == 0, "the next run finds nothing new"


@settings(max_examples=3, phases=UNSHRUNK)
@given(teams, fates)
def test_whatever_befell_the_transcripts_the_swap_ends_in_what_a_run_would(
    team: list[tuple[list[tuple[int, int]], bool]], fates: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        clock = FakeClock()
        with Place(Path(folder, "a"), clock) as place, Place(Path(folder, "b"), clock) as other:
            for one in (place, other):
                paths = write(one, team)
                one.run(ONE)
                for path, fate in zip(paths, fates, strict=False):
                    befall(path, fate)
            before = stored(place)
            swapped = compared(place, swapping=True)
            hold_the_books(swapped.total, before, stored(place))
            hold_groups(swapped)
            assert swapped.transcripts + len(swapped.not_compared.values) == len(team)
            place.run(TWO)
            other.run(TWO)
            assert stored(place) == stored(other)


def hold_the_books(
    total: Rows, before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]]
) -> None:
    """Check figures in all against rows, added up here."""
    told = figures(total)
    for old, new, change in told.values():
        assert round(old + change, 6) == new
    for place, tables in enumerate((before, after)):
        counted = [row for row in tables["answers"] if row["counted"]]
        assert told["answers: rows"][place] == len(tables["answers"])
        assert told["answers: counted"][place] == len(counted)
        assert told["answers.output"][place] == sum(row["output"] for row in counted)
        assert told["answers.words"][place] == sum(row.get("words") or 0 for row in counted)
        assert told["answers.long"][place] == sum(row["long"] for row in counted)
        assert told["answers.kilo"][place] == round(sum(row["kilo"] for row in counted), 6)
        assert told["kinds.lines"][place] == sum(row["lines"] for row in tables["kinds"])
    assert "answers.line_offset" not in told, "where a thing begins is no amount"


def hold_groups(done: Comparison) -> None:
    """Check that what the groups change by is what changes in all."""
    changed: dict[str, Any] = {}
    for _, figure, before, after, change in done.differences.values:
        assert round(before + change, 6) == after
        changed[figure] = round(changed.get(figure, 0) + change, 6)
    in_all = {name: change for name, (_, _, change) in figures(done.total).items()}
    assert {name: changed.get(name, 0) for name in in_all} == in_all


# ── what is shown ──


def test_each_group_that_differs_is_shown_and_no_other(place: Place) -> None:
    with place:
        place.write("even", transcript("even", [(0, 12), (1, 14)], damaged=False))
        place.write("odd", transcript("odd", [(2, 7)], damaged=False))
        place.run(ONE)

        users, models = compared(place), compared(place, by="model")

        output = [row for row in users.differences.values if row[1] == "answers.output"]
        assert output == [("alice", "answers.output", 33, 34, 1)]
        output = [row for row in models.differences.values if row[1] == "answers.output"]
        assert output == [("claude-2", "answers.output", 7, 8, 1)]
        assert {row[0] for row in compared(place, by="day").differences.values} == {"2026-03-02"}


def test_rules_tell_how_many_rows_each_column_changed_in_and_by_how_much(place: Place) -> None:
    with place:
        place.write("a", transcript("a", [(0, 11), (1, 13), (2, 14), (3, 15)], damaged=False))
        place.run(ONE)
        rules = {
            rule: (rows, change)
            for rule, rows, change in compared(place, by="rule").differences.values
        }
        assert rules["answers: added"] == (1, None), "15 has another name"
        assert rules["answers: removed"] == (1, None)
        assert rules["answers.output"] == (2, 2)
        assert rules["answers.kilo"] == (2, 0.002)
        assert rules["answers.long"] == (1, -1), "12 is long no more"
        assert rules["answers.words"] == (3, 6 + 7 + 7)
        assert "answers.model" not in rules
        assert "answers: counted" not in rules


def test_a_count_that_passes_to_another_copy_is_a_rule_of_its_own(place: Place) -> None:
    with place:
        place.write("long", transcript("long", [(0, 18)], damaged=False))
        place.write("short", transcript("short", [(0, 6)], damaged=False))
        place.run(ONE)
        rules = compared(place, by="rule").differences.values
        assert ("answers: counted", 2, 0) in rules


def test_of_a_transcript_that_has_grown_no_byte_more_is_compared(place: Place) -> None:
    with place:
        place.write("a", transcript("a", [(0, 11)], damaged=False))
        place.run(ONE)
        place.append("a", bytes(transcript("a", [(1, 500)], damaged=False)))
        done = compared(place)
        assert (done.transcripts, figures(done.total)["answers.output"]) == (1, (11, 12, 1))
        compared(place, swapping=True)
        assert scanned(place) == 1
        assert place.column("SELECT sum(output) FROM answers") == [512]


def test_what_cannot_be_compared_is_named_with_the_reason_and_keeps_its_rows(
    place: Place,
) -> None:
    with place:
        for name in ("gone", "cut", "replaced", "failing", "same", "half"):
            place.write(name, transcript(name, [(0, 3)], damaged=name == "failing"))
        place.run(ONE)
        place.path("gone").unlink()
        place.path("cut").write_bytes(place.path("cut").read_bytes()[:-9])
        place.write("replaced", told("replaced", 5))
        place.ask(
            "UPDATE session_processor_state SET size = NULL WHERE session_file = ?", key("half")
        )
        before = but_for_the_count(place, key("same"))

        done = compared(place, STRICT, swapping=True)

        assert dict(done.not_compared.values) == {
            key("gone"): "gone: its file is not there",
            key("cut"): "changed since it was read; the next run reads it",
            key("replaced"): "changed since it was read; the next run reads it",
            key("failing"): "ValueError: a damaged line",
            key("half"): "not read to its end by the version before; the next run reads it",
        }
        assert [error for _, error in done.tally.errors] == ["ValueError: a damaged line"]
        assert done.transcripts == 1
        assert but_for_the_count(place, key("same")) == before
        versions = dict(place.ask("SELECT session_file, version FROM session_processor_state"))
        assert {name for name, version in versions.items() if version == 2} == {key("same")}


def but_for_the_count(place: Place, without: str) -> list[tuple[Any, ...]]:
    """Return the answers of all transcripts but one; one of its copies may be counted instead."""
    assert place.store.prepare(place.processors(TWO)) == {}
    return place.ask(
        "SELECT * EXCLUDE counted FROM answers WHERE session_key <> ? ORDER BY ALL", without
    )


def test_a_failing_transcript_is_tried_again_each_time(place: Place) -> None:
    with place:
        place.write("a", transcript("a", [(0, 3)], damaged=True))
        place.run(ONE)
        for _ in range(7):  # more often than a run may fail on one
            assert len(compared(place, STRICT).tally.errors) == 1


def test_a_transcript_that_was_compressed_since_is_compared(place: Place) -> None:
    with place:
        place.write("a", transcript("a", [(0, 13)], damaged=False))
        place.run(ONE)
        path = place.path("a")
        path.with_suffix(".jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        place.run("usage")  # its walk finds the new name
        assert figures(compared(place).total)["answers.output"] == (13, 14, 1)


def test_one_transcript_alone_may_be_compared_and_swapped(place: Place) -> None:
    with place:
        for name in ("a", "b"):
            place.write(name, transcript(name, [(0 if name == "a" else 1, 13)], damaged=False))
        place.run(ONE)
        done = compared(place, name="a", swapping=True)
        assert done.transcripts == 1
        assert place.ask("SELECT session_key, output FROM answers ORDER BY ALL") == [
            (key("a"), 14),
            (key("b"), 13),
        ]


def test_what_nobody_has_read_is_compared_with_nothing(place: Place) -> None:
    with place:
        place.write("a")
        done = compared(place)
        assert (done.transcripts, done.from_version, done.differences.values) == (0, None, [])
        compared(place, swapping=True)
        assert notes(place) == []
        assert scanned(place) == 1


def test_an_effectful_processor_is_refused_with_the_way_out(place: Place) -> None:
    with place, pytest.raises(NotComparable, match="sessionmill reprocess plain"):
        compared(place, "run_plain:Plain")


# ── the shadow ──


def test_a_second_comparison_reads_nothing_again(place: Place) -> None:
    with place:
        place.write("a")
        place.run(ONE)
        assert compared(place).tally.processed == 1
        again = compared(place, by="rule")
        assert (again.tally.scanned, again.transcripts) == (0, 1)
        assert compared(place, swapping=True).tally.scanned == 0
        assert not (place.data / "shadow" / "versions").exists()


def test_what_a_killed_comparison_has_read_is_not_read_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place:
        place.write("a", transcript("a", [(0, 3)], damaged=False))
        place.run(ONE)
        before = stored(place)

        def killed(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as broken:
            broken.setattr("sessionmill.shadow.swap", killed)
            with pytest.raises(KeyboardInterrupt):
                compared(place)
        assert stored(place) == before
        assert compared(place).tally.scanned == 0


def test_other_settings_begin_the_shadow_anew(tmp_path: Path, clock: FakeClock) -> None:
    with Place(tmp_path, clock) as place:
        place.write("a")
        place.run(ONE)
        compared(place)
        (place.data / "config.toml").write_text("[processors.versions]\nword = 'x'\n")
        assert compared(place).tally.processed == 1


# ── the note, and who counted ──


def test_a_note_of_what_changed_and_why_stays_with_the_figures(place: Place) -> None:
    with place:
        place.write("a", transcript("a", [(0, 13)], damaged=False))
        place.run(ONE)
        done = compared(place, swapping=True)
        [(name, old, new, actor, transcripts, told_figures, why)] = notes(place)
        assert (name, old, new, actor, transcripts) == ("versions", 1, 2, "cli:tester", 1)
        assert why == "Odd outputs were one too low."
        changed = {row["figure"]: row for row in json.loads(told_figures)}
        assert changed["answers.output"] == {
            "figure": "answers.output",
            "before": 13,
            "after": 14,
            "change": 1,
        }
        assert set(changed) == {name for name, row in figures(done.total).items() if row[2]}


def test_transcripts_that_stand_at_another_version_are_counted_and_the_gone_told_apart(
    place: Place,
) -> None:
    with place:
        for name in ("a", "b", "c"):
            place.write(name)
        place.run(ONE)
        [two] = place.processors(TWO)
        assert other_versions(place.facts.cursor(), two) == [(1, 3, 0)]
        place.path("a").unlink()
        compared(place, swapping=True)
        assert other_versions(place.facts.cursor(), two) == [(1, 1, 0)]
        place.run(TWO)
        assert other_versions(place.facts.cursor(), two) == [(1, 1, 1)]
        [(*_, other, _pending, _failing, _dead, _)] = place.store.standing([two])
        assert other == 1


def test_what_the_records_are_taken_for_is_swapped_too(place: Place) -> None:
    with place:
        place.write("a")
        place.run(ONE, "inventory")
        place.ask("UPDATE transcripts SET session_id = 'as of old', project = NULL")
        place.ask("UPDATE line_types SET session_id = 'as of old'")
        compared(place, swapping=True)
        assert place.ask("SELECT session_id, project IS NULL FROM transcripts") == [("a", False)]
        assert set(place.column("SELECT session_id FROM line_types")) == {"a"}
