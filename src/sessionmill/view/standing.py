"""How each person stands, for their status line: written after a run, read without a database.

A client asks for its status line several times a minute and waits for it; to open the facts would
take longer, and they may be in use.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from sessionmill.errors import FolderClosed
from sessionmill.view.blocks import block_starts
from sessionmill.view.reports import named_statements

FILE = "standing.json"
#: The local day that it is lies within it, whatever the time zone.
_LOOKED_BACK = timedelta(hours=48)


def standing(cursor: duckdb.DuckDBPyConnection, now: datetime) -> dict[str, Any]:
    """Return, by username and agent, when the last block began and what was used lately.

    Of each quarter of an hour (no zone's midnight lies within one): the first time in it, US
    dollars at list price as a decimal, tokens, and responses without a price. Times are UTC.
    """
    users: dict[str, dict[str, Any]] = {}
    for username, agent, starts in block_starts(cursor):
        own = users.setdefault(username, {})
        began_at = datetime.fromtimestamp(starts[-1] * 3600, UTC)
        own[agent] = {"block_began_at": _text(began_at), "quarters": []}
    since = (now - _LOOKED_BACK).replace(tzinfo=None)
    quarters = cursor.execute(named_statements("blocks")["quarters"], {"since": since})
    for username, agent, first_at, cost, tokens, unpriced in quarters.fetchall():
        if agent in users.get(username, {}):
            quarter = [_text(first_at), str(cost), tokens, unpriced]
            users[username][agent]["quarters"].append(quarter)
    return {"made_at": _text(now), "users": users}


def note_standing(folder: Path, found: dict[str, Any]) -> None:
    """Write it into the data directory, for its owner's eyes. Raises FolderClosed."""
    draft = folder / f"{FILE}.new"
    try:
        draft.touch(0o600)
        draft.write_text(json.dumps(found), "utf-8")
        draft.replace(folder / FILE)
    except OSError as error:
        raise FolderClosed(folder, error) from error


def _text(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat() + "Z"
