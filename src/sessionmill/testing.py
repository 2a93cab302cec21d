"""A kit for testing processors: transcripts to build, and a store in memory to run them in.

    def test_it_counts_calls() -> None:
        transcript = ClaudeTranscript()
        transcript.call("Bash", {"command": "make test"}, result="3 passed")
        ran = run_session(CallCounter, transcript)
        assert ran.rows("call_counts") == [{"name": "Bash", "calls": 1, **ran.identity}]

A processor is given as its class, as an instance, or as "package.module:Class". It runs in this
process, by the code that workers run: a failing test shows where, a debugger can stop in it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
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
    "check_any_cut",
    "check_golden",
    "mcp",
    "run_session",
    "skill",
    "subagent",
]

#: The transcript that a test has, unless it says otherwise.
KEY = "alice/shop/0f3c.jsonl"
Content = Transcript | bytes | Path


class FakeClock:
    """A clock that moves only when a test says so."""

    def __init__(self, now: datetime = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """Return the time, UTC."""
        return self.now

    def advance(self, **by: float) -> None:
        """Move it on, by what `timedelta` takes: `advance(minutes=5)`."""
        self.now += timedelta(**by)


class MemoryStore:
    """Facts in memory that one processor fills: any number of transcripts, as they grow."""

    def __init__(
        self,
        processor: Any,
        *,
        settings: Mapping[str, Any] | None = None,
        clock: FakeClock | None = None,
    ) -> None:
        """Build `processor`, with `settings` if it takes a context.

        Raises ProcessorUnusable for one that declares what no processor can.
        """
        self._folder = tempfile.TemporaryDirectory()
        folder, own = Path(self._folder.name) / "processor", dict(settings or {})
        made = _made(processor, folder, own)
        spec = f"{type(made).__module__}:{type(made).__qualname__}"
        described = describe(made, spec, folder, own)
        self._trial = Trial(described, made, clock or FakeClock())

    def __enter__(self) -> MemoryStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget everything."""
        self._trial.facts.close()
        self._folder.cleanup()

    def process(self, transcript: Content, key: str = KEY) -> int:
        """Process a transcript as it is now; return how many rows were written.

        The key is `<username>/<path>.jsonl`. Given again, longer, it has grown; given otherwise,
        it was replaced. Raises what the processor raises.
        """
        path = Path(self._folder.name) / "sessions" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_content(transcript))
        stat, username = path.stat(), key.partition("/")[0]
        root = f"{self._folder.name}/sessions"
        found = Found(key, username, root, str(path), stat.st_size, stat.st_mtime_ns)
        return self._trial.process(found)

    @property
    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Every table of the processor: its rows, by column name."""
        return {name: rows.document()["rows"] for name, rows in self._trial.tables().items()}

    def rows(self, table: str, *columns: str) -> list[dict[str, Any]]:
        """Return the rows of one table; of these columns alone, if any are named."""
        rows = self.tables[table]
        return [{name: row[name] for name in columns} for row in rows] if columns else rows

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        """Return what a query over the tables and views gives."""
        return self._trial.facts.cursor().execute(query).fetchall()


def run_session(
    processor: Any,
    transcript: Content,
    *,
    key: str = KEY,
    settings: Mapping[str, Any] | None = None,
) -> MemoryStore:
    """Return a store in which a processor has processed one transcript."""
    store = MemoryStore(processor, settings=settings)
    store.process(transcript, key)
    return store


def check_any_cut(
    processor: Any, transcript: Content, *, key: str = KEY, most_cuts: int = 100
) -> None:
    """Hold that the tables are the same however a transcript grew: what extractors promise.

    It is read whole; then in two parts, cut at, before and behind the ends of lines and within
    them, at most `most_cuts` of these; then line by line. Raises AssertionError, which names the
    cut and the first table that differs.
    """
    content = _content(transcript)
    cuts = _cuts(content)
    with MemoryStore(processor) as store:
        store.process(content, key)
        expected = store.tables
        for cut in cuts[:: max(1, len(cuts) // most_cuts)]:
            # A shorter file under the same key is a replaced one: it is read from its start.
            store.process(content[:cut], key)
            store.process(content, key)
            _compare(store.tables, expected, f"cut at byte {cut}")
        for end in (0, *_line_ends(content), len(content)):
            store.process(content[:end], key)
        _compare(store.tables, expected, "line by line")


def check_golden(
    processor: Any,
    transcript: Content,
    golden: Path,
    *,
    key: str = KEY,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Hold that the tables are those kept in the file `golden` (JSON).

    Where there is no such file it is written, and AssertionError asks you to look at it: delete it
    to have it written anew.
    """
    with run_session(processor, transcript, key=key, settings=settings) as store:
        tables = store.tables
    text = json.dumps(tables, indent=2, ensure_ascii=False, default=str) + "\n"
    if not golden.exists():
        golden.write_text(text, "utf-8")
        raise AssertionError(f"{golden} was written; look at it, and run again")
    _compare(json.loads(text), json.loads(golden.read_text("utf-8")), f"compared with {golden}")


def _made(processor: Any, folder: Path, settings: Mapping[str, Any]) -> Any:
    if isinstance(processor, str):
        return build(processor, folder, settings)
    if isinstance(processor, type):
        spec = f"{processor.__module__}:{processor.__qualname__}"
        return make(processor, spec, folder, settings)
    return processor


def _content(transcript: Content) -> bytes:
    return transcript.read_bytes() if isinstance(transcript, Path) else bytes(transcript)


def _cuts(content: bytes) -> list[int]:
    """Return where to cut: at each line's end, a byte on either side, and in its middle."""
    cuts, start = set(), 0
    for end in _line_ends(content):
        cuts |= {end - 1, end, end + 1, (start + end) // 2}
        start = end
    return sorted(cut for cut in cuts if 0 < cut < len(content))


def _line_ends(content: bytes) -> Iterator[int]:
    end = content.find(b"\n") + 1
    while end:
        yield end
        end = content.find(b"\n", end) + 1


def _compare(
    found: Mapping[str, list[dict[str, Any]]],
    expected: Mapping[str, list[dict[str, Any]]],
    when: str,
) -> None:
    """Raise AssertionError for the first difference; the order of rows means nothing."""
    for table in sorted(expected.keys() | found.keys()):
        ours, theirs = (sorted(map(_shown, t.get(table, []))) for t in (found, expected))
        if ours != theirs:
            extra = [row for row in ours if row not in theirs]
            missing = [row for row in theirs if row not in ours]
            raise AssertionError(
                f"{table} differs, {when}\nunexpected: {extra[:3]}\nmissing: {missing[:3]}"
            )


def _shown(row: Mapping[str, Any]) -> str:
    return json.dumps(row, sort_keys=True, ensure_ascii=False, default=str)
