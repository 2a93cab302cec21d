"""What is imported is the same, whatever the order of files, and however often one comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vendor_exports import HAIKU, SONNET, ApiDay, Telemetry, Temporality, model, request

from sessionmill.store import vendor
from sessionmill.store.memory import MemoryFacts
from sessionmill.vendor import files

DAY = date(2026, 3, 2)
NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
FETCHED = datetime(2026, 3, 4, tzinfo=UTC)
TOKENS = "input_tokens, output_tokens, cache_read_tokens, cache_creation_tokens"

Table = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryFacts]:
    facts = MemoryFacts(now=NINE, spool=tmp_path_factory.mktemp("spool"))
    yield facts
    facts.close()


@contextmanager
def forgotten(facts: MemoryFacts) -> Iterator[MemoryFacts]:
    """Facts without anything of the vendor's."""
    with facts.transaction() as cursor:
        for table in ("vendor_usage", "vendor_points", "vendor_names"):
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608 - ours
    yield facts


def take_in(facts: MemoryFacts, *contents: bytes, as_of: datetime = FETCHED) -> None:
    """Import files, one command each."""
    for content in contents:
        reading = files.read(content, "a file", as_of)
        with facts.transaction() as cursor:
            vendor.take_in_usage(cursor, reading.usage)
            vendor.take_in_points(cursor, reading.points)


def asked(facts: MemoryFacts, columns: str, table: str = "vendor_usage") -> Table:
    query = f"SELECT {columns} FROM {table} ORDER BY ALL"  # noqa: S608 - ours
    return facts.cursor().execute(query).fetchall()


def imported(facts: MemoryFacts, contents: Iterable[bytes]) -> Table:
    """Return the table of what the vendor counted after importing files into empty ones."""
    with forgotten(facts):
        take_in(facts, *contents)
        return asked(facts, "*")


def tokens(facts: MemoryFacts, *contents: bytes) -> Table:
    with forgotten(facts):
        take_in(facts, *contents)
        return asked(facts, f"day, {TOKENS}")


# ── the API ──


def test_a_page_that_is_imported_again_changes_nothing(facts: MemoryFacts) -> None:
    [page] = ApiDay(DAY).record("a@example.com", model(SONNET, 1, 2, 3, 4, cents=5)).pages()
    assert imported(facts, [page]) == imported(facts, [page, page])
    assert len(asked(facts, "*")) == 2, "its model's row, and that of its sessions"


def test_a_later_page_replaces_what_it_tells_more_of_whichever_comes_first(
    facts: MemoryFacts,
) -> None:
    def page(*models: dict[str, Any]) -> bytes:
        return ApiDay(DAY).record("a@example.com", *models, sessions=len(models)).pages()[0]

    at_noon = page(model(SONNET, 100, 20, cents=9))
    at_night = page(model(SONNET, 100, 90, cents=30), model(HAIKU, 5))
    assert imported(facts, [at_noon, at_night, at_noon]) == imported(facts, [at_night])
    [row] = [
        row for row in asked(facts, "model, sessions, output_tokens, cost_usd") if row[0] is None
    ]
    assert row[1] == 2
    assert imported(facts, [at_noon]) != imported(facts, [at_night])


def test_equal_figures_fetched_later_hold_until_later(facts: MemoryFacts) -> None:
    [page] = ApiDay(DAY).record("a@example.com", model(input=1)).pages()
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    for order in ((noon, FETCHED), (FETCHED, noon)):
        with forgotten(facts):
            for as_of in order:
                take_in(facts, page, as_of=as_of)
            assert {row[0] for row in asked(facts, "as_of")} == {FETCHED.replace(tzinfo=None)}


def test_a_person_at_two_terminals_has_two_records_that_add_up(facts: MemoryFacts) -> None:
    day = ApiDay(DAY).record("a@example.com", model(input=1), terminal="vscode")
    day.record("a@example.com", model(input=10), terminal="tmux")
    take_in(facts, *day.pages(1), *day.pages(2))
    assert sum(row[0] for row in asked(facts, "input_tokens")) >= 11
    assert imported(facts, day.pages(1)) == imported(facts, day.pages(2))
    assert sum(row[0] for row in asked(facts, "input_tokens")) == 11


figures = st.integers(0, 3)
records = st.tuples(
    st.sampled_from(["a@example.com", "b@example.com", "a key"]),
    st.sampled_from([SONNET, HAIKU]),
    st.tuples(figures, figures, figures, figures, figures),
    st.sampled_from(["vscode", "tmux"]),
    st.integers(0, 1),
)


