"""Builds everything for one data directory, and hands it out: the wiring diagram."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType

from sessionmill.collect.discover import Walk
from sessionmill.config import Config, os_user
from sessionmill.plugins import Processor
from sessionmill.registry import Registry
from sessionmill.run.runner import Runner
from sessionmill.run.tally import Tally
from sessionmill.store.facts import Facts
from sessionmill.store.run_store import FactsRunStore


def now() -> datetime:
    """Return the time, UTC: the only clock of the program."""
    return datetime.now(UTC)


class App:
    """The open facts of a data directory, and what can be done with them."""

    def __init__(
        self, config: Config, registry: Registry, command: str, *, threads: int | None = None
    ) -> None:
        """Open the facts; `command` is what others are told who wait for them.

        `threads` limits those of one statement. Raises FactsInUse and StoreError.
        """
        self.config, self.registry = config, registry
        self.facts = Facts(config.folder, command, now=now(), threads=threads)
        self.store = FactsRunStore(self.facts, now)
        self._runner = Runner(self.store, now, lambda: random.uniform(-1, 1))  # noqa: S311 - spreads waits

    def __enter__(self) -> App:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.facts.close()

    def run(
        self,
        processors: Sequence[Processor],
        walk: Walk,
        *,
        budget: float | None = None,
        due_only: bool = False,
    ) -> list[Tally]:
        """Run processors over what a walk found, as the person at the command line."""
        return self._runner.run(
            processors, walk, actor=f"cli:{os_user()}", budget=budget, due_only=due_only
        )
