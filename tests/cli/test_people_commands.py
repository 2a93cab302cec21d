"""Commands on the control store: what they print, leave in the trail, and refuse."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cli_place import document, write

from commands import Ended, in_new_process
from conftest import Mill
from sessionmill.store.control import AuditRow, Control
from sessionmill.store.facts import Facts
from sessionmill.store.owner import Owner

PASSWORD = "canary-of-a-password"  # noqa: S105 - it opens nothing
SECRET = re.compile(r"smt_[\w-]{43}")


def trail(mill: Mill, *args: object) -> list[dict[str, Any]]:
    """Return the audit trail, the oldest first."""
    rows: list[dict[str, Any]] = document(mill("audit", *args, "--json"))["rows"]
    return rows[::-1]


def token_of(mill: Mill, *args: object) -> str:
    ended = mill("tokens", "add", *args, "--json")
    assert ended.status == 0, ended.err
    told = document(ended)
    assert list(told) == ["token"], "exactly that"
    return str(told["token"])


def opened(data: Path) -> Control:
    return Control(data, lambda: datetime.now(UTC))


def refused(ended: Ended, *words: str) -> None:
    assert (ended.status, ended.out) == (2, "")
    assert all(word in ended.err for word in words), ended.err


# ── users ──


def test_a_user_without_a_password_is_told_so_and_how_to_get_one(mill: Mill) -> None:
    ended = mill("users", "add", "alice", "--role", "admin", "--email", "a@example.com")
    assert ended.status == 0
    assert "alice has no password" in ended.out
    assert "users edit alice --password-stdin" in ended.out
    [row] = document(mill("users", "list", "--json"))["rows"]
    assert datetime.fromisoformat(row.pop("created_at")) <= datetime.now(UTC)
    assert row == {
        "id": 1,
        "name": "alice",
        "role": "admin",
        "email": "a@example.com",
        "has_password": False,
        "disabled_at": None,
    }


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_password_is_what_stdin_holds_without_its_last_newline(
    mill: Mill, data: Path, end: str
) -> None:
    ended = mill("users", "add", "alice", "--password-stdin", stdin=f" {PASSWORD} {end}")
    assert (ended.status, "password" in ended.out) == (0, False), ended.err
    with opened(data) as control:
        assert control.users.check_password("alice", f" {PASSWORD} ") is not None


@pytest.mark.parametrize("stdin", ["", "\n", "short"])
def test_a_password_that_is_none_adds_nobody(mill: Mill, stdin: str) -> None:
    refused(mill("users", "add", "alice", "--password-stdin", stdin=stdin), "at least 8")
    assert document(mill("users", "list", "--json")) == {"rows": [], "truncated": False}


def test_without_the_option_stdin_is_not_even_looked_at(mill: Mill, data: Path) -> None:
    mill("users", "add", "alice", stdin=PASSWORD)
    with opened(data) as control:
        assert not control.users.named("alice").has_password


def test_bytes_that_are_no_text_are_no_password(mill: Mill, data: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "sessionmill", "users", "add", "alice", "--password-stdin"],
        input=b"\xff" * 10,
        capture_output=True,
        env={**os.environ, "SESSIONMILL_HOME": str(data)},
        check=False,
    )
    assert (ended.returncode, b"no UTF-8" in ended.stderr) == (2, True)
    assert mill("users", "list").out == "(no rows)\n"


def test_what_is_edited_is_what_was_given(mill: Mill, data: Path) -> None:
    mill("users", "add", "alice", "--email", "a@example.com")
    assert "alice, viewer" in mill("users", "edit", "alice", "--role", "viewer").out
    assert mill("users", "edit", "alice", "--password-stdin", stdin=PASSWORD).status == 0
    with opened(data) as control:
        alice = control.users.named("alice")
        assert (alice.role, alice.email, alice.has_password) == ("viewer", "a@example.com", True)
    mill("users", "edit", "alice", "--email", "")
    with opened(data) as control:
        assert control.users.named("alice").email is None


def test_to_edit_nothing_is_refused(mill: Mill) -> None:
    mill("users", "add", "alice")
    refused(mill("users", "edit", "alice"), "--role", "--enable")


def test_one_who_is_disabled_is_let_in_again_by_enable(mill: Mill, data: Path) -> None:
    mill("users", "add", "alice")
    secret = token_of(mill, "alice", "--name", "laptop")
    mill("users", "disable", "alice")
    with opened(data) as control:
        assert control.tokens.who(secret) is None
    assert "disabled" in mill("users", "edit", "alice", "--role", "viewer").out
    mill("users", "edit", "alice", "--enable")
    with opened(data) as control:
        assert control.tokens.who(secret) is not None


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("users", "edit", "nobody", "--role", "admin"), ("'nobody'", "users list")),
        (("users", "disable", "nobody"), ("'nobody'", "users add nobody")),
        (("users", "add", "bob", "--role", "king"), ("'king'", "admin, member, viewer, uploader")),
        (("users", "edit", "alice", "--role", "king"), ("'king'", "admin, member, viewer")),
        (("users", "add", "alice"), ("already", "users edit alice")),
        (("users", "add", "a/b"), ("'a/b'",)),
        (("tokens", "add", "nobody", "--name", "x"), ("'nobody'", "users list")),
        (("tokens", "add", "alice", "--name", "x", "--role", "admin"), ("member", "admin")),
        (("tokens", "add", "alice", "--name", "x", "--role", "king"), ("'king'", "admin, member")),
        (("tokens", "add", "alice", "--name", "x", "--expires", "0"), ("expires",)),
        (("tokens", "add", "alice", "--name", "x", "--expires", "inf"), ("expires",)),
        (("tokens", "add", "alice", "--name", "x", "--expires", "nan"), ("expires",)),
        (("tokens", "add", "alice", "--name", "12"), ("'12'",)),
        (("tokens", "revoke", "17"), ("'17'", "tokens list")),
        (("tokens", "revoke", "laptop"), ("'laptop'", "tokens list")),
    ],
)
def test_what_is_refused_says_the_way_out_and_leaves_a_row_and_no_change(
    mill: Mill, args: tuple[str, ...], words: tuple[str, ...]
) -> None:
    mill("users", "add", "alice")
    before = [mill(kind, "list", "--json").out for kind in ("users", "tokens")]
    refused(mill(*args), *words)
    assert [mill(kind, "list", "--json").out for kind in ("users", "tokens")] == before
    *_, row = trail(mill)
    noun = args[0].removesuffix("s")
    assert (row["action"], row["result"]) == (f"{noun}.{args[1]}", "refused")
    assert row["actor"] == "cli:tester"
    assert row["details"]["reason"]


# ── tokens ──


def test_a_token_lets_in_and_is_shown_once(mill: Mill, data: Path) -> None:
    mill("users", "add", "alice", "--role", "admin")
    ended = mill("tokens", "add", "alice", "--name", "laptop", "--role", "viewer")
    assert SECRET.fullmatch(ended.out.strip()), "stdout holds the secret alone"
    assert "shown this once" in ended.err
    with opened(data) as control:
        actor = control.tokens.who(ended.out.strip())
        assert actor is not None
        assert (actor.name, actor.role) == ("alice", "viewer")
    listed = mill("tokens", "list").out + mill("tokens", "list", "--json").out
    assert "laptop" in listed
    assert not SECRET.search(listed)


def test_a_token_is_good_for_as_many_days_as_were_given(mill: Mill) -> None:
    mill("users", "add", "alice")
    token_of(mill, "alice", "--name", "laptop", "--expires", "90")
    [row] = document(mill("tokens", "list", "--json"))["rows"]
    made, end = (datetime.fromisoformat(row[name]) for name in ("created_at", "expires_at"))
    assert end - made == timedelta(days=90)
    assert set(row) == {
        "id", "user_id", "user_name", "name", "role", "created_at", "expires_at", "revoked_at",
        "last_used_at",
    }  # fmt: skip


def test_a_token_is_revoked_by_name_number_or_secret(mill: Mill, data: Path) -> None:
    mill("users", "add", "alice")
    secrets = [token_of(mill, "alice", "--name", name) for name in ("one", "two", "three")]
    for given in ("one", "2", secrets[2]):
        ended = mill("tokens", "revoke", given)
        assert (ended.status, ended.out.startswith("Revoked: ")) == (0, True), ended.err
        assert not SECRET.search(ended.out)
    with opened(data) as control:
        assert [control.tokens.who(secret) for secret in secrets] == [None] * 3
    revoked = [row["resource"] for row in trail(mill, "--action", "token.revoke")]
    assert revoked == ["token:1", "token:2", "token:3"]


def test_a_name_that_two_users_gave_revokes_neithers(mill: Mill, data: Path) -> None:
    secrets = []
    for name in ("alice", "bob"):
        mill("users", "add", name)
        secrets.append(token_of(mill, name, "--name", "laptop"))
    refused(mill("tokens", "revoke", "laptop"), "1 of alice", "2 of bob", "--user")
    assert mill("tokens", "revoke", "laptop", "--user", "bob").status == 0
    with opened(data) as control:
        assert [control.tokens.who(secret) is None for secret in secrets] == [False, True]


# ── the trail ──


def test_each_change_leaves_one_row_of_its_own(mill: Mill) -> None:
    mill("users", "add", "alice", "--role", "admin")
    mill("users", "edit", "alice", "--password-stdin", "--email", "a@b.c", stdin=PASSWORD)
    token_of(mill, "alice", "--name", "laptop", "--expires", "9")
    mill("tokens", "revoke", "laptop")
    mill("users", "disable", "alice")
    mill("users", "edit", "alice", "--enable")
    mill("users", "list")
    mill("tokens", "list")
    rows = trail(mill)
    assert {row["actor"] for row in rows} == {"cli:tester"}
    assert {row["result"] for row in rows} == {"ok"}
    assert [(row["action"], row["resource"]) for row in rows] == [
        ("user.add", "user:alice"),
        ("user.edit", "user:alice"),
        ("token.add", "user:alice"),
        ("token.revoke", "token:1"),
        ("user.disable", "user:alice"),
        ("user.edit", "user:alice"),
    ]
    assert [row["details"] for row in rows] == [
        {"role": "admin", "email": None},
        {"email": "a@b.c", "password_changed": True},
        {"name": "laptop", "role": None, "expires_days": 9, "token": 1},
        {"user": "alice", "name": "laptop"},
        {"disabled": True},
        {"disabled": False, "password_changed": False},
    ]


def test_no_secret_and_no_password_is_kept_or_said_anywhere(mill: Mill, data: Path) -> None:
    said: list[Ended] = []

    def do(*args: object, stdin: str = "") -> Ended:
        said.append(mill(*args, stdin=stdin))
        return said[-1]

    do("users", "add", "alice", "--role", "admin", "--password-stdin", stdin=PASSWORD)
    do("users", "edit", "alice", "--password-stdin", stdin=PASSWORD + "2")
    do("users", "add", "alice", "--password-stdin", stdin=PASSWORD + "3")
    secret = mill("tokens", "add", "alice", "--name", "laptop").out.strip()
    for args in (
        ("tokens", "revoke", secret, "--user", "alice"),
        ("tokens", "revoke", secret[:-1]),
        ("tokens", "add", "alice", "--name", secret),
    ):
        do(*args)
    for args in (("users", "edit", secret, "--role", "admin"), ("tokens", "add", secret)):
        mill(*args, "--name", "x")  # these repeat on stderr what was typed; the trail must not
    for name in ("users", "tokens"):
        do(name, "list"), do(name, "list", "--json")
    do("audit"), do("audit", "--json")
    printed = "".join(ended.out + ended.err for ended in said)
    kept = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
    for canary in (PASSWORD, secret, "$argon2"):
        assert canary not in printed
    for canary in (PASSWORD, secret):
        assert canary.encode() not in kept


def test_the_log_holds_none_of_them_either_while_a_server_has_it_open(
    mill: Mill, data: Path
) -> None:
    with opened(data) as control:
        control.users.all()
        mill("users", "add", "alice", "--password-stdin", stdin=PASSWORD)
        secret = token_of(mill, "alice", "--name", "laptop")
        log = (data / "control.db-wal").read_bytes()
    assert b"alice" in log, "it is in the log that they would be"
    assert PASSWORD.encode() not in log
    assert secret.encode() not in log


def test_runs_from_before_there_was_a_trail_are_in_it(mill: Mill, tmp_path: Path) -> None:
    write(tmp_path / "team", "alice", "one")
    for _ in range(2):
        mill("run", "--sessions", "team")
    rows = trail(mill, "--action", "run_session_processor")
    assert sorted(row["action"].partition(":")[2] for row in rows) == [
        "inventory", "inventory", "usage", "usage",
    ]  # fmt: skip
    assert {row["actor"] for row in rows} == {"cli:tester"}
    usage = next(row for row in rows if row["action"].endswith(":usage"))
    assert usage["resource"] == "job:session-processor:usage"
    assert (usage["details"]["processed"], usage["details"]["seen"]) == (1, 1)
    assert usage["details"]["items_extracted"] > 0
    assert trail(mill, "--action", "run_session_processor:usage") == [
        row for row in rows if row["action"].endswith(":usage")
    ], "and none twice"


def test_where_somebody_holds_the_facts_the_trail_is_read_as_it_is(
    mill: Mill, data: Path, tmp_path: Path
) -> None:
    write(tmp_path / "team", "alice", "one")
    mill("run", "--sessions", "team")
    mill("users", "add", "alice")
    owner = Owner(data, "a test")
    try:
        assert [row["action"] for row in trail(mill)] == ["user.add"]
    finally:
        owner.release()
    assert len(trail(mill)) == 3


def test_the_trail_can_be_read_where_the_facts_can_not(mill: Mill, data: Path) -> None:
    mill("users", "add", "alice")
    (data / "facts.duckdb").write_bytes(b"no facts at all" * 1000)
    ended = mill("audit", "--json")
    assert [row["action"] for row in document(ended)["rows"]] == ["user.add"]
    assert "Rows of runs may be missing" in ended.err


@pytest.mark.parametrize("args", [("audit",), ("users", "list"), ("tokens", "list")])
def test_no_facts_are_made_where_there_are_none(
    mill: Mill, data: Path, args: tuple[str, ...]
) -> None:
    assert mill(*args).out == "(no rows)\n"
    assert [path.name for path in data.iterdir()] == ["control.db"]


def test_all_work_while_another_process_holds_the_facts(mill: Mill, data: Path) -> None:
    with Facts(data, "a test", now=datetime.now(UTC)):
        assert mill("users", "add", "alice").status == 0
        assert SECRET.fullmatch(token_of(mill, "alice", "--name", "laptop"))
        assert mill("tokens", "revoke", "laptop").status == 0
        assert len(trail(mill)) == 3


def test_the_trail_is_told_since_a_day_and_in_part(mill: Mill, data: Path) -> None:
    with opened(data) as control:
        for day in (1, 2, 3):
            when = datetime(2026, 3, day, tzinfo=UTC)
            control.audit.write(AuditRow(when, "scheduler", "sql", "facts", "ok", {"rows": day}))
    told = document(mill("audit", "--since", "2026-03-02", "--json"))
    assert [row["details"] for row in told["rows"]] == [{"rows": 3}, {"rows": 2}]
    assert list(told["rows"][0]) == [
        "at", "actor", "action", "resource", "result", "details", "id",
    ]  # fmt: skip
    assert told["truncated"] is False
    assert document(mill("audit", "--limit", "2", "--json"))["truncated"] is True
    assert "rows 3" in mill("audit", "--limit", "1").out
    refused(mill("audit", "--limit", "0"), "--limit")
    refused(mill("audit", "--since", "yesterday"), "yesterday")


def test_a_damaged_store_is_told_with_what_to_do(mill: Mill, data: Path) -> None:
    data.mkdir()
    (data / "control.db").write_bytes(b"no database at all" * 500)
    for args in (("users", "list"), ("tokens", "list"), ("audit",), ("users", "add", "alice")):
        ended = mill(*args)
        assert (ended.status, ended.out) == (1, "")
        assert "control.db can't be used" in ended.err
        assert "sessionmill restore" in ended.err


# ── a look by show ──


@pytest.fixture
def read(mill: Mill, tmp_path: Path) -> Mill:
    write(tmp_path / "team", "alice", "0f3c", "A canary in the prompt.")
    assert mill("run", "--sessions", "team").status == 0
    return mill


def test_a_look_at_what_was_said_leaves_a_row_without_it(read: Mill) -> None:
    assert "A canary in the prompt." in read("show", "0f3c").out
    assert read("show", "0f3c", "--after", "10", "--json").status == 0
    rows = trail(read, "--action", "content.read")
    assert [(row["actor"], row["resource"], row["result"]) for row in rows] == [
        ("cli:tester", "session:alice/0f3c.jsonl", "ok")
    ] * 2
    assert [row["details"] for row in rows] == [{"after": -1}, {"after": 10}]


def test_a_look_that_leaves_no_row_is_not_had(read: Mill, data: Path) -> None:
    (data / "control.db").write_bytes(b"no database at all" * 500)
    for args in ((), ("--json",)):
        ended = read("show", "0f3c", *args)
        assert (ended.status, ended.out) == (1, "")
        assert "canary" not in ended.err
        assert "Nothing is shown" in ended.err
        assert "control.db can't be used" in ended.err


def test_a_session_that_is_none_leaves_no_row(read: Mill) -> None:
    assert read("show", "nope").status == 2
    assert trail(read, "--action", "content.read") == []


# ── what is not loaded ──

_LOADED = """
import atexit, sys
slow = {"sqlalchemy", "alembic", "argon2"}
atexit.register(lambda: print("LOADED", *sorted(slow & set(sys.modules)), file=sys.stderr))
"""


@pytest.mark.parametrize(
    "args", [("--help",), ("status",), ("run", "--sessions", "team"), ("statusline",)], ids=str
)
def test_what_is_started_often_loads_nothing_of_the_store(
    read: Mill, data: Path, tmp_path: Path, args: tuple[str, ...]
) -> None:
    del read
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(_LOADED)
    environ = {**os.environ, "SESSIONMILL_HOME": str(data), "PYTHONPATH": str(tmp_path / "site")}
    stdin = '{"model": {"display_name": "Opus"}}'
    ended = in_new_process([*args], cwd=tmp_path, timeout=60, stdin=stdin, environ=environ)
    assert ended.status == 0, ended.err
    said = [line for line in ended.err.splitlines() if line.startswith("LOADED")]
    assert said
    assert set(said) == {"LOADED"}
