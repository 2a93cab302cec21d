"""What the tables hold: of transcripts where they are, of usage each row and each figure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import duckdb

from sessionmill.recount.rows import FIGURES, Row
from sessionmill.store.statements import parse


class KnownTranscript(NamedTuple):
    """A row of `transcripts`, and how `usage` stands with it."""

    session_key: str
    username: str
    session_id: str
    agent: str
    root: str
    path: str
    size: int
    mtime_ns: int
    #: Why it cannot be recounted, as far as the facts tell: gone, failed, pending.
    reason: str | None

    @property
    def is_known(self) -> bool:
        """Say whether it is of a known format, so that its session counts."""
        return self.agent != "unknown"


class StoredRow(NamedTuple):
    """One row of a table of usage."""

    row: Row
    session_id: str
    username: str
    counted: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """All of it, by session key."""

    transcripts: list[KnownTranscript]
    rows: dict[str, list[StoredRow]]
    #: What reports add up: (username, session id, figure by class).
    figures: dict[str, list[tuple[str, str, dict[str, int]]]]
    #: Of Claude Code by day, UTC: input, output, cache read, cache written.
    days: dict[str, tuple[int, int, int, int]]


def stored(cursor: duckdb.DuckDBPyConnection, version: int) -> Stored:
    """Read what the tables hold; `version` is that of the processor `usage`."""
    sql = _statements()
    known = cursor.execute(sql["transcripts"], {"version": version}).fetchall()
    rows: dict[str, list[StoredRow]] = defaultdict(list)
    for table in FIGURES:
        for key, session, user, id, offset, order, eligible, counted, figures in cursor.execute(
            sql[table]
        ).fetchall():
            row = Row(table, id, offset, tuple(order), eligible, tuple(figures))
            rows[key].append(StoredRow(row, session, user, counted))
    figures_of: dict[str, list[tuple[str, str, dict[str, int]]]] = defaultdict(list)
    cursor.execute(sql["figures"])
    names = [column[0] for column in cursor.description or ()][3:]
    for key, user, session, *figures in cursor.fetchall():
        figures_of[key].append((user, session, dict(zip(names, figures, strict=True))))
    by_day = cursor.execute(sql["claude_by_day"]).fetchall()
    days = {day: (fresh, output, read, write) for day, fresh, output, read, write in by_day}
    return Stored([KnownTranscript(*row) for row in known], rows, figures_of, days)


@cache
def _statements() -> dict[str, str]:
    return parse(files(__package__).joinpath("sql", "audit.sql").read_text("utf-8"))
