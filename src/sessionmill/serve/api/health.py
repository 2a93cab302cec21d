"""Health and metrics: what watches the server asks these."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

router = APIRouter(tags=["health"])


@router.get("/healthz", response_class=PlainTextResponse)
async def healthz() -> str:
    """Tell that the process answers."""
    return "ok\n"


@router.get("/readyz", response_class=PlainTextResponse)
async def readyz() -> Response:
    """Tell that the server takes requests."""
    return PlainTextResponse("ok\n")
