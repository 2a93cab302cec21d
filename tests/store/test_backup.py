"""A backup is of one moment, and what is put back is what there was; or nothing is put back."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from holding import NOW, commit, proof
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from conftest import Mill
from sessionmill.demo.team import generate
from sessionmill.errors import (
    BackupFailed,
    BackupNewer,
    BackupUnusable,
    FactsInUse,
    RestoreFailed,
    TypeNotKept,
    UsageError,
)
from sessionmill.store import backup as backups
from sessionmill.store import facts as opening
from sessionmill.store import manifest
from sessionmill.store import restore as restoring
from sessionmill.store.backup import BackupMade, write_backup
from sessionmill.store.control import Control
from sessionmill.store.facts import Facts
from sessionmill.store.owner import Owner
from sessionmill.store.restore import Restored, restore
from sessionmill.testing import FakeClock

#: A value of each type that a processor may store, and what it is.
VALUES = {
    "BOOLEAN": "true",
    "TINYINT": "-128",
    "SMALLINT": "-32768",
    "INTEGER": "-2147483648",
    "BIGINT": "-9223372036854775808",
    "HUGEINT": "-170141183460469231731687303715884105728",
    "UTINYINT": "255",
    "USMALLINT": "65535",
    "UINTEGER": "4294967295",
    "UBIGINT": "18446744073709551615",
    "UHUGEINT": "340282366920938463463374607431768211455",
    "BIGNUM": "'123456789012345678901234567890123456789012345'",
    "FLOAT": "'nan'",
    "DOUBLE": "0.1",
    "DECIMAL(4,1)": "-1.5",
    "DECIMAL(38,12)": "12345678901234567890123456.123456789012",
    "VARCHAR": "'a' || chr(0) || 'ß\n'",
    "BLOB": r"'\x00\xFF'::BLOB",
    "BIT": "'0010'",
    "UUID": "'5ab9ae1f-6e3e-4d1e-8b7c-000000000001'",
    "JSON": """'{"a":  1}'""",
    "ENUM('b', 'it''s')": "'it''s'",
    "DATE": "'4713-01-01 (BC)'",
    "TIME": "'24:00:00'",
    "TIME WITH TIME ZONE": "'10:00:00+05:30'",
    "TIME_NS": "'10:00:00.123456789'",
    "TIMESTAMP": "'infinity'",
    "TIMESTAMP_S": "'290000-01-01 00:00:01'",
    "TIMESTAMP_MS": "'290000-01-01 00:00:00.001'",
    "TIMESTAMP_NS": "'2020-01-01 00:00:00.123456789'",
    "TIMESTAMP WITH TIME ZONE": "'2020-01-01 00:00:00.123456+02'",
    "INTERVAL": "'-1 month 2 days 3.000001 seconds'",
    "INTEGER[]": "[1, NULL]",
    "HUGEINT[2]": "[1, -1]",
    "MAP(UUID, INTERVAL)": "MAP{'5ab9ae1f-6e3e-4d1e-8b7c-000000000001'::UUID: INTERVAL 1 DAY}",
    'STRUCT("a b" HUGEINT, "c" VARCHAR[])': "{'a b': 1, 'c': ['x', NULL]}",
}


@pytest.fixture
def facts(tmp_path: Path) -> Iterator[Facts]:
    with Facts(tmp_path / "data", "test", now=NOW) as facts:
        yield facts


def back_up(facts: Facts, target: Path) -> BackupMade:
    return write_backup(facts, facts.folder, target, now=NOW)


def put_back(backup: Path, into: Path) -> Restored:
    return restore(backup, into, "sessionmill restore", now=NOW)


def contents(facts: Facts) -> dict[str, Any]:
    """Return all that there is: what is declared, and every row of every table."""
    cursor = facts.cursor()
    declared = {
        "tables": "SELECT table_name, sql, comment FROM duckdb_tables() ORDER BY ALL",
        "views": "SELECT view_name, sql, comment FROM duckdb_views() WHERE NOT internal"
        " ORDER BY ALL",
        "columns": "SELECT table_name, column_name, data_type, column_default, is_nullable, comment"
        " FROM duckdb_columns() WHERE NOT internal ORDER BY ALL",
    }
    found: dict[str, Any] = {name: cursor.execute(sql).fetchall() for name, sql in declared.items()}
    for name, *_ in found["tables"]:
        quoted = name.replace('"', '""')
        # As text: what compares equal may not be the same, and NaN is not equal to itself.
        rows = cursor.execute(f'SELECT t::VARCHAR FROM "{quoted}" t ORDER BY ALL').fetchall()  # noqa: S608 - names of our own
        found[f"rows of {name}"] = rows
    return found


def opened(folder: Path) -> dict[str, Any]:
    with Facts(folder, "test", now=NOW) as facts:
        assert facts.notice is None
        return contents(facts)


# ── what is put back is what there was ──


def test_every_table_of_a_team_comes_back_and_nothing_is_read_again(
    mill: Mill, data: Path, tmp_path: Path
) -> None:
    generate(tmp_path / "team", days=4)
    assert mill("run", "--sessions", tmp_path / "team").status == 0
    before = opened(data)
    assert mill("backup", tmp_path / "backup").status == 0
    assert mill("restore", tmp_path / "backup", "--db", tmp_path / "new").status == 0

    after = opened(tmp_path / "new")
    assert after.keys() == before.keys()
    for what, rows in before.items():
        assert after[what] == rows, what
    assert sum(len(rows) for rows in before.values()) > 1000, "there was something"
    runs = mill("run", "--sessions", tmp_path / "team", "--db", tmp_path / "new", "--json").json
    assert [(run["processed"], run["errors"]) for run in runs["runs"]] == [(0, 0), (0, 0)]
    reported = [
        mill("report", "usage", "--json", "--db", db).json for db in (data, tmp_path / "new")
    ]
    assert reported[0] == reported[1]


def test_every_type_comes_back_to_the_last_bit(facts: Facts, tmp_path: Path) -> None:
    with facts.transaction() as cursor:
        for number, (type, value) in enumerate(VALUES.items()):
            cursor.execute(f'CREATE TABLE "t {number}" ("a ""value" {type}, list {type}[])')
            row = f"({value}, [{value}]), (NULL, [NULL])"
            cursor.execute(f'INSERT INTO "t {number}" VALUES {row}')  # noqa: S608 - our own
    before = contents(facts)
    back_up(facts, tmp_path / "backup")
    put_back(tmp_path / "backup", tmp_path / "new")
    after = opened(tmp_path / "new")
    for number, type in enumerate(VALUES):
        assert after[f"rows of t {number}"] == before[f"rows of t {number}"], type
    assert after == before


def test_a_type_that_would_be_changed_is_refused_by_name_and_nothing_is_left(
    facts: Facts, tmp_path: Path
) -> None:
    with facts.transaction() as cursor:
        cursor.execute("CREATE TABLE odd (fine BIGINT, one STRUCT(a UNION(n BIGINT, s VARCHAR))[])")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(TypeNotKept, match=r"odd\.one is of the type UNION"):
        back_up(facts, tmp_path / "backup")
    assert sorted(tmp_path.iterdir()) == before


def test_what_tables_and_views_are_declared_with_comes_back(facts: Facts, tmp_path: Path) -> None:
    with facts.transaction() as cursor:
        for statement in (
            "CREATE VIEW below AS SELECT 1::BIGINT AS a",
            "CREATE VIEW above AS FROM below",
            'CREATE TABLE "Groß/../" ("select" BIGINT DEFAULT 7 CHECK ("select" > 0),'
            ' twice BIGINT AS ("select" * 2), "Name" VARCHAR NOT NULL, PRIMARY KEY ("Name"))',
            """INSERT INTO "Groß/../" ("Name") VALUES ('a')""",
            # Now the one below is younger than the one above.
            'CREATE OR REPLACE VIEW below AS SELECT twice AS a FROM "Groß/../"',
            "COMMENT ON VIEW below IS 'it''s below'",
            """COMMENT ON TABLE "Groß/../" IS 'it''s "great"'""",
            """COMMENT ON COLUMN "Groß/../"."select" IS 'a number'""",
            "CREATE TABLE parent (id BIGINT PRIMARY KEY)",
            "CREATE TABLE child (id BIGINT REFERENCES parent (id))",
            "INSERT INTO parent VALUES (1)",
            "INSERT INTO child VALUES (1)",
        ):
            cursor.execute(statement)
    before = contents(facts)
    back_up(facts, tmp_path / "backup")
    assert put_back(tmp_path / "backup", tmp_path / "new").broken_views == ()
    assert opened(tmp_path / "new") == before
    with Facts(tmp_path / "new", "test", now=NOW) as restored:
        assert restored.cursor().execute("FROM above").fetchall() == [(14,)]
        with pytest.raises(duckdb.ConstraintException):
            restored.cursor().execute("INSERT INTO child VALUES (2)")


def test_a_view_that_was_broken_is_left_out_and_named(facts: Facts, tmp_path: Path) -> None:
    with facts.transaction() as cursor:
        cursor.execute("CREATE TABLE gone (a BIGINT)")
        cursor.execute("CREATE VIEW broken AS FROM gone")
        cursor.execute("CREATE VIEW sound AS SELECT 1")
        cursor.execute("DROP TABLE gone")
    back_up(facts, tmp_path / "backup")
    assert put_back(tmp_path / "backup", tmp_path / "new").broken_views == ("broken",)
    assert [view for view, *_ in opened(tmp_path / "new")["views"]] == ["sound"]


def test_a_large_table_is_written_and_read_in_parts(facts: Facts, tmp_path: Path) -> None:
    with facts.transaction() as cursor:
        cursor.execute(
            "CREATE TABLE large AS"
            " SELECT n, repeat(md5(n::VARCHAR), 100) AS text FROM range(20000) r(n)"
        )
    back_up(facts, tmp_path / "backup")
    [file] = (tmp_path / "backup").glob("*-large.parquet")
    groups = parquet.ParquetFile(file).metadata
    sizes = [groups.row_group(n).total_byte_size for n in range(groups.num_row_groups)]
    assert len(sizes) > 2, "64 MB are not held at once"
    assert all(groups.row_group(n).num_rows <= 8 * 2048 for n in range(len(sizes)))
    put_back(tmp_path / "backup", tmp_path / "new")
    assert opened(tmp_path / "new")["rows of large"] == contents(facts)["rows of large"]


def test_facts_go_on_counting_commits_where_they_were(facts: Facts, tmp_path: Path) -> None:
    commit(facts, range(5))
    made = back_up(facts, tmp_path / "backup")
    put_back(tmp_path / "backup", tmp_path / "new")
    noted = tmp_path / "new" / "commit_number"
    assert (made.commit_number, noted.read_text()) == (5, "5\n"), "a loss would be noticed"
    with Facts(tmp_path / "new", "test", now=NOW) as restored:
        commit(restored, [5])
        assert proof(restored) == [0, 1, 2, 3, 4, 5]
    assert noted.read_text() == "6\n"
    assert not list((tmp_path / "new").glob("restoring-*"))
    assert (tmp_path / "new" / "facts.duckdb").stat().st_mode & 0o777 == 0o600


# ── one moment ──


def test_what_is_committed_meanwhile_is_in_no_table_of_it(
    facts: Facts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with facts.transaction() as cursor:
        cursor.execute("CREATE TABLE first (n BIGINT)")
        cursor.execute("CREATE TABLE second (n BIGINT)")
    write_table = backups._write_table

    def interrupted(*arguments: Any) -> Any:
        with facts.transaction() as cursor:
            cursor.execute("INSERT INTO first VALUES (1)")
            cursor.execute("INSERT INTO second (n) VALUES (1)")
            cursor.execute("ALTER TABLE second ADD COLUMN IF NOT EXISTS grown BIGINT")
            cursor.execute("CREATE TABLE IF NOT EXISTS new (n BIGINT)")
        return write_table(*arguments)

    commit(facts, [1])
    monkeypatch.setattr(backups, "_write_table", interrupted)
    before = contents(facts)
    made = back_up(facts, tmp_path / "backup")
    assert facts.cursor().execute("SELECT count(*) FROM second").fetchone() != (0,)
    put_back(tmp_path / "backup", tmp_path / "new")
    assert opened(tmp_path / "new") == before
    assert made.commit_number == 2


def test_while_others_commit_it_holds_whole_commits(facts: Facts, tmp_path: Path) -> None:
    over = threading.Event()

    def work() -> None:
        number = 0
        while not over.is_set():
            commit(facts, [number])
            number += 1

    commit(facts, [-1])
    worker = threading.Thread(target=work)
    worker.start()
    try:
        made = [back_up(facts, tmp_path / f"backup{n}") for n in range(3)]
    finally:
        over.set()
        worker.join()
    for number, one in enumerate(made):
        put_back(tmp_path / f"backup{number}", tmp_path / f"new{number}")
        with Facts(tmp_path / f"new{number}", "test", now=NOW) as restored:
            assert len(proof(restored)) == one.commit_number, "a row each, and all of them"


#: Backs up while it holds the facts, and tells what was opened for it.
WATCHED = """
import json, os, sys
opened = []
sys.addaudithook(
    lambda event, args: opened.append(os.fsdecode(args[0]))
    if event == "open" and isinstance(args[0], (str, bytes, os.PathLike)) else None
)
from datetime import UTC, datetime
from pathlib import Path
from sessionmill.store.backup import write_backup
from sessionmill.store.facts import Facts

