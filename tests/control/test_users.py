"""Users: names, roles, passwords, and who is let in."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from control_place import PASSWORD, ask

from sessionmill.errors import UsageError
from sessionmill.store.control import ROLES, Control
from sessionmill.testing import FakeClock


@pytest.fixture
def control(tmp_path: Path, clock: FakeClock) -> Iterator[Control]:
    with Control(tmp_path, clock) as control:
        yield control


def test_a_user_is_what_was_said_of_it_and_nothing_more(control: Control, clock: FakeClock) -> None:
    added = control.users.add("alice", "admin", "a@example.com", PASSWORD)
    assert (added.name, added.role, added.email) == ("alice", "admin", "a@example.com")
    assert added.has_password
    assert (added.created_at, added.disabled_at) == (clock(), None)
    assert control.users.all() == [added] == [control.users.named("alice")]


def test_a_user_is_a_member_without_a_password_unless_more_is_said(control: Control) -> None:
    added = control.users.add("alice")
    assert (added.role, added.email, added.has_password) == ("member", None, False)
    assert control.users.check_password("alice", "") is None, "none is not an empty one"


def test_a_name_is_taken_once_however_its_accents_are_written(control: Control) -> None:
    control.users.add(unicodedata.normalize("NFD", "zoë"))
    with pytest.raises(UsageError, match="users edit 'zoë'"):
        control.users.add("zoë")
    assert control.users.named(unicodedata.normalize("NFD", "zoë")).name == "zoë"


@pytest.mark.parametrize(
    "name", ["", " ", "a/b", ".hidden", "-x", "a\nb", "a ", "\udcff", "x" * 256, "a\0b"]
)
def test_what_is_no_folders_name_is_no_users(control: Control, name: str) -> None:
    with pytest.raises(UsageError, match="no user's name"):
        control.users.add(name)
    with pytest.raises(UsageError, match="There is no user"):
        control.users.named(name)
    assert control.users.all() == []


@pytest.mark.parametrize("role", ["", "Admin", "root", "owner"])
def test_a_role_that_is_none_is_refused_with_those_there_are(control: Control, role: str) -> None:
    control.users.add("alice")
    with pytest.raises(UsageError, match=", ".join(ROLES)):
        control.users.add("bob", role)
    with pytest.raises(UsageError, match=", ".join(ROLES)):
        control.users.edit("alice", role=role)
    assert [user.role for user in control.users.all()] == ["member"]


def test_an_edit_changes_what_is_given_and_nothing_else(control: Control) -> None:
    before = control.users.add("alice", "viewer", "a@example.com", PASSWORD)
    assert control.users.edit("alice") == before
    assert control.users.edit("alice", role="admin").email == "a@example.com"
    assert control.users.edit("alice", email="").email is None
    assert control.users.check_password("alice", PASSWORD) is not None
    control.users.edit("alice", password="another-" + PASSWORD)
    assert control.users.check_password("alice", PASSWORD) is None


def test_one_who_is_unknown_is_named_with_the_way_out(control: Control) -> None:
    for asked in (control.users.named, control.users.disable, control.users.enable):
        with pytest.raises(UsageError, match="users list"):
            asked("nobody")


def test_the_right_password_lets_in_and_no_other(control: Control) -> None:
    control.users.add("alice", password=PASSWORD)
    found = control.users.check_password("alice", PASSWORD)
    assert found is not None
    assert found.name == "alice"
    for wrong in ("", PASSWORD + " ", PASSWORD[:-1], PASSWORD.upper(), "\udcff"):
        assert control.users.check_password("alice", wrong) is None
    assert control.users.check_password("bob", PASSWORD) is None


def test_a_password_is_the_same_however_its_accents_are_typed(control: Control) -> None:
    control.users.add("alice", password=unicodedata.normalize("NFC", "crème brûlée"))
    typed = unicodedata.normalize("NFD", "crème brûlée")
    assert control.users.check_password("alice", typed) is not None


def test_a_short_password_is_none(control: Control) -> None:
    with pytest.raises(UsageError, match="at least 8"):
        control.users.add("alice", password=PASSWORD[:7])
    assert control.users.all() == []


def test_nobody_is_asked_for_as_long_as_somebody(control: Control) -> None:
    control.users.add("alice", password=PASSWORD)
    control.users.add("bob")
    control.users.check_password("nobody", PASSWORD)

    def seconds(name: str) -> float:
        begun = time.process_time()
        control.users.check_password(name, "wrong " + PASSWORD)
        return time.process_time() - begun

    known = min(seconds("alice") for _ in range(3))
    for name in ("nobody", "bob"):
        assert min(seconds(name) for _ in range(3)) > known / 3, "no hash was worked out"


def test_one_who_is_disabled_is_let_in_no_more_until_enabled(
    control: Control, clock: FakeClock
) -> None:
    control.users.add("alice", password=PASSWORD)
    disabled = control.users.disable("alice")
    clock.advance(days=1)
    assert control.users.disable("alice") == disabled, "since the first time"
    assert control.users.check_password("alice", PASSWORD) is None
    assert [user.name for user in control.users.all()] == ["alice"], "what was done stays hers"
    control.users.enable("alice")
    assert control.users.check_password("alice", PASSWORD) is not None


def test_passwords_are_kept_as_argon2id_each_with_a_salt_of_its_own(
    control: Control, tmp_path: Path
) -> None:
    control.users.add("alice", password=PASSWORD)
    control.users.add("bob", password=PASSWORD)
    hashes = [row[0] for row in ask(tmp_path, "SELECT password_hash FROM users")]
    assert all(stored.startswith("$argon2id$") for stored in hashes)
    assert len(set(hashes)) == 2


def test_an_administrator_who_can_prove_it_can_sign_in(control: Control, clock: FakeClock) -> None:
    control.users.add("alice", "member", password=PASSWORD)
    assert not control.users.any_can_sign_in(), "a member administers nothing"
    control.users.add("root", "admin")
    assert not control.users.any_can_sign_in(), "there is nothing to prove it by"
    control.tokens.add("root", "small", "viewer")
    assert not control.users.any_can_sign_in(), "by that token root is a viewer"
    token, _ = control.tokens.add("root", "laptop", expires=timedelta(days=1))
    assert control.users.any_can_sign_in()
    clock.advance(days=1)
    assert not control.users.any_can_sign_in(), "it has expired"
    token, _ = control.tokens.add("root", "desk")
    control.tokens.revoke(token.id)
    assert not control.users.any_can_sign_in()
    control.users.edit("root", password=PASSWORD)
    assert control.users.any_can_sign_in()
    control.users.disable("root")
    assert not control.users.any_can_sign_in()
