"""delivery.md and failures.md: each row is held by a test, here or elsewhere."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import pytest
from pages import PROJECT, page, table_rows

from conftest import Mill
from sessionmill.collect.discover import walk
from sessionmill.collect.roots import codex_root, sessions_root
from sessionmill.config import Config
from sessionmill.registry import Registry
from sessionmill.run.runner import Runner
from sessionmill.store.facts import Facts
from sessionmill.store.run_store import FactsRunStore
from sessionmill.testing import ClaudeTranscript, CodexRollout, FakeClock

DELIVERY, FAILURES = page("delivery"), page("failures")

_HERE = "tests/docs/test_doc_delivery.py"
_COPIES = "tests/accounting/test_copies.py"
_EFFECTFUL = "tests/run/test_effectful.py"

#: Each row of delivery.md, by its number, with the tests that show it.
HELD: dict[int, tuple[str, ...]] = {
    1: (
        f"{_HERE}::test_a_deed_outside_the_connection_is_done_again",
        f"{_EFFECTFUL}::test_a_conflict_with_another_writer_is_run_again_and_not_counted",
        f"{_EFFECTFUL}::test_a_contexts_folder_is_kept_across_runs_and_not_rolled_back",
    ),
    2: (f"{_EFFECTFUL}::test_the_rows_of_an_undeclared_table_are_its_own_affair",),
    3: (
        f"{_COPIES}::test_copies_of_two_usernames_are_counted_for_each",
        f"{_HERE}::test_a_users_renamed_folder_counts_for_both_names",
        f"{_HERE}::test_a_file_below_two_roots_of_different_users_counts_for_each",
    ),
    4: (
        f"{_COPIES}::test_lines_without_an_id_are_counted_wherever_they_stand",
        f"{_HERE}::test_prompts_of_a_forked_rollout_count_for_each_copy",
        f"{_HERE}::test_a_renamed_file_counts_again_what_has_no_id",
    ),
    5: (f"{_HERE}::test_a_queued_prompt_far_from_its_repetition_counts_twice",),
    6: (f"{_HERE}::test_a_renamed_file_counts_again_what_has_no_id",),
    7: (f"{_HERE}::test_what_was_deleted_before_a_run_read_it_is_nowhere",),
    8: (
        "tests/accounting/test_appends.py::test_a_transcript_that_was_cut_is_read_from_zero",
        f"{_COPIES}::test_a_copy_that_is_no_more_passes_the_count_to_another",
    ),
    9: (f"{_HERE}::test_a_change_in_the_middle_is_not_seen_until_it_is_reprocessed",),
    10: (f"{_HERE}::test_a_change_that_leaves_size_and_time_is_not_seen_until_it_is_reprocessed",),
    11: (
        "tests/accounting/test_decode_damage.py"
        "::test_a_line_that_cannot_be_read_is_told_of_and_the_rest_goes_on",
        "tests/accounting/test_decode_damage.py::test_a_longer_line_is_malformed_wherever_it_stands",
    ),
    12: (
        "tests/accounting/test_appends.py::test_half_a_last_line_waits_until_it_is_whole",
        f"{_HERE}::test_doctor_tells_of_a_line_that_waits_for_a_day",
    ),
    13: (
        "tests/accounting/test_decode_damage.py::test_a_field_of_a_wrong_type_is_lost_alone",
        "tests/accounting/test_decode_damage.py"
        "::test_a_file_of_no_known_format_is_an_unknown_transcript",
        "tests/accounting/test_decode_damage.py"
        "::test_lines_before_the_one_that_decides_say_nothing_and_are_counted",
    ),
    14: (
        f"{_EFFECTFUL}::test_what_was_stored_of_a_session_stays_when_its_next_attempt_fails",
        "tests/run/test_attempts.py::test_a_session_that_failed_as_often_as_it_may_is_left_alone",
        "tests/run/test_attempts.py::test_new_content_brings_a_dead_letter_back",
    ),
    15: (
        "tests/run/test_attempts.py::test_a_run_stops_when_its_time_is_over",
        "tests/run/test_attempts.py::test_what_was_done_before_the_pause_is_kept",
    ),
    16: (
        "tests/collect/test_gone.py::test_an_emptied_root_is_an_error_and_nothing_in_it_is_marked",
        "tests/run/test_attempts.py"
        "::test_a_transcript_that_cannot_be_read_counts_no_attempt_and_is_tried_each_run",
    ),
    17: (
        "tests/collect/test_walk.py"
        "::test_two_different_files_with_one_key_are_an_error_that_names_both",
    ),
    18: (
        "tests/collect/test_walk.py::test_a_link_out_of_the_root_is_passed_over",
        "tests/collect/test_walk.py::test_a_hidden_folder_is_nobodys_name",
        "tests/collect/test_walk.py::test_a_transcript_in_no_users_folder_is_passed_over",
    ),
    19: (f"{_HERE}::test_archived_rollouts_are_not_looked_at",),
    20: (
        "tests/run/test_extractors.py::test_a_new_version_leaves_the_rows_of_what_is_gone",
        f"{_HERE}::test_reprocess_tells_what_it_can_not_read_again",
    ),
    21: (
        "tests/store/test_store_damage.py::test_missing_commits_are_noticed_said_and_set_aside",
        f"{_HERE}::test_facts_that_were_set_aside_can_be_asked",
    ),
    22: (
        "tests/accounting/test_tool_calls.py"
        "::test_a_result_whose_call_is_not_here_is_kept_and_never_counted",
    ),
    23: (f"{_HERE}::test_a_clock_that_was_ahead_leaves_nothing_due",),
    24: (f"{_HERE}::test_a_line_without_a_time_is_on_no_day_and_in_the_total",),
    25: (f"{_HERE}::test_other_rules_of_the_same_version_leave_older_rows",),
}

#: Rows that no test can show, with the reason.
NOT_HELD = {26: "what a client did not write is in no transcript"}


def test_every_row_of_delivery_names_the_tests_that_show_it() -> None:
    parts = [DELIVERY.section("Duplicates"), DELIVERY.section("Gaps")]
    numbers = [int(row[0]) for part in parts for row in table_rows(part)]
    assert numbers == list(range(1, len(numbers) + 1)), "numbered in their order"
    assert set(HELD) | set(NOT_HELD) == set(numbers)
    assert not set(HELD) & set(NOT_HELD)


def _tests_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def _missing(named: str) -> bool:
    path, _, function = named.partition("::")
    return not (PROJECT / path).is_file() or function not in _tests_in(PROJECT / path)


def test_every_test_that_shows_a_row_of_delivery_exists() -> None:
    assert not [named for tests in HELD.values() for named in tests if _missing(named)]


def test_every_failure_names_a_test_that_exists() -> None:
    rows = table_rows(FAILURES.text)
    assert len(rows) > 40
    for row in rows:
        named = re.fullmatch(r"`(tests/\w+/\w+\.py::test_\w+)`", row[-1])
        assert named, row
        assert not _missing(named[1]), row


def test_every_failure_tells_what_happens() -> None:
    assert all(len(row) == 6 and row[1] for row in table_rows(FAILURES.text))


# ── what follows is shown by whole commands over a folder of transcripts ──


@pytest.fixture
def team(tmp_path: Path) -> Path:
    """Return the folder of a team, with nobody in it."""
    (tmp_path / "team").mkdir()
    return tmp_path / "team"


def said(name: str = "a", prompts: int = 3) -> ClaudeTranscript:
    """Return a conversation of so many prompts, each answered with 100 tokens of output."""
    transcript = ClaudeTranscript(name)
    for number in range(prompts):
        transcript.prompt(f"Fix the total of the cart, {number}.")
        transcript.response("Fixed.", output_tokens=100)
    return transcript


Totals = dict[str, int]


def read(mill: Mill, folder: Path) -> Totals:
    """Run the built-ins over a folder and return the total."""
    ended = mill("run", "--sessions", folder)
    assert ended.status == 0, ended.err
    return total(mill)


def total(mill: Mill) -> Totals:
    """Return what is counted."""
    [row] = mill("report", "usage", "--json").rows
    return row


def found(mill: Mill, folder: Path, check: str) -> list[dict[str, object]]:
    """Return what an examination says of one thing."""
    rows = mill("doctor", "--sessions", folder, "--json").rows
    return [row for row in rows if row["check"] == check]


_TELLS = """
from pathlib import Path
from sessionmill.contracts import ProcessorResult


