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
from sessionmill.serve.access import SignInRefused
from sessionmill.store.control import Actor, Control, User

LINK_GOOD = timedelta(minutes=10)
#: Passwords that are checked side by side: each takes a tenth of a second and 64 MB.
_AT_ONCE = 2


class SigningIn:
    """Links, cookies of those who came by one, and passwords; safe for threads."""

    def __init__(self, control: Control, clock: Callable[[], datetime]) -> None:
        self._control, self._clock = control, clock
        self._link: tuple[str, datetime] | None = None
        self._local: set[str] = set()
        self._lock = threading.Lock()
        self._checking = threading.BoundedSemaphore(_AT_ONCE)

    def new_link(self) -> str:
        """Return a secret that lets one browser in as the person who runs the server."""
        link = secrets.token_urlsafe(32)
        with self._lock:
            self._link = (link, self._clock() + LINK_GOOD)
        return link

    def by_link(self, link: str) -> str:
        """Return a cookie's secret for a link's, which is good no more. Raises SignInRefused."""
        with self._lock:
            known, until = self._link or ("", datetime.min.replace(tzinfo=self._clock().tzinfo))
            good = hmac.compare_digest(link.encode(), known.encode()) and self._clock() < until
            if not known or not good:
                raise SignInRefused
            self._link = None
            secret = secrets.token_urlsafe(32)
            self._local.add(_hash(secret))
            return secret

    def local(self, secret: str) -> Actor | None:
        """Return the person who runs the server, for a cookie that came by a link."""
        with self._lock:
            known = _hash(secret) in self._local
        name = os_user()
        return Actor(id=f"local:{name}", name=name, role="admin") if known else None

    def by_password(self, name: str, password: str) -> User | None:
        """Return the user whose password it is; None for nobody's."""
        with self._checking:
            return self._control.users.check_password(name, password)

    def forget(self, secret: str) -> None:
        """Let a cookie be good no more."""
        with self._lock:
            if _hash(secret) in self._local:
                self._local.discard(_hash(secret))
                return
        self._control.tokens.forget(secret)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
