"""Tests leave alone what they did not make."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import sys
from pathlib import Path

from conftest import Mill

TESTS = Path(__file__).parent


def test_the_home_of_a_test_is_not_the_persons(home: Path) -> None:
    real = pwd.getpwuid(os.getuid()).pw_dir
    assert Path.home() == home
    assert not home.is_relative_to(real) or Path(real) == Path("/")


def test_a_command_of_a_test_looks_for_transcripts_in_its_own_home_only(
    mill: Mill, home: Path
) -> None:
    started = mill("start")
    looked = [line for line in started.out.splitlines() if line.startswith("  /")]
    assert looked, started.out
    assert all(line.strip().startswith(str(home)) for line in looked if "no such folder" in line)


def test_no_variable_leads_a_test_to_somebodys_transcripts() -> None:
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "SESSION_DATA_DIR", "ANTHROPIC_API_KEY"):
        assert name not in os.environ
    assert not [name for name in os.environ if name.startswith("SESSIONMILL_")]


def test_loopback_is_there_for_tests_that_need_a_server() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        assert server.getsockname()[1] > 0


def test_a_skip_fails_the_soak_which_wants_none(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(
        "import pytest\ndef test_a(): pass\ndef test_b(): pytest.skip('no disk')\n"
    )
    statuses = [
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "conftest", *options, "test_some.py"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])},
            capture_output=True,
            check=False,
        ).returncode
        for options in ((), ("--no-skips",), ("--no-skips", "-n", "1"))
    ]

    assert statuses == [0, 1, 1]
    soak = (TESTS.parent / "Makefile").read_text().partition("\nsoak:")[2].partition("\n\n")[0]
    assert "--no-skips" in soak
