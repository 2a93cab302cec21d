"""What health and metrics are told of the facts: plain figures, gathered at one moment.

To gather them takes tens of milliseconds over 100,000 transcripts, more beside a backfill; to judge
them takes none. So a service gathers in the background, and says how old its figures are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from sessionmill.plugins import Processor
from sessionmill.view.reports import named_statements

#: Sessions that were tried within it tell how a processor does now, whatever it did before.
LATELY = timedelta(hours=24)
#: Time over which the growth of the facts is measured.
GROWTH_OVER = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfProcessor:
    """How one processor ran, and how it stands with the transcripts that exist. Times are UTC."""

    name: str
    version: int
    cadence: timedelta
    #: When its last run began; None if it never ran.
    last_run_at: datetime | None = None
    #: ok, errors, capped, paused, broken off.
    last_outcome: str | None = None
    last_errors: int = 0
    #: When the last run began that ended well, or that processed something.
    last_success_at: datetime | None = None
    first_run_at: datetime | None = None
    #: When the loaded version first ran.
    began_at: datetime | None = None
    broken_in_a_row: int = 0
    paused_since: datetime | None = None
    resume_at: datetime | None = None
    #: The processor's own words.
    pause_reason: str | None = None
    #: Runs in a row that saw no transcript at all, where one before saw some.
    unseeing_in_a_row: int = 0
    #: Runs in a row that found nothing to read, where one before found something.
    silent_in_a_row: int = 0
    silent_since: datetime | None = None
    #: Transcripts that wait to be read; not those that failed and wait for their next try.
    pending: int = 0
    #: Since when the one waits that waits longest.
    waiting_since: datetime | None = None
    #: Transcripts that it has tried: failing and dead ones among them.
    tried: int = 0
    failing: int = 0
    dead: int = 0
    tried_lately: int = 0
    failing_lately: int = 0
    last_processed_at: datetime | None = None

    @property
    def is_paused(self) -> bool:
        """Whether it has asked to be run later."""
        return self.last_outcome == "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What the facts tell, as of `at`."""

    at: datetime
    processors: Sequence[OfProcessor]
    #: How many transcripts that exist each root holds, as the facts know.
    held_by_roots: Mapping[str, int] = field(default_factory=dict)
    transcript_bytes: int = 0
    #: Of transcripts first seen within `GROWTH_OVER`.
    new_transcript_bytes: int = 0
    first_seen_at: datetime | None = None
    commit_number: int = 0
    #: The number of the last commit, as it stood beside the facts before they were asked.
    noted_commit: int | None = None


def gather(
    cursor: duckdb.DuckDBPyConnection,
    processors: Sequence[Processor],
    now: datetime,
    *,
    roots: Sequence[str] | None = None,
    noted_commit: int | None = None,
) -> Gathered:
    """Ask the facts; only transcripts below `roots`, where they are named, can wait.

    Read `noted_commit` before the call: the facts may go on meanwhile, and must not be behind it.
    """
    sql = named_statements("health")
    names = [p.name for p in processors]
    versions = [p.version for p in processors]
    given: dict[str, Any] = {"processors": names, "versions": versions}
    runs = _by_processor(cursor.execute(sql["runs"], given))
    asked = given | {
        "main_only": [p.main_only for p in processors],
        "began": [_naive(runs.get(name, {}).get("began_at")) for name in names],
        "roots": None if roots is None else list(roots),
        "now": _naive(now),
        "recently": _naive(now - LATELY),
    }
    sessions = _by_processor(cursor.execute(sql["sessions"], asked))
    held = dict(cursor.execute(sql["held_by_roots"]).fetchall())
    since = {"since": _naive(now - GROWTH_OVER)}
    [(size, new, first_seen_at)] = cursor.execute(sql["growth"], since).fetchall()
    [(number,)] = cursor.execute(sql["commit_number"]).fetchall()
    return Gathered(
        at=now,
        processors=[
            OfProcessor(
                name=p.name,
                version=p.version,
                cadence=p.cadence.period(),
                **runs.get(p.name, {}),
                **sessions.get(p.name, {}),
            )
            for p in processors
        ],
        held_by_roots=held,
        transcript_bytes=size,
        new_transcript_bytes=new,
        first_seen_at=_aware(first_seen_at),
        commit_number=number,
        noted_commit=noted_commit,
    )


def _by_processor(cursor: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    columns = [column[0] for column in cursor.description or ()]
    return {
        name: {
            column: _aware(value) if isinstance(value, datetime) else value
            for column, value in zip(columns[1:], values, strict=True)
        }
        for name, *values in cursor.fetchall()
    }


def _naive(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC).replace(tzinfo=None)


def _aware(at: datetime | None) -> datetime | None:
    return None if at is None else at.replace(tzinfo=UTC)
