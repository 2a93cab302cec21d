"""A processor's stand-in behaves as DuckDB's connection does, and refuses what would break it."""

import enum
import subprocess
import sys
import threading
import time as clock
import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib.util import find_spec
from typing import Any, NamedTuple
from uuid import UUID

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionmill.run.stand_in import StandInConnection, StandInHost

CORE = frozenset({"transcripts", "session_processor_state", "runs", "in_flight"})
SCHEMA = """
    CREATE TABLE runs (run_id VARCHAR, seconds DOUBLE);
    INSERT INTO runs VALUES ('r1', 1.5);
    CREATE TABLE mine (a BIGINT, b VARCHAR);
    INSERT INTO mine VALUES (1, 'one'), (2, 'two'), (3, 'three');
"""
ENDLESS = "SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE a.range + b.range = 7"


class Joined(NamedTuple):
    """Both sides of a stand-in without a pipe between, and what they serve."""

    conn: StandInConnection
    host: StandInHost
    cursor: duckdb.DuckDBPyConnection
    database: duckdb.DuckDBPyConnection


def join(
    database: duckdb.DuckDBPyConnection,
    begin: Callable[[duckdb.DuckDBPyConnection], None] = lambda _: None,
) -> Joined:
    cursor = database.cursor()
    host = StandInHost(cursor, protected=CORE, begin=begin)
    return Joined(StandInConnection(host.answer), host, cursor, database)


@pytest.fixture
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(SCHEMA)
        yield connection


@pytest.fixture
def joined(database: duckdb.DuckDBPyConnection) -> Joined:
    return join(database)


@pytest.fixture(params=["duckdb", "stand-in"])
def conn(request: pytest.FixtureRequest, database: duckdb.DuckDBPyConnection) -> Any:
    """Return what `process_session` may be given: the contract suite runs on each."""
    return join(database).conn if request.param == "stand-in" else database.cursor()


def outcome(run: Callable[[], Any]) -> Any:
    """Return what a call comes to, its result or its error, to compare two connections."""
    try:
        return repr(run())
    except UnicodeError as error:
        return UnicodeError, str(error)
    except Exception as error:
        return type(error), str(error)


# ── the contract: one suite for DuckDB's connection and for the stand-in ──


class Colour(enum.StrEnum):
    RED = "red"


class Size(enum.IntEnum):
    SMALL = 1


PARAMETERS: list[tuple[Any, str]] = [
    (None, '"NULL"'),
    (True, "BOOLEAN"),
    (1, "INTEGER"),
    (-(2**63), "BIGINT"),
    (2**64 - 1, "UBIGINT"),
    (2**64, "HUGEINT"),
    (-(2**100), "HUGEINT"),
    (2**127, "UHUGEINT"),
    (1.5, "DOUBLE"),
    (float("inf"), "DOUBLE"),
    ("", "VARCHAR"),
    ("naïve 🦆\0end", "VARCHAR"),
    (b"\x00\xff", "BLOB"),
    (datetime(2026, 11, 24, 1, 2, 3, 4), "TIMESTAMP"),  # noqa: DTZ001 - facts hold naive UTC
    (datetime(2026, 11, 24, 1, 2, 3, 4, tzinfo=UTC), "TIMESTAMP WITH TIME ZONE"),
    (date(1, 1, 1), "DATE"),
    (time(23, 59, 59, 999999), "TIME"),
    (time(1, 2, tzinfo=UTC), "TIME WITH TIME ZONE"),
    (timedelta(days=-1, seconds=2, microseconds=3), "INTERVAL"),
    (Decimal("-12.340"), "DECIMAL(5,3)"),
    (UUID(int=5), "UUID"),
    ([1, None, 3], "INTEGER[]"),
    ([[b"a"], []], "BLOB[][]"),
    ([Decimal("1.5"), Decimal("2.5")], "DECIMAL(2,1)[]"),
    ({"a": [{"b": date(2026, 1, 1)}], "c": "x"}, "STRUCT(a STRUCT(b DATE)[], c VARCHAR)"),
    ([2**70, 1], "HUGEINT[]"),
]


@pytest.mark.parametrize(("value", "kind"), PARAMETERS, ids=[repr(v)[:30] for v, _ in PARAMETERS])
def test_a_parameter_comes_back_as_it_went(conn: Any, value: Any, kind: str) -> None:
    assert conn.execute("SELECT ?, typeof(?)", [value, value]).fetchone() == (value, kind)


