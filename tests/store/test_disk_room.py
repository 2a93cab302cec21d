"""A full disk stops the work before it costs anything that was committed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from holding import NOW, commit, proof

import disks
from disks import fill, give_room
from sessionmill.errors import DiskFull
from sessionmill.store.facts import KEPT_FREE, Facts


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with little more room than is kept free."""
    with disks.small_disk(tmp_path / "disk", megabytes=KEPT_FREE // 2**20 + 32) as disk:
        yield disk


def test_no_transaction_begins_where_a_checkpoint_might_find_no_room(small_disk: Path) -> None:
    with Facts(small_disk / "data", "test", now=NOW) as facts:
        commit(facts, [1])
        filler = fill(small_disk, leave=KEPT_FREE - 4096)

        with pytest.raises(DiskFull, match=r"63 MB of room.*What was committed is safe"):
            commit(facts, [2])
        assert proof(facts) == [1], "readers read on"
        facts.cursor().execute("CHECKPOINT")

        filler.unlink()
        commit(facts, [3])
        assert proof(facts) == [1, 3], "with room, it goes on by itself"
    with Facts(small_disk / "data", "test", now=NOW) as facts:
        assert facts.notice is None
        assert proof(facts) == [1, 3]


def test_facts_are_closed_in_order_when_the_room_is_over(small_disk: Path) -> None:
    with Facts(small_disk / "data", "test", now=NOW) as facts:
        commit(facts, range(5))
        filler = fill(small_disk, leave=KEPT_FREE - 4096)
    assert not (small_disk / "data" / "facts.duckdb.wal").exists(), "all of it is in the file"

    with Facts(small_disk / "data", "test", now=NOW) as facts:
        assert proof(facts) == [0, 1, 2, 3, 4], "and can be read without room, too"
    filler.unlink()


def test_what_does_not_fit_is_not_kept_and_takes_nothing_else_with_it(small_disk: Path) -> None:
    with Facts(small_disk / "data", "test", now=NOW) as facts:
        commit(facts, [1])
        with pytest.raises(Exception), facts.transaction() as cursor:  # noqa: B017
            cursor.execute(
                "CREATE TABLE large AS SELECT md5(CAST(n AS VARCHAR)) || md5(CAST(-n AS VARCHAR))"
                " AS text FROM range(3000000) r(n)"
            )
    with Facts(small_disk / "data", "test", now=NOW) as facts:
        assert facts.notice is None
        assert proof(facts) == [1]
        with pytest.raises(DiskFull):
            commit(facts, [2])
        give_room(small_disk, megabytes=4 * KEPT_FREE // 2**20)
        commit(facts, [2])
        assert proof(facts) == [1, 2]


def test_there_is_room_on_a_disk_that_has_some(tmp_path: Path) -> None:
    with Facts(tmp_path / "data", "test", now=NOW) as facts:
        free = shutil.disk_usage(facts.folder).free
        if free < 2 * KEPT_FREE:
            pytest.skip("this machine's disk is almost full")
        facts.check_room()


def test_facts_that_duckdb_gave_up_are_opened_anew_once_there_is_room(small_disk: Path) -> None:
    with Facts(small_disk / "data", "test", now=NOW) as facts:
        commit(facts, [1, 2])
        filler = fill(small_disk, leave=0)
        with pytest.raises(duckdb.FatalException):
            facts.cursor().execute("CHECKPOINT")
        assert facts.is_given_up()
        with pytest.raises(DiskFull):
            facts.reopen(NOW)
        filler.unlink()
        facts.reopen(NOW)
        assert not facts.is_given_up()
        assert facts.notice is None
        assert proof(facts) == [1, 2], "nothing that was committed is lost"
        commit(facts, [3])
    with Facts(small_disk / "data", "test", now=NOW) as facts:
        assert proof(facts) == [1, 2, 3]
