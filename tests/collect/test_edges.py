"""The edges of reading: each has one defined outcome, and a test that holds it to that.

`OUTCOMES` names the tests of what is found in a transcript or below a root, those of other files
too; the tests below are of what has no better place.
"""

from __future__ import annotations

import ast
import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from compressing import compress

from disks import give_room, small_disk

from run_place import Place, counted, errors_of, figures, key, told  # isort: skip

from commands import Ended
from conftest import Mill
from samples import sampled
from sessionmill.collect.discover import walk
from sessionmill.collect.roots import sessions_root
from sessionmill.store.facts import Facts
from sessionmill.testing import ClaudeTranscript, FakeClock

TESTS = Path(__file__).parents[1]
OFFSETS, LINES, MOODY = (
    "run_extractors:Offsets",
    "run_effectful:Lines",
    "run_effectful:Moody",
)
MIB = 1024 * 1024

APPENDS, DAMAGE = "accounting/test_appends.py", "accounting/test_decode_damage.py"
WALK, GONE, HERE = "collect/test_walk.py", "collect/test_gone.py", "collect/test_edges.py"
COMPRESSED = "collect/test_compressed.py"
#: What is found, and the tests of what happens then.
OUTCOMES: dict[str, list[tuple[str, str]]] = {
    "last line without a newline": [
        (APPENDS, "test_a_whole_last_line_counts_before_its_newline_is_written"),
        (APPENDS, "test_half_a_last_line_waits_until_it_is_whole"),
    ],
    "line that is valid JSON but no object": [
        (DAMAGE, "test_json_that_is_no_object_is_a_line_of_an_unknown_type")
    ],
    "line with a field of a wrong type": [
        (DAMAGE, "test_a_field_of_a_wrong_type_is_lost_alone"),
        (DAMAGE, "test_a_field_of_a_wrong_type_in_a_quoted_line_is_lost_alone"),
    ],
    "line that is no JSON": [
        (DAMAGE, "test_a_line_that_cannot_be_read_is_told_of_and_the_rest_goes_on"),
        (HERE, "test_damaged_lines_do_not_touch_the_exit_status"),
    ],
    "line over 64 MiB": [
        (DAMAGE, "test_a_longer_line_is_malformed_wherever_it_stands"),
        (DAMAGE, "test_a_longer_line_takes_no_more_memory_the_longer_it_is"),
        (HERE, "test_a_line_of_200_megabytes_is_malformed_and_takes_no_memory"),
    ],
    "NULs around an object": [(DAMAGE, "test_an_object_with_nuls_around_it_is_recovered")],
    "several objects on one line": [
        (DAMAGE, "test_several_objects_on_one_line_are_recovered"),
        (APPENDS, "test_a_last_line_of_several_objects_waits_for_its_newline"),
    ],
    "empty file": [
        (DAMAGE, "test_an_empty_file_is_a_transcript_without_rows"),
        (COMPRESSED, "test_an_empty_compressed_file_is_a_transcript_without_lines"),
    ],
    "file of no known format": [
        (DAMAGE, "test_a_file_of_no_known_format_is_an_unknown_transcript")
    ],
    "vanished file": [
        (GONE, "test_a_vanished_transcript_is_marked_and_its_facts_stay"),
        (GONE, "test_below_a_root_that_was_not_walked_to_its_end_nothing_is_marked"),
    ],
    "root that is missing, or empty where it held transcripts": [
        (GONE, "test_a_missing_root_is_an_error_and_nothing_in_it_is_marked"),
        (GONE, "test_an_emptied_root_is_an_error_and_nothing_in_it_is_marked"),
    ],
    "file that vanishes after the walk": [
        ("run/test_attempts.py", "test_a_transcript_that_vanished_since_it_was_found_is_no_error")
    ],
    "file or folder that can't be read": [
        (
            "run/test_attempts.py",
            "test_a_transcript_that_cannot_be_read_counts_no_attempt_and_is_tried_each_run",
        ),
        (WALK, "test_an_unreadable_folder_is_an_error_and_its_root_is_not_walked_to_its_end"),
        (
            COMPRESSED,
            "test_a_damaged_transcript_counts_no_attempt_and_is_tried_each_run_until_it_is_mended",
        ),
    ],
    "link out of the root": [
        (WALK, "test_a_link_out_of_the_root_is_passed_over"),
        (WALK, "test_a_linked_folder_out_of_the_root_is_passed_over"),
    ],
    "pipe, device, folder named like a transcript": [
        (WALK, "test_what_is_no_file_is_passed_over_with_a_reason")
    ],
    "two files with one session key": [
        (WALK, "test_of_two_files_with_one_key_the_one_that_extends_the_other_counts"),
        (WALK, "test_two_different_files_with_one_key_are_an_error_that_names_both"),
        (
            COMPRESSED,
            "test_of_files_with_one_key_the_one_whose_content_extends_the_others_counts",
        ),
        (COMPRESSED, "test_files_with_one_key_and_different_contents_are_an_error_that_names_both"),
        (HERE, "test_a_run_over_two_different_files_of_one_key_reads_the_first_and_says_so"),
    ],
    "half of a surrogate pair": [
        (DAMAGE, "test_half_of_a_surrogate_pair_anywhere_costs_nothing"),
        (DAMAGE, "test_half_of_a_surrogate_pair_stops_no_worker"),
    ],
    "byte order mark": [(DAMAGE, "test_a_byte_order_mark_before_the_first_line_is_passed_over")],
    "carriage returns": [(DAMAGE, "test_carriage_returns_before_newlines_are_passed_over")],
    "invalid UTF-8": [(DAMAGE, "test_invalid_utf8_in_any_text_costs_no_more_than_its_line")],
    "very many files": [
        (HERE, "test_very_many_files_in_one_folder_are_all_found"),
        (HERE, "test_very_many_transcripts_in_one_folder_are_all_read"),
    ],
    "names of any bytes": [
        (WALK, "test_a_name_of_any_bytes_has_a_key_of_text_and_can_be_opened"),
        (GONE, "test_transcripts_of_any_name_are_read_and_missed_like_others"),
        (HERE, "test_transcripts_of_any_name_are_given_to_effectful_processors_too"),
    ],
    "clock that jumps": [
        (HERE, "test_what_a_clock_that_was_ahead_has_noted_delays_no_try"),
        (HERE, "test_a_run_that_a_clock_ahead_has_noted_keeps_no_processor_from_running"),
        (HERE, "test_a_pause_that_a_clock_ahead_has_noted_is_none"),
        (HERE, "test_a_clock_that_jumps_between_runs_changes_no_table"),
    ],
    "full disk": [
        (
            "store/test_disk_room.py",
            "test_what_does_not_fit_is_not_kept_and_takes_nothing_else_with_it",
        ),
        (HERE, "test_a_command_on_a_full_disk_says_so_and_loses_nothing"),
        (HERE, "test_wherever_writing_fails_nothing_is_lost_and_the_way_out_is_told"),
        (
            COMPRESSED,
            "test_what_does_not_fit_is_an_error_that_counts_no_attempt_and_costs_no_other_transcript",
        ),
    ],
    "data directory that can't be written to": [
        ("store/test_store_owner.py", "test_a_data_directory_that_cannot_be_made_is_a_sentence"),
        (HERE, "test_a_data_directory_that_may_not_be_written_to_is_a_sentence_with_a_way_out"),
    ],
    "two commands at once": [
        (
            "store/test_store_owner.py",
            "test_readers_and_writers_alike_wait_ten_seconds_and_then_name_the_holder",
        ),
        (HERE, "test_two_runs_at_once_end_in_the_tables_of_one"),
    ],
}


