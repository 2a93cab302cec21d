"""The one shape of all lists, and how one goes on where a page ends."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Any

from fastapi import Query, Response
from pydantic import BaseModel

from sessionmill.errors import UsageError
from sessionmill.view.documents import json_text
from sessionmill.view.reports import Rows

Value = str | int | float | bool | None | list[Any] | dict[str, Any]


class Listed(BaseModel):
    """A list: its rows, and how to go on behind them."""

    rows: list[dict[str, Value]]
    #: There are more than these.
    truncated: bool
    #: Given back as the parameter `cursor`, it asks for the rows behind these; null at the end.
    cursor: str | None = None
    #: What people must be told where they are shown these.
    note: str | None = None


Limit = Annotated[int, Query(ge=1, le=1000, description="Rows at most.")]
Cursor = Annotated[
    str | None, Query(max_length=2000, description="What the page before gave as its cursor.")
]


def listed(rows: Rows, cursor: str | None = None) -> dict[str, Any]:
    """Return rows as a document of the shape `Listed`."""
    return rows.document() | {"cursor": cursor, "note": rows.note}


def as_json(document: Any) -> Response:
    """Return a document as the command line would print it."""
    return Response(json_text(document), media_type="application/json")


def packed_cursor(*place: Any) -> str:
    """Return where a page ends, as text that means nothing to others."""
    return base64.urlsafe_b64encode(json_text(list(place)).encode()).decode().rstrip("=")


def place_of(cursor: str, length: int) -> list[Any]:
    """Return what `packed_cursor` was given. Raises UsageError for what it did not make."""
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, UnicodeError) as error:
        raise UsageError("The cursor is none that this server gave.") from error
    if not isinstance(place, list) or len(place) != length:
        raise UsageError("The cursor is none that this server gave.")
    return place
