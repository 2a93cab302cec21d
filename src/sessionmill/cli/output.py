"""What commands print: one JSON document, or a table for people."""

from __future__ import annotations

import shutil
import sys
import traceback
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sessionmill.view.documents import MOST_DECIMALS, json_text
from sessionmill.view.reports import Rows


def print_json(document: Any) -> None:
    """Print one JSON document."""
    print(json_text(document))


def warn(text: str) -> None:
    """Say something on stderr."""
    lines = (printable(line) for line in f"sessionmill: {text}".split("\n"))
    print("\n".join(lines), file=sys.stderr)


def print_traceback(error: BaseException) -> None:
    """Print on stderr where an exception comes from."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    print("\n".join(map(printable, lines)), file=sys.stderr)


def print_rows(rows: Rows, *, as_json: bool) -> None:
    """Print a list."""
    if as_json:
        print_json(rows.document())
        return
    if not rows.values:
        print("(no rows)")
    else:
        print_table(rows.columns, rows.values)
    if rows.truncated:
        print(f"… there are more than these {len(rows.values)} rows.")
    if rows.note and rows.values:
        print(f"\n{rows.note}")


def print_table(columns: Sequence[str], values: Sequence[Sequence[Any]]) -> None:
    """Print a table: numbers to the right, with thousands apart."""
    texts = [[shown(value) for value in row] for row in values]
    widths = [max(len(c), *(len(row[i]) for row in texts)) for i, c in enumerate(columns)]
    right = [
        all(
            v is None or (isinstance(v, int | float | Decimal) and not isinstance(v, bool))
            for v in column
        )
        for column in zip(*values, strict=True)
    ]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(cells, widths, right, strict=True)
        )
        return "  ".join(padded).rstrip()

    print(line(columns))
    print("  ".join("-" * width for width in widths))
    for row in texts:
        print(line(row))


def print_record(columns: Sequence[str], row: Sequence[Any]) -> None:
    """Print one row, a column a line; figures, where all are, to the right."""
    width = max(map(len, columns))
    texts = [shown(value) for value in row]
    right = 0 if any(isinstance(value, str) for value in row) else max(map(len, texts))
    for name, text in zip(columns, texts, strict=True):
        print(f"{name.ljust(width)}  {text.rjust(right)}")


def print_line(text: str, *, indent: int = 0, cut: bool = False) -> None:
    """Print one line; `cut` to fit, where it is printed on a terminal."""
    width = shutil.get_terminal_size().columns if cut and sys.stdout.isatty() else None
    print((" " * indent + printable(text))[:width])


def shown(value: Any) -> str:
    """Return a value as people read it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        # An exact cost has fifteen decimals, most of them zeros.
        exact = int(value.as_tuple().exponent) < -MOST_DECIMALS
        return f"{value:,f}".rstrip("0").rstrip(".") if exact else f"{value:,}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return printable(str(value))


def printable(text: str) -> str:
    """Write out what a terminal would obey: a name may hold anything."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
