"""Runs that are asked for over HTTP: what each is answered, and the audit rows that it leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from api import Team, problem, team
from served import Answer, wait_for

from sessionmill.testing import ClaudeTranscript

RUN = "/api/admin/run-session-processor?processor="
FIGURES = {
    "processor", "run_id", "version", "seconds", "seen", "scanned", "processed", "skipped",
    "capped", "errors", "items_extracted",
}  # fmt: skip


@pytest.fixture(scope="module")
def mill_team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    processors = (
        "api_processors:Held",
        "api_processors:Unbuildable",
        "api_processors:Breaking",
    )
    with team(tmp_path_factory.mktemp("runs"), *processors) as found:
        yield found


@pytest.fixture
def held(mill_team: Team) -> Iterator[Callable[[], None]]:
    """Let runs of `held` go on when it is called, and at the end of the test."""
    begun, go_on = (_folder(mill_team) / name for name in ("begun", "go_on"))
    for mark in (begun, go_on):
        mark.unlink(missing_ok=True)
    said = ClaudeTranscript(f"new {mill_team.rows('/api/runs?limit=1')[0]['run_id']}")
    said.prompt()
    said.write(mill_team.transcripts / "alice" / f"{said.session_id}.jsonl")
    yield go_on.touch
    go_on.touch()
    wait_for(lambda: not _running(mill_team))


def _folder(mill_team: Team) -> Path:
    return mill_team.served.data / "processors" / "held"


def _running(mill_team: Team) -> bool:
    return any(row["running_since"] for row in mill_team.rows("/api/processors"))


def _begun(mill_team: Team) -> Callable[[], bool]:
    return (_folder(mill_team) / "begun").exists


def works_again(mill_team: Team, processor: str) -> None:
    """Fail unless the processor's lock is free."""
    answer = mill_team.post(RUN + processor)
    assert answer.status in (200, 500), answer.body


def last_audit(mill_team: Team, processor: str) -> dict[str, Any]:
    row = mill_team.audit(f"run_session_processor:{processor}", limit=1)[0]
    assert row["resource"] == f"job:session-processor:{processor}"
    return row


def test_a_run_is_answered_with_its_figures_and_leaves_an_audit_row(mill_team: Team) -> None:
    done = mill_team.run("usage")
    assert done["ok"] is True
    assert done["details"]["processor"] == "usage"
    assert done["details"]["seen"] > 0
    row = last_audit(mill_team, "usage")
    assert (row["actor"], row["result"]) == (mill_team.get("/api/me").json["id"], "ok")
    assert set(row["details"]) == FIGURES
    assert row["details"]["seen"] == done["details"]["seen"]
    kept = mill_team.get(f"/api/runs/{row['details']['run_id']}").json
    assert kept["outcome"] == "ok"
    assert kept["details"]["seen"] == done["details"]["seen"]


def test_every_run_of_the_facts_has_one_audit_row(mill_team: Team) -> None:
    mill_team.run("inventory")
    runs = {row["run_id"] for row in mill_team.walk("/api/runs", 7)}
    audited = [
        row["details"]["run_id"]
        for row in mill_team.audit("run_session_processor")
        if "run_id" in row["details"]
    ]
    assert sorted(audited) == sorted(runs)


def test_an_unknown_processor_is_refused_by_naming_those_that_are_known(mill_team: Team) -> None:
    for name in ("nono", "", "usage inventory", "usage%00"):
        answer = mill_team.post(RUN + name.replace(" ", "%20"))
        assert (answer.status, problem(answer)) == (400, "processor_unknown")
        for known in ("usage", "inventory", "held"):
            assert known in answer.json["error"]["message"]
    mill_team.post(RUN + "nono")
    row = last_audit(mill_team, "nono")
    assert (row["result"], row["details"]["error"]) == ("refused", "ProcessorUnknown")
    assert problem(mill_team.post("/api/admin/run-session-processor")) == "invalid"


def test_one_that_can_not_be_built_is_refused_with_the_reason(mill_team: Team) -> None:
    for more in ("", "&wait=false"):
        answer = mill_team.post(RUN + "api_processors:Unbuildable" + more)
        assert (answer.status, problem(answer)) == (400, "processor_unusable")
        assert "the tray is empty" in answer.json["error"]["message"]
    row = last_audit(mill_team, "api_processors:Unbuildable")
    assert (row["result"], row["details"]["error"]) == ("refused", "ProcessorUnusable")


def test_who_may_not_run_is_refused_and_that_is_audited(mill_team: Team) -> None:
    assert mill_team.post(RUN + "usage", who="nobody").status == 401
    answer = mill_team.post(RUN + "usage", who="member")
    assert (answer.status, problem(answer)) == (403, "not_allowed")
    row = last_audit(mill_team, "usage")
    assert (row["result"], row["details"]["error"]) == ("refused", "NotAllowed")
    assert row["actor"] == mill_team.get("/api/me", "member").json["id"]
    works_again(mill_team, "usage")


def test_a_second_run_is_refused_with_since_when_and_for_whom_and_leaves_others_alone(
    mill_team: Team, held: Callable[[], None]
) -> None:
    with ThreadPoolExecutor() as pool:
        first = pool.submit(mill_team.post, RUN + "held", None, "admin")
        wait_for(_begun(mill_team))
        [since] = [
            row["running_since"]
            for row in mill_team.rows("/api/processors")
            if row["name"] == "held"
        ]
        for more in ("", "&wait=false"):
            answer = mill_team.post(RUN + "held" + more, who="local")
            assert (answer.status, problem(answer)) == (409, "already_running")
            message = answer.json["error"]["message"]
            assert since[:19].replace("T", " ") in message
            assert mill_team.get("/api/me").json["id"] in message
        row = last_audit(mill_team, "held")
        assert (row["actor"], row["result"]) == ("local:tester", "refused")
        assert row["details"]["error"] == "AlreadyRunning"
        assert problem(mill_team.post("/api/processors/held/reprocess", {})) == "already_running"
        works_again(mill_team, "usage")
        held()
        assert first.result().status == 200
    works_again(mill_team, "held")


