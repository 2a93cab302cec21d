"""What may break under a server: nothing is lost, health says so, and it heals or tells how to."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from served import Served, served, start, wait_for

from conftest import Mill
from sessionmill.app import now
from sessionmill.store.facts import KEPT_FREE, Facts
from sessionmill.testing import ClaudeTranscript

HERE = Path(__file__).parent


def _write(sessions: Path, *names: str) -> None:
    for name in names:
        transcript = ClaudeTranscript(name)
        transcript.prompt("Fix the total.")
        transcript.response("Let me see.", input_tokens=10, output_tokens=20)
        transcript.write(sessions / "alice" / f"{name}.jsonl")


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    folder = tmp_path / "sessions"
    _write(folder, "first", "second")
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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of its own with little more room than is kept free."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    size = KEPT_FREE + 64 * 1024 * 1024
    command = [mount or "mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    if mount is None or os.getuid() != 0:
        pytest.skip("no small disk: mounting a tmpfs takes root")
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no small disk: this machine mounts no tmpfs")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)  # noqa: S607 - as mount


@pytest.mark.soak
def test_a_full_disk_stops_runs_shows_in_health_and_heals_with_room(
    small_disk: Path, sessions: Path
) -> None:
    data = small_disk / "data"
    with served(data, "--no-schedule", "--sessions", sessions) as server:
        assert _run(server)["details"]["processed"] == 2
        _write(sessions, "third")
        filler = small_disk / "filler"
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(small_disk).free - 8192)
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
        _write(sessions, "third")
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
    _write(sessions, "culprit")
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
