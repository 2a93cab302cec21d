"""The command explain: figures traced to lines, for programs and for people."""

from __future__ import annotations

import gzip
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cli_place import busy, document

from commands import Ended
from conftest import Mill
from sessionmill.testing import ClaudeTranscript

sys.path.append(str(Path(__file__).parents[1] / "collect"))
from compressing import ENDINGS, compress

CANARY = "Kanarienvogel"
ONE, TWO = "alice/shop/0f3c-one.jsonl", "alice/shop/0f3c-two.jsonl"


@pytest.fixture
def team(tmp_path: Path) -> Path:
    """A session with a sub-agent's transcript, and a fork of it, with words to be kept back."""
    folder = tmp_path / "team"
    first = busy("0f3c-one")
    first.prompt(CANARY)
    first.response(CANARY, id="msg_1", output_tokens=7)
    first.write(folder / ONE)
    agent = ClaudeTranscript("0f3c-one", start=first.now, agent_id="a1", sidechain=True)
    agent.response(CANARY)
    agent.write(folder / "alice" / "shop" / "0f3c-one" / "subagents" / "agent-a1.jsonl")
    fork = first.fork("0f3c-two")
    fork.response(CANARY, id="msg_2", output_tokens=9)
    fork.write(folder / TWO)
    return folder


@pytest.fixture
def read(mill: Mill, team: Path) -> Mill:
    """Return how commands are run, once the team's transcripts are read."""
    ended = mill("run", "--sessions", team)
    assert ended.status == 0, ended.err
    return mill


def sums(ended: Ended) -> dict[str, dict[str, Any]]:
    return {row["figure"]: row for row in document(ended)["sums"]["rows"]}


def reported(mill: Mill, session: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = document(mill("report", "usage", "--by", "session", "--json"))[
        "rows"
    ]
    [row] = [row for row in rows if row["session"] == session]
    return row


@pytest.mark.parametrize("session", ["0f3c-one", "0f3c-two"])
def test_the_sums_are_what_the_report_says_of_the_session(read: Mill, session: str) -> None:
    ended = read("explain", "--session", session, "--json")
    assert (ended.status, ended.err) == (0, "")
    told, report = document(ended), reported(read, session)
    assert told["agrees"] is True
    for figure, row in sums(ended).items():
        assert row["counted"] == row["tables"]
        assert row["equal"] is True
        if figure == "cost_usd":
            assert round(Decimal(row["counted"]), 6) == Decimal(str(report[figure]))
        elif figure != "malformed_lines":
            assert row["counted"] == report[figure], figure
    of_rows = sum(row["counted"].get("output_tokens", 0) for row in told["rows"])
    assert of_rows == report["output_tokens"]


def test_a_row_tells_the_line_the_rule_and_what_is_counted(read: Mill) -> None:
    told = document(read("explain", "--session", TWO, "--json"))
    assert list(told) == ["rows", "truncated", "transcripts", "sums", "agrees"]
    for name in ("transcripts", "sums"):
        assert list(told[name]) == ["rows", "truncated"]
    [row] = [row for row in told["rows"] if row["id"] == "msg_1"]
    assert (row["session_key"], row["what"], row["rule"]) == (TWO, "response", "copy_not_counted")
    assert (row["elected"], row["decided_by"]) == (ONE, "session_key")
    assert row["counted"] == {}
    assert row["states"] == row["discarded"]
    assert row["discarded"]["output_tokens"] == 7


def test_nothing_that_people_or_models_wrote_is_told(read: Mill) -> None:
    for options in (("--session", "0f3c-one"), ("--response", "msg_1")):
        for form in ((), ("--json",)):
            ended = read("explain", *options, *form)
            assert ended.status == 0
            assert CANARY not in ended.out + ended.err


def test_people_read_a_table_for_each_transcript_then_the_sums(read: Mill) -> None:
    ended = read("explain", "--session", "0f3c-one")
    assert (ended.status, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0] == ONE
    assert "alice/shop/0f3c-one/subagents/agent-a1.jsonl" in lines
    heads = [line for line in lines if line.startswith("figure ")]
    assert [head.split() for head in heads] == [
        ["figure", "counted", "discarded", "tables", "equal"]
    ]
    assert lines[-1] == "The lines add up to what the tables say."


def test_people_are_told_which_copy_is_counted(read: Mill) -> None:
    out = read("explain", "--response", "msg_1").out
    assert f"see {ONE} (session_key)" in out


def test_rows_are_limited_and_sums_are_not(read: Mill) -> None:
    whole = document(read("explain", "--session", "0f3c-one", "--json"))
    cut = read("explain", "--session", "0f3c-one", "--json", "--limit", "3")
    assert document(cut)["rows"] == whole["rows"][:3]
    assert document(cut)["truncated"] is True
    assert document(cut)["sums"] == whole["sums"]
    people = read("explain", "--session", "0f3c-one", "--limit", "3").out
    assert "more than these 3 rows" in people


def test_a_response_is_traced_in_all_transcripts(read: Mill) -> None:
    told = document(read("explain", "--response", "msg_1", "--json"))
    assert [(row["session_key"], row["rule"]) for row in told["rows"]] == [
        (ONE, "first_line"),
        (TWO, "copy_not_counted"),
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "One of --session KEY and --response ID"),
        (("--session", "0f3c-one", "--response", "msg_1"), "One of --session KEY"),
        (("--session", "nobody"), "No transcript matches 'nobody'"),
        (("--session", "0f3c"), "is the start of several"),
        (("--response", "msg_nowhere"), "No transcript that was read states 'msg_nowhere'"),
        (("--session", "0f3c-one", "--limit", "0"), "--limit is more than zero"),
    ],
)
def test_what_is_not_to_be_explained_is_refused(
    read: Mill, options: tuple[str, ...], said: str
) -> None:
    ended = read("explain", *options, "--json")
    assert (ended.status, ended.out) == (2, "")
    assert said in ended.err


