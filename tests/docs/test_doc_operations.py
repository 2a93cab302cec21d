"""What operations.md tells a person to do works: removal, back-up, units, options."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pages import Page, page, pages
from test_doc_settings import COMMANDS, options

from commands import Ended
from conftest import Mill
from sessionmill.demo.team import generate
from sessionmill.testing import ClaudeTranscript

OPERATIONS = page("operations")


@pytest.fixture
def team(tmp_path: Path, mill: Mill) -> Path:
    """Return the folder of a generated team that has been read."""
    generate(tmp_path / "team", days=4)
    assert mill("run", "--sessions", tmp_path / "team").status == 0
    return tmp_path / "team"


def by_user(mill: Mill) -> dict[str, dict[str, Any]]:
    return {row["user"]: row for row in mill("report", "usage", "--by", "user", "--json").rows}


# ── removing a person's data ──


def forget(data: Path, user: str, place: Path) -> Ended:
    """Run the script of the page."""
    [script] = [b for b in OPERATIONS.of("python") if b.first_line == "# forget.py"]
    (place / "forget.py").write_text(script.body)
    ended = subprocess.run(
        [sys.executable, place / "forget.py", data, user],
        capture_output=True,
        text=True,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def test_a_person_who_is_removed_is_in_no_table_and_the_others_stay(
    mill: Mill, data: Path, team: Path, tmp_path: Path
) -> None:
    before = by_user(mill)
    assert b"alice" in (data / "facts.duckdb").read_bytes()
    shutil.rmtree(team / "alice")
    gone = next((team / "bruno").rglob("*.jsonl"))
    gone.unlink()

    ended = forget(data, "alice", tmp_path)
    assert ended.status == 0, ended.err
    assert b"alice" not in (data / "facts.duckdb").read_bytes()
    assert not (data / "kept.duckdb").exists()
    assert (data / "facts.duckdb").stat().st_mode & 0o777 == 0o600

    again = mill("run", "--sessions", team)
    assert (again.status, again.err) == (0, ""), "nothing passes for damaged"
    del before["alice"]
    assert by_user(mill) == before, "facts of a gone transcript, too"
    assert mill("sql", "FROM session_usage LIMIT 1", "--json").rows, "views are there"


def test_a_person_whose_name_begins_anothers_takes_nobody_along(
    mill: Mill, data: Path, tmp_path: Path
) -> None:
    for user in ("al", "alice", "o'al"):
        said = ClaudeTranscript(user)
        said.prompt()
        said.write(tmp_path / "team" / user / "a.jsonl")
    mill("run", "--sessions", tmp_path / "team")
    for user, left in (("al", {"alice", "o'al"}), ("o'al", {"alice"})):
        assert forget(data, user, tmp_path).status == 0
        assert set(by_user(mill)) == left


def test_what_the_vendor_counted_of_a_person_is_removed_by_the_vendors_name(
    mill: Mill, data: Path, team: Path, tmp_path: Path
) -> None:
    name = "a.liddell@example.com"
    actor = {"type": "user_actor", "email_address": name}
    record = {"date": "2026-03-02", "actor": actor, "model_breakdown": []}
    page = tmp_path / "page.json"
    page.write_text(json.dumps({"data": [record], "has_more": False, "next_page": None}))
    assert mill("reconcile", page, "--as", f"{name}=alice").status == 0
    assert name.encode() in (data / "facts.duckdb").read_bytes()

    shutil.rmtree(team / "alice")
    for removed in ("alice", name):
        assert forget(data, removed, tmp_path).status == 0
    assert name.encode() not in (data / "facts.duckdb").read_bytes()


@pytest.mark.usefixtures("team")
def test_nobody_is_removed_while_a_command_runs(mill: Mill, data: Path, tmp_path: Path) -> None:
    flock = shutil.which("flock")
    if flock is None:
        pytest.skip("there is no flock")
    holder = subprocess.Popen([flock, data / "owner.lock", "cat"], stdin=subprocess.PIPE)
    try:
        while (
            subprocess.run([flock, "-n", data / "owner.lock", "true"], check=False).returncode == 0
        ):
            assert holder.poll() is None
        assert "BlockingIOError" in forget(data, "alice", tmp_path).err
    finally:
        holder.communicate()
    assert "alice" in by_user(mill)


# ── roots, moving ──


def test_a_moved_root_is_an_error_until_it_is_named_anew_and_nothing_is_read_again(
    mill: Mill, team: Path
) -> None:
    moved = team.rename(team.with_name("moved"))
    ended = mill("run", "--sessions", team)
    assert ended.status == 1
    assert "there is no such directory" in ended.err

    runs = mill("run", "--sessions", moved, "--json").json["runs"]
    assert [run["scanned"] for run in runs] == [0, 0]


def test_a_data_directory_that_moves_goes_on_and_new_times_are_looked_at_once(
    mill: Mill, data: Path, team: Path, tmp_path: Path
) -> None:
    other, copies = tmp_path / "other", tmp_path / "copies"
    shutil.copytree(data, other)
    shutil.copytree(team, copies, copy_function=shutil.copyfile)  # times are not kept
    for scanned in (True, False):
        runs = mill("run", "--sessions", copies, "--db", other, "--json").json["runs"]
        for run in runs:
            # Of a transcript that ends within a line, the end is looked for each time.
            assert (run["processed"], run["scanned"]) == (scanned, run["skipped"] + scanned)
            assert bool(run["scanned"]) is scanned


# ── what the examples say ──


def _said(shown: Page) -> list[tuple[str, list[str]]]:
    """Return (command, options) for each call of sessionmill in a page's sh blocks."""
    longest_first = sorted(COMMANDS, key=len, reverse=True)
    calls = []
    for block in shown.of("sh"):
        for _, rest in re.findall(r"(^|[/ =])sessionmill ((?!-)[^\n]+)", block.body, re.MULTILINE):
            command = next((c for c in longest_first if f"{rest} ".startswith(f"{c} ")), None)
            if command is not None:
                calls.append((command, re.findall(r"(?<= )--[a-z]+", rest)))
    return calls


@pytest.mark.parametrize("shown", pages(), ids=str)
def test_every_option_in_a_block_that_is_not_run_exists(shown: Page) -> None:
    for command, said in _said(shown):
        assert set(said) <= {option.name for option in options(command)}, command


def test_the_units_and_the_line_of_cron_are_looked_at() -> None:
    runs = [said for command, said in _said(OPERATIONS) if command == "run"]
    assert runs.count(["--due", "--budget"]) == 2


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze")
    for block in OPERATIONS.of("sh"):
        for name, unit in re.findall(r"> \S+/(\S+) <<'END'\n(.*?)^END$", block.body, re.S | re.M):
            program = re.sub(r"(?<=^ExecStart=)\S+", "/bin/true", unit, flags=re.MULTILINE)
            (tmp_path / name).write_text(program)
    units = sorted(tmp_path.glob("sessionmill.*"))
    assert [unit.name for unit in units] == ["sessionmill.service", "sessionmill.timer"]
    verified = subprocess.run(
        [analyze, "verify", *units], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