@pytest.mark.parametrize(
    ("value", "back"),
    [
        ((1, 2), [1, 2]),
        (Colour.RED, "red"),
        (Size.SMALL, 1),
        (bytearray(b"x"), b"x"),
        (memoryview(b"x"), b"x"),
        ({1: "x"}, {"1": "x"}),
        ({}, {}),
    ],
)
def test_a_parameter_may_come_back_as_something_simpler(conn: Any, value: Any, back: Any) -> None:
    [row] = conn.execute("SELECT ?", (value,)).fetchall()
    assert row == (back,)
    assert type(row[0]) is type(back)


def test_parameters_may_have_names(conn: Any) -> None:
    query = "SELECT $first, $second + 1"
    assert conn.execute(query, {"first": "x", "second": 2}).fetchone() == ("x", 3)


def test_rows_hold_every_type_of_duckdb(conn: Any, database: duckdb.DuckDBPyConnection) -> None:
    every = "SELECT * FROM test_all_types()"
    names = [name for name, *_ in database.execute(every).description or []]
    readable = []
    for name in names:
        column = f'SELECT "{name}" FROM test_all_types()'  # noqa: S608
        if isinstance(outcome(database.cursor().execute(column).fetchall), str):
            readable.append(f'"{name}"')
    assert len(readable) > 40

    query = f"SELECT {', '.join(readable)} FROM test_all_types()"  # noqa: S608
    expected = repr(database.cursor().execute(query).fetchall())
    assert repr(conn.execute(query).fetchall()) == expected


def test_a_statement_can_be_chained_with_its_fetch(conn: Any) -> None:
    statement = conn.execute("SELECT a, b FROM mine ORDER BY a")
    assert statement is conn
    assert statement.fetchall() == [(1, "one"), (2, "two"), (3, "three")]


def test_rows_are_fetched_one_by_one_some_at_a_time_or_all(conn: Any) -> None:
    conn.execute("SELECT range FROM range(10)")
    assert conn.fetchone() == (0,)
    assert conn.fetchmany() == [(1,)]
    assert conn.fetchmany(3) == [(2,), (3,), (4,)]
    assert conn.fetchmany(size=2) == [(5,), (6,)]
    assert conn.fetchall() == [(7,), (8,), (9,)]
    assert (conn.fetchone(), conn.fetchmany(2), conn.fetchall()) == (None, [], [])


def test_there_is_no_description_before_a_statement(conn: Any) -> None:
    assert conn.description is None
    assert conn.rowcount == -1


def test_description_tells_the_columns_of_the_last_statement(conn: Any) -> None:
    conn.execute('SELECT a, b AS "naïve", 1.5 AS c, [1] AS d FROM mine')
    described = [(name, str(kind), *rest) for name, kind, *rest in conn.description]
    nothing = (None,) * 5
    assert described == [
        ("a", "BIGINT", *nothing),
        ("naïve", "VARCHAR", *nothing),
        ("c", "DECIMAL(2,1)", *nothing),
        ("d", "INTEGER[]", *nothing),
    ]
    conn.fetchall()
    assert [name for name, *_ in conn.description] == ["a", "naïve", "c", "d"]

    conn.execute("CREATE TABLE other (x INTEGER)")
    assert [name for name, *_ in conn.description] == ["Count"]

    with pytest.raises(duckdb.BinderException):
        conn.execute("SELECT nothing")
    assert conn.description is None


def test_a_change_says_how_many_rows_it_changed(conn: Any) -> None:
    assert conn.execute("UPDATE mine SET b = 'x' WHERE a > 1").fetchall() == [(2,)]
    assert conn.rowcount == 2
    assert conn.execute("DELETE FROM mine WHERE a = 1 RETURNING b").fetchall() == [("one",)]
    assert conn.execute("SELECT 1").rowcount == -1


def test_executemany_runs_a_statement_for_each_of_many(conn: Any) -> None:
    rows = [(10, "x"), [11, None]]
    assert conn.executemany("INSERT INTO mine VALUES (?, ?)", rows) is conn
    conn.executemany("INSERT INTO mine VALUES ($a, $b)", [{"a": 12, "b": "z"}])
    conn.executemany("INSERT INTO mine VALUES (?, ?)", ((a, "g") for a in range(13, 15)))

    found = conn.execute("SELECT a, b FROM mine WHERE a >= 10 ORDER BY a").fetchall()
    assert found == [(10, "x"), (11, None), (12, "z"), (13, "g"), (14, "g")]


def test_of_several_statements_the_last_has_the_parameters_and_the_result(conn: Any) -> None:
    query = "INSERT INTO mine VALUES (4, ';'); /* ; */ SELECT max(a), ? FROM mine; -- end"
    assert conn.execute(query, ["p"]).fetchall() == [(4, "p")]


