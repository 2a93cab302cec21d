"""Runs with a processor that sleeps, dies or hoards memory on one transcript of many.

Both kinds of processor, beside the built-ins. What is measured is the time that the deed adds to a
run in which the same processor goes astray on nothing.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import astray, facts
from bench.place import Ended, Place, place
from bench.report import Checks, Spread, ratio, say
from sessionmill.demo.claude_code import ClaudeTranscript

KINDS = ("Base", "Extractor")
DEEDS = ("Sleeps", "Dies", "Hoards")
#: Seconds that a deed may add beyond the time limit: for noticing it, and for another child.
GRACE = 5.0


def options(parser: argparse.ArgumentParser) -> None:
    """Add what can be given."""
    parser.add_argument("--transcripts", type=int, default=300, metavar="N")
    parser.add_argument("--seconds", type=float, default=5.0, help="the processor's time limit")
    parser.add_argument("--memory-mb", type=int, default=1000, help="its memory limit")
    parser.add_argument("--runs", type=int, default=3, help="of each deed")
    parser.add_argument("--deeds", nargs="+", choices=DEEDS, default=DEEDS, help="only these")


def bench(arguments: argparse.Namespace) -> bool:
    """Measure, print, and return whether the others were processed and the culprit was named."""
    with place() as here:
        isolation = _Isolation(here, arguments)
        allowed = arguments.seconds + GRACE
        added = [seconds for kind in KINDS for seconds in isolation.measure(kind, arguments.deeds)]
        say(f"  wanted: at most the time limit and {GRACE:g} s, {allowed:g} s")
        ratio("isolation: the longest added time against that", max(added) / allowed, 1)
        return isolation.checks.hold_all(
            "the culprit alone is named, all others are processed, the built-ins feel nothing"
        )


class _Isolation:
    """Transcripts with a culprit in their midst, and runs over them."""

    def __init__(self, here: Place, arguments: argparse.Namespace) -> None:
        self.checks = Checks()
        self._here, self._runs = here, arguments.runs
        self._limits = {
            "BENCH_SECONDS": f"{arguments.seconds:g}",
            "BENCH_MEMORY_MB": str(arguments.memory_mb),
        }
        self._named = {
            "Sleeps": f"took longer than {arguments.seconds:g} s",
            "Dies": "killed by SIGSEGV",
            "Hoards": f"took more than {arguments.memory_mb} MB of memory",
        }
        self._data = here.folder / "data"
        self._sessions = here.folder / "sessions"
        self._all = arguments.transcripts
        self._culprit = ""
        for number in range(self._all):
            self._write(number)
        shutil.copy(astray.__file__, here.folder / "astray.py")

    def _write(self, number: int) -> None:
        astray_here = number == self._all // 2
        name = f"s{number:04}-{astray.CULPRIT if astray_here else 'other.jsonl'}"
        transcript = ClaudeTranscript(Path(name).stem)
        for _ in range(3):
            transcript.prompt()
            transcript.call("Bash", {"command": "make test"})
            transcript.response()
        transcript.write(self._sessions / "alice" / name)
        if astray_here:
            self._culprit = f"alice/{name}"

    def measure(self, kind: str, deeds: Sequence[str]) -> Iterator[float]:
        """Yield the seconds that each deed adds to an undisturbed run."""
        calm: list[float] = []
        disturbed: dict[str, list[float]] = {deed: [] for deed in deeds}
        for _ in range(self._runs):
            ended = self._run(f"{kind}Calm")
            self._check_calm(ended)
            calm.append(ended.seconds)
            for deed in deeds:
                ended = self._run(f"{kind}{deed}")
                self._check_disturbed(ended, f"{kind}{deed}", self._named[deed])
                disturbed[deed].append(ended.seconds)
        say(f"  {kind:9}  undisturbed  {'':12}{Spread(calm)}")
        for deed, times in disturbed.items():
            added = Spread(times).median - Spread(calm).median
            say(f"  {kind:9}  {deed:11}  adds {added:5.2f} s: {Spread(times)}")
            yield added

    def _run(self, name: str) -> Ended:
        self._here.empty(self._data)
        command = ("run", "--sessions", self._sessions, "--processor", f"astray:{name}", "--json")
        return self._here.mill(*command, data=self._data, **self._limits)

    def _check_calm(self, ended: Ended) -> None:
        for name, run in ended.runs.items():
            figures = (run["processed"], run["errors_detail"])
            self.checks.equal(figures, (self._all, []), f"undisturbed: {name}: processed, errors")

    def _check_disturbed(self, ended: Ended, spec: str, named: str) -> None:
        checks, others = self.checks, self._all - 1
        checks.equal(ended.left, [], f"{spec}: processes that outlive the run")
        runs = ended.runs
        own = runs.pop("astray")
        errors = {error["session"]: error["error"] for error in own["errors_detail"]}
        checks.equal(list(errors), [self._culprit], f"{spec}: sessions with an error")
        checks.hold(
            all(named in error for error in errors.values()), f"{spec}: {errors}, not: {named}"
        )
        checks.equal((own["processed"], own["errors"]), (others, 1), f"{spec}: processed, errors")
        for name, run in runs.items():
            figures = (run["processed"], run["errors"])
            checks.equal(figures, (self._all, 0), f"{spec}: {name} beside it: processed, errors")
        stored = facts.ask(self._data, "SELECT session_key FROM astray ORDER BY ALL")
        checks.equal(len(set(stored)), others, f"{spec}: transcripts with a row")
        checks.equal(len(stored), others, f"{spec}: rows")
        checks.hold((self._culprit,) not in stored, f"{spec}: a row of the culprit is kept")