@settings(max_examples=20)
@given(st.lists(records, max_size=8), st.randoms())
def test_any_order_and_repetition_of_pages_gives_the_same_table(
    facts: MemoryFacts, told: list[Any], random: Any
) -> None:
    pages = [
        ApiDay(DAY + timedelta(days=day))
        .record(name, model(of_model, *counts), terminal=terminal)
        .pages()[0]
        for name, of_model, counts, terminal, day in told
    ]
    in_order = imported(facts, pages)
    again = [*pages, *random.sample(pages, min(3, len(pages)))]
    random.shuffle(again)
    assert imported(facts, again) == in_order
    with forgotten(facts):
        take_in(facts, b"\n".join([*again, *ApiDay(DAY).pages()]))
        assert asked(facts, "*") == in_order, "all in one file"


# ── telemetry ──


def test_deltas_add_up_by_day_and_session(facts: MemoryFacts) -> None:
    told = Telemetry("delta")
    for minute in range(3):
        told.tokens(NINE + timedelta(minutes=minute), "input", 10, session="0f3c")
        told.tokens(NINE + timedelta(minutes=minute), "cacheCreation", 5, session="77aa")
    told.tokens(NINE + timedelta(days=1), "output", 7)
    told.cost(NINE, 0.1).cost(NINE + timedelta(minutes=1), 0.2)
    with forgotten(facts):
        take_in(facts, told.content)
        assert asked(facts, f"day, session_id, {TOKENS}, cost_usd::DOUBLE") == [
            (DAY, "0f3c", 30, 0, 0, 0, 0.3),
            (DAY, "77aa", 0, 0, 0, 15, 0),
            (DAY + timedelta(days=1), "0f3c", 0, 7, 0, 0, 0),
        ]


def test_a_cumulative_counter_counts_what_it_has_grown_by(facts: MemoryFacts) -> None:
    told = Telemetry("cumulative", started=NINE)
    for hour in (1, 2, 30):  # 1,000 and 2,000 on the first day, 3,000 on the second
        told.tokens(NINE + timedelta(hours=hour), "input", 1000)
    assert tokens(facts, told.content) == [
        (DAY, 2000, 0, 0, 0),
        (DAY + timedelta(days=1), 1000, 0, 0, 0),
    ]


def test_another_start_time_is_another_sequence_though_its_values_are_higher(
    facts: MemoryFacts,
) -> None:
    told = Telemetry("cumulative", started=NINE)
    told.tokens(NINE + timedelta(hours=1), "input", 100)
    told.restart(NINE + timedelta(hours=2))
    told.tokens(NINE + timedelta(hours=3), "input", 500)
    assert tokens(facts, told.content) == [(DAY, 600, 0, 0, 0)]


def cumulative(*points: tuple[int, int, int]) -> bytes:
    """Return points of (start, time, value)."""
    return request(
        "claude_code.token.usage",
        "cumulative",
        *(
            {
                "attributes": [{"key": "type", "value": {"stringValue": "input"}}],
                "startTimeUnixNano": str(start),
                "timeUnixNano": str(at),
                "asInt": str(value),
            }
            for start, at, value in points
        ),
    )


@pytest.mark.parametrize(
    ("points", "added"),
    [
        ([(1, 2, 5), (1, 3, 9), (1, 4, 2), (1, 5, 6)], 15),  # a lower value: 5 + 4 + 2 + 4
        ([(1, 2, 5), (1, 4, 2), (1, 3, 9)], 11),  # the same, out of order
        ([(1, 1, 5), (1, 2, 9)], 4),  # a first point without duration: told before
        ([(1, 1, 5)], 0),
        ([(0, 2, 5), (0, 3, 9)], 9),  # without a start
        ([(1, 2, 5), (3, 4, 5)], 10),  # another start, and the same value
        ([(1, 2, 5), (1, 3, 5), (1, 4, 5)], 5),  # nothing was used
        ([(1, 2, 5), (1, 2, 5)], 5),
    ],
)
def test_resets_are_seen_as_the_data_model_tells(
    facts: MemoryFacts, points: list[tuple[int, int, int]], added: int
) -> None:
    rows = tokens(facts, cumulative(*points))
    assert sum(row[1] for row in rows) == added
    assert tokens(facts, *(cumulative(point) for point in reversed(points))) == rows


