"""`reprocess --compare`: what a new version changes is shown first, and comes all at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_place import document

from conftest import Mill
from sessionmill.process.usage import Usage
from sessionmill.store.facts import Facts
from sessionmill.testing import ClaudeTranscript, FakeClock

RUNS = Path(__file__).parents[1] / "run"
ONE = ("versions", "--processor", "run_versions:One")
TWO = ("versions", "--processor", "run_versions:Two")
FIGURES = ["figure", "before", "after", "change"]


@pytest.fixture
def sessions(tmp_path: Path, mill: Mill) -> Path:
    """Transcripts of alice and bob, read by version 1."""
    folder = tmp_path / "sessions"
    for user, name, output in (("alice", "0f3c", 13), ("alice", "1a2b", 12), ("bob", "7d1e", 17)):
        made = ClaudeTranscript(name)
        made.prompt("Fix the total.")
        made.response(id=f"msg_{name}", output_tokens=output)
        made.write(folder / user / f"{name}.jsonl")
    mill("run", *ONE, "--sessions", folder, cwd=RUNS)
    return folder


def rows_of(mill: Mill, table: str) -> list[dict[str, Any]]:
    query = f"SELECT * FROM {table} ORDER BY ALL"  # noqa: S608 - ours
    rows: list[dict[str, Any]] = document(mill("sql", query, "--json"))["rows"]
    return rows


def outputs(mill: Mill) -> list[int]:
    return sorted(row["output"] for row in rows_of(mill, "answers"))


def test_the_document_tells_what_differs_and_what_there_is_in_all(
    mill: Mill, sessions: Path
) -> None:
    (sessions / "bob" / "7d1e.jsonl").unlink()
    ended = mill("reprocess", *TWO, "--compare", "--by", "user", "--json", cwd=RUNS)
    assert (ended.status, ended.err) == (0, "")
    told = document(ended)
    assert list(told) == [
        "processor",
        "from_version",
        "to_version",
        "why",
        "transcripts",
        "swapped",
        "rows",
        "truncated",
        "total",
        "not_compared",
    ]
    assert (told["processor"], told["from_version"], told["to_version"]) == ("versions", 1, 2)
    assert told["why"] == "Odd outputs were one too low."
    assert (told["transcripts"], told["swapped"], told["truncated"]) == (2, False, False)
    assert list(told["rows"][0]) == ["user", *FIGURES]
    assert {row["user"] for row in told["rows"]} == {"alice"}, "bob's rows stay as they are"
    [output] = [row for row in told["total"]["rows"] if row["figure"] == "answers.output"]
    assert output == {"figure": "answers.output", "before": 42, "after": 43, "change": 1}
    assert told["not_compared"] == {
        "rows": [{"session": "bob/7d1e.jsonl", "reason": "gone: its file is not there"}],
        "truncated": False,
    }


@pytest.mark.usefixtures("sessions")
def test_people_are_told_what_differs_and_the_command_that_lets_it_be(
    mill: Mill, data: Path
) -> None:
    ended = mill("reprocess", *TWO, "--compare", cwd=RUNS)
    lines = ended.out.splitlines()
    assert lines[0] == "versions: version 2 beside version 1, over 3 transcripts."
    assert lines[1] == "Odd outputs were one too low."
    assert lines[3].split() == ["day", *FIGURES]
    assert ["2026-03-02", "answers.output", "42", "44", "2"] in [line.split() for line in lines]
    assert "In all" in lines
    assert lines[-1].startswith("Nothing is changed yet. To let it be so: ")
    assert lines[-1].endswith(
        f"reprocess versions --compare --swap --processor run_versions:Two --db {data}"
    )
    assert outputs(mill) == [12, 13, 17]
    again = mill("reprocess", *TWO, "--compare", "--swap", cwd=RUNS)
    assert again.out.startswith("versions: version 2 in the place of version 1, over 3 ")
    assert "Nothing is changed yet" not in again.out
    assert outputs(mill) == [12, 14, 18]
    assert not (data / "shadow" / "versions").exists()
    nothing = mill("reprocess", *TWO, "--compare", cwd=RUNS).out.splitlines()
    assert "Nothing differs." in nothing


def test_reports_are_full_until_the_swap_and_after_it(mill: Mill, sessions: Path) -> None:
    tables = ("answers", "kinds", "session_processor_state", "transcripts", "runs")
    mill("reprocess", *TWO, "--compare", cwd=RUNS)
    before = {table: rows_of(mill, table) for table in tables}
    mill("reprocess", *TWO, "--compare", "--by", "rule", cwd=RUNS)
    assert {table: rows_of(mill, table) for table in tables} == before
    mill("reprocess", *TWO, "--compare", "--swap", cwd=RUNS)
    [run] = document(mill("run", *TWO, "--sessions", sessions, "--json", cwd=RUNS))["runs"]
    assert (run["scanned"], run["processed"]) == (0, 0)


def test_what_fails_is_said_and_the_rest_is_compared(mill: Mill, sessions: Path) -> None:
    made = ClaudeTranscript("9999")
    made.response()
    made.raw(b"{not JSON}\n")
    made.write(sessions / "bob" / "9999.jsonl")
    mill("run", *ONE, "--sessions", sessions, cwd=RUNS)
    strict = ("versions", "--processor", "run_versions:Strict")
    ended = mill("reprocess", *strict, "--compare", "--json", cwd=RUNS)
    assert ended.status == 1
    assert "versions: bob/9999.jsonl: ValueError: a damaged line" in ended.err
    assert document(ended)["transcripts"] == 3
    ended = mill("reprocess", *strict, "--compare", cwd=RUNS)
    assert "Not compared, so that their rows stay as they are: 1" in ended.out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("versions", "--swap"), "--swap goes with --compare"),
        (("words", "--compare", "--processor", "run_plain:Plain"), "No processor is named 'words'"),
        (("plain", "--compare", "--processor", "run_plain:Plain"), "plain is effectful"),
        (("usage", "--compare", "--by", "week"), "week"),
    ],
)
def test_what_cannot_be_is_a_wrong_command_line(
    mill: Mill, given: tuple[str, ...], said: str
) -> None:
    ended = mill("reprocess", *given, cwd=RUNS)
    assert ended.status == 2
    assert said in ended.err
    assert ended.out == ""


@pytest.mark.usefixtures("sessions")
def test_code_that_changed_under_the_same_version_is_read_anew(mill: Mill, tmp_path: Path) -> None:
    module = tmp_path / "mine.py"
    text = "from run_versions import Two\nclass Mine(Two):\n    version = 3\n"
    mine = ("versions", "--processor", "mine:Mine", "--compare", "--json")
    module.write_text(text)

    def counted() -> Any:
        ended = mill("reprocess", *mine, cwd=tmp_path, PYTHONPATH=str(RUNS))
        rows = document(ended)["total"]["rows"]
        return next(row["after"] for row in rows if row["figure"] == "answers.output")

    assert counted() == 12 + 14 + 18
    module.write_text(
        text + "    def answer(self, response, record):\n"
        "        return {**super().answer(response, record), 'output': 1}\n"
    )
    assert counted() == 3


# ── killed ──

_KILLED = """
import os, shutil, sys
import sessionmill.shadow, sessionmill.store.swap, sessionmill.store.facts
from sessionmill.cli import main
from sessionmill.store.run_store import FactsRunStore

