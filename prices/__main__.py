"""Renews the list prices from the installed genai-prices; nothing is fetched.

python -m prices
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from genai_prices.data import providers

from prices.history import joined
from prices.snapshot import rows
from sessionmill.prices.listed import parse, written

FILE = Path("src/sessionmill/prices/list_prices.csv")


def main() -> None:
    """Append to the file what the package has changed since."""
    today = datetime.now(UTC).date()
    older = parse(FILE.read_text("utf-8")) if FILE.exists() else []
    newer = rows(providers, f"genai-prices {version('genai-prices')}", today)
    prices = joined(older, newer, today)
    FILE.write_text(written(prices), "utf-8")
    print(f"{FILE}: {len(prices):,} prices, of which {len(prices) - len(older):,} are new.")


if __name__ == "__main__":
    main()
