"""The tables against the second count: every figure, and where one differs, every row.

Both sides hold the transcripts that can be read again. Copies are elected among all: those that
cannot be read take part with the rows that are kept of them, and neither side counts them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from sessionmill.audit.reading import Recounted
from sessionmill.audit.stored import KnownTranscript, Stored, StoredRow
from sessionmill.recount.election import ALL_FIGURES, Election
from sessionmill.recount.rows import FIGURES, Row, Transcript

Key = TypeVar("Key", str, tuple[str, str])

_TWICE = "stored twice"
_MISSING = "a line tells it, and the tables have no row of it"
_LEFT_OVER = "the tables have a row of it, and no line tells it"
_OTHER = "its row holds other figures than its lines tell"
_VIEW = "the rows agree, and the view counted_usage adds them up otherwise"
_SESSION = "the transcript's lines tell another session, or another format"


class Difference(NamedTuple):
    """One thing of which the two counts say something else."""

    username: str
    session_id: str
    session_key: str
    line_offset: int | None
    #: The table of its row, or `transcripts`.
    table: str
    #: Of the row: a response id, a `tool_use` id, the uuid of a line, a place.
    id: str
    #: The class of figures; None where a copy differs that is not counted.
    figure: str | None
    #: What each side says.
    tables: int | None
    recount: int | None
    cause: str


class Figure(NamedTuple):
    """A class of figures, of one user or one session, as both sides have it."""

    tables: int
    recount: int


@dataclass
class Comparison:
    """What came of it."""

    #: By username, and by (username, session id): each class.
    users: dict[str, dict[str, Figure]] = field(default_factory=dict)
    sessions: dict[tuple[str, str], dict[str, Figure]] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def same(self) -> bool:
        """Say whether every figure and every row is the same."""
        figures = (figure for named in self.users.values() for figure in named.values())
        return not self.differences and all(f.tables == f.recount for f in figures)


def compare(tables: Stored, recounted: Recounted) -> Comparison:
    """Compare them."""
    return _Comparing(tables, recounted).comparison()


class _Comparing:
    def __init__(self, tables: Stored, recounted: Recounted) -> None:
        self._tables, self._recounted = tables, recounted
        self._users = {known.session_key: known.username for known in tables.transcripts}
        self._read = {known.session_key for known, _ in recounted.transcripts}
        self._rows = {
            transcript.key: {(row.table, row.id): row for row in transcript.rows()}
            for _, transcript in recounted.transcripts
        }
        self._election = Election()
        for key, rows in self._rows.items():
            for row in rows.values():
                self._election.add(self._users[key], key, row)
        for key, stored in tables.rows.items():
            if key not in self._read:
                for one in stored:
                    self._election.add(one.username, key, one.row)

    def comparison(self) -> Comparison:
        differences: list[Difference] = []
        for known, transcript in self._recounted.transcripts:
            found = [*self._of_transcript(known, transcript), *self._of_rows(known, transcript)]
            differences += found or self._of_view(known, transcript)
        for key in sorted(self._tables.rows.keys() - self._read):
            differences += self._of_left_out(key)
        users, sessions = self._figures()
        left_out = self._recounted.left_out
        return Comparison(users, sessions, differences, left_out)

    # ── figures ──

    def _figures(
        self,
    ) -> tuple[dict[str, dict[str, Figure]], dict[tuple[str, str], dict[str, Figure]]]:
        ours: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        theirs: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for known, transcript in self._recounted.transcripts:
            user, key = known.username, known.session_key
            ours[user, known.session_id]["transcripts"] += 1
            ours[user, known.session_id]["sessions"] |= known.is_known
            for username, session, figures in self._tables.figures.get(key, ()):
                ours[username, session].update(figures)
            theirs[user, transcript.session]["transcripts"] += 1
            theirs[user, transcript.session]["sessions"] |= transcript.format is not None
            theirs[user, transcript.session].update(self._counted(user, key))
        sessions = _paired(ours, theirs)
        return _paired(_by_user(ours), _by_user(theirs)), sessions

    def _counted(self, username: str, key: str) -> Counter[str]:
        """Add up the rows of a transcript that the election counts."""
        totals: Counter[str] = Counter()
        for row in self._rows[key].values():
            if self._election.elected(username, row) == key:
                totals.update(dict(zip(FIGURES[row.table], row.figures, strict=True)))
        return totals

    def _of_view(self, known: KnownTranscript, transcript: Transcript) -> Iterator[Difference]:
        ours: Counter[str] = Counter()
        for _, _, figures in self._tables.figures.get(known.session_key, ()):
            ours.update(figures)
        theirs = self._counted(known.username, known.session_key)
        for name in sorted(ours.keys() | theirs.keys()):
            if ours[name] != theirs[name]:
                yield Difference(
                    known.username,
                    transcript.session,
                    known.session_key,
                    None,
                    "counted_usage",
                    "",
                    name,
                    ours[name],
                    theirs[name],
                    _VIEW,
                )

    # ── rows ──

    def _of_transcript(
        self, known: KnownTranscript, transcript: Transcript
    ) -> Iterator[Difference]:
        told = transcript.session, transcript.format is not None
        if told != (known.session_id, known.is_known):
            yield Difference(
                known.username,
                transcript.session,
                known.session_key,
                None,
                "transcripts",
                known.session_id,
                "sessions",
                int(known.is_known),
                int(told[1]),
                _SESSION,
            )

    def _of_rows(self, known: KnownTranscript, transcript: Transcript) -> Iterator[Difference]:
        key, user = known.session_key, known.username
        waiting = dict(self._rows[key])
        seen: set[tuple[str, str]] = set()
        for one in self._tables.rows.get(key, ()):
            id = (one.row.table, one.row.id)
            told = waiting.pop(id, None)
            if id in seen or told is None:
                extra = _TWICE if id in seen else _LEFT_OVER
                yield from _row_differs(key, one, None, counts=False, cause=extra)
            else:
                counts = self._election.elected(user, told) == key
                cause = self._cause(one, told, transcript.session, counts=counts)
                if cause is not None:
                    yield from _row_differs(key, one, told, counts=counts, cause=cause)
            seen.add(id)
        for told in waiting.values():
            stored = StoredRow(told, transcript.session, user, counted=False)
            counts = self._election.elected(user, told) == key
            yield from _row_differs(key, stored, told, counts=counts, cause=_MISSING)

    def _of_left_out(self, key: str) -> Iterator[Difference]:
        """Compare which copies count of a transcript that cannot be read again."""
        for one in self._tables.rows[key]:
            counts = self._election.elected(one.username, one.row) == key
            if counts != one.counted:
                cause = self._cause(one, one.row, one.session_id, counts=counts)
                yield from _row_differs(key, one, one.row, counts=counts, cause=cause or _OTHER)

    def _cause(self, one: StoredRow, told: Row, session: str, *, counts: bool) -> str | None:
        """Say why a row differs from what its lines tell; None where it does not."""
        if (one.row.figures, one.row.order, one.row.offset) != (
            told.figures,
            told.order,
            told.offset,
        ):
            return _OTHER
        if one.session_id != session:
            return f"filed under the session {one.session_id}"
        if one.counted != counts:
            elected = self._election.elected(one.username, told)
            return (
                f"the copy to be counted is that of {elected}" if elected else "not to be counted"
            )
        return None


def _row_differs(
    key: str, stored: StoredRow, told: Row | None, *, counts: bool, cause: str
) -> Iterator[Difference]:
    """Yield a difference for each figure; one alone where no figure that counts differs."""
    row = told or stored.row
    ours = stored.row.figures if stored.counted else (0,) * len(row.figures)
    theirs = row.figures if counts else (0,) * len(row.figures)
    place = (stored.username, stored.session_id, key, row.offset, row.table, row.id)
    differing = [
        (name, our, their)
        for name, our, their in zip(FIGURES[row.table], ours, theirs, strict=True)
        if our != their
    ]
    for name, our, their in differing:
        yield Difference(*place, name, our, their, cause)
    if not differing:
        yield Difference(*place, None, None, None, cause)


def _paired(
    ours: dict[Key, Counter[str]], theirs: dict[Key, Counter[str]]
) -> dict[Key, dict[str, Figure]]:
    """Lay the two sides together."""
    return {
        key: {name: Figure(ours[key][name], theirs[key][name]) for name in ALL_FIGURES}
        for key in sorted(ours.keys() | theirs.keys())
    }


def _by_user(sessions: dict[tuple[str, str], Counter[str]]) -> dict[str, Counter[str]]:
    users: dict[str, Counter[str]] = defaultdict(Counter)
    for (username, _), figures in sessions.items():
        users[username].update(figures)
    return users