@pytest.mark.parametrize(
    "query",
    [
        "MERGE INTO mine USING (VALUES (1, 'I')) AS s (a, b) ON mine.a = s.a"
        " WHEN MATCHED THEN UPDATE SET b = s.b",
        "WITH gone AS (DELETE FROM mine WHERE a = 1 RETURNING *) SELECT * FROM gone",
        "CREATE TEMP TABLE t AS SELECT * FROM mine; ALTER TABLE t RENAME TO u; DROP TABLE u",
        "CREATE OR REPLACE VIEW v AS FROM mine; CREATE VIEW IF NOT EXISTS v AS SELECT 1; TABLE v",
        "TRUNCATE mine; SELECT count(*) FROM mine",
        "EXPLAIN ANALYZE DELETE FROM mine; SELECT count(*) FROM mine",
        "EXPLAIN (FORMAT JSON) SELECT 1; VALUES (1)",
        "EXPLAIN (SELECT 1); DESCRIBE mine",
        "PIVOT mine ON b IN ('one', 'two') USING sum(a)",
        "SUMMARIZE mine",
    ],
)
def test_statements_that_a_processor_may_need_run(conn: Any, query: str) -> None:
    conn.execute(query).fetchall()


@pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")
def test_the_rows_left_come_as_an_arrow_table(conn: Any) -> None:
    query = "SELECT range AS n, n::VARCHAR AS t, [n] AS l, n::DECIMAL(9, 2) AS d FROM range(3000)"
    conn.execute(query)
    conn.fetchmany(2)
    numbers = pa.array(range(2, 3000), pa.int64())
    table = conn.to_arrow_table()
    assert table.column_names == ["n", "t", "l", "d"]
    assert table["n"].combine_chunks().equals(numbers)
    assert table["d"].type == pa.decimal128(9, 2)

    conn.execute("SELECT 1").fetchall()
    assert conn.to_arrow_table() is None
    assert conn.execute("SELECT 1 AS x WHERE false").to_arrow_table().num_rows == 0


FAILING: list[tuple[str, Any]] = [
    ("SELCT 1", None),
    ("SELECT 1; SELCT 2", None),
    ("SELECT nothing FROM mine", None),
    ("SELECT * FROM nowhere", None),
    ("INSERT INTO mine VALUES ('x', 1)", None),
    ("SELECT 'x'::INTEGER", None),
    ("SELECT error('naïve')", None),
    ("CREATE TABLE mine (x INTEGER)", None),
    ("SELECT ?", None),
    ("SELECT ?", [1, 2]),
    ("SELECT ?", {"x": 1}),
    ("SELECT ?", 1),
    ("SELECT ?; SELECT ?", [1, 2]),
    ("SELECT ?", [2**200]),
    ("SELECT ?", ["half a pair: \ud83d"]),
]


@pytest.mark.parametrize(("query", "parameters"), FAILING)
def test_an_error_has_duckdbs_class_and_message(
    conn: Any, database: duckdb.DuckDBPyConnection, query: str, parameters: Any
) -> None:
    expected = outcome(lambda: database.cursor().execute(query, parameters).fetchall())
    assert issubclass(expected[0], duckdb.Error)
    assert outcome(lambda: conn.execute(query, parameters).fetchall()) == expected


@pytest.mark.parametrize("parameters", [None, [], [1], [(1,)], [(1, "x", 2)]])
def test_an_error_of_executemany_is_duckdbs(
    conn: Any, database: duckdb.DuckDBPyConnection, parameters: Any
) -> None:
    query = "INSERT INTO mine VALUES (?, ?)"
    expected = outcome(lambda: database.cursor().executemany(query, parameters))
    assert issubclass(expected[0], duckdb.Error)
    assert outcome(lambda: conn.executemany(query, parameters)) == expected


def test_an_error_can_come_with_a_fetch(conn: Any) -> None:
    conn.execute("SELECT CASE WHEN range = 9000000 THEN error('late') END FROM range(10000000)")
    assert conn.fetchone() == (None,)
    with pytest.raises(duckdb.InvalidInputException, match="late"):
        conn.fetchall()


def test_there_is_nothing_to_fetch_before_a_statement(conn: Any) -> None:
    for fetch in (conn.fetchone, conn.fetchall, conn.fetchmany):
        with pytest.raises(duckdb.InvalidInputException, match="No open result set"):
            fetch()


