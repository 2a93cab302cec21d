"""The file of the control store: made once by several, closed to others, refused when damaged."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
import zipfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from control_place import PASSWORD, ask, at

from sessionmill.errors import ControlUnreadable, NewerSchema, StoreError
from sessionmill.store.control import AuditRow, Control
from sessionmill.store.control.tables import metadata
from sessionmill.testing import FakeClock

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def made(folder: Path) -> Path:
    """Make a store with a user and an audit row, and return its file."""
    with Control(folder, FakeClock()) as control:
        control.users.add("alice", "admin", password=PASSWORD)
        control.audit.write(AuditRow(at(2), "cli:alice", "user.add", "user:alice", "ok", {}))
        return control.path


def adding(folder: Path, name: str, count: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, HERE / "adding.py", folder, name, str(count)])


# ── the file ──


def test_nobody_else_reads_it_whatever_the_umask(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    before = os.umask(0)
    try:
        with Control(folder, FakeClock()) as control:
            control.users.add("alice")
            found = {path.name: mode(path) for path in folder.iterdir()}
    finally:
        os.umask(before)
    assert found == {"control.db": 0o600, "control.db-wal": 0o600, "control.db-shm": 0o600}
    assert mode(folder) == 0o700


def test_one_that_was_copied_into_its_place_is_closed_to_others(tmp_path: Path) -> None:
    made(tmp_path).chmod(0o644)
    with Control(tmp_path, FakeClock()):
        assert mode(tmp_path / "control.db") == 0o600


def test_opening_it_twice_in_a_process_takes_no_lock_from_the_first(tmp_path: Path) -> None:
    """A POSIX lock falls when any descriptor of its file is closed in the process."""
    path = made(tmp_path)
    writer = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0.1).execute({!r})"
    with Control(tmp_path, FakeClock()) as first, first.begin():
        with Control(tmp_path, FakeClock()) as second:
            second.users.all()
        ended = subprocess.run(
            [sys.executable, "-c", writer.format("BEGIN IMMEDIATE"), path],
            capture_output=True,
            text=True,
            check=False,
        )
    assert "locked" in ended.stderr


def test_what_one_has_written_the_next_one_reads(tmp_path: Path) -> None:
    made(tmp_path)
    with Control(tmp_path, FakeClock()) as control:
        assert [user.name for user in control.users.all()] == ["alice"]
        control.note_commit_number(7)
    with Control(tmp_path, FakeClock()) as control:
        assert control.commit_number() == 7


# ── the schema ──


def test_the_tables_are_the_sum_of_the_migrations(tmp_path: Path) -> None:
    made(tmp_path)
    declared = sa.create_engine("sqlite://")
    metadata.create_all(declared)
    migrated = sa.create_engine(f"sqlite:///{tmp_path / 'control.db'}")

    def told(engine: sa.Engine) -> dict[str, object]:
        seen = sa.inspect(engine)
        return {
            table: {
                "columns": [
                    (c["name"], str(c["type"]), c["nullable"], c["default"])
                    for c in seen.get_columns(table)
                ],
                "key": str(seen.get_pk_constraint(table)),
                "indexes": sorted(map(str, seen.get_indexes(table))),
                "unique": sorted(map(str, seen.get_unique_constraints(table))),
                "foreign": sorted(map(str, seen.get_foreign_keys(table))),
            }
            for table in sorted(seen.get_table_names())
            if table != "alembic_version"
        }

    try:
        assert told(migrated) == told(declared)
    finally:
        migrated.dispose()
        declared.dispose()


def test_a_schema_of_a_newer_program_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = made(tmp_path)
    ask(tmp_path, "UPDATE alembic_version SET version_num = '0999'")
    before = path.read_bytes()
    with pytest.raises(NewerSchema, match=r"control\.db has schema 999.*newer"):
        Control(tmp_path, FakeClock())
    assert path.read_bytes() == before


def test_a_migration_that_breaks_off_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alembic.operations import Operations

    def broken(*_: object) -> None:
        raise sqlite3.OperationalError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Operations, "execute", broken)
        with pytest.raises(ControlUnreadable, match="the disk is full"):
            Control(tmp_path, FakeClock())
    assert ask(tmp_path, "SELECT name FROM sqlite_master") == []
    assert made(tmp_path).exists(), "and it is done by the next one"


def test_an_up_to_date_store_is_opened_without_alembic(tmp_path: Path) -> None:
    made(tmp_path)
    script = (
        "import sys; from pathlib import Path; from datetime import UTC, datetime;"
        "from sessionmill.store.control import Control;"
        "Control(Path(sys.argv[1]), lambda: datetime.now(UTC)).users.all();"
        "sys.exit(' '.join({'alembic', 'argon2', 'duckdb'} & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path], check=True)


def test_the_wheel_has_the_migrations(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=PROJECT,
        check=True,
        capture_output=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    versions = PROJECT / "src/sessionmill/store/control/versions"
    expected = {f"sessionmill/store/control/versions/{p.name}" for p in versions.glob("v*.py")}
    assert expected
    assert expected <= set(zipfile.ZipFile(wheel).namelist())


# ── damage ──


def garbage(path: Path) -> None:
    path.write_bytes(b"no database at all" * 500)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def scribbled(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[100:4096] = b"\xff" * 3996
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [garbage, cut, emptied, scribbled])
def test_a_damaged_store_is_refused_with_what_to_do_and_left_as_it_is(
    tmp_path: Path, damage: object
) -> None:
    path = made(tmp_path)
    assert callable(damage)
    damage(path)
    before = path.read_bytes()
    with (
        pytest.raises(ControlUnreadable, match=r"control\.db can't be used.*sessionmill restore"),
        Control(tmp_path, FakeClock()) as control,
    ):
        control.users.all()
    assert path.read_bytes() == before


def test_a_store_whose_log_alone_is_left_is_not_begun_anew(tmp_path: Path) -> None:
    path, aside = made(tmp_path / "a"), tmp_path / "aside"
    with Control(tmp_path / "a", FakeClock()) as control:
        control.users.add("bob")
        shutil.copytree(tmp_path / "a", aside)
    (aside / path.name).unlink()
    before = (aside / "control.db-wal").read_bytes()
    with pytest.raises(ControlUnreadable, match="it is missing"):
        Control(aside, FakeClock())
    assert (aside / "control.db-wal").read_bytes() == before


def test_a_folder_in_its_place_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "control.db").mkdir()
    with pytest.raises(StoreError):
        Control(tmp_path, FakeClock())


def test_an_error_tells_nothing_of_what_was_to_be_written(tmp_path: Path) -> None:
    made(tmp_path)
    with Control(tmp_path, FakeClock()) as control:
        ask(tmp_path, "DROP TABLE tokens")
        with pytest.raises(ControlUnreadable) as refused:
            control.tokens.add("alice", "laptop")
    cause = refused.value.__cause__
    assert "no such table" in str(refused.value)
    assert "secret_hash" in str(cause)
    assert "hidden" in str(cause), "its parameters are"


# ── several processes ──


def test_several_processes_begin_a_store_at_once_and_lose_nothing(tmp_path: Path) -> None:
    names, count = ["alice", "bob", "carol", "dave"], 12
    started = [adding(tmp_path / "data", name, count) for name in names]
    assert [process.wait(90) for process in started] == [0] * len(names)
    with Control(tmp_path / "data", FakeClock()) as control:
        assert [user.name for user in control.users.all()] == names
        tokens = control.tokens.all()
        rows = control.audit.rows(limit=1000)
    assert Counter(token.user_name for token in tokens) == dict.fromkeys(names, count)
    noted = [row.resource for row in rows if row.action == "token.add"]
    assert sorted(noted) == sorted(f"token:{token.id}" for token in tokens)
    runs = [row.details["run_id"] for row in rows if "run_id" in row.details]
    assert sorted(runs) == sorted(f"run-{run}" for run in range(count + 4)), "each once"


def test_a_killed_process_leaves_changes_with_their_rows_or_neither(tmp_path: Path) -> None:
    process = adding(tmp_path, "alice", 100_000)
    end = time.monotonic() + 60
    try:
        while time.monotonic() < end:
            time.sleep(0.05)
            if (tmp_path / "control.db").exists() and _tokens(tmp_path) > 5:
                break
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    with Control(tmp_path, lambda: datetime.now(UTC)) as control:
        tokens = {f"token:{token.id}" for token in control.tokens.all()}
        rows = control.audit.rows(limit=1_000_000, action="token.add")
        assert len(tokens) > 5
        assert {row.resource for row in rows} == tokens
        control.users.add("bob")


def _tokens(folder: Path) -> int:
    try:
        return int(ask(folder, "SELECT count(*) FROM tokens")[0][0])
    except sqlite3.OperationalError:
        return 0  # not there yet, or its maker holds it
