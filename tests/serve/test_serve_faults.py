"""What may break under a server: nothing is lost, health says so, and it heals or tells how to."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from served import Served, served, start, wait_for, write

from conftest import Mill
from disks import fill, small_disk
from sessionmill.app import now
from sessionmill.store.facts import KEPT_FREE, Facts

HERE = Path(__file__).parent


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    folder = tmp_path / "sessions"
    write(folder, "first", "second")
    return folder


def _check(server: Served, name: str) -> dict[str, Any]:
    found: dict[str, Any] = server.get("/api/health/detailed").json["checks"][name]
    return found


def _run(server: Served, processor: str = "usage") -> dict[str, Any]:
    path = f"/api/admin/run-session-processor?processor={processor}"
    answer: dict[str, Any] = server.post(path).json
    return answer


def _status_becomes(server: Served, check: str, status: str) -> None:
    """Wait until health says so: it looks every ten seconds."""
    wait_for(lambda: _check(server, check)["status"] == status)


# ── the disk ──


@pytest.mark.soak
def test_a_full_disk_stops_runs_shows_in_health_and_heals_with_room(
    tmp_path: Path, sessions: Path
) -> None:
    room = KEPT_FREE // 2**20 + 64
    with (
        small_disk(tmp_path / "disk", megabytes=room) as disk,
        served(disk / "data", "--no-schedule", "--sessions", sessions) as server,
    ):
        assert _run(server)["details"]["processed"] == 2
        write(sessions, "third")
        filler = fill(disk, leave=8192)
        refused = _run(server)
        assert refused["error"]["code"] == "store"
        assert "Make room" in refused["error"]["message"]
        _status_becomes(server, "disk", "error")
        total = server.get("/api/reports/usage").json["rows"][0]
        assert total["responses"] == 2, "reports go on"
        filler.unlink()
        wait_for(lambda: _check(server, "disk")["status"] != "error")
        assert _run(server)["details"]["processed"] == 1
        assert server.end() == 0


# ── the stores ──


def test_a_control_store_that_is_gone_is_told_and_lets_nobody_in(
    data: Path, sessions: Path
) -> None:
    with served(data, "--no-schedule", "--sessions", sessions) as server:
        _run(server)
        for path in data.glob("control.db*"):
            path.rename(path.with_name(f"away-{path.name}"))
        _status_becomes(server, "control", "error")
        assert server.get("/api/me", token="smt_unknown").status in (401, 503)  # noqa: S106 - none
        assert server.get("/api/reports/usage").status == 200, "who runs the server is known"


def test_facts_that_were_cut_are_set_aside_and_made_anew(
    mill: Mill, data: Path, sessions: Path
) -> None:
    mill("run", "--sessions", sessions)
    with (data / "facts.duckdb").open("r+b") as file:
        file.truncate(0)
    with served(data, "--no-schedule", "--sessions", sessions) as server:
        assert any("set aside" in line for line in server.said)
        assert _check(server, "facts")["status"] in ("warning", "error")
        assert _run(server)["details"]["processed"] == 2


def test_facts_that_are_older_than_the_control_store_knows_are_told_of(
    mill: Mill, data: Path, sessions: Path, tmp_path: Path
) -> None:
    mill("run", "--sessions", sessions)
    older = [data / "facts.duckdb", data / "commit_number"]
    for path in older:
        shutil.copy(path, tmp_path / path.name)
    with served(data, "--no-schedule", "--sessions", sessions) as server:
        write(sessions, "third")
        _run(server)
        assert server.end() == 0
    for path in older:
        shutil.copy(tmp_path / path.name, path)
    with served(data, "--no-schedule", "--sessions", sessions) as server:
        found = _check(server, "facts")
        assert found["status"] == "warning"
        assert "older" in str(found)
        assert _run(server)["details"]["processed"] == 1, "and it heals"
        assert server.get("/api/reports/usage").json["rows"][0]["responses"] == 3


@pytest.mark.soak  # it waits ten seconds; that a command does is tested elsewhere too
def test_facts_that_another_command_holds_are_waited_for_and_then_left_to_it(
    data: Path, sessions: Path
) -> None:
    with Facts(data, "sessionmill run", now=now()):
        process = start(data, "--no-schedule", "--sessions", sessions)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"held by process {os.getpid()} (sessionmill run)" in said


# ── processors ──


def test_a_worker_that_is_killed_costs_its_session_an_attempt_and_nothing_else(
    data: Path, sessions: Path
) -> None:
    shutil.copy(HERE / "serve_processors.py", sessions)
    options = ("--no-schedule", "--sessions", sessions, "--processor", "serve_processors:Killed")
    write(sessions, "culprit")
    with served(data, *options, cwd=sessions) as server:
        done = _run(server, "killed")["details"]
        assert (done["processed"], done["errors"]) == (2, 1)
        assert "SIGKILL" in done["errors_detail"][0]["error"]
        assert _run(server)["details"]["processed"] == 3, "others go on"
        _status_becomes(server, "killed.failing", "warning")
        assert _check(server, "usage.failing")["status"] == "ok"
        [row] = server.get("/api/state?processor=killed").json["rows"]
        assert (row["session"], row["state"]) == ("alice/culprit.jsonl", "failing")


def test_facts_that_can_only_be_read_are_refused_with_the_way_out(
    mill: Mill, data: Path, sessions: Path
) -> None:
    mill("run", "--sessions", sessions)
    if os.geteuid() == 0:
        pytest.skip("root may write whatever the mode")
    (data / "facts.duckdb").chmod(0o400)
    process = start(data, "--no-schedule", "--sessions", sessions)
    said, _ = process.communicate(timeout=60)
    assert (process.returncode, "not yours to write" in said) == (1, True)


# ── transcripts ──


def test_a_root_that_goes_away_is_told_and_nothing_of_it_is_lost(
    data: Path, sessions: Path
) -> None:
    with served(data, "--no-schedule", "--sessions", sessions) as server:
        _run(server)
        away = sessions.rename(sessions.with_name("away"))
        done = _run(server)
        assert done["details"]["errors"] == 1
        _status_becomes(server, "roots", "error")
        assert server.get("/api/reports/usage").json["rows"][0]["responses"] == 2
        away.rename(sessions)
        assert _run(server)["details"]["errors"] == 0
        _status_becomes(server, "roots", "ok")
