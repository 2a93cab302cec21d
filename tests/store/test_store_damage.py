"""Opening is no proof: what is missing is noticed, set aside and said, and the work goes on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from holding import HOLD, NOW, commit, killed_after, process, proof

from sessionmill.errors import StoreError
from sessionmill.store.facts import Facts

COMMITS = 12


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Facts of a killed process: some in the file, the later ones in its log alone."""
    folder = tmp_path_factory.mktemp("killed") / "data"
    with process(HOLD, folder, COMMITS) as child:
        child.communicate("")
    killed_after(folder, COMMITS)
    assert (folder / "facts.duckdb.wal").stat().st_size > 0, "a log is left"
    return folder


@pytest.fixture
def folder(killed: Path, tmp_path: Path) -> Path:
    return shutil.copytree(killed, tmp_path / "data")


def file(folder: Path) -> Path:
    return folder / "facts.duckdb"


def log(folder: Path) -> Path:
    return folder / "facts.duckdb.wal"


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def delete_both(folder: Path) -> None:
    file(folder).unlink()
    log(folder).unlink()


def empty_file_without_log(folder: Path) -> None:
    empty(file(folder))
    log(folder).unlink()


DAMAGES: dict[str, Callable[[Path], None]] = {
    "the log is cut in the middle": lambda folder: cut(log(folder)),
    "the log lost its last byte": lambda folder: os.truncate(
        log(folder), log(folder).stat().st_size - 1
    ),
    "the log is emptied": lambda folder: empty(log(folder)),
    "the log is deleted": lambda folder: log(folder).unlink(),
    "the file is deleted, its log is not": lambda folder: file(folder).unlink(),
    "the file is deleted with its log": delete_both,
    "the file is emptied, its log is not": lambda folder: empty(file(folder)),
    "the file is emptied, its log deleted": empty_file_without_log,
}


def test_a_killed_process_leaves_every_commit_to_the_next(folder: Path) -> None:
    with Facts(folder, "test", now=NOW) as facts:
        assert facts.notice is None
        assert proof(facts) == sorted([*range(COMMITS)] * 2)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_missing_commits_are_noticed_said_and_set_aside(
    folder: Path, damage: Callable[[Path], None]
) -> None:
    damage(folder)
    left = {path.name for path in (file(folder), log(folder)) if path.exists()}

    with Facts(folder, "test", now=NOW) as facts:
        assert facts.notice is not None, "facts that lost commits must not pass for whole ones"
        assert "facts are damaged" in facts.notice
        assert "sessionmill run" in facts.notice, "the way out"
        [aside] = folder.glob("damaged-20260320T120000*")
        assert str(aside) in facts.notice
        assert {path.name for path in aside.iterdir()} >= left - {"facts.duckdb.wal"}
        tables = facts.cursor().execute("SELECT table_name FROM duckdb_tables()").fetchall()
        assert ("proof",) not in tables, "what is left in part is not shown as the whole"
        commit(facts, [1, 2])
    with Facts(folder, "test", now=NOW) as facts:
        assert facts.notice is None
        assert proof(facts) == [1, 2]


def test_damage_is_told_once(folder: Path) -> None:
    log(folder).unlink()
    notices = []
    for _ in range(2):
        with Facts(folder, "test", now=NOW) as facts:
            notices.append(facts.notice)
    assert notices[0] is not None
    assert notices[1] is None, "although nothing was committed in between"


def test_what_was_set_aside_can_still_be_opened(folder: Path) -> None:
    log(folder).unlink()
    with Facts(folder, "test", now=NOW):
        pass
    [aside] = folder.glob("damaged-*/facts.duckdb")
    assert aside.parent.stat().st_mode & 0o777 == 0o700
    with duckdb.connect(str(aside), read_only=True) as kept:
        assert kept.execute("SELECT count(*) FROM proof").fetchall() == [(COMMITS,)]


