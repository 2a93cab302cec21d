"""What ccusage says of the same transcripts, and why it says otherwise."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sessionmill.audit.bridge import Step, bridge, less, total
from sessionmill.audit.stored import KnownTranscript
from sessionmill.audit.usage_lines import COMPARED, Tokens, usage_lines
from sessionmill.errors import PeerFailed, PeerMissing
from sessionmill.paths import native
from sessionmill.view.reports import Rows

_FIELDS = ("inputTokens", "outputTokens", "cacheReadTokens", "cacheCreationTokens")
_SECONDS = 600
_ABSENT = "transcripts that are gone are not read, and others are read up to now"
_UNEXPLAINED = "(no rule explains it)"


@dataclass(frozen=True, slots=True)
class Against:
    """Both programs' figures, and what explains their differences."""

    version: str
    #: By day, UTC, as YYYY-MM-DD; "" where no time is known.
    ours: Mapping[str, Tokens]
    theirs: Mapping[str, Tokens]
    steps: list[Step]

    def totals(self) -> Rows:
        """Return each class."""
        both = (total(self.ours.values()), total(self.theirs.values()))
        values = [
            (name, our, their, our - their)
            for name, our, their in zip(COMPARED, *both, strict=True)
        ]
        return Rows(["figure", "sessionmill", "ccusage", "difference"], values)

    def days(self) -> Rows:
        """Return each class of each day on which the two differ."""
        nothing = (0, 0, 0, 0)
        values = [
            (day, name, our, their, our - their)
            for day in sorted(self.ours.keys() | self.theirs.keys())
            for name, our, their in zip(
                COMPARED,
                self.ours.get(day, nothing),
                self.theirs.get(day, nothing),
                strict=True,
            )
            if our != their
        ]
        return Rows(["day", "figure", "sessionmill", "ccusage", "difference"], values)

    def rules(self) -> Rows:
        """Return how much of each difference a rule explains; the last row is what none does."""
        explained = [step for step in self.steps if any(step.tokens)]
        rest = less(
            less(total(self.ours.values()), total(self.theirs.values())),
            total(step.tokens for step in self.steps),
        )
        values = [(step.rule, *step.tokens) for step in [*explained, Step(_UNEXPLAINED, rest)]]
        return Rows(["of_ccusage", *COMPARED], values)

    def verdict(self) -> str:
        """Say in a sentence what came of it."""
        _, *rest = self.rules().values[-1]
        if not any(rest):
            return f"Every difference from ccusage {self.version} is explained by its rules."
        return (
            f"Something that ccusage {self.version} counts otherwise is explained by no rule: it"
            " read transcripts that no run has seen, or its rules are not those of version 20."
        )


def against_ccusage(known: Iterable[KnownTranscript], ours: Mapping[str, Tokens]) -> Against:
    """Run ccusage over the roots of known transcripts; `ours` are the tables' figures by day.

    Raises PeerMissing and PeerFailed.
    """
    program = shutil.which("ccusage")
    if program is None:
        raise PeerMissing("ccusage", "npm install --global ccusage")
    transcripts = list(known)
    claude = [one for one in transcripts if one.agent != "codex"]
    with tempfile.TemporaryDirectory() as folder:
        homes = _homes(Path(folder), sorted({one.root for one in claude}))
        version = (_run(program, ["--version"], {}).split() or ["?"])[-1]
        theirs = _daily(program, homes) if homes else {}
    first, steps, _ = bridge(usage_lines(claude))
    absent = Step(_ABSENT, less(total(ours.values()), first))
    return Against(version, ours, theirs, [absent, *steps])


def _daily(program: str, homes: Iterable[str]) -> dict[str, Tokens]:
    """Ask for each day. Without any home it would look for the person's own, so name one."""
    said = _run(
        program,
        ["claude", "daily", "--offline", "--json", "--timezone", "UTC"],
        {"CLAUDE_CONFIG_DIR": ",".join(homes)},
    )
    try:
        return {day["date"]: _tokens(day) for day in json.loads(said)["daily"]}
    except (ValueError, KeyError, TypeError) as error:
        raise PeerFailed(program, f"its JSON is not that of version 20 ({error!r})") from error


def _homes(folder: Path, roots: Iterable[str]) -> list[str]:
    """Make a Claude Code home of each root that is there: it is what ccusage reads."""
    homes = []
    for number, root in enumerate(roots):
        if not Path(native(root)).is_dir():
            continue
        home = folder / str(number)
        home.mkdir()
        (home / "projects").symlink_to(native(root), target_is_directory=True)
        homes.append(str(home))
    return homes


def _run(program: str, arguments: list[str], environment: Mapping[str, str]) -> str:
    try:
        ended = subprocess.run(  # noqa: S603 - the program that the person asked for
            [program, *arguments],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            env={**os.environ, **environment},
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise PeerFailed(
            program, error.stderr.strip() or f"exit status {error.returncode}"
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerFailed(program, str(error)) from error
    return ended.stdout


def _tokens(day: Mapping[str, Any]) -> Tokens:
    fresh, output, read, write = (int(day[name]) for name in _FIELDS)
    return fresh, output, read, write
