"""A data directory run in this process, over transcripts that a test writes, by a clock it moves.

Built as `sessionmill.app` builds it, but for the clock, and for waits that are not spread.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from sessionmill import config
from sessionmill.collect.discover import walk
from sessionmill.collect.roots import sessions_root
from sessionmill.plugins import Processor
from sessionmill.registry import Registry
from sessionmill.run.runner import Runner
from sessionmill.run.tally import Tally
from sessionmill.store.facts import CORE_TABLES, Facts
from sessionmill.store.run_store import FactsRunStore
from sessionmill.testing import ClaudeTranscript, FakeClock

#: Where the modules of the tests' processors lie.
HERE = Path(__file__).parent


def told(name: str, prompts: int = 1) -> ClaudeTranscript:
    """Return a transcript of so many prompts, each of them answered: two lines for each."""
    transcript = ClaudeTranscript(name)
    for number in range(prompts):
        transcript.prompt(f"Fix the total of the cart, {number}.")
        transcript.response("Fixed.", output_tokens=100 + number)
    return transcript


def key(name: str) -> str:
    """Return the session key of a transcript of `Place`."""
    return f"alice/{name}.jsonl"


class Place:
    """Transcripts of alice, the facts of them, and runs of whatever processors."""

    def __init__(self, folder: Path, clock: FakeClock, settings: str = "") -> None:
        self.clock = clock
        self.sessions, self.data = folder / "sessions", folder / "data"
        (self.sessions / "alice").mkdir(parents=True)
        if settings:
            self.data.mkdir()
            (self.data / "config.toml").write_text(settings)
        self.facts = Facts(self.data, "a test", now=clock())
        self.store = FactsRunStore(self.facts, clock)
        self.runner = Runner(self.store, clock, lambda: 0.0)

    def __enter__(self) -> Place:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.facts.close()

    # ── transcripts ──

    def path(self, name: str) -> Path:
        return self.sessions / "alice" / f"{name}.jsonl"

    def write(self, name: str, transcript: ClaudeTranscript | None = None) -> ClaudeTranscript:
        """Write a transcript, by default a short one."""
        transcript = transcript or told(name)
        transcript.write(self.path(name))
        return transcript

    def write_many(self, count: int, *named: str) -> list[str]:
        """Write so many short transcripts, and one of each name among them; return their names."""
        names = sorted([*(f"s{number:02}" for number in range(count)), *named])
        for name in names:
            self.write(name)
        return names

    def append(self, name: str, data: bytes) -> None:
        with self.path(name).open("ab") as file:
            file.write(data)

    def touch(self, name: str) -> None:
        """Give a file another time, and no other content."""
        stat = self.path(name).stat()
        os.utime(self.path(name), ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))

    # ── running ──

    def processors(self, *specs: str) -> list[Processor]:
        """Load processors by the door that all enter by; `usage` and `inventory` by name too."""
        registry = Registry.of(config.load(self.data), [spec for spec in specs if ":" in spec])
        by_spec = {processor.spec: processor for processor in registry.usable.values()}
        by_spec |= registry.usable
        assert set(specs) <= set(by_spec), [u.reason for u in registry.unusable]
        return [by_spec[spec] for spec in specs]

    def run(self, *specs: str, budget: float | None = None, due_only: bool = False) -> list[Tally]:
        """Run processors, each given as package.module:Class; return the figures of each."""
        tallies: list[Tally] = self.runner.run(
            self.processors(*specs),
            walk([sessions_root(self.sessions)]),
            actor="cli:tester",
            budget=budget,
            due_only=due_only,
        )
        return tallies

    def run_one(self, spec: str, *, budget: float | None = None) -> Tally:
        [tally] = self.run(spec, budget=budget)
        return tally

    # ── what is stored ──

    def ask(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.facts.cursor().execute(sql, list(parameters)).fetchall()

    def column(self, sql: str, *parameters: Any) -> list[Any]:
        """Return the first column."""
        return [row[0] for row in self.ask(sql, *parameters)]

    def state(self, processor: str, name: str) -> dict[str, Any]:
        """Return the one state row of a processor and a transcript."""
        cursor = self.facts.cursor().execute(
            "SELECT * FROM session_processor_state WHERE processor_name = ? AND session_file = ?",
            [processor, key(name)],
        )
        columns = [column[0] for column in cursor.description or ()]
        [row] = cursor.fetchall()
        return dict(zip(columns, row, strict=True))

    def tables(self) -> list[str]:
        """Return the tables of processors."""
        found = self.column("SELECT table_name FROM duckdb_tables() ORDER BY table_name")
        return [name for name in found if name not in CORE_TABLES]


def figures(tally: Tally) -> dict[str, Any]:
    """Return what a run counted, without what only a clock knows."""
    report = tally.report()
    return {
        name: report[name]
        for name in ("seen", "scanned", "processed", "skipped", "capped", "errors")
    }


def counted(**given: int) -> dict[str, int]:
    """Return figures of which those not given are zero."""
    nothing = dict.fromkeys(("seen", "scanned", "processed", "skipped", "capped", "errors"), 0)
    assert not set(given) - set(nothing)
    return nothing | given


def errors_of(tally: Tally) -> dict[str, str]:
    """Return what went wrong, by session key; each failed once."""
    detail: Sequence[Mapping[str, str]] = tally.report()["errors_detail"]
    by_session = {entry["session"]: entry["error"] for entry in detail}
    assert len(by_session) == len(detail), "a session failed twice in one run"
    return by_session


def lines_of(transcripts: Iterable[ClaudeTranscript]) -> int:
    return sum(len(transcript) for transcript in transcripts)
