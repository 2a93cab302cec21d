"""Commands that look: what `sessions`, `show` and `status` print, for programs and for people."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest
from cli_place import HERE, busy, document, write

from commands import Ended
from conftest import Mill
from sessionmill.testing import ClaudeTranscript, CodexRollout

#: A colour, a title, a C1 control, a change of writing direction, a bell.
NASTY = "evil\x1b[31m\x1b]0;owned\x07\x9b2J\u202egnp"


@pytest.fixture
def team(tmp_path: Path) -> Path:
    """Transcripts of alice and bob, on two days, one with a sub-agent's, one without any time."""
    folder = tmp_path / "team"
    first = busy("0f3c-one")
    first.write(folder / "alice" / "shop" / "0f3c-one.jsonl")
    agent = ClaudeTranscript("0f3c-one", start=first.now, agent_id="a1", sidechain=True)
    agent.prompt("Look around.")
    agent.response("Three places.")
    agent.write(folder / "alice" / "shop" / "0f3c-one" / "subagents" / "agent-a1.jsonl")
    later = ClaudeTranscript("0f3c-two").wait(3 * 86400)
    later.prompt()
    later.response("Fixed.")
    later.write(folder / "bob" / "0f3c-two.jsonl")
    timeless = ClaudeTranscript("7d1e")
    timeless.prompt()
    lines = bytes(timeless).replace(b'"timestamp"', b'"was"')
    (folder / "bob" / "7d1e.jsonl").write_bytes(lines)
    return folder


@pytest.fixture
def read(mill: Mill, team: Path) -> Mill:
    """Return how commands are run, once the team's transcripts are read."""
    ended = mill("run", "--sessions", team)
    assert ended.status == 0, ended.err
    return mill


def ids(ended: Ended) -> list[str]:
    return [row["session_id"] for row in document(ended)["rows"]]


def is_harmless(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text)


# ── sessions ──


def test_sessions_are_listed_the_latest_first_with_what_they_came_to(read: Mill) -> None:
    told = document(read("sessions", "--json"))
    assert list(told) == ["rows", "truncated"]
    assert [row["session_id"] for row in told["rows"]] == ["0f3c-two", "0f3c-one", "7d1e"]
    one = told["rows"][1]
    assert one["session_key"] == "alice/shop/0f3c-one.jsonl", "as `show` takes it: the main one"
    assert (one["username"], one["agent"], one["transcripts"]) == ("alice", "claude-code", 2)
    assert (one["tool_calls"], one["tool_errors"], one["prompts"]) == (4, 1, 1)
    assert one["started_at"] < one["ended_at"]
    assert told["rows"][2]["ended_at"] is None, "without a time it comes last"


def test_sessions_may_be_of_one_user_of_some_days_and_not_all(read: Mill) -> None:
    assert ids(read("sessions", "--user", "bob", "--json")) == ["0f3c-two", "7d1e"]
    assert ids(read("sessions", "--user", "nobody", "--json")) == []
    assert ids(read("sessions", "--since", "2026-03-04", "--json")) == ["0f3c-two"]
    some = document(read("sessions", "--limit", "1", "--json"))
    assert ([row["session_id"] for row in some["rows"]], some["truncated"]) == (["0f3c-two"], True)
    assert document(read("sessions", "--limit", "3", "--json"))["truncated"] is False


def test_the_day_that_sessions_are_asked_since_is_one_of_the_time_zone(read: Mill) -> None:
    since = ("sessions", "--since", "2026-03-06", "--json", "--timezone")
    assert ids(read(*since, "UTC")) == []
    assert ids(read(*since, "Pacific/Kiritimati")) == []
    since = ("sessions", "--since", "2026-03-05", "--json", "--timezone")
    assert ids(read(*since, "UTC")) == ["0f3c-two"], "nine in the morning"
    assert ids(read(*since, "Pacific/Pago_Pago")) == [], "ten at night, the day before"


def test_people_read_sessions_as_a_table_and_are_told_that_there_are_more(read: Mill) -> None:
    lines = read("sessions", "--limit", "2").out.splitlines()
    assert lines[0].split()[:3] == ["session_id", "username", "agent"]
    assert [line.split()[0] for line in lines[2:4]] == ["0f3c-two", "0f3c-one"]
    assert "more than these 2 rows" in lines[4]


def test_without_facts_there_are_no_sessions_and_that_is_no_error(mill: Mill) -> None:
    ended = mill("sessions")
    assert (ended.status, ended.out) == (0, "(no rows)\n")


