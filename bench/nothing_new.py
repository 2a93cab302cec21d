"""A run with nothing new over 100,000 transcripts, against a bare walk over the same tree.

The bare walk is `os.scandir` and `stat` of every file, recursively, in a Python of its own.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from bench.place import Place, place
from bench.report import Checks, alternate, ratio, say
from sessionmill.testing import ClaudeTranscript

#: A run may take so many times the bare walk, and these seconds: Python and DuckDB have to start.
WANTED = 2.0
START_SECONDS = 0.4
_USERS, _PROJECTS = 10, 100


def options(parser: argparse.ArgumentParser) -> None:
    """Add what can be given."""
    parser.add_argument("--transcripts", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=7, help="of each command")


def bench(arguments: argparse.Namespace) -> bool:
    """Measure, print, and return whether everything came out right."""
    with place() as here:
        sessions = here.folder / "sessions"
        _write(sessions, arguments.transcripts)
        command = ("run", "--sessions", sessions, "--json")
        checks = Checks()
        first = here.must(*command)
        say(f"  the first run, which reads them all: {first.seconds:.1f} s")
        checks.equal(first.runs["usage"]["processed"], arguments.transcripts, "processed at first")

        def run() -> float:
            ended = here.must(*command)
            for name, figures in ended.runs.items():
                seen = (figures["seen"], figures["scanned"])
                checks.equal(seen, (arguments.transcripts, 0), f"{name}: seen, scanned")
            return ended.seconds

        def walk() -> float:
            return _walk(here, sessions)

        spreads = alternate({"run": run, "walk": walk}, arguments.runs)
        for name, spread in spreads.items():
            say(f"  {name:5} {spread}")
        ratio(
            f"nothing new: run, less {START_SECONDS} s, against a bare walk",
            (spreads["run"].median - START_SECONDS) / spreads["walk"].median,
            WANTED,
        )
        return checks.hold_all("each run sees every transcript, and none needs a look")


def _write(sessions: Path, transcripts: int) -> None:
    """Write transcripts of one prompt each, into the folders of many users and projects."""
    for number in range(transcripts):
        folder = sessions / f"user{number % _USERS}" / f"project{number // _USERS % _PROJECTS}"
        session = f"{number:08x}-0000-4000-8000-000000000000"
        transcript = ClaudeTranscript(session)
        transcript.prompt()
        transcript.write(folder / f"{session}.jsonl")
    os.sync()


def _walk(here: Place, folder: Path) -> float:
    ended = here.run(sys.executable, Path(__file__).with_name("bare_walk.py"), folder)
    return ended.seconds