folder, target = Path(sys.argv[1]), Path(sys.argv[2])
with Facts(folder, "watched", now=datetime.now(UTC)) as facts:
    with facts.transaction() as cursor:
        cursor.execute("CREATE TABLE t AS SELECT 1 AS a")
    # A descriptor that is closed again would drop the lock: what is opened is traced as well.
    write_backup(facts, folder, target, now=datetime.now(UTC))
    print(json.dumps(opened), flush=True)
    sys.stdin.read()
"""


def test_no_descriptor_of_the_facts_is_opened_for_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    program = [sys.executable, "-c", WATCHED, str(folder), str(tmp_path / "backup")]
    traced = tmp_path / "trace"
    strace = shutil.which("strace")
    if strace is not None:
        program = [strace, "-f", "-qq", "-e", "trace=open,openat", "-o", str(traced), *program]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        python_opened = json.loads(owner.stdout.readline())
        with pytest.raises(duckdb.Error, match="lock"):
            # A lock that fell with some other descriptor would let this in.
            duckdb.connect(str(folder / "facts.duckdb"), read_only=True)
        owner.communicate("")
    assert owner.returncode == 0
    names = ("facts.duckdb", "facts.duckdb.wal")
    assert any(path.endswith("manifest.json") for path in python_opened), "the hook works"
    assert [path for path in python_opened if Path(path).name in names] == []
    if strace is not None:
        calls = [line for line in traced.read_text().splitlines() if '/facts.duckdb"' in line]
        assert len([line for line in calls if "= -1" not in line]) == 1, "DuckDB's own"


# ── what stands beside the facts ──


def sign_up(folder: Path, name: str) -> None:
    with Control(folder, FakeClock()) as control:
        control.users.add(name)


def users(folder: Path) -> list[str]:
    with Control(folder, FakeClock()) as control:
        return [user.name for user in control.users.all()]


def test_the_control_store_comes_back_with_what_only_its_log_holds(
    facts: Facts, tmp_path: Path
) -> None:
    (facts.folder / "config.toml").write_text("[serve]\nport = 1\n")
    with Control(facts.folder, FakeClock()) as control:
        control.users.add("alice")
        with closing(sqlite3.connect(facts.folder / "control.db")) as other:
            other.execute("BEGIN")
            other.execute("SELECT * FROM users").fetchall()  # no checkpoint while it reads
            control.users.add("bruno")
            made = back_up(facts, tmp_path / "backup")
    assert (made.control, made.config) == (True, True)
    restored = put_back(tmp_path / "backup", tmp_path / "new")
    assert (restored.control, restored.config) == (True, "restored")
    assert users(tmp_path / "new") == ["alice", "bruno"]
    assert (tmp_path / "new" / "control.db").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new" / "config.toml").read_text() == "[serve]\nport = 1\n"


def test_where_there_is_none_there_is_none(facts: Facts, tmp_path: Path) -> None:
    made = back_up(facts, tmp_path / "backup")
    restored = put_back(tmp_path / "backup", tmp_path / "new")
    assert (made.control, made.config) == (False, False)
    assert (restored.control, restored.config) == (False, "none")
    assert not (tmp_path / "new" / "control.db").exists()


def test_the_note_of_commits_in_the_control_store_is_never_ahead_of_the_facts(
    facts: Facts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Control(facts.folder, FakeClock()) as control:
        copy = backups._copy_control

        def interrupted(data: Path, draft: Path) -> Any:
            yield from copy(data, draft)
            commit(facts, [1])
            control.note_commit_number(1)

        monkeypatch.setattr(backups, "_copy_control", interrupted)
        made = back_up(facts, tmp_path / "backup")
    put_back(tmp_path / "backup", tmp_path / "new")
    with Control(tmp_path / "new", FakeClock()) as restored:
        assert restored.commit_number() <= made.commit_number


def test_a_control_store_that_is_damaged_is_told(facts: Facts, tmp_path: Path) -> None:
    (facts.folder / "control.db").write_bytes(b"no database" * 100)
    with pytest.raises(BackupFailed, match=r"control\.db: file is not a database"):
        back_up(facts, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


# ── where to ──


def test_an_empty_folder_is_as_good_as_none(facts: Facts, tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    back_up(facts, tmp_path / "backup")
    assert (tmp_path / "backup" / "manifest.json").exists()
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o700, "it holds what the facts hold"


@pytest.mark.parametrize("there", ["a file in a folder", "a file", "another backup"])
def test_nothing_is_written_over(facts: Facts, tmp_path: Path, there: str) -> None:
    target = tmp_path / "backup"
    if there == "another backup":
        back_up(facts, target)
    elif there == "a file":
        target.write_text("x")
    else:
        target.mkdir()
        (target / "x").write_text("x")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match="is there already"):
        back_up(facts, target)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_cannot_be_written_to_is_told(facts: Facts, tmp_path: Path) -> None:
    with pytest.raises(BackupFailed, match="No such file or directory"):
        back_up(facts, tmp_path / "nowhere" / "backup")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", ["facts.duckdb", "facts.duckdb.wal", "control.db"])
def test_nothing_is_put_back_over_what_there_is(facts: Facts, tmp_path: Path, name: str) -> None:
    sign_up(facts.folder, "alice")
    back_up(facts, tmp_path / "backup")
    new = tmp_path / "new"
    new.mkdir()
    (new / name).write_text("precious")
    with pytest.raises(UsageError, match=rf"{name} is there.*Move it away.*--db DIR"):
        put_back(tmp_path / "backup", new)
    assert [path.read_text() for path in new.iterdir()] == ["precious"]


def test_settings_that_are_there_are_kept(facts: Facts, tmp_path: Path) -> None:
    (facts.folder / "config.toml").write_text("[serve]\nport = 1\n")
    back_up(facts, tmp_path / "backup")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "config.toml").write_text("[serve]\nport = 2\n")
    assert put_back(tmp_path / "backup", tmp_path / "new").config == "kept"
    assert (tmp_path / "new" / "config.toml").read_text() == "[serve]\nport = 2\n"


def test_the_note_of_commits_that_are_lost_is_no_hindrance(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Facts(data, "test", now=NOW) as facts:
        commit(facts, [1, 2])
        back_up(facts, tmp_path / "backup")
    for path in data.glob("facts.duckdb*"):
        path.unlink()
    (data / "commit_number").write_text("99\n")
    put_back(tmp_path / "backup", data)
    with Facts(data, "test", now=NOW) as restored:
        assert (restored.notice, proof(restored)) == (None, [1, 2])


def test_a_directory_that_somebody_is_at_work_in_is_left_alone(
    facts: Facts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(facts, tmp_path / "backup")
    monkeypatch.setattr(restoring, "Owner", lambda *given: Owner(*given, patience=0.1))
    holder = Owner(tmp_path / "new", "sessionmill run")
    try:
        with pytest.raises(FactsInUse, match="sessionmill run"):
            put_back(tmp_path / "backup", tmp_path / "new")
    finally:
        holder.release()
    assert not (tmp_path / "new" / "facts.duckdb").exists()


def test_a_restore_that_was_broken_off_can_be_done_again(
    facts: Facts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_up(facts.folder, "alice")
    (facts.folder / "config.toml").write_text("")
    back_up(facts, tmp_path / "backup")
    before = contents(facts)
    new = tmp_path / "new"
    with monkeypatch.context() as patched:

        def killed(path: Path) -> None:
            if path.name == "facts.duckdb":
                raise KeyboardInterrupt

        patched.setattr(manifest, "put_on_disk", killed)
        with pytest.raises(KeyboardInterrupt):
            put_back(tmp_path / "backup", new)
    assert (new / "control.db").exists(), "it had come so far"
    assert not (new / "facts.duckdb").exists()
    put_back(tmp_path / "backup", new)
    assert opened(new) == before


def test_once_the_facts_are_in_place_nothing_makes_them_pass_for_damaged(
    facts: Facts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(facts, tmp_path / "backup")
    before = contents(facts)
    new = tmp_path / "new"
    new.mkdir()
    (new / "commit_number").write_text("99\n")

    def killed(path: Path) -> None:
        if path.name == "commit_number":
            raise KeyboardInterrupt

    monkeypatch.setattr(manifest, "put_on_disk", killed)
    with pytest.raises(KeyboardInterrupt):
        put_back(tmp_path / "backup", new)
    assert (new / "facts.duckdb").exists(), "it had come so far"
    assert opened(new) == before


# ── versions ──


def test_facts_of_an_older_schema_are_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = opening._migrations()
    with monkeypatch.context() as older:
        older.setattr(opening, "_migrations", lambda: every[:2])
        with Facts(tmp_path / "data", "test", now=NOW) as facts:
            commit(facts, [1])
            assert back_up(facts, tmp_path / "backup").schema_version == 2
    restored = put_back(tmp_path / "backup", tmp_path / "new")
    assert (restored.backup_schema_version, restored.schema_version) == (2, len(every))
    with Facts(tmp_path / "fresh", "test", now=NOW) as fresh:
        commit(fresh, [1])
    for what, rows in opened(tmp_path / "fresh").items():
        found = opened(tmp_path / "new")[what]
        assert found == rows, what


def test_a_newer_schema_is_refused(facts: Facts, tmp_path: Path) -> None:
    back_up(facts, tmp_path / "backup")
    known = opening.schema_known()
    _rewrite(tmp_path / "backup", schema_version=known + 1)
    with pytest.raises(BackupNewer, match=f"schema {known + 1}.*knows up to {known}"):
        put_back(tmp_path / "backup", tmp_path / "new")
    _rewrite(tmp_path / "backup", schema_version=known, format=manifest.FORMAT + 1)
    with pytest.raises(BackupNewer, match="format"):
        put_back(tmp_path / "backup", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def _rewrite(backup: Path, **changed: Any) -> None:
    """Change a manifest, and seal it: as another program would have written it."""
    said = json.loads((backup / "manifest.json").read_text()) | changed
    text = json.dumps(said).encode()
    (backup / "manifest.json").write_bytes(text)
    (backup / "manifest.sha256").write_text(manifest._seal(text))


# ── damage ──


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup with a file of each kind."""
    place = tmp_path_factory.mktemp("sound")
    with Facts(place / "data", "test", now=NOW) as facts:
        sign_up(place / "data", "alice")
        (place / "data" / "config.toml").write_text("[serve]\nport = 1\n")
        commit(facts, [1])
        back_up(facts, place / "backup")
    return place / "backup"


