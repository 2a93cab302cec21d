"""A data directory and the transcripts it reads: put some there, take them in, ask the tables.

    books.put("alice/0f3c.jsonl", transcript)
    books.take_in()
    books.totals()["output_tokens"]

`run` is the product's whole way, with its worker processes. `take_in` is the same way with the
worker's part in this process, three times as fast; test_any_cut.py shows that both end in the
same tables.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import duckdb

from sessionmill.app import App
from sessionmill.audit.comparison import Comparison, compare
from sessionmill.audit.reading import recounted
from sessionmill.audit.stored import stored
from sessionmill.collect.discover import Walk, walk
from sessionmill.collect.roots import sessions_root
from sessionmill.config import Config
from sessionmill.plugins import Processor, build
from sessionmill.process.usage import Usage
from sessionmill.recount import election
from sessionmill.registry import Registry
from sessionmill.run import messages
from sessionmill.run.batches import Gathered, batches
from sessionmill.run.extract_work import ExtractWork
from sessionmill.run.extracting import Extracting
from sessionmill.run.messages import Channel, Progress
from sessionmill.run.note import Note
from sessionmill.run.tally import Tally
from sessionmill.testing import Transcript
from sessionmill.view import reports

Row = dict[str, Any]

TABLES = (
    "responses",
    "tool_calls",
    "slash_commands",
    "prompts",
    "events",
    "malformed_lines",
    "line_types",
)
#: Rollups, and views over them.
_SUMS = re.compile(r"_rollup\b|hourly_usage|session_usage|session_work")
#: What reading has told of a transcript; the rest of its row is about the file.
_TOLD = "session_key, session_id, username, agent, client_version, cwd, project"


class Books:
    """One data directory, with a folder of transcripts beside it."""

    def __init__(self, folder: Path) -> None:
        self.sessions = folder / "sessions"
        self.sessions.mkdir(parents=True)
        self._data = folder / "data"
        self._data.mkdir(mode=0o700)
        for name, content in _prepared().items():
            (self._data / name).write_bytes(content)
        self.app = _open(self._data)
        self._sent = _Sent()
        self._worker: Extracting | None = None
        self._now = datetime(2026, 3, 20, tzinfo=UTC)
        self._written = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.app.facts.close()

    def reopen(self) -> None:
        """Go on as another command would, which knows what is stored and no more."""
        self.app.facts.close()
        self.app = _open(self._data)

    # Transcripts

    def put(self, key: str, content: Transcript | bytes) -> Path:
        """Write a transcript's file, or put another in its place."""
        path = self.sessions / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(content))
        # Every write has a time of its own, as it would have at the pace of people.
        self._written += 1
        os.utime(path, ns=(0, self._written * 1_000_000_000))
        return path

    def remove(self, key: str) -> None:
        """Delete a transcript's file, as clients do after some weeks."""
        (self.sessions / key).unlink(missing_ok=True)

    def forget_transcripts(self) -> None:
        """Make room on the disk."""
        shutil.rmtree(self.sessions)

    # Reading

    @property
    def processors(self) -> list[Processor]:
        return self.app.registry.named(())

    def walk(self) -> Walk:
        return walk([sessions_root(self.sessions)])

    def run(self, *names: str) -> list[Tally]:
        """Run processors (all, without names), and hold them to having met no error."""
        tallies = self.app.run(self.app.registry.named(names), self.walk())
        _hold_to_no_error(tallies)
        return tallies

    def take_in(self, *, version: int = Usage.version) -> None:
        """Read what is new or changed, or of another `version`, as a run does.

        Sums are rolled up when they are asked for: that takes longer than all the rest.
        """
        processors = [replace(p, version=version) for p in self.processors]
        store = self.app.store
        store.prepare(processors)
        store.note_walk(self.walk(), self._now)
        tallies = [Tally(processor.name) for processor in processors]
        tasks = [store.pending(processor, self._now) for processor in processors]
        work = ExtractWork(store, lambda: self._now, lambda: 0.0, processors, tallies, tasks)
        _, waiting = work.split([])
        gathered = Gathered()
        for jobs in waiting or batches([], 1):
            self._work(processors).work(messages.Batch(list(jobs)))
        for progress in self._sent.take():
            gathered.outcomes += progress.outcomes
            gathered.rows += progress.rows
        work.commit(gathered, [])
        _hold_to_no_error(tallies)

    def _work(self, processors: list[Processor]) -> Extracting:
        """Return the worker's part, which outlives a run as a worker may."""
        if self._worker is None:
            built = {n: build(p.spec, p.folder, p.settings) for n, p in enumerate(processors)}
            self._worker = Extracting(self._sent, _Unread(), built, self._data / "spool")
        return self._worker

    # Asking

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return what reports are asked of, with all sums rolled up."""
        assert self.app.store.roll_up(self.processors) == {}
        return self.app.facts.cursor()

    def ask(self, sql: str, *parameters: object) -> list[Row]:
        """Return what a query finds."""
        cursor = self.cursor() if _SUMS.search(sql) else self.app.facts.cursor()
        cursor.execute(sql, list(parameters))
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def rollups_that_differ(self) -> list[str]:
        """Return the rollups that are not what the same SQL says of all rows now."""
        return [
            name
            for processor in self.processors
            for name, sql in processor.rollups.items()
            if self.ask(f"(FROM ({sql}) EXCEPT ALL FROM {name})")
            or self.ask(f"(FROM {name} EXCEPT ALL FROM ({sql}))")
        ]

    def rows(self, table: str, where: str = "true") -> list[Row]:
        """Return a table's rows, as the transcripts have them."""
        return self.ask(f"FROM {table} WHERE {where} ORDER BY session_key, line_offset")

    def row(self, table: str, where: str = "true") -> Row:
        """Return the one row there is."""
        [row] = self.rows(table, where)
        return row

    def counted(self, table: str, where: str = "true") -> list[Row]:
        """Return the rows that reports count."""
        return self.rows(table, f"counted AND ({where})")

    def totals(self) -> dict[str, int]:
        """Return what `report usage` says of everything."""
        rows = reports.usage(self.cursor(), "total")
        return dict(zip(rows.columns, rows.values[0], strict=True))

    def figures(self) -> dict[str, int]:
        """Return the totals that the second count has too: all but costs."""
        totals = self.totals()
        return {name: totals[name] for name in election.ALL_FIGURES}

    def recounted(self) -> dict[str, int]:
        """Return what the second count, which shares no code with the first, says of it all."""
        return election.recount(election.files_of_everyone(self.sessions))

    def audit(self) -> Comparison:
        """Compare the tables with the second count, as `sessionmill audit-usage` does."""
        tables = stored(self.app.facts.cursor(), version=Usage.version)
        return compare(tables, recounted(tables.transcripts))

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of every table, with every column."""
        cursor = self.app.facts.cursor()
        tables = {name: cursor.execute(f"FROM {name} ORDER BY ALL").fetchall() for name in TABLES}
        told = cursor.execute(f"SELECT {_TOLD} FROM transcripts ORDER BY ALL")  # noqa: S608
        return {**tables, "transcripts": told.fetchall()}

    def tables_of(self, username: str) -> dict[str, list[str]]:
        """Return what one user's transcripts have told, without the username."""
        cursor = self.app.facts.cursor()
        told: dict[str, list[str]] = {}
        for name in (*TABLES, "transcripts"):
            rows = cursor.execute(self._without_username(name), {"user": username}).fetchall()
            told[name] = sorted(text for text, _ in rows)
        return told

    def differences(self) -> list[str]:
        """Return rows that only some users have, where all have the same below their folders."""
        cursor = self.app.facts.cursor()
        [users] = self.ask("SELECT count(DISTINCT username) AS n FROM transcripts")
        found: list[str] = []
        for name in (*TABLES, "transcripts"):
            rows = cursor.execute(
                f"SELECT text, count(*), min(username) FROM ({self._without_username(name)})"  # noqa: S608
                " GROUP BY text HAVING count(*) <> $users",
                {"user": None, "users": users["n"]},
            ).fetchall()
            found += [f"{name}: {n} users, like {user}: {text}" for text, n, user in rows]
        return found

    def _without_username(self, table: str) -> str:
        """Return the query of a table's rows as texts, of $user or of all."""
        cursor = self.app.facts.cursor().execute(f"FROM {table} LIMIT 0")
        names = [column[0] for column in cursor.description or ()]
        columns = _TOLD if table == "transcripts" else "*"
        if "key_hash" in names:
            # The id of what has none is its place, and begins with the username.
            columns = "* EXCLUDE (key_hash)"
        return (
            "SELECT replace(r::VARCHAR, username, '(user)') AS text, username"  # noqa: S608
            f" FROM (SELECT {columns} FROM {table}) r WHERE $user IS NULL OR username = $user"
        )


