"""Answers of reports, kept while the facts are as they were.

Each commit makes every report's answer old. Where many ask and commits go on, to work each out
anew for each of them would take all there is: so one asks, the others wait for the same answer,
few are worked out side by side, and where a new one takes long, one that is a few seconds old is
given instead.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

#: Seconds for which an answer is given though the facts have changed since.
FRESH = 1.0
#: Seconds that somebody waits for a new answer where there is an old one, and how old it may be.
PATIENCE = 0.25
OLDEST = 15.0
#: Answers worked out side by side; bytes of answers that are kept.
_AT_ONCE = 2
_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A report's document, and of which commit it is."""

    body: bytes
    #: Tells it from every other one.
    digest: str
    commit: int
    #: By time.monotonic().
    made: float


class Answers:
    """Answers by what was asked; safe for threads."""

    def __init__(self, commit: Callable[[], int]) -> None:
        """`commit` tells the number of the last commit."""
        self._commit = commit
        self._kept: OrderedDict[str, Answer] = OrderedDict()
        self._bytes = 0
        #: Commits before it are told no more.
        self._least = 0
        self._lock = threading.Lock()
        self._underway: dict[str, Future[Answer]] = {}
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="reports")

    async def get(self, asked: str, work_out: Callable[[], bytes]) -> Answer:
        """Return the answer to `asked`, by `work_out` where none is kept. Raises what that does.

        Who waits takes no thread meanwhile: hundreds may, and others ask for other things.
        """
        while True:
            answer, least = await self._get(asked, work_out)
            # Below it, it was begun for another who asked, before what is to be told was committed.
            if answer.commit >= least:
                return answer

    def renew(self) -> None:
        """Tell nothing from now on that is older than the facts are."""
        with self._lock:
            self._least = max(self._least, self._commit())

    async def _get(self, asked: str, work_out: Callable[[], bytes]) -> tuple[Answer, int]:
        """Return an answer, and the least commit that one had to be of when it was asked for."""
        now = time.monotonic()
        with self._lock:
            kept, least = self._kept.get(asked), self._least
            if kept is not None and kept.commit < least:
                kept = None
            if kept is not None and (kept.commit == self._commit() or now - kept.made < FRESH):
                self._kept.move_to_end(asked)
                return kept, least
            future = self._underway.get(asked)
            if future is None:
                future = self._pool.submit(self._work_out, asked, work_out)
                self._underway[asked] = future
        if kept is None or now - kept.made > OLDEST:
            return await asyncio.shield(asyncio.wrap_future(future)), least
        new = asyncio.wrap_future(future)
        done, _ = await asyncio.wait({new}, timeout=PATIENCE)
        if done:
            return new.result(), least
        new.add_done_callback(_look_at)
        return kept, least

    def close(self) -> None:
        """Work nothing out any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _work_out(self, asked: str, work_out: Callable[[], bytes]) -> Answer:
        try:
            commit = self._commit()  # before: what is committed meanwhile may not be in it
            body = work_out()
            digest = hashlib.blake2b(body, digest_size=12).hexdigest()
            answer = Answer(body, digest, commit, time.monotonic())
            with self._lock:
                self._keep(asked, answer)
            return answer
        finally:
            with self._lock:
                del self._underway[asked]

    def _keep(self, asked: str, answer: Answer) -> None:
        old = self._kept.pop(asked, None)
        self._bytes -= len(old.body) if old else 0
        if len(answer.body) > _BYTES:
            return  # it would drive all others out, and itself
        self._bytes += len(answer.body)
        self._kept[asked] = answer
        while self._bytes > _BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest.body)


def _look_at(future: asyncio.Future[Answer]) -> None:
    """Let asyncio not warn of a failure that nobody waits for any more: the next who asks hears."""
    if not future.cancelled():
        future.exception()
