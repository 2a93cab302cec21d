"""Commands that read: what `report usage` and `sql` print, for programs and for people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cli_place import HERE, busy, document, write

from commands import Ended
from conftest import Mill
from samples import sampled
from sessionmill.testing import ClaudeTranscript
from sessionmill.view.reports import ESTIMATE, GROUPS

TOTAL = [
    "transcripts",
    "sessions",
    "responses",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "tool_calls",
    "tool_errors",
    "skill_invocations",
    "subagent_runs",
    "mcp_calls",
    "slash_commands",
    "prompts",
    "unpriced_responses",
    "cost_usd",
    "malformed_lines",
]
PLACE = [
    "session_key",
    "session_id",
    "username",
    "line_offset",
    "at",
    "project",
    "cwd",
    "model",
    "agent",
    "client_version",
]
TOKENS = TOTAL[3:8]
CALL = [
    "tool_use_id",
    "name",
    "kind",
    "skill",
    "subagent_type",
    "mcp_server",
    "plugin",
    "is_error",
    "duration_seconds",
    "result_bytes",
]

Ask = Callable[..., Ended]


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the facts of a small team are to be; the first that asks reads it in."""
    return tmp_path_factory.mktemp("team")


@pytest.fixture
def ask(mill: Mill, facts: Path) -> Ask:
    """Run a command over the facts of two users' busy sessions."""
    sessions, db = facts / "sessions", facts / "db"
    if not db.exists():
        busy("0f3c").write(sessions / "alice" / "shop" / "0f3c.jsonl")
        busy("9b1d", cwd="/work/site").write(sessions / "bob" / "site" / "9b1d.jsonl")
        assert mill("run", "--sessions", sessions, "--db", db).status == 0
    return lambda *args: mill(*args, "--db", db)


# ── report usage ──


def test_the_total_has_exactly_these_columns_in_this_order(ask: Ask) -> None:
    [row] = document(ask("report", "usage", "--by", "total", "--json"))["rows"]
    assert list(row) == TOTAL


def test_the_total_counts_everything_once(ask: Ask) -> None:
    [row] = document(ask("report", "usage", "--json"))["rows"]
    assert row["transcripts"] == row["sessions"] == row["prompts"] == row["slash_commands"] == 2
    assert (row["responses"], row["tool_calls"], row["tool_errors"]) == (10, 8, 2)
    assert row["skill_invocations"] == row["subagent_runs"] == row["mcp_calls"] == 2
    assert row["malformed_lines"] == 2


def test_there_is_a_report_by_each_of_these() -> None:
    assert (
        *("total", "hour", "day", "week", "month", "user", "project", "model"),
        *("agent", "version", "entrypoint", "session"),
        *("tool", "skill", "subagent", "mcp", "plugin", "program", "error", "command"),
        *("commit", "pr"),
    ) == GROUPS


@pytest.mark.parametrize("by", sampled([by for by in GROUPS if by != "total"], 3))
def test_a_report_names_its_first_column_after_what_it_sums_up_by(ask: Ask, by: str) -> None:
    answer = document(ask("report", "usage", "--by", by, "--json"))
    assert list(answer) == ["rows", "truncated"]
    assert answer["truncated"] is False
    assert answer["rows"]
    for row in answer["rows"]:
        assert next(iter(row)) == by
    people = ask("report", "usage", "--by", by).out.splitlines()
    assert people[0].split()[0] == by


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        ("hour", ["2026-03-02T09:00"]),
        ("day", ["2026-03-02"]),
        ("week", ["2026-W10"]),
        ("month", ["2026-03"]),
        ("user", ["alice", "bob"]),
        ("project", ["shop", "site"]),
        ("model", ["claude-sonnet-4-5-20250929"]),
        ("agent", ["claude-code"]),
        ("entrypoint", ["cli"]),
        ("session", ["0f3c", "9b1d"]),
        ("skill", ["superpowers:commit"]),
        ("subagent", ["explorer"]),
        ("mcp", ["deepwiki"]),
        ("plugin", ["superpowers"]),
        ("command", ["/clear"]),
    ],
)
def test_a_report_has_a_row_for_each_of_what_it_sums_up_by(
    ask: Ask, by: str, groups: list[str]
) -> None:
    rows = document(ask("report", "usage", "--by", by, "--json"))["rows"]
    assert sorted(row[by] for row in rows) == groups


def test_a_report_may_be_of_one_user_and_of_some_days(ask: Ask) -> None:
    def prompts(*args: str) -> int:
        [row] = document(ask("report", "usage", "--json", *args))["rows"]
        return int(row["prompts"])

    assert prompts("--user", "alice") == 1
    assert prompts("--user", "nobody") == 0
    assert prompts("--since", "2026-03-02", "--until", "2026-03-03") == 2
    assert prompts("--until", "2026-03-02") == 0, "the last day is left out"


