"""The list that comes with the program: the package's prices and rules, and their history."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from importlib.metadata import version

import pytest
from genai_prices import types
from genai_prices.data import providers
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger import LISTED, Ledger
from prices.history import joined
from prices.rules import Rule, rule
from prices.snapshot import PROVIDERS, rows

from sessionmill.prices.listed import listed, parse, written

TODAY = date(2026, 11, 25)
OF_PACKAGE = {provider.id: provider for provider in providers}


# ── the file ──


def test_the_list_is_that_of_the_installed_package() -> None:
    # It fails when the package is renewed: `make prices` appends what has changed.
    newest = rows(providers, f"genai-prices {version('genai-prices')}", TODAY)
    assert joined(LISTED, newest, TODAY) == LISTED


def test_the_list_is_written_as_it_is_read() -> None:
    assert written(LISTED) == listed()
    assert parse(written(LISTED)) == LISTED


def test_every_price_says_where_it_is_from_and_when_it_was_noted() -> None:
    assert all(re.fullmatch(r"genai-prices \d+\.\d+\.\d+", p.source) for p in LISTED)
    assert all(p.noted_on and p.noted_on >= TODAY for p in LISTED)


def test_the_tiers_of_opus_4_6_end_on_the_day_that_the_package_names() -> None:
    usual = [
        (p.valid_from, p.from_tokens, p.input_per_million)
        for p in LISTED
        if (p.provider, p.model) == ("anthropic", "claude-opus-4-6") and p.service_tier != "batch"
    ]
    assert usual == [
        (None, 0, Decimal(5)),
        (None, 200_001, Decimal(10)),
        (datetime(2026, 3, 13), 0, Decimal(5)),  # noqa: DTZ001 - UTC, as in the table
    ]


# ── history, by two made-up lists ──


def package(amount: str, *, dated: tuple[date, str] | None = None) -> list[types.Provider]:
    """Return a package that knows one model, at an amount, and maybe at another from a day on."""
    first = types.ModelPrice(input_mtok=Decimal(amount))
    prices: types.ModelPrice | list[types.ConditionalPrice] = first
    if dated is not None:
        start, other = dated
        prices = [
            types.ConditionalPrice(prices=first),
            types.ConditionalPrice(
                types.StartDateConstraint(start),
                prices=types.ModelPrice(input_mtok=Decimal(other)),
            ),
        ]
    model = types.ModelInfo("m", types.ClauseEquals("m"), prices=prices)
    return [
        types.Provider(name, name, "", models=[model] if name == "anthropic" else [])
        for name in PROVIDERS
    ]


def held(prices: list[types.Provider], older: str, today: date, source: str) -> str:
    """Return the text of the list after it was renewed from a package."""
    return written(joined(parse(older), rows(prices, source, today), today))


def told(text: str) -> list[tuple[date | None, int, str]]:
    return [
        (p.valid_from.date() if p.valid_from else None, int(p.input_per_million or 0), p.source)
        for p in parse(text)
    ]


EMPTY = written([])
MAY, JUNE, JULY = date(2026, 5, 1), date(2026, 6, 1), date(2026, 7, 1)


def test_a_changed_price_is_appended_from_that_day_on_and_the_older_one_is_kept() -> None:
    first = held(package("5"), EMPTY, MAY, "v1")
    second = held(package("4"), first, JUNE, "v2")
    assert told(second) == [(None, 5, "v1"), (JUNE, 4, "v2")]
    third = held(package("3"), second, JULY, "v3")
    assert told(third) == [(None, 5, "v1"), (JUNE, 4, "v2"), (JULY, 3, "v3")]


def test_the_same_package_changes_nothing_on_whatever_day() -> None:
    first = held(package("5"), EMPTY, MAY, "v1")
    second = held(package("4"), first, JUNE, "v2")
    assert held(package("5"), first, JULY, "v2") == first
    assert held(package("4"), second, JULY, "v3") == second


def test_a_price_that_the_package_dates_holds_from_its_own_date_on() -> None:
    first = held(package("5"), EMPTY, MAY, "v1")
    second = held(package("5", dated=(date(2026, 5, 20), "4")), first, JUNE, "v2")
    assert told(second) == [(None, 5, "v1"), (date(2026, 5, 20), 4, "v2")]
    coming = held(package("5", dated=(JULY, "4")), first, JUNE, "v2")
    assert told(coming) == [(None, 5, "v1"), (JULY, 4, "v2")]


def test_a_model_that_the_package_has_dropped_keeps_its_price() -> None:
    first = held(package("5"), EMPTY, MAY, "v1")
    gone = package("5")
    gone[0].models = []
    assert held(gone, first, JUNE, "v2") == first


# ── rules for names ──


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    ledger = Ledger()
    ledger.price(LISTED)
    return ledger


def by_package(name: str) -> tuple[str, str] | None:
    """Return (provider, model) as the package's own rules find it."""
    dashed = re.sub(r"-(20\d\d)(\d\d)(\d\d)(?=-|:|$)", _dashes, name.lower())
    for spelling in (name.lower(), dashed):
        for provider in PROVIDERS:
            for model in OF_PACKAGE[provider].models:
                if model.is_match(spelling):
                    return provider, model.id
    return None


