"""What routes share: who asks, the right to, and the live parts of the server."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from sessionmill.serve.access import COOKIE, Door, NotAllowed, Right, SignInNeeded, may
from sessionmill.serve.service import Service
from sessionmill.store.control import Actor


async def service(request: Request) -> Service:
    """Return the server's live parts; async, so that it waits for no thread."""
    found: Service = request.app.state.service
    return found


def asker(request: Request) -> Actor:
    """Return who asks. Raises SignInNeeded."""
    door: Door = request.app.state.door
    actor = door.who(request.headers.get("Authorization"), request.cookies.get(COOKIE))
    if actor is None:
        raise SignInNeeded
    request.state.actor = actor
    return actor


class _Having:
    """A dependency: who asks, if his role has the right."""

    def __init__(self, right: Right) -> None:
        self._right: Right = right

    def __call__(self, actor: Annotated[Actor, Depends(asker)]) -> Actor:
        if not may(actor, self._right):
            raise NotAllowed(actor, self._right)
        return actor


Live = Annotated[Service, Depends(service)]
Anyone = Annotated[Actor, Depends(asker)]
Reader = Annotated[Actor, Depends(_Having("read"))]
Admin = Annotated[Actor, Depends(_Having("administer"))]
