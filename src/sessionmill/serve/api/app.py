"""The whole of what is answered over HTTP."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version

import structlog
from fastapi import FastAPI, Request, Response

from sessionmill.errors import SessionmillError
from sessionmill.serve.access import Door, check_names
from sessionmill.serve.api import (
    errors,
    health,
    local,
    people,
    processing,
    reports,
    sessions,
    signing_in,
)
from sessionmill.serve.service import Service

log = structlog.get_logger()

Next = Callable[[Request], Awaitable[Response]]

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def create(service: Service, door: Door, names: frozenset[str]) -> FastAPI:
    """Return the application; `names` are those of this server that a request may be sent to."""
    app = FastAPI(
        title="sessionmill",
        version=version("sessionmill"),
        openapi_url="/api/openapi.json",
        docs_url=None,  # its pages load scripts from other sites
        redoc_url=None,
        responses=errors.responses(),
    )
    app.state.service, app.state.door = service, door
    metrics = service.overview.metrics
    errors.install(app)
    for part in (health, signing_in, reports, sessions, processing, people, local):
        app.include_router(part.router)

    @app.middleware("http")
    async def guard(request: Request, go_on: Next) -> Response:
        begun = time.perf_counter()
        host, origin = request.headers.get("Host"), request.headers.get("Origin")
        try:
            check_names(names, host, origin, changes=request.method not in _SAFE)
        except SessionmillError as error:
            response: Response = errors.answer(*errors.status_of(error), str(error))
        else:
            response = await go_on(request)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "no-store")
        seconds = time.perf_counter() - begun
        route = getattr(request.scope.get("route"), "path", None)
        metrics.count_request(route, request.method, response.status_code, seconds)
        actor = getattr(request.state, "actor", None)
        log.debug(
            "request",
            method=request.method,
            route=route,
            status=response.status_code,
            seconds=round(seconds, 4),
            actor=actor.id if actor else None,
        )
        return response

    return app