# ── show ──


def test_a_session_is_shown_line_by_line_with_calls_tokens_and_errors(read: Mill) -> None:
    told = document(read("show", "0f3c-one", "--json"))
    assert list(told) == ["rows", "truncated"]
    assert told["truncated"] is False
    shown = [(row["what"], row["name"], row["is_error"]) for row in told["rows"]]
    assert shown[:4] == [
        ("prompt", None, None),
        ("response", "claude-sonnet-4-5-20250929", None),
        ("response", "claude-sonnet-4-5-20250929", None),
        ("call", "Bash", None),
    ]
    assert ("result", "Bash", True) in shown
    assert shown[-2:] == [("command", "/clear", None), ("malformed", None, None)]
    answer = told["rows"][1]
    assert (answer["input_tokens"], answer["output_tokens"]) == (4, 2)
    assert answer["text"] == "Let me see."
    assert answer["at"].endswith("Z")


@pytest.mark.parametrize(
    "named",
    [
        "alice/shop/0f3c-one.jsonl",  # its key
        "alice/shop/0f3c-o",  # the start of it
        "0f3c-one",  # the session's id
        "0f3c-o",  # the start of that
        "0f3c-one.jsonl",  # the file's name
    ],
)
def test_a_session_is_named_by_its_key_its_id_or_the_start_of_either(
    read: Mill, named: str
) -> None:
    assert "alice/shop/0f3c-one.jsonl" in read("show", named).out.splitlines()[0]


def test_the_start_of_several_sessions_names_none_and_they_are_told(read: Mill) -> None:
    ended = read("show", "0f3c", "--json")
    assert (ended.status, ended.out) == (2, "")
    assert "alice/shop/0f3c-one.jsonl" in ended.err
    assert "bob/0f3c-two.jsonl" in ended.err


def test_an_id_that_another_one_goes_on_from_names_its_own_session(
    mill: Mill, tmp_path: Path
) -> None:
    write(tmp_path / "sessions", "alice", "0f3c")
    write(tmp_path / "sessions", "bob", "0f3c-two")
    mill("run", "usage", "--sessions", tmp_path / "sessions")
    assert "alice/0f3c.jsonl" in mill("show", "0f3c").out


def test_a_sub_agents_transcript_is_shown_too(read: Mill) -> None:
    rows = document(read("show", "agent-a1", "--json"))["rows"]
    assert [(row["what"], row["text"]) for row in rows] == [("response", "Three places.")]


def test_people_read_what_was_said_below_what_it_is(read: Mill) -> None:
    lines = read("show", "0f3c-one").out.splitlines()
    assert "session_key     alice/shop/0f3c-one.jsonl" in lines
    [call] = [number for number, line in enumerate(lines) if line.endswith("  call Bash")]
    assert lines[call + 1].strip() == '{"command": "make"}'
    [result] = [line for line in lines if "  result Bash: " in line]
    assert result.endswith("result Bash: 7 bytes, failed")
    assert any(line.endswith(": 4 tokens read, 2 written") for line in lines)


def test_people_are_told_how_to_go_on_and_can_type_it(read: Mill) -> None:
    first = read("show", "0f3c-one", "--limit", "3").out.splitlines()
    advice = first[-1].partition("There is more: ")[2].split()
    typed = advice[advice.index("show") :]
    assert typed[:3] == ["show", "alice/shop/0f3c-one.jsonl", "--after"]
    second = read(*typed).out.splitlines()
    assert len(second) > 3
    assert not set(first[11:-1]) & set(second), "nothing is told twice"


def test_behind_the_last_line_nothing_more_is_said(read: Mill) -> None:
    behind = ("show", "0f3c-one", "--after", "99999999")
    assert read(*behind).out == "Nothing more is said.\n"
    assert document(read(*behind, "--json")) == {"rows": [], "truncated": False}


def test_a_session_that_is_gone_is_said_to_be_and_where_its_facts_are(
    read: Mill, team: Path
) -> None:
    (team / "bob" / "0f3c-two.jsonl").unlink()
    ended = read("show", "0f3c-two", "--json")
    assert (ended.status, ended.out) == (1, "")
    assert "0f3c-two.jsonl is gone" in ended.err
    assert "sessionmill sql" in ended.err