def killed(*given, **options):
    os._exit(9)

def killed_second(self, *given, done=[], commit=FactsRunStore.commit_extracted, **options):
    if len(done) == 1:
        os._exit(9)
    done.append(1)
    return commit(self, *given, **options)

where = sys.argv.pop()
if where == "while it reads":
    FactsRunStore.commit_extracted = killed_second
elif where == "before the rows":
    sessionmill.store.swap.RowStore.swap = killed
elif where == "before the states":
    sessionmill.store.swap.Array = killed
elif where == "before the identities":
    sessionmill.store.swap.take_named = killed
elif where == "before the note":
    sessionmill.shadow.add_version_note = killed
elif where == "before the commit":
    write_note = sessionmill.shadow.add_version_note
    def write_note_and_die(*given):
        write_note(*given)
        sessionmill.store.facts.Facts.commit = killed
    sessionmill.shadow.add_version_note = write_note_and_die
else:
    sessionmill.shadow.Shadow.__exit__ = killed
sys.argv = "sessionmill reprocess versions --processor run_versions:Two --compare --swap".split()
main()
"""


@pytest.mark.usefixtures("sessions")
@pytest.mark.parametrize(
    ("where", "is_swapped"),
    [
        pytest.param("while it reads", False, marks=pytest.mark.soak),
        pytest.param("before the rows", False, marks=pytest.mark.soak),
        pytest.param("before the states", False, marks=pytest.mark.soak),
        pytest.param("before the identities", False, marks=pytest.mark.soak),
        pytest.param("before the note", False, marks=pytest.mark.soak),
        ("before the commit", False),
        ("before the shadow is dropped", True),
    ],
)
def test_a_kill_leaves_all_of_the_old_or_all_of_the_new(
    mill: Mill, data: Path, where: str, is_swapped: bool
) -> None:
    mill("processors", "--processor", "run_versions:Two", cwd=RUNS)  # adds the new column
    tables = ("answers", "kinds", "session_processor_state", "transcripts", "version_notes")
    old = {table: rows_of(mill, table) for table in tables}

    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, where],
        env={**os.environ, "SESSIONMILL_HOME": str(data)},
        cwd=RUNS,
        check=False,
    )

    assert killed.returncode == 9
    left = {table: rows_of(mill, table) for table in tables}
    if not is_swapped:
        assert left == old
        mill("reprocess", *TWO, "--compare", "--swap", cwd=RUNS)
    assert outputs(mill) == [12, 14, 18]
    assert {row["version"] for row in rows_of(mill, "session_processor_state")} == {2}
    assert len(rows_of(mill, "version_notes")) == 1
    again = mill("reprocess", *TWO, "--compare", "--swap", cwd=RUNS)
    assert "Nothing differs." in again.out
    assert not (data / "shadow" / "versions").exists()


# ── a run with a new version ──


def test_a_run_says_before_it_that_a_version_reads_anew_and_notes_it(
    mill: Mill, sessions: Path
) -> None:
    (sessions / "bob" / "7d1e.jsonl").unlink()
    ended = mill("run", *TWO, "--sessions", sessions, "--json", cwd=RUNS)
    assert ended.err.splitlines() == [
        "sessionmill: versions: version 2 reads transcripts anew: 2 that version 1 has read. "
        "Figures may change. Odd outputs were one too low.",
        "sessionmill: to see first what changes, interrupt this run, then: "
        "sessionmill reprocess versions --compare",
    ]
    [note] = rows_of(mill, "version_notes")
    assert (note["from_version"], note["to_version"], note["transcripts"]) == (1, 2, 2)
    assert (note["figures"], note["why"]) == (None, "Odd outputs were one too low.")
    assert mill("run", *TWO, "--sessions", sessions, cwd=RUNS).err == ""
    assert len(rows_of(mill, "version_notes")) == 1
    standing = document(mill("processors", "--processor", "run_versions:Two", "--json", cwd=RUNS))
    [row] = [row for row in standing["rows"] if row["name"] == "versions"]
    assert (row["version"], row["other_version"]) == (2, 1)


def age(data: Path, username: str) -> None:
    """Let it be that a user's transcripts were counted by version 0."""
    with Facts(data, "a test", now=FakeClock()()) as facts, facts.transaction() as cursor:
        cursor.execute(
            "UPDATE session_processor_state SET version = 0"
            " WHERE processor_name = 'usage' AND username = ?",
            [username],
        )


def test_a_report_says_which_transcripts_another_version_has_counted(
    mill: Mill, sessions: Path, data: Path
) -> None:
    mill("run", "usage", "--sessions", sessions)
    assert "counted by version" not in mill("report", "usage").out
    age(data, "alice")
    assert (
        mill("report", "usage")
        .out.splitlines()[-1]
        .startswith(
            "2 transcripts were counted by version 0. To see what the loaded version changes: "
        )
    )
    for name in ("0f3c", "1a2b"):
        (sessions / "alice" / f"{name}.jsonl").unlink()
    mill("run", "inventory", "--sessions", sessions)  # its walk misses them
    for by in ("total", "user"):
        last = mill("report", "usage", "--by", by).out.splitlines()[-1]
        assert last == "2 transcripts, gone since, were counted by version 0."
    told = document(mill("report", "usage", "--by", "user", "--json"))
    assert list(told) == ["rows", "truncated"]


def test_a_version_of_usage_says_what_it_changed() -> None:
    assert set(range(2, Usage.version + 1)) <= set(Usage.changes)
