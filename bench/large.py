"""One transcript of 2 GB: the most memory that any process of the run takes.

Measured by the kernel (the largest resident set of a process and its descendants that ended).
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from bench.place import PROGRAM, Place, place
from bench.report import Checks, say
from sessionmill.testing import ClaudeTranscript

WANTED_MB = 400
_RESULT = "src/cart/total.py:41:    return round(sum(line.price for line in lines), 2)\n" * 40
_CALLS_OF_A_PART = 2_000
_OWN_ID = b"toolu_01"


def options(parser: argparse.ArgumentParser) -> None:
    """Add what can be given."""
    parser.add_argument("--bytes", type=int, default=2_000_000_000)


def bench(arguments: argparse.Namespace) -> bool:
    """Measure, print, and return whether everything came out right."""
    with place() as here:
        sessions = here.folder / "sessions"
        calls = _write(sessions / "alice" / "large.jsonl", arguments.bytes)
        size = (sessions / "alice" / "large.jsonl").stat().st_size
        most = _most_memory(here, *PROGRAM, "run", "--sessions", sessions)
        say(f"large: {size:,} bytes, {most:,} MB at most ({WANTED_MB} wanted)")
        checks = Checks()
        [total] = here.must("report", "usage", "--json").json["rows"]
        checks.equal((total["tool_calls"], total["prompts"]), calls, "calls, prompts")
        return checks.hold_all("each line is counted")


def _write(path: Path, size: int) -> tuple[int, int]:
    """Write a part again and again, with ids of its own; return how many calls and prompts."""
    transcript = ClaudeTranscript("large")
    transcript.prompt()
    for _ in range(_CALLS_OF_A_PART):
        transcript.call("Grep", {"pattern": "total"}, result=_RESULT, output_tokens=80)
    part, parts = bytes(transcript), 0
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        while file.tell() < size:
            own = part.replace(b"msg_01", b"msg_%02x" % parts)
            own = own.replace(_OWN_ID, b"toolu_%02x" % parts)
            file.write(own.replace(b'"uuid":"', b'"uuid":"%02x' % parts))
            parts += 1
    os.sync()
    return parts * _CALLS_OF_A_PART, parts


def _most_memory(here: Place, *command: object) -> int:
    """Run a command; return the largest resident set of any of its processes, in MB."""
    measured = (sys.executable, Path(__file__).with_name("most_memory.py"), *command)
    ended = here.run(*measured, SESSIONMILL_HOME=str(here.folder / "data"))
    return int(ended.out.rsplit(maxsplit=1)[-1])
