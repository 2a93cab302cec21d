"""Watching: what changes below some folders is told soon, by notices or by looking."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from sessionmill.collect import watch as watching
from sessionmill.collect.watch import Notices, watch

#: Seconds that a test waits for what is to be told soon.
SOON = 60.0


class Told:
    """What a watch has told so far; it goes on in a thread of its own."""

    def __init__(self) -> None:
        self.paths: set[Path] = set()
        self.sets: list[frozenset[Path]] = []
        self.polling: list[str | None] = []
        self.error: BaseException | None = None
        self.ended = False
        self._more = threading.Condition()

    def read(self, changes: Iterator[frozenset[Path]]) -> None:
        try:
            for changed in changes:
                with self._more:
                    self.sets.append(changed)
                    self.paths |= changed
                    self._more.notify_all()
        except BaseException as error:
            self.error = error
        finally:
            with self._more:
                self.ended = True
                self._more.notify_all()

    def on_polling(self, reason: str | None) -> None:
        with self._more:
            self.polling.append(reason)
            self._more.notify_all()

    def wait_for(self, *paths: Path) -> None:
        self.wait_until(lambda: set(paths) <= self.paths or self.ended)
        assert set(paths) <= self.paths, self.error

    def wait_until(self, holds: Callable[[], bool]) -> None:
        with self._more:
            assert self._more.wait_for(holds, SOON), (self.sets, self.polling, self.error)

    def forget(self) -> None:
        with self._more:
            self.paths, self.sets = set(), []


@contextmanager
def told_of(
    *folders: Path,
    notices: Notices | None = None,
    poll_seconds: float = 0.05,
    retry_seconds: float = 1_000.0,
) -> Iterator[Told]:
    """Watch folders meanwhile; it has begun, and ends when it is told to."""
    told, stop = Told(), threading.Event()
    changes = watch(
        folders,
        stop,
        notices=notices or watching._notices,
        on_polling=told.on_polling,
        poll_seconds=poll_seconds,
        retry_seconds=retry_seconds,
    )
    thread = threading.Thread(target=told.read, args=(changes,), daemon=True)
    thread.start()
    try:
        told.wait_until(lambda: bool(told.polling))
        yield told
    finally:
        stop.set()
        thread.join(SOON)
    assert not thread.is_alive(), "it ends when it is told to"
    assert told.error is None


def failing(*_: object) -> Generator[Iterable[str], None, None]:
    """Notices that can't be had."""
    if SOON:
        raise OSError(28, "OS file watch limit reached")
    yield []


#: By the system's notices, and by looking.
WAYS = pytest.mark.parametrize("notices", [None, failing], ids=["watched", "polled"])


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    folder = tmp_path / "sessions"
    (folder / "alice").mkdir(parents=True)
    return folder


