"""What a processor can be: the two contracts, and the values that cross them.

* An **effectful** processor (`SessionProcessor`) gets a path and a connection and does what it
  likes; its rows and its progress are committed together.
* An **extractor** (`Extractor`) is pure: records in, rows out. It runs in parallel, an append
  costs what was appended, and the framework stores its rows by the rules its tables declare.

Both enter by the same door (`sessionmill.plugins`). Nothing here imports the rest of the program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import logging

    import duckdb

    from sessionmill.decode.records import Record

__all__ = [
    "COLUMN_TYPES",
    "Column",
    "Completion",
    "Extraction",
    "Extractor",
    "PathKind",
    "ProcessorContext",
    "ProcessorResult",
    "RetryLater",
    "Row",
    "SessionProcessor",
    "Table",
    "Transcript",
]


# ── effectful ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class ProcessorResult:
    """What `process_session` returns: how many rows it wrote, as its run reports them."""

    items_count: int = 0


@runtime_checkable
class SessionProcessor(Protocol):
    """Reads one whole transcript and writes what it likes through `conn`.

    * Raise, and nothing of this session is kept; it is tried again later.
    * Return, and its rows and its state are committed together.

    Optional attributes, with their defaults: `version` (1; a new one reprocesses what can be
    read), `timeout_seconds` (300, for one session), `memory_limit_mb` (2048, resident),
    `max_attempts` (5), `transcripts` ("all"; "main" leaves agent files out), `changes` (none: by
    version, a sentence on what it changed and why) and `tables` (none): names of its tables, each
    with a `session_key` column, whose rows of a session the framework deletes before that session
    is processed again.
    """

    #: Its identity in the database and in URLs: rename it, and it starts from nothing.
    name: str
    #: How often the scheduler runs it; the configuration may override.
    cadence_minutes: int

    def process_session(
        self,
        session_path: Path,
        username: str,
        session_key: str,
        conn: duckdb.DuckDBPyConnection,
    ) -> ProcessorResult:
        """Process the transcript at `session_path` (local, uncompressed)."""


# ── extractor ────────────────────────────────────────────────────────────────────────────────

#: How a later row of the same (session key, key) completes an earlier one: `keep` the first
#: value, `fill` what was NULL, or take the larger (`max`) or the smaller (`min`).
Completion = Literal["keep", "fill", "max", "min"]

PathKind = Literal["main", "agent_file"]

#: One row, in the order of its table's columns (a NamedTuple reads best), or by column name.
Row = tuple[Any, ...] | Mapping[str, Any]


#: What a column may hold; for TIMESTAMP (UTC) rows hold aware datetimes.
COLUMN_TYPES = (
    "VARCHAR",
    "BIGINT",
    "INTEGER",
    "UTINYINT",
    "UBIGINT",
    "DOUBLE",
    "BOOLEAN",
    "TIMESTAMP",
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an extractor's table."""

    name: str
    #: One of COLUMN_TYPES.
    type: str
    completion: Completion = "fill"
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that an extractor fills; the framework creates it and writes to it.

    The framework adds `session_key, session_id, username, agent` to every row. Where `elect_by`
    is given, several transcripts may hold copies of one thing: of all rows of one username with
    the same key, one gets `counted = true`, the first in the order `elect_by` (SQL over the
    table's columns, each with DESC or without), then the smaller session key; and only if
    `eligible` holds for that first row.
    """

    name: str
    #: The columns that identify a row within its transcript; never NULL.
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    comment: str = ""
    elect_by: tuple[str, ...] = ()
    #: An SQL condition over the table's columns, e.g. "name IS NOT NULL".
    eligible: str = "true"
    #: Columns computed from the others whenever a row is written: name -> (type, SQL, comment).
    derived: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """The transcript whose records an extractor is given."""

    #: `<username>/<path below the user's directory>`.
    key: str
    username: str
    #: None until a record has named it; the framework fills `session_id` columns itself.
    session_id: str | None
    #: "claude-code", "codex" or "unknown".
    agent: str
    path_kind: PathKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """What an extractor makes of one slice of records."""

    rows: Mapping[str, Sequence[Row]]
    #: Byte up to which the transcript is taken in: the end of the last record, or less to be
    #: given the records from there on again, with those that follow.
    safe_offset: int
    #: Handed back with the next slice: None, or what msgpack can hold, at most 64 kB of it.
    carry: Any = None


@runtime_checkable
class Extractor(Protocol):
    """Turns records into rows; pure: no clock, no files, no network, no memory but `carry`.

    * It is given a transcript's records in order, in slices of whole lines (at most 24 MB, or one
      longer line alone), and `carry` as the slice before returned it (None at the start).
    * An unterminated last line comes in a call of its own: its rows are stored, its safe offset
      and carry are dropped, and the line comes again once it is whole.
    * However a transcript grew, the tables must be those of reading it once. Rows are completed
      by key, never withdrawn; so let a later record fill in an earlier one's row.

    Optional attributes: as for `SessionProcessor`, and

    * `views`: name -> SELECT over its tables;
    * `rollups`: name -> SELECT over its tables and views, kept as a table of that name, with the
      columns `username` and `session_id`. What it says of a session must follow from the rows of
      that session alone: it is made anew where these change. A view may read a rollup, but not a
      rollup such a view.
    """

    name: str
    cadence_minutes: int
    tables: Sequence[Table]

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        """Return the rows of `records`."""


# ── either kind ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorContext:
    """Given to a class whose `__init__` takes one argument."""

    #: `[processors.<name>]` of the configuration.
    settings: Mapping[str, Any]
    #: A directory of its own, kept across runs and not rolled back: caches live there.
    folder: Path
    #: Masks what looks like a secret.
    redact: Callable[[str], str]
    log: logging.Logger


class RetryLater(Exception):
    """What the processor depends on is away: count no attempt and pause the whole processor.

    `after` is the least wait in seconds; without it the pause grows from a minute to an hour.
    """

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.after = reason, after
