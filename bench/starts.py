"""How soon commands answer: --help, --version, and status over a small store.

The floor is a Python that starts and ends.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from bench.place import PROGRAM, place
from bench.report import Checks, alternate, say

#: Seconds, at most.
WANTED = {"--help": 0.4, "--version": 0.4, "status": 0.6}


def options(parser: argparse.ArgumentParser) -> None:
    """Add what can be given."""
    parser.add_argument("--runs", type=int, default=9, help="of each command")


def bench(arguments: argparse.Namespace) -> bool:
    """Measure, print, and return whether everything came out right."""
    with place() as here:
        here.must("demo", here.folder / "team")
        here.must("run", "--sessions", here.folder / "team")
        checks = Checks()

        def command(name: str) -> Callable[[], float]:
            def run() -> float:
                ended = here.mill(name)
                checks.equal(ended.status, 0, f"{name}: exit status")
                return ended.seconds

            return run

        commands = {name: command(name) for name in WANTED}
        commands["python"] = lambda: here.run(PROGRAM[0], "-c", "pass").seconds
        spreads = alternate(commands, arguments.runs)
        floor = spreads["python"].median
        say(f"  {'python':9} {spreads['python']}")
        for name, seconds in WANTED.items():
            ratio = spreads[name].median / floor
            say(f"  {name:9} {spreads[name]}, at most {seconds} s wanted; ratio {ratio:.0f}")
        return checks.hold_all("each command ends well")
