"""Tokens: good for whom, until when, and for no more than their user."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from control_place import ask

from sessionmill.errors import UsageError
from sessionmill.store.control import ROLES, Control
from sessionmill.store.control.tokens import is_within, lesser
from sessionmill.testing import FakeClock

DAY = timedelta(days=1)


@pytest.fixture
def control(tmp_path: Path, clock: FakeClock) -> Iterator[Control]:
    with Control(tmp_path, clock) as control:
        yield control


def test_a_token_names_its_user_and_role(control: Control) -> None:
    alice = control.users.add("alice", "admin")
    token, secret = control.tokens.add("alice", "laptop")
    actor = control.tokens.who(secret)
    assert actor is not None
    assert (actor.id, actor.name, actor.role) == (f"user:{alice.id}", "alice", "admin")
    assert (token.name, token.user_name, token.role) == ("laptop", "alice", "admin")


def test_secrets_are_long_all_different_and_found_by_their_beginning(control: Control) -> None:
    control.users.add("alice")
    secrets = [control.tokens.add("alice", "laptop")[1] for _ in range(20)]
    assert len(set(secrets)) == 20
    assert all(re.fullmatch(r"smt_[A-Za-z0-9_-]{43}", secret) for secret in secrets)


def test_only_the_hash_of_a_secret_is_kept(control: Control, tmp_path: Path) -> None:
    control.users.add("alice")
    _, secret = control.tokens.add("alice", "laptop")
    [(stored,)] = ask(tmp_path, "SELECT secret_hash FROM tokens")
    assert stored == hashlib.sha256(secret.encode()).hexdigest()
    assert control.tokens.who(stored) is None, "whoever reads the file can't ask by it"


@pytest.mark.parametrize("secret", ["", "smt_", "smt_" + "A" * 43, "A" * 47, "smt_ü", "smt_\udcff"])
def test_what_is_no_secret_is_nobodys(control: Control, secret: str) -> None:
    control.users.add("alice")
    control.tokens.add("alice", "laptop")
    assert control.tokens.who(secret) is None


def test_a_token_expires_at_its_time_and_not_before(control: Control, clock: FakeClock) -> None:
    control.users.add("alice")
    token, secret = control.tokens.add("alice", "laptop", expires=DAY)
    assert token.expires_at == clock() + DAY
    clock.advance(days=1, microseconds=-1)
    assert control.tokens.who(secret) is not None
    clock.advance(microseconds=1)
    assert control.tokens.who(secret) is None


@pytest.mark.parametrize("expires", [timedelta(0), -DAY, timedelta.max])
def test_a_token_that_would_never_be_good_or_outlive_all_is_refused(
    control: Control, expires: timedelta
) -> None:
    control.users.add("alice")
    with pytest.raises(UsageError, match="expires"):
        control.tokens.add("alice", "laptop", expires=expires)
    assert control.tokens.all() == []


@pytest.mark.parametrize("by", ["id", "name", "secret"])
def test_a_revoked_token_is_good_no_more_by_whatever_it_was_named(
    control: Control, clock: FakeClock, by: str
) -> None:
    control.users.add("alice")
    token, secret = control.tokens.add("alice", "laptop")
    _, other = control.tokens.add("alice", "desk")
    given: dict[str, int | str] = {"id": token.id, "name": "laptop", "secret": secret}
    [revoked] = control.tokens.revoke(given[by])
    assert (revoked.id, revoked.revoked_at) == (token.id, clock())
    assert control.tokens.who(secret) is None
    assert control.tokens.who(other) is not None
    clock.advance(days=1)
    assert control.tokens.revoke(token.id) == [revoked], "since the first time"


def test_a_name_that_several_users_gave_revokes_none_until_it_is_said_whose(
    control: Control,
) -> None:
    secrets = {}
    for name in ("alice", "bob"):
        control.users.add(name)
        secrets[name] = control.tokens.add(name, "laptop")[1]
    with pytest.raises(UsageError, match=r"1 of alice, 2 of bob.*--user"):
        control.tokens.revoke("laptop")
    assert all(control.tokens.who(secret) for secret in secrets.values())
    control.tokens.revoke("laptop", "bob")
    assert control.tokens.who(secrets["bob"]) is None
    assert control.tokens.who(secrets["alice"]) is not None
    control.tokens.revoke("laptop")
    assert control.tokens.who(secrets["alice"]) is None, "one alone is left"


@pytest.mark.parametrize("unknown", ["2", "9" * 40, "desk", "²", "smt_" + "A" * 43, "\udcff", ""])
def test_an_unknown_token_is_refused_with_the_way_out(control: Control, unknown: str) -> None:
    control.users.add("alice")
    _, secret = control.tokens.add("alice", "laptop")
    with pytest.raises(UsageError, match="tokens list") as refused:
        control.tokens.revoke(unknown)
    assert "AAAA" not in str(refused.value), "what may be a secret is not repeated"
    assert control.tokens.who(secret) is not None


@pytest.mark.parametrize("name", ["", " ", "12", "smt_x", "a\nb", "x" * 256])
def test_a_name_by_which_a_token_could_not_be_revoked_is_none(control: Control, name: str) -> None:
    control.users.add("alice")
    with pytest.raises(UsageError):
        control.tokens.add("alice", name)
    assert control.tokens.all() == []


def test_what_was_forgotten_is_good_no_more(control: Control) -> None:
    control.users.add("alice")
    _, secret = control.tokens.add("alice", "browser")
    control.tokens.forget("smt_of-nobody")
    assert control.tokens.who(secret) is not None
    control.tokens.forget(secret)
    assert control.tokens.who(secret) is None


def test_no_token_of_a_disabled_user_is_good_and_none_is_made(control: Control) -> None:
    control.users.add("alice")
    _, secret = control.tokens.add("alice", "laptop")
    control.users.disable("alice")
    assert control.tokens.who(secret) is None
    with pytest.raises(UsageError, match="disabled"):
        control.tokens.add("alice", "desk")
    control.users.enable("alice")
    assert control.tokens.who(secret) is not None


@pytest.mark.parametrize(("most", "role"), [*itertools.product(ROLES, ROLES)])
def test_no_token_is_made_for_more_than_its_user_may(
    control: Control, most: str, role: str
) -> None:
    control.users.add("alice", most)
    allowed = {
        "admin": set(ROLES),
        "member": {"member", "viewer"},
        "viewer": {"viewer"},
        "uploader": {"uploader"},
    }[most]
    if role in allowed:
        assert control.tokens.add("alice", "laptop", role)[0].role == role
    else:
        with pytest.raises(UsageError, match=most):
            control.tokens.add("alice", "laptop", role)


@pytest.mark.parametrize(
    ("role", "later", "now"),
    [
        ("admin", "viewer", "viewer"),
        ("member", "viewer", "viewer"),
        ("viewer", "member", "viewer"),
        ("admin", "uploader", "uploader"),
        # What may only upload never comes to read, and what may only read never to upload.
        ("uploader", "viewer", None),
        ("uploader", "member", None),
        ("viewer", "uploader", None),
        ("uploader", "uploader", "uploader"),
    ],
)
def test_a_token_is_no_more_than_its_user_is_now(
    control: Control, role: str, later: str, now: str | None
) -> None:
    control.users.add("alice", "admin")
    _, secret = control.tokens.add("alice", "laptop", role)
    control.users.edit("alice", role=later)
    actor = control.tokens.who(secret)
    assert (actor and actor.role) == now
    control.users.edit("alice", role="admin")
    actor = control.tokens.who(secret)
    assert actor is not None
    assert actor.role == role, "what it was made for comes back with its user's role"


@pytest.mark.parametrize(("role", "most"), [*itertools.product(ROLES, ROLES)])
def test_what_is_left_of_a_role_is_within_both(role: str, most: str) -> None:
    left = lesser(role, most)
    assert left is None or (is_within(left, role) and is_within(left, most))


def test_when_a_token_was_used_is_noted_once_a_minute(control: Control, clock: FakeClock) -> None:
    control.users.add("alice")
    token, secret = control.tokens.add("alice", "laptop")
    assert token.last_used_at is None
    first = clock()
    for _ in range(60):
        control.tokens.who(secret)
        assert control.tokens.all()[0].last_used_at == first
        clock.advance(seconds=1)
    clock.advance(seconds=1)
    control.tokens.who(secret)
    assert control.tokens.all()[0].last_used_at == clock()


def test_a_clock_that_was_set_back_does_not_stop_the_noting(
    control: Control, clock: FakeClock
) -> None:
    control.users.add("alice")
    _, secret = control.tokens.add("alice", "laptop")
    control.tokens.who(secret)
    clock.advance(hours=-5)
    control.tokens.who(secret)
    assert control.tokens.all()[0].last_used_at == clock()


def test_asking_who_it_is_waits_for_nobody_who_writes(control: Control) -> None:
    control.users.add("alice")
    _, secret = control.tokens.add("alice", "laptop")
    control.tokens.who(secret)
    with Control(control.path.parent, control.clock) as other, other.begin():
        assert control.tokens.who(secret) is not None, "or every request waited for a change"
