"""Breaks what counts and decides, bit by bit, and looks whether tests notice.

python -m mutation
python -m mutation src/sessionmill/run/work.py
python -m mutation src/sessionmill/run/work.py --most 50
python -m mutation --survivors

Each mutant lies in a copy of the project, from which its tests and their child processes import.
Exit status 1 means that tests notice less than 85% of the mutants; what survived is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from mutation.modules import MODULES

if TYPE_CHECKING:
    from mutation.mutants import Mutant

FOLDER = Path(".mutants")
WANTED = 85
MISSING = "cosmic-ray is missing; `make soak` installs it from requirements-soak.lock."
_COPIED = ("src", "tests", "bench", "pyproject.toml")
_SURVIVORS = FOLDER / "survivors.json"


class TestsFail(Exception):
    """Tests fail without a mutant, so that they tell nothing."""


def main() -> int:
    """Do what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m mutation", description="Test the tests.")
    parser.add_argument("module", nargs="?", choices=MODULES, metavar="MODULE")
    parser.add_argument("--most", type=int, help="of each module so many mutants, drawn at random")
    parser.add_argument("--survivors", action="store_true", help="only those of the last run")
    given = parser.parse_args()
    try:
        import cosmic_ray  # noqa: F401 - mutants are made by it
    except ImportError:
        print(MISSING)
        return 1
    again = set(json.loads(_SURVIVORS.read_text())) if given.survivors else None
    tree = _copy()
    survivors: list[Mutant] = []
    tried = 0
    try:
        for module in [given.module] if given.module else MODULES:
            chosen = _chosen(module, given.most, again)
            survived = _try(tree, module, chosen) if chosen else []
            survivors += survived
            tried += len(chosen)
            if chosen:
                print(f"{module}: {_share(len(survived), len(chosen))}", flush=True)
    except TestsFail as error:
        print(error)
        return 1
    _SURVIVORS.write_text(json.dumps([mutant.source for mutant in survivors]))
    print("\nsurvived:" if survivors else "\nnone survived", *survivors, sep="\n")
    print(f"\nin all: {_share(len(survivors), tried)}; wanted: {WANTED}%")
    return 0 if (tried - len(survivors)) * 100 >= WANTED * tried else 1


def _share(survived: int, tried: int) -> str:
    killed = tried - survived
    return f"{killed} of {tried} killed, {100 * killed / max(1, tried):.1f}%"


def _copy() -> Path:
    """Return a copy of the project to mutate."""
    tree = (FOLDER / "tree").resolve()
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    for name in _COPIED:
        if Path(name).is_dir():
            shutil.copytree(name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(name, tree)
    return tree


def _chosen(module: str, most: int | None, again: set[str] | None) -> list[Mutant]:
    from mutation.mutants import mutants

    made = list(mutants(module, Path(module).read_text("utf-8")))
    if again is not None:
        made = [mutant for mutant in made if mutant.source in again]
    if most is not None and most < len(made):
        made = Random(0).sample(made, most)  # noqa: S311 - the same ones each time
    return sorted(made, key=lambda mutant: mutant.line)


def _try(tree: Path, module: str, chosen: Iterable[Mutant]) -> list[Mutant]:
    """Run a module's tests on each mutant; return those that no test noticed."""
    path, tests = tree / module, MODULES[module]
    sound = path.read_text("utf-8")
    begun = time.monotonic()
    if not _pass(tree, tests, 1200, write_bytecode=True):
        raise TestsFail(f"{module}: its tests fail without a mutant: {' '.join(tests)}")
    limit = 10 + 4 * (time.monotonic() - begun)
    survived = []
    for cached in path.parent.glob(f"__pycache__/{path.stem}.*"):
        cached.unlink()  # its mark is a time in seconds: two mutants may share one
    try:
        for mutant in chosen:
            path.write_text(mutant.source, "utf-8")
            if _pass(tree, tests, limit):
                survived.append(mutant)
                print(mutant, flush=True)
    finally:
        path.write_text(sound, "utf-8")
    return survived


def _pass(tree: Path, tests: Sequence[str], limit: float, *, write_bytecode: bool = False) -> bool:
    """Tell whether tests pass; what takes too long has failed."""
    kept = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
    only_read = {} if write_bytecode else {"PYTHONDONTWRITEBYTECODE": "1"}
    options = ["-x", "-q", "-m", "not soak", "-p", "no:cacheprovider"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=tree,
        env={**kept, **only_read, "PYTHONPATH": os.pathsep.join([str(tree / "src"), str(tree)])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(limit) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)
            process.wait()


if __name__ == "__main__":
    raise SystemExit(main())