class Tells:
    name, cadence_minutes = "tells", 60

    def process_session(self, session_path, username, session_key, conn):
        with Path("told.txt").open("a") as file:
            file.write(session_key + "\\n")
        if Path("fail").exists():
            raise ValueError("later")
        return ProcessorResult(1)
"""


def test_a_deed_outside_the_connection_is_done_again(
    mill: Mill, team: Path, tmp_path: Path
) -> None:
    (tmp_path / "tells.py").write_text(_TELLS)
    said().write(team / "alice" / "a.jsonl")
    run = ("run", "tells", "--processor", "tells:Tells", "--sessions", "team")

    (tmp_path / "fail").touch()
    assert mill(*run).status == 1
    (tmp_path / "fail").unlink()
    mill("retry")
    assert mill(*run).status == 0
    assert mill(*run).status == 0, "nothing is new"
    mill("reprocess", "tells", "--processor", "tells:Tells")

    told = (tmp_path / "told.txt").read_text().splitlines()
    assert told == ["alice/a.jsonl"] * 3, "a failure, its retry, and once more on demand"


def test_a_users_renamed_folder_counts_for_both_names(mill: Mill, team: Path) -> None:
    said().write(team / "alice" / "a.jsonl")
    assert read(mill, team)["responses"] == 3

    (team / "alice").rename(team / "alicia")
    assert read(mill, team)["responses"] == 6
    assert [row["subject"] for row in found(mill, team, "claimed_by_several")] == ["alice, alicia"]
    assert found(mill, team, "gone")

    (team / "alicia").rename(team / "alice")
    assert read(mill, team)["responses"] == 6, "what is stored stays"


def test_a_file_below_two_roots_of_different_users_counts_for_each(mill: Mill, team: Path) -> None:
    said().write(team / "alice" / "a.jsonl")
    two = ("--sessions", team, "--claude", team / "alice", "--user", "bob")
    assert mill("run", *two).status == 0
    assert total(mill)["responses"] == 6
    assert found(mill, team, "claimed_by_several")


def test_prompts_of_a_forked_rollout_count_for_each_copy(mill: Mill, team: Path) -> None:
    rollout = CodexRollout()
    rollout.turn()
    rollout.prompt("Fix the total.")
    rollout.tokens(1000, 100, 10)
    rollout.write(team / "alice" / "rollout-a.jsonl")
    rollout.fork("019cac2e-0000-7c41-9a3b-4d5e6f708192").write(team / "alice" / "rollout-b.jsonl")

    counted = read(mill, team)
    assert (counted["responses"], counted["prompts"]) == (1, 2)


def test_a_renamed_file_counts_again_what_has_no_id(mill: Mill, team: Path) -> None:
    transcript = said()
    transcript.prompt("And the tax?", uuid=None)
    transcript.raw(b"{damaged\n")
    transcript.write(team / "alice" / "a.jsonl")
    before = read(mill, team)
    assert (before["responses"], before["prompts"], before["malformed_lines"]) == (3, 4, 1)

    (team / "alice" / "a.jsonl").rename(team / "alice" / "b.jsonl")
    after = read(mill, team)
    assert after["responses"] == 3, "copies of one user are counted once"
    assert (after["prompts"], after["malformed_lines"]) == (5, 2), "but what has no id"


def test_a_queued_prompt_far_from_its_repetition_counts_twice(mill: Mill, team: Path) -> None:
    for user, between in (("near", 199), ("far", 201)):
        transcript = ClaudeTranscript(user)
        queued_at = transcript.now
        transcript.prompt("the first")
        for number in range(between):
            transcript.prompt(f"prompt {number}")
        transcript.wait((queued_at - transcript.now).total_seconds() - 1)
        transcript.queued_command("the first")
        transcript.write(team / user / "a.jsonl")
    read(mill, team)

    rows = mill("report", "usage", "--by", "user", "--json").rows
    assert {row["user"]: row["prompts"] for row in rows} == {"near": 200, "far": 203}


def test_what_was_deleted_before_a_run_read_it_is_nowhere(mill: Mill, team: Path) -> None:
    transcript = said()
    transcript.write(team / "alice" / "a.jsonl")
    said("b").write(team / "alice" / "b.jsonl")
    read(mill, team)

    transcript.response("One more.", output_tokens=100)
    transcript.write(team / "alice" / "a.jsonl")
    said("c").write(team / "alice" / "c.jsonl")
    (team / "alice" / "a.jsonl").unlink()
    (team / "alice" / "c.jsonl").unlink()
    assert read(mill, team)["responses"] == 6
    assert [row["count"] for row in found(mill, team, "gone")] == [1], "of c nothing is known"


def long_one(folder: Path) -> tuple[Path, bytes]:
    """Write a transcript whose middle is far from both ends; return also another of its size."""
    path = said(prompts=60).write(folder / "alice" / "a.jsonl")
    whole = path.read_bytes()
    middle = whole.index(b'"output_tokens":100', len(whole) // 2)
    assert 4096 < middle < len(whole) - 5000
    other = whole[:middle] + b'"output_tokens":900' + whole[middle + 19 :]
    assert len(other) == len(whole)
    return path, other


def test_a_change_in_the_middle_is_not_seen_until_it_is_reprocessed(mill: Mill, team: Path) -> None:
    path, other = long_one(team)
    assert read(mill, team)["output_tokens"] == 6000

    path.write_bytes(other)
    [run] = mill("run", "usage", "--sessions", team, "--json").json["runs"]
    assert (run["scanned"], run["skipped"]) == (1, 1)
    with path.open("ab") as file:
        file.write(b'{"type":"summary"}\n')
    assert read(mill, team)["output_tokens"] == 6000, "nor where it has grown"

    mill("reprocess", "usage")
    assert total(mill)["output_tokens"] == 6800


def test_a_change_that_leaves_size_and_time_is_not_seen_until_it_is_reprocessed(
    mill: Mill, team: Path
) -> None:
    path, other = long_one(team)
    read(mill, team)
    stat = path.stat()
    path.write_bytes(other)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    [run] = mill("run", "usage", "--sessions", team, "--json").json["runs"]
    assert run["scanned"] == 0
    mill("reprocess", "usage")
    assert total(mill)["output_tokens"] == 6800


def test_doctor_tells_of_a_line_that_waits_for_a_day(mill: Mill, team: Path) -> None:
    path = said().write(team / "alice" / "a.jsonl")
    path.write_bytes(path.read_bytes() + b'{"type":"us')
    read(mill, team)
    assert found(mill, team, "cut_short") == []

    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns - 2 * 86_400 * 10**9))
    read(mill, team)
    assert [row["subject"] for row in found(mill, team, "cut_short")] == ["alice/a.jsonl"]


def test_archived_rollouts_are_not_looked_at(tmp_path: Path) -> None:
    for folder in ("sessions", "archived_sessions"):
        CodexRollout().write(tmp_path / folder / "rollout-a.jsonl")
    seen = walk([codex_root(tmp_path, "alice")])
    assert [f.session_key for f in seen.found] == ["alice/sessions/rollout-a.jsonl"]


def test_reprocess_tells_what_it_can_not_read_again(mill: Mill, team: Path) -> None:
    said("a").write(team / "alice" / "a.jsonl")
    said("b").write(team / "alice" / "b.jsonl")
    read(mill, team)
    (team / "alice" / "a.jsonl").unlink()
    read(mill, team)

    done = mill("reprocess", "usage", "--json").json
    assert (done["anew"], done["gone"]) == (1, 1)
    assert total(mill)["responses"] == 6, "of what is gone they stay"


def set_aside(mill: Mill, team: Path, data: Path) -> str:
    """Put older facts in the place of newer ones; return what the next command says."""
    said("a").write(team / "alice" / "a.jsonl")
    read(mill, team)
    older = (data / "facts.duckdb").read_bytes()
    said("b").write(team / "alice" / "b.jsonl")
    read(mill, team)
    (data / "facts.duckdb").write_bytes(older)
    return mill("status").err


def test_facts_that_were_set_aside_can_be_asked(
    mill: Mill, team: Path, data: Path, tmp_path: Path
) -> None:
    assert "the facts are damaged. They were set aside in" in set_aside(mill, team, data)
    [aside] = data.glob("damaged-*")
    (tmp_path / "aside").mkdir()
    for path in aside.glob("facts.duckdb*"):
        path.rename(tmp_path / "aside" / path.name)

    ended = mill("report", "usage", "--json", "--db", tmp_path / "aside")
    assert (ended.err, ended.rows[0]["responses"]) == ("", 3)
    assert read(mill, team)["responses"] == 6, "and what exists is read again"


def test_deleted_facts_are_made_anew_from_what_there_is(mill: Mill, team: Path, data: Path) -> None:
    said("a").write(team / "alice" / "a.jsonl")
    said("b").write(team / "alice" / "b.jsonl")
    assert read(mill, team)["responses"] == 6
    (team / "alice" / "a.jsonl").unlink()
    (data / "facts.duckdb").unlink()

    ended = mill("run", "--sessions", team)
    assert "facts.duckdb is missing" in ended.err
    assert ended.status == 0
    assert total(mill)["responses"] == 3


def test_a_clock_that_was_ahead_leaves_nothing_due(
    tmp_path: Path, team: Path, clock: FakeClock
) -> None:
    said().write(team / "alice" / "a.jsonl")
    usage = Registry.of(Config(tmp_path)).usable["usage"]
    with Facts(tmp_path / "clock", "a test", now=clock()) as facts:
        runner = Runner(FactsRunStore(facts, clock), clock, lambda: 0.0)

        def run(*, due_only: bool = False) -> list[int]:
            seen = walk([sessions_root(team)])
            tallies = runner.run([usage], seen, actor="a test", due_only=due_only)
            return [tally.processed for tally in tallies]

        clock.advance(days=365)
        assert run(due_only=True) == [1]
        clock.advance(days=-364)
        said("b").write(team / "alice" / "b.jsonl")
        assert run(due_only=True) == [], "its last run lies ahead"
        assert run() == [1], "without being asked what is due, it runs"
        clock.advance(days=364, minutes=10)
        assert run(due_only=True) == [0], "that time has come"


def test_a_line_without_a_time_is_on_no_day_and_in_the_total(mill: Mill, team: Path) -> None:
    transcript = said(prompts=1)
    transcript.response("No time.", output_tokens=7, timestamp=None)
    transcript.write(team / "alice" / "a.jsonl")
    assert read(mill, team)["output_tokens"] == 107
    days = mill("report", "usage", "--by", "day", "--json").rows
    assert [row["output_tokens"] for row in days if row["day"] is None] == [7]


_RULES = """
from sessionmill.contracts import Column, Extraction, Table


