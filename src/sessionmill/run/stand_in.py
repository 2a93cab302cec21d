"""The connection of an effectful processor, on both sides of its pipe.

    processor → StandInConnection ── request (msgpack) ──▶ StandInHost → DuckDB
       in the child process       ◀── reply (pickle) ────   in the owner

The child sends SQL and plain values, never an object of a plugin's; the owner sends back rows, or
the class name and message of an error. Any error ends the session, be it swallowed or not: DuckDB
itself rolls back from the first one on, and then lets COMMIT store nothing without a word.
"""

from __future__ import annotations

import builtins
import contextlib
import pickle
import threading
import warnings
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NoReturn, Self

from msgspec import msgpack

from sessionmill.run.values import decoder, packed, type_name

if TYPE_CHECKING:
    import duckdb
    import pyarrow

__all__ = ["StandInConnection", "StandInHost"]

Description = list[tuple[str, str, None, None, None, None, None]]

#: Under this name the owner reads the rows of `insert_arrow`, for one statement.
_ROWS = "sessionmill_rows"

_INSERT = (
    "Hand the rows over by conn.insert_arrow(table, rows): an Arrow table, or lists by column."
)
_FETCH = "Run conn.execute(sql), then fetch."
_READ = "Read the file in the processor. " + _INSERT
_ARROW = "Fetch by conn.to_arrow_table()."
#: What DuckDB's connection has and this one has not: what to do instead.
_REFUSED = {
    "begin": "The first statement begins the transaction.",
    "commit": "Return from process_session: rows and state are then committed together.",
    "rollback": "Raise an exception: nothing of this session is then kept.",
    "close": "Leave it open; the framework ends it.",
    "cursor": "Use conn itself: one statement follows the other.",
    "fetchdf": "It is called conn.df() here.",
    "create_function": "Compute in the processor. " + _INSERT,
    **dict.fromkeys(["register", "unregister", "append", "from_arrow", "from_df"], _INSERT),
    **dict.fromkeys(["sql", "query", "from_query", "table", "view", "values"], _FETCH),
    **dict.fromkeys(["read_csv", "read_json", "read_parquet", "from_parquet"], _READ),
    **dict.fromkeys(["fetchnumpy", "pl", "to_arrow_reader", "fetch_arrow_table"], _ARROW),
}


