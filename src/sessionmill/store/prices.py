"""Keeps the table `prices` as the list and the configuration have it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sessionmill.prices.listed import listed, parse
from sessionmill.prices.price import Price
from sessionmill.store.facts import Facts
from sessionmill.store.statements import first


def bring_up_to_date(facts: Facts, configured: Sequence[Price]) -> None:
    """Fill the table anew, in one transaction, if it was made from another list or other settings.

    Where nothing has changed, the list is not even parsed: every command pays for this.
    """
    text = listed()
    made_from = _fingerprint(text, configured)
    if _made_from(facts) == made_from:
        return
    prices = [*configured, *parse(text)]
    places = ", ".join("?" * len(Price._fields))
    with facts.transaction() as cursor:
        cursor.execute("DELETE FROM prices")
        cursor.executemany(f"INSERT INTO prices VALUES ({places})", prices)
        cursor.execute(f"COMMENT ON TABLE prices IS '{made_from}'")


def _fingerprint(text: str, configured: Sequence[Price]) -> str:
    content = text + repr(tuple(tuple(price) for price in configured))
    return "made from " + hashlib.blake2b(content.encode(), digest_size=8).hexdigest()


def _made_from(facts: Facts) -> str | None:
    found = first(
        facts.cursor().execute("SELECT comment FROM duckdb_tables() WHERE table_name = 'prices'")
    )
    return found[0] if found else None
