"""Rows on their way to the store: checked, completed by key, and told apart by job."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest

from sessionmill.contracts import Column, Table
from sessionmill.run.columns import TableRows, microseconds

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HALF_PAST = datetime(2026, 3, 20, 12, 30, tzinfo=UTC)

CALLS = Table(
    name="calls",
    comment="one call",
    key=("id",),
    columns=(
        Column("id", "VARCHAR", "keep", "the call's"),
        Column("first", "BIGINT", "keep", "as first told"),
        Column("name", "VARCHAR", "fill", "once known"),
        Column("size", "BIGINT", "max", "the largest"),
        Column("at", "TIMESTAMP", "min", "the earliest"),
    ),
)
PARTS = Table(
    name="parts",
    comment="one part of a call",
    key=("id", "number"),
    columns=(
        Column("id", "VARCHAR", "keep", "the call's"),
        Column("number", "INTEGER", "keep", "from 0"),
        Column("share", "DOUBLE", "max", "of all"),
    ),
)
ANYTHING = Table(
    name="anything",
    comment="a value of each type",
    key=("id",),
    columns=(
        Column("id", "BIGINT", "keep", ""),
        Column("integer", "INTEGER", "fill", ""),
        Column("small", "UTINYINT", "fill", ""),
        Column("hash", "UBIGINT", "fill", ""),
        Column("share", "DOUBLE", "fill", ""),
        Column("yes", "BOOLEAN", "fill", ""),
        Column("word", "VARCHAR", "fill", ""),
    ),
)


def read(stream: bytes) -> list[dict[str, Any]]:
    """Return the rows of an Arrow IPC stream."""
    return list(pa.ipc.open_stream(io.BytesIO(stream)).read_all().to_pylist())


def taken(rows: TableRows, *columns: str) -> list[tuple[Any, ...]]:
    stream, *_ = rows.take(0, job_ended=True)
    return [tuple(row[name] for name in columns) for row in read(stream)]


def of(table: Table, *given: Any, job: int = 1) -> TableRows:
    rows = TableRows(table)
    rows.add(job, rows.check(given))
    return rows


def call(id: str, **values: Any) -> dict[str, Any]:
    return {"id": id, **values}


# ── what a row must be ──


def test_a_row_is_a_tuple_or_names_its_columns() -> None:
    rows = of(CALLS, ("a", 1, "Bash", 2, None), {"size": 3, "id": "b"})

    assert taken(rows, "id", "first", "name", "size") == [("a", 1, "Bash", 2), ("b", None, None, 3)]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (["a", 1, "Bash", 2, None], "a row of calls is list, no tuple and no mapping"),
        ("abcde", "a row of calls is str, no tuple and no mapping"),
        (("a", 1), "a row of calls has 2 values for 5 columns"),
        (("a", 1, "Bash", 2, None, 7), "a row of calls has 6 values for 5 columns"),
        ((None, 1, "Bash", 2, None), "calls.id is its key, and a row has none"),
        ({"size": 3}, "calls.id is its key, and a row has none"),
        ({"id": "a", "sice": 3, "zeal": 1}, "calls has no column 'sice'"),
    ],
)
def test_a_row_that_is_none_is_refused_wherever_it_stands(row: Any, why: str) -> None:
    sound = ("b", 1, "Bash", 2, None)
    for given in ([row], [sound, row], [row, sound]):
        with pytest.raises(ValueError) as told:
            TableRows(CALLS).check(given)
        assert str(told.value) == why


def test_every_column_of_a_key_needs_a_value() -> None:
    with pytest.raises(ValueError, match=r"parts.number is its key, and a row has none"):
        TableRows(PARTS).check([("a", 0, 0.5), ("a", None, 0.5)])


def test_what_is_no_number_is_no_value() -> None:
    rows = of(PARTS, ("a", 0, float("nan")), ("a", 1, float("inf")), ("a", 0, 0.25))

    assert taken(rows, "number", "share") == [(0, 0.25), (1, float("inf"))]


# ── rows of one key ──


def test_rows_of_one_key_complete_the_first_each_column_by_its_rule() -> None:
    early, late = HALF_PAST, HALF_PAST + timedelta(seconds=1)
    rows = of(
        CALLS,
        ("a", 1, None, None, None),
        ("b", 9, "Read", 5, early),
        ("a", 2, "Bash", 7, late),
        ("a", 3, "Edit", 8, early),
        ("a", 4, None, 6, None),
        ("b", 8, "Grep", None, late),
    )

    assert len(rows) == 2
    microsecond = microseconds(early)
    assert taken(rows, "id", "first", "name", "size", "at") == [
        ("a", 1, "Bash", 8, microsecond),
        ("b", 9, "Read", 5, microsecond),
    ]


def test_zero_is_a_value_that_is_kept_and_compared() -> None:
    rows = of(
        CALLS, ("a", 0, "", 0, EPOCH), ("a", 1, "x", -1, HALF_PAST), ("a", 1, "x", None, None)
    )

    assert taken(rows, "first", "name", "size", "at") == [(0, "", 0, 0)]


def test_a_key_of_several_columns_is_the_same_where_all_are() -> None:
    rows = of(PARTS, ("a", 0, 0.1), ("a", 1, 0.2), ("b", 0, 0.3), ("a", 1, 0.4))

    assert taken(rows, "id", "number", "share") == [("a", 0, 0.1), ("a", 1, 0.4), ("b", 0, 0.3)]


def test_rows_of_several_jobs_do_not_complete_one_another() -> None:
    rows = TableRows(CALLS)
    for job in (0, 1):
        rows.add(job, rows.check([call("a", size=job)]))
        rows.add(job, rows.check([call("a", size=job + 5)]))

    stream, whole, counts, unfit = rows.take(10, job_ended=True)

    assert [(row["_job"], row["_seq"], row["size"]) for row in read(stream)] == [
        (0, 10, 5),
        (1, 11, 6),
    ]
    assert (whole, counts, unfit) == (True, {0: 1, 1: 1}, {})


# ── taking ──


def test_what_was_taken_is_forgotten_and_not_completed_any_more() -> None:
    rows = of(CALLS, call("a", size=1))
    first = rows.take(0, job_ended=False)
    assert len(rows) == 0
    rows.add(1, rows.check([call("a", size=2)]))
    second = rows.take(1, job_ended=True)

    assert [(row["_seq"], row["size"]) for row in read(first[0]) + read(second[0])] == [
        (0, 1),
        (1, 2),
    ]
    assert (first[1], second[1]) == (False, False), "neither is all that the job has"


def test_the_job_after_one_that_came_in_parts_is_whole() -> None:
    rows = of(CALLS, call("a"))
    assert not rows.take(0, job_ended=False)[1]
    rows.add(1, rows.check([call("b")]))
    assert not rows.take(1, job_ended=True)[1]
    rows.add(2, rows.check([call("a")]))
    assert rows.take(2, job_ended=True)[1]


def test_another_job_begins_whole_after_one_that_went_on_and_had_no_more_rows() -> None:
    rows = of(CALLS, call("a"))
    rows.take(0, job_ended=False)
    rows.add(2, rows.check([call("a")]))
    assert rows.take(1, job_ended=True)[1]


def test_nothing_gathered_is_an_empty_stream_with_every_column() -> None:
    stream, whole, counts, unfit = TableRows(CALLS).take(0, job_ended=True)

    assert (read(stream), whole, counts, unfit) == ([], True, {}, {})
    names = pa.ipc.open_stream(io.BytesIO(stream)).schema.names
    assert names == ["_job", "_seq", "id", "first", "name", "size", "at"]


# ── values that fit no column ──


def test_a_job_with_a_value_that_fits_no_column_is_left_out_and_the_others_are_not() -> None:
    rows = TableRows(CALLS)
    for job, size in ((1, 1), (2, "large"), (3, 3)):
        rows.add(job, rows.check([call("a", size=size), call("b", size=0)]))

    stream, whole, counts, unfit = rows.take(0, job_ended=True)

    assert [(row["_job"], row["_seq"], row["size"]) for row in read(stream)] == [
        (1, 0, 1),
        (1, 1, 0),
        (3, 2, 3),
        (3, 3, 0),
    ]
    assert (whole, counts) == (True, {1: 2, 3: 2})
    assert list(unfit) == [2]
    assert unfit[2].startswith("a value of calls.size is no BIGINT: ")


@pytest.mark.parametrize("column", ["size", "at"])
def test_values_of_several_types_that_are_compared_cost_their_job_alone(column: str) -> None:
    rows = TableRows(CALLS)
    rows.add(1, rows.check([call("a", **{column: 1}), call("a", **{column: "x"})]))
    rows.add(2, rows.check([call("a", size=5)]))

    stream, _, counts, unfit = rows.take(0, job_ended=True)

    assert [(row["_job"], row["size"]) for row in read(stream)] == [(2, 5)]
    assert counts == {2: 1}
    assert unfit[1].startswith("values of calls are of several types: ")
    assert rows.take(0, job_ended=True)[3] == {}, "it is told once"


def test_a_key_that_cannot_be_compared_is_refused() -> None:
    rows = TableRows(CALLS)
    with pytest.raises(ValueError, match=r"a value of calls.id is no VARCHAR: unhashable"):
        rows.add(1, rows.check([(["a"], 1, None, None, None)]))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("integer", 2**31),
        ("integer", "one"),
        ("small", 256),
        ("small", -1),
        ("hash", 2**64),
        ("hash", -1),
        ("share", "half"),
        ("word", 7),
    ],
)
def test_a_value_beyond_its_column_is_told_of(column: str, value: object) -> None:
    *_, unfit = of(ANYTHING, {"id": 1, column: value}).take(0, job_ended=True)

    assert f"a value of anything.{column} is no " in unfit[1]


def test_the_largest_value_of_each_column_fits() -> None:
    largest = (2**63 - 1, 2**31 - 1, 255, 2**64 - 1, 1.5, True, "ümläut ✓")

    assert taken(of(ANYTHING, largest), *(c.name for c in ANYTHING.columns)) == [largest]


def test_half_a_surrogate_pair_is_written_out() -> None:
    rows = of(ANYTHING, {"id": 1, "word": "a\ud83d"}, {"id": 2}, {"id": 3, "word": "ü"})

    assert taken(rows, "word") == [("a\\ud83d",), (None,), ("ü",)]


# ── times ──


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (EPOCH, 0),
        (EPOCH + timedelta(microseconds=1), 1),
        (EPOCH - timedelta(microseconds=1), -1),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), 253402300799_999_999),
        (datetime(2026, 3, 20, 14, 30, tzinfo=timezone(timedelta(hours=2))), None),
        (
            datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=23))),
            -62135596800000000 - 23 * 3600 * 10**6,
        ),
    ],
    ids=str,
)
def test_a_time_is_stored_to_the_microsecond_whatever_its_zone(
    at: datetime, expected: int | None
) -> None:
    if expected is None:
        expected = microseconds(HALF_PAST)
    assert taken(of(CALLS, call("a", at=at), call("b")), "at") == [(expected,), (None,)]


def test_a_time_without_a_zone_is_told_of() -> None:
    *_, unfit = of(CALLS, call("a", at=HALF_PAST.replace(tzinfo=None))).take(0, job_ended=True)

    assert unfit == {1: "a value of calls.at is no TIMESTAMP: a time without a time zone"}


def test_microseconds_are_those_since_1970() -> None:
    assert microseconds(EPOCH + timedelta(seconds=2, microseconds=5)) == 2_000_005
    with pytest.raises(ValueError, match="a time without a time zone"):
        microseconds(datetime(2026, 3, 20))  # noqa: DTZ001