def write(path: Path, text: str = "{}\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(text)
    return path


# ── what is told ──


@WAYS
def test_transcripts_that_are_written_grow_and_go_are_told(
    sessions: Path, notices: Notices | None
) -> None:
    old = write(sessions / "alice" / "old.jsonl")
    with told_of(sessions, notices=notices) as told:
        new = write(sessions / "alice" / "new.jsonl")
        told.wait_for(new)
        told.forget()
        write(old)
        told.wait_for(old)
        assert told.paths == {old}, "nothing else has changed"
        told.forget()
        new.unlink()
        told.wait_for(new)


@WAYS
def test_a_transcript_is_what_is_named_as_one(sessions: Path, notices: Notices | None) -> None:
    with told_of(sessions, notices=notices) as told:
        for name in ("notes.txt", "a.json", "b.jsonl.bz2", "c.jsonl.tmp"):
            write(sessions / "alice" / name)
        named = [write(sessions / "alice" / f"t.jsonl{ending}") for ending in ("", ".gz", ".zst")]
        told.wait_for(*named)
        assert told.paths == set(named)


@WAYS
def test_a_new_folder_with_files_written_at_once_is_told_whole(
    sessions: Path, notices: Notices | None
) -> None:
    with told_of(sessions, notices=notices) as told:
        deep = sessions / "bob" / "-work-app" / "0f3c" / "subagents"
        written = [write(deep / f"agent-{n}.jsonl") for n in range(20)]
        written.append(write(sessions / "bob" / "-work-app" / "0f3c.jsonl"))
        told.wait_for(*written)
        told.forget()
        write(written[0])
        told.wait_for(written[0])


@WAYS
def test_a_folder_that_is_moved_in_is_told_with_all_that_is_in_it(
    sessions: Path, tmp_path: Path, notices: Notices | None
) -> None:
    write(tmp_path / "elsewhere" / "a" / "one.jsonl")
    with told_of(sessions, notices=notices) as told:
        (tmp_path / "elsewhere").rename(sessions / "bob")
        told.wait_for(sessions / "bob" / "a" / "one.jsonl")


@WAYS
def test_a_folder_that_does_not_exist_yet_is_taken_up_when_it_comes(
    sessions: Path, tmp_path: Path, notices: Notices | None
) -> None:
    late = tmp_path / "late"
    with told_of(late, sessions, notices=notices) as told:
        first = write(late / "carol" / "one.jsonl")
        told.wait_for(first)
        told.forget()
        second, other = write(late / "carol" / "two.jsonl"), write(sessions / "alice" / "x.jsonl")
        told.wait_for(second, other)


@WAYS
def test_where_no_folder_is_there_the_first_is_waited_for(
    tmp_path: Path, notices: Notices | None
) -> None:
    with told_of(tmp_path / "late", notices=notices) as told:
        told.wait_for(write(tmp_path / "late" / "carol" / "one.jsonl"))


@WAYS
def test_a_folder_that_goes_and_comes_again_is_watched_again(
    sessions: Path, notices: Notices | None
) -> None:
    one = write(sessions / "alice" / "one.jsonl")
    with told_of(sessions, notices=notices) as told:
        shutil.rmtree(sessions)
        told.wait_for(one)
        told.forget()
        told.wait_for(write(sessions / "alice" / "two.jsonl"))
        told.forget()
        told.wait_for(write(sessions / "alice" / "three.jsonl"))


@WAYS
def test_a_closed_folder_hides_nothing_else(sessions: Path, notices: Notices | None) -> None:
    closed = sessions / "closed"
    write(closed / "hidden.jsonl")
    closed.chmod(0)
    try:
        with told_of(sessions, notices=notices) as told:
            told.wait_for(write(sessions / "alice" / "one.jsonl"))
    finally:
        closed.chmod(0o700)


@WAYS
def test_very_many_at_once_are_all_told(sessions: Path, notices: Notices | None) -> None:
    written = [write(sessions / f"u{n % 50}" / f"{n}.jsonl") for n in range(1_000)]
    with told_of(sessions, notices=notices) as told:
        for path in written:
            write(path)
        told.wait_for(*written)
        assert len(told.sets) < 500, "many at a time"


def test_what_is_written_on_and_on_is_told_meanwhile(sessions: Path) -> None:
    path, stop = sessions / "alice" / "busy.jsonl", threading.Event()

    def write_on() -> None:
        while not stop.wait(0.02):
            write(path)

    writer = threading.Thread(target=write_on)
    with told_of(sessions) as told:
        writer.start()
        try:
            told.wait_until(lambda: len(told.sets) >= 2)
        finally:
            stop.set()
            writer.join()


def test_a_change_while_notices_begin_is_told(sessions: Path) -> None:
    path = sessions / "alice" / "early.jsonl"

    def late(_: Sequence[Path], stop: threading.Event) -> Generator[Iterable[str], None, None]:
        write(path)  # of which these notices say nothing
        while not stop.wait(0.05):
            yield []

    with told_of(sessions, notices=late) as told:
        told.wait_for(path)


def test_a_folder_of_which_there_is_one_notice_is_looked_into_at_once_and_once_more(
    sessions: Path,
) -> None:
    bob, looked, written = sessions / "bob", threading.Event(), threading.Event()

    def one_notice(
        _: Sequence[Path], stop: threading.Event
    ) -> Generator[Iterable[str], None, None]:
        yield []
        write(bob / "a" / "one.jsonl")
        yield [str(bob)]
        looked.set()
        written.wait(SOON)
        while not stop.wait(0.05):
            yield []

    with told_of(sessions, notices=one_notice) as told:
        told.wait_for(bob / "a" / "one.jsonl")
        assert looked.wait(SOON)
        two = write(bob / "a" / "two.jsonl")
        written.set()
        told.wait_for(two)
        assert len(told.sets) == 2, "each is told once"


# ── where watching fails ──


def test_why_it_polls_is_said_once(sessions: Path) -> None:
    with told_of(sessions, notices=failing, retry_seconds=0) as told:
        for n in range(3):
            told.wait_for(write(sessions / "alice" / f"{n}.jsonl"))
    assert told.polling == ["OSError: [Errno 28] OS file watch limit reached"]


def test_notices_that_fail_later_or_end_are_polled_for(sessions: Path) -> None:
    endings: list[BaseException | None] = [OSError("gone"), None]

    def ending(*_: object) -> Generator[Iterable[str], None, None]:
        yield []
        if endings and (error := endings.pop(0)) is not None:
            raise error

    with told_of(sessions, notices=ending, retry_seconds=0) as told:
        told.wait_until(lambda: len(told.polling) >= 4)
    assert told.polling[:4] == [None, "OSError: gone", None, "RuntimeError: notices have ended"]


def test_notices_are_tried_again_and_that_they_come_is_said(sessions: Path) -> None:
    failures = [OSError("limit"), OSError("limit")]

    def at_last(
        folders: Sequence[Path], stop: threading.Event
    ) -> Generator[Iterable[str], None, None]:
        if failures:
            raise failures.pop()
        yield from watching._notices(folders, stop)

    with told_of(sessions, notices=at_last, retry_seconds=0) as told:
        told.wait_until(lambda: told.polling == ["OSError: limit", None])
        told.wait_for(write(sessions / "alice" / "one.jsonl"))


def test_a_disk_of_another_machine_is_polled(
    sessions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    class Part:
        mountpoint, fstype = str(sessions), "nfs4"

    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: [Part()])
    with told_of(sessions / "alice") as told:
        told.wait_for(write(sessions / "alice" / "one.jsonl"))
    assert told.polling == [f"{sessions / 'alice'} is on another machine (nfs4)"]


def test_polling_and_watching_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "sessionmill.watch")
    watching._say_so("limit")
    watching._say_so(None)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


# ── what it costs ──


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc tells of open files")
@pytest.mark.soak
def test_watching_anew_leaves_no_file_open(sessions: Path) -> None:
    def handles() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - as of now, not one by one

    before = handles()
    for n in range(6):
        with told_of(sessions) as told:
            told.wait_for(write(sessions / "alice" / f"{n}.jsonl"))
    end = time.monotonic() + SOON
    while handles() > before and time.monotonic() < end:
        time.sleep(0.05)  # the library closes them in a thread of its own
    assert handles() <= before


def test_quick_commands_import_neither_a_watcher_nor_a_scheduler() -> None:
    asked = "import sys, sessionmill.cli.app, sessionmill.run.runner, sessionmill.run.schedule, "
    asked += "sessionmill.collect.watch; print(*sorted(sys.modules))"
    ended = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True
    )
    assert not {"apscheduler", "watchfiles"} & set(ended.stdout.split())
