"""One schema, one way there: the migrations, and what they must not bring."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pytest
from holding import NOW

from sessionmill import plugins
from sessionmill.errors import NewerSchema, StoreError
from sessionmill.registry import CORE_NAMES
from sessionmill.store.facts import CORE_TABLES, Facts
from sessionmill.store.run_store import FactsRunStore

SCHEMA = files("sessionmill.store").joinpath("schema.sql").read_text("utf-8")
MIGRATIONS = sorted(
    (path.name, path.read_text("utf-8"))
    for path in files("sessionmill.store").joinpath("migrations").iterdir()
)


def described(cursor: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[Any, ...]]]:
    """Return everything a schema consists of."""
    return {
        what: cursor.execute(f"SELECT {what} ORDER BY ALL").fetchall()
        for what in (
            "table_name, column_index, column_name, data_type, is_nullable, column_default"
            " FROM duckdb_columns() WHERE NOT internal",
            "table_name, constraint_type, constraint_text FROM duckdb_constraints()",
            "table_name, index_name, sql FROM duckdb_indexes()",
            "sequence_name FROM duckdb_sequences()",
            "view_name, sql FROM duckdb_views() WHERE NOT internal",
        )
    }


def in_memory(*scripts: str) -> dict[str, list[tuple[Any, ...]]]:
    with duckdb.connect(":memory:") as database:
        for script in scripts:
            database.execute(script)
        return described(database)


def test_the_schema_file_is_the_sum_of_the_migrations(tmp_path: Path) -> None:
    with Facts(tmp_path, "test", now=NOW) as facts:
        migrated = described(facts.cursor())
    assert migrated == in_memory(SCHEMA)


def test_the_schema_file_and_the_migrations_bring_the_same_rows(tmp_path: Path) -> None:
    with Facts(tmp_path, "test", now=NOW) as facts, duckdb.connect(":memory:") as written:
        written.execute(SCHEMA)
        for table in sorted(CORE_TABLES - {"schema_version"}):
            rows = f"FROM {table}"
            assert facts.cursor().execute(rows).fetchall() == written.execute(rows).fetchall(), (
                table
            )


def test_a_column_that_only_the_schema_file_has_is_seen() -> None:
    # The comparison above must be able to fail.
    with_one_more = SCHEMA + "; ALTER TABLE runs ADD COLUMN more BIGINT"
    assert in_memory(SCHEMA) != in_memory(with_one_more)


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [name[:5] for name, _ in MIGRATIONS] == [
        f"{number:04}_" for number in range(1, len(MIGRATIONS) + 1)
    ]


def test_each_migration_is_written_down_with_the_time_it_was_applied(tmp_path: Path) -> None:
    with Facts(tmp_path, "test", now=NOW) as facts:
        rows = facts.cursor().execute("FROM schema_version ORDER BY version").fetchall()
    assert rows == [
        (number, name.removesuffix(".sql"), NOW.replace(tzinfo=None))
        for number, (name, _) in enumerate(MIGRATIONS, 1)
    ]


def test_opening_again_migrates_nothing_again(tmp_path: Path) -> None:
    for _ in range(2):
        with Facts(tmp_path, "test", now=NOW) as facts:
            count = facts.cursor().execute("SELECT count(*) FROM schema_version").fetchall()
    assert count == [(len(MIGRATIONS),)]


def test_the_core_tables_are_those_that_the_migrations_make(tmp_path: Path) -> None:
    with Facts(tmp_path, "test", now=NOW) as facts:
        made = facts.cursor().execute("SELECT table_name FROM duckdb_tables()").fetchall()
    assert {name for (name,) in made} == CORE_TABLES


def test_processors_are_kept_from_every_core_table() -> None:
    assert CORE_NAMES == CORE_TABLES


def test_no_constraint_index_or_sequence_exists_whatever_the_processors(tmp_path: Path) -> None:
    installed = [plugins.load(spec, tmp_path, {}, name) for name, spec in plugins.entry_points()]
    with Facts(tmp_path / "data", "test", now=NOW) as facts:
        FactsRunStore(facts, lambda: NOW).prepare(installed)
        tables = facts.cursor().execute("SELECT count(*) FROM duckdb_tables()").fetchall()[0][0]
        for what in ("duckdb_constraints()", "duckdb_indexes()", "duckdb_sequences()"):
            assert facts.cursor().execute(f"FROM {what}").fetchall() == []
    assert tables > len(CORE_TABLES), "the processors' tables were looked at too"


def test_a_newer_schema_is_refused_with_a_sentence_and_left_alone(tmp_path: Path) -> None:
    newest = len(MIGRATIONS) + 1
    with Facts(tmp_path, "test", now=NOW) as facts, facts.transaction() as cursor:
        cursor.execute("INSERT INTO schema_version VALUES (?, 'of the future', ?)", [newest, NOW])

    with pytest.raises(NewerSchema, match=f"has schema {newest}.*written by a newer one") as said:
        Facts(tmp_path, "test", now=NOW)
    assert isinstance(said.value, StoreError)

    with duckdb.connect(str(tmp_path / "facts.duckdb")) as untouched:
        versions = untouched.execute("SELECT max(version) FROM schema_version").fetchall()
    assert versions == [(newest,)]
    assert not (tmp_path / "owner.json").exists(), "who was refused holds nothing"
