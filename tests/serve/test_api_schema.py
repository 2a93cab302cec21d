"""Requests made up from the schema, good and bad: no error of the server's, no status unheard of.

Each is checked against the schema too: what kind of content, of what shape, and that it is refused
where it does not fit the schema, or comes without a token.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from api import Team, team

from sessionmill.serve.api.people import Role
from sessionmill.store.control import ROLES

#: What is not asked of the server, and why.
LEFT_OUT = {
    # That a name is text is in the schema, and which processors, users and sessions there are is
    # not: to ask for another is right by the schema, and refused.
    "positive_data_acceptance",
    # Of two routes with one path, the framework names the methods of the first.
    "allow_header_conformance",
}

#: How what does not fit the schema may be refused: it may be too long, too.
CONFIGURATION = """
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 413, 414, 422]
"""


@pytest.fixture
def mill_team(tmp_path: Path) -> Iterator[Team]:
    with team(tmp_path) as found:
        yield found


def made_up(mill_team: Team, place: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Send made-up requests, as one whom no request can disable: who runs the server."""
    (place / "schemathesis.toml").write_text(CONFIGURATION)
    return subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run"),
            f"{mill_team.served.url}/api/openapi.json",
            *("--header", f"Authorization: Bearer {mill_team.served.token}"),
            *("--exclude-checks", ",".join(sorted(LEFT_OUT))),
            *("--seed", "1", "--generation-database", "none", "--no-color", "--no-shrink"),
            *options,
        ],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )


def check(mill_team: Team, ended: subprocess.CompletedProcess[str]) -> None:
    """Fail where something was found, or was not looked for."""
    assert ended.returncode == 0, ended.stdout[-20000:] + ended.stderr[-2000:]
    assert " generated" in ended.stdout
    assert mill_team.get("/api/me", "local").status == 200
    assert "unforeseen" not in "".join(mill_team.served.said)


def test_a_sample_of_made_up_requests_finds_nothing(mill_team: Team, tmp_path: Path) -> None:
    check(mill_team, made_up(mill_team, tmp_path, "--phases", "fuzzing", "--max-examples", "2"))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_made_up_requests_by_the_thousand_find_nothing(mill_team: Team, tmp_path: Path) -> None:
    ended = made_up(mill_team, tmp_path, "--phases", "examples,coverage,fuzzing,stateful",
                    "--max-examples", "200")  # fmt: skip
    check(mill_team, ended)


def test_the_roles_of_the_schema_are_those_there_are() -> None:
    assert get_args(Role) == ROLES
