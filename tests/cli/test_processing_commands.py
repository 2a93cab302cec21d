"""Commands that process: run, start, retry, processors, demo."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from cli_place import HERE, busy, document, write

from commands import Ended
from conftest import Mill
from sessionmill.testing import CodexRollout

RUN = [
    "processor",
    "seen",
    "scanned",
    "processed",
    "skipped",
    "capped",
    "errors",
    "items_extracted",
    "errors_detail",
    "seconds",
]
WORDS = ("--processor", "cli_processors:Words")
OTHER = ("--processor", "cli_processors:Other")


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    """Transcripts of alice and bob, one of which makes some processors fail."""
    folder = tmp_path / "sessions"
    write(folder, "alice", "0f3c-one")
    write(folder, "alice", "0f3c-two")
    write(folder, "bob", "7d1e", "FAILING")
    return folder


def runs_of(ended: Ended) -> dict[str, dict[str, Any]]:
    return {run["processor"]: run for run in document(ended)["runs"]}


# ── run ──


def test_a_run_is_told_as_one_document_of_just_this_shape(mill: Mill, sessions: Path) -> None:
    ended = mill("run", *WORDS, "--sessions", sessions, "--json", cwd=HERE)
    told = document(ended)
    assert list(told) == ["runs"]
    assert [run["processor"] for run in told["runs"]] == ["inventory", "usage", "words"]
    for run in told["runs"]:
        assert list(run) == RUN
        assert isinstance(run["seconds"], float)
    words = told["runs"][-1]
    del words["seconds"]
    assert words == {
        "processor": "words",
        "seen": 3,
        "scanned": 3,
        "processed": 2,
        "skipped": 0,
        "capped": 0,
        "errors": 1,
        "items_extracted": 2,
        "errors_detail": [
            {"session": "bob/7d1e.jsonl", "error": "ValueError: the cart has no total"}
        ],
    }
    assert ended.status == 1


def test_a_run_for_people_is_a_table_with_what_went_wrong_beside_it(
    mill: Mill, sessions: Path
) -> None:
    ended = mill("run", *WORDS, "--sessions", sessions, cwd=HERE)
    head, _, *rows = ended.out.splitlines()
    assert head.split() == [name for name in RUN if name != "errors_detail"]
    assert [row.split()[0] for row in rows] == ["inventory", "usage", "words"]
    assert "words: bob/7d1e.jsonl: ValueError: the cart has no total" in ended.err


def test_only_the_named_processors_run(mill: Mill, sessions: Path) -> None:
    assert list(runs_of(mill("run", "usage", "--sessions", sessions, "--json"))) == ["usage"]


def test_a_result_that_is_none_is_warned_of(mill: Mill, sessions: Path) -> None:
    run = ("run", "odd", "--processor", "cli_processors:Odd", "--sessions", sessions)
    ended = mill(*run, "--json", cwd=HERE)
    assert ended.status == 0
    assert runs_of(ended)["odd"]["items_extracted"] == 0
    assert "not a ProcessorResult" in ended.err


def test_only_what_is_due_runs_where_that_is_asked_for(mill: Mill, sessions: Path) -> None:
    mill("run", "usage", "--sessions", sessions)
    due = ("run", "--due", "--sessions", sessions)
    assert list(runs_of(mill(*due, "--json"))) == ["inventory"]
    assert document(mill(*due, "--json")) == {"runs": []}
    assert mill(*due).out == "No processor is due.\n"


def test_without_time_everything_is_left(mill: Mill, sessions: Path) -> None:
    run = ("run", *OTHER, "--sessions", sessions, "--budget", "0", "--json")
    ended = mill(*run, cwd=HERE)
    assert ended.status == 0, "what is left is no error"
    for told in runs_of(ended).values():
        assert (told["scanned"], told["capped"], told["processed"]) == (3, 3, 0)


def test_what_a_processor_prints_is_never_in_the_document(mill: Mill, sessions: Path) -> None:
    loud = ("--processor", "cli_loud:Loud")
    ended = mill("run", *loud, "--sessions", sessions, "--json", cwd=HERE)
    assert runs_of(ended)["loud"]["processed"] == 3
    for command in (("processors",), ("processors", "--json")):
        ended = mill(*command, *loud, cwd=HERE)
        assert not re.search("imported|made|at work", ended.out)
    assert [row["name"] for row in ended.rows] == ["inventory", "usage", "loud"]


def test_one_persons_homes_are_read_under_that_persons_name(mill: Mill, tmp_path: Path) -> None:
    busy("0f3c").write(tmp_path / "claude" / "projects" / "-work-shop" / "0f3c.jsonl")
    rollout = CodexRollout()
    rollout.turn()
    rollout.prompt()
    rollout.write(tmp_path / "codex" / rollout.relative_path)
    homes = ("--claude", tmp_path / "claude", "--codex", tmp_path / "codex", "--user", "dora")
    assert mill("run", *homes).status == 0
    query = "SELECT session_key, username, agent FROM transcripts ORDER BY session_key"
    assert mill("sql", query, "--json").rows == [
        {
            "session_key": "dora/-work-shop/0f3c.jsonl",
            "username": "dora",
            "agent": "claude-code",
        },
        {
            "session_key": f"dora/{rollout.relative_path.as_posix()}",
            "username": "dora",
            "agent": "codex",
        },
    ]


def test_the_folder_of_the_environment_is_read_without_being_named(
    mill: Mill, sessions: Path
) -> None:
    ended = mill("run", "usage", "--json", SESSION_DATA_DIR=str(sessions))
    assert runs_of(ended)["usage"]["seen"] == 3


def test_a_run_leaves_its_row_with_who_ran_it(mill: Mill, sessions: Path) -> None:
    mill("run", "usage", "--sessions", sessions)
    [row] = mill("sql", "SELECT processor_name, actor, outcome FROM runs", "--json").rows
    assert row == {"processor_name": "usage", "actor": "cli:tester", "outcome": "ok"}


# ── one that cannot be built ──


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return a folder in which a package with a broken processor is installed."""
    folder = tmp_path / "site"
    info = folder / "broken_package-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[sessionmill.processors]\n"
        "broken = cli_processors:Broken\n"
        "absent = a_module_that_nobody_has:Absent\n"
        "words = cli_processors:Words\n"
    )
    return folder


