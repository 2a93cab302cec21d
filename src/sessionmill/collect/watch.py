"""Hints that transcripts have changed, soon after they did; a walk finds what they miss.

By the operating system's notices; by looking every few seconds where these can't be had (a limit
of the system, a disk of another machine, whose changes no notice tells).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from sessionmill.collect.contents import ENDINGS

#: Milliseconds without a change after which changes are told, and those they wait at most.
_QUIET_MS, _LONGEST_MS = 200, 1_000
#: Seconds between two looks at which of the folders there are.
_FOLDERS_SECONDS = 0.5
#: Seconds between two looks at everything, where it is polled.
POLL_SECONDS = 3.0
#: A look at everything may take this part of the time at most.
_POLL_SHARE = 0.1
#: Seconds after which notices are tried again that could not be had.
RETRY_SECONDS = 300.0
#: File systems of other machines: what changes there is noticed there alone.
_REMOTE = frozenset(
    "9p afs ceph cifs fuse.gcsfuse fuse.glusterfs fuse.rclone fuse.s3fs fuse.sshfs glusterfs "
    "lustre ncpfs nfs nfs4 smb3 smbfs".split()
)

_log = logging.getLogger("sessionmill.watch")

#: Yields paths (files or folders) that have changed, or none every moment; begins when
#: it can tell of every change that follows, and raises where it can't.
Notices = Callable[[Sequence[Path], threading.Event], Generator[Iterable[str], None, None]]


def _say_so(reason: str | None) -> None:
    if reason is None:
        _log.info("Transcripts are watched")
    else:
        _log.warning("Transcripts are looked at every few seconds, not watched: %s", reason)


def _notices(
    folders: Sequence[Path], stop: threading.Event
) -> Generator[Iterable[str], None, None]:
    import watchfiles

    for changes in watchfiles.watch(
        *folders,
        watch_filter=None,
        step=_QUIET_MS,
        debounce=_LONGEST_MS,
        rust_timeout=int(_FOLDERS_SECONDS * 1000),
        yield_on_timeout=True,
        stop_event=stop,
        ignore_permission_denied=True,
    ):
        yield [path for _, path in changes]


def watch(
    folders: Iterable[Path],
    stop: threading.Event,
    *,
    notices: Notices = _notices,
    on_polling: Callable[[str | None], None] = _say_so,
    poll_seconds: float = POLL_SECONDS,
    retry_seconds: float = RETRY_SECONDS,
) -> Iterator[frozenset[Path]]:
    """Yield the transcripts that were written, made or deleted since it began, until `stop` is set.

    Folders that are not there yet are taken up when they come, with all that is in them.
    `on_polling` is told why these are polled now, and None when they are watched (again).
    """
    seen = _Seen(folders)
    told: list[str | None] = []

    def tell(reason: str | None) -> None:
        if told[-1:] != [reason]:
            told[:] = [reason]
            on_polling(reason)

    while not stop.is_set():
        try:
            reason = _remote(seen.folders)
            if reason is None:
                yield from _watched(seen, stop, notices, lambda: tell(None))
                continue
        except FileNotFoundError:
            # A folder went while it was taken up: that is no reason to poll for long.
            yield from _polled(seen, stop, _FOLDERS_SECONDS, 0)
            continue
        except Exception as error:  # of another library, in another language
            reason = f"{type(error).__name__}: {error}"
        tell(reason)
        yield from _polled(seen, stop, poll_seconds, retry_seconds)


def _watched(
    seen: _Seen, stop: threading.Event, notices: Notices, begun: Callable[[], None]
) -> Iterator[frozenset[Path]]:
    """Yield what notices tell, until the folders that there are have become others."""
    there = seen.there()
    if not there:
        begun()
        stop.wait(_FOLDERS_SECONDS)
        return
    with closing(notices([Path(folder) for folder in there], stop)) as noticed:
        paths = next(noticed, None)
        if paths is not None:
            begun()
        # What changed before notices began, and is of folders that came.
        changed, young = seen.everything(), list[str]()
        while paths is not None:
            # A folder that comes with a file in it may make one notice, and be watched a moment
            # later: what is in it is looked at now, and once more with the next notices.
            folders = [path for path in paths if os.path.isdir(path)]  # noqa: PTH112 - Path.is_dir raises behind a closed folder
            changed |= seen.look([*paths, *young])
            if changed:
                yield changed
            if seen.there() != there:
                return
            young, changed = folders, frozenset()
            paths = next(noticed, None)
        if not stop.is_set():
            raise RuntimeError("notices have ended")


def _polled(
    seen: _Seen, stop: threading.Event, poll_seconds: float, for_seconds: float
) -> Iterator[frozenset[Path]]:
    """Yield what looks at everything find, the first one later, for so long."""
    end, wait = time.monotonic() + for_seconds, poll_seconds
    while not stop.wait(wait):
        begun = time.monotonic()
        changed = seen.everything()
        if changed:
            yield changed
        if time.monotonic() >= end:
            return
        wait = max(poll_seconds, (time.monotonic() - begun) / _POLL_SHARE)


class _Seen:
    """The transcripts below some folders, as they were when last looked at."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.folders = [os.fspath(folder) for folder in folders]
        self._known = self._all()

    def there(self) -> dict[str, tuple[int, int]]:
        """Return the folders that there are, each with what tells it from one of the same name."""
        found = {}
        for folder in self.folders:
            try:
                stat = os.stat(folder)  # noqa: PTH116 - one call, by text
            except OSError:
                continue
            found[folder] = (stat.st_dev, stat.st_ino)
        return found

    def everything(self) -> frozenset[Path]:
        """Look at all; return what is not as it was."""
        before, self._known = self._known, self._all()
        changed = before.items() ^ self._known.items()
        return frozenset(Path(path) for path, _ in changed)

    def look(self, paths: Iterable[str]) -> frozenset[Path]:
        """Look at these, and below these folders; return what is not as it was."""
        changed = set()
        for path in paths:
            found = dict(_transcripts(path))
            if path.endswith(ENDINGS) and not found:
                found[path] = _state(path)
            for transcript, state in found.items():
                if self._known.get(transcript) != state:
                    changed.add(Path(transcript))
                    if state is None:
                        del self._known[transcript]
                    else:
                        self._known[transcript] = state
        return frozenset(changed)

    def _all(self) -> dict[str, _State | None]:
        return {
            path: state
            for folder in self.folders
            for path, state in _transcripts(folder)
            if state is not None
        }


#: Size and time of change; None of what is not there.
_State = tuple[int, int]


def _transcripts(folder: str) -> Iterator[tuple[str, _State | None]]:
    """Yield what lies below a folder; nothing, where it is none or closed."""
    pending = [folder]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    elif entry.name.endswith(ENDINGS):
                        yield entry.path, _state(entry.path)
        except OSError:
            continue


def _state(path: str) -> _State | None:
    try:
        stat = os.stat(path)  # noqa: PTH116 - one call, by text, of each of very many
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def _remote(folders: Iterable[str]) -> str | None:
    """Return why one of the folders can't be watched: it lies on another machine; or None."""
    import psutil

    mounted = {part.mountpoint: part.fstype for part in psutil.disk_partitions(all=True)}
    for folder in folders:
        real = Path(os.path.realpath(folder))
        kind = next(
            (mounted[str(path)] for path in (real, *real.parents) if str(path) in mounted), ""
        )
        if kind.casefold() in _REMOTE:
            return f"{folder} is on another machine ({kind})"
    return None
