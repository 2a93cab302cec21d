"""SQL that people write reads everything, changes nothing, and comes to an end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from holding import NOW, commit, process, proof

from sessionmill.errors import NotOneSelect, UsageError
from sessionmill.store.facts import CORE_TABLES, Facts
from sessionmill.view.reports import Rows
from sessionmill.view.user_sql import TookTooLong, select


@pytest.fixture
def facts(tmp_path: Path) -> Iterator[Facts]:
    with Facts(tmp_path / "data", "test", now=NOW) as facts:
        commit(facts, [1, 2, 3])
        yield facts


def ask(facts: Facts, sql: str, *, limit: int = 100, timeout: float = 20) -> Rows:
    return select(facts.cursor(), sql, limit=limit, timeout=timeout)


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("SELECT sum(number) FROM proof", [(6,)]),
        ("FROM proof ORDER BY number DESC LIMIT 1", [(3,)]),
        ("WITH p AS (FROM proof) SELECT count(*) FROM p;", [(3,)]),
        ("  -- how many?\nSELECT count(*) FROM proof -- that many\n", [(3,)]),
        ("VALUES (1), (2)", [(1,), (2,)]),
        ("(SELECT 1) UNION ALL (SELECT 2) ORDER BY 1", [(1,), (2,)]),
        ("SELECT ';DELETE FROM proof;'", [(";DELETE FROM proof;",)]),
    ],
)
def test_one_select_is_answered(facts: Facts, sql: str, values: list[Any]) -> None:
    assert ask(facts, sql).values == values


def test_explain_is_answered(facts: Facts) -> None:
    assert "proof" in str(ask(facts, "EXPLAIN SELECT * FROM proof").values)


@pytest.mark.parametrize("table", sorted(CORE_TABLES))
def test_every_core_table_can_be_asked(facts: Facts, table: str) -> None:
    rows = ask(facts, f"SELECT * FROM {table}")  # noqa: S608 - the test's own names
    assert len(rows.columns) >= 1


@pytest.mark.parametrize(
    "sql",
    [
        "",
        ";",
        "-- nothing",
        "SELECT 1; SELECT 2",
        "DELETE FROM proof",
        "INSERT INTO proof VALUES (4)",
        "UPDATE proof SET number = 0",
        "TRUNCATE proof",
        "DROP TABLE proof",
        "CREATE TABLE more AS FROM proof",
        "CREATE TEMP TABLE more AS FROM proof",
        "ALTER TABLE proof ADD COLUMN more BIGINT",
        "MERGE INTO proof USING (SELECT 9 AS n) s ON false WHEN NOT MATCHED THEN INSERT VALUES (n)",
        "COPY proof TO '/tmp/out.csv'",
        "ROLLBACK; DELETE FROM proof",
        "COMMIT; DELETE FROM proof",
        "SELECT 1; DELETE FROM proof; SELECT 2",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "CHECKPOINT",
        "VACUUM",
        "SET threads = 1",
        "PRAGMA force_checkpoint",
        "PREPARE p AS DELETE FROM proof",
        "ATTACH ':memory:' AS other",
        "USE memory",
        "LOAD json",
        "CALL force_checkpoint()",
    ],
)
def test_anything_but_one_select_or_explain_is_refused(facts: Facts, sql: str) -> None:
    with pytest.raises(NotOneSelect, match="Exactly one SELECT or EXPLAIN is expected"):
        ask(facts, sql)
    assert proof(facts) == [1, 2, 3]


@pytest.mark.parametrize(
    "sql",
    [
        "WITH d AS (DELETE FROM proof RETURNING number) SELECT * FROM d",
        "WITH i AS (INSERT INTO proof VALUES (4) RETURNING number) SELECT * FROM i",
        "WITH u AS (UPDATE proof SET number = 0 RETURNING number) SELECT * FROM u",
        "EXPLAIN ANALYZE DELETE FROM proof",
        "EXPLAIN ANALYZE CREATE TABLE more AS FROM proof",
    ],
)
def test_a_select_that_writes_is_refused_and_nothing_is_written(facts: Facts, sql: str) -> None:
    with pytest.raises(UsageError):
        ask(facts, sql)
    assert proof(facts) == [1, 2, 3], "this runs as a SELECT, and would have written"
    tables = facts.cursor().execute("SELECT table_name FROM duckdb_tables()").fetchall()
    assert ("more",) not in tables


@pytest.mark.parametrize(
    "sql", ["SELEC 1", "SELECT * FROM no_such_table", "SELECT ?", "SELECT $a", "SELECT 1/'x'"]
)
def test_what_duckdb_refuses_is_an_error_of_the_person(facts: Facts, sql: str) -> None:
    with pytest.raises(UsageError, match="DuckDB"):
        ask(facts, sql)
    commit(facts, [4])
    assert proof(facts) == [1, 2, 3, 4], "the store goes on"


def test_a_long_query_is_ended_after_its_time_and_harms_nobody(facts: Facts) -> None:
    started = time.monotonic()
    with pytest.raises(TookTooLong, match=r"longer than 0\.2 s"):
        ask(facts, "SELECT count(*) FROM range(1000000000) a, range(1000000000) b", timeout=0.2)
    assert time.monotonic() - started < 5
    commit(facts, [4])
    assert proof(facts) == [1, 2, 3, 4]


def test_a_query_that_is_done_is_not_ended_later(facts: Facts) -> None:
    cursor = facts.cursor()
    select(cursor.cursor(), "SELECT 1", limit=1, timeout=0.05)
    time.sleep(0.1)
    assert cursor.execute("SELECT 1").fetchall() == [(1,)]


def test_no_more_rows_than_the_limit_are_given_and_it_is_said(facts: Facts) -> None:
    every = "FROM proof ORDER BY number"
    cut = ask(facts, every, limit=2)
    assert (cut.values, cut.truncated) == ([(1,), (2,)], True)
    whole = ask(facts, every, limit=3)
    assert (whole.values, whole.truncated) == ([(1,), (2,), (3,)], False)
    assert ask(facts, every, limit=1).document() == {"rows": [{"number": 1}], "truncated": True}


def test_a_limit_spares_the_rest_of_a_large_answer(facts: Facts) -> None:
    started = time.monotonic()
    rows = ask(facts, "FROM range(100000000000)", limit=5)
    assert len(rows.values) == 5
    assert rows.truncated
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(("limit", "timeout"), [(0, 1.0), (-1, 1.0), (1, 0.0), (1, -5.0)])
def test_a_limit_or_a_time_of_nothing_is_refused(facts: Facts, limit: int, timeout: float) -> None:
    with pytest.raises(UsageError, match="more than zero"):
        ask(facts, "SELECT 1", limit=limit, timeout=timeout)


def test_a_limit_beyond_all_rows_is_no_limit(facts: Facts) -> None:
    assert len(ask(facts, "FROM proof", limit=10**30).values) == 3


@pytest.mark.parametrize(
    "columns",
    [
        "1 AS a, 2 AS a, 3 AS a",
        "1 AS a, 2 AS a, 3 AS a_2",
        "1 AS a_2, 2 AS a, 3 AS a",
        '1 AS a, 2 AS a, 3 AS a_2, 4 AS a_2_2, 5 AS "a_2"',
    ],
)
def test_repeated_column_names_keep_every_value(facts: Facts, columns: str) -> None:
    rows = ask(facts, f"SELECT {columns}")
    assert rows.columns[0] == columns.split()[2].strip(","), "the first keeps its name"
    [shown] = rows.document()["rows"]
    assert list(shown.values()) == list(rows.values[0])


def test_no_query_reads_a_file(facts: Facts, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a\n1\n")
    for reader in ("read_csv", "read_text", "read_blob", "read_json", "sniff_csv", "glob"):
        with pytest.raises(UsageError, match=r"disabled by configuration|refused"):
            ask(facts, f"FROM {reader}('{tmp_path / 'in.csv'}')")


#: Opens the facts in a process of its own, and says what came of it.
INTRUDER = """
import duckdb, sys
print("ready", flush=True)
try:
    duckdb.connect(sys.argv[1])
    print("it is open", flush=True)
