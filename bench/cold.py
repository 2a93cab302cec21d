"""A first run over a gigabyte of transcripts, against ccusage over the same files.

Each run of ours begins with no data directory and ends with everything stored, elected and closed.
The floor is the least that our way of reading can take: see floor.py.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from bench import facts, floor
from bench.place import Ended, Place, place
from bench.report import Checks, Spread, alternate, ratio, say
from sessionmill.recount.election import files_of, recount

#: Our time by that of ccusage, at most.
WANTED = 1.0
#: The first report after a run by the one after it: the run has left it nothing to do.
WANTED_OF_REPORT = 1.2
_PACKAGE = "@ccusage/ccusage-linux-x64"


def options(parser: argparse.ArgumentParser) -> None:
    """Add what can be given."""
    parser.add_argument("--bytes", type=int, default=1_000_000_000, help="of transcripts")
    parser.add_argument("--runs", type=int, default=5, help="of each command")
    parser.add_argument(
        "--ccusage",
        type=Path,
        default=None,
        metavar="PATH",
        help="the native binary of ccusage (else $CCUSAGE, else the one on PATH)",
    )


def bench(arguments: argparse.Namespace) -> bool:
    """Measure, print, and return whether everything came out right."""
    theirs = find_ccusage(arguments.ccusage)
    with place() as here:
        home = here.folder / "claude"
        made = here.must("demo", home / "projects", "--bytes", arguments.bytes, "--json").json
        os.sync()  # what waits to be written would be written while we measure
        say(f"  {made['bytes']:,} bytes in {made['transcripts']} transcripts")
        cold = _Cold(here, home, theirs, made["transcripts"])
        commands = {"sessionmill": cold.ours, "floor": cold.floor}
        if theirs is not None:
            commands["ccusage"] = cold.theirs
        spreads = alternate(commands, arguments.runs)
        for name, spread in spreads.items():
            rate = made["bytes"] / 1e6 / spread.median
            say(f"  {name:12} {spread}, {rate:,.0f} MB/s")
        cold.say_reports()
        _compare(spreads)
        return cold.check()


def find_ccusage(given: Path | None) -> Path | None:
    """Return the binary to measure against, or say how to get it."""
    named = str(given or os.environ.get("CCUSAGE") or "ccusage")
    found = shutil.which(named)
    if found is None:
        say(f"  There is no {named}: measuring against the floor alone. To get the native binary:")
        say(f"    npm install {_PACKAGE}")
        say(f"    python -m bench cold --ccusage node_modules/{_PACKAGE}/bin/ccusage")
        return None
    path = Path(found).resolve()
    with path.open("rb") as file:
        if file.read(2) == b"#!":
            say(f"  {path} is a script, whose start is part of the time; the package {_PACKAGE}")
            say("  has the native binary.")
    return path


def _compare(spreads: dict[str, Spread]) -> None:
    ours = spreads["sessionmill"].median
    say(f"  sessionmill against the floor: ratio {ours / spreads['floor'].median:.2f}")
    if "ccusage" in spreads:
        ratio("cold: sessionmill against ccusage", ours / spreads["ccusage"].median, WANTED)
    else:
        say("cold: sessionmill against ccusage: no ratio, for want of ccusage")


class _Cold:
    """The commands of this bench, and what the last ones have left."""

    def __init__(self, here: Place, home: Path, ccusage: Path | None, transcripts: int) -> None:
        self._here, self._home, self._ccusage = here, home, ccusage
        self._transcripts = transcripts
        self._data = here.folder / "data"
        self._checks = Checks()
        #: Of the first report after each run, and of the second.
        self._reports: tuple[list[float], list[float]] = ([], [])
        self._report: Ended | None = None
        self._their_output: int | None = None

    def ours(self) -> float:
        """Run from nothing, then report twice; return the seconds of the run."""
        self._here.empty(self._data)
        ended = self._here.must("run", "--claude", self._home, "--json", data=self._data)
        self._checks.equal(ended.left, [], "processes that outlive the run")
        for name, run in ended.runs.items():
            figures = (run["processed"], run["errors"])
            self._checks.equal(figures, (self._transcripts, 0), f"{name}: processed, errors")
        for times in self._reports:
            self._report = self._here.must("report", "usage", "--json", data=self._data)
            times.append(self._report.seconds)
        return ended.seconds

    def theirs(self) -> float:
        """Let ccusage report by day."""
        ended = self._here.run(
            self._ccusage, *"claude daily --offline --json".split(),
            CLAUDE_CONFIG_DIR=str(self._home),
        )  # fmt: skip
        self._their_output = ended.json["totals"]["outputTokens"]
        return ended.seconds

    def floor(self) -> float:
        """Read and decode, and nothing else."""
        projects = self._home / "projects"
        return self._here.run(sys.executable, floor.__file__, projects).seconds

    def say_reports(self) -> None:
        """Print what the first report after a run took, and the second; the warm-up's are left."""
        first, second = (Spread(times[1:] or times) for times in self._reports)
        say(f"  the first report after a run  {first}")
        say(f"  the second                    {second}")
        ratio(
            "cold: the first report after a run against the second",
            first.median / second.median,
            WANTED_OF_REPORT,
        )

    def check(self) -> bool:
        """Hold that nothing is left to do, and that the figures are right."""
        checks, totals = self._checks, {}
        checks.equal(facts.ask(self._data, "FROM in_flight"), [], "in flight after the run")
        for what, sql in _NOT_ELECTED.items():
            checks.equal(facts.ask(self._data, sql), [(0,)], what)
        if self._report is not None:
            [totals] = self._report.json["rows"]
        for name, figure in recount(files_of(self._home / "projects", "user")).items():
            checks.equal(totals.get(name), figure, f"{name}, by a recount")
        if self._their_output is not None:
            say(
                f"  output tokens: {totals['output_tokens']:,};"
                f" ccusage, by its own rules: {self._their_output:,}"
            )
            checks.hold(self._their_output > 0, "ccusage has read nothing")
        return checks.hold_all(
            "no process outlives the run, nothing is in flight, all is elected, a recount agrees"
        )


#: How many keys of a username have not exactly one counted row.
_NOT_ELECTED = {
    "responses that are not counted once": """
        SELECT count(*) FROM (FROM responses SELECT 1 GROUP BY username, response_id
                              HAVING count(*) FILTER (counted) <> 1)""",
    "calls that are not counted once": """
        SELECT count(*) FROM (FROM tool_calls SELECT 1 GROUP BY username, tool_use_id
                              HAVING count(*) FILTER (counted) <> max((name IS NOT NULL)::INT))""",
    "slash commands that are not counted once": """
        SELECT count(*) FROM (FROM slash_commands SELECT 1 GROUP BY username, command_id
                              HAVING count(*) FILTER (counted) <> 1)""",
}