def _open(data: Path) -> App:
    config = Config(data)
    return App(config, Registry.of(config), "test")


@cache
def _prepared() -> dict[str, bytes]:
    """Return the files of facts with every table and view, and with no transcript.

    To make them takes longer than most tests of accounting, and comes to the same each time.
    """
    with TemporaryDirectory(prefix="sessionmill-books-") as folder:
        data = Path(folder, "data")
        with _open(data) as app:
            app.store.prepare(app.registry.named(()))
        return {name: (data / name).read_bytes() for name in ("facts.duckdb", "commit_number")}


def _hold_to_no_error(tallies: list[Tally]) -> None:
    errors = [(tally.processor, *error) for tally in tallies for error in tally.errors]
    assert not errors, errors


class _Sent(Channel):
    """In the place of the socket to the owner: keeps what the worker's part sends."""

    def __init__(self) -> None:
        self._progress: list[Progress] = []

    def send(self, body: bytes, kind: int = messages.MESSAGE) -> None:
        message = messages.from_worker.decode(body)
        assert isinstance(message, Progress) and kind == messages.MESSAGE
        self._progress.append(message)

    def take(self) -> Iterator[Progress]:
        while self._progress:
            yield self._progress.pop(0)


class _Unread(Note):
    """In the place of the memory shared with the owner, who is here."""

    def __init__(self) -> None:
        pass

    def write(self, job: int, processor: int = 0) -> None:
        pass
