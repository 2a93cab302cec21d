"""Commands while a server holds the facts: they say what they say without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from served import Served, served

from commands import Ended
from conftest import Mill
from sessionmill.testing import ClaudeTranscript

READING = [
    ["report", "usage"],
    ["report", "usage", "--by", "day", "--json"],
    ["report", "usage", "--by", "session"],
    ["report", "usage", "--by", "block", "--json"],
    ["report", "usage", "--by", "tool"],
    ["report", "usage", "--by", "commit", "--json"],
    ["report", "work", "--by", "session"],
    ["report", "usage", "--timezone", "Mars/Olympus"],
    ["sessions", "--user", "alice"],
    ["sessions", "--json"],
    ["prices"],
    ["prices", "claude-opus-4-1", "--json"],
    ["processors"],
    ["doctor", "--json"],
    ["show", "first"],
    ["show", "nothing of that name"],
    ["explain", "--session", "first"],
    ["explain", "--response", "none", "--json"],
    ["audit-usage", "--json"],
    ["reconcile"],
    ["sql", "SELECT tool_name, count(*) AS n FROM tool_calls GROUP BY ALL ORDER BY ALL"],
    ["sql", "SELECT 1; SELECT 2"],
    ["sql", "DELETE FROM tool_calls"],
    ["sql", "SELECT * FROM nowhere", "--json"],
    ["try", "usage", "first", "--json"],
]


def _write(sessions: Path) -> None:
    for user, name in (("alice", "first"), ("bob", "second")):
        transcript = ClaudeTranscript(name)
        transcript.prompt("Fix the total.")
        transcript.response("Let me see.", input_tokens=10, output_tokens=20)
        transcript.call("Bash", {"command": "make"}, result="no rule", is_error=True)
        transcript.command("/clear")
        transcript.write(sessions / user / f"{name}.jsonl")


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    folder = tmp_path / "sessions"
    _write(folder)
    return folder


@pytest.fixture
def server_of(data: Path, sessions: Path) -> Iterator[Served]:
    with served(data, "--no-schedule", "--sessions", sessions) as server:
        yield server


def test_every_reading_command_says_the_same_as_without_a_server(
    mill: Mill, data: Path, sessions: Path
) -> None:
    assert mill("run", "--sessions", sessions).status == 0
    # Roots are this machine's without a server: for doctor to look at the same ones.
    environ = {"SESSION_DATA_DIR": str(sessions)}
    alone = [_told(mill(*args, **environ)) for args in READING]
    with served(data, "--no-schedule", "--sessions", sessions):
        for args, before in zip(READING, alone, strict=True):
            assert _told(mill(*args, **environ)) == before, args


def _told(ended: Ended) -> tuple[int, str, str]:
    return ended.status, ended.out, ended.err


def test_a_run_is_done_by_the_server_and_told_as_ever(mill: Mill, server_of: Served) -> None:
    ended = mill("run", "--json")
    assert ended.status == 0, ended.err
    assert {run["processor"]: run["processed"] for run in ended.json["runs"]} == {
        "inventory": 2,
        "usage": 2,
    }
    [actor] = {row["actor"] for row in mill("sql", "FROM runs", "--json").rows}
    assert actor == "local:tester"
    [usage] = [row for row in _trail(server_of) if row["action"] == "run_session_processor:usage"]
    assert usage["resource"] == "job:session-processor:usage"
    assert usage["actor"] == "local:tester"
    assert usage["result"] == "ok"
    assert usage["details"]["processed"] == 2


def test_a_run_of_an_unknown_processor_is_refused_as_ever(mill: Mill, server_of: Served) -> None:
    ended = mill("run", "nope")
    assert (ended.status, "loaded are: inventory, usage" in ended.err) == (2, True)
    assert server_of.process.poll() is None


def test_failing_sessions_are_retried_through_the_server(mill: Mill, server_of: Served) -> None:
    mill("run")
    assert mill("retry", "--json").json == {"rows": [], "truncated": False}
    retried = [row for row in _trail(server_of) if row["action"] == "retry"]
    assert [row["details"] for row in retried] == [{"sessions": 0}]
    assert mill("retry", "--session", "nothing of that name").status == 2


def test_a_processor_reads_anew_through_the_server(mill: Mill, server_of: Served) -> None:
    mill("run")
    ended = mill("reprocess", "usage", "--json")
    assert (ended.json["anew"], ended.json["kept"]) == (2, 0)
    assert [run["processed"] for run in ended.json["runs"]] == [2]
    assert _trail(server_of)[0]["action"] == "reprocess"


def test_versions_are_compared_and_swapped_through_the_server(
    mill: Mill, server_of: Served
) -> None:
    mill("run")
    compared = mill("reprocess", "usage", "--compare", "--json")
    assert compared.status == 0, compared.err
    assert (compared.json["transcripts"], compared.json["swapped"]) == (2, False)
    swapped = mill("reprocess", "usage", "--compare", "--swap")
    assert swapped.status == 0, swapped.err
    actions = [row["action"] for row in _trail(server_of)]
    assert actions[:2] == ["reprocess.swap", "reprocess.compare"]


@pytest.mark.parametrize(
    ("option", "value", "setting"),
    [
        ("--sessions", "/srv", "serve.sessions"),
        ("--claude", "/srv", "serve.claude"),
        ("--codex", "/srv", "serve.codex"),
        ("--user", "alice", "serve.sessions"),
        ("--processor", "words:Words", "processors.extra"),
    ],
)
@pytest.mark.usefixtures("server_of")
def test_what_the_server_reads_and_with_what_is_its_own(
    mill: Mill, option: str, value: str, setting: str
) -> None:
    ended = mill("run", option, value)
    assert ended.status == 2
    assert setting in ended.err
    assert option in ended.err


@pytest.mark.usefixtures("server_of")
def test_status_tells_how_processors_stand_through_the_server(mill: Mill) -> None:
    mill("run")
    rows = mill("status", "--json").rows
    assert [(row["name"], row["pending"], row["last_outcome"]) for row in rows] == [
        ("inventory", 0, "ok"),
        ("usage", 0, "ok"),
    ]


@pytest.mark.usefixtures("server_of")
def test_start_shows_what_the_server_reads(mill: Mill) -> None:
    ended = mill("start")
    assert ended.status == 0, ended.err
    assert "Found 2 transcripts" in ended.out


def _trail(server: Served) -> list[dict[str, Any]]:
    return list(server.get("/api/audit?limit=1000").json["rows"])


def test_runs_from_before_the_server_began_have_their_audit_rows_once(
    mill: Mill, data: Path, sessions: Path
) -> None:
    mill("run", "--sessions", sessions)
    for _ in range(2):
        with served(data, "--no-schedule", "--sessions", sessions) as server:
            runs = [row for row in _trail(server) if row["action"].startswith("run_session")]
            assert sorted(row["action"] for row in runs) == [
                "run_session_processor:inventory",
                "run_session_processor:usage",
            ]
            assert {row["actor"] for row in runs} == {"cli:tester"}