@pytest.fixture
def place(tmp_path: Path, clock: FakeClock) -> Iterator[Place]:
    with Place(tmp_path, clock) as place:
        yield place


@pytest.mark.parametrize("found", OUTCOMES)
def test_whatever_is_found_its_outcome_is_tested(found: str) -> None:
    for file, test in OUTCOMES[found]:
        tree = ast.parse((TESTS / file).read_text("utf-8"))
        names = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        assert test in names, f"{file} has no {test}"


# Lines


def test_damaged_lines_do_not_touch_the_exit_status(mill: Mill, tmp_path: Path) -> None:
    transcript = told("s1")
    transcript.raw(b"no JSON\n\xff\xfe\n[1]\n")
    transcript.write(tmp_path / "team" / "alice" / "a.jsonl")
    ended = mill("run", "--sessions", "team")
    assert (ended.status, ended.err) == (0, "")
    reasons = mill("sql", "SELECT line_offset FROM malformed_lines", "--json").rows
    assert len(reasons) == 2


#: Runs a command, and tells how much memory it and the processes it started took at most.
MEASURED = """
import resource, subprocess, sys
ended = subprocess.run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
sys.exit(ended.returncode)
"""


def test_a_line_of_200_megabytes_is_malformed_and_takes_no_memory(
    data: Path, tmp_path: Path
) -> None:
    path = told("s1").write(tmp_path / "team" / "alice" / "a.jsonl")
    start = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(start + 200 * MIB)  # a hole, which costs no disk
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + bytes(told("s2")))
    command = [sys.executable, "-m", "sessionmill", "run", "--sessions", str(tmp_path / "team")]
    ended = subprocess.run(
        [sys.executable, "-c", MEASURED, *command, "--db", str(data)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout.split()[-1]) < 400
    with Facts(data, "test", now=FakeClock().now) as facts:
        lines = "SELECT line_offset, length_bytes FROM malformed_lines"
        assert facts.cursor().execute(lines).fetchall() == [(start, 200 * MIB + 1)]
        counted_ = "SELECT count(*), max(line_offset) > ? FROM responses"
        assert facts.cursor().execute(counted_, [200 * MIB]).fetchone() == (2, True)


# Files


@pytest.mark.parametrize("count", [10_000, pytest.param(100_000, marks=pytest.mark.soak)])
def test_very_many_files_in_one_folder_are_all_found(tmp_path: Path, count: int) -> None:
    folder = tmp_path / "team" / "alice"
    folder.mkdir(parents=True)
    for number in range(count):
        os.close(os.open(f"{folder}/{number:06}.jsonl", os.O_CREAT | os.O_WRONLY))
    walked = walk([sessions_root(tmp_path / "team")])
    assert walked.errors == []
    assert sorted(found.session_key for found in walked.found) == [
        f"alice/{number:06}.jsonl" for number in range(count)
    ]
    shutil.rmtree(folder)


def read_many(mill: Mill, team: Path, count: int) -> None:
    folder = team / "alice"
    for number in range(count):
        said = ClaudeTranscript(f"s{number}")
        said.prompt()
        said.write(folder / f"{number:06}.jsonl")
    ended = mill("run", "--sessions", team, "--json", timeout=1200)
    assert ended.status == 0, ended.err
    for tally in ended.json["runs"]:
        assert (tally["seen"], tally["processed"], tally["errors"]) == (count, count, 0)
    [total] = mill("sql", "SELECT count(DISTINCT session_id) AS n FROM prompts", "--json").rows
    assert total["n"] == count


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", [2_000, pytest.param(100_000, marks=pytest.mark.soak)])
def test_very_many_transcripts_in_one_folder_are_all_read(
    mill: Mill, tmp_path: Path, count: int
) -> None:
    read_many(mill, tmp_path / "team", count)


def test_transcripts_of_any_name_are_given_to_effectful_processors_too(place: Place) -> None:
    names = [b"caf\xe9.jsonl", b"a\nb.jsonl", "größe 数.jsonl".encode(), b"'\".jsonl"]
    for number, name in enumerate(names):
        path = told(f"s{number}").write(place.path("next"))
        path.rename(Path(place.sessions, "alice", os.fsdecode(name)))
    tally = place.run_one(LINES)
    assert tally.errors == []
    assert tally.processed == len(names)
    keys = place.column("SELECT DISTINCT session_key FROM lines_of ORDER BY ALL")
    assert keys == sorted(
        ["alice/caf\\xe9.jsonl", "alice/a\nb.jsonl", "alice/größe 数.jsonl", "alice/'\".jsonl"]
    )


def test_a_run_over_two_different_files_of_one_key_reads_the_first_and_says_so(
    mill: Mill, tmp_path: Path
) -> None:
    path = told("s1").write(tmp_path / "team" / "alice" / "a.jsonl")
    other = compress(told("s2").write(path), ".gz")
    told("s1").write(path)
    ended = mill("run", "usage", "--sessions", "team")
    assert ended.status == 1
    assert f"{path} is read, {other} is not. Rename or remove one of them." in ended.err
    rows = mill("sql", "SELECT DISTINCT session_id FROM prompts", "--json").rows
    assert rows == [{"session_id": "s1"}]
    other.unlink()
    assert mill("run", "usage", "--sessions", "team").status == 0


# Clocks


def test_what_a_clock_that_was_ahead_has_noted_delays_no_try(
    place: Place, clock: FakeClock
) -> None:
    place.write("failing")
    clock.advance(days=400)
    assert list(errors_of(place.run_one(MOODY))) == [key("failing")]
    (place.sessions / "mended").touch()
    clock.advance(days=-400)
    assert figures(place.run_one(MOODY)) == counted(seen=1, scanned=1, processed=1)
    assert place.state("lines", "failing")["attempts"] == 0


def test_a_wait_is_as_long_as_ever_once_the_clock_is_right_again(
    place: Place, clock: FakeClock
) -> None:
    place.write("failing")
    clock.advance(days=400)
    place.run_one(MOODY)
    clock.advance(days=-400)
    assert len(place.run_one(MOODY).errors) == 1
    assert place.run_one(MOODY).scanned == 0, "the second wait, of four minutes, has begun"
    clock.advance(minutes=5)
    assert len(place.run_one(MOODY).errors) == 1


def test_a_run_that_a_clock_ahead_has_noted_keeps_no_processor_from_running(
    place: Place, clock: FakeClock
) -> None:
    place.write("s1")
    clock.advance(days=400)
    place.run(LINES)
    clock.advance(days=-400)
    assert [tally.processor for tally in place.run(LINES, due_only=True)] == ["lines"]
    assert place.run(LINES, due_only=True) == [], "the last run is the one that ran last"
    clock.advance(minutes=6)
    assert [tally.processor for tally in place.run(LINES, due_only=True)] == ["lines"]


def test_a_pause_that_a_clock_ahead_has_noted_is_none(place: Place, clock: FakeClock) -> None:
    place.write("s1")
    (place.sessions / "away").touch()
    clock.advance(days=400)
    assert place.run_one("run_effectful:Dependent").pause_reason is not None
    clock.advance(days=-400)
    (place.sessions / "away").unlink()
    assert place.run_one("run_effectful:Dependent").processed == 1


def test_a_pause_holds_whatever_a_clock_ahead_has_noted_before(
    place: Place, clock: FakeClock
) -> None:
    place.write("s1")
    clock.advance(days=400)
    place.run_one("run_effectful:Dependent")
    clock.advance(days=-400)
    (place.sessions / "away").touch()
    place.append("s1", b"{}\n")
    place.write("s00")
    place.write("s2")
    assert place.run_one("run_effectful:Dependent").pause_reason is not None
    (place.sessions / "away").unlink()
    assert place.run_one("run_effectful:Dependent").pause_reason is not None, "it pauses"
    clock.advance(minutes=2)
    assert place.run_one("run_effectful:Dependent").pause_reason is None


def test_a_clock_that_jumps_between_runs_changes_no_table(tmp_path: Path) -> None:
    tables = []
    for jumps in (0, 400):
        clock = FakeClock()
        (tmp_path / str(jumps)).mkdir()
        with Place(tmp_path / str(jumps), clock) as place:
            place.write_many(20)
            place.run("usage", LINES)
            place.append("s03", bytes(told("more")))
            for number, days in enumerate((jumps, -2 * jumps, jumps)):
                clock.advance(days=days)
                place.append("s05", bytes(told(f"more {number}")))
                assert [tally.errors for tally in place.run("usage", LINES)] == [[], []]
            rows = [place.ask(f"FROM {name} ORDER BY ALL") for name in place.tables()]
            pending = place.store.standing(place.processors("usage", LINES))
            tables.append((rows, [row[6] for row in pending]))
    assert tables[0] == tables[1]
    assert tables[0][1] == [0, 0]


# Disks


def run_on(data: Path, *command: object, before: Callable[[], None] | None = None) -> Ended:
    """Run a command, in a process that calls `before` first."""
    ended = subprocess.run(
        [sys.executable, "-m", "sessionmill", *map(str, command), "--db", str(data)],
        preexec_fn=before,
        # What `before` takes away, a measurement of coverage would miss first.
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        if before
        else None,
        capture_output=True,
        text=True,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture
def team(tmp_path: Path) -> Path:
    """Make a root of one user with a few transcripts."""
    for number in range(5):
        told(f"s{number}", prompts=20).write(tmp_path / "team" / "alice" / f"s{number}.jsonl")
    return tmp_path / "team"


def responses(data: Path) -> int:
    ended = run_on(data, "sql", "SELECT count(*) AS n FROM responses WHERE counted", "--json")
    assert ended.status == 0, ended.err
    return int(ended.rows[0]["n"])


def test_a_command_on_a_full_disk_says_so_and_loses_nothing(tmp_path: Path, team: Path) -> None:
    with small_disk(tmp_path / "disk", megabytes=48) as disk:  # less than is kept free
        data = disk / "data"
        ended = run_on(data, "run", "--sessions", team)
        assert (ended.status, ended.out) == (1, "")
        assert f"{data} has 4" in ended.err
        assert "Make room, then: sessionmill run" in ended.err
        assert "Traceback" not in ended.err

        give_room(disk, megabytes=200)
        assert run_on(data, "run", "--sessions", team).status == 0
        assert responses(data) == 100


@pytest.mark.parametrize("most", sampled([20_000, 10, 60_000, 200_000, 1_000_000], 5))
@pytest.mark.parametrize("facts", ["none", "some"])
def test_wherever_writing_fails_nothing_is_lost_and_the_way_out_is_told(
    data: Path, team: Path, most: int, facts: str
) -> None:
    if facts == "some":
        first = team.parent / "first" / "alice"
        first.mkdir(parents=True)
        shutil.copy(team / "alice" / "s0.jsonl", first)
        assert run_on(data, "run", "--sessions", first.parent).status == 0

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    ended = run_on(data, "run", "--sessions", team, before=limit)
    assert "Traceback" not in ended.err
    if ended.status == 0 and most > 20_000:  # the log of the facts was short enough, and has it all
        assert responses(data) == 100
    else:
        assert ended.status == 1
        assert "What was committed" in ended.err
        assert "make room" in ended.err
        if facts == "some":
            assert responses(data) in (20, 100), "of a commit all is there, or nothing"
    ended = run_on(data, "run", "--sessions", team)
    assert (ended.status, ended.err) == (0, ""), "no commit was lost"
    assert responses(data) == 100


# Data directories

_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 24, 1, 2


def heed_modes() -> None:
    """Let root, too, do what the mode of a file allows its owner and no more."""
    if os.getuid() == 0:
        for right in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
            ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, right, 0, 0, 0)


@pytest.fixture
def modes_count(tmp_path: Path) -> None:
    """Skip where root's right to write anywhere cannot be given up."""
    path = tmp_path / "closed"
    path.touch(mode=0o444)
    write = [sys.executable, "-c", f"open({str(path)!r}, 'w')"]
    ended = subprocess.run(write, preexec_fn=heed_modes, capture_output=True, check=False)
    if ended.returncode == 0:
        pytest.skip("modes mean nothing to root, who cannot give that right up here")


@pytest.mark.parametrize(
    ("closed", "mode"),
    [
        ("data", 0o555),
        ("data/facts.duckdb", 0o444),
        pytest.param("", 0o555, marks=pytest.mark.soak),
        pytest.param("data/owner.lock", 0o444, marks=pytest.mark.soak),
    ],
)
@pytest.mark.usefixtures("modes_count")
def test_a_data_directory_that_may_not_be_written_to_is_a_sentence_with_a_way_out(
    tmp_path: Path, team: Path, closed: str, mode: int
) -> None:
    data = tmp_path / "place" / "data"
    data.parent.mkdir()
    run = ["run", "--sessions", team]
    if closed:
        assert run_on(data, *run).status == 0
    path = data.parent / closed
    before = path.stat().st_mode
    path.chmod(mode)
    for command in (run, ["report", "usage"]):
        ended = run_on(data, *command, before=heed_modes)
        assert (ended.status, ended.out) == (1, "")
        assert f"The data directory {data} cannot be written to: " in ended.err
        assert "name another with --db DIR" in ended.err
        assert "Traceback" not in ended.err
    assert path.stat().st_mode & 0o700 == mode & 0o700, "nobody opened what somebody closed"
    path.chmod(before)
    assert run_on(data, *run, before=heed_modes).status == 0
    assert responses(data) == 100


# Commands


def test_two_runs_at_once_end_in_the_tables_of_one(data: Path, team: Path) -> None:
    command = [sys.executable, "-m", "sessionmill", "run", "--sessions", str(team), "--json"]
    both = [
        subprocess.Popen(
            [*command, "--db", str(data)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    processed = [[t["processed"] for t in json.loads(out)["runs"]] for out, _ in said]
    assert sorted(processed) == [[0, 0], [5, 5]], "the second found everything done"
    assert responses(data) == 100
