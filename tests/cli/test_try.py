"""`try`: a processor run over one transcript, whose rows are printed and kept nowhere."""

from __future__ import annotations

import fcntl
import hashlib
from pathlib import Path

import pytest
from cli_place import HERE, busy, document

from conftest import Mill
from sessionmill.testing import ClaudeTranscript


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    """A busy transcript of alice's, with a sub-agent's."""
    folder = tmp_path / "sessions"
    busy("0f3c").write(folder / "alice" / "0f3c.jsonl")
    agent = ClaudeTranscript("0f3c", agent_id="a1")
    agent.response("Three places.")
    agent.write(folder / "alice" / "0f3c" / "subagents" / "agent-a1.jsonl")
    return folder


@pytest.fixture
def path(sessions: Path) -> Path:
    return sessions / "alice" / "0f3c.jsonl"


def everything(folder: Path) -> dict[str, tuple[int, str]]:
    """Return all that lies below a folder: times of change, and hashes of what files hold."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in sorted(folder.rglob("*"))
    }


def test_a_trial_prints_the_rows_of_every_table_as_one_document(mill: Mill, path: Path) -> None:
    ended = mill("try", "usage", path, "--json")
    assert ended.status == 0, ended.err
    told = document(ended)
    assert list(told) == ["session", "items", "tables"]
    assert told["session"] == "tester/0f3c.jsonl"
    assert list(told["tables"]) == [
        "responses",
        "tool_calls",
        "slash_commands",
        "prompts",
        "events",
        "malformed_lines",
    ]
    calls = told["tables"]["tool_calls"]
    assert calls["truncated"] is False
    names = {call["name"] for call in calls["rows"]}
    assert names == {"Bash", "Skill", "mcp__deepwiki__ask", "Task"}
    assert told["items"] == sum(len(table["rows"]) for table in told["tables"].values())


def test_a_trial_writes_what_a_run_would(mill: Mill, sessions: Path) -> None:
    mill("run", "usage", "--sessions", sessions)
    told = document(mill("try", "usage", "alice/0f3c.jsonl", "--json"))
    query = "FROM tool_calls WHERE session_key = 'alice/0f3c.jsonl' ORDER BY ALL"
    stored = document(mill("sql", query, "--json"))["rows"]
    assert told["tables"]["tool_calls"]["rows"] == stored


@pytest.mark.parametrize("given", ["alice/0f3c.jsonl", "0f3c", "alice/0"])
def test_a_session_of_the_facts_is_named_as_everywhere(
    mill: Mill, sessions: Path, given: str
) -> None:
    mill("run", "usage", "--sessions", sessions)
    assert document(mill("try", "usage", given, "--json"))["session"] == "alice/0f3c.jsonl"


def test_a_trial_leaves_no_trace_in_the_data_directory(
    mill: Mill, sessions: Path, data: Path, tmp_path: Path
) -> None:
    mill("run", "usage", "--sessions", sessions)
    (data / "config.toml").write_text('[processors.settled]\nword = "good morning"\n')
    before = everything(tmp_path)
    for processor in ("usage", "cli_processors:Words", "cli_processors:Settled"):
        ended = mill("try", processor, "0f3c", cwd=HERE)
        assert ended.status == 0, ended.err
        assert everything(tmp_path) == before, processor


def test_a_trial_makes_no_data_directory(mill: Mill, path: Path, data: Path) -> None:
    for processor in ("usage", "cli_processors:Words"):
        assert mill("try", processor, path, cwd=HERE).status == 0
    assert mill("try", "usage", "0f3c").status == 2, "by name it takes facts"
    assert not data.exists()


def test_a_trial_by_path_does_not_wait_for_who_holds_the_facts(
    mill: Mill, sessions: Path, path: Path, data: Path
) -> None:
    mill("run", "usage", "--sessions", sessions)
    (data / "owner.json").write_text('{"pid": 4711, "command": "sessionmill run"}')
    with (data / "owner.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert mill("try", "usage", path).status == 0


def test_what_a_processor_raises_is_shown_with_the_place_in_its_code(
    mill: Mill, tmp_path: Path
) -> None:
    transcript = ClaudeTranscript("7d1e")
    transcript.prompt("FAILING")
    path = transcript.write(tmp_path / "7d1e.jsonl")
    ended = mill("try", "cli_processors:Words", path, "--json", cwd=HERE)
    assert (ended.status, ended.out) == (1, "")
    assert "Traceback" in ended.err
    assert 'raise ValueError("the cart has no total")' in ended.err
    assert "cli_processors.py" in ended.err
    assert "nothing was written" in ended.err


def test_what_a_processor_raises_does_not_reach_a_terminal_raw(mill: Mill, path: Path) -> None:
    ended = mill("try", "cli_processors:Coloured", path, cwd=HERE)
    assert ended.status == 1
    assert "red" in ended.err
    assert all(c.isprintable() or c == "\n" for c in ended.err)


def test_why_a_processor_cannot_be_made_is_shown_with_its_place_too(mill: Mill, path: Path) -> None:
    ended = mill("try", "cli_processors:Broken", path, cwd=HERE)
    assert (ended.status, ended.out) == (1, "")
    assert 'raise ValueError("there is no model")' in ended.err


@pytest.mark.parametrize(
    ("spec", "status", "word"),
    [
        ("cli_processors:Away", 1, "the model is asleep"),
        ("cli_processors:Leaving", 1, "SystemExit: 7"),
        ("cli_processors:Covetous", 1, "runs belongs to the framework"),
        ("cli_processors:Absent", 1, "Absent"),
        ("a_module_that_nobody_has:Absent", 1, "a_module_that_nobody_has"),
        ("nonsense", 2, "inventory, usage"),
    ],
)
def test_what_cannot_be_tried_is_told(
    mill: Mill, path: Path, spec: str, status: int, word: str
) -> None:
    ended = mill("try", spec, path, "--json", cwd=HERE)
    assert (ended.status, ended.out) == (status, "")
    assert word in ended.err


def test_what_a_processor_prints_is_seen_and_is_not_in_the_document(mill: Mill, path: Path) -> None:
    ended = mill("try", "cli_loud:Loud", path, "--json", cwd=HERE)
    assert document(ended)["items"] == 0
    for said in ("imported", "made", "at work", "at work, past Python"):
        assert said in ended.err


def test_a_result_that_is_none_is_warned_of(mill: Mill, path: Path) -> None:
    ended = mill("try", "cli_processors:Odd", path, cwd=HERE)
    assert ended.status == 0
    assert "not a ProcessorResult" in ended.err


def test_a_trial_has_the_settings_of_the_configuration(mill: Mill, path: Path, data: Path) -> None:
    data.mkdir()
    (data / "config.toml").write_text('[processors.settled]\nword = "good morning"\n')
    tables = document(mill("try", "cli_processors:Settled", path, "--json", cwd=HERE))["tables"]
    assert [row["word"] for row in tables["settled"]["rows"]] == ["good morning"]


def test_a_sub_agents_transcript_keeps_its_session_and_is_refused_where_a_run_would_pass_it_over(
    mill: Mill, sessions: Path
) -> None:
    agent = sessions / "alice" / "0f3c" / "subagents" / "agent-a1.jsonl"
    told = document(mill("try", "usage", agent, "--json"))
    assert told["session"] == "tester/0f3c/subagents/agent-a1.jsonl"
    assert [row["session_id"] for row in told["tables"]["responses"]["rows"]] == ["0f3c"]
    ended = mill("try", "cli_processors:MainOnly", agent, cwd=HERE)
    assert (ended.status, ended.out) == (2, "")
    assert "main transcripts alone" in ended.err


def test_people_see_the_processors_own_columns_and_what_a_run_would_count(
    mill: Mill, path: Path
) -> None:
    ended = mill("try", "usage", path, "--limit", "1")
    lines = ended.out.splitlines()
    assert lines[0] == "responses"
    assert not {"session_key", "username", "key_hash"} & set(lines[1].split())
    assert "more than these 1 rows" in ended.out
    assert lines[-1].startswith("Items of tester/0f3c.jsonl, as a run counts them: ")
    assert lines[-1].endswith("Nothing was written.")
    tables = document(mill("try", "usage", path, "--limit", "1", "--json"))["tables"]
    assert [len(table["rows"]) for table in tables.values()] == [1, 1, 1, 1, 0, 1]
    assert tables["responses"]["truncated"] is True
    assert tables["prompts"]["truncated"] is False


def test_an_empty_and_a_damaged_transcript_can_be_tried(mill: Mill, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_bytes(b"")
    (tmp_path / "odd.jsonl").write_bytes(b"\xff\xfe\n\x00\n{not JSON}\n")
    for name in ("empty.jsonl", "odd.jsonl"):
        ended = mill("try", "usage", tmp_path / name, "--json")
        assert ended.status == 0, ended.err
        assert document(ended)["tables"]["responses"]["rows"] == []


def test_a_transcript_that_is_gone_cannot_be_tried(mill: Mill, sessions: Path, path: Path) -> None:
    mill("run", "usage", "--sessions", sessions)
    path.unlink()
    ended = mill("try", "usage", "0f3c", "--json")
    assert (ended.status, ended.out) == (1, "")
    assert "is gone" in ended.err
