"""What every test stands on: an environment of its own, real stores, and whole commands."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from commands import CommandServer, Ended, in_new_process
from sessionmill.testing import FakeClock

settings.register_profile(
    "project",
    deadline=None,
    derandomize=True,  # the same examples each time: CI must not fail by luck
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("project")

CORPUS = Path(__file__).parents[2] / "shared" / "corpus"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="fail if a test is skipped")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("--no-skips") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


#: Variables that could lead a test to somebody's data, or let that data change a test.
_CLEARED = ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "SESSION_DATA_DIR", "ANTHROPIC_API_KEY")
_CLEARED_BEGINNINGS = (
    "SESSIONMILL_",
    "SCHEDULER_",
    "XDG_",
    "OPENAI_",
    "ANTHROPIC_",
    "AWS_",
    "GOOGLE_",
)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own: nothing reads or writes the real one."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name in _CLEARED or name.startswith(_CLEARED_BEGINNINGS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(home / name.lower()))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("USER", "tester")
    monkeypatch.setenv("LOGNAME", "tester")
    monkeypatch.setenv("NO_COLOR", "1")
    return home


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


Mill = Callable[..., Ended]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data directory of the test's commands."""
    return tmp_path / "data"


@pytest.fixture(scope="session")
def server() -> Iterator[CommandServer]:
    """What runs commands for all tests of a worker."""
    with CommandServer() as server:
        yield server


@pytest.fixture
def mill(data: Path, tmp_path: Path, server: CommandServer) -> Mill:
    """Run a whole `sessionmill` command over `data`, in a process of its own."""

    def run(
        *args: object, cwd: Path = tmp_path, timeout: float = 100, stdin: str = "", **env: str
    ) -> Ended:
        environ = {**os.environ, "SESSIONMILL_HOME": str(data), **env}
        run = server.run if server.serves(environ) else in_new_process
        return run([*map(str, args)], cwd=cwd, timeout=timeout, stdin=stdin, environ=environ)

    return run


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The real transcripts; tests that ask for them are marked `real`."""
    if not CORPUS.is_dir():
        pytest.skip(f"no real transcripts: {CORPUS} is missing")
    return CORPUS
