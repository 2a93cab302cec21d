"""Whatever is killed, and when: what a later run ends in is what an undisturbed one ends in."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, log2
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest
from run_place import HERE, told

from sessionmill.app import now
from sessionmill.demo.team import generate
from sessionmill.store.facts import Facts
from sessionmill.store.run_store import FactsRunStore

#: Effectful: it commits each session by itself, so that there are many moments to be killed at.
LINES = "run_effectful:Lines"
#: What differs between two runs that did the same.
TIMES = ("first_seen_at", "processed_at", "last_attempt_at")
NOT_COMPARED = ("runs", "commits", "schema_version")

Tables = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Mill:
    """Commands over one data directory and one folder of transcripts, each in its process."""

    db: Path
    sessions: Path

    def start(self, command: str, *args: str, **env: str) -> subprocess.Popen[bytes]:
        sessions = ["--sessions", str(self.sessions)] if command == "run" else []
        return subprocess.Popen(
            [sys.executable, "-m", "sessionmill", command, *args, *sessions, "--db", str(self.db)],
            cwd=HERE,
            env={**os.environ, "TEST_OWN_PROCESS": "1", **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def end(self, command: str, *args: str, **env: str) -> tuple[int, bytes]:
        """Run a command to its end; return its exit status and what it printed."""
        process = self.start(command, *args, **env)
        out, _ = process.communicate(timeout=100)
        return process.returncode, out

    def commits(self) -> int:
        """Return how many commits are noted, while a run goes on."""
        try:
            return int((self.db / "commit_number").read_text() or 0)
        except FileNotFoundError:
            return 0

    def retry(self) -> None:
        """Make what failed due at once."""
        with Facts(self.db, "a test", now=now()) as facts:
            FactsRunStore(facts, now).make_due(None, None)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Read the facts; nobody has them open now."""
        with duckdb.connect(str(self.db / "facts.duckdb"), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def tables(self) -> Tables:
        """Return the content of every table, in order, but for times of the clock."""
        with duckdb.connect(str(self.db / "facts.duckdb"), read_only=True) as connection:
            found = connection.execute(
                "SELECT table_name, list(column_name ORDER BY column_index) FROM duckdb_columns()"
                " WHERE NOT internal AND table_name IN (SELECT table_name FROM duckdb_tables())"
                " GROUP BY table_name"
            ).fetchall()
            return {
                name: connection.execute(_content_of(name, columns)).fetchall()
                for name, columns in found
                if name not in NOT_COMPARED
            }


def _content_of(table: str, columns: list[str]) -> str:
    names = ", ".join(f'"{column}"' for column in columns if column not in TIMES)
    return f'SELECT {names} FROM "{table}" ORDER BY ALL'  # noqa: S608 - as the catalog has them


@dataclass(frozen=True)
class Undisturbed:
    """What one run to its end comes to."""

    sessions: Path
    tables: Tables
    commits: int
    seconds: float


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    generate(folder / "sessions", users=1, days=1)
    mill = Mill(folder / "db", folder / "sessions")
    begun = time.monotonic()
    status, _ = mill.end("run", "--processor", LINES)
    assert status == 0
    return Undisturbed(mill.sessions, mill.tables(), mill.commits(), time.monotonic() - begun)


# ── the owner ──

KILLS_IN_A_ROW = 5


def chance_of(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - moments, no secrets


def kill_at_random(mill: Mill, undisturbed: Undisturbed, chance: random.Random) -> bool:
    """Start a run and kill it, after some time or some commits; return whether it was in time."""
    before = mill.commits()
    process = mill.start("run", "--processor", LINES)
    if before and chance.random() < 0.3:
        end = time.monotonic() + chance.uniform(0, undisturbed.seconds)
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.002)
    else:
        left = max(4, undisturbed.commits - before)
        wanted = before + chance.randint(1, left * 3 // 4)
        while process.poll() is None and mill.commits() < wanted:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.01))
    process.kill()
    process.communicate()
    return process.returncode != 0


