"""The one shape of all lists, and how one goes on where a page ends."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
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


def written_out(value: Any) -> Any:
    """Let no number pass for a day: 20260301 would be one in the year 1970, by seconds."""
    if isinstance(value, str) and not _DAY.match(value):
        raise ValueError("YYYY-MM-DD is expected, or a time of that day")
    return value


_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
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


def place_of(cursor: str | None, *kinds: type[Any]) -> list[Any] | None:
    """Return what `packed_cursor` was given, values of these kinds; None at the beginning.

    A time is one as JSON has it, or null. Raises UsageError for what `packed_cursor` did not make.
    """
    if cursor is None:
        return None
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError) as error:
        raise UsageError(_NO_CURSOR) from error
    if not isinstance(place, list) or len(place) != len(kinds):
        raise UsageError(_NO_CURSOR)
    if not all(map(_is, place, kinds)):
        raise UsageError(_NO_CURSOR)
    return place


_NO_CURSOR = "The cursor is none that this server gave."


def _is(value: Any, kind: type[Any]) -> bool:
    if kind is int:
        return type(value) is int and abs(value) < 2**63
    if kind is datetime:
        return value is None or (isinstance(value, str) and _is_time(value))
    return isinstance(value, kind) and not _has_half_pairs(value)


def _is_time(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is UTC
    except ValueError:
        return False


def _has_half_pairs(value: str) -> bool:
    """Tell whether text is none that can be written: JSON can name half of a surrogate pair."""
    return any("\ud800" <= character <= "\udfff" for character in value)
