"""The command audit-usage: what it prints, and how it ends."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from cli_place import busy, document, write

from conftest import Mill
from sessionmill.testing import CodexRollout

#: Stands in for the real one: says what a test wants it to say.
CCUSAGE = """#!/bin/sh
if [ "$1" = --version ]; then echo ccusage 20.0.24; exit; fi
ls "$CLAUDE_CONFIG_DIR/projects/alice" >&2 || exit 1
echo '{"daily":[{"date":"2026-03-02","inputTokens":IN,"outputTokens":2,"cacheReadTokens":3,'
echo '"cacheCreationTokens":0}],"totals":{}}'
"""


@pytest.fixture
def team(mill: Mill, tmp_path: Path) -> Path:
    folder = tmp_path / "team"
    busy("s1").write(folder / "alice" / "s1.jsonl")
    write(folder, "bob", "s2")
    assert mill("run", "--sessions", folder).status == 0
    return folder


def stand_in(folder: Path, script: str) -> str:
    """Put a ccusage on the PATH; return that."""
    folder.mkdir()
    (folder / "ccusage").write_text(script)
    (folder / "ccusage").chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def spoil(data: Path, sql: str) -> None:
    with duckdb.connect(str(data / "facts.duckdb")) as facts:
        facts.execute(sql)


def test_where_both_counts_are_the_same_it_says_so_and_ends_well(mill: Mill, team: Path) -> None:
    assert team.is_dir()
    ended = mill("audit-usage")

    assert (ended.status, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0].split() == ["figure", "tables", "recount", "difference"]
    assert "transcripts 2 2 0".split() in [line.split() for line in lines]
    assert lines[-1] == (
        "All figures are the same, in the tables and in a second count of 2 transcripts of 2 users."
    )


def test_json_is_one_document_with_lists_of_rows(mill: Mill, team: Path) -> None:
    assert team.is_dir()
    told = document(mill("audit-usage", "--json"))

    assert told["same"] is True
    lists = {name: value for name, value in told.items() if isinstance(value, dict)}
    assert set(lists) == {"totals", "users", "sessions", "differences", "left_out"}
    assert all(value.keys() == {"rows", "truncated"} for value in lists.values())
    assert {row["username"] for row in told["users"]["rows"]} == {"alice", "bob"}
    assert told["sessions"]["rows"] == told["differences"]["rows"] == []
    [responses] = [r for r in told["totals"]["rows"] if r["figure"] == "responses"]
    assert responses == {"figure": "responses", "tables": 6, "recount": 6, "difference": 0}


def test_a_difference_ends_with_1_and_names_user_session_and_row(
    mill: Mill, team: Path, data: Path
) -> None:
    assert team.is_dir()
    spoil(data, "UPDATE tool_calls SET is_error = false WHERE name = 'Bash'")

    ended = mill("audit-usage")
    assert ended.status == 1
    for expected in ("alice", "s1", "alice/s1.jsonl", "toolu_", "tool_errors", "reprocess usage"):
        assert expected in ended.out

    ended = mill("audit-usage", "--json")
    assert ended.status == 1
    [row] = document(ended)["differences"]["rows"]
    assert (row["figure"], row["tables"], row["recount"]) == ("tool_errors", 0, 1)
    assert document(ended)["sessions"]["rows"] == [
        {
            "username": "alice",
            "session_id": "s1",
            "figure": "tool_errors",
            "tables": 0,
            "recount": 1,
            "difference": -1,
        }
    ]


def test_differences_are_told_up_to_the_limit(mill: Mill, team: Path, data: Path) -> None:
    assert team.is_dir()
    spoil(data, "UPDATE responses SET output_tokens = output_tokens + 1")

    told = document(mill("audit-usage", "--json", "--limit", "2"))["differences"]
    assert (len(told["rows"]), told["truncated"]) == (2, True)
    assert mill("audit-usage", "--limit", "0").status == 2


def test_reprocessing_mends_what_differs(mill: Mill, team: Path, data: Path) -> None:
    assert team.is_dir()
    spoil(data, "DELETE FROM responses WHERE session_key = 'alice/s1.jsonl'")
    assert mill("audit-usage").status == 1

    assert mill("reprocess", "usage").status == 0
    assert mill("audit-usage").status == 0


def test_what_is_left_out_is_counted_in_a_line(mill: Mill, team: Path) -> None:
    (team / "alice" / "s1.jsonl").unlink()
    write(team, "bob", "s2", "Another text, and longer.")

    ended = mill("audit-usage")
    assert ended.status == 0
    assert "Left out on both sides, transcripts that are gone: 1 (what was read" in ended.out
    assert "Left out on both sides, transcripts that are changed: 1 (they were" in ended.out


def test_without_any_transcript_nothing_differs(mill: Mill) -> None:
    assert mill("audit-usage").status == 0


# Another program


def test_a_program_that_is_not_installed_is_told_how_to_get(mill: Mill, team: Path) -> None:
    assert team.is_dir()
    ended = mill("audit-usage", "--against", "ccusage", PATH="/nowhere")

    assert (ended.status, ended.out) == (2, "")
    assert "npm install --global ccusage" in ended.err
    assert mill("audit-usage", "--against", "abacus").status == 2


def test_another_programs_figures_stand_beside_ours(mill: Mill, team: Path, tmp_path: Path) -> None:
    assert team.is_dir()
    path = stand_in(tmp_path / "bin", CCUSAGE.replace("IN", "1"))

    ended = mill("audit-usage", "--against", "ccusage", PATH=path)
    assert ended.status == 0, "that another program counts otherwise is no error of ours"
    assert "Against ccusage 20.0.24" in ended.out
    assert "(no rule explains it)" in ended.out
    assert ended.out.splitlines()[-1].startswith("Something that ccusage 20.0.24 counts otherwise")

    told = document(mill("audit-usage", "--against", "ccusage", "--json", PATH=path))["against"]
    assert set(told) == {"program", "version", "totals", "days", "rules", "verdict"}
    [first] = [row for row in told["totals"]["rows"] if row["figure"] == "input_tokens"]
    assert (first["ccusage"], first["difference"]) == (1, first["sessionmill"] - 1)
    assert {row["day"] for row in told["days"]["rows"]} == {"2026-03-02"}


def test_where_no_transcript_is_claude_codes_the_persons_own_home_is_not_asked_for(
    mill: Mill, home: Path, tmp_path: Path
) -> None:
    assert home.is_dir()
    rollout = CodexRollout()
    rollout.turn()
    rollout.tokens(100, 0, 10)
    rollout.write(tmp_path / "team" / "alice" / "rollout-a.jsonl")
    assert mill("run", "--sessions", tmp_path / "team").status == 0
    path = stand_in(tmp_path / "bin", CCUSAGE.replace("IN", "1"))

    told = document(mill("audit-usage", "--against", "ccusage", "--json", PATH=path))["against"]
    assert all(row["ccusage"] == 0 for row in told["totals"]["rows"])


def test_a_program_of_another_shape_is_told(mill: Mill, team: Path, tmp_path: Path) -> None:
    assert team.is_dir()
    path = stand_in(tmp_path / "bin", "#!/bin/sh\necho ccusage 3\n")

    ended = mill("audit-usage", "--against", "ccusage", PATH=path)
    assert ended.status == 1
    assert "not that of version 20" in ended.err


def test_a_program_that_fails_is_told_with_what_it_said(
    mill: Mill, team: Path, tmp_path: Path
) -> None:
    assert team.is_dir()
    path = stand_in(tmp_path / "bin", "#!/bin/sh\necho no such thing >&2\nexit 3\n")

    ended = mill("audit-usage", "--against", "ccusage", PATH=path)
    assert (ended.status, ended.out) == (1, "")
    assert "no such thing" in ended.err
