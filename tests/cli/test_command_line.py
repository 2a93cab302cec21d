"""The command line itself: its help, its exit statuses, where the data directory is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_place import HERE, document, write

from commands import Ended
from conftest import Mill
from sessionmill.cli.app import app

ENDLESS = "SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE a.range + b.range = 7"


def commands() -> Iterator[tuple[str, ...]]:
    """Yield every command that does something."""
    for name in app:
        if name.startswith("-"):
            continue
        parts = {"report": ["usage"], **{group: [*app[group]] for group in ("users", "tokens")}}
        own = [part for part in parts.get(name, []) if not part.startswith("-")]
        yield from ((name, part) for part in own) if own else [(name,)]


COMMANDS = list(commands())


def fails(ended: Ended, status: int, *words: str) -> None:
    """Assert that a command failed in order, and told why on stderr alone."""
    assert ended.status == status, ended.err
    assert ended.out == ""
    assert "Traceback" not in ended.err
    for word in words:
        assert word in ended.err


# ── help ──


def test_there_are_the_commands_that_the_readme_speaks_of() -> None:
    assert {" ".join(command) for command in COMMANDS} == {
        "start",
        "run",
        "retry",
        "completion",
        "reprocess",
        "processors",
        "try",
        "sessions",
        "show",
        "status",
        "doctor",
        "health",
        "report usage",
        "reconcile",
        "prices",
        "explain",
        "audit-usage",
        "statusline",
        "sql",
        "demo",
        "serve",
        "users add",
        "users list",
        "users edit",
        "users disable",
        "tokens add",
        "tokens list",
        "tokens revoke",
        "audit",
        "config",
        "backup",
        "restore",
    }


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(mill: Mill, command: tuple[str, ...]) -> None:
    ended = mill(*command, "--help")
    assert ended.status == 0
    assert f"Usage: sessionmill {' '.join(command)}" in ended.out
    _, example, after = ended.out.partition("Example")
    assert example
    assert f"sessionmill {' '.join(command)}" in after


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_can_be_given_a_data_directory(mill: Mill, command: tuple[str, ...]) -> None:
    assert "--db PATH" in mill(*command, "--help").out


def test_the_help_of_the_program_lists_its_commands_with_an_example(mill: Mill) -> None:
    ended = mill("--help")
    assert ended.status == 0
    assert "sessionmill run" in ended.out.partition("Example")[2]
    for command in COMMANDS:
        assert command[0] in ended.out


def test_without_a_command_the_help_is_shown(mill: Mill) -> None:
    ended = mill()
    assert ended.status == 0
    assert "Usage: sessionmill" in ended.out


def test_the_program_tells_its_version(mill: Mill) -> None:
    assert mill("--version").out.strip() == "0.1.0"


def test_the_program_and_the_module_are_the_same(mill: Mill) -> None:
    script = Path(sys.executable).with_name("sessionmill")
    by_name = subprocess.run([script, "--help"], capture_output=True, text=True, check=True)
    assert by_name.stdout == mill("--help").out


# ── exit statuses ──


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["nonsense"], ["nonsense"]),
        (["run", "--nonsense"], ["--nonsense"]),
        (["run", "words"], ["words", "inventory, usage", "--processor"]),
        (["run", "--budget", "soon"], ["soon"]),
        (["report", "usage", "--by", "colour"], ["colour"]),
        (["report", "usage", "--since", "2026-13-01"], ["2026-13-01"]),
        (["report", "usage", "--since", "yesterday"], ["yesterday", "2026-03-02"]),
        (["report", "usage", "--until", "2026-02-30"], ["2026-02-30"]),
        (["report", "usage", "--timezone", "Mars/Olympus"], ["Mars/Olympus", "Europe/Berlin"]),
        (["report", "nonsense"], ["nonsense"]),
        (["retry", "--session", "nobody"], ["nobody", "sessionmill sessions"]),
        (["reprocess"], []),
        (["reprocess", "words"], ["words", "inventory, usage", "--processor"]),
        (["reprocess", "usage", "--session", "nobody"], ["nobody", "sessionmill sessions"]),
        (["sessions", "--since", "yesterday"], ["yesterday", "2026-03-02"]),
        (["sessions", "--limit", "0"], ["--limit"]),
        (["sessions", "--timezone", "Mars/Olympus"], ["Mars/Olympus"]),
        (["show"], []),
        (["show", "nobody"], ["nobody", "sessionmill sessions"]),
        (["show", ""], ["sessionmill sessions"]),
        (["status", "words"], ["words", "inventory, usage", "--processor"]),
        (["doctor", "--user", ".", "--claude", "."], ["no user's name"]),
        (["try", "usage"], []),
        (["try", "usage", "nobody"], ["nobody", "sessionmill sessions"]),
        (["try", "usage", "nobody", "--limit", "0"], ["--limit"]),
        (["sql"], []),
        (["sql", ""], ["SELECT"]),
        (["sql", "SELECT 1; SELECT 2"], ["one SELECT"]),
        (["sql", "DELETE FROM runs"], ["one SELECT", "DELETE"]),
        (["sql", "WITH d AS (DELETE FROM runs RETURNING 1) SELECT * FROM d"], []),
        (["sql", "SELECT nonsense"], ["nonsense"]),
        (["sql", "SELEKT 1"], ["parse"]),
        (["sql", "SELECT * FROM read_csv('/etc/passwd')"], []),
        (["sql", "COPY runs TO '/tmp/runs.csv'"], ["one SELECT"]),
        (["sql", "SET memory_limit = '1GB'"], ["one SELECT"]),
        (["sql", "SELECT 1", "--limit", "0"], ["--limit"]),
        (["sql", "SELECT 1", "--timeout", "0"], ["--timeout"]),
        (["report", "usage", "--limit", "0"], ["--limit"]),
        (["report", "work", "--limit", "0"], ["--limit"]),
        (["demo", "new", "--users", "0"], ["users"]),
        (["demo", "new", "--days", "0"], ["days"]),
    ],
    ids=lambda given: " ".join(given)[:40] if given and isinstance(given[0], str) else "",
)
def test_a_wrong_command_line_is_told_and_ends_with_2(
    mill: Mill, line: list[str], words: list[str]
) -> None:
    fails(mill(*line), 2, *words)


def test_what_cannot_be_done_is_told_and_ends_with_1(mill: Mill, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    fails(mill("processors", "--db", tmp_path / "file"), 1, "file", "--db DIR")
    fails(mill("sql", ENDLESS, "--timeout", "0.3"), 1, "0.3 s", "--timeout")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_root_that_is_missing_is_an_error_of_the_run(mill: Mill, tmp_path: Path) -> None:
    ended = mill("run", "--sessions", tmp_path / "nowhere", "--json")
    assert ended.status == 1
    for run in document(ended)["runs"]:
        assert run["errors"] == 1
        assert run["errors_detail"][0]["session"] == str(tmp_path / "nowhere")
    assert "nowhere: there is no such directory" in ended.err
    assert "retry" not in ended.err, "no session has failed, so there is none to be tried again"


def test_a_processor_that_is_named_and_cannot_be_loaded_is_told_with_the_reason(mill: Mill) -> None:
    fails(
        mill("run", "words", "--processor", "no_such_module:Words"),
        2,
        "No processor is named 'words'",
        "No module named 'no_such_module'",
    )


def test_a_run_in_which_a_session_failed_ends_with_1(mill: Mill, tmp_path: Path) -> None:
    write(tmp_path / "sessions", "alice", "s1", "FAILING")
    own = ("run", "words", "--processor", "cli_processors:Words")
    ended = mill(*own, "--sessions", tmp_path / "sessions", cwd=HERE)
    assert ended.status == 1
    assert "alice/s1.jsonl: ValueError: the cart has no total" in ended.err
    assert "sessionmill retry" in ended.err


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ("not TOML", "no TOML"),
        ("colour = 7", "colour"),
        ("processors = 7", "processors"),
        ("processors.extra = 7", "processors.extra"),
        ("processors.usage = 7", "processors.usage"),
    ],
)
def test_settings_that_nobody_understands_are_told_and_end_with_2(
    mill: Mill, data: Path, settings: str, word: str
) -> None:
    data.mkdir()
    (data / "config.toml").write_text(settings)
    fails(mill("processors"), 2, "config.toml", word)


# ── where the data directory is ──


def test_the_data_directory_is_the_one_that_the_command_line_names(
    mill: Mill, data: Path, tmp_path: Path
) -> None:
    assert mill("processors", "--db", tmp_path / "other").status == 0
    assert (tmp_path / "other" / "facts.duckdb").exists()
    assert not data.exists()


def test_else_it_is_the_one_that_the_environment_names(mill: Mill, data: Path) -> None:
    assert mill("processors").status == 0
    assert (data / "facts.duckdb").exists()


def test_else_it_is_the_platforms(mill: Mill, home: Path, data: Path) -> None:
    assert mill("processors", SESSIONMILL_HOME="").status == 0
    assert (home / "xdg_data_home" / "sessionmill" / "facts.duckdb").exists()
    assert not data.exists()


@pytest.mark.parametrize(
    "line",
    [
        ["run", "--sessions", "."],
        ["report", "usage"],
        ["sql", "SELECT 1"],
        ["retry"],
        ["reprocess", "usage"],
        ["sessions"],
        ["status"],
        ["doctor"],
        ["health"],
        ["start"],
    ],
    ids=lambda line: line[0],
)
def test_every_command_uses_the_data_directory_it_is_given(
    mill: Mill, data: Path, tmp_path: Path, line: list[str]
) -> None:
    (tmp_path / "empty").mkdir()
    ended = mill(*line, "--db", tmp_path / "other", cwd=tmp_path / "empty")
    assert ended.status == 0, ended.err
    assert (tmp_path / "other" / "facts.duckdb").exists()
    assert not data.exists()


def test_a_data_directory_is_nobody_elses_business(mill: Mill, data: Path) -> None:
    mill("processors")
    assert data.stat().st_mode & 0o777 == 0o700
    assert (data / "facts.duckdb").stat().st_mode & 0o777 == 0o600
