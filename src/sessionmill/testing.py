"""A kit for testing processors: transcripts to build, and a store in memory to run them in.

    def test_calls_are_counted() -> None:
        said = ClaudeTranscript()
        said.call("Bash", {"command": "make test"}, result="3 passed")
        store = run_session(CallCounter, said)
        assert store.rows("call_counts", "name", "calls") == [{"name": "Bash", "calls": 1}]


    def test_however_it_grew_the_calls_are_the_same() -> None:
        check_any_cut(CallCounter, conversation())

A processor is given as its class, as "package.module:Class", or as an instance. It runs in this
process, by the code that workers run: a failing test shows where, a debugger can stop in it. Only
limits of time and memory, attempts and pauses are a run's own, and are not rehearsed.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from sessionmill.collect.discover import Found
from sessionmill.demo.claude_code import ClaudeTranscript, ToolUse, mcp, skill, subagent
from sessionmill.demo.codex import CodexRollout
from sessionmill.demo.transcript import Transcript
from sessionmill.plugins import build, describe, make
from sessionmill.trial import Trial

__all__ = [
    "ClaudeTranscript",
    "CodexRollout",
    "FakeClock",
    "MemoryStore",
    "ToolUse",
    "Transcript",
    "check_any_cut",
    "check_golden",
    "mcp",
    "run_session",
    "skill",
    "subagent",
]

Tables = dict[str, list[dict[str, Any]]]
#: A built transcript, the bytes of one, or the file that holds it.
Content = Transcript | bytes | Path

#: The framework's own, for elections; it tells a test nothing, and may change with a version.
_HIDDEN = "key_hash"
#: What the framework says of each row; not shown where something else differs.
_ADDED = frozenset({"session_key", "session_id", "username", "agent"})
_MOST_ROWS_SHOWN = 3


class FakeClock:
    """A clock that moves only when a test says so.

    For a processor that asks for the time, or that waits: let it take its clock as an argument,
    and hand it this one, `MemoryStore(Prices(now=clock))`.
    """

    def __init__(self, now: datetime = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """Return the time, UTC."""
        return self.now

    def advance(self, **by: float) -> None:
        """Move it on, by what `timedelta` takes: `advance(minutes=5)`."""
        self.now += timedelta(**by)


class MemoryStore:
    """Facts in memory that one processor fills: any number of transcripts, as they grow.

    It forgets everything when it is closed, or let go.
    """

    def __init__(self, processor: object, *, settings: Mapping[str, Any] | None = None) -> None:
        """Take a processor; `settings` are those of its context.

        A class is built anew for each `process`, as it is in each worker: what it remembers on
        `self` is lost, as it would be there. An instance is used as it is.

        Raises ProcessorUnusable for one that declares what no processor can.
        """
        folder = Path(tempfile.mkdtemp(prefix="sessionmill-test-"))
        self._remove = weakref.finalize(self, shutil.rmtree, folder)
        self._sessions, self._writes = folder / "sessions", 0
        own, given = folder / "processor", dict(settings or {})
        building = _building(processor, own, given)
        made = building()
        spec = f"{type(made).__module__}:{type(made).__qualname__}"
        self._trial = Trial(describe(made, spec, own, given), building, FakeClock())

    def __enter__(self) -> MemoryStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget everything."""
        self._trial.facts.close()
        self._remove()

    def process(self, transcript: Content, key: str | None = None) -> int:
        """Process a transcript as it is now; return how many rows were written.

        `key` is `<username>/<path>.jsonl`; without it the transcript is alice's, below the folder
        and by the name that its agent gives it. Under one key, a longer transcript of the same
        beginning has grown; any other replaces it.

        Raises what the processor raises, RetryLater too. Nothing of the call is kept then, and the
        next one tries again at once.
        """
        key = _key_of(transcript) if key is None else key
        written = self._trial.process(self._put(_bytes(transcript), key))
        for warning in self._trial.warnings:
            warnings.warn(warning, stacklevel=2)
        return written

    def _process_all(self, transcripts: Mapping[str, Content]) -> int:
        """Process several transcripts, by their keys, in one pass."""
        found = [self._put(_bytes(content), key) for key, content in transcripts.items()]
        return self._trial.process(*found)

    def _put(self, content: bytes, key: str) -> Found:
        """Write a transcript's file; return it as a walk finds it."""
        path = self._sessions / _checked(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        # Each write has a time of its own, as it would have at the pace of people.
        self._writes += 1
        os.utime(path, ns=(0, self._writes * 1_000_000_000))
        stat, username = path.stat(), key.partition("/")[0]
        root = str(self._sessions)
        return Found(key, username, root, str(path), stat.st_size, stat.st_mtime_ns)

    @property
    def tables(self) -> Tables:
        """Every table of the processor: its rows by column name, ordered by the first columns."""
        return {
            name: [
                {column: value for column, value in row.items() if column != _HIDDEN}
                for row in rows.document()["rows"]
            ]
            for name, rows in self._trial.tables().items()
        }

    def rows(self, table: str, *columns: str) -> list[dict[str, Any]]:
        """Return the rows of one table; of these columns alone, if any are named."""
        tables = self.tables
        if table not in tables:
            raise LookupError(f"there is no table {table}, but {', '.join(tables) or 'none'}")
        rows = tables[table]
        for column in columns:
            if rows and column not in rows[0]:
                raise LookupError(f"{table} has no column {column}, but {', '.join(rows[0])}")
        return [{name: row[name] for name in columns} for row in rows] if columns else rows

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        """Return what a query over the tables and views gives."""
        return self._trial.facts.cursor().execute(query).fetchall()


def run_session(
    processor: object,
    transcript: Content,
    key: str | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
) -> MemoryStore:
    """Return a store in which a processor has processed one transcript."""
    store = MemoryStore(processor, settings=settings)
    store.process(transcript, key)
    return store


def check_any_cut(
    processor: object,
    transcript: Content,
    key: str | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    most_cuts: int = 100,
) -> None:
    """Hold that the tables are the same however a transcript grew: what extractors promise.

    It is read whole; then, as another user's each time, in two parts, cut at, before and behind
    the ends of lines and within them, at most `most_cuts` of these, evenly spread; then as it
    grows by one part after the other. Give a class: what an instance remembers on `self` would be
    there after the cut, as it would not in a run. Each table needs a column `session_key`, as all
    tables of extractors have.

    Raises AssertionError, which names the cut and the rows that differ.
    """
    __tracebackhide__ = True
    content, key = _bytes(transcript), _key_of(transcript) if key is None else key
    username, _, path = _checked(key).partition("/")
    cuts = _cuts(content, most_cuts)
    with MemoryStore(processor, settings=settings) as store:
        store.process(content, key)
        for length in (0, *_spread(cuts, _MOST_STEPS), len(content)):
            store.process(content[:length], f"{_GROWN}/{path}")
        store._process_all({f"{_CUT}{cut}/{path}": content[:cut] for cut in cuts})
        store._process_all({f"{_CUT}{cut}/{path}": content for cut in cuts})
        tables = store.tables
    expected = _of_user(username, tables, username)
    if not any(expected.values()):
        raise AssertionError(
            "the processor makes no rows of this transcript, so there is nothing to compare; give "
            "one that holds what it looks for"
        )
    for cut in cuts:
        found = _of_user(f"{_CUT}{cut}", tables, username)
        _hold_same(found, expected, _DIFFERS.format(_place_of(cut, content)), _HOW_TO_CARRY)
    grown = _of_user(_GROWN, tables, username)
    _hold_same(grown, expected, _DIFFERS.format("again and again"), _HOW_TO_CARRY)


#: Users whose transcripts are cut; a processor that fails at one has it in its session key.
_CUT, _GROWN = "cut-at-byte-", "cut-again-and-again"
_MOST_STEPS = 16
_DIFFERS = "differs from reading the transcript at once, when it is cut {}"
_HOW_TO_CARRY = (
    "What an extractor must know behind the cut belongs into `carry`, not on `self`; or it returns "
    "as `safe_offset` the `offset` of the record that it wants again. What is written twice is "
    "completed: see each column's completion. An effectful processor names its tables in `tables`."
)


def check_golden(
    processor: object,
    transcript: Content,
    golden: Path,
    key: str | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Hold that the tables are those kept in the file `golden`, in JSON.

    Where there is no such file it is written, and AssertionError asks you to look at it: delete it
    to have it written anew.
    """
    __tracebackhide__ = True
    with run_session(processor, transcript, key, settings=settings) as store:
        text = json.dumps(store.tables, indent=2, ensure_ascii=False, default=str) + "\n"
    if not golden.exists():
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text, "utf-8")
        raise AssertionError(f"{golden} was not there, and is written; look at it, and run again")
    kept = json.loads(golden.read_text("utf-8"))
    how = f"If the new rows (+) are right, delete {golden} and run again: it is written anew."
    _hold_same(json.loads(text), kept, f"differs from {golden}", how)


# ── what is given ────────────────────────────────────────────────────────────────────────────


def _building(processor: object, folder: Path, settings: Mapping[str, Any]) -> Callable[[], object]:
    """Return what builds the processor, as a worker does."""
    if isinstance(processor, str):
        return lambda: build(processor, folder, settings)
    if isinstance(processor, type):
        spec = f"{processor.__module__}:{processor.__qualname__}"
        return lambda: make(processor, spec, folder, settings)
    if settings:
        raise TypeError("settings are for a class that takes a context; an instance is built")
    return lambda: processor


def _bytes(transcript: Content) -> bytes:
    if isinstance(transcript, Path):
        return transcript.read_bytes()
    if isinstance(transcript, Transcript | bytes):
        return bytes(transcript)
    raise TypeError(
        f"{type(transcript).__name__} is no transcript: give a built one, bytes, or a Path"
    )


def _key_of(transcript: Content) -> str:
    """Return where a transcript of alice's lies, as its agent names it."""
    if isinstance(transcript, CodexRollout):
        return f"alice/{transcript.relative_path.as_posix()}"
    if isinstance(transcript, ClaudeTranscript) and transcript.agent_id:
        folder = f"alice/shop/{transcript.session_id}/subagents"
        return f"{folder}/agent-{transcript.agent_id}.jsonl"
    if isinstance(transcript, ClaudeTranscript):
        return f"alice/shop/{transcript.session_id}.jsonl"
    return f"alice/shop/{transcript.name if isinstance(transcript, Path) else '0f3c.jsonl'}"


def _checked(key: str) -> str:
    parts = PurePosixPath(key).parts
    if len(parts) < 2 or ".." in parts or key.startswith("/") or ".jsonl" not in parts[-1]:
        raise ValueError(f"the key {key!r} is not of the form <username>/<path>.jsonl")
    return key


# ── cuts ─────────────────────────────────────────────────────────────────────────────────────


def _cuts(content: bytes, most: int) -> list[int]:
    """Return where to cut: at lines' ends, a byte on either side, and in their middles."""
    cuts, start = set(), 0
    while end := content.find(b"\n", start) + 1:
        cuts |= {end - 1, end, end + 1, (start + end) // 2}
        start = end
    return _spread(sorted(cut for cut in cuts if 0 < cut < len(content)), most)


def _spread(cuts: list[int], most: int) -> list[int]:
    """Return at most so many, evenly spread; odd steps, so that each kind has its turn."""
    return cuts[:: -(-len(cuts) // max(1, most)) | 1]


def _place_of(cut: int, content: bytes) -> str:
    """Say where a cut is, in the words of an editor."""
    line = content.count(b"\n", 0, cut) + 1
    if content[cut - 1 : cut] == b"\n":
        return f"before line {line} (at byte {cut})"
    if content[cut : cut + 1] == b"\n":
        return f"at the end of line {line}, before its newline (at byte {cut})"
    return f"within line {line} (at byte {cut})"


# ── differences ──────────────────────────────────────────────────────────────────────────────


def _of_user(user: str, tables: Tables, name: str) -> Tables:
    """Return the rows of one user's transcripts, as if they were called `name`."""
    own: Tables = {}
    for table, rows in tables.items():
        if any(row.get("session_key") is None for row in rows):
            raise AssertionError(
                f"{table} has rows without a session_key, so it cannot be told what is of which "
                "transcript; give each table that column, and key its rows by it"
            )
        own[table] = [
            {
                column: value.replace(user, name) if isinstance(value, str) else value
                for column, value in row.items()
            }
            for row in rows
            if row["session_key"].partition("/")[0] == user
        ]
    return own


def _hold_same(found: Tables, expected: Tables, how: str, advice: str) -> None:
    """Raise AssertionError for the first table that differs; the order of rows means nothing."""
    __tracebackhide__ = True
    for table in sorted(expected.keys() | found.keys()):
        ours, theirs = found.get(table, []), expected.get(table, [])
        if not (difference := _difference(ours, theirs, _ADDED) or _difference(ours, theirs)):
            continue
        raise AssertionError("\n".join([f"{table} {how}", *difference, advice]))


def _difference(
    ours: list[dict[str, Any]],
    theirs: list[dict[str, Any]],
    without: frozenset[str] = frozenset(),
) -> list[str]:
    """Return the rows that one side alone has, as many times as it has them more."""
    new, old = (Counter(_shown(row, without) for row in rows) for rows in (ours, theirs))
    extra, missing = [*(new - old).elements()], [*(old - new).elements()]
    return [*_some("+", extra), *_some("-", missing)]


def _some(sign: str, rows: list[str]) -> list[str]:
    left = len(rows) - _MOST_ROWS_SHOWN
    more = [f"  {sign} … and {left} more"] if left > 0 else []
    return [*(f"  {sign} {row}" for row in rows[:_MOST_ROWS_SHOWN]), *more]


def _shown(row: Mapping[str, Any], without: frozenset[str]) -> str:
    own = {name: value for name, value in row.items() if name not in without}
    return json.dumps(own, ensure_ascii=False, default=str, sort_keys=True)
