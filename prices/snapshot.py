"""What the package knows: its models in the order in which they are tried, and their prices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal

from genai_prices import types

from prices.rules import rule
from sessionmill.prices.price import Price, amounts, fits

#: Whose models agents use, in the order in which they are asked. Bedrock's names for Claude occur
#: in Google's rules as well, which look for a name anywhere: so Google comes last.
PROVIDERS = ("anthropic", "openai", "aws", "google")

#: The package's names for amounts, in the order of ours.
_AMOUNTS = (
    "input_mtok",
    "output_mtok",
    "cache_read_mtok",
    "cache_write_mtok",
    "cache_write_1h_mtok",
    "web_searches_kcount",
)

#: (speed, service tier)
_STANDARD = ("standard", "standard")


def rows(providers: Sequence[types.Provider], source: str, today: date) -> list[Price]:
    """Return every price of our providers, those of each model and variant by their dates."""
    by_id = {provider.id: provider for provider in providers}
    models = [(name, model) for name in PROVIDERS for model in by_id[name].models]
    return [
        price
        for priority, (provider, model) in enumerate(models, 1)
        for price in _of_model(priority, provider, model, source, today)
    ]


def _of_model(
    priority: int, provider: str, model: types.ModelInfo, source: str, today: date
) -> Iterator[Price]:
    pattern, except_pattern = rule(model.match)
    contexts: dict[tuple[str, str], dict[str, str] | None] = {_STANDARD: None}
    contexts |= {_variant(v.when): v.when for v in model.price_variants or ()}
    for (speed, service_tier), context in contexts.items():
        for start in _starts(model, context):
            prices = model.get_prices(_moment(start), context)
            for from_tokens in _sizes(prices):
                yield Price(
                    priority,
                    provider,
                    model.id,
                    pattern,
                    except_pattern,
                    speed,
                    service_tier,
                    "global",
                    None if start is None else datetime.combine(start, time()),
                    from_tokens,
                    *amounts(_amount(getattr(prices, name), from_tokens) for name in _AMOUNTS),
                    source,
                    today,
                )


def _variant(when: dict[str, str]) -> tuple[str, str]:
    [(key, value)] = when.items()
    if key == "speed":
        return value, "standard"
    if (key, value) == ("service_tier", "default"):
        return _STANDARD  # OpenAI's word for it
    if key in ("service_tier", "processing"):
        return "standard", value
    raise ValueError(f"a variant that was never met: {when}")


def _starts(model: types.ModelInfo, context: dict[str, str] | None) -> list[date | None]:
    """Return the days from which on there is another price; None is ever since.

    A variant has no price before its day, although the package would give the standard one.
    """
    standard = [] if isinstance(model.prices, types.ModelPrice) else model.prices
    dated = [_start(one.constraint) for one in standard]
    own: list[date | None] = [None]
    if context is not None:
        variants = [v for v in model.price_variants or () if v.when == context]
        own = [_start(v.constraint) for v in variants]
    first = min(own, key=_moment)
    all_starts = {first, *own, *(d for d in dated if _moment(d) > _moment(first))}
    return sorted(all_starts, key=_moment)


def _start(
    constraint: types.StartDateConstraint | types.TimeOfDateConstraint | None,
) -> date | None:
    if isinstance(constraint, types.TimeOfDateConstraint):
        raise ValueError(f"a price by the time of day: {constraint}")
    return None if constraint is None else constraint.start_date


def _moment(start: date | None) -> datetime:
    return datetime.combine(start or date.min, time(), UTC)


def _sizes(prices: types.ModelPrice) -> list[int]:
    """Return the sizes of requests from which on there is another price.

    The package's tiers begin above their start: at 200,001 tokens, where it says 200,000.
    """
    amounts = [getattr(prices, name) for name in _AMOUNTS]
    tiers = [tier for one in amounts if isinstance(one, types.TieredPrices) for tier in one.tiers]
    return sorted({0, *(tier.start + 1 for tier in tiers)})


def _amount(price: Decimal | types.TieredPrices | None, from_tokens: int) -> Decimal | None:
    if isinstance(price, types.TieredPrices):
        reached = [tier.price for tier in price.tiers if tier.start < from_tokens]
        price = reached[-1] if reached else price.base
    if price is not None and not fits(price):
        raise ValueError(f"the table cannot hold {price}")
    return price
