"""Facts in memory with responses and prices put straight into their tables; what they cost."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from sessionmill.config import Config
from sessionmill.prices import CONFIGURATION, Price
from sessionmill.prices.listed import listed, parse, written
from sessionmill.prices.price import amounts as amounts_of
from sessionmill.registry import Registry
from sessionmill.store.memory import MemoryFacts
from sessionmill.store.prices import insert
from sessionmill.store.rollups import mark_all_stale
from sessionmill.store.run_store import FactsRunStore

sys.path.append(str(Path(__file__).parents[2]))  # for the package `prices`, which renews the list

NOW = datetime(2026, 11, 25, tzinfo=UTC)
LISTED = parse(listed())


class Ledger:
    """Responses, prices, and the views that bring them together."""

    def __init__(self) -> None:
        self.facts = MemoryFacts(now=NOW, spool=Path("unused"))
        self._usage = Registry.of(Config(Path("unused"))).usable["usage"]
        self._store = FactsRunStore(self.facts, lambda: NOW)
        assert self._store.prepare([self._usage]) == {}
        self.cursor = self.facts.cursor()

    def price(self, prices: Iterable[Price]) -> None:
        """Put these prices in place of all others."""
        self.cursor.execute("DELETE FROM prices")
        insert(self.cursor, written(prices))

    def respond(self, responses: Iterable[Mapping[str, Any]]) -> None:
        """Put these responses in place of all others; what they leave out is nothing."""
        self.cursor.execute("DELETE FROM responses")
        filled = [{**_NOTHING, **response} for response in responses]
        for number, response in enumerate(filled):
            names = ", ".join(f'"{name}"' for name in response)
            places = ", ".join("?" * len(response))
            self.cursor.execute(
                f"INSERT INTO responses (response_id, counted, {names}) VALUES (?, true, {places})",  # noqa: S608 - our names
                [f"{number:05}", *response.values()],
            )

    def roll_up(self) -> None:
        """Sum all up anew."""
        mark_all_stale(self.cursor)
        assert self._store.roll_up([self._usage]) == {}

    def costs(self) -> list[tuple[Decimal | None, str | None]]:
        """Return (cost in USD, why it has none) of each response, in their order."""
        return self.ask("SELECT cost_usd, unpriced FROM response_costs ORDER BY response_id")

    def ask(self, query: str) -> list[Any]:
        return self.cursor.execute(query).fetchall()


_NOTHING: dict[str, Any] = {
    "session_key": "alice/a.jsonl",
    "session_id": "a",
    "username": "alice",
    "agent": "claude-code",
    "at": datetime(2026, 6, 1, 12),  # noqa: DTZ001 - UTC, as in the table
    "model": "alpha",
    "input_tokens": 0,
    "output_tokens": 0,
    "cache_read_tokens": 0,
    "cache_write_5m_tokens": 0,
    "cache_write_1h_tokens": 0,
    "web_search_requests": 0,
    "web_fetch_requests": 0,
}


def price(
    model: str = "alpha",
    *amounts: str | None,
    priority: int = 1,
    pattern: str | None = None,
    speed: str = "standard",
    service_tier: str = "standard",
    inference_geo: str = "global",
    valid_from: datetime | None = None,
    from_tokens: int = 0,
) -> Price:
    """Return a price; below zero in priority one that a person set."""
    given = [None if amount is None else Decimal(amount) for amount in amounts]
    six = amounts_of([*given, *[None] * (6 - len(given))])
    return Price(
        priority,
        None,
        model,
        pattern or f"^{model}",
        None,
        speed,
        service_tier,
        inference_geo,
        valid_from,
        from_tokens,
        *six,
        CONFIGURATION if priority < 0 else "a test",
        None,
    )