def test_days_are_those_of_the_time_zone(ask: Ask) -> None:
    zone = ("--timezone", "Pacific/Kiritimati")  # nine in the morning is eleven at night there
    [row] = document(ask("report", "usage", "--by", "day", *zone, "--json"))["rows"]
    assert row["day"] == "2026-03-02"
    zone = ("--timezone", "America/Los_Angeles")
    [row] = document(ask("report", "usage", "--by", "day", *zone, "--json"))["rows"]
    assert row["day"] == "2026-03-02"
    zone = ("--timezone", "Pacific/Pago_Pago")  # eleven behind: ten at night, the day before
    [row] = document(ask("report", "usage", "--by", "day", *zone, "--json"))["rows"]
    assert row["day"] == "2026-03-01"


def test_people_read_the_total_a_line_for_each_column(ask: Ask) -> None:
    lines = ask("report", "usage").out.splitlines()
    *figures, empty, note = lines
    assert [line.split()[0] for line in figures] == TOTAL
    assert (empty, note) == ("", ESTIMATE)


def test_a_report_without_facts_is_empty_and_no_error(mill: Mill) -> None:
    [row] = document(mill("report", "usage", "--json"))["rows"]
    assert row.pop("cost_usd") == 0.0
    assert set(row.values()) == {0}
    ended = mill("report", "usage", "--by", "day", "--json")
    assert document(ended) == {"rows": [], "truncated": False}
    assert mill("report", "usage", "--by", "day").out == "(no rows)\n"


# ── sql ──


@pytest.mark.parametrize(
    ("table", "columns"),
    [("responses", [*PLACE, *TOKENS]), ("tool_calls", [*PLACE, *CALL])],
)
def test_the_promised_columns_are_there(ask: Ask, table: str, columns: list[str]) -> None:
    rows = document(ask("sql", f"SELECT * FROM {table}", "--json"))["rows"]  # noqa: S608 - ours
    assert set(columns) <= set(rows[0])


def test_every_usage_row_can_be_traced_to_its_line(ask: Ask) -> None:
    for table in ("responses", "tool_calls", "slash_commands", "prompts", "malformed_lines"):
        query = f"SELECT session_key, line_offset FROM {table} WHERE line_offset IS NULL"  # noqa: S608 - ours
        assert document(ask("sql", query, "--json"))["rows"] == []


def test_a_list_says_whether_there_is_more(ask: Ask) -> None:
    query = "SELECT range AS n FROM range(5) ORDER BY n"
    assert document(ask("sql", query, "--limit", "2", "--json")) == {
        "rows": [{"n": 0}, {"n": 1}],
        "truncated": True,
    }
    assert document(ask("sql", query, "--limit", "5", "--json"))["truncated"] is False
    assert "more than these 2 rows" in ask("sql", query, "--limit", "2").out


def test_of_what_grows_with_history_the_last_are_listed(ask: Ask) -> None:
    for report in ("usage", "work"):
        by_session = ("report", report, "--by", "session", "--json")
        whole, last = document(ask(*by_session)), document(ask(*by_session, "--limit", "1"))
        assert last == {"rows": whole["rows"][-1:], "truncated": True}
        assert whole["truncated"] is False


def test_values_of_every_kind_are_strict_json(ask: Ask) -> None:
    query = """
        SELECT NULL AS nothing, true AS yes, 9007199254740993 AS large, 1.50 AS exact,
               0.1234567890 AS long,
               'naïve 🦆' AS text, DATE '2026-03-02' AS day,
               TIMESTAMP '2026-03-02 09:00:00.5' AS moment, INTERVAL 90 MINUTES AS span,
               '\\x00\\xff'::BLOB AS bytes, [1, NULL] AS list, {'a': 1} AS pair,
               2::HUGEINT ** 70 AS huge, TIME '09:00' AS clock
    """
    [row] = document(ask("sql", query, "--json"))["rows"]
    assert row["large"] == 9_007_199_254_740_993
    assert (row["exact"], row["long"]) == (1.5, "0.1234567890")
    assert row["text"] == "naïve 🦆"
    assert row["moment"] == "2026-03-02T09:00:00.500000Z"
    assert row["span"] == 5400.0
    assert (row["list"], row["pair"]) == ([1, None], {"a": 1})
    assert row["nothing"] is None


