"""Usage, summed up by each group: figures that were worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from reported import read_in, report

from sessionmill.app import App
from sessionmill.errors import UsageError
from sessionmill.testing import ClaudeTranscript, CodexRollout, mcp, skill, subagent
from sessionmill.view import reports

SONNET, OPUS = "claude-sonnet-4-5-20250929", "claude-opus-4-6"
FIGURES = [
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
]


def at(month: int, day: int, hour: int = 9) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


def alices_first() -> ClaudeTranscript:
    """Monday, 2 March: one of everything."""
    told = ClaudeTranscript("a1", cwd="/work/shop", start=at(3, 2))
    told.prompt()
    told.command("/review", custom=True)
    told.response(
        model=SONNET,
        input_tokens=1,
        output_tokens=10,
        cache_read_tokens=100,
        cache_write_5m_tokens=1000,
        cache_write_1h_tokens=2000,
    )
    tokens: dict[str, Any] = {"model": SONNET, "input_tokens": 1, "output_tokens": 1}
    told.call("Bash", {"command": "ls"}, after=2, **tokens)
    told.call("Bash", {"command": "no"}, is_error=True, after=4, **tokens)
    told.call(skill("tidy:sweep"), **tokens)
    told.call(mcp("github", "search"), **tokens)
    started = told.call(subagent("explorer"), result=None, **tokens)
    told.agent_result(started, "ab12")
    return told


def alices_agent() -> ClaudeTranscript:
    agent = ClaudeTranscript("a1", cwd="/work/shop", start=at(3, 2, 10), agent_id="ab12")
    agent.prompt("Look around.")
    agent.call("Read", {"file_path": "x"}, model=OPUS, input_tokens=5, output_tokens=50)
    return agent


def alices_second() -> ClaudeTranscript:
    """Sunday, 8 March, the same ISO week, in another project."""
    told = ClaudeTranscript("a2", cwd="/work/api", start=at(3, 8))
    told.prompt()
    told.prompt("And once more.")
    told.response(model=OPUS, input_tokens=7, output_tokens=70)
    return told


def bobs() -> ClaudeTranscript:
    """Monday, 9 March, and on the first of April in another project."""
    told = ClaudeTranscript("b1", cwd="/home/bob/shop", start=at(3, 9))
    told.command("/clear")
    told.call("Bash", {"command": "ls"}, model=SONNET, input_tokens=2, output_tokens=3, after=6)
    told.wait((at(4, 1) - told.now).total_seconds())
    told.cwd = "/home/bob/api"
    told.command("/review", custom=True)
    told.call(skill("tidy:sweep"), model=SONNET, input_tokens=2, output_tokens=3)
    return told


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    first = alices_first()
    transcripts = {
        "alice/-work-shop/a1.jsonl": first,
        "alice/-work-shop/a1/subagents/agent-ab12.jsonl": alices_agent(),
        "alice/-work-shop/a9.jsonl": first.fork("a9"),  # all of it is there before
        "alice/-work-api/a2.jsonl": alices_second(),
        "bob/-home-bob-shop/b1.jsonl": bobs(),
        "bob/-home-bob-shop/empty.jsonl": ClaudeTranscript(),
    }
    with read_in(tmp_path_factory.mktemp("team"), transcripts) as app:
        yield app


def only(rows: list[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in rows]


TOTAL = {
    "transcripts": 6,
    "sessions": 4,
    "responses": 10,
    "input_tokens": 1 + 5 + 5 + 7 + 4,
    "output_tokens": 10 + 5 + 50 + 70 + 6,
    "cache_read_tokens": 100,
    "cache_write_5m_tokens": 1000,
    "cache_write_1h_tokens": 2000,
    "tool_calls": 8,
    "tool_errors": 1,
    "skill_invocations": 2,
    "subagent_runs": 1,
    "mcp_calls": 1,
    "slash_commands": 3,
    "prompts": 3,
    "unpriced_responses": 0,
    # Millionths: 15,933 for the first response, 5 x 18 for its calls; 1,275 and 1,785; 102.
    "cost_usd": Decimal("0.019185"),
    "malformed_lines": 0,
}


def test_the_total_counts_everything_once(app: App) -> None:
    [total] = report(app, "total")
    assert total == TOTAL


def test_by_user(app: App) -> None:
    rows = report(app, "user")
    assert only(
        rows, "user", "sessions", "responses", "output_tokens", "tool_calls", "prompts"
    ) == [
        ("alice", 2, 8, 135, 6, 3),
        ("bob", 1, 2, 6, 2, 0),
    ]


def test_by_project(app: App) -> None:
    rows = report(app, "project")
    assert only(rows, "project", "sessions", "responses", "slash_commands", "prompts") == [
        ("api", 2, 2, 1, 2),
        ("shop", 2, 8, 2, 1),
    ]


def test_by_model(app: App) -> None:
    rows = report(app, "model")
    assert only(rows, "model", "responses", "input_tokens", "output_tokens", "tool_calls") == [
        (OPUS, 2, 12, 120, 1),
        (SONNET, 8, 10, 21, 7),
    ]


def test_by_day(app: App) -> None:
    rows = report(app, "day")
    assert only(rows, "day", "responses", "tool_calls", "slash_commands", "prompts") == [
        ("2026-03-02", 7, 6, 1, 1),
        ("2026-03-08", 1, 0, 0, 2),
        ("2026-03-09", 1, 1, 1, 0),
        ("2026-04-01", 1, 1, 1, 0),
    ]


def test_by_week_as_iso_numbers_them(app: App) -> None:
    rows = report(app, "week")
    assert only(rows, "week", "responses") == [
        ("2026-W10", 8),
        ("2026-W11", 1),
        ("2026-W14", 1),
    ]


def test_by_month(app: App) -> None:
    rows = report(app, "month")
    assert only(rows, "month", "responses", "slash_commands") == [
        ("2026-03", 9, 2),
        ("2026-04", 1, 1),
    ]


def test_by_hour_of_the_time_zone(app: App) -> None:
    rows = report(app, "hour", until=date(2026, 3, 9))
    assert only(rows, "hour", "responses", "prompts") == [
        ("2026-03-02T09:00", 6, 1),
        ("2026-03-02T10:00", 1, 0),
        ("2026-03-08T09:00", 1, 2),
    ]
    half_past = report(app, "hour", timezone="Asia/Kolkata", until=date(2026, 3, 9))
    assert only(half_past, "hour", "responses") == [
        ("2026-03-02T14:00", 6),
        ("2026-03-02T15:00", 1),
        ("2026-03-08T14:00", 1),
    ], "five and a half hours ahead"


def test_by_what_was_started_and_how(tmp_path: Path) -> None:
    old = ClaudeTranscript("old", version="2.1.39")
    old.prompt()
    old.response(output_tokens=1)
    new = ClaudeTranscript("new", version="2.1.205")
    new.response(output_tokens=20)
    new.response(output_tokens=300, entrypoint="sdk-py")
    rollout = CodexRollout(version="0.142.4")
    rollout.tokens(100, 0, 4000)
    keys = ("alice/old.jsonl", "alice/new.jsonl", "bob/rollout.jsonl")
    with read_in(tmp_path, dict(zip(keys, (old, new, rollout), strict=True))) as app:
        by_agent = report(app, "agent")
        assert only(by_agent, "agent", "sessions", "output_tokens", "prompts") == [
            ("claude-code", 2, 321, 1),
            ("codex", 1, 4000, 0),
        ]
        assert only(report(app, "version"), "version", "output_tokens") == [
            ("0.142.4", 4000),
            ("2.1.205", 320),
            ("2.1.39", 1),
        ]
        assert only(report(app, "entrypoint"), "entrypoint", "output_tokens", "prompts") == [
            ("cli", 20, 0),
            ("codex-tui", 4000, 0),
            ("sdk-py", 300, 0),
            (None, 1, 1),
        ]


def test_by_session_with_its_sub_agents_and_the_project_it_began_in(app: App) -> None:
    rows = report(app, "session")
    assert only(rows, "session", "user", "project", "responses", "input_tokens", "tool_calls") == [
        ("a1", "alice", "shop", 7, 11, 6),
        ("a2", "alice", "api", 1, 7, 0),
        ("b1", "bob", "shop", 2, 4, 2),
    ]
    first = rows[0]
    assert first["started_at"] == datetime(2026, 3, 2, 9)  # noqa: DTZ001 - UTC without its mark
    assert first["ended_at"].hour == 10, "its sub-agent's calls are its own"


@pytest.mark.parametrize("limit", range(1, 5))
def test_a_limit_leaves_the_last_sessions_as_they_are(app: App, limit: int) -> None:
    rows = reports.usage(app.facts.cursor(), "session", limit=limit)
    assert rows.document()["rows"] == report(app, "session")[-limit:]
    assert rows.truncated == (limit < len(report(app, "session")))


def test_by_tool(app: App) -> None:
    rows = report(app, "tool")
    assert only(
        rows, "tool", "tool_calls", "tool_errors", "sessions", "users", "duration_seconds"
    ) == [
        ("Bash", 3, 1, 2, 2, 12.0),
        ("Skill", 2, 0, 2, 2, 2.0),
        ("Read", 1, 0, 1, 1, 1.0),
        ("Task", 1, 0, 1, 1, 1.0),
        ("mcp__github__search", 1, 0, 1, 1, 1.0),
    ]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("skill", [("tidy:sweep", 2, 0, 2, 2)]),
        ("subagent", [("explorer", 1, 0, 1, 1)]),
        ("mcp", [("github", 1, 0, 1, 1)]),
        ("plugin", [("tidy", 2, 0, 2, 2)]),
        ("program", [("ls", 2, 0, 2, 2), ("no", 1, 1, 1, 1)]),
        ("error", [("other", 1, 1, 1, 1)]),
    ],
)
def test_by_kind_of_call(app: App, by: reports.By, expected: list[Any]) -> None:
    rows = report(app, by)
    assert only(rows, by, "tool_calls", "tool_errors", "sessions", "users") == expected


def test_by_command(app: App) -> None:
    rows = report(app, "command")
    assert only(rows, "command", "slash_commands", "sessions", "users") == [
        ("/review", 2, 2, 2),
        ("/clear", 1, 1, 1),
    ]


# What holds for every group


@pytest.mark.parametrize("by", [by for by in reports.GROUPS if by != "total"])
def test_the_column_of_the_group_bears_its_name(app: App, by: reports.By) -> None:
    assert reports.usage(app.facts.cursor(), by).columns[0] == by


SPANS = [{}, {"since": date(2026, 3, 8)}, {"until": date(2026, 3, 9)}, {"user": "alice"}]


@pytest.mark.parametrize("span", SPANS, ids=str)
@pytest.mark.parametrize("by", ["hour", "day", "week", "month", "user", "project", "session"])
def test_the_groups_sum_up_to_the_total(app: App, by: reports.By, span: dict[str, Any]) -> None:
    [total] = report(app, "total", **span)
    rows = report(app, by, **span)
    assert len(rows) > 1 or span
    for figure in FIGURES:
        assert sum(row[figure] for row in rows) == total[figure], figure


@pytest.mark.parametrize("span", SPANS, ids=str)
@pytest.mark.parametrize(
    ("by", "figure"),
    [
        ("tool", "tool_calls"),
        ("skill", "skill_invocations"),
        ("subagent", "subagent_runs"),
        ("mcp", "mcp_calls"),
        ("command", "slash_commands"),
    ],
)
def test_kinds_of_calls_sum_up_to_the_total(
    app: App, by: reports.By, figure: str, span: dict[str, Any]
) -> None:
    [total] = report(app, "total", **span)
    column = "slash_commands" if by == "command" else "tool_calls"
    assert sum(row[column] for row in report(app, by, **span)) == total[figure]


@pytest.mark.parametrize("by", ["tool", "total", "program", "error"])
def test_errors_of_tools_sum_up(app: App, by: reports.By) -> None:
    assert sum(row["tool_errors"] for row in report(app, by)) == 1


@pytest.mark.parametrize("by", reports.GROUPS)
def test_the_first_day_is_included_and_the_last_is_not(app: App, by: reports.By) -> None:
    def figures(since: date | None, until: date | None) -> list[dict[str, Any]]:
        return report(app, by, since=since, until=until)

    everything = figures(None, None)
    assert figures(date(2026, 3, 2), date(2026, 4, 2)) == [
        {**row, "transcripts": 4, "sessions": 3} if by == "total" else row for row in everything
    ], "a transcript in which nothing is counted has no day"
    assert figures(date(2026, 3, 3), None) != everything
    if by not in ("subagent", "mcp", "program", "error"):  # of which there are none in April
        assert figures(date(2026, 3, 2), date(2026, 4, 1)) != everything
    empty = figures(date(2026, 3, 10), date(2026, 4, 1))
    if by == "total":
        assert not any(empty[0].values())
    else:
        assert empty == []


def test_since_and_until_cut_at_midnight(app: App) -> None:
    [day] = report(app, "total", since=date(2026, 3, 8), until=date(2026, 3, 9))
    assert (day["transcripts"], day["sessions"], day["responses"], day["prompts"]) == (1, 1, 1, 2)


@pytest.mark.parametrize("by", reports.GROUPS)
def test_one_user_is_that_user_alone(app: App, by: reports.By) -> None:
    both = report(app, by)
    bob = report(app, by, user="bob")
    assert bob != both
    if by == "total":
        assert (bob[0]["transcripts"], bob[0]["sessions"], bob[0]["responses"]) == (2, 1, 2)
    assert report(app, by, user="nobody") in ([], report(app, by, since=date(2030, 1, 1)))


@pytest.mark.parametrize("user", ["", "Bob", "bo", "%", "b%b", "' OR true --"])
def test_a_user_is_named_in_full(app: App, user: str) -> None:
    assert report(app, "user", user=user) == []


@pytest.mark.parametrize("by", reports.GROUPS)
@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "' OR true --"])
def test_a_time_zone_that_there_is_not_is_an_error_of_the_person(
    app: App, by: reports.By, zone: str
) -> None:
    with pytest.raises(UsageError, match="no time zone"):
        report(app, by, timezone=zone)


def test_of_nothing_there_is_nothing(tmp_path: Path) -> None:
    with read_in(tmp_path, {}) as app:
        assert report(app, "total") == [dict.fromkeys(TOTAL, 0)]
        for by in get_args(reports.By)[1:]:
            assert report(app, by) == [], by


def test_rows_are_one_json_object_each(app: App) -> None:
    document = reports.usage(app.facts.cursor(), "user").document()
    assert document["truncated"] is False
    assert [row["user"] for row in document["rows"]] == ["alice", "bob"]
