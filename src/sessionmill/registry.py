"""The processors of one program: those that can run, and why the others can't."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sessionmill.config import Config
from sessionmill.errors import ProcessorUnknown, ProcessorUnusable
from sessionmill.plugins import Processor, Unusable, entry_points, load

#: Tables and views that no extractor may declare.
CORE_NAMES = frozenset(
    {
        "transcripts",
        "session_processor_state",
        "runs",
        "in_flight",
        "version_notes",
        "schema_version",
        "commits",
        "prices",
        "rollups",
        "stale_sessions",
        "vendor_usage",
        "vendor_points",
        "vendor_names",
    }
)


@dataclass
class Registry:
    """Processors by name, the built-ins first."""

    usable: dict[str, Processor] = field(default_factory=dict)
    unusable: list[Unusable] = field(default_factory=list)

    @classmethod
    def of(cls, config: Config, specs: Sequence[str] = ()) -> Registry:
        """Load what is installed, configured, and named on the command line by `specs`."""
        registry = cls()
        for name, spec in entry_points():
            registry._add(config, spec, name)
        for spec in (*config.extra_processors, *specs):
            registry._add(config, spec, "")
        return registry

    @classmethod
    def of_built_ins(cls) -> Registry:
        """Load what comes with the program: whose names no other processor may bear."""
        registry, config = cls(), Config(Path())
        for name, spec in entry_points():
            if spec.startswith("sessionmill."):
                registry._add(config, spec, name)
        return registry

    def named(self, names: Sequence[str]) -> list[Processor]:
        """Return the processors of these names; all that can run, without any.

        Raises ProcessorUnknown, or ProcessorUnusable for one that was asked for and can't run.
        """
        if not names:
            return list(self.usable.values())
        for name in names:
            for unusable in self.unusable:
                if name == unusable.name and name not in self.usable:
                    raise ProcessorUnusable(name, f"{name} can't run: {unusable.reason}")
            if name not in self.usable:
                reasons = {unusable.name: unusable.reason for unusable in self.unusable}
                raise ProcessorUnknown(name, self.usable, reasons)
        return [self.usable[name] for name in dict.fromkeys(names)]

    def refuse(self, name: str, reason: str) -> None:
        """Take a processor out that cannot run after all."""
        del self.usable[name]
        self.unusable.append(Unusable(name, reason))

    def _add(self, config: Config, spec: str, name: str) -> None:
        try:
            processor = load(spec, config.folder, config.processors, name)
            if cadence := config.cadence(processor.name):
                processor = replace(processor, cadence=cadence)
            self.check_names(processor)
        except ProcessorUnusable as error:
            self.unusable.append(Unusable(name or spec, error.reason))
        else:
            self.usable[processor.name] = processor

    def check_names(self, new: Processor) -> None:
        """Raise ProcessorUnusable for one whose names belong to another, or to the framework."""
        if new.name in self.usable:
            if self.usable[new.name].spec == new.spec:
                return
            raise ProcessorUnusable(
                new.spec, f"{new.name} is the name of {self.usable[new.name].spec} already"
            )
        taken = {name: "the framework" for name in CORE_NAMES}
        for other in self.usable.values():
            taken |= dict.fromkeys(map(str.casefold, _names(other)), other.name)
        for name in map(str.casefold, _names(new)):
            if name in taken:
                raise ProcessorUnusable(new.spec, f"the table {name} belongs to {taken[name]}")


def _names(processor: Processor) -> tuple[str, ...]:
    """Return the tables and views that a processor calls its own."""
    return (
        *(t.name for t in processor.tables),
        *processor.views,
        *processor.rollups,
        *processor.own_tables,
    )
