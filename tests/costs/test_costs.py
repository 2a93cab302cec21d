"""What a response costs, and what a group of them: against a plain computation in fractions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from genai_prices import Usage, calc_price
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger import LISTED, Ledger, price

from sessionmill.prices import Price

MARCH = datetime(2026, 3, 13)  # noqa: DTZ001 - UTC, as in the table
MOMENT = timedelta(microseconds=1)


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger()


def cost(ledger: Ledger, **response: Any) -> Decimal | None:
    ledger.respond([response])
    [(usd, unpriced)] = ledger.costs()
    assert (usd is None) == (unpriced is not None)
    return usd


def why(ledger: Ledger, **response: Any) -> str | None:
    ledger.respond([response])
    [(_, unpriced)] = ledger.costs()
    return unpriced


# ── one response ──


def test_each_class_of_tokens_has_its_own_price(ledger: Ledger) -> None:
    ledger.price([price("alpha", "1", "20", "300", "4000", "50000", "7")])
    assert cost(
        ledger,
        input_tokens=1_000_000,
        output_tokens=1_000_000,
        cache_read_tokens=1_000_000,
        cache_write_5m_tokens=1_000_000,
        cache_write_1h_tokens=1_000_000,
        web_search_requests=1_000,
        web_fetch_requests=1_000,
    ) == Decimal(54_328)


def test_a_token_of_a_tiny_price_is_not_rounded_away(ledger: Ledger) -> None:
    ledger.price([price("alpha", "0.000000001")])
    assert cost(ledger, input_tokens=1) == Decimal("0.000000000000001")


def test_absurd_figures_of_a_damaged_line_are_no_error(ledger: Ledger) -> None:
    ledger.price([price("alpha", "999999.999999999", "1", "1", "1", "1")])
    huge = 2**63 - 1
    tokens = {"input_tokens": huge, "cache_read_tokens": huge, "cache_write_1h_tokens": huge}
    expected = Fraction(huge) * (Fraction("999999.999999999") + 2) / 10**6
    found = cost(ledger, **tokens)
    assert found is not None
    assert Fraction(found) == expected


def test_an_unknown_model_is_unpriced(ledger: Ledger) -> None:
    ledger.price([price("beta", "1", "1")])
    assert why(ledger, model="alpha", input_tokens=1) == "no price"
    assert why(ledger, model=None, input_tokens=1) == "names no model"


def test_a_class_without_a_price_makes_unpriced_what_has_tokens_of_it(ledger: Ledger) -> None:
    ledger.price([price("alpha", "2", "4", "1", "3", None, None)])
    assert cost(ledger, input_tokens=500_000) == 1
    assert why(ledger, cache_write_1h_tokens=1) == "no price of cache_write_1h_tokens"
    assert why(ledger, web_search_requests=1) == "no price of web_search_requests"


def test_a_price_of_zero_is_a_price(ledger: Ledger) -> None:
    ledger.price([price("alpha", "0", "0")])
    assert cost(ledger, input_tokens=9, output_tokens=9) == 0


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("speed", ["standard", "", None]),
        ("service_tier", ["standard", "default", "", None]),
        ("inference_geo", ["global", "not_available", "", None]),
    ],
)
def test_words_for_what_is_usual_have_the_standard_price(
    ledger: Ledger, column: str, words: list[str | None]
) -> None:
    ledger.price([price("alpha", "1")])
    assert {cost(ledger, input_tokens=10**6, **{column: word}) for word in words} == {Decimal(1)}


@pytest.mark.parametrize("unusual", [{"speed": "fast"}, {"service_tier": "batch"},
                                     {"inference_geo": "us"}])  # fmt: skip
def test_what_is_unusual_is_unpriced_without_a_price_of_its_own(
    ledger: Ledger, unusual: dict[str, str]
) -> None:
    ledger.price([price("alpha", "1")])
    assert why(ledger, input_tokens=1, **unusual) == "no price"
    ledger.price([price("alpha", "1"), price("alpha", "6", **unusual)])  # type: ignore[arg-type] # words only
    assert cost(ledger, input_tokens=10**6, **unusual) == 6
    assert cost(ledger, input_tokens=10**6) == 1


# ── from a size on, from a moment on ──


def test_from_its_first_token_on_a_tier_holds_for_the_whole_request(ledger: Ledger) -> None:
    ledger.price([price("alpha", "1", "1", "1", "1"),
                  price("alpha", "2", "2", "2", "2", from_tokens=200_001)])  # fmt: skip
    below = {"input_tokens": 1, "cache_read_tokens": 199_998, "cache_write_5m_tokens": 1}
    assert cost(ledger, output_tokens=800_000, **below) == 1
    above = below | {"input_tokens": 2}
    assert cost(ledger, output_tokens=799_999, **above) == 2


def test_output_does_not_make_a_request_larger(ledger: Ledger) -> None:
    ledger.price([price("alpha", "1", "1"), price("alpha", "2", "2", from_tokens=10)])
    assert cost(ledger, input_tokens=9, output_tokens=10**6 - 9) == 1


def test_a_price_holds_from_its_very_moment_on(ledger: Ledger) -> None:
    ledger.price([price("alpha", "1"), price("alpha", "5", valid_from=MARCH)])
    assert cost(ledger, at=MARCH - MOMENT, input_tokens=10**6) == 1
    assert cost(ledger, at=MARCH, input_tokens=10**6) == 5
    assert cost(ledger, at=None, input_tokens=10**6) == 5


def test_before_its_first_price_a_model_is_unpriced(ledger: Ledger) -> None:
    ledger.price([price("alpha", "1", valid_from=MARCH)])
    assert why(ledger, at=MARCH - MOMENT, input_tokens=1) == "no price"


def test_a_later_price_without_tiers_ends_the_tiers(ledger: Ledger) -> None:
    # As of Claude Opus 4.6 on 2026-03-13.
    ledger.price([price("alpha", "1"), price("alpha", "2", from_tokens=100),
                  price("alpha", "3", valid_from=MARCH)])  # fmt: skip
    assert cost(ledger, at=MARCH - MOMENT, input_tokens=10**6) == 2
    assert cost(ledger, at=MARCH, input_tokens=10**6) == 3


def test_of_the_list_the_first_model_that_matches_is_the_one(ledger: Ledger) -> None:
    first = price("alpha-fast", "1", priority=1)
    ledger.price([first, price("alpha", "9", "9", priority=2),
                  price("alpha", "7", priority=2, speed="fast")])  # fmt: skip
    assert cost(ledger, model="alpha-fast-2", input_tokens=10**6) == 1
    # No other model lends it a price of a class, or of a speed.
    assert why(ledger, model="alpha-fast-2", output_tokens=1) == "no price of output_tokens"
    assert why(ledger, model="alpha-fast-2", input_tokens=1, speed="fast") == "no price"


def test_a_persons_price_goes_before_the_lists_where_it_holds(ledger: Ledger) -> None:
    own = price("alpha", "3", priority=-1, valid_from=MARCH)
    ledger.price([price("alpha", "1"), price("alpha", "2", speed="fast"), own])
    assert cost(ledger, at=MARCH - MOMENT, input_tokens=10**6) == 1
    assert cost(ledger, at=MARCH, input_tokens=10**6) == 3
    assert cost(ledger, at=MARCH, input_tokens=10**6, speed="fast") == 2


# ── against a plain computation ──


def expected(prices: Sequence[Price], response: dict[str, Any]) -> Fraction | None:
    """Return what a response costs, by rows chosen one by one."""
    name = response["model"]
    matching = [p for p in prices if re.search(p.pattern, name)]
    first = min((p.priority for p in matching if p.priority > 0), default=0)
    asked = sum(response[c] for c in _ASKED)
    holding = [
        p
        for p in matching
        if (p.priority < 0 or p.priority == first)
        and p.speed == response["speed"]
        and (p.valid_from is None or p.valid_from <= response["at"])
        and p.from_tokens <= asked
    ]
    if not holding:
        return None
    earliest = datetime(1, 1, 1)  # noqa: DTZ001 - UTC, as in the table
    best = max(holding, key=lambda p: (-p.priority, p.valid_from or earliest, p.from_tokens))
    total = Fraction(0)
    for column, (amount, per) in _CLASSES.items():
        usd = getattr(best, amount)
        if response[column] and usd is None:
            return None
        total += Fraction(response[column]) * Fraction(usd or 0) / per
    return total


_ASKED = ("input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
_CLASSES = {
    "input_tokens": ("input_per_million", 10**6),
    "output_tokens": ("output_per_million", 10**6),
    "cache_read_tokens": ("cache_read_per_million", 10**6),
    "cache_write_5m_tokens": ("cache_write_5m_per_million", 10**6),
    "cache_write_1h_tokens": ("cache_write_1h_per_million", 10**6),
    "web_search_requests": ("web_searches_per_thousand", 10**3),
}

_SUMS = """
SELECT grouping(username, project, model), sum(cost_usd), sum(unpriced_responses)
  FROM VIEW
 GROUP BY GROUPING SETS (username, project, model, ())