def test_a_processor_that_cannot_be_built_is_listed_and_takes_nothing_down(
    mill: Mill, sessions: Path, installed: Path
) -> None:
    path = f"{installed}{os.pathsep}{HERE}"
    rows = {row["name"]: row for row in mill("processors", "--json", PYTHONPATH=path).rows}
    assert list(rows) == ["inventory", "usage", "words", "absent", "broken"]
    assert rows["broken"]["problem"] == "ValueError: there is no model"
    assert "a_module_that_nobody_has" in rows["absent"]["problem"]
    assert rows["words"]["problem"] is None

    ended = mill("run", "--sessions", sessions, "--json", PYTHONPATH=path)
    assert list(runs_of(ended)) == ["inventory", "usage", "words"]
    assert runs_of(ended)["usage"]["processed"] == 3
    assert "the processor broken can't run: ValueError: there is no model" in ended.err


def test_asking_for_a_processor_that_cannot_be_built_tells_why_and_ends_with_1(
    mill: Mill, sessions: Path, installed: Path
) -> None:
    path = f"{installed}{os.pathsep}{HERE}"
    ended = mill("run", "broken", "--sessions", sessions, PYTHONPATH=path)
    assert (ended.status, ended.out) == (1, "")
    assert "there is no model" in ended.err
    assert "Traceback" not in ended.err


