"""Named SQL statements, from the `.sql` files beside this module."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any

import duckdb


def first(cursor: duckdb.DuckDBPyConnection) -> tuple[Any, ...] | None:
    """Return the first row of a result, and finish it: DuckDB 2 holds on to an unfinished one."""
    rows = cursor.fetchall()
    return rows[0] if rows else None


_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def statements(file: str) -> dict[str, str]:
    """Return the statements of `sql/<file>.sql` by the names written above them."""
    return parse(files(__package__).joinpath("sql", f"{file}.sql").read_text("utf-8"))


def parse(text: str) -> dict[str, str]:
    """Return the statements of a text by the names written above them."""
    parts = _NAME.split(text)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))
