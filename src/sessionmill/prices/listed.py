"""The list prices that come with the program: `list_prices.csv`, which `make prices` renews."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from importlib.resources import files

from sessionmill.prices.price import AMOUNTS, Price

_NUMBERS = frozenset({"priority", "from_tokens"})


def listed() -> str:
    """Return the file's text."""
    return files(__package__).joinpath("list_prices.csv").read_text("utf-8")


def parse(text: str) -> list[Price]:
    """Return the prices that a file's text holds."""
    return [_price(row) for row in csv.DictReader(io.StringIO(text))]


def columns_of(text: str) -> list[list[str]]:
    """Return the rows of a file's text, as they stand there."""
    return list(csv.reader(io.StringIO(text)))[1:]


def _price(row: dict[str, str]) -> Price:
    values: dict[str, object] = {name: text or None for name, text in row.items()}
    values |= {name: int(row[name]) for name in _NUMBERS}
    values |= {name: Decimal(row[name]) for name in AMOUNTS if row[name]}
    if row["valid_from"]:
        values["valid_from"] = datetime.fromisoformat(row["valid_from"])
    if row["noted_on"]:
        values["noted_on"] = date.fromisoformat(row["noted_on"])
    return Price(**values)  # type: ignore[arg-type] # each is of its column's type, as read above


def written(prices: Iterable[Price]) -> str:
    """Return a file's text; amounts without zeros at the end."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(Price._fields)
    writer.writerows([_text(value) for value in price] for price in prices)
    return out.getvalue()


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return value.isoformat() if isinstance(value, date) else str(value)
