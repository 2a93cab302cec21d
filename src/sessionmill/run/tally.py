"""The figures of one run of one processor, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)


@dataclass
class Tally:
    """Counts while a run goes on; `report` is what commands and the API show of it."""

    processor: str
    #: Transcripts found.
    seen: int = 0
    #: Those that needed a look: new, changed, due for another try, of an older version.
    scanned: int = 0
    processed: int = 0
    #: Those whose content proved unchanged.
    skipped: int = 0
    items_extracted: int = 0
    #: (session key, what went wrong), in the order met; of the run itself: (root, …).
    errors: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0
    #: The run ended before its end: by an error of the program's, or by the person.
    broken: bool = False
    #: Set when the processor asked to be run later.
    pause_reason: str | None = None
    pause_after: float | None = None
    #: Sessions whose processor returned something other than a ProcessorResult.
    warnings: list[tuple[str, str]] = field(default_factory=list)
    _failed: int = 0

    def fail(self, session_key: str, error: str) -> None:
        """Count a session that failed."""
        self._failed += 1
        self.errors.append((session_key, error))

    @property
    def failed(self) -> int:
        """How many sessions failed: errors of the run itself are none."""
        return self._failed

    @property
    def capped(self) -> int:
        """Transcripts left for another run: the time was over, or the processor paused."""
        return max(0, self.scanned - self.processed - self.skipped - self._failed)

    @property
    def outcome(self) -> str:
        """How the run ended, in a word."""
        if self.broken:
            return "broken off"
        if self.pause_reason is not None:
            return "paused"
        if self.errors:
            return "errors"
        return "capped" if self.capped else "ok"

    def resume_at(self, now: datetime, earlier_pause: timedelta | None) -> datetime | None:
        """Return when a paused processor is probed again: each time four times later."""
        if self.pause_reason is None:
            return None
        wait = FIRST_PAUSE if earlier_pause is None else min(earlier_pause * 4, LONGEST_PAUSE)
        if self.pause_after is not None:
            wait = max(wait, min(timedelta(seconds=self.pause_after), LONGEST_PAUSE))
        return now + wait

    def report(self) -> dict[str, Any]:
        """Return the run as JSON shows it."""
        return {
            "processor": self.processor,
            "seen": self.seen,
            "scanned": self.scanned,
            "processed": self.processed,
            "skipped": self.skipped,
            "capped": self.capped,
            "errors": len(self.errors),
            "items_extracted": self.items_extracted,
            "errors_detail": [{"session": s, "error": e} for s, e in self.errors],
            "seconds": round(self.seconds, 3),
        }
