"""What every request passes, before and behind the routes: names, sizes, headers, one line of log.

Written as plain ASGI: an error that nobody foresaw is answered here, with the headers that all
answers have, and nothing is read of a body that is refused for its size.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import structlog
from fastapi import Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sessionmill.errors import SessionmillError
from sessionmill.serve.access import check_names
from sessionmill.serve.api import errors

log = structlog.get_logger()

Count = Callable[[str | None, str, int, float], None]

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
#: Bytes of an address, and of a body: it is read before anybody knows who sends it.
MOST_ADDRESS = 16 * 1024
MOST_BODY = 1024 * 1024
_TOO_LARGE = f"A body has at most {MOST_BODY} bytes."
#: Whose routes find out who asks before they read, and take in whole files.
_LOCAL = "/api/local/"


class Guard:
    """Stands before the routes."""

    def __init__(self, app: ASGIApp, names: frozenset[str], count: Count) -> None:
        """`names` are those of this server that a request may be sent to.

        `count` is told of each answer: its route's template, method, status and seconds.
        """
        self._app, self._names, self._count = app, names, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let it through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 0

        async def answered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        try:
            if refusal is not None:
                await refusal(scope, receive, answered)
            else:
                await self._app(scope, _limited(scope, receive), answered)
        except Exception as error:
            if status:  # what has begun can't be answered otherwise
                raise
            await _unforeseen(scope, error)(scope, receive, answered)
        seconds = time.perf_counter() - begun
        route = getattr(scope.get("route"), "path", None)
        self._count(route, scope["method"], status, seconds)
        _note(scope, route, status, seconds)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        try:
            changes = scope["method"] not in _SAFE
            check_names(self._names, headers.get("Host"), headers.get("Origin"), changes=changes)
        except SessionmillError as error:
            log.warning("refused", path=scope["path"], reason=str(error))
            return errors.answer(*errors.status_of(error), str(error))
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MOST_ADDRESS:
            return errors.answer(
                414, "address_too_long", f"An address has at most {MOST_ADDRESS} bytes."
            )
        if _length(headers) > MOST_BODY and not scope["path"].startswith(_LOCAL):
            return errors.answer(413, "too_large", _TOO_LARGE)
        return None


def _length(headers: Headers) -> int:
    said = headers.get("Content-Length", "")
    return int(said) if said.isdecimal() else 0


def _limited(scope: Scope, receive: Receive) -> Receive:
    """Return what reads a body no further than it may go: its length need not be told before."""
    if scope["path"].startswith(_LOCAL):
        return receive
    read = 0

    async def limited() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > MOST_BODY:
            raise HTTPException(413, _TOO_LARGE)  # which the routes' framework lets through
        return message

    return limited


def _unforeseen(scope: Scope, error: Exception) -> Response:
    log.error("unforeseen", path=scope["path"], exc_info=error)
    return errors.answer(
        500, "unforeseen", "Something went wrong that nobody foresaw; the server's log tells what."
    )


def _note(scope: Scope, route: str | None, status: int, seconds: float) -> None:
    state: dict[str, Any] = scope.get("state") or {}
    actor = state.get("actor")
    log.debug(
        "request",
        method=scope["method"],
        route=route,
        status=status,
        seconds=round(seconds, 4),
        actor=actor.id if actor else None,
    )