class Marks:
    name, cadence_minutes = "marks", 60
    columns = (Column("n", "BIGINT", "keep"), Column("rule", "VARCHAR", "keep"))
    tables = (Table(name="marks", comment="one prompt", key=("n",), columns=columns),)

    def extract(self, transcript, records, carry):
        rows = [(r.offset, "RULE") for r in records if r.prompt is not None]
        return Extraction(rows={"marks": rows}, safe_offset=records[-1].end, carry=None)
"""


def test_other_rules_of_the_same_version_leave_older_rows(
    mill: Mill, team: Path, tmp_path: Path
) -> None:
    transcript = said()
    transcript.write(team / "alice" / "a.jsonl")
    marks = ("marks", "--processor", "marks:Marks")
    for rule in ("old", "new"):
        (tmp_path / "marks.py").write_text(_RULES.replace("RULE", rule))
        ended = mill("run", *marks, "--sessions", team, PYTHONDONTWRITEBYTECODE="1")
        assert ended.status == 0, ended.err
        transcript.prompt("One more.")
        transcript.write(team / "alice" / "a.jsonl")

    by_rule = "SELECT rule, count(*) AS n FROM marks GROUP BY rule ORDER BY rule"
    assert mill("sql", by_rule, "--json").rows == [{"rule": "new", "n": 1}, {"rule": "old", "n": 3}]
    mill("reprocess", *marks, PYTHONDONTWRITEBYTECODE="1")
    assert mill("sql", by_rule, "--json").rows == [{"rule": "new", "n": 5}]


# ── failures that no other test shows ──


def test_where_no_worker_can_start_nothing_is_lost(mill: Mill, team: Path, tmp_path: Path) -> None:
    (tmp_path / "barred").mkdir()
    (tmp_path / "barred" / "sitecustomize.py").write_text(
        "import os, sys\nif 'sessionmill.run.worker' in sys.orig_argv: os._exit(3)\n"
    )
    said().write(team / "alice" / "a.jsonl")
    barred = os.pathsep.join([str(tmp_path / "barred"), os.environ.get("PYTHONPATH", "")])

    ended = mill("run", "--sessions", team, PYTHONPATH=barred)
    assert ended.status == 1
    assert "A worker process could not be started: it died: exit status 3" in ended.err
    assert read(mill, team)["responses"] == 3


_APPENDS = """
from sessionmill.contracts import ProcessorResult