def test_a_client_that_is_idle_for_days_has_a_row_for_none_of_them(facts: MemoryFacts) -> None:
    told = Telemetry("cumulative", started=NINE)
    for hour in (1, 26, 50):
        told.tokens(NINE + timedelta(hours=hour), "input", 7 if hour == 1 else 0)
    assert tokens(facts, told.content) == [(DAY, 7, 0, 0, 0)]


def test_a_moment_that_is_told_twice_has_the_greater_value(facts: MemoryFacts) -> None:
    less, more = cumulative((1, 2, 5)), cumulative((1, 2, 9))
    assert tokens(facts, less, more) == tokens(facts, more, less) == tokens(facts, more)
    assert tokens(facts, less + more) == tokens(facts, more) != tokens(facts, less)


def test_a_counter_that_is_exported_both_ways_is_counted_once(facts: MemoryFacts) -> None:
    both = [
        filled(temporality, [(0, 0, "input", 7), (5, 0, "input", 8)], []) for temporality in BOTH
    ]
    assert tokens(facts, *(t.content for t in both)) == tokens(facts, both[0].content)


def test_a_type_of_tokens_that_nobody_knows_is_kept_and_not_counted(facts: MemoryFacts) -> None:
    told = Telemetry("delta").tokens(NINE, "imagined", 7).tokens(NINE, "input", 1)
    assert tokens(facts, told.content) == [(DAY, 1, 0, 0, 0)]
    assert len(asked(facts, "*", "vendor_points")) == 2


BOTH: tuple[Temporality, ...] = ("delta", "cumulative")
#: Minutes since nine, which of two sessions, what, and how much.
uses = st.tuples(
    st.integers(1, 3000),
    st.integers(0, 1),
    st.sampled_from(["input", "output", "cacheRead", "cacheCreation", "cost"]),
    st.integers(0, 4),
)


def filled(
    temporality: Temporality, told: list[tuple[int, int, str, int]], restarts: list[int]
) -> Telemetry:
    """Return what a client exports that is begun anew after so many uses."""
    telemetry = Telemetry(temporality, started=NINE)
    moments = sorted({minute: None for minute, *_ in told})
    for number, minute in enumerate(moments):
        at = NINE + timedelta(minutes=minute)
        if number in restarts:
            telemetry.restart(at - timedelta(seconds=30))
        sums: dict[tuple[int, str], int] = {}
        for of_minute, session, what, amount in told:
            if of_minute == minute:
                sums[session, what] = sums.get((session, what), 0) + amount
        for (session, what), amount in sums.items():
            if what == "cost":
                telemetry.cost(at, amount / 10, session=f"s{session}")
            else:
                telemetry.tokens(at, what, amount, session=f"s{session}")
    return telemetry


@settings(max_examples=20)
@given(st.lists(uses, max_size=12), st.lists(st.integers(0, 12), max_size=3), st.randoms())
def test_delta_and_cumulative_exports_in_any_order_and_repetition_give_the_same_rows(
    facts: MemoryFacts, told: list[tuple[int, int, str, int]], restarts: list[int], random: Any
) -> None:
    delta, cumulative = (filled(temporality, told, restarts) for temporality in BOTH)
    rows = imported(facts, [delta.content] if delta.lines else [])
    sums = dict.fromkeys(("input", "output", "cacheRead", "cacheCreation"), 0)
    for _, _, what, amount in told:
        if what in sums:
            sums[what] += amount
    assert [sum(row[i] for row in rows) for i in range(7, 11)] == list(sums.values())
    for lines in (delta.lines, cumulative.lines):
        again = [*lines, *random.sample(lines, min(3, len(lines)))]
        random.shuffle(again)
        cut = random.randint(0, len(again))
        parts = [part for part in (again[:cut], again[cut:]) if part]
        assert imported(facts, [b"".join(part) for part in parts]) == rows


# ── what is kept ──


def test_nothing_but_names_days_and_counts_is_kept(facts: MemoryFacts) -> None:
    canary = "canary-7f3a"
    secret = {"prompt": canary, "host.name": canary, "cwd": canary}
    told = Telemetry("delta").tokens(NINE, "input", 1, **secret)
    page = ApiDay(DAY).record("a@example.com", model(input=1), note=canary).pages()[0]
    logs = b'{"resourceLogs":[{"body":"canary-7f3a"}]}\n'
    with forgotten(facts):
        take_in(facts, logs + told.content, page)
        for table in ("vendor_usage", "vendor_points", "vendor_names"):
            assert canary not in str(asked(facts, "*", table)), table
        assert len(asked(facts, "*")) == 3
