"""Prices that a person sets in `config.toml`: what they mean, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from ledger import LISTED, Ledger

from sessionmill.app import App
from sessionmill.config import Config, load
from sessionmill.errors import UsageError
from sessionmill.prices import Price
from sessionmill.registry import Registry
from sessionmill.store.facts import Facts
from sessionmill.store.prices import bring_up_to_date
from sessionmill.view import prices, reports


def set_prices(folder: Path, text: str) -> tuple[Price, ...]:
    (folder / "config.toml").write_text(text)
    return load(folder).prices


def test_a_price_is_taken_to_the_digit(tmp_path: Path) -> None:
    [price] = set_prices(
        tmp_path,
        '[[prices]]\nmodel = "my-model"\nvalid_from = 2026-03-01\nfrom_tokens = 200_001\n'
        "input_per_million = 0.1\noutput_per_million = 3\nweb_searches_per_thousand = 1e1\n"
        'speed = "fast"\nservice_tier = "batch"\ninference_geo = "us"\n',
    )
    assert price.input_per_million == Decimal("0.1")
    assert price.output_per_million == Decimal(3)
    assert price.cache_read_per_million is None
    assert price.web_searches_per_thousand == 10
    assert price.valid_from == datetime(2026, 3, 1)  # noqa: DTZ001 - UTC, as in the table
    assert (price.from_tokens, price.source) == (200_001, "configuration")
    assert price[5:8] == ("fast", "batch", "us")


def test_a_time_with_a_zone_is_turned_to_utc(tmp_path: Path) -> None:
    text = '[[prices]]\nmodel = "m"\ninput_per_million = 1\nvalid_from = {}\n'
    [zoned] = set_prices(tmp_path, text.format("2026-03-01T01:00:00+02:00"))
    [bare] = set_prices(tmp_path, text.format("2026-02-28T23:00:00"))
    assert zoned.valid_from == bare.valid_from == datetime(2026, 2, 28, 23)  # noqa: DTZ001 - UTC


def test_floats_of_processors_settings_stay_floats(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[processors.mine]\nshare = 0.5\n")
    assert isinstance(load(tmp_path).processors["mine"]["share"], float)


def test_a_star_stands_for_any_characters_and_a_dot_for_itself(tmp_path: Path) -> None:
    own = set_prices(
        tmp_path,
        '[[prices]]\nmodel = "gpt-5.*"\ninput_per_million = 1\n'
        '[[prices]]\nmodel = "*"\ninput_per_million = 2\n',
    )
    ledger = Ledger()
    ledger.price(own)
    ledger.respond({"model": name, "input_tokens": 10**6} for name in ("GPT-5.5-x", "gpt-525", "o"))
    assert [usd for usd, _ in ledger.costs()] == [1, 2, 2]


def test_prices_of_one_model_follow_each_other_however_they_are_ordered(tmp_path: Path) -> None:
    own = set_prices(
        tmp_path,
        '[[prices]]\nmodel = "m"\ninput_per_million = 3\nvalid_from = 2026-03-01\n'
        '[[prices]]\nmodel = "*"\ninput_per_million = 9\n'
        '[[prices]]\nmodel = "m"\ninput_per_million = 1\n',
    )
    assert [price.priority for price in own] == [-2, -1, -2]
    ledger = Ledger()
    ledger.price(own)
    days = (datetime(2026, 2, 28, 23), datetime(2026, 3, 1))  # noqa: DTZ001 - UTC
    ledger.respond({"model": "m", "at": at, "input_tokens": 10**6} for at in days)
    assert [usd for usd, _ in ledger.costs()] == [1, 3]


AMOUNT = "input_per_million = 1\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prices = 3\n", "are tables"),
        ("[prices]\nmodel = 'm'\n", "are tables"),
        (f"[[prices]]\n{AMOUNT}", "names no model"),
        (f"[[prices]]\nmodel = 5\n{AMOUNT}", "names no model"),
        ("[[prices]]\nmodel = 'm'\n", "sets no amount"),
        ("[[prices]]\nmodel = 'm'\nimput_per_million = 1\n", "unknown setting 'imput_per_million'"),
        ("[[prices]]\nmodel = 'm'\ninput_per_million = -1\n", "amount of USD"),
        ("[[prices]]\nmodel = 'm'\ninput_per_million = nan\n", "amount of USD"),
        ("[[prices]]\nmodel = 'm'\ninput_per_million = inf\n", "amount of USD"),
        ("[[prices]]\nmodel = 'm'\ninput_per_million = true\n", "amount of USD"),
        ("[[prices]]\nmodel = 'm'\ninput_per_million = '1'\n", "amount of USD"),
        ("[[prices]]\nmodel = 'm'\ninput_per_million = 1000000\n", "amount of USD"),
        ("[[prices]]\nmodel = 'm'\ninput_per_million = 1e999999\n", "amount of USD"),
        ("[[prices]]\nmodel = 'm'\ninput_per_million = 1e-999999\n", "amount of USD"),
        ("[[prices]]\nmodel = 'm'\ninput_per_million = 0.0000000001\n", "amount of USD"),
        (f"[[prices]]\nmodel = 'm'\nvalid_from = '2026-03-01'\n{AMOUNT}", "without quotes"),
        (f"[[prices]]\nmodel = 'm'\nfrom_tokens = 1.5\n{AMOUNT}", "whole number"),
        (f"[[prices]]\nmodel = 'm'\nfrom_tokens = -1\n{AMOUNT}", "whole number"),
        (f"[[prices]]\nmodel = 'm'\nspeed = 1\n{AMOUNT}", "speed is a word"),
        (f"[[prices]]\nmodel = 'm'\n{AMOUNT}" * 2, "twice"),
    ],
)
def test_what_nobody_understands_is_refused_with_its_place(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        set_prices(tmp_path, text)
    assert "config.toml" in str(refused.value)


# ── the table ──


def held(facts: Facts) -> list[tuple[object, ...]]:
    return facts.cursor().execute("FROM prices ORDER BY ALL").fetchall()


def test_the_table_holds_the_list_and_the_settings_and_is_filled_anew_only_for_a_change(
    tmp_path: Path,
) -> None:
    own = set_prices(tmp_path, f"[[prices]]\nmodel = 'm'\n{AMOUNT}")
    with Facts(tmp_path, "a test", now=datetime.now(UTC)) as facts:

        def commits() -> int:
            [(number,)] = facts.cursor().execute("SELECT max(number) FROM commits").fetchall()
            return int(number)

        bring_up_to_date(facts, ())
        assert set(held(facts)) == set(map(tuple, LISTED))
        before = commits()
        bring_up_to_date(facts, ())
        assert commits() == before
        bring_up_to_date(facts, own)
        assert commits() == before + 1
        assert len(held(facts)) == len(LISTED) + 1
        assert tuple(own[0]) in held(facts)
        bring_up_to_date(facts, ())
        assert len(held(facts)) == len(LISTED)


def test_a_changed_setting_changes_reports_at_once(tmp_path: Path) -> None:
    config = Config(tmp_path / "data")
    own = set_prices(tmp_path, f"[[prices]]\nmodel = 'm'\n{AMOUNT}")

    def by_model(with_prices: tuple[Price, ...]) -> object:
        changed = replace(config, prices=with_prices)
        with App(changed, Registry.of(changed), "a test") as app:
            assert app.store.prepare(list(app.registry.usable.values())) == {}
            cursor = app.facts.cursor()
            if not cursor.execute("FROM responses").fetchall():
                cursor.execute(
                    "INSERT INTO responses BY NAME SELECT 'a' AS response_id, 'm' AS model,"
                    " true AS counted, 1500000 AS input_tokens, 0 AS output_tokens,"
                    " 0 AS cache_read_tokens, 0 AS cache_write_5m_tokens,"
                    " 0 AS cache_write_1h_tokens, 'alice' AS username, 's' AS session_id"
                )
                cursor.execute("UPDATE rollups SET whole = false")
            assert app.store.roll_up(list(app.registry.usable.values())) == {}
            rows = reports.usage(cursor, "model").document()["rows"]
            listed = prices.in_use(cursor).document()["rows"]
            assert [row["responses"] for row in listed] == [1]
            return rows[0]["cost_usd"], rows[0]["unpriced_responses"], listed[0]["unpriced"]

    assert by_model(()) == (None, 1, "unknown model")
    assert by_model(own) == (Decimal("1.5"), 0, None)
    assert by_model(()) == (None, 1, "unknown model")


def test_facts_are_let_go_when_prices_cannot_be_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr("sessionmill.app.bring_up_to_date", fail)
    config = Config(tmp_path)
    with pytest.raises(RuntimeError):
        App(config, Registry.of(config), "a test")
    with Facts(tmp_path, "another", now=datetime.now(UTC)):
        pass