def refused(backup: Path, name: str, into: Path) -> str:
    """Return why a backup is refused, by a sentence that names the file; nothing is put back."""
    with pytest.raises(BackupUnusable) as refusal:
        put_back(backup, into)
    assert not into.exists(), "nothing at all"
    assert f"{backup / name}: " in str(refusal.value)
    assert "nothing of it was put back" in str(refusal.value)
    return str(refusal.value)


@settings(max_examples=60)
@given(chosen=st.randoms(use_true_random=False), xor=st.integers(1, 255))
def test_one_byte_changed_anywhere_is_noticed(
    sound: Path, tmp_path_factory: pytest.TempPathFactory, chosen: random.Random, xor: int
) -> None:
    place = tmp_path_factory.mktemp("changed")
    backup = shutil.copytree(sound, place / "backup")
    path = chosen.choice(sorted(backup.iterdir()))
    content = bytearray(path.read_bytes())
    content[chosen.randrange(len(content))] ^= xor
    path.write_bytes(content)
    named = "manifest.json" if path.name == "manifest.sha256" else path.name
    refused(backup, named, place / "new")
    shutil.rmtree(place)


def files_of(backup: Path) -> list[str]:
    return sorted(path.name for path in backup.iterdir())


def test_a_file_that_is_missing_is_named(sound: Path, tmp_path: Path) -> None:
    for name in files_of(sound):
        backup = shutil.copytree(sound, tmp_path / "backup")
        (backup / name).unlink()
        assert "No such file" in refused(backup, name, tmp_path / "new")
        shutil.rmtree(backup)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[: len(content) // 2],
    "without its end": lambda content: content[:-1],
    "empty": lambda _: b"",
    "longer": lambda content: content + b"\n",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_is_cut_or_longer_is_named(sound: Path, tmp_path: Path, damage: str) -> None:
    for name in files_of(sound):
        backup = shutil.copytree(sound, tmp_path / "backup")
        (backup / name).write_bytes(DAMAGES[damage]((sound / name).read_bytes()))
        named = "manifest.json" if name == "manifest.sha256" else name
        refused(backup, named, tmp_path / "new")
        shutil.rmtree(backup)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 1}', "\x00"])
