"""tables.md tells of every table, view and column of the facts, and of nothing else."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest
from pages import page, table_rows

from sessionmill.config import Config
from sessionmill.contracts import Table
from sessionmill.registry import Registry
from sessionmill.store.control import tables as control
from sessionmill.store.facts import CORE_TABLES, Facts
from sessionmill.store.rows import RowStore
from sessionmill.store.run_store import FactsRunStore

#: Column by column, for each table or view: (name, type).
Columns = dict[str, list[tuple[str, str]]]

TABLES = page("tables")


@pytest.fixture
def stored(tmp_path: Path) -> Columns:
    """Return what the facts hold once the installed processors are prepared."""
    registry = Registry.of(Config(tmp_path))
    with Facts(tmp_path, "a test", now=datetime.now(UTC)) as facts:
        FactsRunStore(facts, lambda: datetime.now(UTC)).prepare(list(registry.usable.values()))
        rows = facts.cursor().execute(
            "SELECT table_name, column_name, data_type FROM duckdb_columns()"
            " WHERE NOT internal ORDER BY table_name, column_index"
        )
        columns: Columns = {}
        for table, name, kind in rows.fetchall():
            columns.setdefault(table, []).append((name, kind))
    return columns


def told() -> dict[str, list[tuple[str, str, str]]]:
    """Return (name, type, meaning) for each column of each table or view, as the page tells."""
    names = re.findall(r"^### (\w+)$", TABLES.text, re.MULTILINE)
    return {
        name: [(c.strip("`"), kind, m) for c, kind, m in table_rows(TABLES.section(name))]
        for name in names
    }


def test_every_table_view_and_column_is_told_with_its_type(stored: Columns) -> None:
    told_columns = {table: [(n, kind) for n, kind, _ in rows] for table, rows in told().items()}
    assert set(told_columns) == set(stored)
    for table, columns in stored.items():
        assert told_columns[table] == columns, f"{table}, in the order of the facts"


def test_every_column_is_told_with_its_meaning() -> None:
    nameless = [(table, row) for table, rows in told().items() for row in rows if not row[2]]
    assert not nameless


def installed() -> list[Table]:
    """Return the tables of the installed extractors."""
    usable = Registry.of(Config(Path("unused"))).usable.values()
    return [table for processor in usable for table in processor.tables]


@pytest.mark.parametrize("table", installed(), ids=lambda table: table.name)
def test_an_extractors_table_is_told_in_the_words_of_its_declaration(table: Table) -> None:
    meanings = {name: meaning for name, _, meaning in told()[table.name]}
    for column in RowStore(table).columns:
        assert column.comment
        assert column.comment in meanings[column.name].replace("`", ""), column.name
    about = TABLES.section(table.name).lower()
    assert table.comment.lower() in about
    assert f"key: {', '.join(f'`{key}`' for key in table.key)}." in about


def test_core_tables_are_told_in_the_words_of_the_schema() -> None:
    schema = files("sessionmill.store").joinpath("schema.sql").read_text("utf-8")
    for table in CORE_TABLES:
        meanings = {name: meaning for name, _, meaning in told()[table]}
        created = schema.partition(f"CREATE TABLE {table} (")[2].partition(");")[0]
        for name, comment in re.findall(r"^\s*(\w+)\s+[A-Z]+,?\s+-- (.*)$", created, re.MULTILINE):
            words = set(re.findall(r"\w+", comment.lower()))
            missing = words - set(re.findall(r"\w+", meanings[name].lower()))
            assert not missing, f"{table}.{name}: {comment}"


def test_views_are_told_as_their_first_lines_do() -> None:
    usage = Registry.of(Config(Path("unused"))).usable["usage"]
    for name, sql in usage.views.items():
        comment = re.match(r"(?:-- .*\n)+", sql)
        assert comment, name
        sentences = " ".join(line.removeprefix("-- ") for line in comment[0].splitlines())
        assert sentences in " ".join(TABLES.section(name).split())


def test_the_control_stores_tables_are_told_column_by_column() -> None:
    section = TABLES.section("The control store")
    assert re.findall(r"^#### (\w+)$", section, re.MULTILINE) == list(control.metadata.tables)
    for name, table in control.metadata.tables.items():
        told = table_rows(TABLES.section(name))
        assert [(row[0].strip("`"), row[1]) for row in told] == [
            (column.name, str(column.type)) for column in table.columns
        ], name
        assert all(row[2] for row in told)
