"""A server's life: how it begins, what it refuses, and how it ends."""

from __future__ import annotations

import shutil
import signal
import socket
import time
from pathlib import Path

import pytest
from forked import Forked
from served import PATIENCE, served, start, wait_for, write

from conftest import Mill
from sessionmill.app import now
from sessionmill.store.control import Control

HERE = Path(__file__).parent


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    folder = tmp_path / "sessions"
    write(folder, "first", "second")
    return folder


@pytest.fixture
def plugins(sessions: Path) -> Path:
    """A folder from which the tests' processors can be imported; they meet in `sessions`."""
    shutil.copy(HERE / "serve_processors.py", sessions)
    return sessions


def _refused(process: Forked) -> tuple[int | None, str]:
    said, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, said


# ── the beginning ──


def test_a_second_server_is_refused_and_told_of_the_first(data: Path, sessions: Path) -> None:
    with served(data, "--no-schedule", "--sessions", sessions) as server:
        status, said = _refused(start(data, "--no-schedule", "--sessions", sessions))
        assert status == 1
        assert str(server.process.pid) in said
        assert server.url in said
        assert server.get("/healthz", token=None).status == 200


def test_a_port_that_is_taken_is_told_and_nothing_is_begun(data: Path, sessions: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        status, said = _refused(start(data, "--port", port, "--sessions", sessions))
    assert (status, "--port N" in said) == (2, True)
    assert not data.exists()


def test_others_are_not_let_in_before_somebody_can_prove_who_he_is(
    data: Path, sessions: Path
) -> None:
    options = ("--host", "0.0.0.0", "--no-schedule", "--sessions", sessions)  # noqa: S104 - it is refused, or asked by this test alone
    status, said = _refused(start(data, *options))
    assert (status, "users add" in said) == (2, True)
    assert not (data / "facts.duckdb").exists()
    with Control(data, now) as control:
        control.users.add("ada", "admin")
        _, secret = control.tokens.add("ada", "laptop")
    with served(data, *options) as server:
        server.url = server.url.replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - as above
        assert server.get("/api/me", token=secret).json["name"] == "ada"
        assert server.get("/api/me", token=None).status == 401


def test_a_name_that_a_killed_server_left_behind_holds_nobody_up(
    mill: Mill, data: Path, sessions: Path
) -> None:
    with served(data, "--no-schedule", "--sessions", sessions) as server:
        server.process.kill()
        server.process.wait(PATIENCE)
    assert (data / "owner.json").exists()
    assert mill("run", "--sessions", sessions).status == 0


# ── the end ──


def test_told_to_end_it_leaves_nothing_but_its_stores(data: Path, sessions: Path) -> None:
    with served(data, "--no-schedule", "--sessions", sessions) as server:
        server.post("/api/admin/run-session-processor?processor=usage")
        assert server.end() == 0
    left = {path.name for path in data.iterdir() if path.is_file()}
    assert left == {
        "commit_number",
        "control.db",
        "facts.duckdb",
        "owner.lock",
        "standing.json",
    }, "no log is left over: all of it is in the file"


@pytest.mark.parametrize(
    "processor",
    ["Asking", *(pytest.param(name, marks=pytest.mark.soak) for name in ("Waiting", "NeverDone"))],
)
def test_told_to_end_it_breaks_off_what_does_not_and_charges_nobody(
    mill: Mill, data: Path, plugins: Path, processor: str
) -> None:
    spec = f"serve_processors:{processor}"
    options = ("--no-schedule", "--sessions", plugins, "--processor", spec)
    begun, environ = plugins / "begun", {"SESSIONMILL_SCHEDULER__STOP_SECONDS": "2"}
    with served(data, *options, cwd=plugins, environ=environ) as server:
        [name] = [
            row["name"]
            for row in server.get("/api/processors").json["rows"]
            if row["name"] not in ("inventory", "usage")
        ]
        run = server.post(f"/api/admin/run-session-processor?processor={name}&wait=false")
        assert run.status == 202
        wait_for(begun.exists)
        told = time.monotonic()
        assert server.end() == 0
        assert time.monotonic() - told < 30
    [row] = mill("sql", f"FROM runs WHERE processor_name = '{name}'", "--json").rows
    assert (row["outcome"], row["capped"], row["errors"]) == ("capped", 2, 0)
    assert mill("status", "--json").json["sessions"]["rows"] == [], "nobody is charged"
    if processor != "Asking":
        (plugins / "go_on").touch()
        done = mill("run", name, "--processor", spec, "--sessions", plugins, "--json", cwd=plugins)
        assert [run["processed"] for run in done.json["runs"]] == [2]


def test_killed_amid_a_run_it_heals_by_itself(data: Path, plugins: Path) -> None:
    spec = "serve_processors:Waiting"
    options = ("--no-schedule", "--sessions", plugins, "--processor", spec)
    with served(data, *options, cwd=plugins) as server:
        server.post("/api/admin/run-session-processor?processor=usage")
        server.post("/api/admin/run-session-processor?processor=waiting&wait=false")
        wait_for((plugins / "begun").exists)
        server.process.kill()
        server.process.wait(PATIENCE)
    (plugins / "go_on").touch()
    with served(data, *options, cwd=plugins) as server:
        rows = server.get("/api/runs?processor=usage").json["rows"]
        assert [row["processed"] for row in rows] == [2], "what was committed is there"
        done = server.post("/api/admin/run-session-processor?processor=waiting").json
        assert (done["details"]["processed"], done["details"]["errors"]) == (2, 0)
        counted = server.post("/api/sql", {"query": "SELECT count(*) AS n FROM waited"}).json
        assert counted["rows"] == [{"n": 2}], "what was not committed is there once"


def test_a_second_interrupt_ends_it_without_patience(data: Path, plugins: Path) -> None:
    options = ("--no-schedule", "--sessions", plugins, "--processor", "serve_processors:Waiting")
    with served(data, *options, cwd=plugins) as server:
        server.post("/api/admin/run-session-processor?processor=waiting&wait=false")
        wait_for((plugins / "begun").exists)
        server.process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(15) == 0