def test_after_an_error_a_transaction_takes_no_statement(
    joined: Joined, database: duckdb.DuckDBPyConnection
) -> None:
    database.execute("BEGIN")
    for conn in (database, joined.conn):
        conn.execute("SELECT 1")
        with pytest.raises(duckdb.CatalogException):
            conn.execute("SELECT * FROM nowhere")
        with pytest.raises(duckdb.TransactionException, match="aborted"):
            conn.execute("SELECT 1")


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**130), 2**130),
    st.floats(),
    st.text(),
    st.text(alphabet=st.characters(min_codepoint=0xD700, max_codepoint=0xDFFF, categories=None)),
    st.binary(),
    st.datetimes(),
    st.datetimes(timezones=st.timezones()),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.decimals(),
    st.uuids(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def shared() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@given(value=VALUES)
def test_whatever_the_parameter_both_connections_agree(
    shared: duckdb.DuckDBPyConnection, value: Any
) -> None:
    def ask(conn: Any) -> Any:
        return conn.execute("SELECT ?, typeof(?)", [value, value]).fetchall()

    stand_in = join(shared)
    with stand_in.cursor, shared.cursor() as direct:
        assert outcome(lambda: ask(stand_in.conn)) == outcome(lambda: ask(direct))


# ── the stand-in alone: what does not cross ──


@pytest.mark.parametrize(
    ("parameters", "where"),
    [
        ([1, {2}], r"parameters\[1\] is a set"),
        ([[1, object()]], r"parameters\[0\]\[1\] is a object"),
        ({"x": {"y": 1j}}, r"parameters\['x'\]\['y'\] is a complex"),
        ([{date(2026, 1, 1): 1}], r"a key of parameters\[0\] is a datetime.date"),
        ([pa.scalar(1)], r"parameters\[0\] is a pyarrow.lib.Int64Scalar"),
        (iter([1]), "parameters is a list_iterator"),
    ],
)
def test_a_parameter_that_cannot_cross_is_named(
    joined: Joined, parameters: Any, where: str
) -> None:
    with pytest.raises(TypeError, match=f"^{where}, which does not cross.* Decimal, UUID"):
        joined.conn.execute("SELECT ?", parameters)
    assert isinstance(joined.host.first_error, TypeError)


def test_in_many_rows_the_one_that_cannot_cross_is_named(joined: Joined) -> None:
    rows = [(1, "x"), (2, object())]
    with pytest.raises(TypeError, match=r"^parameters\[1\]\[1\] is a object"):
        joined.conn.executemany("INSERT INTO mine VALUES (?, ?)", rows)


def test_sql_is_text(joined: Joined) -> None:
    query: Any = b"SELECT 1"
    with pytest.raises(TypeError, match="execute takes SQL as a str, not bytes"):
        joined.conn.execute(query)
    with pytest.raises(UnicodeEncodeError):
        joined.conn.execute("SELECT '\ud800'")


def test_the_childs_side_loads_neither_duckdb_nor_pyarrow() -> None:
    code = (
        "import sys, sessionmill.run.stand_in\n"
        "sys.exit(' '.join({'duckdb', '_duckdb', 'pyarrow'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# ── the stand-in alone: what is refused ──


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("begin", "first statement begins"),
        ("commit", "Return from process_session"),
        ("rollback", "Raise an exception"),
        ("close", "Leave it open"),
        ("cursor", "Use conn itself"),
        ("register", "insert_arrow"),
        ("unregister", "insert_arrow"),
        ("append", "insert_arrow"),
        ("from_arrow", "insert_arrow"),
        ("sql", "conn.execute"),
        ("query", "conn.execute"),
        ("table", "conn.execute"),
        ("read_csv", "insert_arrow"),
        ("fetch_arrow_table", "to_arrow_table"),
    ],
)
def test_a_method_is_refused_by_name_with_what_to_do(
    joined: Joined, name: str, instead: str
) -> None:
    with pytest.raises(duckdb.NotSupportedError, match=f"conn.{name} is refused.*{instead}"):
        getattr(joined.conn, name)("x", y=1)
    assert isinstance(joined.host.first_error, duckdb.NotSupportedError), "a swallowed one counts"


