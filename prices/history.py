"""How a newer list joins an older one: what changed is appended, and what was is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time

from sessionmill.prices.price import AMOUNTS, Price

#: Provider, model, speed, service tier, geography: whose prices follow each other.
Series = tuple[str | None, str, str, str, str]
#: The prices of a series that hold from one moment on, the smallest requests first.
Period = list[Price]


def joined(older: Sequence[Price], newer: Sequence[Price], today: date) -> list[Price]:
    """Return the history of both.

    A price that the newer list dates itself holds from that date on; one that merely differs, from
    `today` on. What the newer list has dropped is kept: it was used once. Rules for names, and
    their order, are the newer list's.
    """
    old, new = _series(older), _series(newer)
    together = {key: _joined(old.get(key, {}), new.get(key, {}), today) for key in {**new, **old}}
    rules = {(price.provider, price.model): price for price in [*older, *newer]}
    order = dict.fromkeys((price.provider, price.model) for price in [*newer, *older])
    priority = {model: number for number, model in enumerate(order, 1)}
    prices = [
        price._replace(
            priority=priority[price.provider, price.model],
            pattern=rules[price.provider, price.model].pattern,
            except_pattern=rules[price.provider, price.model].except_pattern,
        )
        for periods in together.values()
        for period in periods.values()
        for price in period
    ]
    return sorted(prices, key=lambda price: (price.priority, *price[5:8], *_age(price)))


def _age(price: Price) -> tuple[datetime, int]:
    return price.valid_from or datetime.min, price.from_tokens  # noqa: DTZ901 - UTC, as all here


def _series(prices: Iterable[Price]) -> dict[Series, dict[datetime | None, Period]]:
    series: dict[Series, dict[datetime | None, Period]] = {}
    for price in sorted(prices, key=_age):
        key = (price.provider, price.model, *price[5:8])
        series.setdefault(key, {}).setdefault(price.valid_from, []).append(price)
    return series


def _joined(
    old: dict[datetime | None, Period], new: dict[datetime | None, Period], today: date
) -> dict[datetime | None, Period]:
    if not old or not new:
        return old or new
    midnight = datetime.combine(today, time())
    periods = old | {start: period for start, period in new.items() if start not in old and start}
    now = _holding(new, midnight)
    if now and not _same(now, _holding(periods, midnight)):
        periods[midnight] = [price._replace(valid_from=midnight) for price in now]
    return periods


def _holding(periods: dict[datetime | None, Period], moment: datetime) -> Period:
    begun = [start for start in periods if start is None or start <= moment]
    return periods[max(begun, key=lambda start: start or datetime.min)] if begun else []  # noqa: DTZ901 - UTC


def _same(one: Period, other: Period) -> bool:
    return [_amounts(price) for price in one] == [_amounts(price) for price in other]


def _amounts(price: Price) -> tuple[object, ...]:
    return price.from_tokens, *(getattr(price, name) for name in AMOUNTS)
