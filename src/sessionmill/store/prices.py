"""Keeps the table `prices` as the list and the configuration have it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import duckdb
from arro3.core import DataType

from sessionmill.prices.listed import columns_of, listed, written
from sessionmill.prices.price import Price
from sessionmill.store.facts import Facts
from sessionmill.store.progress import arrow
from sessionmill.store.rollups import mark_all_stale
from sessionmill.store.statements import first


def bring_up_to_date(facts: Facts, configured: Sequence[Price]) -> None:
    """Fill the table anew, in one transaction, if it was made from another list or other settings.

    Where nothing has changed, the list is not even parsed: every command pays for this.
    """
    text = listed()
    own = written(configured)
    made_from = _fingerprint(text + own)
    if _made_from(facts) == made_from:
        return
    with facts.transaction() as cursor:
        cursor.execute("DELETE FROM prices")
        insert(cursor, own, text)
        mark_all_stale(cursor)
        cursor.execute(f"COMMENT ON TABLE prices IS '{made_from}'")


def insert(cursor: duckdb.DuckDBPyConnection, *texts: str) -> None:
    """Insert what lists hold, cast by DuckDB: no amount is a float on its way into the table."""
    rows = [row for text in texts for row in columns_of(text)]
    columns: dict[str, tuple[DataType, Sequence[str | None]]] = {
        name: (DataType.utf8(), [row[number] or None for row in rows])
        for number, name in enumerate(Price._fields)
    }
    cursor.register("_prices", arrow(columns))
    cursor.execute("INSERT INTO prices BY NAME FROM _prices")
    cursor.unregister("_prices")


def _fingerprint(text: str) -> str:
    return "made from " + hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _made_from(facts: Facts) -> str | None:
    found = first(
        facts.cursor().execute("SELECT comment FROM duckdb_tables() WHERE table_name = 'prices'")
    )
    return found[0] if found else None
