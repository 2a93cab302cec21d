"""What both kinds of export come to."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

#: More than any count or sum of dollars, and less than what a column holds.
MOST = 2**53


def is_amount(value: Decimal, most: int = MOST) -> bool:
    """Tell whether a number can be a count, a time or dollars; a NaN, which is no number, not."""
    return value.is_finite() and 0 <= value <= most


class DayUsage(NamedTuple):
    """What the vendor counted of one name on one UTC day: a row of `vendor_usage`.

    Of one row that is told twice the one counts that tells of more: a day's counts only grow.
    """

    source: str
    vendor_name: str
    day: date
    model: str | None
    #: What else tells records of one name and day apart.
    part: str
    #: Begun that day, in the row without a model; else 0.
    sessions: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
    cost_usd: Decimal
    #: What happened later, it cannot know; UTC.
    as_of: datetime


class Point(NamedTuple):
    """One data point of a counter: a row of `vendor_points`. Times are nanoseconds since 1970."""

    #: Identity of the counter: a hash of its metric, resource and attributes.
    stream: str
    temporality: str
    #: Start of the sequence that the point belongs to; 0 where it is not told.
    started_ns: int
    at_ns: int
    vendor_name: str
    session_id: str | None
    model: str | None
    query_source: str
    #: `input`, `output`, `cacheRead`, `cacheCreation` as the client names them, or `cost`.
    token_class: str
    value: Decimal
