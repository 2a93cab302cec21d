"""The tables against a recount: of whole transcripts, and of random cuts of them into appends.

Every cut gives each transcript a random number of parts, cut at random bytes, that arrive in random
order over several runs; in the end every figure must be that of a recount from the bytes, and every
row that of one reading of the whole.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random, randrange

from bench import facts
from bench.place import Place, place
from bench.report import Checks, ratio, say
from sessionmill.recount.election import files_of_everyone, recount

#: Real transcripts beside the clone, if at all: a folder for each agent, in it one for each user.
CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"
#: Runs over which the parts of one cut are spread.
_STEPS = 3


def options(parser: argparse.ArgumentParser) -> None:
    """Add what can be given."""
    parser.add_argument("--cuts", type=int, default=5, metavar="N", help="of each set")
    parser.add_argument("--corpus", type=Path, default=CORPUS, metavar="DIR")
    parser.add_argument("--seed", type=int, default=None, help="of the cuts (default: a new one)")


def bench(arguments: argparse.Namespace) -> bool:
    """Compare, print, and return whether all figures are the same."""
    seed = randrange(2**32) if arguments.seed is None else arguments.seed  # noqa: S311 - no secret
    say(f"  {arguments.cuts} cuts of each set, --seed {seed}")
    checks, differing, compared = Checks(), 0, 0
    with place() as here:
        for name, sessions in _sets(here, arguments.corpus):
            counted = _Set(here, name, sessions, Random(seed))  # noqa: S311 - no secret
            wrong = counted.compare(arguments.cuts, checks)
            differing += wrong
            compared += arguments.cuts + 1
    ratio(f"totals: {differing} of {compared} counts differ", differing / compared, 0)
    return checks.hold_all("every figure is that of the recount, every row that of one reading")


def _sets(here: Place, corpus: Path) -> Iterator[tuple[str, Path]]:
    """Yield a name and a folder of users for each set of transcripts."""
    team = here.folder / "team"
    here.must("demo", team)
    yield "demo team", team
    if not corpus.is_dir():
        say(f"  skipped: the real transcripts, because there is no folder {corpus}")
        return
    for folder in sorted(corpus.iterdir()):
        if any(folder.glob("*/**/*.jsonl")):
            yield f"corpus {folder.name}", folder


@dataclass(frozen=True, slots=True)
class _Part:
    """A transcript's growth: `path` below the set's folder, from where it ends up to `end`."""

    path: Path
    end: int


class _Set:
    """Transcripts of some users, what a recount says of them, and one reading of the whole."""

    def __init__(self, here: Place, name: str, sessions: Path, random: Random) -> None:
        self._here, self._name, self._sessions, self._random = here, name, sessions, random
        self._files = {
            path.relative_to(sessions): path.stat().st_size
            for path in sorted(sessions.glob("*/**/*.jsonl"))
            if path.is_file()
        }
        self._whole = here.folder / "whole"
        self._data, self._grown = here.folder / "cut", here.folder / "grown"

    def compare(self, cuts: int, checks: Checks) -> int:
        """Compare the whole and every cut with the recount; return how many of them differ."""
        expected = recount(files_of_everyone(self._sessions))
        self._here.empty(self._whole)
        self._run(self._sessions, self._whole)
        before = checks.failures
        differing = int(not self._agrees(self._whole, expected, "the whole", checks))
        for number in range(1, cuts + 1):
            self._read_in_parts()
            agrees = self._agrees(self._data, expected, f"cut {number}", checks)
            differing += not self._equals_whole(f"cut {number}", checks) or not agrees
        size = sum(self._files.values())
        outcome = "agree" if checks.failures == before else f"{differing} DIFFER"
        say(
            f"  {self._name}: {len(self._files)} transcripts, {size:,} bytes, {cuts} cuts:"
            f" {outcome} ({expected['responses']:,} responses,"
            f" {expected['output_tokens']:,} output tokens)"
        )
        return differing

    def _agrees(self, data: Path, expected: dict[str, int], what: str, checks: Checks) -> bool:
        [totals] = self._here.must("report", "usage", "--json", data=data).json["rows"]
        found = {name: totals.get(name) for name in expected}
        for name, figure in expected.items():
            checks.equal(found[name], figure, f"{self._name}, {what}: {name}")
        return found == expected

    def _equals_whole(self, what: str, checks: Checks) -> bool:
        """Compare the rows of processors, and what is told of each transcript."""
        found = facts.differences(
            self._whole,
            self._data,
            without=(facts.OF_RUNS | facts.CORE) - {"transcripts"},
            besides=facts.OF_FILES,
        )
        for difference in found:
            checks.hold(False, f"{self._name}, {what}, against one reading: {difference}")
        return not found

    def _read_in_parts(self) -> None:
        """Let the transcripts grow, and run after every step."""
        shutil.rmtree(self._grown, ignore_errors=True)
        self._here.empty(self._data)
        for step in self._cut():
            self._random.shuffle(step)
            for part in step:
                self._grow(part)
            if step:
                self._run(self._grown, self._data)

    def _cut(self) -> list[list[_Part]]:
        """Return for each step what grows by then; in the end everything is there."""
        steps: list[list[_Part]] = [[] for _ in range(_STEPS)]
        for path, size in self._files.items():
            chosen = sorted(self._random.sample(range(_STEPS), self._random.randint(1, _STEPS)))
            ends = sorted(self._random.randint(0, size) for _ in chosen[1:])
            for step, end in zip(chosen, [*ends, size], strict=True):
                steps[step].append(_Part(path, end))
        return steps

    def _grow(self, part: _Part) -> None:
        grown = self._grown / part.path
        grown.parent.mkdir(parents=True, exist_ok=True)
        with (self._sessions / part.path).open("rb") as source, grown.open("ab") as file:
            source.seek(file.tell())
            file.write(source.read(part.end - file.tell()))

    def _run(self, sessions: Path, data: Path) -> None:
        self._here.must("run", "--sessions", sessions, "--json", data=data)