class StandInConnection:
    """In the child: what of DuckDB's connection a processor has, each call answered by the owner.

    Its errors are DuckDB's, by class and message. Parameters may be None, bool, int, float, str,
    bytes, datetime, date, time, timedelta, Decimal, UUID, and lists, tuples and dicts of these.
    """

    def __init__(self, ask: Callable[[bytes], bytes]) -> None:
        self._ask = ask
        self._description: Description | None = None
        self._rowcount = -1

    def execute(self, query: str, parameters: Any = None) -> Self:
        """Run the statements of `query`; `parameters`, a sequence or a dict, are the last one's."""
        return self._run("execute", query, parameters)

    def executemany(self, query: str, parameters: Any = None) -> Self:
        """Run `query` once for each of `parameters`: some 7,000 a second.

        `insert_arrow` is a thousand times as fast.
        """
        if isinstance(parameters, Iterable) and not isinstance(parameters, str | dict):
            parameters = list(parameters)
        return self._run("executemany", query, parameters)

    def insert_arrow(self, table_name: str, rows: Any) -> int:
        """Insert many rows at once, matched to the table's columns by name; return their number.

        `table_name` is written as in SQL. `rows` is a table of pyarrow or arro3, or anything else
        that exports an Arrow stream, or a dict of lists by column.
        """
        self._forget()
        try:
            stream = _to_stream(rows)
        except Exception as error:
            raise self._told(error) from None
        return int(self._call("insert_arrow", table_name, stream))

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row, or None after the last."""
        row: tuple[Any, ...] | None = self._call("fetchone")
        return row

    def fetchmany(self, size: int = 1) -> list[tuple[Any, ...]]:
        """Return the next `size` rows, or fewer at the end."""
        return list(self._call("fetchmany", size))

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return the rows that are left."""
        return list(self._call("fetchall"))

    def to_arrow_table(self, batch_size: int = 131072) -> pyarrow.Table | None:
        """Return the rows that are left, or None once the last row has been fetched."""
        stream = self._call("to_arrow_table", batch_size)
        return None if stream is None else _from_stream(stream)

    arrow = to_arrow_table

    def df(self, *, date_as_object: bool = False) -> Any:
        """Return the rows that are left as a DataFrame, where pandas is installed.

        Decimals stay decimals; DuckDB's own `df` makes floats of them.
        """
        if find_spec("pandas") is None:
            raise ImportError(
                "conn.df() needs pandas, which sessionmill does not bring along: "
                "pip install pandas. Without it: conn.to_arrow_table() or conn.fetchall()"
            )
        table = self.to_arrow_table()
        return None if table is None else table.to_pandas(date_as_object=date_as_object)

    @property
    def description(self) -> Description | None:
        """Name and type (as text) of each column of the last statement's result."""
        return self._description

    @property
    def rowcount(self) -> int:
        """How many rows the last statement changed; -1 where DuckDB does not say."""
        return self._rowcount

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name not in _REFUSED:
            raise AttributeError(
                f"conn.{name}: a processor's connection is a stand-in, and has no such attribute. "
                "It has execute, executemany, fetchone, fetchmany, fetchall, to_arrow_table, df, "
                "description, rowcount and insert_arrow."
            )

        def refuse(*_: object, **__: object) -> NoReturn:
            message = f"conn.{name} is refused to a processor. {_REFUSED[name]}"
            raise self._told(error_named("NotSupportedError", message))

        return refuse

    def _run(self, operation: str, query: str, parameters: Any) -> Self:
        self._forget()
        try:
            if not isinstance(query, str):
                raise TypeError(f"{operation} takes SQL as a str, not {type_name(query)}")
            request = _request(operation, query, packed(parameters))
        except (TypeError, ValueError) as error:
            raise self._told(error) from None
        self._description, self._rowcount = _answer_in(self._ask(request))
        return self

    def _call(self, operation: str, *arguments: Any) -> Any:
        return _answer_in(self._ask(_request(operation, *arguments)))

    def _told(self, error: Exception) -> Exception:
        """Return `error`, which arose here, once the owner knows of it."""
        self._ask(_request("fail", type(error).__name__, str(error)))
        return error

    def _forget(self) -> None:
        self._description, self._rowcount = None, -1


