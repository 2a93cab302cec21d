"""Reports, lists and SQL over HTTP: the rows that commands print, for those who may see them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

import pytest
from api import Team, problem, team

from conftest import Mill
from sessionmill.cli.reports import By
from sessionmill.store.control import AuditRow
from sessionmill.testing import ClaudeTranscript
from sessionmill.view.work import By as WorkBy

ADMIN = ("admin",)


@pytest.fixture(scope="module")
def mill_team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with team(tmp_path_factory.mktemp("reports")) as found:
        yield found


@pytest.fixture
def data(mill_team: Team) -> Path:
    return mill_team.served.data


# ── reports ──


@pytest.mark.parametrize("by", get_args(By))
def test_a_usage_report_has_the_rows_that_the_command_prints(
    mill_team: Team, mill: Mill, by: str
) -> None:
    asked = ("--timezone", "Asia/Kolkata", "--since", "2026-03-13", "--user", "alice")
    printed = mill("report", "usage", "--by", by, *asked, "--json")
    assert printed.status == 0, printed.err
    query = f"by={by}&timezone=Asia/Kolkata&since=2026-03-13&user=alice"
    answer = mill_team.get(f"/api/reports/usage?{query}").json
    assert {name: answer[name] for name in ("rows", "truncated")} == printed.json


@pytest.mark.parametrize("by", get_args(WorkBy))
def test_a_report_of_work_has_the_rows_that_the_command_prints(
    mill_team: Team, mill: Mill, by: str
) -> None:
    printed = mill("report", "work", "--by", by, "--timezone", "UTC", "--json").json
    assert mill_team.rows(f"/api/reports/work?by={by}") == printed["rows"]
    assert printed["rows"]


def test_prices_are_those_that_the_command_prints(mill_team: Team, mill: Mill) -> None:
    assert mill_team.rows("/api/prices") == mill("prices", "--json").rows
    printed = mill("prices", "claude-opus-4-5", "--json").rows
    assert mill_team.rows("/api/prices/claude-opus-4-5") == printed
    assert printed
    assert mill_team.rows("/api/prices/no/such/model") == []


@pytest.mark.parametrize(
    "path", ["/api/reports/usage?by=day", "/api/reports/usage?by=block", "/api/reports/work",
             "/api/prices", "/api/prices/gpt-5"]
)  # fmt: skip
def test_who_has_the_answer_already_is_not_given_it_again(mill_team: Team, path: str) -> None:
    answer = mill_team.get(path)
    etag = answer.headers["etag"]
    assert answer.headers["cache-control"] == "private, no-cache"
    for said in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = mill_team.get(path, headers={"If-None-Match": said})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
    assert mill_team.get(path, headers={"If-None-Match": '"other"'}).status == 200
    denied = mill_team.get(path, "uploader", headers={"If-None-Match": etag})
    assert denied.status == 403, "what one has tells nothing of what one may"


def test_an_etag_changes_with_the_figures_alone(mill_team: Team) -> None:
    path = "/api/reports/usage?by=user"
    before = mill_team.get(path).headers["etag"]
    mill_team.run("inventory")
    assert mill_team.get(path).headers["etag"] == before
    said = ClaudeTranscript("one more")
    said.prompt()
    said.write(mill_team.transcripts / "alice" / "one-more.jsonl")
    mill_team.run("usage")
    assert mill_team.get(path).headers["etag"] != before


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("reports/usage?by=colour", 422, "invalid"),
        ("reports/usage?since=yesterday", 422, "invalid"),
        ("reports/usage?since=20260301", 422, "invalid"),
        ("reports/usage?until=0", 422, "invalid"),
        ("audit?since=0", 422, "invalid"),
        ("reports/usage?timezone=Mars/Olympus", 400, "usage"),
        ("reports/usage?timezone=", 400, "usage"),
        ("reports/usage?limit=0", 422, "invalid"),
        ("reports/usage?limit=1001", 422, "invalid"),
        ("reports/usage?untill=2026-03-01", 422, "invalid"),
        ("reports/work?by=colour", 422, "invalid"),
        ("sessions?cursor=nono", 400, "usage"),
        ("sessions?cursor=bnVsbA", 400, "usage"),
        ("sessions?cursor=WyJ0b21vcnJvdyIsICJhIiwgImIiXQ", 400, "usage"),
        ("sessions?cursor=" + "W1tbW1tb" * 200, 400, "usage"),
        ("runs?cursor=WzEsIDJd", 400, "usage"),
        ("audit?cursor=WyJ4Il0", 400, "usage"),
        ("audit?cursor=WzFlOTld", 400, "usage"),
        ("audit?since=soon", 422, "invalid"),
        ("audit?since=0001-01-01T00:00:00%2B14:00", 400, "usage"),
        ("state?status=fine", 422, "invalid"),
        ("sessions/nono/turns", 404, "session_unknown"),
    ],
)
def test_what_can_not_be_asked_is_refused_in_the_one_shape(
    mill_team: Team, query: str, status: int, code: str
) -> None:
    answer = mill_team.get(f"/api/{query}")
    assert (answer.status, problem(answer)) == (status, code), answer.body


# ── lists ──


@pytest.mark.parametrize("limit", [1, 3, 7, 1000])
def test_pages_of_sessions_hold_each_once_in_order(mill_team: Team, limit: int) -> None:
    whole = mill_team.rows("/api/sessions?limit=1000")
    assert len(whole) > 20
    assert [*mill_team.walk("/api/sessions", limit)] == whole
    assert {row["username"] for row in mill_team.walk("/api/sessions?user=alice", limit)} == {
        "alice"
    }


def test_sessions_without_a_time_are_the_last_ones_and_none_is_left_out(
    mill_team: Team, mill: Mill
) -> None:
    for number in range(3):
        (mill_team.transcripts / "alice" / f"timeless-{number}.jsonl").write_text("{}\n")
    mill_team.run("usage")
    listed = [*mill_team.walk("/api/sessions", 2)]
    assert listed == mill("sessions", "--limit", "1000", "--timezone", "UTC", "--json").rows
    times = [row["ended_at"] for row in listed]
    known = [at for at in times if at is not None]
    assert times == sorted(known, reverse=True) + [None] * (len(times) - len(known))


def test_pages_hold_each_row_once_while_rows_are_added(mill_team: Team) -> None:
    def key(row: dict[str, Any]) -> Any:
        return row.get("session_key") or row.get("run_id") or row["id"]

    for path in ("/api/sessions", "/api/runs", "/api/audit"):
        whole = [key(row) for row in mill_team.walk(path, 1000)]
        seen = []
        for number, row in enumerate(mill_team.walk(path, 2)):
            seen.append(key(row))
            if number % 8 == 0 and number < 40:
                said = ClaudeTranscript(f"while {path} {number}")
                said.prompt()
                said.write(mill_team.transcripts / "bruno" / f"{said.session_id}.jsonl")
                mill_team.run("usage")
        assert [one for one in seen if one in whole] == whole
        assert len(set(seen)) == len(seen)


def test_audit_rows_are_chosen_by_action_and_time_and_a_time_is_utc(mill_team: Team) -> None:
    with mill_team.control() as control:
        from datetime import UTC, datetime

        at = datetime(2030, 1, 1, 12, tzinfo=UTC)
        control.audit.write(AuditRow(at, "user:9", "test.done", "test", "ok", {"n": 1}))
    [row] = mill_team.rows("/api/audit?action=test")
    assert (row["at"], row["details"]) == ("2030-01-01T12:00:00Z", {"n": 1})
    for since, found in (("11:59:59", 1), ("12:00:01", 0)):
        for zone in ("", "Z"):
            assert len(mill_team.rows(f"/api/audit?since=2030-01-01T{since}{zone}")) == found
    assert len(mill_team.rows("/api/audit?since=2030-01-01T12:30:00%2B01:00")) == 1
    assert mill_team.rows("/api/audit?action=tes") == []


def test_processors_are_listed_with_those_that_can_not_run(mill_team: Team, mill: Mill) -> None:
    listed = {row["name"]: row for row in mill_team.rows("/api/processors", "viewer")}
    assert {"usage", "inventory"} <= set(listed)
    assert listed["usage"]["pending"] == 0
    assert listed["usage"]["running_since"] is None
    for row in mill("status", "--json").rows:
        told = {name: listed[row["name"]][name] for name in row if name != "lag_seconds"}
        assert told == {name: row[name] for name in told}


# ── what is said ──


def test_turns_paged_to_the_end_are_those_that_show_prints(mill_team: Team, mill: Mill) -> None:
    for session in mill_team.rows("/api/sessions?limit=5"):
        key = session["session_key"]
        printed = mill("show", key, "--limit", "100000", "--json").rows
        assert [*mill_team.walk(f"/api/sessions/{quote(key)}/turns", 7)] == printed


def test_a_member_reads_what_he_said_and_nothing_of_others(mill_team: Team) -> None:
    [own] = mill_team.rows("/api/sessions?user=alice&limit=1", "member")
    [other] = mill_team.rows("/api/sessions?user=bruno&limit=1", "member")
    path = "/api/sessions/{}/turns"
    assert mill_team.get(path.format(own["session_key"]), "member").json["rows"]
    denied = mill_team.get(path.format(other["session_key"]), "member")
    assert (denied.status, problem(denied)) == (403, "not_allowed")
    assert mill_team.get(path.format(other["session_key"])).json["rows"]

    refused, read = mill_team.audit("content.read", limit=2)[1], None
    assert (refused["result"], refused["resource"]) == (
        "refused", f"session:{other['session_key']}"
    )  # fmt: skip
    read = mill_team.audit("content.read", limit=3)[2]
    assert (read["result"], read["resource"]) == ("ok", f"session:{own['session_key']}")
    assert read["actor"] == refused["actor"] == mill_team.get("/api/me", "member").json["id"]


@pytest.mark.parametrize("who", ["viewer", "uploader"])
def test_who_may_read_no_content_learns_not_even_which_sessions_there_are(
    mill_team: Team, who: str
) -> None:
    for session in ("a", "nono", "alice/"):
        answer = mill_team.get(f"/api/sessions/{session}/turns", who)
        assert (answer.status, problem(answer)) == (403, "not_allowed")


def test_a_transcript_that_is_gone_says_so(mill_team: Team) -> None:
    said = ClaudeTranscript("soon gone")
    said.prompt()
    said.write(mill_team.transcripts / "alice" / "soon-gone.jsonl")
    mill_team.run("usage")
    (mill_team.transcripts / "alice" / "soon-gone.jsonl").unlink()
    answer = mill_team.get("/api/sessions/alice/soon-gone.jsonl/turns")
    assert (answer.status, problem(answer)) == (410, "transcript_gone")


def test_no_word_of_what_was_said_is_in_reports_lists_audit_or_logs(mill_team: Team) -> None:
    canary = "canary-in-the-mill"
    said = ClaudeTranscript("with a canary")
    said.prompt(canary)
    said.write(mill_team.transcripts / "alice" / "with-a-canary.jsonl")
    mill_team.run("usage")
    turns = mill_team.get("/api/sessions/alice/with-a-canary.jsonl/turns")
    assert canary in turns.body.decode()
    for path in ("reports/usage?by=session", "sessions?limit=1000", "audit?limit=1000", "runs"):
        assert canary not in mill_team.get(f"/api/{path}").body.decode()
    assert canary not in "".join(mill_team.served.said)


# ── SQL ──


def sql(mill_team: Team, query: str, **more: Any) -> Any:
    return mill_team.post("/api/sql", {"query": query, **more})


def test_administrators_ask_anything_and_each_question_is_audited(mill_team: Team) -> None:
    answer = sql(mill_team, "SELECT count(*) AS n FROM responses").json
    assert answer["rows"][0]["n"] > 100
    [row] = mill_team.audit("sql", limit=1)
    assert (row["resource"], row["result"]) == ("facts", "ok")
    assert row["details"] == {"query": "SELECT count(*) AS n FROM responses", "rows": 1}


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM responses",
        "WITH gone AS (DELETE FROM responses RETURNING *) SELECT count(*) FROM gone",
        "EXPLAIN ANALYZE DELETE FROM responses",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE responses",
        "CREATE TABLE x AS SELECT 1",
        "COMMIT",
        "BEGIN; DELETE FROM responses; COMMIT",
        "SET memory_limit = '1TB'",
        "COPY responses TO '/tmp/x.csv'",
        "ATTACH 'x.db'",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT content FROM read_text('/etc/passwd')",
        "FROM nono",
        "SELECT 1 / 'x'",
        "",
        ";",
        "(" * 50_000,
        "SELECT " + "(" * 20_000 + "1" + ")" * 20_000,
        "SELECT " + "1+" * 40_000 + "1",
        "\x00",
        "🜲",
    ],
    ids=lambda query: query[:40].replace("\x00", "nul"),
)
def test_what_is_not_one_question_is_refused_and_changes_nothing(
    mill_team: Team, query: str
) -> None:
    count = "SELECT count(*) AS n FROM responses"
    before = sql(mill_team, count).json
    answer = sql(mill_team, query)
    assert (answer.status, problem(answer)) == (400, "usage"), answer.body
    assert mill_team.audit("sql", limit=1)[0]["result"] == "refused"
    assert sql(mill_team, count).json == before


def test_a_question_ends_after_its_time(mill_team: Team) -> None:
    endless = "SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE a.range+b.range=7"
    for seconds in (0.001, 0.3):
        answer = sql(mill_team, endless, timeout_seconds=seconds)
        assert (answer.status, problem(answer)) == (400, "took_too_long")
    assert mill_team.audit("sql", limit=1)[0]["details"]["error"] == "TookTooLong"
    assert sql(mill_team, "SELECT 1 AS one").json["rows"] == [{"one": 1}]


def test_rows_of_a_question_are_capped_and_it_says_so(mill_team: Team) -> None:
    answer = sql(mill_team, "FROM range(10)", limit=3).json
    assert (len(answer["rows"]), answer["truncated"]) == (3, True)
    answer = sql(mill_team, "FROM range(3)", limit=3).json
    assert (len(answer["rows"]), answer["truncated"]) == (3, False)
    for limit in (0, 100_001):
        assert problem(sql(mill_team, "SELECT 1", limit=limit)) == "invalid"


def test_the_words_of_plugins_are_no_column_of_what_is_asked_in_sql(mill_team: Team) -> None:
    [row] = sql(mill_team, "FROM session_processor_state LIMIT 1").json["rows"]
    assert "processor_name" in row
    assert "last_error" not in row
    for query in (
        "SELECT last_error FROM session_processor_state",
        "FROM main.session_processor_state",
        'SELECT s.last_error FROM facts.main."SESSION_PROCESSOR_STATE" s',
        "SELECT columns('last_.*r') FROM session_processor_state",
    ):
        assert problem(sql(mill_team, query)) == "usage", query