def test_a_manifest_that_is_none_is_named(sound: Path, tmp_path: Path, text: str) -> None:
    backup = shutil.copytree(sound, tmp_path / "backup")
    (backup / "manifest.json").write_text(text)
    (backup / "manifest.sha256").write_text(manifest._seal(text.encode()))
    assert "it is no manifest" in refused(backup, "manifest.json", tmp_path / "new")


def test_a_count_of_rows_that_is_wrong_is_noticed(sound: Path, tmp_path: Path) -> None:
    backup = shutil.copytree(sound, tmp_path / "backup")
    files = json.loads((backup / "manifest.json").read_text())["files"]
    [proof] = [file for file in files if "proof" in file["name"]]
    proof["rows"] += 1
    _rewrite(backup, files=files)
    assert "has 1 rows, and should have 2" in refused(backup, proof["name"], tmp_path / "new")


def test_a_folder_that_is_no_backup_is_told(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "manifest.json", tmp_path / "new")


def test_its_seal_is_what_sha256sum_checks(sound: Path) -> None:
    program = shutil.which("sha256sum")
    if program is None:
        pytest.skip("there is no sha256sum")
    subprocess.run([program, "-c", "manifest.sha256"], cwd=sound, check=True, capture_output=True)


# ── no room ──


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow beyond a size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system that a backup does not fit on."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if mount is None or os.getuid() != 0:
        pytest.skip("no small disk: mounting a tmpfs takes root")
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no small disk: this machine mounts no tmpfs")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)  # noqa: S607 - as mount


