"""Facts of the system that this one descends from are taken over as they are opened."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from holding import NOW

from sessionmill.store.facts import Facts

MUST = "processor_name, session_file, username, processed_at, items_extracted, file_hash"

OLDEST = """
CREATE TABLE session_extraction_state (
    session_file VARCHAR PRIMARY KEY, username VARCHAR NOT NULL, processed_at {time},
    items_extracted INTEGER DEFAULT 0, file_hash VARCHAR
);
CREATE INDEX idx_extraction_user ON session_extraction_state (username);
INSERT INTO session_extraction_state VALUES
    ('alice/a.jsonl', 'alice', '2026-02-01 10:00:00{zone}', 3, 'd41d8cd98f00b204e9800998ecf8427e'),
    ('bob/b.jsonl', 'bob', NULL, NULL, NULL);
"""

OLDER = """
CREATE TABLE session_processor_state (
    processor_name VARCHAR NOT NULL, session_file VARCHAR NOT NULL, username VARCHAR NOT NULL,
    processed_at {time} DEFAULT current_timestamp, items_extracted INTEGER DEFAULT 0,
    file_hash VARCHAR, PRIMARY KEY (processor_name, session_file)
);
CREATE INDEX idx_state_user ON session_processor_state (username);
INSERT INTO session_processor_state VALUES
    ('words', 'alice/a.jsonl', 'alice', '2026-02-02 11:30:00{zone}', 7, 'hash of words'),
    ('words', 'bob/b.jsonl', 'bob', NULL, 0, NULL),
    ('verification', 'alice/a.jsonl', 'alice', '2026-02-03 12:00:00{zone}', 9, 'hash, newer');