def kill_owners_and_compare(mill: Mill, undisturbed: Undisturbed, chance: random.Random) -> int:
    """Kill run after run, then let one end; return how many were killed in time."""
    killed = 0
    for _ in range(KILLS_IN_A_ROW):
        killed += kill_at_random(mill, undisturbed, chance)
        if (mill.db / "facts.duckdb").exists():
            assert_rows_and_states_agree(mill)
    status, out = mill.end("run", "--processor", LINES, "--json")
    if status:  # by ill luck one stood alone at two kills: a person brings it back
        errors = [error for run in json.loads(out)["runs"] for error in run["errors_detail"]]
        assert all("killed twice" in error["error"] for error in errors)
        mill.retry()
        status, _ = mill.end("run", "--processor", LINES)
    assert status == 0
    assert_same_tables(mill.tables(), undisturbed.tables)
    return killed


def assert_rows_and_states_agree(mill: Mill) -> None:
    """Of an effectful processor there are rows of just those sessions that have a state."""
    tables = [name for (name,) in mill.ask("SELECT table_name FROM duckdb_tables()")]
    if "lines_of" not in tables:
        return
    rows = mill.ask("SELECT DISTINCT session_key FROM lines_of ORDER BY ALL")
    states = mill.ask(
        "SELECT session_file FROM session_processor_state WHERE processor_name = 'lines'"
        " AND items_extracted > 0 ORDER BY ALL"
    )
    assert rows == states


def assert_same_tables(after: Tables, expected: Tables) -> None:
    assert sorted(after) == sorted(expected)
    for name, rows in expected.items():
        assert after[name] == rows, name
    assert expected["in_flight"] == []


@pytest.mark.parametrize("seed", range(1))
def test_kills_of_the_run_end_in_the_tables_of_an_undisturbed_one(
    tmp_path: Path, undisturbed: Undisturbed, seed: int
) -> None:
    mill = Mill(tmp_path / "db", undisturbed.sessions)
    killed = kill_owners_and_compare(mill, undisturbed, chance_of(seed))
    assert killed > 0, "every run had ended before: the test shows nothing"


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_thousand_kills_of_the_run_end_in_the_tables_of_an_undisturbed_one(
    tmp_path: Path, undisturbed: Undisturbed
) -> None:
    killed = seed = 0
    while killed < 1000:
        seed += 1
        mill = Mill(tmp_path / str(seed), undisturbed.sessions)
        killed += kill_owners_and_compare(mill, undisturbed, chance_of(1000 + seed))


# ── its children ──