def fill(facts: Facts) -> None:
    """Store what no compression makes small."""
    with facts.transaction() as cursor:
        cursor.execute(
            "CREATE TABLE large AS"
            " SELECT md5(n::VARCHAR) || md5((-n)::VARCHAR) AS text FROM range(50000) r(n)"
        )


def test_a_full_disk_is_told_and_nothing_half_is_left(facts: Facts, small_disk: Path) -> None:
    fill(facts)
    with pytest.raises(BackupFailed, match=r"No space left on device.*Make room there"):
        back_up(facts, small_disk / "backup")
    assert list(small_disk.iterdir()) == []
    with pytest.raises(BackupFailed):
        back_up(facts, small_disk / "backup")
    assert facts.cursor().execute("SELECT count(*) FROM large").fetchall() == [(50000,)]


def test_a_file_that_may_not_grow_is_told_and_nothing_half_is_left(
    facts: Facts, tmp_path: Path
) -> None:
    fill(facts)
    with largest_file(256 * 1024), pytest.raises(BackupFailed, match="File too large"):
        back_up(facts, tmp_path / "backup")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    back_up(facts, tmp_path / "backup")


def test_where_the_facts_do_not_fit_none_are_put_in_place(
    facts: Facts, tmp_path: Path, small_disk: Path
) -> None:
    fill(facts)
    back_up(facts, tmp_path / "backup")
    with pytest.raises(RestoreFailed, match="there are none yet"):
        put_back(tmp_path / "backup", small_disk / "new")
    assert not list((small_disk / "new").glob("facts*"))
    assert not list((small_disk / "new").glob("restoring-*"))
    put_back(tmp_path / "backup", tmp_path / "new")


def test_when_it_was_made_is_in_utc(facts: Facts, tmp_path: Path) -> None:
    back_up(facts, tmp_path / "backup")
    said = json.loads((tmp_path / "backup" / "manifest.json").read_text())
    assert datetime.fromisoformat(said["made_at"]) == NOW
    assert manifest.read(tmp_path / "backup").made_at.tzinfo == UTC
