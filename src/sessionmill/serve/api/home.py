"""What a browser is shown that comes by the root: where everything is."""

from __future__ import annotations

from html import escape

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from sessionmill import __version__
from sessionmill.serve.access import COOKIE, Door
from sessionmill.serve.api.asking import Live

router = APIRouter(include_in_schema=False)

_PLACES = (
    ("/api/reports/usage?by=day", "Usage by day"),
    ("/api/reports/usage?by=model", "Usage by model"),
    ("/api/reports/work", "Work by user"),
    ("/api/sessions", "Sessions"),
    ("/api/processors", "Processors"),
    ("/api/health/detailed", "Health, in detail"),
    ("/api/audit", "The audit trail"),
    ("/api/openapi.json", "Every route (OpenAPI)"),
)


@router.get("/")
def home(request: Request, live: Live) -> HTMLResponse:
    """Show where everything is, and whether the browser is let in."""
    door: Door = request.app.state.door
    actor = door.who(None, request.cookies.get(COOKIE))
    if actor is None:
        told = (
            "<p>This browser is not signed in. Open the link that the server printed when it"
            " began, or ask an administrator for a password.</p>"
        )
    else:
        told = f"<p>Signed in as {escape(actor.name)} ({escape(actor.role)}).</p>"
    links = "".join(
        f'<li><a href="{escape(path)}">{escape(name)}</a></li>' for path, name in _PLACES
    )
    status = live.overview.health().status
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>sessionmill</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"></head><body>'
        f"<main><h1>sessionmill {escape(__version__)}</h1><p>Health: {escape(status)}</p>{told}"
        f"<ul>{links}</ul></main></body></html>"
    )
