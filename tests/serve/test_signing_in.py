"""The one-time link and the cookies that come of it, by a clock that tests move."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from served import wait_for

from sessionmill.serve.access import COOKIE, Door, SignInRefused, TooManySignIns
from sessionmill.serve.signing_in import LINK_GOOD, STAY, SigningIn
from sessionmill.store.control import Control
from sessionmill.testing import FakeClock


@pytest.fixture
def control(tmp_path: Path, clock: FakeClock) -> Iterator[Control]:
    with Control(tmp_path / "data", clock) as control:
        yield control


@pytest.fixture
def signing_in(control: Control, clock: FakeClock) -> SigningIn:
    return SigningIn(control, clock)


def test_a_link_lets_one_browser_in_as_the_person_who_runs_the_server(
    signing_in: SigningIn,
) -> None:
    link = signing_in.new_link()
    cookie = signing_in.by_link(link)
    assert cookie != link
    actor = signing_in.local(cookie)
    assert actor is not None
    assert (actor.id, actor.role) == ("local:tester", "admin")
    with pytest.raises(SignInRefused):
        signing_in.by_link(link)
    assert not signing_in.has_link()


def test_a_link_is_good_for_ten_minutes(signing_in: SigningIn, clock: FakeClock) -> None:
    assert LINK_GOOD.total_seconds() == 600
    link = signing_in.new_link()
    clock.advance(seconds=599)
    assert signing_in.has_link()
    clock.advance(seconds=1)
    assert not signing_in.has_link()
    with pytest.raises(SignInRefused):
        signing_in.by_link(link)


@pytest.mark.parametrize("said", ["", "x", "é", "\x00"])
def test_what_is_no_link_lets_nobody_in_and_leaves_the_link_good(
    signing_in: SigningIn, said: str
) -> None:
    with pytest.raises(SignInRefused):
        signing_in.by_link(said)
    link = signing_in.new_link()
    with pytest.raises(SignInRefused):
        signing_in.by_link(said)
    assert signing_in.by_link(link)


def test_of_many_browsers_with_one_link_one_gets_in(signing_in: SigningIn) -> None:
    link = signing_in.new_link()

    def ask(_: int) -> bool:
        try:
            return bool(signing_in.by_link(link))
        except SignInRefused:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(32))) == 1


def test_a_cookie_ends_with_its_time_and_when_it_is_forgotten(
    signing_in: SigningIn, clock: FakeClock
) -> None:
    kept, forgotten = (signing_in.by_link(signing_in.new_link()) for _ in range(2))
    signing_in.forget(forgotten)
    assert signing_in.local(forgotten) is None
    clock.advance(seconds=STAY.total_seconds() - 1)
    assert signing_in.local(kept) is not None
    clock.advance(seconds=1)
    assert signing_in.local(kept) is None


def test_a_door_knows_the_owners_token_cookies_of_links_and_tokens_of_users(
    control: Control, signing_in: SigningIn
) -> None:
    door = Door(control, "owner's", signing_in.local)
    control.users.add("vera", "viewer")
    _, token = control.tokens.add("vera", "hers")
    cookie = signing_in.by_link(signing_in.new_link())
    for secret, role in (("owner's", "admin"), (cookie, "admin"), (token, "viewer")):
        for actor in (door.who(f"Bearer {secret}", None), door.who(None, secret)):
            assert actor is not None
            assert actor.role == role
    for said in (None, "", "Bearer", "Bearer x", f"Basic {token}", token):
        assert door.who(said, None) is None
    assert COOKIE == "sessionmill"


def test_passwords_that_wait_to_be_checked_are_few_and_others_are_asked_to_wait(
    control: Control, signing_in: SigningIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, begun = threading.Event(), threading.Semaphore(0)

    def slow(name: str, password: str) -> Any:
        del name, password
        begun.release()
        assert go_on.wait(30)

    monkeypatch.setattr(control.users, "check_password", slow)
    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(signing_in.by_password, "vera", "x") for _ in range(8)]
        for _ in range(2):
            assert begun.acquire(timeout=30)
        wait_for(lambda: signing_in._asked._value == 0)
        with pytest.raises(TooManySignIns):
            signing_in.by_password("vera", "x")
        assert not begun.acquire(timeout=0.1), "two at once"
        go_on.set()
        for one in asking:
            assert one.result() is None
    monkeypatch.undo()
    assert signing_in.by_password("vera", "x") is None, "the next is looked at again"