def test_a_pipe_in_a_transcripts_place_is_not_waited_for(read: Mill, team: Path) -> None:
    path = team / "bob" / "0f3c-two.jsonl"
    path.unlink()
    os.mkfifo(path)
    ended = read("show", "0f3c-two")
    assert (ended.status, ended.out) == (1, "")
    assert "is gone" in ended.err


def test_a_transcript_whose_name_is_no_utf_8_is_shown_and_read_again(
    mill: Mill, tmp_path: Path
) -> None:
    folder = tmp_path / "sessions" / "alice" / os.fsdecode(b"caf\xe9")
    ClaudeTranscript("0f3c").write(folder / "plain.jsonl")
    busy("9b1d").write(folder / os.fsdecode(b"9b1d\xff.jsonl"))
    assert mill("run", "--sessions", tmp_path / "sessions").status == 0
    ended = mill("show", "9b1d", "--json")
    assert ended.status == 0, ended.err
    assert len(document(ended)["rows"]) > 5
    told = document(mill("reprocess", "usage", "--json"))
    assert (told["anew"], told["kept"]) == (2, 0)
    assert told["runs"][0]["processed"] == 2


def test_names_and_words_do_not_reach_a_terminal_raw(mill: Mill, tmp_path: Path) -> None:
    transcript = ClaudeTranscript("0f3c", cwd=f"/work/{NASTY}")
    transcript.prompt(f"Say {NASTY}")
    transcript.call(NASTY, {"text": NASTY})
    transcript.write(tmp_path / "sessions" / f"al{NASTY}" / "0f3c.jsonl")
    mill("run", "usage", "--sessions", tmp_path / "sessions")
    for command in (("sessions",), ("show", "0f3c"), ("show", "0f3c", "--limit", "1")):
        ended = mill(*command)
        assert ended.status == 0, ended.err
        assert "evil" in ended.out
        assert is_harmless(ended.out), command
    told = document(mill("show", "0f3c", "--json"))["rows"]
    assert told[0]["text"] == f"Say {NASTY}", "a program gets it as it is"


def on_a_terminal(columns: int, data: Path, *args: str) -> list[str]:
    """Return the lines that a command prints on a terminal of so many columns."""
    primary, secondary = pty.openpty()
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    with subprocess.Popen(
        [sys.executable, "-m", "sessionmill", *args],
        stdout=secondary,
        stdin=secondary,
        env={**environment, "SESSIONMILL_HOME": str(data)},
    ) as process:
        os.close(secondary)
        printed = b""
        while True:
            try:
                part = os.read(primary, 65536)
            except OSError:
                break  # how a terminal says that its other side is closed
            if not part:
                break
            printed += part
    os.close(primary)
    assert process.returncode == 0
    return printed.decode().splitlines()


def test_on_a_narrow_terminal_what_is_said_is_cut_and_not_lost(read: Mill, data: Path) -> None:
    del read
    lines = on_a_terminal(44, data, "show", "0f3c-one", "--after", "0")
    assert any("Let me see." in line for line in lines)
    told = [line for line in lines if "There is more" not in line]
    assert max(map(len, told)) <= 44


# ── status ──


@pytest.fixture
def failed(mill: Mill, tmp_path: Path) -> Mill:
    """Return how commands are run, once a processor has failed on one of two sessions."""
    write(tmp_path / "sessions", "alice", "0f3c")
    write(tmp_path / "sessions", "bob", "7d1e", "FAILING")
    sessions = ("--sessions", tmp_path / "sessions")
    mill("run", "words", "--processor", "cli_processors:Words", *sessions, cwd=HERE)
    return mill


WORDS = ("--processor", "cli_processors:Words")


def standing(ended: Ended) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in document(ended)["rows"]}


def test_the_status_tells_what_waits_and_what_failed_with_the_error_and_since_when(
    failed: Mill,
) -> None:
    ended = failed("status", *WORDS, "--json", cwd=HERE)
    told = document(ended)
    assert list(told) == ["rows", "truncated", "sessions", "disk"]
    stands = standing(ended)
    assert (stands["words"]["pending"], stands["words"]["failing"]) == (0, 1)
    assert stands["words"]["last_outcome"] == "errors"
    assert (stands["usage"]["pending"], stands["usage"]["failing"]) == (2, 0)
    [row] = told["sessions"]["rows"]
    assert told["sessions"]["truncated"] is False
    assert (row["processor"], row["session"]) == ("words", "bob/7d1e.jsonl")
    assert (row["state"], row["attempts"]) == ("failing", 1)
    assert row["error"] == "ValueError: the cart has no total"
    assert row["failing_since"] < row["next_attempt_at"]
    assert row["dead_at"] is None


