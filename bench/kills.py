"""Runs that are killed at a random moment, or lose a child then, and are run again.

SIGKILL, to a handle that was started here. In the end every row of every table must be that of a
run that nobody disturbed; only times of processing may differ.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable
from random import Random, randrange

import psutil

from bench import facts, lines_of
from bench.place import Place, Started, place
from bench.report import Checks, ratio, say

#: Seconds by which a killed run's children must have ended.
PATIENCE = 5.0


def options(parser: argparse.ArgumentParser) -> None:
    """Add what can be given."""
    parser.add_argument("--times", type=int, default=20, metavar="N", help="of either kind")
    parser.add_argument("--bytes", type=int, default=40_000_000, help="of transcripts")
    parser.add_argument(
        "--in-a-row", type=int, default=1, metavar="N", help="kills before it may end, at most"
    )
    parser.add_argument(
        "--seed", type=int, default=None, help="of the moments (default: a new one)"
    )


def bench(arguments: argparse.Namespace) -> bool:
    """Kill, compare, print, and return whether nothing differs."""
    seed = randrange(2**32) if arguments.seed is None else arguments.seed  # noqa: S311 - no secret
    with place() as here:
        kills = _Kills(here, arguments, Random(seed))  # noqa: S311 - no secret
        say(f"  {kills.transcripts} transcripts in {kills.seconds:.2f} s, undisturbed")
        say(f"  moments drawn by --seed {seed}")
        differing = 0
        for what, history in (("the run", kills.of_the_run), ("a child", kills.of_a_child)):
            wrong = sum(not history() for _ in range(arguments.times))
            say(f"  {arguments.times} times {what} was killed: {wrong} differ")
            differing += wrong
        kills.say_figures()
        all_of_them = 2 * arguments.times
        ratio(f"kills: {differing} of {all_of_them} runs differ", differing / all_of_them, 0)
        return kills.checks.hold_all("every table is that of an undisturbed run")


class _Kills:
    """Transcripts, the tables of an undisturbed run over them, and runs that are disturbed."""

    def __init__(self, here: Place, arguments: argparse.Namespace, random: Random) -> None:
        self._here, self._random, self._in_a_row = here, random, arguments.in_a_row
        self.checks = Checks()
        team = here.folder / "team"
        here.must("demo", team, "--bytes", arguments.bytes)
        shutil.copy(lines_of.__file__, here.folder / "lines_of.py")
        self._command = ("run", "--sessions", team, "--processor", "lines_of:Lines", "--json")
        self._undisturbed, self._data = here.folder / "undisturbed", here.folder / "data"
        here.must("processors", data=here.folder / "warm-up")
        ended = here.must(*self._command, data=self._undisturbed)
        self.seconds = ended.seconds
        self.transcripts = ended.runs["usage"]["processed"]
        #: Seconds that children lived on after their owner's death.
        self._outlived: list[float] = []
        self._late = self._charged = self._given_up = 0

    def of_the_run(self) -> bool:
        """Kill a run, run it again, and compare; return whether all is the same."""
        kills = self._random.randint(1, self._in_a_row)
        # Only what stood alone when two runs were killed may be charged with it.
        return self._history(self._kill_run, kills, may_be_charged=kills > 1)

    def of_a_child(self) -> bool:
        """Kill a child of a run, run it again, and compare; return whether all is the same."""
        kills = self._random.randint(1, self._in_a_row)
        return self._history(self._kill_child, kills, may_be_charged=True)

    def _history(self, kill: Callable[[], bool], kills: int, *, may_be_charged: bool) -> bool:
        before = self.checks.failures
        self._here.empty(self._data)
        while not kill():
            self._late += 1
            self._here.empty(self._data)
        for _ in range(kills - 1):
            kill()
        self._finish(may_be_charged=may_be_charged)
        for difference in facts.differences(self._undisturbed, self._data):
            self.checks.hold(False, f"after a kill: {difference}")
        damaged = [path.name for path in self._data.glob("damaged-*")]
        self.checks.equal(damaged, [], "facts that were set aside as damaged")
        return self.checks.failures == before

    def _kill_run(self) -> bool:
        """Kill a run at a random moment; return whether it was in time."""
        started = self._here.start_mill(*self._command, data=self._data)
        time.sleep(self._random.uniform(0.05, 1.0) * self.seconds)
        in_time = started.process.poll() is None
        started.process.kill()
        started.process.wait()
        self._await_children(started)
        started.end()
        return in_time

    def _kill_child(self) -> bool:
        """Kill a child of a run at a random moment; return whether there was one."""
        started = self._here.start_mill(*self._command, data=self._data)
        moment = time.monotonic() + self._random.uniform(0.05, 1.0) * self.seconds
        killed = False
        while not killed and started.process.poll() is None:
            time.sleep(0.005)
            children = _children(started)
            if children and time.monotonic() >= moment:
                self._random.choice(children).kill()
                killed = True
        ended = started.end()
        self.checks.hold(ended.status in (0, 1), f"a run that lost a child: status {ended.status}")
        if not ended.out:
            self._given_up += 1  # the child was not ready yet: no worker, no run
            return killed
        for run in ended.runs.values():
            for error in run["errors_detail"]:
                told = "killed by SIGKILL" in error["error"]
                self.checks.hold(told, f"a run that lost a child: {error['error']}")
            self._charged += run["errors"]
        return killed

    def _await_children(self, started: Started) -> None:
        since = time.monotonic()
        while (left := started.left()) and time.monotonic() - since < PATIENCE:
            time.sleep(0.01)
        self._outlived.append(time.monotonic() - since)
        self.checks.equal(left, [], f"children that live {PATIENCE:g} s after their owner's death")

    def _finish(self, *, may_be_charged: bool) -> None:
        """Run to the end; what was charged with a death is made due at once."""
        ended = self._here.mill(*self._command, data=self._data)
        if may_be_charged:
            self._here.must("retry", data=self._data)
            ended = self._here.mill(*self._command, data=self._data)
        errors = [run["errors_detail"] for run in ended.runs.values() if run["errors"]]
        self.checks.equal(errors, [], "errors of the run after a kill")

    def say_figures(self) -> None:
        """Print what was seen beside the tables."""
        say(f"  drawn again, because the run had ended: {self._late}")
        longest = max(self._outlived, default=0)
        say(f"  after the owner's death all children had ended within {longest:.2f} s")
        say(f"  attempts charged for the death of a child: {self._charged}")
        say(
            f"  runs that gave up, because a child was killed before it was ready: {self._given_up}"
        )


def _children(started: Started) -> list[psutil.Process]:
    try:
        return psutil.Process(started.process.pid).children(recursive=True)
    except psutil.Error:
        return []
