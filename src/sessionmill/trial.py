"""One processor tried out: in this process, over facts in memory, leaving nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sessionmill.collect.contents import plain_name
from sessionmill.collect.discover import Found, Walk
from sessionmill.errors import ProcessorUnusable
from sessionmill.paths import written
from sessionmill.plugins import Processor, build
from sessionmill.registry import Registry
from sessionmill.run.ports import Clock
from sessionmill.run.rehearse import rehearse
from sessionmill.store.memory import MemoryFacts
from sessionmill.store.run_store import FactsRunStore
from sessionmill.view.reports import Rows
from sessionmill.view.trial import rows_of, tables_of


class Trial:
    """A processor and the facts that it has made so far."""

    def __init__(self, processor: Processor, building: Callable[[], Any], clock: Clock) -> None:
        """Try a processor, built anew by `building` for each call of `process`.

        Raises ProcessorUnusable where its names belong to others, or DuckDB refuses its SQL.
        """
        self._processor, self._building, self._clock = processor, building, clock
        self.warnings: list[str] = []
        if not processor.spec.startswith("sessionmill."):
            Registry.of_built_ins().check_names(processor)
        self.facts = MemoryFacts(now=clock(), spool=processor.folder.with_name("spool"))
        self._before = set(tables_of(self.facts.cursor()))
        self._store = FactsRunStore(self.facts, clock)
        for name, reason in self._store.prepare([processor]).items():
            self.facts.close()
            raise ProcessorUnusable(name, reason)

    @classmethod
    def of(cls, processor: Processor, clock: Clock) -> Trial:
        """Try a processor that is loaded by its spec."""
        building = partial(build, processor.spec, processor.folder, processor.settings)
        return cls(processor, building, clock)

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *_: object) -> None:
        self.facts.close()

    def process(self, *transcripts: Found) -> int:
        """Process what is new in transcripts; return the rows written, as a run counts them.

        `warnings` then says what a run would warn of. Raises what building the processor, or the
        processor, raises.
        """
        made, walk = self._building(), Walk(found=list(transcripts))
        tally = rehearse(self._store, self._clock, self._processor, made, walk)
        for name, reason in self._store.roll_up([self._processor]).items():
            raise ProcessorUnusable(name, reason)
        self.warnings = [warning for _, warning in tally.warnings]
        return tally.items_extracted

    def tables(self, limit: int | None = None) -> dict[str, Rows]:
        """Return the rows of every table that the processor has, but for its rollups."""
        cursor = self.facts.cursor()
        own = [name for name in tables_of(cursor) if name not in self._before]
        return {
            name: rows_of(cursor, name, limit)
            for name in own
            if name not in self._processor.rollups
        }


def transcript_at(path: Path, username: str) -> Found:
    """Return a file as a transcript of `username`; of a sub-agent's, the path names the session."""
    stat = path.stat()
    names: tuple[str, ...] = (path.name,)
    if path.parent.name == "subagents":
        names = path.parts[-3:]
    key = written(plain_name("/".join((username, *names))))
    return Found(key, username, str(path.parent), str(path), stat.st_size, stat.st_mtime_ns)