def test_a_transcript_that_grew_is_said_to_have_grown_with_the_command(
    read: Mill, team: Path
) -> None:
    before = sums(read("explain", "--session", TWO, "--json"))
    line = (team / TWO).read_bytes().splitlines(keepends=True)[-1]
    with (team / TWO).open("ab") as file:
        file.write(line.replace(b"msg_2", b"msg_3"))
    ended = read("explain", "--session", TWO, "--json")
    assert ended.status == 0
    assert sums(ended) == before
    assert f"{TWO} has grown by {len(line):,} bytes" in ended.err
    assert " run" in ended.err
    read("run", "--sessions", team)
    again = read("explain", "--session", TWO, "--json")
    assert again.err == ""
    assert sums(again)["output_tokens"]["counted"] == before["output_tokens"]["counted"] + 9


def test_a_gone_transcript_is_said_to_be_and_its_rows_are_listed(read: Mill, team: Path) -> None:
    before = sums(read("explain", "--session", TWO, "--json"))
    (team / TWO).unlink()
    ended = read("explain", "--session", TWO, "--json")
    assert ended.status == 0
    assert f"{TWO} is gone" in ended.err
    told = document(ended)
    assert {row["rule"] for row in told["rows"]} == {"gone"}
    counted = {name: row["counted"] for name, row in sums(ended).items()}
    assert counted == {name: row["counted"] for name, row in before.items()}


def test_a_replaced_transcript_is_a_failure_with_the_command(read: Mill, team: Path) -> None:
    busy("0f3c-two").write(team / TWO)
    ended = read("explain", "--session", TWO, "--json")
    assert ended.status == 1
    assert f"{TWO} was replaced" in ended.err
    assert document(ended)["agrees"] is True


def test_a_damaged_compressed_transcript_is_a_failure_that_is_said(read: Mill, team: Path) -> None:
    path = compress(team / TWO, ".gz")
    read("run", "--sessions", team)
    path.write_bytes(gzip.compress(b"{}")[:-9] + b"damaged..")
    ended = read("explain", "--session", TWO)
    assert ended.status == 1
    assert f"{TWO} can't be read" in ended.err
    assert "doctor" in ended.err


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_compressed_transcript_is_traced_by_the_offsets_of_the_plain_one(
    read: Mill, team: Path, ending: str
) -> None:
    plain = document(read("explain", "--session", TWO, "--json"))
    compress(team / TWO, ending)
    assert read("run", "--sessions", team).status == 0
    packed = read("explain", "--session", TWO, "--json")
    assert (packed.status, packed.err) == (0, "")
    assert document(packed) == plain


def test_a_session_whose_rows_are_to_be_made_anew_differs_and_a_run_mends_it(
    read: Mill, team: Path, data: Path
) -> None:
    spoil(data, "UPDATE session_processor_state SET safe_offset = 0, size = NULL, carry = NULL")
    ended = read("explain", "--session", TWO, "--json")
    assert ended.status == 1
    assert document(ended)["agrees"] is False
    assert "is not what the tables say" in ended.err
    assert "To do that: " in ended.err
    read("run", "--sessions", team)
    assert read("explain", "--session", TWO).status == 0


def test_tables_that_are_wrong_are_said_to_be_with_what_mends_them(read: Mill, data: Path) -> None:
    spoil(data, "UPDATE responses SET output_tokens = 1000000 WHERE response_id = 'msg_2'")
    ended = read("explain", "--session", TWO)
    assert ended.status == 1
    assert f"not what the tables say: {TWO}" in ended.err
    advice = ended.err.strip().rpartition("anew: ")[2].split()
    typed = advice[advice.index("reprocess") :]
    assert read(*typed).status == 0
    assert read("explain", "--session", TWO).status == 0


def spoil(data: Path, sql: str) -> None:
    """Write to the facts behind the program's back."""
    import duckdb

    with duckdb.connect(str(data / "facts.duckdb")) as facts:
        facts.execute(sql)
