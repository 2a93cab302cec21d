"""Rows of extractors: completed by their tables' rules, and one of several copies counted."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from holding import NOW
from row_tables import Stored, append, fresh, replace, stored

from sessionmill import plugins
from sessionmill.cadence import Cadence
from sessionmill.contracts import Column, Extraction, Table, Transcript
from sessionmill.decode.records import Record
from sessionmill.errors import ProcessorUnusable
from sessionmill.plugins import Processor
from sessionmill.run.columns import TableRows
from sessionmill.store.facts import Facts
from sessionmill.store.rows import COUNTED, IDENTITY, RowStore, rename
from sessionmill.store.run_store import FactsRunStore


def table(
    *columns: Column, name: str = "things", key: tuple[str, ...] = ("id",), **more: Any
) -> Table:
    own = () if "id" in {column.name for column in columns} else (Column("id", "VARCHAR", "keep"),)
    return Table(name=name, key=key, columns=(*own, *columns), **more)


COUNTS = table(
    Column("size", "BIGINT", "max"), Column("rank", "BIGINT", "min"), elect_by=("size DESC", "rank")
)


# Completion


@pytest.mark.parametrize(
    ("completion", "values", "left"),
    [
        ("keep", [1, 2, None], 1),
        ("keep", [None, 2], None),
        ("fill", [None, 2, 3], 2),
        ("fill", [None, None], None),
        ("max", [2, None, 3, 1], 3),
        ("max", [None], None),
        ("min", [2, None, 1, 3], 1),
    ],
)
@pytest.mark.parametrize("how", ["at once", "in two parts of one commit", "one by one"])
def test_a_later_row_completes_an_earlier_one_by_the_rule_of_its_column(
    completion: Any, values: list[int | None], left: int | None, how: str
) -> None:
    with stored(table(Column("v", "BIGINT", completion))) as things:
        rows = [("x", value) for value in values]
        if how == "one by one":
            for row in rows:
                things.write(append("alice/a", row))
        else:
            things.write(fresh("alice/a", *rows), send_halves=how != "at once")
        assert things.rows("id", "v") == [("x", left)]


@pytest.mark.parametrize("completion", ["max", "min"])
@pytest.mark.parametrize("values", [(math.nan, 1.0), (1.0, math.nan)])
def test_no_number_is_completed_alike_however_the_rows_come(
    completion: Any, values: tuple[float, float]
) -> None:
    left = set()
    for at_once in (True, False):
        with stored(table(Column("v", "DOUBLE", completion))) as things:
            rows = [("x", value) for value in values]
            for job in [[*rows]] if at_once else [[row] for row in rows]:
                things.write(append("alice/a", *job))
            left.add(str(things.rows("v")))
    assert len(left) == 1, "a cut between the rows must not show"


def test_values_that_cannot_be_compared_are_unfit_and_no_accident() -> None:
    rows = TableRows(table(Column("v", "BIGINT", "max")))
    rows.add(1, rows.check([("x", 1), ("x", "not a number")]))
    rows.add(2, rows.check([("x", 2)]))
    *_, unfit = rows.take(0, job_ended=True)
    assert list(unfit) == [1]


@pytest.mark.parametrize(
    ("type", "small", "large"),
    [
        ("VARCHAR", "a", "ä"),
        ("BIGINT", -(2**63), 2**63 - 1),
        ("INTEGER", -(2**31), 2**31 - 1),
        ("UTINYINT", 0, 255),
        ("UBIGINT", 0, 2**64 - 1),
        ("DOUBLE", -0.5, 1e300),
        ("BOOLEAN", False, True),
        ("TIMESTAMP", datetime(1969, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, 1, 2, 3, 4, UTC)),
    ],
)
def test_every_type_can_be_completed_by_the_larger_and_the_smaller(
    type: str, small: Any, large: Any
) -> None:
    both = table(
        Column("least", type, "min"), Column("most", type, "max"), Column("first", type, "fill")
    )
    with stored(both) as things:
        things.write(fresh("alice/a", ("x", large, small, None)))
        things.write(append("alice/a", ("x", small, large, large), ("x", None, None, small)))
        [(least, most, first)] = things.rows("least", "most", "first")
    expected = [v.replace(tzinfo=None) if isinstance(v, datetime) else v for v in (small, large)]
    assert [least, most, first] == [expected[0], expected[1], expected[1]]


def test_completing_tells_how_many_rows_each_transcript_has_now_written() -> None:
    with stored(table(Column("v", "BIGINT", "max"))) as things:
        things.write(fresh("alice/a", ("x", 1), ("y", 1), ("z", 1)))
        written = things.write(
            append("alice/a", ("x", 2), ("x", 3), ("w", 1)), fresh("alice/b", ("x", 1))
        )
        assert written == {"alice/a": 2, "alice/b": 1}


def test_rows_of_other_transcripts_and_other_keys_are_left_alone() -> None:
    with stored(table(Column("v", "BIGINT", "max"))) as things:
        things.write(fresh("alice/a", ("x", 1), ("y", 2)), fresh("alice/b", ("x", 3)))
        things.write(append("alice/a", ("x", 9)))
        assert things.rows("session_key", "id", "v") == [
            ("alice/a", "x", 9),
            ("alice/a", "y", 2),
            ("alice/b", "x", 3),
        ]


def test_each_row_says_whose_it_is() -> None:
    with stored(table()) as things:
        things.write(fresh("alice/a", ("x",), ("y",), ("x",)))
        assert things.rows("session_key", "session_id", "username", "agent", "id") == [
            ("alice/a", "session of alice/a", "alice", "claude-code", "x"),
            ("alice/a", "session of alice/a", "alice", "claude-code", "y"),
        ]


def test_the_rows_of_a_replaced_transcript_go_before_the_new_ones_come() -> None:
    with stored(table(Column("v", "BIGINT", "max"))) as things:
        things.write(fresh("alice/a", ("x", 5), ("y", 5)), fresh("alice/b", ("y", 5)))
        things.write(replace("alice/a", ("x", 1)))
        assert things.rows("session_key", "id", "v") == [("alice/a", "x", 1), ("alice/b", "y", 5)]


def test_derived_columns_follow_whatever_completes_the_row() -> None:
    span = table(
        Column("start", "BIGINT", "min"),
        Column("end", "BIGINT", "max"),
        derived={"length": ("BIGINT", '"end" - start', "from start to end")},
    )
    with stored(span) as things:
        things.write(fresh("alice/a", ("x", 10, None)))
        assert things.rows("length") == [(None,)]
        things.write(append("alice/a", ("x", None, 15)))
        assert things.rows("length") == [(5,)]
        things.write(append("alice/a", ("x", 1, None)))
        assert things.rows("length") == [(14,)]


def test_a_key_of_several_columns_is_one_key() -> None:
    pairs = table(
        Column("id", "VARCHAR", "keep"),
        Column("part", "BIGINT", "keep"),
        Column("v", "BIGINT", "max"),
        key=("id", "part"),
        elect_by=("v DESC",),
    )
    with stored(pairs) as things:
        things.write(fresh("alice/a", ("x", 1, 1), ("x", 2, 2), ("y", 1, 3)))
        things.write(append("alice/a", ("x", 2, 9)), fresh("alice/b", ("x", 1, 4)))
        assert things.rows("id", "part", "v", "counted") == [
            ("x", 1, 1, False),
            ("x", 1, 4, True),
            ("x", 2, 9, True),
            ("y", 1, 3, True),
        ]


def test_a_key_may_hold_a_time() -> None:
    hours = table(
        Column("hour", "TIMESTAMP", "keep"),
        Column("v", "BIGINT", "max"),
        key=("id", "hour"),
        elect_by=("v DESC",),
    )
    nine, ten = (datetime(2026, 3, 2, hour, tzinfo=UTC) for hour in (9, 10))
    with stored(hours) as things:
        things.write(fresh("alice/a", ("x", nine, 1), ("x", ten, 1)))
        things.write(append("alice/a", ("x", nine, 7)))
        naive = [at.replace(tzinfo=None) for at in (nine, ten)]
        assert things.rows("hour", "v", "counted") == [
            (naive[0], 7, True),
            (naive[1], 1, True),
        ]


# Election


def test_of_several_copies_the_first_in_the_declared_order_is_counted() -> None:
    with stored(COUNTS) as things:
        things.write(
            fresh("alice/a", ("x", 5, 1)),
            fresh("alice/b", ("x", 9, 2)),
            fresh("alice/c", ("x", 9, 1)),
            fresh("alice/d", ("x", None, 0)),
        )
        assert things.rows("session_key", "counted") == [
            ("alice/a", False),
            ("alice/b", False),
            ("alice/c", True),
            ("alice/d", False),
        ]


@pytest.mark.parametrize("keys", [("alice/a", "alice/b"), ("alice/b", "alice/a")])
@pytest.mark.parametrize("together", [True, False])
def test_of_equal_copies_the_smaller_session_key_is_counted(
    keys: tuple[str, str], together: bool
) -> None:
    with stored(COUNTS) as things:
        jobs = [fresh(key, ("x", 5, 1)) for key in keys]
        for part in [jobs] if together else [[job] for job in jobs]:
            things.write(*part)
        assert things.rows("session_key", "counted") == [("alice/a", True), ("alice/b", False)]


def test_each_username_counts_its_own_copy() -> None:
    with stored(COUNTS) as things:
        things.write(fresh("alice/a", ("x", 5, 1)))
        things.write(fresh("bob/b", ("x", 9, 1)))
        assert things.rows("username", "counted") == [("alice", True), ("bob", True)]


def test_a_copy_that_grows_takes_the_count_over() -> None:
    with stored(COUNTS) as things:
        things.write(fresh("alice/a", ("x", 5, 1)), fresh("alice/b", ("x", 4, 1)))
        things.write(append("alice/b", ("x", 6, None)))
        assert things.rows("session_key", "counted") == [("alice/a", False), ("alice/b", True)]


@pytest.mark.parametrize("how", ["forget", "replace by another", "replace by nothing"])
def test_the_count_of_a_row_that_goes_passes_to_another_copy(how: str) -> None:
    with stored(COUNTS) as things:
        for key, size in (("alice/a", 9), ("alice/b", 5), ("alice/c", 7)):
            things.write(fresh(key, ("x", size, 1)))
        if how == "forget":
            things.forget("alice/a")
        elif how == "replace by nothing":
            things.write(replace("alice/a"))
        else:
            things.write(replace("alice/a", ("y", 1, 1)))
        counted = [row[:2] for row in things.rows("id", "session_key", "counted") if row[2]]
        assert [key for id, key in counted if id == "x"] == ["alice/c"]


def test_a_replaced_row_that_comes_back_is_elected_anew() -> None:
    with stored(COUNTS) as things:
        things.write(fresh("alice/a", ("x", 9, 1)), fresh("alice/b", ("x", 5, 1)))
        things.write(replace("alice/a", ("x", 1, 1)))
        assert things.rows("session_key", "counted") == [("alice/a", False), ("alice/b", True)]


def test_nothing_is_counted_where_the_first_copy_is_not_eligible() -> None:
    marked = table(
        Column("mark", "BIGINT", "max"),
        elect_by=("mark DESC",),
        eligible="mark IS NOT DISTINCT FROM 0",
    )
    with stored(marked) as things:
        things.write(fresh("alice/a", ("x", 0)))
        assert things.rows("counted") == [(True,)]
        things.write(fresh("alice/b", ("x", 1)))
        assert things.rows("counted") == [(False,), (False,)], "the other copy is not the first"
        things.forget("alice/b")
        assert things.rows("counted") == [(True,)]


def test_a_row_that_becomes_eligible_is_counted_from_then_on() -> None:
    named = table(
        Column("name", "VARCHAR", "fill"), elect_by=("name IS NULL",), eligible="name IS NOT NULL"
    )
    with stored(named) as things:
        things.write(fresh("alice/a", ("x", None)))
        assert things.rows("counted") == [(False,)]
        things.write(append("alice/a", ("x", "Bash")))
        assert things.rows("counted") == [(True,)]


def test_parts_of_a_key_cannot_be_moved_to_claim_another() -> None:
    pairs = table(
        Column("id", "VARCHAR", "keep"),
        Column("part", "VARCHAR", "keep"),
        key=("id", "part"),
        elect_by=("id",),
    )
    with stored(pairs) as things:
        things.write(fresh("alice/a", ("x\x1fy", "z"), ("x", "y\x1fz")))
        assert things.rows("counted") == [(True,), (True,)]


def test_the_hash_of_a_key_is_one_that_any_program_can_compute() -> None:
    # It is stored: with DuckDB's own hash() another version would not find the copies.
    with stored(COUNTS) as things:
        things.write(fresh("alice/a", ("msg_01é", 1, 1)))
        digest = hashlib.md5("msg_01é".encode(), usedforsecurity=False).digest()
        assert things.rows("key_hash") == [(int.from_bytes(digest[8:], "little"),)]


def test_a_table_without_an_election_counts_nothing() -> None:
    with stored(table(Column("v", "BIGINT", "max"))) as things:
        things.write(fresh("alice/a", ("x", 1)), fresh("bob/b", ("x", 2)))
        assert not {"counted", "key_hash"} & {column.name for column in things.store.columns}
        things.forget("alice/a", "nobody/n")
        assert things.rows("session_key", "v") == [("bob/b", 2)]


def test_a_transcript_whose_session_is_named_later_renames_its_rows() -> None:
    with stored(COUNTS) as things:
        things.write(fresh("alice/a", ("x", 1, 1)), fresh("alice/b", ("x", 2, 1)))
        things.cursor.execute(
            "CREATE TEMP TABLE _renamed AS SELECT 'alice/a' AS session_key,"
            " 'told later' AS session_id, 'codex' AS agent"
        )
        rename(things.cursor, things.store.table.name)
        assert things.rows("session_key", "session_id", "agent", "counted") == [
            ("alice/a", "told later", "codex", False),
            ("alice/b", "session of alice/b", "claude-code", True),
        ]


# Names and schema

ODD = [
    'a"b',
    "a'b",
    "a b; DROP TABLE things --",
    "select",
    "größe 数",
    "a.b",
    "a\nb",
    "(a)",
    "{0}",
    "%s",
    "$1",
    "?",
]


@pytest.mark.parametrize("odd", ODD)
def test_no_name_is_taken_for_sql(odd: str) -> None:
    quoted = '"' + odd.replace('"', '""') + '"'
    declared = Table(
        name=odd,
        key=(odd,),
        columns=(
            Column(odd, "VARCHAR", "keep"),
            Column(f"{odd} of", "TIMESTAMP", "min"),
            Column(f"{odd} size", "BIGINT", "max"),
        ),
        elect_by=(f"{quoted} DESC",),
        derived={f"{odd} twice": ("VARCHAR", f"{quoted} || {quoted}", "")},
    )
    with stored(declared) as things:
        things.write(fresh("alice/a", ("x", NOW, 1)))
        things.write(append("alice/a", ("x", None, 2)), fresh("alice/b", ("x", NOW, 3)))
        things.write(replace("alice/b", ("y", NOW, 3)))
        assert things.rows("session_key", odd, f"{odd} size", f"{odd} twice", "counted") == [
            ("alice/a", "x", 2, "xx", True),
            ("alice/b", "y", 3, "yy", True),
        ]
        things.forget("alice/b")
        assert things.rows(odd) == [("x",)]
        tables = things.cursor.execute(
            "SELECT table_name FROM duckdb_tables() WHERE NOT temporary"
        ).fetchall()
        assert tables == [(odd,)]


@pytest.mark.parametrize("odd", [*ODD, "\x1f", "\0", "\\", "🙂"])
def test_no_value_is_taken_for_sql(odd: str) -> None:
    with stored(COUNTS) as things:
        things.write(fresh(f"alice/{odd}", (odd, 1, 1)))
        things.write(append(f"alice/{odd}", (odd, 2, 1)))
        assert things.rows("session_key", "id", "size") == [(f"alice/{odd}", odd, 2)]
        things.forget(f"alice/{odd}")
        assert things.rows() == []


class Declares:
    """An extractor of the table that a test gives it."""

    name = "declares"
    cadence_minutes = 1
    tables: tuple[Table, ...] = ()

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        return Extraction(rows={}, safe_offset=records[-1].end, carry=(transcript, carry))


def is_refused(declared: Table, folder: Path) -> bool:
    """Tell whether an extractor of this table is turned away at the door."""
    Declares.tables = (declared,)
    try:
        plugins.load(f"{__name__}:Declares", folder, {})
    except ProcessorUnusable:
        return True
    return False


def test_a_table_like_any_other_is_not_refused(tmp_path: Path) -> None:
    assert not is_refused(COUNTS, tmp_path)


WORKING_TABLES = [
    "_completed",
    "_jobs",
    "_renamed",
    "completed",
    "touched",
    "incoming",
    "jobs",
    "renamed",
    "states",
    "marked",
    "named",
    "found",
]


@pytest.mark.parametrize("name", WORKING_TABLES)
def test_a_table_with_the_name_of_what_the_writer_works_with_is_refused_or_works(
    tmp_path: Path, name: str
) -> None:
    declared = table(*COUNTS.columns, name=name, elect_by=COUNTS.elect_by)
    if is_refused(declared, tmp_path):
        return
    with stored(declared) as things:
        things.write(fresh("alice/a", ("x", 1, 1)), fresh("alice/b", ("x", 2, 1)))
        things.write(append("alice/a", ("x", 3, 1)))
        rows = things.cursor.execute(
            f"SELECT session_key, size, counted FROM main.{name} ORDER BY ALL"  # noqa: S608 - the test's own names
        ).fetchall()
        assert rows == [("alice/a", 3, True), ("alice/b", 2, False)]


WORKING_COLUMNS = [
    "_fresh",
    "fresh",
    "_job",
    "_seq",
    "rowid",
    "elected",
    "r",
    "t",
    "i",
    "c",
    "j",
    "e",
]


@pytest.mark.parametrize("name", WORKING_COLUMNS)
def test_a_column_with_the_name_of_what_the_writer_works_with_is_refused_or_works(
    tmp_path: Path, name: str
) -> None:
    declared = table(Column(name, "BIGINT", "max"), elect_by=(f'"{name}" DESC',))
    if is_refused(declared, tmp_path):
        return
    with stored(declared) as things:
        things.write(fresh("alice/a", ("x", 9)))
        things.write(fresh("alice/b", ("x", 5)))
        things.write(append("alice/b", ("x", 7), ("x", 6)))
        assert things.rows("session_key", name, "counted") == [
            ("alice/a", 9, True),
            ("alice/b", 7, False),
        ]


@pytest.mark.parametrize("column", [*(c.name for c in (*IDENTITY, *COUNTED)), "Session_Key"])
@pytest.mark.parametrize("derived", [False, True])
def test_a_column_that_the_framework_adds_is_refused_at_the_door(
    tmp_path: Path, column: str, derived: bool
) -> None:
    # Else the table cannot be made, and no processor runs at all.
    if derived:
        declared = table(elect_by=("id",), derived={column: ("BIGINT", "1", "")})
    else:
        declared = table(Column(column, "VARCHAR", "fill"), elect_by=("id",))
    assert is_refused(declared, tmp_path)


def test_columns_that_differ_in_case_alone_are_refused_at_the_door(tmp_path: Path) -> None:
    twice = table(Column("size", "BIGINT", "max"), Column("SIZE", "BIGINT", "max"))
    assert is_refused(twice, tmp_path), "DuckDB takes them for one"


def test_a_newer_declaration_adds_its_columns_and_keeps_the_rows() -> None:
    with stored(table(Column("v", "BIGINT", "max"))) as things:
        things.write(fresh("alice/a", ("x", 1)))
        newer = table(
            Column("v", "BIGINT", "max"),
            Column("more", "VARCHAR", "fill"),
            derived={"twice": ("BIGINT", "v * 2", "")},
        )
        grown = Stored(newer, things.cursor)
        assert grown.rows("id", "v", "more", "twice") == [("x", 1, None, None)]
        grown.write(append("alice/a", ("x", 2, "m")), fresh("alice/b", ("x", 3, "n")))
        assert grown.rows("id", "v", "more", "twice") == [("x", 2, "m", 4), ("x", 3, "n", 6)]


def test_columns_that_only_an_older_declaration_had_stay_and_are_empty_in_new_rows() -> None:
    older = table(Column("v", "BIGINT", "max"), Column("old", "BIGINT", "max"))
    with stored(older) as things:
        things.write(fresh("alice/a", ("x", 1, 1)))
        newer = Stored(table(Column("v", "BIGINT", "max")), things.cursor)
        newer.write(fresh("alice/b", ("x", 2)))
        assert things.rows("v", "old") == [(1, 1), (2, None)]


def test_creating_a_table_twice_changes_nothing() -> None:
    with stored(COUNTS) as things:
        things.write(fresh("alice/a", ("x", 1, 1)))
        RowStore(COUNTS).create(things.cursor)
        assert things.rows("id", "size") == [("x", 1)]


def test_an_election_declared_later_counts_what_is_read_then() -> None:
    with stored(table(Column("size", "BIGINT", "max"), Column("rank", "BIGINT", "min"))) as things:
        things.write(fresh("alice/a", ("x", 1, 1)), fresh("alice/b", ("x", 2, 1)))
        newer = Stored(COUNTS, things.cursor)
        newer.write(replace("alice/a", ("x", 1, 1)), replace("alice/b", ("x", 2, 1)))
        assert newer.rows("size", "counted") == [(1, False), (2, True)]


def processor(*tables: Table, views: dict[str, str], folder: Path) -> Processor:
    return Processor(
        name="things",
        spec="things:Things",
        version=1,
        cadence=Cadence.of(1),
        timeout_seconds=1,
        memory_limit_mb=1,
        max_attempts=1,
        main_only=False,
        settings={},
        folder=folder,
        tables=tables,
        views=views,
        is_extractor=True,
    )


def test_a_view_shows_the_columns_that_its_table_has_grown(tmp_path: Path) -> None:
    view = {"every_thing": "SELECT * FROM things"}
    newer = table(Column("v", "BIGINT", "max"), Column("more", "VARCHAR", "fill"))
    with Facts(tmp_path / "data", "test", now=NOW) as facts:
        store = FactsRunStore(facts, lambda: NOW)
        store.prepare([processor(table(Column("v", "BIGINT", "max")), views=view, folder=tmp_path)])
        store.prepare([processor(newer, views=view, folder=tmp_path)])
        shown = facts.cursor().execute("SELECT more FROM every_thing")
        assert shown.fetchall() == []

        other = {"every_thing": "SELECT id FROM things WHERE v > 1"}
        store.prepare([processor(newer, views=other, folder=tmp_path)])
        columns = facts.cursor().execute("FROM every_thing").description
        assert [column[0] for column in columns or ()] == ["id"]


def test_what_is_prepared_already_is_not_written_again(tmp_path: Path) -> None:
    own = processor(COUNTS, views={"x": "SELECT 1 AS one"}, folder=tmp_path)
    with Facts(tmp_path / "data", "test", now=NOW) as facts:
        for _ in range(3):
            FactsRunStore(facts, lambda: NOW).prepare([own])
        assert (tmp_path / "data" / "commit_number").read_text() == "1\n"


def test_a_failed_write_leaves_the_rows_as_they_were(tmp_path: Path) -> None:
    with Facts(tmp_path / "data", "test", now=NOW) as facts:
        with facts.transaction() as cursor:
            Stored(COUNTS, cursor, begun=True).write(fresh("alice/a", ("x", 1, 1)))
        with pytest.raises(duckdb.Error), facts.transaction() as cursor:
            things = Stored(COUNTS, cursor, begun=True)
            things.write(replace("alice/a", ("x", 9, 1)))
            cursor.execute("SELECT * FROM no_such_table")
        rows = facts.cursor().execute("SELECT size, counted FROM things").fetchall()
        assert rows == [(1, True)]
