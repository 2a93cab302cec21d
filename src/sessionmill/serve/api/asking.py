"""What routes share: who asks, the right to, and the live parts of the server."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import APIKeyCookie, HTTPBearer
from pydantic import BaseModel, ConfigDict

from sessionmill.serve.access import COOKIE, Door, NotAllowed, Right, SignInNeeded, may
from sessionmill.serve.service import Service, job
from sessionmill.store.control import Actor


async def service(request: Request) -> Service:
    """Return the server's live parts; async, so that it waits for no thread."""
    found: Service = request.app.state.service
    return found


Live = Annotated[Service, Depends(service)]


#: What the schema tells of tokens; `Door` reads them.
_bearer = HTTPBearer(auto_error=False, scheme_name="token", description="smt_…")
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, scheme_name="cookie")


def asker(
    request: Request,
    _: Annotated[object, Depends(_bearer)] = None,
    __: Annotated[object, Depends(_cookie)] = None,
) -> Actor:
    """Return who asks. Raises SignInNeeded."""
    door: Door = request.app.state.door
    actor = door.who(request.headers.get("Authorization"), request.cookies.get(COOKIE))
    if actor is None:
        raise SignInNeeded
    request.state.actor = actor
    return actor


Anyone = Annotated[Actor, Depends(asker)]


def refused(request: Request, live: Service, actor: Actor, right: str) -> NotAllowed:
    """Return the refusal of somebody who has not the right, of which an audit row is written."""
    error = NotAllowed(actor, right)
    route = getattr(request.scope.get("route"), "name", "none")
    action, resource = f"refused:{route}", request.url.path
    if route == "run_session_processor":
        action, resource = job(request.query_params.get("processor", ""))
    live.note(actor, action, resource, "refused", {"error": "NotAllowed", "right": right})
    return error


class _Having:
    """A dependency: who asks, if his role has the right."""

    def __init__(self, right: Right) -> None:
        self._right: Right = right

    async def __call__(self, request: Request, live: Live, actor: Anyone) -> Actor:
        if not may(actor, self._right):
            raise await run_in_threadpool(refused, request, live, actor, self._right)
        return actor


Reader = Annotated[Actor, Depends(_Having("read"))]
ContentReader = Annotated[Actor, Depends(_Having("content"))]
Admin = Annotated[Actor, Depends(_Having("administer"))]


class Said(BaseModel):
    """What the body of a request says: in these fields, of these very types, and nothing else."""

    model_config = ConfigDict(strict=True, extra="forbid")


async def known_parameters(request: Request) -> None:
    """Refuse a parameter that the route does not have: figures would be others than asked for."""
    route: APIRoute = request.scope["route"]
    if not request.query_params or not route.include_in_schema:
        return
    known = {field.alias for field in get_flat_params(route.dependant)}
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        raise RequestValidationError(
            [{"loc": ("query", name), "msg": "There is no such parameter."} for name in unknown]
        )