def children_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return the child processes of a run that the test has started."""
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def kill_children(mill: Mill, chance: random.Random) -> int:
    """Run once, and kill children of it at random; return how many."""
    process = mill.start("run", "--processor", LINES)
    killed = 0
    while process.poll() is None and killed < KILLS_IN_A_ROW:
        children = children_of(process)
        if children and chance.random() < 0.3:
            chance.choice(children).kill()
            killed += 1
        time.sleep(chance.uniform(0, 0.05))
    process.communicate(timeout=100)
    assert process.returncode in (0, 1)
    return killed


def kill_children_and_compare(mill: Mill, undisturbed: Undisturbed, chance: random.Random) -> int:
    killed = kill_children(mill, chance)
    failed = "SELECT count(*), coalesce(max(attempts), 0) FROM session_processor_state"
    [(sessions, attempts)] = mill.ask(failed + " WHERE attempts > 0")
    # A worker that dies while it reads for both built-in extractors is charged to each of them.
    assert sessions <= 2 * killed
    assert attempts <= killed
    mill.retry()
    status, _ = mill.end("run", "--processor", LINES)
    assert status == 0
    assert_same_tables(mill.tables(), undisturbed.tables)
    return killed


@pytest.mark.parametrize("seed", range(1))
def test_kills_of_child_processes_end_in_the_tables_of_an_undisturbed_run(
    tmp_path: Path, undisturbed: Undisturbed, seed: int
) -> None:
    mill = Mill(tmp_path / "db", undisturbed.sessions)
    killed = kill_children_and_compare(mill, undisturbed, chance_of(seed))
    assert killed > 0, "there was no child to kill: the test shows nothing"


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_thousand_kills_of_child_processes_end_in_the_tables_of_an_undisturbed_run(
    tmp_path: Path, undisturbed: Undisturbed
) -> None:
    killed = seed = 0
    while killed < 1000:
        seed += 1
        mill = Mill(tmp_path / str(seed), undisturbed.sessions)
        killed += kill_children_and_compare(mill, undisturbed, chance_of(1000 + seed))


# ── what is left of a killed run ──


def gone(children: Sequence[psutil.Process]) -> bool:
    def lives(child: psutil.Process) -> bool:
        try:
            return child.is_running() and child.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return not any(map(lives, children))


def wait_until(true: Any, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("deed", ["sleeps", "spins"])
@pytest.mark.parametrize("kind", ["Extracting", "Effectful"])
def test_no_child_is_left_five_seconds_after_the_run_was_killed(
    tmp_path: Path, kind: str, deed: str
) -> None:
    mill, begun = Mill(tmp_path / "db", tmp_path / "sessions"), tmp_path / "begun"
    told("culprit").write(mill.sessions / "alice" / "culprit.jsonl")
    spec = f"run_killers:{kind}.{deed}"
    process = mill.start("run", "--processor", spec, TEST_BEGUN=str(begun))
    children: list[psutil.Process] = []
    try:
        assert wait_until(begun.exists, 30)
        children = children_of(process)
        assert children
        assert not gone(children)
        process.kill()
        process.communicate(timeout=10)
        assert wait_until(lambda: gone(children), 5)
    finally:
        process.kill()
        for child in children:
            if not gone([child]):
                child.kill()


@pytest.fixture
def killing(tmp_path: Path) -> Iterator[Mill]:
    mill = Mill(tmp_path / "db", tmp_path / "sessions")
    for name in [*(f"s{n:02}" for n in range(40)), "s17-culprit"]:
        told(name).write(mill.sessions / "alice" / f"{name}.jsonl")
    yield mill


@pytest.mark.parametrize("kind", ["Extracting", "Effectful"])
def test_a_session_that_kills_its_run_is_charged_and_soon_and_all_others_are_processed(
    killing: Mill, kind: str
) -> None:
    # Batches hold 50 at most; a session is charged once it stood alone at two deaths.
    most_deaths = ceil(log2(50)) + 2
    spec = f"run_killers:{kind}.kills_owner"
    name = f"{kind.lower()}-kills-owner"
    ends = [killing.end("run", name, "--processor", spec, "--json")]
    while ends[-1][0] < 0 and len(ends) <= most_deaths:
        ends.append(killing.end("run", name, "--processor", spec, "--json"))
    status, out = ends[-1]
    assert status == 1, f"{len(ends)} runs, and the last one was killed too"
    assert len(ends) > 2, "nobody is charged for one dead owner"
    [run] = json.loads(out)["runs"]
    [error] = run["errors_detail"]
    assert error["session"] == "alice/s17-culprit.jsonl"
    assert "killed twice" in error["error"]

    table = name.replace("-", "_")
    assert len(killing.ask(f"SELECT DISTINCT session_key FROM {table}")) == 40  # noqa: S608 - ours
    attempts = killing.ask(
        "SELECT session_file, attempts FROM session_processor_state WHERE attempts > 0"
    )
    assert attempts == [("alice/s17-culprit.jsonl", 1)]
    assert killing.ask("FROM in_flight") == []


@pytest.mark.soak
def test_a_session_that_kills_the_run_of_several_processors_costs_them_no_other_session(
    killing: Mill,
) -> None:
    for _ in range(12):
        status, _ = killing.end("run", "--processor", "run_killers:Extracting.kills_owner")
        if status >= 0:
            break
    assert status == 1
    # Nobody knows which of the extractors that share a reading it was.
    charged = "SELECT DISTINCT session_file FROM session_processor_state WHERE attempts > 0"
    assert killing.ask(charged) == [("alice/s17-culprit.jsonl",)]
    done = "SELECT processor_name, count(processed_at) FROM session_processor_state GROUP BY ALL"
    assert set(killing.ask(done)) == {
        ("extracting-kills-owner", 40),
        ("inventory", 40),
        ("usage", 40),
    }


def test_a_killed_run_leaves_no_row_and_the_next_one_its_own(
    tmp_path: Path, undisturbed: Undisturbed
) -> None:
    mill = Mill(tmp_path / "db", undisturbed.sessions)
    process = mill.start("run", "--processor", LINES)
    assert wait_until(lambda: mill.commits() > 5, 30)
    process.kill()
    process.communicate()
    assert mill.ask("FROM runs") == []
    assert mill.ask("FROM in_flight") != [], "what was at work is marked"
    mill.end("run", "--processor", LINES)
    assert len(mill.ask("FROM runs")) == 3
    assert mill.ask("FROM in_flight") == []
