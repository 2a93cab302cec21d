"""Tests leave alone what they did not make."""

from __future__ import annotations

import os
import pwd
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from commands import CommandServer, in_new_process
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


@pytest.mark.parametrize(
    ("args", "stdin"),
    [
        (["--help"], ""),
        (["start"], ""),
        (["processors", "--json", "--db", "below"], ""),
        (["run", "--sessions", "nowhere", "--json"], ""),
        (["run", "--processor", "beside:Beside", "--json"], ""),
        (["report", "usage", "--by", "colour"], ""),
        (["statusline"], '{"session_id": "0f3c", "cwd": "/"}'),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_a_forked_command_says_what_one_does_that_is_started_anew(
    server: CommandServer, tmp_path: Path, args: list[str], stdin: str
) -> None:
    ended = []
    for run in (server.run, in_new_process):
        cwd = tmp_path / run.__name__ / "here"
        cwd.mkdir(parents=True)
        (cwd / "beside.py").write_text("raise RuntimeError('no processor of mine')")
        environ = {**os.environ, "SESSIONMILL_HOME": "data", "TZ": "Asia/Tokyo"}
        said = run(args, cwd=cwd, timeout=60, stdin=stdin, environ=environ)
        out, err = (
            re.sub(r"\d+\.\d+|run_\w+", "#", text.replace(str(cwd), "."))
            for text in (said.out, said.err)
        )
        left = sorted(str(path.relative_to(cwd)) for path in cwd.rglob("*"))
        ended.append((said.status, out, err, left))

    assert ended[0] == ended[1]
    assert ended[0][1] or ended[0][2]


def test_a_command_that_takes_too_long_is_killed(server: CommandServer, tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        server.run(["start"], cwd=tmp_path, timeout=0.001, stdin="", environ=os.environ)

    after = server.run(["--version"], cwd=tmp_path, timeout=60, stdin="", environ=os.environ)
    assert after.status == 0


def test_what_python_reads_as_it_starts_is_read_by_a_process_started_anew(
    server: CommandServer, mill: Mill
) -> None:
    assert server.serves(os.environ)
    assert not server.serves({**os.environ, "PYTHONPROFILEIMPORTTIME": "1"})
    assert "import time:" in mill("--help", PYTHONPROFILEIMPORTTIME="1").err


def test_no_variable_leads_a_test_to_somebodys_transcripts() -> None:
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "SESSION_DATA_DIR", "ANTHROPIC_API_KEY"):
        assert name not in os.environ
    assert not [name for name in os.environ if name.startswith("SESSIONMILL_")]


def test_loopback_is_there_for_tests_that_need_a_server() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        assert server.getsockname()[1] > 0


@pytest.mark.soak
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
