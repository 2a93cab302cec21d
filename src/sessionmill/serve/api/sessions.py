"""Sessions, and what is said in them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response

from sessionmill.serve.api.asking import ContentReader, Live, Reader
from sessionmill.serve.api.errors import responses
from sessionmill.serve.api.lists import (
    Cursor,
    Limit,
    Listed,
    as_json,
    listed,
    packed_cursor,
    place_of,
)
from sessionmill.serve.api.reports import Since, Timezone, User
from sessionmill.view import sessions as listing

router = APIRouter(prefix="/api", tags=["sessions"])


@router.get("/sessions", response_model=Listed)
def sessions(
    live: Live,
    _: Reader,
    user: User = None,
    since: Since = None,
    timezone: Timezone = "UTC",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List sessions, the latest first, with what they came to."""
    rows = listing.sessions(
        live.app.facts.cursor(),
        user=user,
        since=since,
        limit=limit,
        timezone=timezone,
        behind=place_of(cursor, datetime, str, str),
    )
    behind = None
    if rows.truncated:
        last = dict(zip(rows.columns, rows.values[-1], strict=True))
        behind = packed_cursor(last["ended_at"], last["username"], last["session_id"])
    return as_json(listed(rows, behind))


@router.get(
    "/sessions/{session_key:path}/turns", response_model=Listed, responses=responses(404, 410)
)
def turns(
    live: Live,
    actor: ContentReader,
    session_key: str,
    after: Annotated[int, Query(ge=-1, description="Go on behind the line at this byte.")] = -1,
    limit: Limit = 50,
    characters: Annotated[int, Query(ge=1, le=20_000, description="Of each text, at most.")] = 200,
    cursor: Cursor = None,
) -> Response:
    """Show what happened in a transcript, page by page. Each look is audited.

    Administrators may see all of them, members their own. The rows of one line are not parted, so
    a page may have a few more than `limit`.
    """
    [after] = place_of(cursor, int) or [after]
    rows = live.turns(actor, session_key, after=after, limit=limit, characters=characters)
    behind = packed_cursor(rows.values[-1][0]) if rows.truncated else None
    return as_json(listed(rows, behind))
