"""Fuzzes what reads bytes that others wrote: all targets, or the one that is named.

python -m fuzz --seconds 3600
python -m fuzz decoder --seconds 600
python -m fuzz decoder --input .fuzz/decoder/crash-0a1b

The time is split over the targets. Exit status 1 means that a promise was broken, an input took
too long or memory grew; the input is kept, and the command printed that tries it again.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from statistics import median

from fuzz.targets import TARGETS

FOLDER = Path(".fuzz")
MISSING = (
    "atheris is missing, so nothing is fuzzed. It has wheels for Linux only; `make soak` installs "
    "it from requirements-soak.lock."
)
_LONGEST_INPUT = 8192
_SECONDS_FOR_AN_INPUT = 10
_MEGABYTES = 1024
#: Bytes by which memory may grow once it is warm: the fuzzer keeps what it has found.
_GROWTH = 48 * 1024 * 1024
#: The part of the time, and of the inputs, after which it is warm.
_WARM = 0.25


def main() -> int:
    """Do what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Fuzz sessionmill.")
    parser.add_argument("target", nargs="?", choices=TARGETS, metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=3600, help="in all (default: %(default)s)")
    parser.add_argument("--input", type=Path, help="only check what this file holds")
    given = parser.parse_args()
    if given.input is not None:
        if given.target is None:
            parser.error("--input needs a TARGET")
        TARGETS[given.target].check(given.input.read_bytes())
        print(f"{given.target}: {given.input} breaks no promise")
        return 0
    try:
        import atheris  # noqa: F401 - the child needs it
    except ImportError:
        print(MISSING)
        return 1
    names = [given.target] if given.target else list(TARGETS)
    held = [fuzz(name, max(1, given.seconds // len(names)), FOLDER / name) for name in names]
    return 0 if all(held) else 1


def fuzz(name: str, seconds: int, folder: Path) -> bool:
    """Fuzz one target; tell whether it kept its promises."""
    corpus = _corpus(name, folder)
    memory, log, temporary = folder / "memory", folder / "log", folder / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    kept = set(folder.glob("*-*"))
    arguments = [
        str(corpus),
        f"-artifact_prefix={folder}/",
        f"-max_total_time={seconds}",
        f"-max_len={_LONGEST_INPUT}",
        f"-timeout={_SECONDS_FOR_AN_INPUT}",
        f"-rss_limit_mb={_MEGABYTES}",
        f"-malloc_limit_mb={_MEGABYTES}",
    ]
    if (folder / "tokens").stat().st_size:
        arguments.append(f"-dict={folder / 'tokens'}")
    with log.open("wb") as said:
        # libFuzzer ends an input that takes too long, and itself when the time is over.
        ended = subprocess.run(
            [sys.executable, "-m", "fuzz.child", name, str(memory), *arguments],
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(temporary.resolve())},
            check=False,
        )
    shutil.rmtree(temporary)
    notes = notes_of(memory)
    print(f"{name}: {told(notes)}", flush=True)
    held = ended.returncode == 0 and bool(notes) and not grew(notes)
    if ended.returncode != 0:
        print(_reason(log))
        for input in sorted(set(folder.glob("*-*")) - kept):
            print(f"  kept: {input}\n  again: {sys.executable} -m fuzz {name} --input {input}")
    elif not held:
        print(f"  MEMORY GREW by more than {_GROWTH // 2**20} MB once it was warm; see {memory}")
    return held


@dataclass(frozen=True, slots=True)
class Note:
    """What the fuzzing process had come to at a moment."""

    seconds: float
    inputs: int
    rss: int


def notes_of(memory: Path) -> list[Note]:
    """Return what the process has noted, if it came so far."""
    lines = memory.read_text().splitlines() if memory.exists() else []
    fields = [line.split() for line in lines]
    return [Note(float(s), int(n), int(rss)) for s, n, rss in fields]


def grew(notes: list[Note]) -> bool:
    """Tell whether memory grew after it was warm: then against the end, each by the median."""
    then, end = _warm_and_at_the_end(notes)
    return end > then + _GROWTH


def told(notes: list[Note]) -> str:
    """Return the figures in words."""
    if not notes:
        return "did not begin"
    then, end = _warm_and_at_the_end(notes)
    last = notes[-1]
    return (
        f"{last.inputs:,} inputs in {last.seconds:.0f} s, "
        f"{then / 2**20:.0f} MB when warm and {end / 2**20:.0f} MB at the end"
    )


def _warm_and_at_the_end(notes: list[Note]) -> tuple[float, float]:
    warm = [note.rss for note in notes if note.seconds >= notes[-1].seconds * _WARM]
    few = max(1, len(warm) // 10)
    return median(warm[:few]), median(warm[-few:])


def _corpus(name: str, folder: Path) -> Path:
    """Write the seeds beside what earlier runs found, and the tokens; return the corpus."""
    target, corpus = TARGETS[name], folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (corpus / sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)
    tokens = dict.fromkeys(target.tokens())
    quoted = (token.replace("\\", "\\\\").replace('"', '\\"') for token in tokens)
    (folder / "tokens").write_text("".join(f'"{token}"\n' for token in quoted))
    return corpus


def _reason(log: Path) -> str:
    """Return what the fuzzer said at its end, without its counts."""
    lines = log.read_text(errors="replace").splitlines()[-60:]
    return "\n".join(f"  {line}" for line in lines if not line.startswith(("#", "stat::")))


if __name__ == "__main__":
    raise SystemExit(main())
