"""One row of the table `prices`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

#: `source` of a price that a person set.
CONFIGURATION = "configuration"
#: As the table holds them: DECIMAL(15, 9).
DIGITS_BEFORE, DIGITS_BEHIND = 6, 9


class Price(NamedTuple):
    """A price, in USD; the columns of `prices`, in their order.

    None is an unknown price: what has tokens of that class is unpriced. `pattern` is an RE2 regular
    expression, searched for in a model's name in lower case.
    """

    #: Of prices whose pattern matches, the smallest counts; a person's are below zero.
    priority: int
    provider: str | None
    model: str
    pattern: str
    #: What must not match.
    except_pattern: str | None
    speed: str
    service_tier: str
    inference_geo: str
    #: UTC; None is ever since.
    valid_from: datetime | None
    #: Of input, cache reads and cache writes together: the whole request is priced so.
    from_tokens: int
    input_per_million: Decimal | None
    output_per_million: Decimal | None
    cache_read_per_million: Decimal | None
    cache_write_5m_per_million: Decimal | None
    cache_write_1h_per_million: Decimal | None
    web_searches_per_thousand: Decimal | None
    source: str
    #: When the project, or the person, took it down; None where nobody said.
    noted_on: date | None


#: What a request costs by: the columns that hold an amount of money.
AMOUNTS = tuple(name for name in Price._fields if name.endswith(("_per_million", "_per_thousand")))


#: One for each of AMOUNTS.
Amounts = tuple[
    Decimal | None, Decimal | None, Decimal | None, Decimal | None, Decimal | None, Decimal | None
]


def amounts(each: Iterable[Decimal | None]) -> Amounts:
    """Return six amounts as a tuple that says that they are six."""
    a, b, c, d, e, f = each
    return a, b, c, d, e, f


def fits(amount: Decimal) -> bool:
    """Tell whether the table can hold an amount as it is."""
    return (
        amount.is_finite()
        and 0 <= amount < 10**DIGITS_BEFORE
        and amount == amount.quantize(Decimal(1).scaleb(-DIGITS_BEHIND))
    )
