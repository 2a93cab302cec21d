"""Transcripts that earlier walks have found: where they are, and how to have them read anew."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import duckdb

from sessionmill.collect.roots import path_kind
from sessionmill.errors import SessionUnknown
from sessionmill.run.messages import mark
from sessionmill.store.statements import statements


class KnownTranscript(NamedTuple):
    """A row of `transcripts`, as far as people ask for it; times are UTC."""

    session_key: str
    session_id: str
    username: str
    agent: str
    client_version: str | None
    project: str | None
    root: str
    path: str
    #: Bytes, as seen last.
    size: int
    gone_at: datetime | None


def known_transcripts(
    cursor: duckdb.DuckDBPyConnection, session_key: str | None = None
) -> list[KnownTranscript]:
    """Return what walks have found; of one session key, or of all."""
    rows = cursor.execute(
        statements("known")["known_transcripts"], {"session": session_key}
    ).fetchall()
    return [KnownTranscript(*row) for row in rows]


class Reading(NamedTuple):
    """How far a processor has taken a transcript in: of its row in `session_processor_state`."""

    session_key: str
    version: int | None
    #: As observed before the last reading.
    size: int | None
    mtime_ns: int | None
    #: Byte behind all that was taken in, an unterminated last line too; its fingerprint.
    end: int
    fingerprint: str | None


def transcripts_of_session(
    cursor: duckdb.DuckDBPyConnection, username: str, session_id: str
) -> list[KnownTranscript]:
    """Return every transcript of a session, the main one first."""
    rows = cursor.execute(
        statements("known")["transcripts_of_session"], {"user": username, "session": session_id}
    ).fetchall()
    known = [KnownTranscript(*row) for row in rows]
    return sorted(known, key=lambda one: (path_kind(one.session_key) != "main", one.session_key))


def readings(
    cursor: duckdb.DuckDBPyConnection, processor: str, session_keys: Sequence[str]
) -> dict[str, Reading]:
    """Return how far an extractor has come, by session key; without what it never took in."""
    given = {"processor": processor, "keys": list(session_keys)}
    rows = cursor.execute(statements("known")["readings"], given).fetchall()
    found = {}
    for key, version, size, mtime_ns, offset, fingerprint, carry in rows:
        rest = mark.decode(carry).rest if carry else 0
        found[key] = Reading(key, version, size, mtime_ns, (offset or 0) + rest, fingerprint)
    return found


def resolve(cursor: duckdb.DuckDBPyConnection, given: str) -> str:
    """Return the session key that a key, a session id or the start of one names.

    Of a session with several transcripts, its main one. Raises SessionUnknown.
    """
    rows = cursor.execute(statements("known")["matching"], {"given": given}).fetchall()
    keys, sessions = [key for key, *_ in rows], {(user, id_) for _, user, id_ in rows}
    if len(keys) > 1 and len(sessions) == 1:
        keys = [min(keys, key=lambda key: (path_kind(key) != "main", len(key)))]
    if len(keys) != 1 or not given:
        raise SessionUnknown(given, keys)
    return str(keys[0])


def begin_anew(
    cursor: duckdb.DuckDBPyConnection, processor: str, session_keys: Sequence[str]
) -> None:
    """Make transcripts pending from their start, dead letters too.

    Their rows stay until they are replaced.
    """
    cursor.execute(
        statements("known")["begin_anew"], {"processor": processor, "keys": list(session_keys)}
    )


def processed_by(
    cursor: duckdb.DuckDBPyConnection, processor: str, session_key: str | None
) -> list[str]:
    """Return the keys of the transcripts that a processor has a state of; of one, or of all."""
    rows = cursor.execute(
        statements("known")["processed_by"], {"processor": processor, "session": session_key}
    ).fetchall()
    return [key for (key,) in rows]
