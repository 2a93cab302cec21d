"""Rows of tuples to columns of Arrow, and to bytes that any process can read."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

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


class TableRows:
    """The rows of one table, gathered until they are sent."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._names = [column.name for column in table.columns]
        self._rows: list[tuple[Any, ...]] = []
        self._jobs: list[int] = []

    def __len__(self) -> int:
        return len(self._rows)

    def check(self, rows: Sequence[Row]) -> Sequence[tuple[Any, ...]]:
        """Return rows as tuples; raises ValueError for one of a wrong length or column."""
        width = len(self._names)
        checked = [row if isinstance(row, tuple) else self._by_name(row) for row in rows]
        for row in checked:
            if len(row) != width:
                raise ValueError(
                    f"a row of {self._table.name} has {len(row)} values for {width} columns"
                )
        return checked

    def add(self, job: int, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add checked rows of one job."""
        self._rows.extend(rows)
        self._jobs.extend([job] * len(rows))

    def take(self, first: int) -> tuple[bytes, dict[int, str]]:
        """Return the rows as an Arrow IPC stream, numbered from `first`, and forget them.

        A job with a value that does not fit its column is left out, and named with the reason.
        """
        rows, jobs = self._rows, self._jobs
        self._rows, self._jobs = [], []
        try:
            return self._stream(rows, jobs, first), {}
        except ValueError:
            unfit: dict[int, str] = {}
            for job in dict.fromkeys(jobs):
                own = [row for row, of in zip(rows, jobs, strict=True) if of == job]
                try:
                    self._stream(own, [job] * len(own), first)
                except ValueError as error:
                    unfit[job] = str(error)
            fit = [(r, j) for r, j in zip(rows, jobs, strict=True) if j not in unfit]
            return self._stream([r for r, _ in fit], [j for _, j in fit], first), unfit

    def _by_name(self, row: Any) -> tuple[Any, ...]:
        unknown = set(row) - set(self._names)
        if unknown:
            raise ValueError(f"{self._table.name} has no column {min(unknown)!r}")
        return tuple(row.get(name) for name in self._names)

    def _stream(self, rows: list[tuple[Any, ...]], jobs: list[int], first: int) -> bytes:
        columns = list(zip(*rows, strict=True)) or [()] * len(self._names)
        arrays = {
            "_job": Array(jobs, type=DataType.int64()),
            "_seq": Array(list(range(first, first + len(rows))), type=DataType.int64()),
        }
        for column, values in zip(self._table.columns, columns, strict=True):
            arrays[column.name] = self._array(column, values)
        for name in self._table.key:
            if arrays[name].null_count:
                raise ValueError(f"{self._table.name}.{name} is its key, and a row has none")
        stream = io.BytesIO()
        write_ipc_stream(RecordBatch.from_pydict(arrays), stream, compression=None)
        return stream.getvalue()

    def _array(self, column: Column, values: Sequence[Any]) -> Array:
        try:
            if column.type == "TIMESTAMP":
                values = [None if v is None else microseconds(v) for v in values]
            elif column.type == "VARCHAR":
                values = _encodable(values)
            return Array(list(values), type=_TYPES[column.type]())
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            raise ValueError(
                f"a value of {self._table.name}.{column.name} is no {column.type}: {error}"
            ) from error


def microseconds(at: datetime) -> int:
    """Return microseconds since 1970 of an aware datetime, exactly."""
    return round(at.timestamp() * 1e6)


def _encodable(values: Sequence[Any]) -> Sequence[Any]:
    """Replace lone surrogates, which JSON can name and UTF-8 cannot."""
    try:
        for value in values:
            if value is not None and not value.isascii():
                value.encode()
    except UnicodeEncodeError:
        return [
            None if v is None else v.encode("utf-8", "backslashreplace").decode() for v in values
        ]
    return values
