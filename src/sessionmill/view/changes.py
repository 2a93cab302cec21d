"""What another version's rows change: figures before and after, by group or by rule.

A figure is what can be summed up of an extractor's table: its rows, those that are counted, and of
the counted ones each amount and each flag. The least of several values (`min`) tells where or when
a thing began, and a UBIGINT is a hash: neither is an amount.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import duckdb

from sessionmill.contracts import Column, Table
from sessionmill.store.rows import RowStore
from sessionmill.view.reports import Rows

By = Literal["day", "user", "model", "rule"]

#: Figures by (group, name of the figure); one that is missing is 0.
Sums = dict[tuple[Any, str], Any]

_WHOLE = ("BIGINT", "INTEGER", "UTINYINT")


def figures(table: Table) -> dict[str, str]:
    """Return what is summed up of a table: the SQL of each figure, by its name."""
    told = {f"{table.name}: rows": "count(*)"}
    counted = "true"
    if table.elect_by:
        told[f"{table.name}: counted"], counted = "count(*) FILTER (counted)", "counted"
    for column in _own(table):
        name, sum_ = _quote(column.name), f"FILTER ({counted}), 0)"
        if column.type == "BOOLEAN":
            told[f"{table.name}.{column.name}"] = f"count(*) FILTER ({counted} AND {name})"
        elif column.type == "DOUBLE" and column.completion != "min":
            # Rounded, for the order in which DuckDB adds decides the last digits.
            told[f"{table.name}.{column.name}"] = f"round(coalesce(fsum({name}) {sum_}, 6)"
        elif column.type in _WHOLE and column.completion != "min":
            told[f"{table.name}.{column.name}"] = f"coalesce(sum({name}) {sum_}::HUGEINT"
    return told


def sums(
    cursor: duckdb.DuckDBPyConnection,
    tables: Sequence[Table],
    by: By | None = None,
    timezone: str = "UTC",
) -> Sums:
    """Sum up every figure, by day (of `timezone`), user or model; else in all."""
    found: Sums = {}
    for table in tables:
        told = figures(table)
        rows = cursor.execute(
            f"SELECT {_group(table, by)} AS grp, {', '.join(told.values())}"
            f" FROM {_quote(table.name)} GROUP BY grp",
            {"timezone": timezone} if by == "day" and _time(table) else {},
        ).fetchall()
        for group, *values in rows:
            found |= {(group, name): value for name, value in zip(told, values, strict=True)}
    return found


def by_group(tables: Sequence[Table], by: By, before: Sums, after: Sums) -> Rows:
    """Return the figures that differ, group by group."""
    groups = sorted({group for group, _ in before | after}, key=lambda g: (g is None, g))
    rows = [
        (group, *row)
        for group in groups
        for row in _figures(tables, group, before, after)
        if row[3]
    ]
    return Rows([by, "figure", "before", "after", "change"], rows)


def in_all(tables: Sequence[Table], before: Sums, after: Sums) -> Rows:
    """Return every figure in all, whether it differs or not."""
    return Rows(["figure", "before", "after", "change"], _figures(tables, None, before, after))


def _figures(
    tables: Sequence[Table], group: Any, before: Sums, after: Sums
) -> list[tuple[str, Any, Any, Any]]:
    rows = []
    for name in (name for table in tables for name in figures(table)):
        old, new = before.get((group, name), 0), after.get((group, name), 0)
        change = new - old
        rows.append((name, old, new, round(change, 6) if isinstance(change, float) else change))
    return rows


# ── rules ──


def keep_rows(cursor: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> None:
    """Keep the rows of tables as they are, for `by_rule` to compare with what becomes of them."""
    for table in tables:
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_kept(table)} AS FROM {_quote(table.name)}")


def by_rule(cursor: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> Rows:
    """Return what became of the kept rows, rule by rule.

    `rows` is how many there are; `change` the sum of what they changed by, of numbers and flags.
    """
    found = []
    for table in tables:
        rules = _rules(table)
        same = " AND ".join(f"b.{k} = a.{k}" for k in map(_quote, ("session_key", *table.key)))
        parts = ", ".join(f"{rows}, {change}" for rows, change in rules.values())
        [values] = cursor.execute(
            f"SELECT {parts} FROM {_kept(table)} b FULL JOIN {_quote(table.name)} a ON {same}"
        ).fetchall()
        found += [
            (rule, rows, change)
            for rule, rows, change in zip(rules, values[::2], values[1::2], strict=True)
            if rows
        ]
    return Rows(["rule", "rows", "change"], found)


def _rules(table: Table) -> dict[str, tuple[str, str]]:
    """Return by name the SQL of how many rows a rule is of, and of what they changed by."""
    rules = {
        f"{table.name}: added": ("count(*) FILTER (b.session_key IS NULL)", "NULL"),
        f"{table.name}: removed": ("count(*) FILTER (a.session_key IS NULL)", "NULL"),
    }
    both = "b.session_key IS NOT NULL AND a.session_key IS NOT NULL"
    for column in RowStore(table).columns:
        if column.name in ("session_key", "key_hash", *table.key):
            continue
        rule = f"{table.name}.{column.name}"
        old, new = f"b.{_quote(column.name)}", f"a.{_quote(column.name)}"
        if column.name == "counted":
            # NULL where `eligible` is: as little counted as false.
            rule, old, new = f"{table.name}: counted", f"({old} IS TRUE)", f"({new} IS TRUE)"
        changed = f"FILTER ({both} AND {old} IS DISTINCT FROM {new})"
        rules[rule] = (f"count(*) {changed}", _change(column, old, new, changed))
    return rules


def _change(column: Column, old: str, new: str, changed: str) -> str:
    if column.type == "DOUBLE":
        return f"round(fsum(coalesce({new}, 0) - coalesce({old}, 0)) {changed}, 6)"
    if column.type in (*_WHOLE, "BOOLEAN"):
        as_number = "coalesce({}::HUGEINT, 0)"
        return f"sum({as_number.format(new)} - {as_number.format(old)}) {changed}"
    return "NULL"


# ── parts ──


def _own(table: Table) -> list[Column]:
    """Return the columns that may be figures: a table's own, and those computed from them."""
    derived = [Column(name, type) for name, (type, _, _) in table.derived.items()]
    return [c for c in (*table.columns, *derived) if c.name not in table.key]


def _time(table: Table) -> str | None:
    """Return the column that tells when a row's thing was: the first that is a time."""
    return next((c.name for c in table.columns if c.type == "TIMESTAMP"), None)


def _group(table: Table, by: By | None) -> str:
    time = _time(table)
    if by == "user":
        return "username"
    if by == "model" and any(column.name == "model" for column in table.columns):
        return "model"
    if by == "day" and time is not None:
        return f"strftime(timezone($timezone, timezone('UTC', {_quote(time)})), '%Y-%m-%d')"
    return "NULL"


def _kept(table: Table) -> str:
    return _quote(f"_before {table.name}")


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
