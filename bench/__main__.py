"""Runs the benches: all of them, or the one that is named.

python -m bench
python -m bench cold --bytes 100000000

Each prints its figures, and a line with its ratio. Times are never judged: exit status 1 means
that something came out wrong.
"""

from __future__ import annotations

import argparse

from bench import (
    append,
    cold,
    estimate,
    isolation,
    kills,
    large,
    nothing_new,
    reports,
    service,
    starts,
    totals,
)
from bench.place import CommandFailed
from bench.report import machine, say

BENCHES = {
    "cold": cold,
    "append": append,
    "nothing_new": nothing_new,
    "large": large,
    "starts": starts,
    "reports": reports,
    "service": service,
    "isolation": isolation,
    "totals": totals,
    "estimate": estimate,
    "kills": kills,
}


def main() -> int:
    """Run what the command line names; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure sessionmill.")
    names = parser.add_subparsers(dest="name", metavar="BENCH", help="only this one")
    for name, module in BENCHES.items():
        about = (module.__doc__ or "").partition("\n")[0]
        module.options(names.add_parser(name, help=about, description=about))
    given = parser.parse_args()
    chosen = [given] if given.name else [parser.parse_args([name]) for name in BENCHES]
    say(machine())
    wrong = []
    for arguments in chosen:
        module = BENCHES[arguments.name]
        say(f"\n{arguments.name}: {(module.__doc__ or '').partition(chr(10))[0]}")
        try:
            right = module.bench(arguments)
        except CommandFailed as error:
            say(f"  WRONG: {error}")
            right = False
        if not right:
            wrong.append(arguments.name)
    if wrong:
        say(f"\nWrong: {', '.join(wrong)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
