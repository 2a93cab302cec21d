"""Rows of tuples to columns of Arrow, and to bytes that any process can read."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, TypeGuard

from arro3.core import Array, DataType, RecordBatch
from arro3.io import write_ipc_stream

from sessionmill.contracts import Column, Row, Table

_TYPES: dict[str, Callable[[], DataType]] = {
    "VARCHAR": DataType.utf8,
    "BIGINT": DataType.int64,
    "INTEGER": DataType.int32,
    "UTINYINT": DataType.uint8,
    "UBIGINT": DataType.uint64,
    "DOUBLE": DataType.float64,
    "BOOLEAN": DataType.bool,
    "TIMESTAMP": DataType.int64,  # microseconds since 1970, UTC
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class TableRows:
    """The rows of one table, completed by key within each job, and gathered until they are sent."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._names = [column.name for column in table.columns]
        self._key = [self._names.index(name) for name in table.key]
        rules = [column.completion for column in table.columns]
        self._fill = [i for i, rule in enumerate(rules) if rule == "fill"]
        self._max = [i for i, rule in enumerate(rules) if rule == "max"]
        self._min = [i for i, rule in enumerate(rules) if rule == "min"]
        self._doubles = [i for i, c in enumerate(table.columns) if c.type == "DOUBLE"]
        self._rows: list[Sequence[Any]] = []
        self._jobs: list[int] = []
        #: Jobs with values that cannot be compared.
        self._unfit: dict[int, str] = {}
        #: Of the last job: where its rows are by key, and whether rows of it were taken already.
        self._job, self._by_key, self._goes_on = 0, dict[Any, int](), False

    def __len__(self) -> int:
        return len(self._jobs)

    def check(self, rows: Sequence[Row]) -> Sequence[tuple[Any, ...]]:
        """Return rows as tuples; raises ValueError for one of a wrong length, column or key."""
        checked = rows if self._are_plain(rows) else self._as_tuples(rows)
        for i in self._doubles:
            if any(row[i] is not None and row[i] != row[i] for row in checked):
                checked = [_without(row, i) for row in checked]
        return checked

    def _are_plain(self, rows: Sequence[Row]) -> TypeGuard[Sequence[tuple[Any, ...]]]:
        """Tell whether all rows are tuples of the right length with a key: in one loop."""
        key, width = self._key[0], len(self._names)
        for row in rows:
            if not isinstance(row, tuple) or len(row) != width or row[key] is None:
                return False
        return len(self._key) == 1

    def _as_tuples(self, rows: Sequence[Row]) -> Sequence[tuple[Any, ...]]:
        width = len(self._names)
        for row in rows:
            if not isinstance(row, tuple | Mapping):
                raise ValueError(
                    f"a row of {self._table.name} is {type(row).__name__}, no tuple and no mapping"
                )
        checked = [row if isinstance(row, tuple) else self._by_name(row) for row in rows]
        for row in checked:
            if len(row) != width:
                raise ValueError(
                    f"a row of {self._table.name} has {len(row)} values for {width} columns"
                )
            for i in self._key:
                if row[i] is None:
                    raise ValueError(
                        f"{self._table.name}.{self._names[i]} is its key, and a row has none"
                    )
        return checked

    def add(self, job: int, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add checked rows of one job; those with a key that it has had complete the earlier."""
        if job != self._job:
            self._job, self._by_key, self._goes_on = job, {}, False
        key_of = itemgetter(*self._key)
        by_key, gathered, jobs = self._by_key, self._rows, self._jobs
        end = len(gathered)
        try:
            for row in rows:
                place = by_key.setdefault(key_of(row), end)
                if place == end:
                    gathered.append(row)
                    jobs.append(job)
                    end += 1
                else:
                    self._complete(place, row, job)
        except TypeError as error:
            column = self._table.columns[self._key[0]]
            raise ValueError(
                f"a value of {self._table.name}.{column.name} is no {column.type}: {error}"
            ) from error

    def _complete(self, place: int, row: tuple[Any, ...], job: int) -> None:
        """Complete a row by a later one of its key: the rules of `store.rows`, in memory."""
        earlier = self._rows[place]
        if not isinstance(earlier, list):
            earlier = self._rows[place] = list(earlier)
        try:
            for i in self._fill:
                if earlier[i] is None:
                    earlier[i] = row[i]
            for i in self._max:
                value, known = row[i], earlier[i]
                if value is not None and (known is None or value > known):
                    earlier[i] = value
            for i in self._min:
                value, known = row[i], earlier[i]
                if value is not None and (known is None or value < known):
                    earlier[i] = value
        except TypeError as error:
            self._unfit[job] = f"values of {self._table.name} are of several types: {error}"

    def take(
        self, first: int, *, job_ended: bool
    ) -> tuple[bytes, bool, dict[int, int], dict[int, str]]:
        """Return the rows as an Arrow IPC stream, numbered from `first`, and forget them.

        Also whether they are all that their jobs have for this table, how many each job has, and
        the jobs with a value that does not fit its column, which are left out, with the reason.
        """
        rows, jobs, unfit = self._rows, self._jobs, self._unfit
        self._unfit = {}
        whole = job_ended and not self._goes_on
        self._rows, self._jobs, self._by_key, self._goes_on = [], [], {}, not job_ended
        try:
            if not unfit:
                return self._stream(rows, jobs, first), whole, Counter(jobs), {}
        except ValueError:
            for job in dict.fromkeys(jobs):
                own = [row for row, of in zip(rows, jobs, strict=True) if of == job]
                try:
                    self._stream(own, [job] * len(own), first)
                except ValueError as error:
                    unfit[job] = str(error)
        fit = [(r, j) for r, j in zip(rows, jobs, strict=True) if j not in unfit]
        rows, jobs = [r for r, _ in fit], [j for _, j in fit]
        return self._stream(rows, jobs, first), whole, Counter(jobs), unfit

    def _by_name(self, row: Any) -> tuple[Any, ...]:
        unknown = set(row) - set(self._names)
        if unknown:
            raise ValueError(f"{self._table.name} has no column {min(unknown)!r}")
        return tuple(row.get(name) for name in self._names)

    def _stream(self, rows: list[Sequence[Any]], jobs: list[int], first: int) -> bytes:
        columns = list(zip(*rows, strict=True)) or [()] * len(self._names)
        arrays: dict[str, Any] = {
            "_job": Array(jobs, type=DataType.int64()),
            "_seq": Array(list(range(first, first + len(jobs))), type=DataType.int64()),
        }
        for column, values in zip(self._table.columns, columns, strict=True):
            arrays[column.name] = self._array(column, values)
        stream = io.BytesIO()
        write_ipc_stream(RecordBatch.from_pydict(arrays), stream, compression=None)
        return stream.getvalue()

    def _array(self, column: Column, values: Sequence[Any]) -> Array:
        try:
            if column.type == "TIMESTAMP":
                values = _since_epoch(values)
            return Array(list(values), type=_TYPES[column.type]())
        except UnicodeEncodeError:
            return Array(list(map(_encodable, values)), type=_TYPES[column.type]())
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            raise ValueError(
                f"a value of {self._table.name}.{column.name} is no {column.type}: {error}"
            ) from error


def _without(row: tuple[Any, ...], i: int) -> tuple[Any, ...]:
    """Leave out what is no number: NaN is larger than all to SQL, and nothing to Python."""
    return row if row[i] == row[i] else (*row[:i], None, *row[i + 1 :])


def _since_epoch(times: Sequence[datetime | None]) -> list[int | None]:
    try:
        return [None if at is None else (at - _EPOCH) // _MICROSECOND for at in times]
    except TypeError:  # for one of them, which is told of
        return [None if at is None else microseconds(at) for at in times]


def microseconds(at: datetime) -> int:
    """Return microseconds since 1970 of an aware datetime, exactly; ValueError for a naive one."""
    if at.tzinfo is None:
        raise ValueError("a time without a time zone")
    return round(at.timestamp() * 1e6)


def _encodable(value: str | None) -> str | None:
    """Write out lone surrogates, which JSON can name and UTF-8 cannot."""
    return None if value is None else value.encode("utf-8", "backslashreplace").decode()
