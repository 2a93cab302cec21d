"""How one gets in, under which names the server is asked, and the one shape of every refusal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api import Team, problem, team
from served import served

from sessionmill.serve.access import WrongHost, check_names, own_names

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def mill_team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with team(tmp_path_factory.mktemp("doors"), with_run=False) as found:
        yield found


# ── names ──


def test_a_name_that_is_not_the_servers_own_is_not_answered(mill_team: Team) -> None:
    port = mill_team.served.url.rpartition(":")[2]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}", f"LOCALHOST:{port}"):
        assert mill_team.get("/api/me", headers={"Host": host}).status == 200
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "", "[", ":"):
        for path in ("/api/me", "/healthz", "/api/openapi.json", "/nono", "/first-steps?link=x"):
            answer = mill_team.get(path, headers={"Host": host})
            assert (answer.status, problem(answer)) == (403, "wrong_host"), (host, path)


def test_what_changes_something_is_taken_from_the_servers_own_pages_alone(mill_team: Team) -> None:
    own = mill_team.served.url
    run = "/api/admin/run-session-processor?processor=inventory"
    assert mill_team.post(run, headers={"Origin": own}).status == 200
    for origin in ("http://evil.example", "null", "", own + "0", own.replace("127.0.0.1", "::1")):
        for path in (run, "/api/login", "/api/logout", "/api/local/hello"):
            answer = mill_team.post(path, {}, headers={"Origin": origin})
            assert (answer.status, problem(answer)) == (403, "wrong_host"), (origin, path)
    assert mill_team.get("/api/me", headers={"Origin": "http://evil.example"}).status == 200


def test_every_answer_keeps_its_address_to_itself_and_is_read_as_what_it_is(
    mill_team: Team,
) -> None:
    for path, who in (("/api/me", "admin"), ("/api/me", "nobody"), ("/nono", "admin"),
                      ("/healthz", "nobody"), ("/api/reports/usage?by=x", "admin")):  # fmt: skip
        headers = mill_team.get(path, who).headers
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    ("bound", "allowed", "host", "answers"),
    [
        ("127.0.0.1", (), "127.0.0.1:80", True),
        ("127.0.0.1", (), "127.0.0.1", True),
        ("127.0.0.1", ("Mill.Example",), "mill.example", True),
        ("127.0.0.1", ("mill.example",), "mill.example:8443", True),
        ("127.0.0.1", ("mill.example:8443",), "mill.example:8443", True),
        ("127.0.0.1", ("mill.example:8443",), "mill.example", False),
        ("127.0.0.1", ("mill.example",), "evil.example", False),
        ("127.0.0.1", (), "mill.example", False),
        ("0.0.0.0", (), "any.example", True),  # noqa: S104 - this is about such
        ("0.0.0.0", ("mill.example",), "evil.example", False),  # noqa: S104
        ("0.0.0.0", ("mill.example",), "0.0.0.0:80", True),  # noqa: S104 - how commands ask
        ("0.0.0.0", ("mill.example",), "localhost:80", True),  # noqa: S104
        ("::1", (), "[::1]:80", True),
        ("192.0.2.7", ("mill.example",), "192.0.2.7:80", True),
    ],
)
def test_the_names_of_a_server_are_its_addresses_and_those_that_are_set(
    bound: str, allowed: tuple[str, ...], host: str, answers: bool
) -> None:
    names = own_names(bound, 80, allowed)
    if answers:
        check_names(names, host, f"https://{host}", changes=True)
    else:
        with pytest.raises(WrongHost, match="allowed_hosts"):
            check_names(names, host, None, changes=False)


# ── passwords ──


def sign_in(mill_team: Team, name: str, password: str) -> Any:
    body = {"name": name, "password": password}
    return mill_team.post("/api/login", body, who="nobody")


def cookie_of(answer: Any) -> tuple[str, str]:
    """Return a cookie as a browser would send it, and what it was told of it."""
    said = answer.headers["set-cookie"]
    return said.partition(";")[0], said


def test_a_password_becomes_a_cookie_that_pages_can_not_read_and_logout_ends_it(
    mill_team: Team,
) -> None:
    answer = sign_in(mill_team, "viewer", "viewer of the mill")
    assert (answer.status, answer.json) == (200, {"name": "viewer", "role": "viewer"})
    cookie, said = cookie_of(answer)
    assert "HttpOnly" in said
    assert "SameSite=strict" in said
    assert "Path=/" in said
    me = mill_team.get("/api/me", "nobody", headers={"Cookie": cookie})
    assert (me.status, me.json["name"]) == (200, "viewer")
    assert mill_team.get("/api/users", "nobody", headers={"Cookie": cookie}).status == 403

    out = mill_team.post("/api/logout", who="nobody", headers={"Cookie": cookie})
    assert out.status == 204
    assert "Max-Age=0" in out.headers["set-cookie"]
    assert mill_team.get("/api/me", "nobody", headers={"Cookie": cookie}).status == 401

    [logout] = mill_team.audit("logout", limit=1)
    [login] = mill_team.audit("login", limit=1)
    assert login["actor"] == logout["actor"] == me.json["id"]
    assert (login["resource"], login["result"]) == ("user:viewer", "ok")


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("viewer", "viewer of the mil"),
        ("nemo", "viewer of the mill"),
        ("disabled", "nobody gets in"),
        ("admin\x00", "admin of the mill"),
        ("viewer", "\ud800"),
    ],
)
def test_a_wrong_password_lets_nobody_in_and_is_audited(
    mill_team: Team, name: str, password: str
) -> None:
    before = len(mill_team.audit("login"))
    answer = sign_in(mill_team, name, password)
    if answer.status == 422:  # no text at all
        assert password == "\ud800"  # noqa: S105
        return
    assert (answer.status, problem(answer)) == (401, "sign_in_refused")
    assert "set-cookie" not in answer.headers
    rows = mill_team.audit("login")
    assert len(rows) == before + 1
    assert (rows[0]["actor"], rows[0]["result"]) == ("nobody", "refused")
    assert rows[0]["resource"] == f"user:{name}"


# ── the link ──


def test_a_link_is_printed_to_a_terminal_alone_works_once_and_leaves_the_address(
    tmp_path: Path,
) -> None:
    master, slave = pty.openpty()
    command = [*_serve(tmp_path / "data"), "--no-browser"]
    with subprocess.Popen(command, stdout=slave, stderr=subprocess.PIPE, text=True) as process:
        os.close(slave)
        try:
            said = _read(master, r"first-steps\?link=\S+")
            assert process.stderr is not None
            link = re.search(r"(http://\S+)(/first-steps\?link=(\S+))", said)
            assert link, said
            url, path, secret = link.groups()
            owner = json.loads((tmp_path / "data" / "owner.json").read_text())
            one = Team(_served(process, url, owner["token"]), {"nobody": None, "admin": ""}, Path())

            wrong = one.get(f"/first-steps?link={secret[:-1]}", "nobody")
            assert (wrong.status, problem(wrong)) == (401, "sign_in_refused")
            first = one.get(path, "nobody")
            assert (first.status, first.headers["location"]) == (303, "/")
            assert first.headers["referrer-policy"] == "no-referrer"
            assert secret not in str(first.headers) + first.body.decode()
            cookie, said = cookie_of(first)
            assert "HttpOnly" in said
            assert "SameSite=strict" in said
            start = one.get("/", "nobody", headers={"Cookie": cookie})
            assert (start.status, "Signed in as" in start.body.decode()) == (200, True)
            stranger = one.get("/", "nobody")
            assert (stranger.status, "not signed in" in stranger.body.decode()) == (200, True)
            me = one.get("/api/me", "nobody", headers={"Cookie": cookie}).json
            assert (me["id"].partition(":")[0], me["role"]) == ("local", "admin")

            again = one.get(path, "nobody")
            assert (again.status, problem(again)) == (401, "sign_in_refused")
            rows = one.audit("login.link")
            assert [row["result"] for row in rows] == ["ok", "refused"]
            assert secret not in str(rows)
            assert one.post("/api/logout", who="nobody", headers={"Cookie": cookie}).status == 204
            assert one.get("/api/me", "nobody", headers={"Cookie": cookie}).status == 401
        finally:
            process.terminate()
            _, errors = process.communicate()
            os.close(master)
    assert secret not in errors


def test_where_there_is_no_terminal_no_link_is_printed(tmp_path: Path) -> None:
    with served(tmp_path / "data", "--no-schedule") as server:
        assert server.get("/healthz").status == 200
        server.end()
    assert "link" not in "".join(server.said)


def _serve(data: Path) -> list[str]:
    import sys

    return [
        sys.executable, "-m", "sessionmill", "serve", "--port", "0", "--no-schedule", "--db",
        str(data)
    ]  # fmt: skip


def _served(process: subprocess.Popen[str], url: str, token: str) -> Any:
    from served import Served

    return Served(process, url, token, Path())


def _read(descriptor: int, pattern: str) -> str:
    """Read a terminal until something stands there."""
    said, end = "", time.monotonic() + 60
    while not re.search(pattern + r"\s", said):
        assert time.monotonic() < end, said
        if select.select([descriptor], [], [], 0.2)[0]:
            said += os.read(descriptor, 4096).decode()
    return said


# ── the one shape ──


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nono", 404, "not_found"),
        ("GET", "/api/users/", 404, "not_found"),
        ("GET", "/nono", 404, "not_found"),
        ("POST", "/api/local/nono", 404, "not_found"),
        ("PUT", "/api/users", 405, "method_not_allowed"),
        ("HEAD", "/api/users", 405, ""),
        ("OPTIONS", "/api/users", 405, "method_not_allowed"),
        ("DELETE", "/api/me", 405, "method_not_allowed"),
        ("BREW", "/api/me", 405, "method_not_allowed"),
        ("GET", "/api/runs?" + "x" * 20_000, 414, "address_too_long"),
        ("GET", "/api/" + "x" * 20_000, 414, "address_too_long"),
        ("GET", "/api/runs?cursor=" + "x" * 2001, 422, "invalid"),
        ("GET", "/api/runs?nono=1", 422, "invalid"),
    ],
    ids=lambda part: str(part)[:30],
)
def test_what_there_is_not_is_refused_in_the_one_shape(
    mill_team: Team, method: str, path: str, status: int, code: str
) -> None:
    answer = mill_team.ask("local", method, path)
    assert answer.status == status
    if method == "HEAD":
        assert answer.body == b""
    else:
        assert problem(answer) == code
    if status == 405:
        assert answer.headers["allow"]


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{", "application/json", 422, "invalid"),
        (b"", "application/json", 422, "invalid"),
        (b"null", "application/json", 422, "invalid"),
        (b"[]", "application/json", 422, "invalid"),
        (b'{"query": "SELECT 1"}', "text/plain", 422, "invalid"),
        (b"\xff\xfe", "application/json", 422, "invalid"),
        (b'"\xff"', "application/json", 400, "refused"),
        (b'{"query": NaN}', "application/json", 422, "invalid"),
        (b"[" * 100_000, "application/json", 400, "refused"),
        (b'{"query": "' + b"x" * 1024 * 1024 + b'"}', "application/json", 413, "too_large"),
        (b'{"query": "SELECT 1", "limit": "many"}', "application/json", 422, "invalid"),
    ],
    ids=lambda part: str(part)[:30],
)
def test_a_body_that_is_none_is_refused_in_the_one_shape(
    mill_team: Team, body: bytes, kind: str, status: int, code: str
) -> None:
    head = _head(mill_team, "POST", "/api/sql", {"Content-Type": kind})
    for given in (
        head + b"Content-Length: %d\r\n\r\n" % len(body) + body,
        head + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % len(body) + body + b"\r\n"
        + (b"0\r\n\r\n" if body else b""),
    ):  # fmt: skip
        answered, headers, content = mill_team.raw(given)
        assert (answered, headers["content-type"]) == (status, "application/json"), content
        assert json.loads(content)["error"]["code"] == code


def test_what_is_no_http_at_all_is_refused_in_the_one_shape(mill_team: Team) -> None:
    for request in (b"nono\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
                    b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n"):  # fmt: skip
        status, headers, body = mill_team.raw(request)
        assert (status, headers["content-type"]) == (400, "application/json")
        assert json.loads(body)["error"]["code"] == "no_http"


def test_an_unknown_header_or_an_upgrade_changes_nothing(mill_team: Team) -> None:
    given = {"Connection": "Upgrade", "Upgrade": "websocket", "X-Forwarded-Host": "evil.example"}
    assert mill_team.get("/api/me", headers=given).status == 200


def _head(mill_team: Team, method: str, path: str, headers: dict[str, str]) -> bytes:
    host = mill_team.served.url.removeprefix("http://")
    token = mill_team.tokens["admin"]
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {token}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "".join(f"{line}\r\n" for line in lines).encode()
