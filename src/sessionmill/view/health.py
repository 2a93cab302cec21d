"""Whether all goes well, check by check: pure, over figures of the facts and what is handed in.

    gathered = gather(app.facts.cursor(), processors, now())
    judged = health(gathered, Surroundings(now=now(), …))

What a check may say to everyone is its status and its sentence; what to do, figures, paths and
what plugins said are for those who may see details.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sessionmill.view import instance_checks, processor_checks
from sessionmill.view.checks import Judgement, Status, worst
from sessionmill.view.gathered import Gathered, OfProcessor, gather
from sessionmill.view.processor_checks import Watched
from sessionmill.view.surroundings import (
    Condition,
    Pace,
    RootCondition,
    Scheduled,
    Scheduler,
    Surroundings,
)

__all__ = [
    "Condition",
    "Gathered",
    "Health",
    "Judgement",
    "OfProcessor",
    "Pace",
    "RootCondition",
    "Scheduled",
    "Scheduler",
    "Status",
    "Surroundings",
    "gather",
    "health",
]

#: The one check of a processor that can't be built.
BUILT = "built"


@dataclass(frozen=True, slots=True)
class Health:
    """What all checks found, by name; those of a processor are named `<processor>.<check>`."""

    at: datetime
    checks: Mapping[str, Judgement]

    @property
    def status(self) -> Status:
        """The worst of all."""
        return worst(found.status for found in self.checks.values())

    def short(self, version: str) -> dict[str, Any]:
        """Return what everyone may see as JSON; `version` is the program's."""
        return {
            "status": self.status,
            "version": version,
            "checks": {name: _short(found) for name, found in self.checks.items()},
        }

    def detailed(self, version: str) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "status": self.status,
            "version": version,
            "at": _plain(self.at),
            "checks": {name: _detailed(found) for name, found in self.checks.items()},
        }


def health(gathered: Gathered | None, around: Surroundings) -> Health:
    """Judge; `gathered` is None where the facts could not be asked."""
    instance = instance_checks.Instance(gathered, around)
    checks = {name: check(instance) for name, check in instance_checks.CHECKS.items()}
    if gathered is not None:
        for of in gathered.processors:
            watched = Watched(of, gathered.at, _pace(of, around), around.scheduler)
            for name, processor_check in processor_checks.CHECKS.items():
                checks[f"{of.name}.{name}"] = processor_check(watched)
    for unusable in around.unusable:
        to_do = "Mend or remove it: sessionmill processors"
        details = {"reason": unusable.reason}
        found = Judgement("error", "This processor can't run.", to_do, details)
        checks[f"{unusable.name}.{BUILT}"] = found
    return Health(around.now, checks)


def _pace(of: OfProcessor, around: Surroundings) -> Pace:
    return around.paces.get(of.name) or Pace(of.cadence, of.cadence)


def _short(found: Judgement) -> dict[str, Any]:
    if found.status == "ok":
        return {"status": found.status}
    return {"status": found.status, "sentence": found.sentence}


def _detailed(found: Judgement) -> dict[str, Any]:
    return {
        "status": found.status,
        "sentence": found.sentence,
        "to_do": found.to_do,
        "details": _plain(found.details),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return value