def test_what_no_connection_has_is_no_attribute(joined: Joined) -> None:
    assert not hasattr(joined.conn, "nonsense")
    with pytest.raises(AttributeError, match=r"stand-in.*It has execute, executemany"):
        _ = joined.conn.nonsense
    assert joined.host.first_error is None


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("BEGIN", "TRANSACTION"),
        ("COMMIT", "TRANSACTION"),
        ("SELECT 1; ROLLBACK; SELECT 1", "TRANSACTION"),
        ("ATTACH ':memory:' AS x", "ATTACH"),
        ("DETACH x", "DETACH"),
        ("SET threads = 1", "SET"),
        ("RESET threads", "SET"),
        ("USE main", "SET"),
        ("SET VARIABLE x = 1", "SET"),
        ("PRAGMA show_tables", "PRAGMA"),
        ("LOAD json", "LOAD"),
        ("INSTALL json", "LOAD"),
        ("COPY mine TO 'mine.csv'", "COPY"),
        ("COPY mine FROM 'mine.csv'", "COPY"),
        ("WITH d AS (COPY (SELECT 1) TO 'd.csv') SELECT 1", "COPY"),
        ("WITH d AS MATERIALIZED (COPY mine TO 'd.csv') SELECT 1", "COPY"),
        ("EXPORT DATABASE 'x'", "EXPORT"),
        ("IMPORT DATABASE 'x'", "PRAGMA"),
        ("CALL pragma_version()", "CALL"),
        ("CHECKPOINT", "CALL"),
        ("VACUUM", "VACUUM"),
        ("ANALYZE", "VACUUM"),
        ("PIVOT mine ON b USING sum(a)", "MULTI"),
        ("PREPARE p AS SELECT 1", "PREPARE"),
        ("EXECUTE p", "EXECUTE"),
        ("DEALLOCATE p", "DEALLOCATE"),
        ("UPDATE EXTENSIONS", "A statement of unknown type"),
        ("COMMENT ON TABLE mine IS 'x'", "COMMENT"),
        ("CREATE INDEX i ON mine (a)", "CREATE INDEX"),
        ("CREATE UNIQUE INDEX i ON mine (a)", "CREATE UNIQUE"),
        ("CREATE SCHEMA s", "CREATE SCHEMA"),
        ("CREATE SEQUENCE s", "CREATE SEQUENCE"),
        ("CREATE OR REPLACE MACRO m(x) AS x", "CREATE MACRO"),
        ("CREATE FUNCTION m(x) AS x", "CREATE FUNCTION"),
        ("CREATE TYPE t AS ENUM ('a')", "CREATE TYPE"),
        ("CREATE SECRET s (TYPE s3)", "CREATE SECRET"),
        (
            "CREATE TRIGGER t AFTER INSERT ON mine FOR EACH STATEMENT DELETE FROM runs",
            "CREATE TRIGGER",
        ),
        ("DROP SCHEMA main CASCADE", "DROP SCHEMA"),
        ("DROP SEQUENCE s", "DROP SEQUENCE"),
        ("DROP MACRO m", "DROP MACRO"),
        ("EXPLAIN ANALYZE COMMIT", "EXPLAIN COMMIT"),
        ("EXPLAIN ANALYZE SET threads = 1", "EXPLAIN SET"),
        ("EXPLAIN ANALYZE COPY mine TO 'x'", "EXPLAIN COPY"),
        ("EXPLAIN (ANALYZE, FORMAT (JSON)) CHECKPOINT", "EXPLAIN CHECKPOINT"),
        ("EXPLAIN ANALYZE CREATE SCHEMA s", "CREATE SCHEMA"),
        ("EXPLAIN ANALYZE CALL pragma_version()", "EXPLAIN CALL"),
    ],
)
def test_a_statement_of_another_kind_is_refused(joined: Joined, query: str, kind: str) -> None:
    with pytest.raises(duckdb.PermissionException, match=f"^{kind} is refused: .* Admitted are"):
        joined.conn.execute(query)
    with pytest.raises(duckdb.PermissionException):
        joined.conn.executemany(query, [[]])
    assert isinstance(joined.host.first_error, duckdb.PermissionException)
    assert not joined.host.began, "nothing has run"