"""

NAIVE = {"time": "TIMESTAMP", "zone": ""}
ZONED = {"time": "TIMESTAMPTZ", "zone": "+02"}


def older_facts(folder: Path, *scripts: str) -> Path:
    folder.mkdir(exist_ok=True)
    with duckdb.connect(str(folder / "facts.duckdb")) as database:
        for script in scripts:
            database.execute(script)
    return folder


def read(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    with Facts(folder, "test", now=NOW) as facts:
        return facts.cursor().execute(sql).fetchall()


def states(folder: Path) -> list[tuple[Any, ...]]:
    return read(folder, f"SELECT {MUST} FROM session_processor_state ORDER BY ALL")  # noqa: S608 - the test's own names


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 2, day, hour, minute)  # noqa: DTZ001 - UTC without its mark


def test_extraction_states_become_those_of_verification(tmp_path: Path) -> None:
    folder = older_facts(tmp_path / "data", OLDEST.format(**NAIVE))
    assert states(folder) == [
        (
            "verification",
            "alice/a.jsonl",
            "alice",
            at(1, 10),
            3,
            "d41d8cd98f00b204e9800998ecf8427e",
        ),
        ("verification", "bob/b.jsonl", "bob", None, None, None),
    ]


def test_their_times_are_utc_whatever_zone_they_bear(tmp_path: Path) -> None:
    folder = older_facts(tmp_path / "data", OLDEST.format(**ZONED), OLDER.format(**ZONED))
    times = {(row[0], row[1]): row[3] for row in states(folder)}
    assert times[("words", "alice/a.jsonl")] == at(2, 9, 30)
    assert times[("verification", "alice/a.jsonl")] == at(3, 10)
    types = read(
        folder,
        "SELECT data_type FROM duckdb_columns() WHERE column_name = 'processed_at'"
        " AND table_name = 'session_processor_state'",
    )
    assert types == [("TIMESTAMP",)]


def test_their_times_are_utc_wherever_the_machine_is(tmp_path: Path) -> None:
    folder = older_facts(tmp_path / "data", OLDEST.format(**ZONED), OLDER.format(**ZONED))
    program = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from sessionmill.store.facts import Facts\n"
        "with Facts(Path(sys.argv[1]), 'test', now=datetime.now(UTC)):\n"
        "    pass"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        env={**os.environ, "TZ": "Asia/Tokyo"},
        check=True,
    )
    times = {(row[0], row[1]): row[3] for row in states(folder)}
    assert times[("words", "alice/a.jsonl")] == at(2, 9, 30)
    assert times[("verification", "alice/a.jsonl")] == at(3, 10)


def test_a_state_that_exists_wins_over_the_older_one(tmp_path: Path) -> None:
    folder = older_facts(tmp_path / "data", OLDEST.format(**NAIVE), OLDER.format(**NAIVE))
    kept = [row for row in states(folder) if row[0] == "verification"]
    assert kept == [
        ("verification", "alice/a.jsonl", "alice", at(3, 12), 9, "hash, newer"),
        ("verification", "bob/b.jsonl", "bob", None, None, None),
    ], "and what another processor did to a file is no state of this one"


def test_states_without_our_columns_get_them_and_lose_their_constraints(tmp_path: Path) -> None:
    folder = older_facts(tmp_path / "data", OLDER.format(**NAIVE))
    assert states(folder) == [
        ("verification", "alice/a.jsonl", "alice", at(3, 12), 9, "hash, newer"),
        ("words", "alice/a.jsonl", "alice", at(2, 11, 30), 7, "hash of words"),
        ("words", "bob/b.jsonl", "bob", None, 0, None),
    ]
    assert read(folder, "SELECT DISTINCT version, attempts FROM session_processor_state") == [
        (None, 0)
    ]
    for what in ("duckdb_constraints()", "duckdb_indexes()", "duckdb_sequences()"):
        assert read(folder, f"FROM {what}") == []


@pytest.mark.parametrize(
    "scripts", [[OLDEST], [OLDER], [OLDEST, OLDER]], ids=["oldest", "older", "both"]
)
def test_the_schema_is_the_same_wherever_the_facts_come_from(
    tmp_path: Path, scripts: list[str]
) -> None:
    columns = (
        "SELECT table_name, column_index, column_name, data_type, is_nullable, column_default"
        " FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
    )
    upgraded = older_facts(tmp_path / "data", *(script.format(**NAIVE) for script in scripts))
    assert read(upgraded, columns) == read(tmp_path / "new", columns)


def test_opening_once_more_changes_nothing(tmp_path: Path) -> None:
    folder = older_facts(tmp_path / "data", OLDEST.format(**NAIVE), OLDER.format(**NAIVE))
    first = states(folder)
    assert len(first) == 4
    assert states(folder) == first


def test_an_old_table_that_comes_back_is_taken_in_once_more(tmp_path: Path) -> None:
    # The older system may run once more over the same file.
    folder = older_facts(tmp_path / "data", OLDEST.format(**NAIVE))
    first = states(folder)
    older_facts(folder, OLDEST.format(**NAIVE).replace("bob", "carol"))
    assert states(folder) == [*first, ("verification", "carol/b.jsonl", "carol", None, None, None)]


def test_tables_of_nobody_known_stay_as_they_are(tmp_path: Path) -> None:
    other = (
        "CREATE TABLE words (session_key VARCHAR, words BIGINT); INSERT INTO words VALUES ('a', 4)"
    )
    folder = older_facts(tmp_path / "data", OLDEST.format(**NAIVE), other)
    assert read(folder, "FROM words") == [("a", 4)]


def test_elsewhere_the_upgrade_does_nothing(tmp_path: Path) -> None:
    with Facts(tmp_path / "data", "test", now=NOW) as facts, facts.transaction() as cursor:
        cursor.execute(
            "INSERT INTO session_processor_state (processor_name, session_file, version, attempts)"
            " VALUES ('usage', 'alice/a.jsonl', 4, 2)"
        )
    every = "FROM session_processor_state"
    before = read(tmp_path / "data", every)
    assert read(tmp_path / "data", every) == before
    assert len(before) == 1


def test_an_upgrade_that_fails_leaves_the_older_facts_whole(tmp_path: Path) -> None:
    broken = "CREATE TABLE session_processor_state (session_file VARCHAR)"  # and nothing else
    folder = older_facts(tmp_path / "data", OLDEST.format(**NAIVE), broken)
    with pytest.raises(duckdb.Error):
        Facts(folder, "test", now=NOW)

    with duckdb.connect(str(folder / "facts.duckdb")) as database:
        tables = database.execute("SELECT table_name FROM duckdb_tables() ORDER BY ALL").fetchall()
        rows = database.execute("SELECT count(*) FROM session_extraction_state").fetchall()
    assert tables == [("session_extraction_state",), ("session_processor_state",)]
    assert rows == [(2,)]
