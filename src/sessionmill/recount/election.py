"""Of several copies of a row within one username one is elected, and only elected rows count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sessionmill.recount.rows import FIGURES, Row
from sessionmill.recount.transcripts import content_of, read_transcript

#: A session key, a username, a content.
File = tuple[str, str, bytes]
#: Every class of figures, in the order of reports.
ALL_FIGURES = ("transcripts", "sessions", *(name for names in FIGURES.values() for name in names))

#: A username, a table, an id: what copies share.
_Copies = tuple[str, str, str]


@dataclass
class Election:
    """The copies of every row, of which the preferred one is elected; in any sequence."""

    _first: dict[_Copies, tuple[tuple[int, ...], bytes, Row]] = field(default_factory=dict)

    def add(self, username: str, session_key: str, row: Row) -> None:
        """Take in one transcript's copy of a row."""
        place = session_key.encode("utf-8", "surrogateescape")
        votes = (row.order, place, row)
        first = self._first.setdefault((username, row.table, row.id), votes)
        if votes[:2] < first[:2]:
            self._first[username, row.table, row.id] = votes

    def elected(self, username: str, row: Row) -> str | None:
        """Return the session key of the copy that counts; None where none does."""
        _, place, first = self._first[username, row.table, row.id]
        return place.decode("utf-8", "surrogateescape") if first.eligible else None

    def counted(self) -> Iterator[Row]:
        """Yield each row that counts."""
        return (row for _, _, row in self._first.values() if row.eligible)


def recount(files: Iterable[File]) -> dict[str, int]:
    """Return the totals of each class over the files."""
    totals = dict.fromkeys(ALL_FIGURES, 0)
    election, sessions = Election(), set()
    for key, username, content in files:
        transcript = read_transcript(key, content)
        totals["transcripts"] += 1
        if transcript.format is not None:
            sessions.add((username, transcript.session))
        for row in transcript.rows():
            election.add(username, key, row)
    totals["sessions"] = len(sessions)
    for row in election.counted():
        for name, figure in zip(FIGURES[row.table], row.figures, strict=True):
            totals[name] += figure
    return totals


def files_of(directory: Path, username: str) -> Iterator[File]:
    """Yield every transcript below one person's directory."""
    for path in sorted(directory.rglob("*.jsonl")):
        if path.is_file():
            key = f"{username}/{path.relative_to(directory).as_posix()}"
            yield key, username, content_of(path)


def files_of_everyone(sessions: Path) -> Iterator[File]:
    """Yield every transcript of a directory that holds a folder per user."""
    for folder in sorted(sessions.iterdir()):
        if folder.is_dir():
            yield from files_of(folder, folder.name)
