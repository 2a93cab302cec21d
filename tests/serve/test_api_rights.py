"""Who may ask what: each route of the schema, for each role and for those whom nothing lets in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from api import OUTSIDE, ROLES, Team, problem, team

ALL = frozenset(ROLES)
READERS = frozenset({"viewer", "member", "admin"})
MEMBERS = frozenset({"member", "admin"})
ADMINS = frozenset({"admin"})
#: Those whom no token lets in, too.
ANYBODY = ALL | set(OUTSIDE)

#: Who may ask each route; docs/api.md tells the same.
RIGHTS: dict[tuple[str, str], frozenset[str]] = {
    ("GET", "/api/health"): ANYBODY,
    ("GET", "/api/health/detailed"): READERS,
    ("GET", "/healthz"): ANYBODY,
    ("GET", "/readyz"): ANYBODY,
    ("GET", "/metrics"): ANYBODY,
    ("POST", "/api/login"): ANYBODY,
    ("POST", "/api/logout"): ALL,
    ("GET", "/api/me"): ALL,
    ("GET", "/api/reports/usage"): READERS,
    ("GET", "/api/reports/work"): READERS,
    ("GET", "/api/prices"): READERS,
    ("GET", "/api/prices/{model}"): READERS,
    ("GET", "/api/sessions"): READERS,
    ("GET", "/api/sessions/{session_key}/turns"): MEMBERS,
    ("GET", "/api/processors"): READERS,
    ("GET", "/api/runs"): READERS,
    ("GET", "/api/runs/{run_id}"): READERS,
    ("GET", "/api/state"): ADMINS,
    ("POST", "/api/admin/run-session-processor"): ADMINS,
    ("POST", "/api/processors/{name}/retry"): ADMINS,
    ("POST", "/api/processors/{name}/reprocess"): ADMINS,
    ("POST", "/api/sql"): ADMINS,
    ("GET", "/api/users"): ADMINS,
    ("POST", "/api/users"): ADMINS,
    ("PATCH", "/api/users/{name}"): ADMINS,
    ("GET", "/api/tokens"): ADMINS,
    ("POST", "/api/tokens"): ADMINS,
    ("DELETE", "/api/tokens/{token_id}"): ADMINS,
    ("GET", "/api/settings"): ADMINS,
    ("GET", "/api/audit"): ADMINS,
}
#: What makes a request good, where an empty one is not.
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/api/login"): {"name": "viewer", "password": "viewer of the mill"},
    ("POST", "/api/processors/{name}/retry"): {},
    ("POST", "/api/processors/{name}/reprocess"): {},
    ("POST", "/api/sql"): {"query": "SELECT 1"},
    ("POST", "/api/users"): {"name": "new"},
    ("PATCH", "/api/users/{name}"): {"email": "new@example.com"},
    ("POST", "/api/tokens"): {"user": "viewer", "name": "more"},
}
QUERIES = {("POST", "/api/admin/run-session-processor"): "?processor=inventory"}


@pytest.fixture(scope="module")
def mill_team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    place = tmp_path_factory.mktemp("rights")
    (place / "data").mkdir()
    (place / "data" / "config.toml").write_text('[processors.greeting]\napi_key = "hush"\n')
    with team(place) as found:
        yield found


@pytest.fixture(scope="module")
def paths(mill_team: Team) -> dict[str, str]:
    """What stands in the place of each parameter of a path."""
    [session] = mill_team.rows("/api/sessions?user=alice&limit=1")
    [run] = mill_team.rows("/api/runs?limit=1")
    with mill_team.control() as control:
        token, _ = control.tokens.add("viewer", "to be revoked")
    return {
        "model": "claude-opus-4-5",
        "session_key": session["session_key"],
        "run_id": run["run_id"],
        "name": "",
        "token_id": str(token.id),
    }


def test_every_route_of_the_schema_has_its_line_in_the_table(mill_team: Team) -> None:
    schema = mill_team.get("/api/openapi.json", "nobody").json
    routes = {
        (method.upper(), path)
        for path, operations in schema["paths"].items()
        for method in operations
    }
    assert routes == set(RIGHTS)


@pytest.mark.parametrize(("method", "path"), RIGHTS, ids=lambda part: part)
def test_each_route_lets_in_whom_the_table_names_and_nobody_else(
    mill_team: Team, paths: dict[str, str], method: str, path: str
) -> None:
    name = "alice" if path.startswith("/api/users") else "inventory"
    asked = path.format(**paths | {"name": name}) + QUERIES.get((method, path), "")
    allowed = RIGHTS[method, path]
    for who in (*OUTSIDE, *ROLES):  # admin last: what changes something is done once
        body = BODIES.get((method, path))
        if path == "/api/logout":
            assert mill_team.ask(who, method, asked).status == (204 if who in allowed else 401)
            continue
        answer = mill_team.ask(who, method, asked, body)
        if who in allowed:
            assert answer.status in (200, 201), (who, answer.body)
        elif who in OUTSIDE:
            assert (answer.status, problem(answer)) == (401, "sign_in_needed"), who
            assert answer.headers["www-authenticate"] == "Bearer"
        else:
            assert (answer.status, problem(answer)) == (403, "not_allowed"), who


def test_the_person_who_runs_the_server_is_an_administrator(mill_team: Team) -> None:
    me = mill_team.get("/api/me", "local").json
    assert me == {"id": "local:tester", "name": "tester", "role": "admin"}


def test_a_token_has_no_more_rights_than_its_user_has_now(mill_team: Team) -> None:
    with mill_team.control() as control:
        control.users.add("demoted", "admin")
        mill_team.tokens["demoted"] = control.tokens.add("demoted", "one")[1]
        assert mill_team.get("/api/users", "demoted").status == 200
        control.users.edit("demoted", role="viewer")
    assert mill_team.get("/api/users", "demoted").status == 403
    assert mill_team.get("/api/runs", "demoted").status == 200


@pytest.mark.parametrize(
    "said", ["", "Bearer", "Bearer ", "Basic dGVzdA==", "Bearer smt_", "Bearer é", "smt_x"]
)
def test_what_is_no_token_lets_nobody_in(mill_team: Team, said: str) -> None:
    given = {"Authorization": said}
    assert mill_team.get("/api/me", "nobody", headers=given).status == 401


def test_a_header_counts_for_itself_though_a_good_cookie_came_along(mill_team: Team) -> None:
    cookie = {"Cookie": f"sessionmill={mill_team.tokens['admin']}"}
    assert mill_team.get("/api/me", "nobody", headers=cookie).status == 200
    assert mill_team.get("/api/me", "revoked", headers=cookie).status == 401


def test_each_refusal_for_want_of_a_right_has_an_audit_row(mill_team: Team) -> None:
    before = len(mill_team.audit("refused"))
    assert mill_team.get("/api/users", "viewer").status == 403
    assert mill_team.get("/api/runs", "uploader").status == 403
    assert mill_team.post("/api/local/hello").status == 403
    rows = mill_team.audit("refused")
    assert [row["action"] for row in rows[: len(rows) - before]] == [
        "refused:operate", "refused:runs", "refused:users"
    ]  # fmt: skip
    assert rows[2] | {"at": None, "id": 0} == {
        "at": None,
        "actor": mill_team.get("/api/me", "viewer").json["id"],
        "action": "refused:users",
        "resource": "/api/users",
        "result": "refused",
        "details": {"error": "NotAllowed", "right": "administer"},
        "id": 0,
    }


def test_settings_are_told_with_their_origin_and_without_secrets(mill_team: Team) -> None:
    told = {row["setting"]: row for row in mill_team.rows("/api/settings")}
    assert (told["serve.port"]["value"], told["serve.port"]["origin"]) == (0, "flag")
    assert told["scheduler.enabled"]["value"] is False
    assert told["serve.sessions"]["value"] == [str(mill_team.transcripts)]
    masked = told["processors.greeting.api_key"]
    assert (masked["value"], masked["origin"]) == ("********", "file")
    assert "hush" not in mill_team.get("/api/settings").body.decode()


# ── users and tokens ──


def test_users_and_tokens_are_made_changed_and_ended_by_the_api(mill_team: Team) -> None:
    added = mill_team.post("/api/users", {"name": "dora", "role": "viewer"})
    assert (added.status, added.json["role"], added.json["has_password"]) == (201, "viewer", False)
    secret = mill_team.post("/api/tokens", {"user": "dora", "name": "hers", "expires_days": 1})
    assert secret.json["token"].startswith("smt_")
    mill_team.tokens["dora"] = secret.json["token"]
    assert mill_team.get("/api/me", "dora").json["name"] == "dora"
    [token] = [row for row in mill_team.rows("/api/tokens") if row["name"] == "hers"]
    assert secret.json["token"] not in str(token)

    assert mill_team.ask("admin", "PATCH", "/api/users/dora", {"disabled": True}).status == 200
    assert mill_team.get("/api/me", "dora").status == 401
    assert mill_team.ask("admin", "PATCH", "/api/users/dora", {"disabled": False}).status == 200
    assert mill_team.get("/api/me", "dora").status == 200
    assert mill_team.ask("admin", "DELETE", f"/api/tokens/{token['id']}").status == 200
    assert mill_team.get("/api/me", "dora").status == 401

    said = {(row["action"], row["resource"]) for row in mill_team.audit("user")}
    assert {("user.add", "user:dora"), ("user.disable", "user:dora")} <= said
    said = {(row["action"], row["resource"]) for row in mill_team.audit("token")}
    assert {("token.add", "user:dora"), ("token.revoke", f"token:{token['id']}")} <= said


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/api/users", {"name": "alice"}, 400, "usage"),
        ("POST", "/api/users", {"name": "a/b"}, 400, "usage"),
        ("POST", "/api/users", {"name": "x", "role": "king"}, 422, "invalid"),
        ("POST", "/api/users", {"name": "x", "password": "short"}, 422, "invalid"),
        ("PATCH", "/api/users/alice", {"disabled": 0}, 422, "invalid"),
        ("PATCH", "/api/users/alice", {"disable": True}, 422, "invalid"),
        ("PATCH", "/api/users/nemo", {"role": "viewer"}, 404, "user_unknown"),
        ("POST", "/api/tokens", {"user": "nemo", "name": "x"}, 404, "user_unknown"),
        ("POST", "/api/tokens", {"user": "viewer", "name": "x", "role": "admin"}, 400, "usage"),
        ("DELETE", "/api/tokens/999999", None, 404, "not_found"),
        ("DELETE", "/api/tokens/-1", None, 422, "invalid"),
        ("DELETE", f"/api/tokens/{2**70}", None, 422, "invalid"),
    ],
)
def test_users_and_tokens_that_can_not_be_are_refused(
    mill_team: Team, method: str, path: str, body: Any, status: int, code: str
) -> None:
    answer = mill_team.ask("admin", method, path, body)
    assert (answer.status, problem(answer)) == (status, code)


def test_no_password_stands_in_an_answer_a_log_or_the_audit_trail(mill_team: Team) -> None:
    secret = "correct horse battery"  # noqa: S105
    mill_team.post("/api/users", {"name": "eve", "password": secret})
    for body in ({"name": "eve", "password": secret}, {"name": 3, "password": secret}):
        mill_team.post("/api/login", body, who="nobody")
    said = mill_team.get("/api/audit?limit=1000").body + mill_team.get("/api/users").body
    assert secret not in said.decode() + "".join(mill_team.served.said)
