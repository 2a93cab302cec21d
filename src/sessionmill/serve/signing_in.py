"""How a browser gets in: by a password, or by a link that is printed to the person's terminal.

The link is for one person on one machine, where there are no users: good once, for ten minutes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from sessionmill.config import os_user
from sessionmill.serve.access import SignInRefused, TooManySignIns
from sessionmill.store.control import Actor, Control, User

LINK_GOOD = timedelta(minutes=10)
#: How long a browser stays signed in.
STAY = timedelta(days=30)
#: Passwords that are checked side by side, each of which takes a tenth of a second and 64 MB; and
#: those that wait for it: each holds a thread, of which others need some.
_AT_ONCE, _WAITING = 2, 6


class SigningIn:
    """Links, cookies of those who came by one, and passwords; safe for threads."""

    def __init__(self, control: Control, clock: Callable[[], datetime]) -> None:
        self._control, self._clock = control, clock
        self._link: tuple[str, datetime] | None = None
        #: Until when each cookie is good, by its hash.
        self._local: dict[str, datetime] = {}
        self._lock = threading.Lock()
        self._checking = threading.BoundedSemaphore(_AT_ONCE)
        self._asked = threading.BoundedSemaphore(_AT_ONCE + _WAITING)

    def new_link(self) -> str:
        """Return a secret that lets one browser in as the person who runs the server."""
        link = secrets.token_urlsafe(32)
        with self._lock:
            self._link = (link, self._clock() + LINK_GOOD)
        return link

    def has_link(self) -> bool:
        """Tell whether there is a link that could still be taken."""
        with self._lock:
            return self._link is not None and self._clock() < self._link[1]

    def by_link(self, link: str) -> str:
        """Return a cookie's secret for a link's, which is good no more. Raises SignInRefused."""
        with self._lock:
            known, until = self._link or ("", datetime.min.replace(tzinfo=self._clock().tzinfo))
            good = hmac.compare_digest(link.encode(), known.encode()) and self._clock() < until
            if not known or not good:
                raise SignInRefused
            self._link = None
            secret = secrets.token_urlsafe(32)
            self._local[_hash(secret)] = self._clock() + STAY
            return secret

    def local(self, secret: str) -> Actor | None:
        """Return the person who runs the server, for a cookie that came by a link."""
        with self._lock:
            until = self._local.get(_hash(secret))
            known = until is not None and self._clock() < until
        name = os_user()
        return Actor(id=f"local:{name}", name=name, role="admin") if known else None

    def by_password(self, name: str, password: str) -> User | None:
        """Return the user whose password it is; None for nobody's. Raises TooManySignIns."""
        if not self._asked.acquire(blocking=False):
            raise TooManySignIns
        try:
            with self._checking:
                return self._control.users.check_password(name, password)
        finally:
            self._asked.release()

    def forget(self, secret: str) -> None:
        """Let a cookie be good no more."""
        with self._lock:
            if self._local.pop(_hash(secret), None) is not None:
                return
        self._control.tokens.forget(secret)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
