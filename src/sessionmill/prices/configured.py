"""Prices that a person set: the tables `[[prices]]` of `config.toml`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from sessionmill.errors import UsageError
from sessionmill.prices.price import (
    AMOUNTS,
    CONFIGURATION,
    DIGITS_BEFORE,
    DIGITS_BEHIND,
    Price,
    amounts,
    fits,
)

_STANDARD = {"speed": "standard", "service_tier": "standard", "inference_geo": "global"}
_KNOWN = frozenset({"model", "valid_from", "from_tokens", *_STANDARD, *AMOUNTS})


def configured(said: object) -> tuple[Price, ...]:
    """Return the prices of `[[prices]]`, parsed with Decimal in place of float.

    Those of one model stand together, where its first one stands. Raises UsageError.
    """
    if not isinstance(said, list) or not all(isinstance(one, dict) for one in said):
        raise UsageError("prices are tables, each below a line [[prices]]")
    names = list(dict.fromkeys(_model(one, number) for number, one in enumerate(said, 1)))
    prices = tuple(
        _price(one, names.index(one["model"]) - len(names), f"[[prices]] {number}")
        for number, one in enumerate(said, 1)
    )
    _refuse_twins(prices)
    return prices


def _model(one: Mapping[str, Any], number: int) -> str:
    model = one.get("model")
    if not isinstance(model, str) or not model.strip():
        raise UsageError(f'[[prices]] {number} names no model: model = "claude-opus-5"')
    return model


def _price(one: Mapping[str, Any], priority: int, where: str) -> Price:
    where = f"{where} ({one['model']})"
    unknown = sorted(set(one) - _KNOWN)
    if unknown:
        raise UsageError(
            f"{where} has an unknown setting {unknown[0]!r}; there are {', '.join(sorted(_KNOWN))}"
        )
    if not any(name in one for name in AMOUNTS):
        raise UsageError(f"{where} sets no amount, such as input_per_million = 5")
    speed, service_tier, inference_geo = (
        _word(one, name, standard, where) for name, standard in _STANDARD.items()
    )
    return Price(
        priority,
        None,
        one["model"],
        _pattern(one["model"]),
        None,
        speed,
        service_tier,
        inference_geo,
        _moment(one.get("valid_from"), where),
        _tokens(one.get("from_tokens", 0), where),
        *amounts(_amount(one.get(name), name, where) for name in AMOUNTS),
        CONFIGURATION,
        None,
    )


def _pattern(model: str) -> str:
    """Return what a name must be; a `*` stands for any characters."""
    parts = (re.sub(r"([^\w\s-])", r"\\\1", part) for part in model.lower().split("*"))
    return f"^{'.*'.join(parts)}$"


def _word(one: Mapping[str, Any], name: str, standard: str, where: str) -> str:
    word = one.get(name, standard)
    if not isinstance(word, str) or not word:
        raise UsageError(f'{where}: {name} is a word, such as "{standard}"')
    return word


def _moment(said: object, where: str) -> datetime | None:
    """Return a moment as the table has it: UTC, without a zone."""
    if said is None:
        return None
    if isinstance(said, datetime):
        return said if said.tzinfo is None else said.astimezone(UTC).replace(tzinfo=None)
    if isinstance(said, date):
        return datetime.combine(said, time())
    raise UsageError(f"{where}: valid_from is a date or a time, as 2026-03-01, without quotes")


def _tokens(said: object, where: str) -> int:
    if isinstance(said, bool) or not isinstance(said, int) or not 0 <= said < 2**63:
        raise UsageError(f"{where}: from_tokens is a whole number of tokens, such as 200_001")
    return said


def _amount(said: object, name: str, where: str) -> Decimal | None:
    if said is None:
        return None
    if not isinstance(said, bool) and isinstance(said, int | Decimal):
        amount = Decimal(said)
        # Longer than any context of decimal: quantizing it would raise.
        if len(amount.as_tuple().digits) <= DIGITS_BEFORE + DIGITS_BEHIND and fits(amount):
            return amount
    raise UsageError(
        f"{where}: {name} is an amount of USD, such as 2.50: not below zero, below "
        f"{10**DIGITS_BEFORE:,}, with at most {DIGITS_BEHIND} decimals"
    )


def _refuse_twins(prices: Sequence[Price]) -> None:
    """Raise UsageError for two prices of which nothing tells which one counts."""
    seen = set()
    for price in prices:
        key = (price.priority, *price[5:10])
        if key in seen:
            raise UsageError(
                f"[[prices]] sets a price of {price.model} twice from the same moment and size on"
            )
        seen.add(key)
