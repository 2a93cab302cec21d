"""Pages of the Claude Code Analytics Admin API, GET /v1/organizations/usage_report/claude_code.

The shape is that of its reference, platform.claude.com/docs/en/api/admin/usage_report, and of its
guide, platform.claude.com/docs/en/manage-claude/claude-code-analytics-api, which says:

* a page is of one UTC day; `data` holds a record for each actor, and for each organisation, type
  of customer and terminal that the actor used; `has_more` tells that there is another page
* an actor is a person's e-mail address, or the name of an API key
* `estimated_cost.amount` is in cents, "currently always USD"
* what is not an hour old is left out
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, NamedTuple

import msgspec

from sessionmill.vendor.records import MOST, DayUsage, is_amount

SOURCE = "analytics_api"

Count = Annotated[int, msgspec.Meta(ge=0, le=MOST)]


class Tokens(msgspec.Struct):
    """Tokens of one model; cache writes of both durations are one figure."""

    input: Count
    output: Count
    cache_read: Count = 0
    cache_creation: Count = 0


class Cost(msgspec.Struct):
    """An estimate, in minor units of its currency."""

    amount: Decimal
    currency: str


class OfModel(msgspec.Struct):
    """One model's share of a record."""

    model: str
    tokens: Tokens
    estimated_cost: Cost


class UserActor(msgspec.Struct, tag="user_actor"):
    """Who logged in."""

    email_address: str


class ApiActor(msgspec.Struct, tag="api_actor"):
    """Whoever used a key."""

    api_key_name: str


class CoreMetrics(msgspec.Struct):
    """Of these only what transcripts tell, too."""

    num_sessions: Count = 0


class Record(msgspec.Struct):
    """One actor's day."""

    date: str
    actor: UserActor | ApiActor
    model_breakdown: list[OfModel]
    core_metrics: CoreMetrics = msgspec.field(default_factory=CoreMetrics)
    organization_id: str | None = None
    customer_type: str | None = None
    subscription_type: str | None = None
    terminal_type: str | None = None


class Page(NamedTuple):
    """One answer of the API."""

    #: None where it has no records.
    day: date | None
    has_more: bool
    rows: list[DayUsage]


_RECORDS = msgspec.json.Decoder(list[Record])


def read(data: bytes, has_more: bool, as_of: datetime) -> Page:
    """Read a page's `data`, fetched at `as_of` or earlier.

    Raises ValueError (msgspec's too) for what is not as documented.
    """
    records = _RECORDS.decode(data)
    rows = [row for record in records for row in _rows(record, as_of)]
    return Page(_day(records[0].date) if records else None, has_more, rows)


def _rows(record: Record, as_of: datetime) -> Iterator[DayUsage]:
    actor = record.actor
    name = actor.email_address if isinstance(actor, UserActor) else actor.api_key_name
    place = (record.organization_id, record.customer_type, record.subscription_type)
    part = "/".join(text or "" for text in (*place, record.terminal_type))
    begin = (SOURCE, name, _day(record.date))
    sessions = record.core_metrics.num_sessions
    yield DayUsage(*begin, None, part, sessions, 0, 0, 0, 0, Decimal(0), as_of)
    rows: dict[str, DayUsage] = {}
    for share in record.model_breakdown:
        row = DayUsage(
            *begin,
            share.model,
            part,
            sessions=0,
            input_tokens=share.tokens.input,
            output_tokens=share.tokens.output,
            cache_read_tokens=share.tokens.cache_read,
            cache_creation_tokens=share.tokens.cache_creation,
            cost_usd=_dollars(share.estimated_cost),
            as_of=as_of,
        )
        rows[share.model] = _sum(rows[share.model], row) if share.model in rows else row
    yield from rows.values()


def _sum(one: DayUsage, other: DayUsage) -> DayUsage:
    """Add up a model that a record names twice."""
    return one._replace(
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        cache_read_tokens=one.cache_read_tokens + other.cache_read_tokens,
        cache_creation_tokens=one.cache_creation_tokens + other.cache_creation_tokens,
        cost_usd=one.cost_usd + other.cost_usd,
    )


def _dollars(cost: Cost) -> Decimal:
    if cost.currency != "USD":
        raise ValueError(f"a cost is in {cost.currency}, and only USD is documented")
    if not is_amount(cost.amount):
        raise ValueError("a cost is no number of cents")
    return cost.amount / 100


def _day(text: str) -> date:
    """Return the day of `2025-09-08` or `2025-09-08T00:00:00Z`: both are documented."""
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise ValueError("a date is not written like 2025-09-08 or 2025-09-08T00:00:00Z") from None
