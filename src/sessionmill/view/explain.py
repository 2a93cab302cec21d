"""Why a report says what it says: every line that contributed, and a verdict on their sum."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from io import BufferedIOBase, RawIOBase
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from sessionmill.collect.contents import opened
from sessionmill.collect.discover import Found
from sessionmill.collect.known import find_again
from sessionmill.collect.roots import path_kind
from sessionmill.contracts import Transcript
from sessionmill.decode.lines import TranscriptDecoder
from sessionmill.decode.records import Record
from sessionmill.decode.tail import Reader, Rest
from sessionmill.errors import (
    IdUnknown,
    TranscriptClosed,
    TranscriptGone,
    TranscriptUnreadable,
    UsageError,
)
from sessionmill.process.usage import Usage
from sessionmill.run.extracting import fingerprint
from sessionmill.store.known import (
    KnownTranscript,
    Reading,
    known_transcripts,
    readings,
    transcripts_of_session,
)
from sessionmill.view import reports
from sessionmill.view.contributions import (
    Contribution,
    Contributions,
    Rows,
    Statement,
    Step,
    Sum,
    Sums,
    statements,
)
from sessionmill.view.figures import FactsFigures, Scope

#: The columns of a row, as JSON names them.
COLUMNS = [field.name for field in fields(Contribution)]
#: A transcript is read in slices of this size, and its figures are asked for in so many rows.
_SLICE_BYTES = 1024 * 1024
_STEPS = 2000


class Traced(NamedTuple):
    """How a transcript was traced."""

    session_key: str
    #: read, grown, replaced, gone, unreadable, unread (nothing is taken in).
    state: str
    #: Bytes of text whose lines were looked at: what is taken in.
    traced_bytes: int
    #: Bytes behind these that no run has taken in yet.
    new_bytes: int
    #: Processed by other rules than these, which a run will see to.
    other_version: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """What lines say, what that comes to, and whether the tables say the same."""

    transcripts: list[Traced]
    rows: list[Contribution]
    truncated: bool
    sums: list[Sum]
    #: Transcripts whose lines come to something else than the tables say.
    differing: list[str]

    @property
    def agrees(self) -> bool:
        """Tell whether all that lines add is what the tables say."""
        return not self.differing

    @property
    def is_whole(self) -> bool:
        """Tell whether a run would leave these transcripts as they are."""
        pending = {"grown", "replaced", "unread"}
        return not any(t.state in pending or t.other_version for t in self.transcripts)

    def document(self) -> dict[str, Any]:
        """Return it as JSON shows it."""
        values = [tuple(getattr(row, name) for name in COLUMNS) for row in self.rows]
        listed = {
            "transcripts": reports.Rows(list(Traced._fields), list(self.transcripts)),
            "sums": reports.Rows(list(Sum._fields), list(self.sums)),
        }
        return {
            **reports.Rows(COLUMNS, values, self.truncated).document(),
            **{name: rows.document() for name, rows in listed.items()},
            "agrees": self.agrees,
        }


def explain_session(
    cursor: duckdb.DuckDBPyConnection, of: KnownTranscript, spool: Path, *, limit: int
) -> Explanation:
    """Trace the figures of the session that a transcript belongs to; at most `limit` rows.

    Sums are over all lines. Raises UsageError for a limit below 1.
    """
    known = transcripts_of_session(cursor, of.username, of.session_id)
    return _explain(cursor, Scope(of.username, of.session_id), known, spool, limit)


def explain_id(
    cursor: duckdb.DuckDBPyConnection, id: str, spool: Path, *, limit: int
) -> Explanation:
    """Trace one response, its earlier iterations, or a call, in all transcripts of all users.

    Raises IdUnknown, and UsageError for a limit below 1.
    """
    scope = Scope(id=id)
    keys = FactsFigures(cursor, Usage()).holding(scope)
    if not keys:
        raise IdUnknown(id)
    known = [one for key in keys for one in known_transcripts(cursor, key)]
    return _explain(cursor, scope, known, spool, limit)


def _explain(
    cursor: duckdb.DuckDBPyConnection,
    scope: Scope,
    known: Sequence[KnownTranscript],
    spool: Path,
    limit: int,
) -> Explanation:
    if limit < 1:
        raise UsageError("--limit is more than zero")
    usage = Usage()
    figures = FactsFigures(cursor, usage)
    taken_in = readings(cursor, usage.name, [one.session_key for one in known])
    traced: list[Traced] = []
    rows: list[Contribution] = []
    sums, truncated = Sums(), False
    for one in known:
        for row in _trace(one, taken_in.get(one.session_key), usage, figures, scope, spool, traced):
            sums.add(row)
            if len(rows) < limit:
                rows.append(row)
            else:
                truncated = True
    told = figures.reported(scope)
    names = [n for n in figures.names if n in _named(sums, told)]
    return Explanation(traced, rows, truncated, sums.against(names, told), sums.differing(told))


def _named(sums: Sums, told: Any) -> set[str]:
    """Return the figures that anything is told of."""
    named = set(sums.discarded)
    return named.union(*sums.counted.values(), *told.values())


# ── one transcript ──


def _trace(
    known: KnownTranscript,
    reading: Reading | None,
    usage: Usage,
    figures: FactsFigures,
    scope: Scope,
    spool: Path,
    traced: list[Traced],
) -> Iterator[Contribution]:
    """Yield what the lines of a transcript come to, and note how it was traced."""
    transcript = Transcript(
        key=known.session_key,
        username=known.username,
        session_id=known.session_id,
        agent=known.agent,
        path_kind=path_kind(known.session_key),
    )
    contributions = Contributions(known.session_key, figures.uncounted(known.session_key))
    with _lines(known, reading, spool) as (how, records):
        traced.append(how._replace(other_version=_is_other(reading, usage)))
        said: Iterable[Statement] = statements(usage, transcript, records)
        if how.state in ("gone", "replaced", "unreadable"):
            said = figures.stored(known.session_key, "gone")
        grown = Rows()
        steps = (grown.step(statement) for statement in said if scope.has(statement))
        while batch := list(islice(steps, _STEPS)):
            yield from _contributions(batch, transcript, contributions, figures)


def _contributions(
    steps: Sequence[Step],
    transcript: Transcript,
    contributions: Contributions,
    figures: FactsFigures,
) -> Iterator[Contribution]:
    for step, alone, after in figures.of(transcript, steps):
        yield contributions.of(step, alone, after)


def _is_other(reading: Reading | None, usage: Usage) -> bool:
    return reading is not None and reading.version != usage.version


@contextmanager
def _lines(
    known: KnownTranscript, reading: Reading | None, spool: Path
) -> Iterator[tuple[Traced, Iterator[Record]]]:
    """Give the lines that are taken in, and how they were found; none where they are not there."""
    key = known.session_key
    records: Iterator[Record] = iter(())
    with ExitStack() as opening:
        try:
            found = find_again(known)
            if reading is None:
                how = Traced(key, "unread", 0, found.size, False)
            else:
                given = opened(Path(found.path), found.size, spool)
                file, size = opening.enter_context(given)
                how = _compared(found, reading, file.fileno(), size)
                records = _records(known, file, how.traced_bytes)
        except (TranscriptGone, FileNotFoundError):
            how = Traced(key, "gone", 0, 0, False)
        except (TranscriptClosed, TranscriptUnreadable, OSError):
            how = Traced(key, "unreadable", 0, 0, False)
        yield how, records


def _compared(found: Found, reading: Reading, fd: int, size: int) -> Traced:
    """Compare a transcript of `size` bytes of text with what was taken in of it."""
    key, new = found.session_key, size - reading.end
    if (found.size, found.mtime_ns) == (reading.size, reading.mtime_ns):
        return Traced(key, "read", reading.end, 0, False)
    if reading.end and (new < 0 or fingerprint(fd, reading.end) != reading.fingerprint):
        return Traced(key, "replaced", 0, size, False)
    return Traced(key, "grown" if new else "read", reading.end, new, False)


def _records(
    known: KnownTranscript, file: RawIOBase | BufferedIOBase, end: int
) -> Iterator[Record]:
    """Yield the records of the first `end` bytes; an unterminated line among them as it was read.

    Raises TranscriptClosed.
    """
    decoder = TranscriptDecoder(known.session_key, path_kind(known.session_key))
    try:
        for part in Reader(_SLICE_BYTES).slices(file, 0, end):
            if isinstance(part, Rest):
                yield from decoder.decode_rest(part)
            else:
                yield from decoder.decode(part)
    except OSError as error:
        raise TranscriptClosed(known.session_key, known.path, error.strerror) from error