def _dashes(found: re.Match[str]) -> str:
    year, month, day = found.groups()
    return f"-{year}-{month}-{day}" if "01" <= month <= "12" and "01" <= day <= "31" else found[0]


def by_us(ledger: Ledger, names: list[str]) -> dict[str, tuple[str, str]]:
    ledger.respond({"model": name} for name in names)
    found = ledger.ask("SELECT DISTINCT name, provider, model FROM matching_prices")
    assert len({name for name, *_ in found}) == len(found), "one model for each name"
    return {name: (provider, model) for name, provider, model in found}


def known_names() -> list[str]:
    """Return every id and every word of a rule that the package has, of all providers."""
    names = {model.id for provider in providers for model in provider.models}
    for provider in PROVIDERS:
        for model in OF_PACKAGE[provider].models:
            names |= set(re.findall(r"(?:with|contains|equals)='([^']+)'", str(model.match)))
    return sorted(name for name in names if name.isascii())


NAMES = known_names()


@pytest.mark.soak
def test_every_known_name_is_found_as_the_package_finds_it(ledger: Ledger) -> None:
    assert len(NAMES) > 1500
    found = by_us(ledger, NAMES)
    wrong = {n: (found.get(n), by_package(n)) for n in NAMES if found.get(n) != by_package(n)}
    assert not wrong
    assert len(found) > 500


_REGIONAL = "regional.anthropic"


@pytest.mark.parametrize(
    ("name", "provider", "model"),
    [
        ("claude-opus-4-5-20251101", "anthropic", "claude-opus-4-5"),
        ("eu.anthropic.claude-opus-4-5-20251101-v1:0", "aws", f"{_REGIONAL}.claude-opus-4-5-v1:0"),
        ("claude-sonnet-4@20250514", "anthropic", "claude-sonnet-4-0"),
        ("gpt-5.5-20260423", "openai", "gpt-5.5"),
        ("gemini-2.5-pro", "google", "gemini-2.5-pro"),
    ],
)  # fmt: skip
def test_names_as_transcripts_write_them_are_known(
    ledger: Ledger, name: str, provider: str, model: str
) -> None:
    assert by_us(ledger, [name]) == {name: (provider, model)}


_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789-.:@/_"
ends = st.sampled_from(
    ["", "-20251101", "-2025-11-01", "@20251101", "-v1:0", "-latest", "-tts", "-preview", "[1m]"]
)


@st.composite
def near_names(draw: st.DrawFn) -> str:
    """Make a name from a known one: cut, with a character changed, something before or behind."""
    name = draw(st.sampled_from(NAMES))
    at = draw(st.integers(0, len(name)))
    change = draw(st.sampled_from(["none", "cut", "drop", "put"]))
    if change == "cut":
        name = name[:at]
    elif change == "drop":
        name = name[:at] + name[at + 1 :]
    elif change == "put":
        name = name[:at] + draw(st.sampled_from(_CHARACTERS)) + name[at:]
    name = draw(st.sampled_from(["", "us.anthropic.", "anthropic/", "x"])) + name + draw(ends)
    return name.upper() if draw(st.booleans()) else name


@settings(max_examples=12)
@given(st.lists(near_names(), min_size=60, max_size=60))
def test_names_near_known_ones_are_found_as_the_package_finds_them(
    ledger: Ledger, names: list[str]
) -> None:
    found = by_us(ledger, names)
    wrong = {n: (found.get(n), by_package(n)) for n in names if found.get(n) != by_package(n)}
    assert not wrong


def test_a_refusal_becomes_a_second_expression() -> None:
    refuses = types.ClauseRegex(r"^(?!.*-tts$)")
    both = types.ClauseAnd([types.ClauseStartsWith("g-1.5"), refuses])
    assert rule(both) == Rule(r"^g-1\.5", r"^.*-tts$")
    spared = types.ClauseOr([types.ClauseEquals("g"), both])
    assert rule(spared) == Rule(r"^g$|^g-1\.5", r"^.*-tts$")


@pytest.mark.parametrize(
    "unheard_of",
    [
        types.ClauseOr(
            [
                types.ClauseEquals("a-tts"),
                types.ClauseAnd([types.ClauseStartsWith("a"), types.ClauseRegex(r"^(?!.*-tts$)")]),
            ]
        ),
        types.ClauseAnd([types.ClauseStartsWith("a"), types.ClauseEndsWith("b")]),
        types.ClauseRegex(r"a(?=b)"),
    ],
)
def test_a_rule_that_cannot_be_said_is_an_error_and_not_a_guess(
    unheard_of: types.MatchLogic,
) -> None:
    with pytest.raises(ValueError):
        rule(unheard_of)


def test_most_models_of_the_corpus_have_a_price(ledger: Ledger) -> None:
    real = ["claude-fable-5", "claude-haiku-4-5-20251001", "claude-opus-4-5-20251101",
            "claude-opus-4-6", "claude-opus-4-8", "claude-opus-5", "claude-sonnet-4-5-20250929",
            "claude-sonnet-4-6", "claude-sonnet-5", "gpt-5.1", "gpt-5.2", "gpt-5.2-codex",
            "gpt-5.4", "gpt-5.5", "gpt-5.6-luna"]  # fmt: skip
    assert set(by_us(ledger, [*real, "gpt-5.3-codex-spark"])) == set(real)
