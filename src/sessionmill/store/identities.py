"""What the first records of a transcript say it is, written into `transcripts` and its rows."""

from __future__ import annotations

import duckdb
from arro3.core import DataType

from sessionmill.collect.discover import Found
from sessionmill.collect.roots import session_of_path, stem
from sessionmill.decode.lines import UNKNOWN_AGENT
from sessionmill.decode.text import last_part
from sessionmill.run.messages import Identity
from sessionmill.run.ports import Extracted
from sessionmill.store.progress import arrow
from sessionmill.store.rows import rename
from sessionmill.store.statements import first, statements


def session_id(found: Found, identity: Identity) -> str:
    """Return the session a transcript belongs to: by its folder, its records, or its name."""
    return session_of_path(found.session_key) or identity.session_id or stem(found.session_key)


def note_identities(cursor: duckdb.DuckDBPyConnection, extracted: list[Extracted]) -> None:
    """Write what the first records say into `transcripts`, and into rows that said otherwise."""
    furthest: dict[str, Extracted] = {}
    for e in extracted:
        other = furthest.get(e.found.session_key)
        if other is None or (e.state.safe_offset, e.processor) > (
            other.state.safe_offset,
            other.processor,
        ):
            furthest[e.found.session_key] = e
    if furthest:
        _note(cursor, list(furthest.values()))


def _note(cursor: duckdb.DuckDBPyConnection, extracted: list[Extracted]) -> None:
    text = DataType.utf8()
    cursor.register(
        "_named",
        arrow(
            {
                "session_key": (text, [e.found.session_key for e in extracted]),
                "session_id": (text, [session_id(e.found, e.identity) for e in extracted]),
                "agent": (text, [e.agent or UNKNOWN_AGENT for e in extracted]),
                "client_version": (text, [e.identity.client_version for e in extracted]),
                "cwd": (text, [e.identity.cwd for e in extracted]),
                "project": (text, [last_part(e.identity.cwd) for e in extracted]),
                "fingerprint": (text, [e.fingerprint for e in extracted]),
            }
        ),
    )
    take_named(cursor)


def take_named(cursor: duckdb.DuckDBPyConnection) -> None:
    """Take over what `_named` says: into `transcripts`, and into rows that say otherwise."""
    sql = statements("transcripts")
    cursor.execute(sql["renamed"])
    row = first(cursor.execute("SELECT count(*) FROM _renamed"))
    if row and row[0]:
        cursor.execute(statements("rollups")["mark_renamed"])
        # Tables of processors that are not loaded now, too.
        for (table,) in cursor.execute(sql["with_identity"]).fetchall():
            rename(cursor, table)
    cursor.execute(sql["note_identity"])


def note_identity_of(
    cursor: duckdb.DuckDBPyConnection, found: Found, identity: Identity, agent: str | None
) -> None:
    """Write what an effectful processor's worker has seen, unless an extractor's has."""
    cursor.execute(
        statements("transcripts")["note_identity_of_one"],
        {
            "session_key": found.session_key,
            "session_id": session_id(found, identity),
            "agent": agent or UNKNOWN_AGENT,
            "client_version": identity.client_version,
            "cwd": identity.cwd,
            "project": last_part(identity.cwd),
        },
    )