class StandInHost:
    """In the owner: answers the requests of one session, on a cursor of its own.

    * Before the first statement it begins a transaction and calls `begin(cursor)`.
    * It ends none: whoever made it commits if `first_error` is None, and else rolls back and fails
      the session with it. An error that the processor swallowed counts, and so does a refusal,
      though DuckDB has not seen it.
    """

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        *,
        protected: frozenset[str],
        begin: Callable[[duckdb.DuckDBPyConnection], None],
    ) -> None:
        """Serve `cursor`; `protected` are the tables that a processor may read only."""
        from sessionmill.run.statement_guard import admit, table_name

        self._admit, self._table_name = admit, table_name
        self._cursor, self._begin = cursor, begin
        self._protected = frozenset(name.lower() for name in protected)
        #: The first error of any statement, as it was raised here.
        self.first_error: Exception | None = None
        #: Whether there is a transaction to commit or roll back.
        self.began = False
        self._stopped = False
        self._idle = threading.Event()
        self._idle.set()

    def answer(self, request: bytes) -> bytes:
        """Do what the child asks for; what goes wrong is kept, and crosses in the reply."""
        self._idle.clear()
        try:
            if self._stopped:
                self._fail("InterruptException", "The session was interrupted.")
            operation, *arguments = decoder.decode(request)
            return pickle.dumps((True, self._do(operation, arguments)))
        except Exception as error:
            if self.first_error is None:
                self.first_error = error
            return pickle.dumps((False, (type(error).__name__, str(error))))
        finally:
            self._idle.set()

    def interrupt(self) -> None:
        """End the running statement, and return once it has ended; no other one will start.

        To be called from another thread than the one that answers.
        """
        self._stopped = True
        while True:
            # Again and again: DuckDB forgets an interrupt that comes just before a statement.
            self._cursor.interrupt()
            if self._idle.wait(0.01):
                return

    def ensure_begun(self) -> None:
        """Begin the transaction if no statement of the processor's has; leave no result open."""
        if not self.began:
            self._cursor.execute("BEGIN")
            self.began = True
            self._begin(self._cursor)
        self._cursor.execute("")  # closes what is open: `register` refuses until then

    def _do(self, operation: str, arguments: list[Any]) -> Any:
        match operation:
            case "execute" | "executemany":
                return self._run(operation, *arguments)
            case "fetchone" | "fetchmany" | "fetchall":
                return getattr(self._cursor, operation)(*arguments)
            case "to_arrow_table":
                return self._to_arrow_table(*arguments)
            case "insert_arrow":
                return self._insert_arrow(*arguments)
            case _:  # an error that arose in the child
                self._fail(*arguments)

    def _run(self, operation: str, query: str, parameters: Any) -> tuple[Description | None, int]:
        self._admit(self._cursor, query, self._protected)
        self.ensure_begun()
        getattr(self._cursor, operation)(query, parameters)
        # DuckDB's description is None after a text without a statement, whatever its types say.
        columns: Any = self._cursor.description
        described = columns and [(name, str(kind), *rest) for name, kind, *rest in columns]
        return described, self._cursor.rowcount

    def _to_arrow_table(self, batch_size: int) -> bytes | None:
        # For good: to restore the filters would not be safe with other threads about.
        warnings.filterwarnings("ignore", "Arrow output on a DB-API result", UserWarning)
        table = self._cursor.to_arrow_table(batch_size)
        return None if table is None else _to_stream(table)

    def _insert_arrow(self, written: str, stream: bytes) -> int:
        table_name = self._table_name(written)
        if table_name is None:
            self._fail("InvalidInputException", f"{written!r} is not the name of a table in SQL.")
        insert = f"INSERT INTO {table_name} BY NAME SELECT * FROM {_ROWS}"  # noqa: S608 - a name
        self._admit(self._cursor, insert, self._protected)
        self.ensure_begun()
        self._cursor.register(_ROWS, _from_stream(stream))
        inserted = self._cursor.execute(insert).fetchone()
        self._cursor.unregister(_ROWS)
        return inserted[0] if inserted else 0

    def _fail(self, name: str, message: str) -> NoReturn:
        raise error_named(name, message)


# ── what crosses ──


def _to_stream(rows: Any) -> bytes:
    import pyarrow

    table, sink = pyarrow.table(rows), pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    stream: bytes = sink.getvalue().to_pybytes()
    return stream


def _from_stream(stream: bytes) -> pyarrow.Table:
    import pyarrow

    return pyarrow.ipc.open_stream(stream).read_all()


def _answer_in(reply: bytes) -> Any:
    succeeded, value = pickle.loads(reply)  # noqa: S301 - the owner of this process wrote it
    if not succeeded:
        raise error_named(*value)
    return value


def error_named(name: str, message: str) -> Exception:
    """Return DuckDB's or Python's exception of that name, else a RuntimeError that tells it."""
    modules: list[Any] = [builtins]
    with contextlib.suppress(ImportError):
        import duckdb

        modules.insert(0, duckdb)
    for module in modules:
        kind = getattr(module, name, None)
        if isinstance(kind, type) and issubclass(kind, Exception):
            if issubclass(kind, UnicodeError):  # its subclasses take more than a message
                kind = UnicodeError
            return kind(message)
    return RuntimeError(f"{name}: {message}")


def _request(operation: str, *arguments: Any) -> bytes:
    return msgpack.encode((operation, *arguments))