def test_a_processor_that_the_command_line_loads_and_that_cannot_be_built_ends_with_1(
    mill: Mill, sessions: Path
) -> None:
    broken = ("--processor", "cli_processors:Broken")
    ended = mill("run", *broken, "--sessions", sessions, cwd=HERE)
    assert ended.status == 1, "it was asked for by name"
    assert "there is no model" in ended.err
    listed = {row["name"]: row for row in mill("processors", *broken, "--json", cwd=HERE).rows}
    assert "there is no model" in listed["cli_processors:Broken"]["problem"]


# ── processors, retry ──


def test_processors_are_listed_with_how_they_stand(mill: Mill, sessions: Path) -> None:
    listed = ("processors", *WORDS, "--json")
    before = {row["name"]: row for row in mill(*listed, cwd=HERE).rows}
    columns = ["name", "version", "cadence", "last_run", "last_outcome"]
    assert list(before["words"]) == [
        *columns,
        "other_version",
        "pending",
        "failing",
        "dead",
        "problem",
    ]
    assert before["words"]["last_run"] is None

    mill("run", *WORDS, "--sessions", sessions, cwd=HERE)
    rows = {row["name"]: row for row in mill(*listed, cwd=HERE).rows}
    words = rows["words"]
    assert (words["version"], words["cadence"]) == (1, "every 15m")
    assert words["last_outcome"] == "errors"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", words["last_run"])
    assert (words["pending"], words["failing"], words["dead"]) == (0, 1, 0)
    assert (rows["usage"]["failing"], rows["usage"]["last_outcome"]) == (0, "ok")


def test_failed_sessions_are_tried_again_at_once_where_a_person_says_so(
    mill: Mill, sessions: Path
) -> None:
    run = ("run", "words", "other", *WORDS, *OTHER, "--sessions", sessions, "--json")
    assert runs_of(mill(*run, cwd=HERE))["words"]["errors"] == 1
    assert runs_of(mill(*run, cwd=HERE))["words"]["scanned"] == 0, "it waits"

    ended = mill("retry", "words", "--json")
    assert document(ended) == {
        "rows": [{"processor": "words", "session": "bob/7d1e.jsonl"}],
        "truncated": False,
    }
    runs = runs_of(mill(*run, cwd=HERE))
    assert (runs["words"]["scanned"], runs["other"]["scanned"]) == (1, 0)
    assert len(mill("retry", "--json").rows) == 2


def test_one_session_is_named_by_its_key_its_id_or_the_start_of_one(
    mill: Mill, sessions: Path
) -> None:
    mill("run", "words", *WORDS, "--sessions", sessions, cwd=HERE)
    for given in ("bob/7d1e.jsonl", "7d1e", "7d", "bob/"):
        assert len(mill("retry", "--session", given, "--json").rows) == 1, given
    assert mill("retry", "--session", "0f3c-one", "--json").rows == [], "it has not failed"


def test_a_session_that_several_match_is_refused_with_them(mill: Mill, sessions: Path) -> None:
    mill("run", "usage", "--sessions", sessions)
    ended = mill("retry", "--session", "0f3c")
    assert ended.status == 2
    assert ended.out == ""
    for name in ("alice/0f3c-one.jsonl", "alice/0f3c-two.jsonl"):
        assert name in ended.err


# ── start ──