def test_the_status_of_a_dead_letter_says_since_when_it_waits_for_a_person(
    mill: Mill, tmp_path: Path
) -> None:
    write(tmp_path / "sessions", "bob", "7d1e", "FAILING")
    once = ("run", "once", "--processor", "cli_processors:Once")
    mill(*once, "--sessions", tmp_path / "sessions", cwd=HERE)
    [row] = document(mill("status", "--json"))["sessions"]["rows"]
    assert (row["state"], row["next_attempt_at"]) == ("dead", None)
    assert row["dead_at"] is not None
    people = mill("status", "once", *once[2:], cwd=HERE).out
    assert "dead" in people
    assert "ValueError: the cart has no total" in people
    assert "sessionmill retry" in people


def test_the_lag_is_the_age_of_what_waits_longest(failed: Mill, tmp_path: Path) -> None:
    for path, age in (("alice/0f3c.jsonl", 5000), ("bob/7d1e.jsonl", 100)):
        moment = (tmp_path / "sessions" / path).stat().st_mtime - age
        os.utime(tmp_path / "sessions" / path, (moment, moment))
    # A walk that leaves everything: it sees the new times, and nothing is read.
    failed("run", "inventory", "--budget", "0", "--sessions", tmp_path / "sessions")
    stands = standing(failed("status", "--json"))
    assert 5000 <= stands["usage"]["lag_seconds"] < 9000
    failed("run", "--sessions", tmp_path / "sessions")
    assert standing(failed("status", "--json"))["usage"]["lag_seconds"] is None


def test_the_status_may_be_of_one_processor_loaded_or_not(failed: Mill) -> None:
    told = document(failed("status", "usage", "--json"))
    assert [row["name"] for row in told["rows"]] == ["usage"]
    assert told["sessions"] == {"rows": [], "truncated": False}
    told = document(failed("status", "words", "--json"))
    assert told["rows"] == []
    assert [row["session"] for row in told["sessions"]["rows"]] == ["bob/7d1e.jsonl"]


def test_the_status_tells_of_a_processor_that_cannot_run(mill: Mill) -> None:
    broken = ("--processor", "cli_processors:Broken")
    ended = mill("status", *broken, "--json", cwd=HERE)
    row = standing(ended)["cli_processors:Broken"]
    assert row["problem"] == "ValueError: there is no model"
    assert "there is no model" in mill("status", *broken, cwd=HERE).out


def test_the_status_tells_what_the_facts_take_and_what_is_free(failed: Mill, data: Path) -> None:
    disk = document(failed("status", "--json"))["disk"]
    assert disk["folder"] == str(data)
    assert disk["facts_bytes"] >= (data / "facts.duckdb").stat().st_size > 0
    assert disk["free_bytes"] > 0
    people = failed("status").out
    assert f"bytes in {data}" in people
    assert "Free there: " in people


# ── another agent ──


def test_a_rollouts_answers_are_shown_with_their_counts_apart(mill: Mill, tmp_path: Path) -> None:
    rollout = CodexRollout()
    rollout.turn()
    rollout.prompt("Fix the total.")
    rollout.message("I look.")
    rollout.call("exec_command", {"cmd": "make"}, result="no rule", success=False)
    rollout.tokens(100, 40, 7)
    rollout.repeat_tokens()
    fork = rollout.fork("019cc8af-f260-7435-b2c3-a2c67d48c0ae")
    fork.tokens(50, 0, 3)
    folder = tmp_path / "sessions" / "alice"
    rollout.write(folder / rollout.relative_path)
    fork.write(folder / fork.relative_path)
    mill("run", "usage", "--sessions", tmp_path / "sessions")
    rows = document(mill("show", rollout.session_id, "--json"))["rows"]
    assert [(row["what"], row["name"]) for row in rows] == [
        ("prompt", None),
        ("response", None),
        ("call", "exec_command"),
        ("result", "exec_command"),
        ("response", rollout.model),
    ]
    assert [row["text"] for row in rows[:3]] == ["Fix the total.", "I look.", '{"cmd":"make"}']
    assert (rows[4]["input_tokens"], rows[4]["output_tokens"]) == (100, 7)
    forked = document(mill("show", fork.session_id, "--json"))["rows"]
    assert (forked[-1]["input_tokens"], forked[-1]["output_tokens"]) == (50, 3)