except duckdb.Error as error:
    print(str(error).replace("\\n", " "), flush=True)
"""

READERS = ["read_csv", "sniff_csv", "read_json", "read_text", "read_blob", "read_parquet"]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ["facts.duckdb", "facts.duckdb.wal"])
def test_no_query_reads_the_files_of_the_facts_themselves(
    facts: Facts, reader: str, name: str
) -> None:
    # DuckDB lets its own files pass where all others are refused.
    with pytest.raises(UsageError):
        ask(facts, f"SELECT count(*) FROM {reader}('{facts.folder / name}')")  # noqa: S608 - the test's own names


#: Ways to name a function that opens a file.
HIDDEN = [
    "FROM read_csv('{path}')",
    "EXPLAIN FROM read_csv('{path}')",
    "FROM READ_CSV ('{path}')",
    "FROM \"read_csv\"('{path}')",
    "FROM \"Read_Csv\" /* (x) */ ('{path}')",
    "FROM read_csv -- (x)\n('{path}')",
    "FROM main.read_csv('{path}')",
    "FROM system.main.read_csv('{path}')",
    "FROM read_csv(['{path}'])",
    "FROM read_csv_auto('{path}')",
    "FROM sniff_csv('{path}')",
    "FROM read_json('{path}')",
    "FROM read_ndjson_objects('{path}')",
    "FROM read_parquet('{path}')",
    "FROM parquet_scan('{path}')",
    "FROM parquet_metadata('{path}')",
    "FROM parquet_kv_metadata('{path}')",
    "SELECT (SELECT count(*) FROM read_csv('{path}'))",
    "WITH r AS (FROM read_csv('{path}')) FROM r",
    "SELECT * FROM proof, LATERAL (FROM read_csv('{path}'))",
    "SELECT * FROM proof JOIN read_csv('{path}') ON true",
    "FROM query('FROM read_csv(''{path}'')')",
    "FROM query('FROM re' || 'ad_csv(''{path}'')')",
    "FROM query_table('{path}')",
    "DESCRIBE FROM read_csv('{path}')",
    "SUMMARIZE FROM read_csv('{path}')",
    "FROM '{path}'",
    'FROM "{path}"',
]


@pytest.mark.parametrize("sql", HIDDEN)
def test_no_query_lets_another_process_in(facts: Facts, sql: str) -> None:
    """A POSIX lock falls when any descriptor of the file is closed in the process."""
    with contextlib.suppress(UsageError):  # refused or not: the lock is what is looked at
        ask(facts, sql.format(path=facts.path))
    with process(INTRUDER, facts.path) as intruder:
        assert intruder.stdout is not None
        assert "lock" in intruder.stdout.readline(), "two processes can write to the facts now"


def test_what_reads_no_file_is_not_refused_for_its_name(facts: Facts) -> None:
    for sql in (
        "SELECT 'read_csv(''x'')'",
        "SELECT number AS read_csv FROM proof",
        "SELECT count(*) FROM range(3)",
        "SELECT unnest([1, 2])",
        "SELECT table_name FROM duckdb_tables()",
        "FROM information_schema.tables",
        "SHOW TABLES",
        "DESCRIBE proof",
        "SUMMARIZE proof",
    ):
        ask(facts, sql)
