"""Which prices there are, and what is priced by them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import duckdb

from sessionmill.prices.price import AMOUNTS
from sessionmill.process.usage import Usage
from sessionmill.view.reports import Rows, named_statements


def in_use(cursor: duckdb.DuckDBPyConnection) -> Rows:
    """Return by which prices counted responses are priced, and which have none, with the reason."""
    return _short(Rows.of(cursor.execute(named_statements("prices")["in_use"])))


def of_model(cursor: duckdb.DuckDBPyConnection, model: str, now: datetime) -> Rows:
    """Return every price that matches a model's name, the first that counts first.

    The name need not be one that responses bear: the view's own SQL is asked for this name alone.
    """
    view = Usage.views["matching_prices"]
    sql = named_statements("prices")["of_model"]
    cursor.execute(
        f"WITH responses AS (SELECT $model AS model), offers AS ({view}) {sql}",
        {"model": model, "now": now.astimezone(UTC).replace(tzinfo=None)},
    )
    return _short(Rows.of(cursor))


def _short(rows: Rows) -> Rows:
    """Return amounts as price lists have them: 2.5, where the table has 2.500000000."""
    amounts = [name in AMOUNTS for name in rows.columns]
    values = [
        tuple(
            Decimal(f"{value:f}".rstrip("0").rstrip(".")) if short and value is not None else value
            for short, value in zip(amounts, row, strict=True)
        )
        for row in rows.values
    ]
    return replace(rows, values=values)
