"""One processor tried out: in this process, over facts in memory, leaving nothing behind."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from sessionmill.collect.discover import Found, Walk
from sessionmill.collect.known import written
from sessionmill.errors import ProcessorUnusable
from sessionmill.plugins import Processor, build
from sessionmill.run.ports import Clock
from sessionmill.run.rehearse import rehearse
from sessionmill.store.memory import MemoryFacts
from sessionmill.store.run_store import FactsRunStore
from sessionmill.view.reports import Rows
from sessionmill.view.trial import rows_of, tables_of


class Trial:
    """A processor and the facts that it has made so far."""

    def __init__(self, processor: Processor, made: Any, clock: Clock) -> None:
        """Try `made`, an instance of `processor`.

        Raises ProcessorUnusable where DuckDB refuses the SQL that it declares.
        """
        self._processor, self._made, self._clock = processor, made, clock
        self.warnings: list[str] = []
        self.facts = MemoryFacts(now=clock())
        self._before = set(tables_of(self.facts.cursor()))
        self._store = FactsRunStore(self.facts, clock)
        for name, reason in self._store.prepare([processor]).items():
            self.facts.close()
            raise ProcessorUnusable(name, reason)

    @classmethod
    def of(cls, processor: Processor, clock: Clock) -> Trial:
        """Build a processor, and try it. Raises what building it raises."""
        made = build(processor.spec, processor.folder, processor.settings)
        return cls(processor, made, clock)

    def __enter__(self) -> Trial:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.facts.close()

    def process(self, *transcripts: Found) -> int:
        """Process what is new in transcripts; return the rows written, as a run counts them.

        `warnings` then says what a run would warn of. Raises what the processor raises.
        """
        walk = Walk(found=list(transcripts))
        tally = rehearse(self._store, self._clock, self._processor, self._made, walk)
        self.warnings = [warning for _, warning in tally.warnings]
        return tally.items_extracted

    def tables(self, limit: int | None = None) -> dict[str, Rows]:
        """Return the rows of every table that the processor has."""
        cursor = self.facts.cursor()
        own = [name for name in tables_of(cursor) if name not in self._before]
        return {name: rows_of(cursor, name, limit) for name in own}


def transcript_at(path: Path, username: str) -> Found:
    """Return a file as a transcript of `username`; of a sub-agent's, the path names the session."""
    stat = path.stat()
    names = path.parts[-1:]
    if path.parent.name == "subagents":
        names = path.parts[-3:]
    key = written("/".join((username, *names)))
    return Found(key, username, str(path.parent), str(path), stat.st_size, stat.st_mtime_ns)
