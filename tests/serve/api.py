"""A team's server for tests of the API: who asks it, and by what token."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from served import PATIENCE, Answer, Served, served

from sessionmill.app import now
from sessionmill.demo.team import generate
from sessionmill.store.control import Control

PROCESSORS = "api_processors"
HERE = Path(__file__).parent
ROLES = ("viewer", "uploader", "member", "admin")
#: Those whom no token lets in.
OUTSIDE = ("nobody", "revoked", "expired", "disabled")


@dataclass
class Team:
    """A server that has read a generated team, and the tokens of its users, by role or state.

    The member is alice, of whom there are transcripts; whoever else is named as the role.
    """

    served: Served
    tokens: dict[str, str | None]
    transcripts: Path

    def ask(self, who: str, method: str, path: str, body: Any = None, **given: Any) -> Answer:
        """Ask as somebody."""
        return self.served.ask(method, path, body, token=self.tokens[who], **given)

    def get(self, path: str, who: str = "admin", **given: Any) -> Answer:
        return self.ask(who, "GET", path, **given)

    def post(self, path: str, body: Any = None, who: str = "admin", **given: Any) -> Answer:
        return self.ask(who, "POST", path, body, **given)

    def rows(self, path: str, who: str = "admin") -> list[dict[str, Any]]:
        answer = self.get(path, who)
        assert answer.status == 200, answer.body
        return list(answer.json["rows"])

    def walk(self, path: str, limit: int, who: str = "admin") -> Iterator[dict[str, Any]]:
        """Yield the rows of all pages."""
        cursor = ""
        while True:
            page = self.get(f"{path}{'&' if '?' in path else '?'}limit={limit}{cursor}", who).json
            yield from page["rows"]
            if not page["truncated"]:
                assert page["cursor"] is None
                return
            cursor = f"&cursor={page['cursor']}"

    def audit(self, action: str, limit: int = 1000) -> list[dict[str, Any]]:
        """Return audit rows, the newest first."""
        return self.rows(f"/api/audit?action={action}&limit={limit}")

    def run(self, processor: str = "usage") -> dict[str, Any]:
        answer = self.post(f"/api/admin/run-session-processor?processor={processor}")
        assert answer.status == 200, answer.body
        return dict(answer.json)

    @contextmanager
    def control(self) -> Iterator[Control]:
        """Open the control store beside the server."""
        with Control(self.served.data, now) as control:
            yield control

    def raw(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send bytes that no client would send; return status, headers and body."""
        import socket

        host, _, port = self.served.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
            connection.sendall(request)
            response = http.client.HTTPResponse(connection)
            response.begin()
            return response.status, dict(response.headers), response.read()


@contextmanager
def team(place: Path, *processors: str, with_run: bool = True) -> Iterator[Team]:
    """Serve a team, with processors of `api_processors` or `serve_processors`."""
    transcripts = place / "team"
    generate(transcripts, days=3)
    options = [option for spec in processors for option in ("--processor", spec)]
    environ = {
        "HOME": str(place),
        "USER": "tester",
        "LOGNAME": "tester",
        "TZ": "America/New_York",  # a time that is told is UTC, wherever the server stands
        "PYTHONPATH": str(HERE),
    }
    data = place / "data"
    with served(
        data, "--no-schedule", "--sessions", transcripts, *options, environ=environ
    ) as server:
        found = Team(server, {"nobody": None, "local": server.token} | _tokens(data), transcripts)
        if with_run:
            found.run("usage")
            found.run("inventory")
        yield found


def _tokens(data: Path) -> dict[str, str | None]:
    """Add users to a data directory that is served; return the secrets of their tokens."""
    with Control(data, now) as control:
        for role in ROLES:
            control.users.add(_named(role), role, password=f"{role} of the mill")
        control.users.add("disabled", "admin", password="nobody gets in")  # noqa: S106
        added = {role: control.tokens.add(_named(role), role)[1] for role in (*ROLES, "disabled")}
        token, added["revoked"] = control.tokens.add("admin", "revoked")
        control.tokens.revoke(token.id)
        control.users.disable("disabled")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with Control(data, lambda: yesterday) as control:
        added["expired"] = control.tokens.add("admin", "expired", expires=timedelta(hours=1))[1]
    return dict(added)


def _named(role: str) -> str:
    return "alice" if role == "member" else role


def problem(answer: Answer) -> str:
    """Return the code of an error, which has the one shape that all have."""
    assert answer.headers["content-type"] == "application/json", answer.body
    said = json.loads(answer.body)
    assert set(said) == {"error"}, said
    assert set(said["error"]) == {"code", "message"}, said
    assert said["error"]["message"], said
    return str(said["error"]["code"])
