"""Health and metrics: what watches the server asks these."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from sessionmill import __version__
from sessionmill.serve.access import is_loopback
from sessionmill.serve.api.asking import Live, Reader, asker
from sessionmill.view.checks import Status

router = APIRouter(tags=["health"])


class ShortCheck(BaseModel):
    """How one check came out, for everyone."""

    status: Status
    sentence: str | None = None


class ShortHealth(BaseModel):
    """How the server does, for everyone: no paths, no names, no words of plugins."""

    #: The worst of all checks.
    status: Status
    version: str
    checks: dict[str, ShortCheck]


class DetailedCheck(BaseModel):
    """How one check came out, and what to do."""

    status: Status
    sentence: str
    to_do: str | None
    details: dict[str, Any]


class DetailedHealth(BaseModel):
    """How the server does, with figures."""

    status: Status
    version: str
    at: str
    checks: dict[str, DetailedCheck]


@router.get("/api/health", response_model=ShortHealth)
async def short(live: Live) -> Response:
    """Tell how the server does, in short; nobody needs to be known. Always 200: read `status`."""
    return JSONResponse(live.overview.health().short(__version__))


@router.get("/api/health/detailed", response_model=DetailedHealth)
async def detailed(live: Live, _: Reader) -> Response:
    """Tell how the server does, check by check, with figures and what to do."""
    return JSONResponse(live.overview.health().detailed(__version__))


@router.get("/healthz", response_class=PlainTextResponse)
async def healthz() -> str:
    """Tell that the process answers: to be started anew where it does not."""
    return "ok\n"


@router.get(
    "/readyz",
    response_class=PlainTextResponse,
    responses={503: {"description": "A store can't be had.", "content": {"text/plain": {}}}},
)
async def readyz(live: Live) -> Response:
    """Tell whether requests can be answered: the stores can be had, and it is not at its end."""
    checks = live.overview.health().checks
    wrong = [name for name in ("facts", "control") if checks[name].status == "error"]
    if live.app.running.stopping:
        wrong.append("it is ending")
    if wrong:
        return PlainTextResponse(f"not ready: {', '.join(wrong)}\n", 503)
    return PlainTextResponse("ok\n")


def _scraper(request: Request) -> None:
    """Let anyone of this machine in, others with a token."""
    client = request.client.host if request.client else ""
    # Behind a proxy each request comes from this machine: then nobody is told so.
    proxied = "Forwarded" in request.headers or "X-Forwarded-For" in request.headers
    if proxied or not is_loopback(client):
        asker(request)


@router.get("/metrics", response_class=PlainTextResponse, dependencies=[Depends(_scraper)])
def metrics(live: Live) -> Response:
    """Tell figures to Prometheus; off this machine with a token. No figure is of one person."""
    return Response(live.overview.metrics.text(), media_type=CONTENT_TYPE_LATEST)