WRITES = [
    "INSERT INTO runs VALUES ('r2', 2)",
    "INSERT INTO main.runs VALUES ('r2', 2)",
    'INSERT INTO "memory"."main"."runs" VALUES (1, 2)',
    "INSERT OR REPLACE INTO runs VALUES ('r2', 2)",
    "INSERT OR IGNORE INTO runs VALUES ('r2', 2)",
    "INSERT INTO runs BY NAME SELECT 'r2' AS run_id",
    "INSERT INTO runs AS mine DEFAULT VALUES",
    "insert\tinto\nRuNs values ('r2', 2)",
    "INSERT/**/INTO/* a /* nested */ comment */runs VALUES ('r2', 2)",
    "INSERT INTO memory /* x */ . -- y\n main . runs VALUES ('r2', 2)",
    "UPDATE runs SET seconds = 0",
    "UPDATE runs AS mine SET seconds = 0",
    "UPDATE 'runs' SET seconds = 0",
    "DELETE FROM runs",
    'DELETE FROM "runs"',
    'DELETE FROM "RUNS" WHERE true',
    "DELETE FROM 'runs'",
    "DELETE FROM `runs`",
    "DELETE FROM `main`.`Runs`",
    "DELETE FROM runs USING mine WHERE mine.a = 1",
    'DELETE -- it\'s "quoted" `here`\n FROM runs',
    "TRUNCATE runs",
    "TRUNCATE TABLE main.runs",
    "MERGE INTO runs USING mine ON mine.b = runs.run_id WHEN MATCHED THEN DELETE",
    "WITH d AS (DELETE FROM runs RETURNING *) SELECT * FROM d",
    "WITH d AS NOT MATERIALIZED (DELETE FROM runs RETURNING *) FROM d",
    "WITH d AS (UPDATE runs SET seconds = 0 RETURNING *) SELECT * FROM d",
    "WITH d AS (INSERT INTO runs VALUES ('r2', 2) RETURNING *) SELECT * FROM d",
    "WITH d AS (SELECT 1) DELETE FROM runs",
    "WITH d AS (DELETE FROM runs RETURNING *) INSERT INTO mine (b) SELECT run_id FROM d",
    "CREATE TABLE c AS WITH d AS (DELETE FROM runs RETURNING *) SELECT * FROM d",
    "EXPLAIN ANALYZE DELETE FROM runs",
    "EXPLAIN (ANALYZE, FORMAT JSON) DELETE FROM runs",
    "EXPLAIN (FORMAT (JSON)) DROP TABLE runs",
    "EXPLAIN ANALYZE WITH d AS (DELETE FROM runs RETURNING *) SELECT * FROM d",
    "SELECT 1; SELECT ';'; DELETE FROM runs; SELECT 2",
    "CREATE TABLE runs (x INTEGER)",
    "CREATE OR REPLACE TABLE runs AS SELECT 1",
    "CREATE TABLE IF NOT EXISTS main.runs (x INTEGER)",
    "CREATE TEMP TABLE runs (x INTEGER)",
    "CREATE OR REPLACE TEMPORARY VIEW runs AS SELECT 1",
    "CREATE VIEW IF NOT EXISTS 'runs' AS SELECT 1",
    "CREATE RECURSIVE VIEW runs (x) AS SELECT 1",
    "ALTER TABLE runs ADD COLUMN x INTEGER",
    "ALTER TABLE IF EXISTS memory.main.runs DROP COLUMN seconds",
    "ALTER TABLE runs RENAME TO other",
    "ALTER TABLE mine RENAME TO runs",
    'ALTER VIEW IF EXISTS v RENAME TO "Runs"',
    "DROP TABLE runs",
    "DROP TABLE IF EXISTS main.runs CASCADE",
    "drop /* a */ view /* b */ if exists `runs`",
]


@pytest.mark.parametrize("query", WRITES)
def test_no_way_leads_to_writing_a_core_table(joined: Joined, query: str) -> None:
    with pytest.raises(duckdb.PermissionException, match=r"^runs is a core table.* may read it"):
        joined.conn.execute(query)
    assert "runs is a core table" in str(joined.host.first_error)
    assert joined.database.execute("FROM runs").fetchall() == [("r1", 1.5)]


def test_what_is_a_space_to_duckdb_hides_nothing(joined: Joined) -> None:
    spaces = [
        space
        for space in map(chr, range(0x10000))
        if unicodedata.category(space) in {"Cc", "Cf", "Zs", "Zl", "Zp"} and is_space(joined, space)
    ]
    assert {"\t", "\v", "\N{NO-BREAK SPACE}", "\N{IDEOGRAPHIC SPACE}"} <= set(spaces)
    for space in spaces:
        with pytest.raises(duckdb.PermissionException, match="core table"):
            joined.conn.execute(f"SELECT 1;{space}DELETE{space}FROM{space}runs")


def is_space(joined: Joined, character: str) -> bool:
    try:
        return len(joined.database.extract_statements(f"DELETE{character}FROM runs")) == 1
    except duckdb.Error:
        return False


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM runs",
        "TABLE runs",
        "FROM main.runs AS r JOIN mine ON r.run_id = mine.b",
        "WITH runs AS (SELECT 1 AS x) SELECT * FROM runs",
        "SELECT 'DELETE FROM runs; COMMIT' -- DELETE FROM runs",
        "SELECT $$ DROP TABLE runs $$ /* UPDATE runs SET seconds = 0 */",
        "INSERT INTO mine (b) SELECT run_id FROM runs",
        "UPDATE mine SET b = runs.run_id FROM runs",
        "DELETE FROM mine USING runs WHERE mine.b = runs.run_id",
        "CREATE TABLE c AS SELECT 1 AS runs; ALTER TABLE c RENAME runs TO in_flight",
        'CREATE VIEW v AS SELECT count(*) AS "delete" FROM runs; SELECT "delete" FROM v',
        "MERGE INTO mine USING runs ON mine.b = runs.run_id WHEN MATCHED THEN DELETE",
        "EXPLAIN ANALYZE SELECT * FROM runs",
    ],
)
def test_core_tables_are_read(joined: Joined, query: str) -> None:
    joined.conn.execute(query).fetchall()
    assert joined.host.first_error is None


