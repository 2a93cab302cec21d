"""The whole of what is answered over HTTP."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import Depends, FastAPI

from sessionmill.serve.access import Door
from sessionmill.serve.api import (
    errors,
    health,
    home,
    local,
    people,
    processing,
    reports,
    sessions,
    signing_in,
)
from sessionmill.serve.api.asking import known_parameters
from sessionmill.serve.api.guard import Guard
from sessionmill.serve.service import Service


def create(service: Service, door: Door, names: frozenset[str]) -> FastAPI:
    """Return the application; `names` are those of this server that a request may be sent to."""
    app = FastAPI(
        title="sessionmill",
        version=version("sessionmill"),
        openapi_url="/api/openapi.json",
        docs_url=None,  # its pages load scripts from other sites
        redoc_url=None,
        redirect_slashes=False,  # a path that is nearly one of ours is none of ours
        dependencies=[Depends(known_parameters)],
        responses=errors.responses(),
    )
    app.state.service, app.state.door = service, door
    errors.install(app)
    for part in (home, health, signing_in, reports, sessions, processing, people, local):
        app.include_router(part.router)
    app.add_middleware(Guard, names=names, count=service.overview.metrics.count_request)
    return app
