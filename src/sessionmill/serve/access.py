"""Who asks, and what that one may: tokens, the cookie of a browser, and the roles.

A page of another site can make a browser send requests here, and can even give its own name this
machine's address (DNS rebinding). So a request is answered only under a name that is this server's
own, and one that changes anything only from this server's own pages.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from sessionmill.config import os_user
from sessionmill.errors import Busy, SessionmillError
from sessionmill.store.control import Actor, Control

COOKIE = "sessionmill"
Right = Literal["read", "content", "administer"]
_RIGHTS: Mapping[str, frozenset[Right]] = {
    "admin": frozenset({"read", "content", "administer"}),
    "member": frozenset({"read", "content"}),
    "viewer": frozenset({"read"}),
    "uploader": frozenset(),
}


class SignInNeeded(SessionmillError):
    """Nobody is named by the request, or nobody who is known."""

    def __init__(self) -> None:
        super().__init__(
            "A token is needed, as: Authorization: Bearer smt_… . An administrator makes one by: "
            "sessionmill tokens add USER --name NAME"
        )


class SignInRefused(SessionmillError):
    """A password, or a link, that lets nobody in."""

    def __init__(self) -> None:
        super().__init__(
            "That lets nobody in: the name or the password is wrong, or the link was used or is "
            "older than ten minutes. A new link: start the server anew. A new password: "
            "sessionmill users edit NAME --password-stdin"
        )


class TooManySignIns(Busy):
    """Passwords wait to be checked, more than there should be."""

    def __init__(self) -> None:
        super().__init__(
            "Many are signing in at this moment, so this one was not looked at. Try again in a few "
            "seconds; a program had better use a token."
        )


class NotAllowed(SessionmillError):
    """The one who asks has not the right."""

    def __init__(self, actor: Actor, right: str) -> None:
        super().__init__(
            f"{actor.name} has the role {actor.role}, which may not {right}. An administrator "
            f"changes that by: sessionmill users edit {actor.name} --role ROLE"
        )


class WrongHost(SessionmillError):
    """The request names another server than this one, or comes from another site's page."""

    def __init__(self, what: str, said: str, allowed: Iterable[str]) -> None:
        super().__init__(
            f"This server does not answer to the {what} {said!r}; it is known as "
            f"{', '.join(sorted(allowed))}. To add a name: serve.allowed_hosts in config.toml"
        )


class Door:
    """Tells who asks."""

    def __init__(
        self, control: Control, owner_token: str, local: Callable[[str], Actor | None]
    ) -> None:
        """`local` tells who came by the link that the server has printed."""
        self._control, self._owner_token, self._local = control, owner_token, local

    def who(self, authorization: str | None, cookie: str | None) -> Actor | None:
        """Return who holds the token of a header, else of a cookie; None for nobody."""
        kind, _, secret = (authorization or "").partition(" ")
        if authorization is not None:
            return self._holder(secret.strip()) if kind.lower() == "bearer" else None
        return self._holder(cookie) if cookie else None

    def _holder(self, secret: str) -> Actor | None:
        if hmac.compare_digest(secret.encode(), self._owner_token.encode()):
            name = os_user()
            return Actor(id=f"local:{name}", name=name, role="admin")
        return self._local(secret) or self._control.tokens.who(secret)


def may(actor: Actor, right: Right) -> bool:
    """Tell whether a role has a right."""
    return right in _RIGHTS.get(actor.role, frozenset())


def may_read_content(actor: Actor, username: str) -> bool:
    """Tell whether somebody may see what is said in a person's transcripts: all, or his own."""
    return may(actor, "administer") or (may(actor, "content") and actor.name == username)


# ── whose name the server is called by ──


def is_loopback(host: str) -> bool:
    """Tell whether nobody but this machine's users can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def own_names(host: str, port: int, allowed: Iterable[str]) -> frozenset[str]:
    """Return what the header Host may say; nothing where any name may lead here.

    One of `allowed` that names no port is good with any: behind a proxy it is the proxy's.
    """
    allowed = frozenset(name.lower() for name in allowed)
    if not allowed and not is_loopback(host):
        return allowed
    shown = f"[{host}]" if ":" in host else host.lower()
    own = {"127.0.0.1", "localhost", "[::1]", shown}
    with_port = {f"{name}:{port}" for name in own}
    return allowed | with_port | (own if port == _HTTP else frozenset())


_HTTP = 80


def check_names(
    names: frozenset[str], host: str | None, origin: str | None, *, changes: bool
) -> None:
    """Raise WrongHost for a request that was meant for another, or made by another's page."""
    host = (host or "").lower()
    if names and host not in names and _without_port(host) not in names:
        raise WrongHost("host", host, names)
    if changes and origin is not None and origin.lower().partition("://")[2] != host:
        raise WrongHost("origin", origin, names or {host})


def _without_port(host: str) -> str:
    name, _, port = host.rpartition(":")
    return name if port.isdecimal() else host
