"""One process has the facts, and says who it is."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from holding import HOLD, NOW, commit, killed_after, process, proof

from sessionmill.errors import Busy, FactsInUse, StoreError
from sessionmill.store.facts import Facts
from sessionmill.store.owner import Owner, OwnerName, read_owner


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nobody_else_may_enter_the_data_directory_or_read_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    before = os.umask(0o022)
    try:
        with Facts(folder, "test", now=NOW) as facts:
            commit(facts, [1])
            assert mode(folder) == 0o700
            assert mode(folder / "facts.duckdb") == 0o600
            assert mode(folder / "owner.json") == 0o600
            assert mode(folder / "owner.lock") == 0o600
    finally:
        os.umask(before)


def test_in_a_directory_that_was_there_nobody_else_reads_what_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)

    with Facts(folder, "test", now=NOW) as facts:
        commit(facts, [1])
        closed_to_others = mode(folder) & 0o077 == 0
        open_files = [p.name for p in folder.iterdir() if p.is_file() and mode(p) & 0o077]

    facts_in_the_open = [name for name in open_files if name.startswith("facts.duckdb")]
    assert closed_to_others or not facts_in_the_open, "the log holds facts as the file does"


def test_the_owner_signs_with_its_process_its_start_and_its_command(tmp_path: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    with Facts(tmp_path, "sessionmill report usage", now=NOW):
        signed = json.loads((tmp_path / "owner.json").read_text())
    assert signed["pid"] == os.getpid()
    assert signed["command"] == "sessionmill report usage"
    assert before <= datetime.fromisoformat(signed["start"]) <= datetime.now(UTC)
    assert not (tmp_path / "owner.json").exists(), "who has closed owns nothing"


def test_a_killed_owner_leaves_its_name_behind_and_bars_nobody(tmp_path: Path) -> None:
    killed_after(tmp_path, commits=3)
    assert read_owner(tmp_path).command == "sessionmill run --sessions /srv"

    started = time.monotonic()
    with Facts(tmp_path, "the next", now=NOW) as facts:
        waited = time.monotonic() - started
        assert read_owner(tmp_path) == OwnerName(os.getpid(), "the next")
        assert proof(facts) == [0, 1, 2], "what was committed stays"
        assert facts.notice is None, "a kill is no damage"
    assert waited < 5


def test_whoever_waits_too_long_is_told_whom_for(tmp_path: Path) -> None:
    with process(HOLD, tmp_path, 0) as holder:
        started = time.monotonic()
        with pytest.raises(FactsInUse) as refused:
            Owner(tmp_path, "second", patience=0.3)
        assert 0.3 <= time.monotonic() - started < 3
        assert f"process {holder.pid} (sessionmill run --sessions /srv)" in str(refused.value)
        assert f"kill {holder.pid}" in str(refused.value)
        assert isinstance(refused.value, Busy)
        assert read_owner(tmp_path).pid == holder.pid, "who was refused signs nothing"


def test_whoever_waits_has_the_facts_as_soon_as_they_are_free(tmp_path: Path) -> None:
    with process(HOLD, tmp_path, 2) as holder:
        waiting = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path), "0"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with waiting:
            time.sleep(0.6)
            assert waiting.poll() is None, "it waits, and does not give up at once"
            assert read_owner(tmp_path).pid == holder.pid

            holder.communicate("")
            assert waiting.stdout is not None
            assert waiting.stdout.readline() == "ready\n"
            assert read_owner(tmp_path).pid == waiting.pid
            waiting.communicate("")
    with Facts(tmp_path, "test", now=NOW) as facts:
        assert proof(facts) == [0, 1]


@pytest.mark.soak
def test_readers_and_writers_alike_wait_ten_seconds_and_then_name_the_holder(
    tmp_path: Path,
) -> None:
    commands = [
        ["sql", "SELECT 1"],
        ["sessions"],
        ["try", "usage", "0f3c"],
        ["run", "--sessions", str(tmp_path)],
    ]
    with process(HOLD, tmp_path / "data", 0) as holder:
        started = time.monotonic()
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "sessionmill", *command, "--db", str(tmp_path / "data")],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for command in commands
        ]
        ended = [(*child.communicate(), child.returncode) for child in running]
        waited = time.monotonic() - started
    assert waited >= 10
    for out, said, status in ended:
        assert (out, status) == ("", 1), said
        assert f"process {holder.pid}" in said
        assert "Traceback" not in said


def test_a_name_that_nobody_can_read_is_no_obstacle(tmp_path: Path) -> None:
    for text in ("", "{", "[]", '{"pid": "x"}', "null", "\x00"):
        (tmp_path / "owner.json").write_text(text)
        assert read_owner(tmp_path) == OwnerName()
        with Facts(tmp_path, "test", now=NOW):
            assert read_owner(tmp_path) == OwnerName(os.getpid(), "test")


def test_a_holder_without_a_name_is_another_process(tmp_path: Path) -> None:
    with process(HOLD, tmp_path, 0):
        (tmp_path / "owner.json").unlink()
        with pytest.raises(FactsInUse, match="held by another process"):
            Owner(tmp_path, "second", patience=0)


def test_a_data_directory_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot be written to: .*--db DIR"):
        Facts(tmp_path / "file" / "data", "test", now=NOW)


def test_another_process_cannot_open_the_file_itself_not_even_to_read(tmp_path: Path) -> None:
    with process(HOLD, tmp_path, 1):
        for read_only in (True, False):
            with pytest.raises(duckdb.Error, match="lock"):
                duckdb.connect(str(tmp_path / "facts.duckdb"), read_only=read_only)


def test_facts_that_failed_to_open_are_free_for_the_next(tmp_path: Path) -> None:
    (tmp_path / "facts.duckdb").write_bytes(b"no database at all" * 1000)
    with pytest.raises(StoreError, match=r"facts\.duckdb cannot be opened"):
        Facts(tmp_path, "test", now=NOW)

    (tmp_path / "facts.duckdb").unlink()
    with Facts(tmp_path, "test", now=NOW) as facts:
        commit(facts, [1])
        assert proof(facts) == [1]