class Appends:
    name, cadence_minutes, tables = "appends", 60, ("sizes",)

    def process_session(self, session_path, username, session_key, conn):
        content = session_path.read_bytes()
        mark = session_path.parent / "appended"
        if not mark.exists():
            mark.touch()
            with session_path.open("ab") as file:
                file.write(b'{"type":"summary"}\\n')
        conn.execute("CREATE TABLE IF NOT EXISTS sizes (session_key VARCHAR, n BIGINT)")
        conn.execute("INSERT INTO sizes VALUES (?, ?)", [session_key, len(content)])
        return ProcessorResult(1)
"""


def test_an_append_while_a_transcript_is_read_is_seen_by_the_next_run(
    mill: Mill, team: Path, tmp_path: Path
) -> None:
    (tmp_path / "appends.py").write_text(_APPENDS)
    path = said().write(team / "alice" / "a.jsonl")
    run = ("run", "appends", "--processor", "appends:Appends", "--sessions", "team", "--json")
    counts = []
    for _ in range(3):
        [tally] = mill(*run).json["runs"]
        counts.append(tally["processed"])
    assert counts == [1, 1, 0]
    assert mill("sql", "FROM sizes", "--json").rows == [
        {"session_key": "alice/a.jsonl", "n": path.stat().st_size}
    ]


# ── no cause of a duplicate or a gap ──


def _move_root(team: Path) -> Path:
    return team.rename(team.with_name("moved"))


def _touch(team: Path) -> Path:
    (team / "alice" / "a.jsonl").touch()
    return team


def _come_back(team: Path) -> Path:
    path = team / "alice" / "a.jsonl"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    return team


def _move_file(team: Path) -> Path:
    (team / "alice" / "shop").mkdir()
    (team / "alice" / "a.jsonl").rename(team / "alice" / "shop" / "a.jsonl")
    return team


def _link_root(team: Path) -> Path:
    (team.parent / "other").symlink_to(team)
    return team.parent / "other"


def test_what_is_told_to_be_no_cause_is_none(mill: Mill, team: Path) -> None:
    assert "No cause of a duplicate or a gap: a kill at any moment" in DELIVERY.text
    said("a").write(team / "alice" / "a.jsonl")
    said("b").write(team / "alice" / "b.jsonl")
    before, folder = read(mill, team), team
    for move in (_touch, _come_back, _move_file, _move_root, _link_root):
        folder = move(folder)
        after = read(mill, folder)
        assert {**after, "transcripts": 0} == {**before, "transcripts": 0}, move.__name__
    mill("retry")
    mill("reprocess", "usage")
    assert {**total(mill), "transcripts": 0} == {**before, "transcripts": 0}


def test_the_source_of_the_figures_of_a_commit_is_as_told() -> None:
    source = (PROJECT / "src/sessionmill/run/extract_pass.py").read_text("utf-8")
    assert "after 1.5 s, 96 MiB of rows" in DELIVERY.text
    assert "_COMMIT_AFTER = 1.5\n" in source
    assert "_COMMIT_BYTES = 96 * 1024 * 1024\n" in source