def test_numbers_that_json_has_not_are_null_or_text(ask: Ask) -> None:
    query = "SELECT 'nan'::DOUBLE AS a, 'inf'::DOUBLE AS b, ['-inf'::FLOAT] AS c"
    [row] = document(ask("sql", query, "--json"))["rows"]
    assert row == {"a": None, "b": None, "c": [None]}


def test_two_columns_of_one_name_are_told_apart(ask: Ask) -> None:
    [row] = document(ask("sql", "SELECT 1 AS a, 2 AS a", "--json"))["rows"]
    assert list(row.values()) == [1, 2]


def test_a_query_may_be_explained(ask: Ask) -> None:
    assert document(ask("sql", "EXPLAIN SELECT 1", "--json"))["rows"]


def test_sql_cannot_change_anything(ask: Ask) -> None:
    for query in (
        "WITH d AS (DELETE FROM responses RETURNING 1) SELECT * FROM d",
        "EXPLAIN ANALYZE DELETE FROM responses",
        "SELECT * FROM responses; DROP TABLE responses",
    ):
        assert ask("sql", query).status == 2
    [row] = document(ask("sql", "SELECT count(*) AS n FROM responses", "--json"))["rows"]
    assert row["n"] == 10


# ── terminals ──

#: A colour, a title, a C1 control, a change of writing direction, a line feed, a bell.
NASTY = "evil\x1b[31m\x1b]0;owned\x07\x9b2J\u202egnp\nnext"


def is_harmless(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text)


def test_names_do_not_reach_a_terminal_raw(mill: Mill, tmp_path: Path) -> None:
    transcript = ClaudeTranscript("0f3c", cwd=f"/work/{NASTY}")
    transcript.prompt()
    transcript.response(model=NASTY)
    transcript.call(NASTY, {})
    transcript.call(f"mcp__{NASTY}__ask", {})
    transcript.write(tmp_path / "sessions" / "alice" / "0f3c.jsonl")
    assert mill("run", "--sessions", tmp_path / "sessions").status == 0
    lists = [("report", "usage", "--by", by) for by in ("model", "tool", "mcp", "project")]
    for command in (*lists, ("sql", "SELECT model, cwd, [model], {'x': model} FROM responses")):
        ended = mill(*command)
        assert "evil" in ended.out
        assert is_harmless(ended.out), command
        lines = [line for line in ended.out.splitlines() if line and line != ESTIMATE]
        assert len(lines) < 6, "a name is not two lines"
    rows = document(mill("report", "usage", "--by", "model", "--json"))["rows"]
    assert NASTY in [row["model"] for row in rows], "a program gets it as it is"


def test_what_went_wrong_does_not_reach_a_terminal_raw(mill: Mill, tmp_path: Path) -> None:
    name = "s\x1b[31m\x9b2J\u202e"
    write(tmp_path / "sessions", "alice", name)
    run = ("run", "coloured", "--processor", "cli_processors:Coloured")
    ended = mill(*run, "--sessions", tmp_path / "sessions", cwd=HERE)
    assert ended.status == 1
    assert "red" in ended.err
    assert is_harmless(ended.err)
    retried = mill("retry")
    assert is_harmless(retried.out)
    assert is_harmless(mill("sql", "SELECT last_error FROM session_processor_state").out)
    assert is_harmless(mill("sql", f"SELEKT '{name}'").err)


# What was done


def test_work_is_reported_by_user_unless_something_else_is_named(ask: Ask) -> None:
    rows = document(ask("report", "work", "--json"))["rows"]
    assert [(row["user"], row["sessions"]) for row in rows] == [("alice", 1), ("bob", 1)]
    assert ask("report", "work").out.split()[:3] == ["user", "sessions", "wall_seconds"]


@pytest.mark.parametrize("by", ["session", "user", "project", "day"])
def test_work_names_its_first_column_after_what_it_sums_up_by(ask: Ask, by: str) -> None:
    answer = document(ask("report", "work", "--by", by, "--timezone", "UTC", "--json"))
    assert list(answer) == ["rows", "truncated"]
    assert answer["rows"]
    assert {next(iter(row)) for row in answer["rows"]} == {by}
    assert (
        document(ask("report", "work", "--by", by, "--since", "2030-01-01", "--json"))["rows"]
        == document(ask("report", "work", "--by", by, "--until", "2020-01-01", "--json"))["rows"]
    )


@pytest.mark.parametrize(
    "words", [("--by", "model"), ("--since", "yesterday"), ("--timezone", "Mars/Olympus")]
)
def test_work_that_cannot_be_asked_for_is_an_error_of_the_command_line(
    ask: Ask, words: tuple[str, ...]
) -> None:
    told = ask("report", "work", *words)
    assert (told.status, told.out) == (2, "")
    assert told.err.startswith("sessionmill: ")