def listing(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return everything below a folder, with what a writer would have changed."""
    entries = [folder, *sorted(folder.rglob("*"))]
    stats = {str(path.relative_to(folder)): path.lstat() for path in entries}
    return {name: (s.st_mode, s.st_size, s.st_mtime_ns) for name, s in stats.items()}


def test_start_reads_this_machines_transcripts_and_changes_nothing_there(
    mill: Mill, home: Path, data: Path
) -> None:
    busy("0f3c").write(home / ".claude" / "projects" / "-work-shop" / "0f3c.jsonl")
    rollout = CodexRollout()
    rollout.turn()
    rollout.prompt()
    rollout.tokens(100, 0, 7)
    rollout.write(home / ".codex" / rollout.relative_path)
    before = listing(home)
    ended = mill("start")
    assert ended.status == 0, ended.err
    assert listing(home) == before
    assert "Found 2 transcripts" in ended.out
    assert str(home / ".claude") in ended.out
    assert str(home / ".codex") in ended.out
    assert "2026-03-02" in ended.out
    assert (data / "facts.duckdb").exists()
    [row] = mill("report", "usage", "--json").rows
    assert row["transcripts"] == 2


def test_start_without_transcripts_says_where_it_looked_and_shows_a_made_up_team(
    mill: Mill, home: Path, data: Path
) -> None:
    before = listing(home)
    ended = mill("start")
    assert ended.status == 0, ended.err
    assert listing(home) == before, "nothing is made where transcripts are looked for"
    assert str(home / ".claude") in ended.out
    assert "none of its figures are yours" in ended.out
    advice = re.findall(r"--db (\S+)", ended.out)
    assert advice
    assert set(advice) == {str(data / "demo")}
    [own] = mill("report", "usage", "--json").rows
    assert own["transcripts"] == 0, "the team's figures are not mixed with one's own"
    [team] = mill("report", "usage", "--json", "--db", data / "demo").rows
    assert team["transcripts"] > 20


def test_start_can_be_run_again(mill: Mill) -> None:
    assert mill("start").status == 0
    assert mill("start").status == 0


# ── demo ──


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_same_seed_makes_the_same_bytes(mill: Mill, tmp_path: Path) -> None:
    small = ("--users", "1", "--days", "1")
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        assert mill("demo", tmp_path / name, *small, "--seed", seed).status == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "same")
    assert contents(tmp_path / "one") != contents(tmp_path / "other")


def test_a_demonstration_is_told_as_one_document(mill: Mill, tmp_path: Path) -> None:
    told = document(mill("demo", tmp_path / "team", "--users", "2", "--days", "1", "--json"))
    made = contents(tmp_path / "team")
    assert told == {
        "transcripts": len(made),
        "bytes": sum(map(len, made.values())),
        "users": 2,
    }


def test_a_demonstration_is_not_made_among_somebodys_files(mill: Mill, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("Dear …")
    ended = mill("demo", tmp_path / "mine")
    assert (ended.status, ended.out) == (2, "")
    assert "not empty" in ended.err
    assert list(contents(tmp_path / "mine")) == ["letter.txt"]


# ── while another command runs ──


@pytest.fixture
def patient(
    data: Path, sessions: Path, tmp_path: Path
) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Start a run that goes on until the file is there that comes with it."""
    begun, enough = tmp_path / "begun", tmp_path / "enough"
    run = ["run", "patient", "--processor", "cli_processors:Patient", "--sessions", str(sessions)]
    process = subprocess.Popen(
        [sys.executable, "-m", "sessionmill", *run],
        cwd=HERE,
        # A shell's background job ignores Ctrl-C, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={
            **os.environ,
            "SESSIONMILL_HOME": str(data),
            "TEST_BEGUN": str(begun),
            "TEST_ENOUGH": str(enough),
        },
    )
    end = time.monotonic() + 30
    while not begun.exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert begun.exists()
    yield process, enough
    process.kill()
    process.communicate()


@pytest.mark.soak
def test_a_second_command_waits_and_then_names_who_holds_the_facts(
    mill: Mill, patient: tuple[subprocess.Popen[str], Path]
) -> None:
    first, enough = patient
    begun = time.monotonic()
    ended = mill("report", "usage")
    assert 9 < time.monotonic() - begun < 30
    assert (ended.status, ended.out) == (1, "")
    assert f"process {first.pid}" in ended.err
    assert "sessionmill run patient" in ended.err
    enough.touch()
    _, err = first.communicate(timeout=60)
    assert first.returncode == 0, err
    assert mill("report", "usage").status == 0


def test_an_interrupted_run_ends_at_once_and_leaves_nothing_running(
    patient: tuple[subprocess.Popen[str], Path], mill: Mill, sessions: Path
) -> None:
    process, _ = patient
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert "Interrupted" in err
    assert "Traceback" not in err
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []
    assert mill("run", "usage", "--sessions", sessions).status == 0