"""

amount = st.none() | st.decimals(0, "999999.999999999", places=9).map(str)
moment = st.integers(0, 4).map(lambda days: MARCH + timedelta(days=days))
prices_of = st.lists(
    st.builds(
        lambda model, amounts, **rest: price(model, *amounts, **rest),
        st.sampled_from(["a", "al", "b"]),
        st.lists(amount, min_size=6, max_size=6),
        priority=st.integers(-3, 3).filter(bool),
        speed=st.sampled_from(["standard", "fast"]),
        valid_from=st.none() | moment,
        from_tokens=st.sampled_from([0, 0, 5, 10]),
    ),
    max_size=8,
    unique_by=lambda p: (p.priority, *p[5:10]),
)
tokens = st.sampled_from([0, 0, 1, 4, 5, 6, 999, 10**9])
responses_of = st.lists(
    st.fixed_dictionaries(
        {
            "model": st.sampled_from(["alpha", "beta", "gamma"]),
            "at": moment,
            "speed": st.sampled_from(["standard", "fast"]),
            "username": st.sampled_from(["alice", "bob"]),
            "project": st.sampled_from(["shop", "api", None]),
            **dict.fromkeys(_CLASSES, tokens),
        }
    ),
    min_size=1,
    max_size=6,
)


def one_pattern_each(prices: list[Price]) -> list[Price]:
    """Give every price of one priority one pattern, as the list and the settings do."""
    models = {p.priority: p for p in prices}
    return [
        p._replace(model=models[p.priority].model, pattern=models[p.priority].pattern)
        for p in prices
    ]


@settings(max_examples=25)
@given(prices_of.map(one_pattern_each), responses_of)
def test_costs_are_those_of_a_plain_computation_and_add_up_in_any_grouping(
    ledger: Ledger, prices: list[Price], responses: list[dict[str, Any]]
) -> None:
    ledger.price(prices)
    ledger.respond(responses)
    found = [None if usd is None else Fraction(usd) for usd, _ in ledger.costs()]
    wanted = [expected(prices, response) for response in responses]
    assert found == wanted
    ledger.roll_up()
    total = sum((usd for usd in wanted if usd is not None), Fraction(0))
    for view in ("counted_usage", "hourly_usage"):
        sums = ledger.ask(_SUMS.replace("VIEW", view))
        for grouping in {which for which, *_ in sums}:
            group = [(usd, unpriced) for which, usd, unpriced in sums if which == grouping]
            assert sum((Fraction(usd) for usd, _ in group if usd is not None), Fraction(0)) == total
            assert sum(unpriced for _, unpriced in group) == wanted.count(None)
        assert len({which for which, *_ in sums}) == 4


def test_no_cost_is_a_float(ledger: Ledger) -> None:
    described = ledger.ask(
        "SELECT table_name, data_type FROM duckdb_columns() WHERE column_name = 'cost_usd'"
    )
    types = dict(described)
    views = ("response_costs", "counted_usage", "hourly_usage", "session_usage")
    assert {types[view] for view in views} == {"DECIMAL(38,15)"}
    assert all(type.startswith("DECIMAL") for type in types.values())
    amounts = ledger.ask(
        "SELECT DISTINCT data_type FROM duckdb_columns()"
        " WHERE contains(column_name, '_per_million') OR contains(column_name, '_per_thousand')"
    )
    assert amounts == [("DECIMAL(15,9)",)]


# ── against the package from which the list is made ──


CLAUDE = list(dict.fromkeys(p.model for p in LISTED if p.provider == "anthropic"))


def asked_of(model: str) -> Iterator[tuple[dict[str, Any], Decimal]]:
    """Yield responses of one model, around each moment and size, with what the package says."""
    own = [p for p in LISTED if (p.provider, p.model) == ("anthropic", model)]
    write_5m, write_1h, read = (11, 13, 17) if own[0].cache_write_1h_per_million else (0, 0, 0)
    searches = 3 if own[0].web_searches_per_thousand else 0
    speeds = sorted({p.speed for p in own})
    moments = (MARCH - MOMENT, MARCH, datetime(2026, 11, 25))  # noqa: DTZ001 - UTC
    sizes = (1_000, 100_000, 100_001, 200_000, 200_001, 900_000)
    for speed, at, asked in product(speeds, moments, sizes):
        # The package's input includes what was read from a cache and written to one.
        usage = Usage(
            input_tokens=asked,
            output_tokens=19,
            cache_read_tokens=read,
            cache_write_tokens=write_5m + write_1h,
            cache_write_1h_tokens=write_1h,
            web_searches=searches,
        )
        said = calc_price(
            usage,
            model,
            provider_id="anthropic",
            genai_request_timestamp=at,
            price_context=None if speed == "standard" else {"speed": speed},
        )
        yield (
            {
                "model": model,
                "at": at,
                "speed": speed,
                "input_tokens": asked - write_5m - write_1h - read,
                "output_tokens": 19,
                "cache_read_tokens": read,
                "cache_write_5m_tokens": write_5m,
                "cache_write_1h_tokens": write_1h,
                "web_search_requests": searches,
            },
            said.total_price,
        )


def test_every_claude_model_costs_what_the_package_says(ledger: Ledger) -> None:
    cases = [case for model in CLAUDE for case in asked_of(model)]
    assert len(cases) > 400
    ledger.price(LISTED)
    ledger.respond(response for response, _ in cases)
    assert ledger.costs() == [(said, None) for _, said in cases]
