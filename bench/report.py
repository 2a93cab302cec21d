"""What benches print: the machine, times with their spread, ratios, and what came out wrong."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import duckdb


def say(text: str) -> None:
    """Print a line at once: benches are long, and somebody waits."""
    print(text, flush=True)


def machine() -> str:
    """Return when and on what this was measured; the load tells of other people's work."""
    load = f"load {os.getloadavg()[0]:.1f}, " if hasattr(os, "getloadavg") else ""
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, "
        f"{platform.system()} {platform.machine()}, {load}"
        f"Python {platform.python_version()}, DuckDB {duckdb.__version__}; one machine, one run"
    )


@dataclass(frozen=True, slots=True)
class Spread:
    """The wall times of one command, in seconds."""

    times: Sequence[float]

    @property
    def median(self) -> float:
        """Return the middle one."""
        return statistics.median(self.times)

    def __str__(self) -> str:
        many = "1 run" if len(self.times) == 1 else f"{len(self.times)} runs"
        ends = f"min {min(self.times):.2f}, max {max(self.times):.2f}"
        return f"median {self.median:.2f} s ({ends}, {many})"


def alternate(commands: Mapping[str, Callable[[], float]], runs: int) -> dict[str, Spread]:
    """Run each command once to warm up, then all in turn, so often; what came before each varies.

    A command returns the seconds that it took.
    """
    for command in commands.values():
        command()
    times: dict[str, list[float]] = {name: [] for name in commands}
    order = list(commands)
    for _ in range(runs):
        for name in order:
            times[name].append(commands[name]())
        order.append(order.pop(0))
    return {name: Spread(own) for name, own in times.items()}


def ratio(what: str, value: float, wanted: float) -> None:
    """Print a ratio beside what is wanted of it; nothing is judged."""
    say(f"{what}: ratio {value:.2f} (at most {wanted:g} wanted)")


@dataclass
class Checks:
    """What has to hold, whatever the time it takes."""

    #: How often something did not hold.
    failures: int = 0
    _said: set[str] = field(default_factory=set)

    def hold(self, holds: bool, what: str) -> None:
        """Count that something does not hold, and print it unless it was printed before."""
        if holds:
            return
        self.failures += 1
        if what not in self._said:
            self._said.add(what)
            say(f"  WRONG: {what}")

    def equal(self, found: object, expected: object, what: str) -> None:
        """Hold that two values are the same."""
        self.hold(found == expected, f"{what}: {found!r} where {expected!r} was expected")

    def hold_all(self, what: str) -> bool:
        """Say so if everything held; return whether."""
        if not self.failures:
            say(f"  ok: {what}")
        return not self.failures