def test_an_older_copy_put_in_the_place_of_the_facts_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with Facts(folder, "test", now=NOW) as facts:
        commit(facts, range(2))
    shutil.copy(file(folder), tmp_path / "older")
    with Facts(folder, "test", now=NOW) as facts:
        commit(facts, range(3))
    shutil.copy(tmp_path / "older", file(folder))

    with Facts(folder, "test", now=NOW) as facts:
        assert facts.notice is not None
        assert facts.notice.startswith("3 of 5 commits are missing")


@pytest.mark.parametrize("ahead", [1, 2])
def test_facts_ahead_of_their_note_are_whole(folder: Path, ahead: int) -> None:
    # A kill between a commit and its note leaves the note one behind.
    note = folder / "commit_number"
    note.write_text(f"{int(note.read_text()) - ahead}\n")

    with Facts(folder, "test", now=NOW) as facts:
        assert facts.notice is None
        commit(facts, [99])
    assert int(note.read_text()) == 2 * COMMITS + 1, "the number goes on from the facts"
    with Facts(folder, "test", now=NOW) as facts:
        assert facts.notice is None
        assert proof(facts)[-1] == 99


@pytest.mark.parametrize("text", [None, "", "nonsense"])
def test_a_lost_note_alone_is_no_damage(folder: Path, text: str | None) -> None:
    note = folder / "commit_number"
    if text is None:
        note.unlink()
    else:
        note.write_text(text)
    with Facts(folder, "test", now=NOW) as facts:
        assert facts.notice is None
        assert len(proof(facts)) == 2 * COMMITS


def test_every_commit_is_noted_before_it_is_answered(tmp_path: Path) -> None:
    with Facts(tmp_path, "test", now=NOW) as facts:
        for number in range(1, 4):
            commit(facts, [number])
            assert int((tmp_path / "commit_number").read_text()) == number


def test_a_transaction_that_failed_takes_no_number(tmp_path: Path) -> None:
    with Facts(tmp_path, "test", now=NOW) as facts:
        commit(facts, [1])
        with pytest.raises(duckdb.Error), facts.transaction() as cursor:
            cursor.execute("INSERT INTO proof VALUES (2)")
            cursor.execute("SELECT * FROM no_such_table")
        assert proof(facts) == [1], "all of it, or nothing"
        assert int((tmp_path / "commit_number").read_text()) == 1
        commit(facts, [3])
    with Facts(tmp_path, "test", now=NOW) as facts:
        assert facts.notice is None
        assert proof(facts) == [1, 3]


def test_the_rows_that_number_commits_stay_few(tmp_path: Path) -> None:
    with Facts(tmp_path, "test", now=NOW) as facts, facts.transaction() as cursor:
        cursor.execute("INSERT INTO commits SELECT unnest(range(1, 5000))")
    with Facts(tmp_path, "test", now=NOW) as facts:
        assert facts.notice is None
        [(rows, last)] = (
            facts.cursor().execute("SELECT count(*), max(number) FROM commits").fetchall()
        )
        assert rows <= 1001
        assert last == 4999
        commit(facts, [1])
    assert int((tmp_path / "commit_number").read_text()) == 5000


def test_damages_within_a_second_are_all_set_aside(folder: Path) -> None:
    for _ in range(3):
        file(folder).unlink()
        with Facts(folder, "test", now=NOW) as facts:
            assert facts.notice is not None
            commit(facts, [1])
    assert len(list(folder.glob("damaged-*"))) == 3


def test_facts_that_duckdb_refuses_are_told_in_a_sentence_with_the_way_out(folder: Path) -> None:
    file(folder).write_bytes(b"no database at all" * 1000)
    with pytest.raises(StoreError, match="Move the file away and run: sessionmill run"):
        Facts(folder, "test", now=NOW)

    file(folder).rename(folder / "elsewhere")
    with Facts(folder, "test", now=NOW) as facts:
        assert facts.notice is not None
        commit(facts, [1])
        assert proof(facts) == [1]


def test_a_log_with_a_broken_byte_never_passes_for_whole(folder: Path) -> None:
    damaged = bytearray(log(folder).read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    log(folder).write_bytes(damaged)
    try:
        with Facts(folder, "test", now=NOW) as facts:
            assert facts.notice is not None
    except StoreError as refused:
        assert str(file(folder)) in str(refused)