# ── the stand-in alone: the transaction ──


def test_the_session_begins_once_before_its_first_statement(
    database: duckdb.DuckDBPyConnection,
) -> None:
    begun: list[Any] = []

    def begin(cursor: duckdb.DuckDBPyConnection) -> None:
        begun.append(cursor.execute("DELETE FROM mine WHERE a = 1 RETURNING a").fetchall())

    joined = join(database, begin)
    with pytest.raises(duckdb.InvalidInputException):
        joined.conn.fetchall()
    assert (begun, joined.host.began) == ([], False)

    assert joined.conn.execute("SELECT min(a) FROM mine").fetchone() == (2,)
    joined.conn.execute("SELECT 1")
    joined.host.ensure_begun()
    assert (begun, joined.host.began) == ([[(1,)]], True)
    joined.cursor.execute("ROLLBACK")
    assert database.execute("SELECT min(a) FROM mine").fetchone() == (1,)


def test_a_session_without_a_statement_can_be_begun(database: duckdb.DuckDBPyConnection) -> None:
    def begin(cursor: duckdb.DuckDBPyConnection) -> None:
        cursor.execute("DELETE FROM mine")

    joined = join(database, begin)
    joined.host.ensure_begun()
    joined.cursor.execute("COMMIT")
    assert database.execute("SELECT count(*) FROM mine").fetchone() == (0,)


def test_a_result_that_the_processor_left_open_is_not_in_the_owners_way(joined: Joined) -> None:
    joined.conn.execute("SELECT * FROM range(1000000)").fetchone()
    rows = pa.table({"x": [1]})
    with pytest.raises(duckdb.ResourceInUseException):
        joined.cursor.register("rows", rows)

    joined.host.ensure_begun()
    joined.cursor.register("rows", rows)
    assert joined.cursor.execute("FROM rows").fetchall() == [(1,)]


def test_an_error_of_the_hook_is_the_sessions(database: duckdb.DuckDBPyConnection) -> None:
    class Conflict(Exception):
        pass

    def begin(_: duckdb.DuckDBPyConnection) -> None:
        raise Conflict("of two writers")

    joined = join(database, begin)
    with pytest.raises(RuntimeError, match=r"^Conflict: of two writers$"):
        joined.conn.execute("SELECT 1")
    assert isinstance(joined.host.first_error, Conflict)
    assert joined.host.began, "there is a transaction to roll back"


@pytest.mark.parametrize(
    "query", ["SELECT nothing", "SELCT 1", "COMMIT", "DELETE FROM runs", "SELECT error('x')"]
)
def test_the_first_error_is_kept_though_the_processor_swallowed_it(
    joined: Joined, query: str
) -> None:
    joined.conn.execute("INSERT INTO mine VALUES (4, 'four')")
    assert joined.host.first_error is None

    with pytest.raises(duckdb.Error) as first:
        joined.conn.execute(query).fetchall()
    with pytest.raises(duckdb.Error):
        joined.conn.execute("SELECT another")
    assert repr(joined.host.first_error) == repr(first.value)


def test_duckdb_stores_nothing_after_an_error_and_does_not_say_so(joined: Joined) -> None:
    joined.conn.execute("INSERT INTO mine VALUES (4, 'four')")
    with pytest.raises(duckdb.BinderException):
        joined.conn.execute("SELECT nothing")
    joined.cursor.execute("COMMIT")
    count = joined.database.execute("SELECT count(*) FROM mine").fetchone()
    assert count == (3,), "hence first_error: the COMMIT above raised nothing"


def test_no_request_makes_the_owner_raise(joined: Joined) -> None:
    for request in (b"", b"\xc1", b"\x91\xa4what", b"\x93\xa7execute\x01\x02"):
        assert joined.host.answer(request)
    assert joined.host.first_error is not None


