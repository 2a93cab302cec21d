"""A run after one line was appended to a large transcript, against one to a small transcript.

The large one's first call was never answered: what is still open must not have to be read again.
"""

from __future__ import annotations

import argparse
import os
from datetime import timedelta
from itertools import count

from bench import facts
from bench.place import Place, place
from bench.report import Checks, alternate, ratio, say
from sessionmill.demo.claude_code import ClaudeTranscript

WANTED = 1.5
#: A call with its result is about 4 kB.
_RESULT = "src/cart/total.py:41:    return round(sum(line.price for line in lines), 2)\n" * 40
_CALLS_AT_ONCE = 20


def options(parser: argparse.ArgumentParser) -> None:
    """Add what can be given."""
    parser.add_argument("--large", type=int, default=200_000_000, metavar="BYTES")
    parser.add_argument("--small", type=int, default=200_000, metavar="BYTES")
    parser.add_argument("--runs", type=int, default=9, help="of each command")


def bench(arguments: argparse.Namespace) -> bool:
    """Measure, print, and return whether everything came out right."""
    with place() as here:
        large = _Growing(here, "large", arguments.large)
        small = _Growing(here, "small", arguments.small)
        os.sync()
        spreads = alternate({"large": large.grow, "small": small.grow}, arguments.runs)
        for transcript in (large, small):
            say(f"  {transcript.path.stat().st_size:>12,} bytes  {spreads[transcript.name]}")
        ratio(
            "append: to the large transcript against the small",
            spreads["large"].median / spreads["small"].median,
            WANTED,
        )
        checks = Checks()
        for transcript in (large, small):
            transcript.check(checks)
        return checks.hold_all("each line is counted, and the open call is open still")


class _Growing:
    """A transcript, in a data directory of its own, that grows a line at a time."""

    def __init__(self, here: Place, name: str, size: int) -> None:
        self.name, self._here = name, here
        sessions = here.folder / name
        self.path = sessions / "alice" / f"{name}.jsonl"
        self.path.parent.mkdir(parents=True)
        self._seeds = count(1)
        self._responses = self._calls = 0
        self._last = ClaudeTranscript(name)
        self._write(size)
        self._command = ("run", "--sessions", sessions, "--json")
        self._data = here.folder / f"{name}-data"
        here.must(*self._command, data=self._data)

    def _write(self, size: int) -> None:
        """Write a call that is never answered, and answered ones until there are `size` bytes."""
        self._last.prompt()
        self._last.call("Bash", {"command": "make serve"}, result=None)
        self._responses += 1
        self._calls += 1
        with self.path.open("wb") as file:
            while file.write(bytes(self._last)) and file.tell() < size:
                part = self._next()
                for _ in range(_CALLS_AT_ONCE):
                    part.call("Grep", {"pattern": "total"}, result=_RESULT, output_tokens=80)
                self._responses += _CALLS_AT_ONCE
                self._calls += _CALLS_AT_ONCE

    def _next(self) -> ClaudeTranscript:
        """Return the transcript's next part, with ids of its own."""
        start = self._last.now + timedelta(seconds=1)
        self._last = ClaudeTranscript(self.name, start=start, seed=next(self._seeds))
        return self._last

    def grow(self) -> float:
        """Append one line, and return the seconds of the run that takes it in."""
        part = self._next()
        part.response("Done.", output_tokens=7)
        self._responses += 1
        with self.path.open("ab") as file:
            file.write(bytes(part))
        return self._here.must(*self._command, data=self._data).seconds

    def check(self, checks: Checks) -> None:
        """Hold that every line was taken in, once."""
        report = self._here.must("report", "usage", "--json", data=self._data).json["rows"][0]
        found = (report["responses"], report["tool_calls"])
        checks.equal(found, (self._responses, self._calls), f"{self.name}: responses, calls")
        checks.equal(
            facts.ask(self._data, "SELECT count(*) FROM tool_calls WHERE is_error IS NULL"),
            [(1,)],
            f"{self.name}: calls without a result",
        )