def test_a_run_that_nobody_waits_for_can_be_followed_from_its_beginning_to_its_end(
    mill_team: Team, held: Callable[[], None]
) -> None:
    answer = mill_team.post(RUN + "held&wait=false")
    assert answer.status == 202
    assert answer.json["ok"] is True
    path = f"/api/runs/{answer.json['run_id']}"
    run = mill_team.get(path, "viewer").json  # at once, before it has found anything
    assert (run["outcome"], run["processor"], run["details"]) == ("running", "held", None)
    assert run["actor"] == mill_team.get("/api/me").json["id"]
    wait_for(_begun(mill_team))
    assert mill_team.get(path).json["outcome"] == "running"
    held()
    wait_for(lambda: mill_team.get(path).json["outcome"] != "running")
    run = mill_team.get(path).json
    assert (run["outcome"], run["run_id"]) == ("ok", answer.json["run_id"])
    assert run["details"]["processed"] > 0
    assert mill_team.post(RUN + "held").status == 200, "one that has ended holds nothing"
    audited = [row["details"]["run_id"] for row in mill_team.audit("run_session_processor:held")
               if row["result"] == "ok"]  # fmt: skip
    assert answer.json["run_id"] in audited


def test_of_many_who_ask_at_once_one_runs_and_the_others_are_refused(
    mill_team: Team, held: Callable[[], None]
) -> None:
    def ask(_: int) -> Answer:
        return mill_team.post(RUN + "held&wait=false")

    with ThreadPoolExecutor(8) as pool:
        answers = [*pool.map(ask, range(8))]
    assert sorted(answer.status for answer in answers) == [202] + [409] * 7
    held()


def test_a_failure_that_nobody_foresaw_is_audited_tells_no_words_and_frees_the_lock(
    mill_team: Team,
) -> None:
    for _ in range(2):
        answer = mill_team.post(RUN + "breaking")
        assert (answer.status, problem(answer)) == (500, "unforeseen")
        assert b"words of somebody" not in answer.body
        failed, run = mill_team.audit("run_session_processor:breaking", limit=2)
        assert (failed["result"], failed["details"]) == ("failed", {"error": "ZeroDivisionError"})
        assert (run["result"], run["details"]["processor"]) == ("broken off", "breaking")


def test_a_failure_of_a_run_that_nobody_waits_for_is_told_to_who_follows_it(
    mill_team: Team,
) -> None:
    answer = mill_team.post(RUN + "breaking&wait=false")
    assert answer.status == 202
    path = f"/api/runs/{answer.json['run_id']}"
    wait_for(lambda: mill_team.get(path).json["outcome"] != "running")
    assert mill_team.get(path).json["outcome"] == "broken off"


def test_a_run_that_never_was_is_not_found(mill_team: Team) -> None:
    answer = mill_team.get("/api/runs/nono")
    assert (answer.status, problem(answer)) == (404, "not_found")


def test_the_older_route_names_the_new_one(mill_team: Team) -> None:
    for who in ("nobody", "admin"):
        answer = mill_team.post("/api/admin/run-verification-detector?days=3", who=who)
        assert answer.status == 404
        assert problem(answer) == "not_found"
        new = "POST /api/admin/run-session-processor?processor=verification"
        assert new in answer.json["error"]["message"]


def test_the_last_figures_of_a_report_are_there_once_a_run_has_been_answered(
    mill_team: Team,
) -> None:
    mill_team.run("usage")
    for number in range(3):
        before = mill_team.rows("/api/reports/usage")[0]["prompts"]
        said = ClaudeTranscript(f"more {number}")
        said.prompt()
        said.write(mill_team.transcripts / "alice" / f"more-{number}.jsonl")
        mill_team.run("usage")
        assert mill_team.rows("/api/reports/usage")[0]["prompts"] == before + 1


# ── retry and reprocess ──


def test_a_retry_and_reading_anew_are_audited(mill_team: Team) -> None:
    assert mill_team.post("/api/processors/usage/retry", {}).json["rows"] == []
    [row] = mill_team.audit("retry", limit=1)
    assert (row["resource"], row["result"]) == ("processor:usage", "ok")
    assert row["details"] == {"sessions": 0}

    [session] = mill_team.rows("/api/sessions?limit=1")
    body = {"session": session["session_key"]}
    done = mill_team.post("/api/processors/usage/reprocess", body).json
    assert (done["anew"], done["kept"]) == (1, 0)
    assert done["runs"][0]["processed"] == 1
    [row] = mill_team.audit("reprocess", limit=1)
    assert row["details"] == {"anew": 1, "kept": 0}


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("usage/retry", {"session": "nono"}, 404, "session_unknown"),
        ("usage/reprocess", {"session": "nono"}, 404, "session_unknown"),
        ("nono/reprocess", {}, 400, "processor_unknown"),
        ("usage/reprocess", {"session": 3}, 422, "invalid"),
    ],
)
def test_what_there_is_not_is_neither_tried_nor_read_again(
    mill_team: Team, path: str, body: Any, status: int, code: str
) -> None:
    answer = mill_team.post(f"/api/processors/{path}", body)
    assert (answer.status, problem(answer)) == (status, code)
    action = path.partition("/")[2]
    if status < 422:
        assert mill_team.audit(action, limit=1)[0]["result"] == "refused"