def test_an_interrupt_ends_a_long_statement(joined: Joined) -> None:
    timer = threading.Timer(0.2, joined.host.interrupt)
    timer.start()
    before = clock.monotonic()
    with pytest.raises(duckdb.InterruptException):
        joined.conn.execute(ENDLESS).fetchall()
    timer.join()
    assert clock.monotonic() - before < 5
    assert isinstance(joined.host.first_error, duckdb.InterruptException)
    joined.cursor.execute("ROLLBACK")
    assert joined.cursor.execute("SELECT 1").fetchone() == (1,), "the cursor is of use again"


def test_after_an_interrupt_no_statement_starts(joined: Joined) -> None:
    joined.host.interrupt()
    with pytest.raises(duckdb.InterruptException):
        joined.conn.execute(ENDLESS)


def test_an_interrupt_just_before_a_statement_is_not_lost(
    database: duckdb.DuckDBPyConnection,
) -> None:
    for pause in range(30):
        joined = join(database)
        timer = threading.Timer(pause / 10_000, joined.host.interrupt)
        timer.start()
        with pytest.raises(duckdb.InterruptException):
            joined.conn.execute(ENDLESS).fetchall()
        timer.join()
        joined.cursor.close()


# ── the stand-in alone: many rows ──

MANY = 100_000


class Capsule:
    """A table of another library than pyarrow, which exports an Arrow stream."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("form", [pa.table, dict, lambda columns: Capsule(pa.table(columns))])
def test_many_rows_are_inserted_at_once(joined: Joined, form: Callable[[Any], Any]) -> None:
    columns = {"b": [f"row {n}" for n in range(MANY)], "a": list(range(MANY))}
    joined.conn.execute("SELECT * FROM range(100000)").fetchone()  # a result may be open
    assert joined.conn.insert_arrow("mine", form(columns)) == MANY
    query = "SELECT count(*), count(DISTINCT b), sum(a) FROM mine WHERE b = 'row ' || a"
    assert joined.conn.execute(query).fetchone() == (MANY, MANY, sum(range(MANY)))


def test_columns_go_by_name_and_may_be_missing(joined: Joined) -> None:
    when = datetime(2026, 11, 24, tzinfo=UTC)
    joined.conn.execute('CREATE TABLE "My Rows" (time TIMESTAMP, cost DECIMAL(9, 2), note VARCHAR)')
    rows = {"cost": [Decimal("1.50"), None], "time": [when, when]}
    assert joined.conn.insert_arrow('main."My Rows"', rows) == 2
    found = joined.conn.execute('SELECT cost, note FROM "My Rows"').fetchall()
    assert found == [(Decimal("1.50"), None), (None, None)]


@pytest.mark.parametrize("name", ["runs", '"RUNS"', "main.runs", "memory.main.'runs'", "`runs`"])
def test_many_rows_do_not_go_into_a_core_table(joined: Joined, name: str) -> None:
    with pytest.raises(duckdb.Error, match=r"core table|syntax error"):
        joined.conn.insert_arrow(name, {"run_id": ["r2"]})
    assert isinstance(joined.host.first_error, duckdb.Error)


@pytest.mark.parametrize("name", ["", "mine VALUES (1, 'x'); --", "mine mine", "my-rows", "a."])
def test_many_rows_need_the_name_of_a_table(joined: Joined, name: str) -> None:
    with pytest.raises(duckdb.InvalidInputException, match="is not the name of a table"):
        joined.conn.insert_arrow(name, {"a": [1]})


def test_rows_that_are_no_table_are_refused(joined: Joined) -> None:
    for rows in ({"a": [1, 2], "b": [1]}, {"a": [object()]}, 5):
        with pytest.raises((TypeError, ValueError)):
            joined.conn.insert_arrow("mine", rows)
    assert joined.host.first_error is not None


def test_rows_that_do_not_fit_are_duckdbs_error(joined: Joined) -> None:
    with pytest.raises(duckdb.BinderException, match="nothing"):
        joined.conn.insert_arrow("mine", {"nothing": [1]})
    with pytest.raises(duckdb.TransactionException):
        joined.conn.execute("SELECT 1")


def test_arrow_is_another_name_and_warns_of_nothing(joined: Joined) -> None:
    table = joined.conn.execute("SELECT 1 AS x").arrow()
    assert table == pa.table({"x": pa.array([1], pa.int32())})


def test_a_data_frame_needs_pandas(joined: Joined) -> None:
    joined.conn.execute("SELECT 1 AS x")
    if find_spec("pandas") is None:
        with pytest.raises(ImportError, match="pip install pandas"):
            joined.conn.df()
        assert joined.conn.fetchall() == [(1,)]
    else:
        assert joined.conn.df().to_dict("list") == {"x": [1]}
    assert joined.host.first_error is None
