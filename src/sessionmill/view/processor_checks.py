"""Whether one processor does its work: each function is a check, and its name the check's.

All of them judge as of the moment at which the figures were gathered, so that old figures alarm
nobody: how old they are is a check of the instance's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sessionmill.view.checks import Judgement, Status, late, span
from sessionmill.view.doctor import many
from sessionmill.view.gathered import OfProcessor
from sessionmill.view.surroundings import Pace, Scheduled, Scheduler

#: A run may take so long, whatever the cadence: the first one reads everything there is.
LONG_RUN = timedelta(hours=1)
#: A backlog that is worked off is no error before that.
LONG_BACKLOG = timedelta(days=1)
#: An outage that lasts as long is nothing that waiting ends.
LONG_PAUSE = timedelta(days=1)
BROKEN_IN_A_ROW = 2
UNSEEING_IN_A_ROW = 3
#: People rest at weekends: silence is news after more runs than this, over more time than that.
SILENT_IN_A_ROW, SILENT_FOR = 20, timedelta(days=3)
#: Parts of sessions that fail.
SOME, MOST = 0.1, 0.5
#: Fewer that fail lately say nothing of the others: one that waits to be given up is tried alone.
FEW = 3


@dataclass(frozen=True, slots=True)
class Watched:
    """A processor, and what it is measured by."""

    of: OfProcessor
    at: datetime
    pace: Pace
    scheduler: Scheduler | None

    @property
    def scheduled(self) -> Scheduled:
        """How the scheduler stands with it."""
        if self.scheduler is None:
            return Scheduled()
        return self.scheduler.processors.get(self.of.name, Scheduled())

    def since(self, moment: datetime) -> timedelta:
        """Return the time since then; a scheduler answers for what came after its start."""
        if self.scheduler is not None and self.scheduler.alive:
            # One that lies ahead was noted by a clock that was wrong then, and says nothing.
            started_at = self.scheduler.started_at
            moment = max(moment, started_at) if started_at <= self.at else moment
        return max(timedelta(), self.at - moment)

    @property
    def moves(self) -> bool:
        """Whether it has processed anything of late."""
        last = self.of.last_processed_at
        return last is not None and self.at - last <= self.pace.warn_after


Check = Callable[[Watched], Judgement]


def last_run(watched: Watched) -> Judgement:
    """Whether it is run when it is due, and its runs come to their end."""
    of, pace = watched.of, watched.pace
    running_since = watched.scheduled.running_since
    details: dict[str, Any] = {
        "last_run_at": of.last_run_at,
        "outcome": of.last_outcome,
        "errors": of.last_errors,
    }
    if running_since is not None:
        return _running(watched, running_since)
    if of.last_run_at is None:
        return _never_ran(watched)
    if of.last_run_at > watched.at + timedelta(minutes=1):
        return Judgement("unknown", "Its last run is noted ahead of now.", details=details)
    overdue = late(watched.since(of.last_run_at), pace.warn_after, pace.fail_after)
    if overdue != "ok":
        ago, cadence = span(watched.at - of.last_run_at), span(pace.cadence)
        sentence = f"Its last run began {ago} ago, and one is due every {cadence}."
        to_do = f"See that something runs it; now, by hand: sessionmill run {of.name}"
        return Judgement(overdue, sentence, to_do, details)
    return _ended(watched, watched.at - of.last_run_at, details)


def _ended(watched: Watched, ago: timedelta, details: dict[str, Any]) -> Judgement:
    of = watched.of
    if of.broken_in_a_row >= BROKEN_IN_A_ROW:
        sentence = f"Its last {many(of.broken_in_a_row, 'run')} were broken off."
        return Judgement("warning", sentence, f"See how: sessionmill run {of.name}", details)
    if of.last_outcome == "errors" and not of.failing and not of.dead:
        sentence = (
            f"Its last run met {many(of.last_errors, 'error')} that no session is to blame for."
        )
        return Judgement("warning", sentence, "See which: sessionmill doctor", details)
    return Judgement("ok", f"It ran {span(max(timedelta(), ago))} ago.", details=details)


def _running(watched: Watched, since: datetime) -> Judgement:
    lasted = watched.at - since
    status: Status = "ok"
    if lasted > max(LONG_RUN, watched.pace.fail_after):
        status = "warning" if watched.moves else "error"
    sentence = f"A run has been going on for {span(max(timedelta(), lasted))}."
    to_do = "If it moves no more, restart the service: nothing is lost" if status != "ok" else ""
    return Judgement(status, sentence, to_do, {"running_since": since})


def _never_ran(watched: Watched) -> Judgement:
    scheduler, name = watched.scheduler, watched.of.name
    to_do = f"sessionmill run {name}"
    if scheduler is None or not scheduler.alive:
        return Judgement("unknown", "It has never run.", to_do)
    overdue = late(
        watched.at - scheduler.started_at, watched.pace.warn_after, watched.pace.fail_after
    )
    details = {"next_at": watched.scheduled.next_at}
    if overdue == "ok":
        return Judgement("ok", "It has not run yet; its first run is due.", details=details)
    return Judgement(overdue, "It has never run, though its first run was due.", to_do, details)


def last_success(watched: Watched) -> Judgement:
    """Whether runs still succeed: one does that ends well, or that processes something."""
    of, pace = watched.of, watched.pace
    details = {"last_success_at": of.last_success_at}
    if of.last_run_at is None or of.first_run_at is None:
        return Judgement("ok", "It has not run yet.", details=details)
    if of.is_paused:
        return Judgement("ok", "It is paused.", details=details)
    if of.last_success_at == of.last_run_at:
        return Judgement("ok", "Its last run succeeded.", details=details)
    reference = of.last_success_at or of.first_run_at
    status = late(watched.since(reference), pace.warn_after, pace.fail_after)
    ago = span(max(timedelta(), watched.at - reference))
    if status == "ok":
        return Judgement(
            "ok",
            f"A run should have succeeded within {span(pace.warn_after)}, and {ago} are over.",
            details=details,
        )
    sentence = f"No run has succeeded for {ago}."
    if of.last_success_at is None:
        sentence = f"No run has succeeded since the first, {ago} ago."
    to_do = f"See why: sessionmill status {of.name}"
    return Judgement(status, sentence, to_do, details)


def lag(watched: Watched) -> Judgement:
    """Whether what is new is read soon enough."""
    of, pace = watched.of, watched.pace
    details = {"pending": of.pending, "waiting_since": of.waiting_since}
    if of.is_paused:
        return Judgement("ok", f"It is paused; {_waiting(of.pending)}.", details=details)
    if of.waiting_since is None:
        sentence = "Nothing waits." if not of.pending else f"New to it: {_waiting(of.pending)}."
        return Judgement("ok", sentence, details=details)
    waited = watched.since(of.waiting_since)
    status = late(waited, pace.warn_after, pace.fail_after)
    if status == "ok":
        return Judgement("ok", f"{_waiting(of.pending).capitalize()}.", details=details)
    sentence = f"{_waiting(of.pending).capitalize()}, one of them for {span(waited)}"
    if watched.moves:
        status = "error" if waited > LONG_BACKLOG else "warning"
        to_do = "Nothing, while it becomes less; else give it more time: a shorter cadence"
        return Judgement(status, f"{sentence}; they are being worked off.", to_do, details)
    to_do = f"See why: sessionmill status {of.name}, and sessionmill doctor"
    return Judgement(status, f"{sentence}.", to_do, details)


def _waiting(count: int) -> str:
    return f"{many(count, 'transcript')} {'waits' if count == 1 else 'wait'}"


def failing(watched: Watched) -> Judgement:
    """Whether it fails on a good part of all sessions, or of those that it tried lately."""
    of = watched.of
    failed = of.failing + of.dead
    details = {
        "failing": of.failing,
        "dead": of.dead,
        "tried": of.tried,
        "failing_lately": of.failing_lately,
        "tried_lately": of.tried_lately,
    }
    if not failed:
        return Judgement("ok", "It fails on no session.", details=details)
    share, sentence = failed / of.tried, f"It fails on {failed:,} of {many(of.tried, 'session')}."
    if of.failing_lately >= FEW and of.failing_lately / of.tried_lately > share:
        share = of.failing_lately / of.tried_lately
        tried = many(of.tried_lately, "session")
        sentence = f"It fails on {of.failing_lately:,} of {tried} tried in the last day."
    if share <= SOME:
        return Judgement("ok", sentence, details=details)
    to_do = f"sessionmill status {of.name} shows each error: mend the cause, then retry"
    return Judgement("error" if share > MOST else "warning", sentence, to_do, details)


def dead_letters(watched: Watched) -> Judgement:
    """Whether sessions wait for a person, since it failed on them as often as it may."""
    dead, name = watched.of.dead, watched.of.name
    if not dead:
        return Judgement("ok", "There are none.")
    sentence = f"It has given {many(dead, 'session')} up."
    to_do = f"Mend the cause that sessionmill status {name} shows, then: sessionmill retry {name}"
    return Judgement("warning", sentence, to_do, {"dead": dead})


def paused(watched: Watched) -> Judgement:
    """Whether it has asked to be run later, since what it depends on is away."""
    of = watched.of
    if not of.is_paused:
        return Judgement("ok", "It is not paused.")
    lasted = watched.at - (of.paused_since or watched.at)
    status: Status = "error" if lasted > LONG_PAUSE else "warning"
    details = {"since": of.paused_since, "resume_at": of.resume_at, "reason": of.pause_reason}
    sentence = (
        f"It has been paused for {span(max(timedelta(), lasted))}: what it depends on is away."
    )
    to_do = "It is tried again at most an hour later. If that does not help, mend what is away"
    return Judgement(status, sentence, to_do, details)


def silence(watched: Watched) -> Judgement:
    """Whether nothing new has come for long, where something once came."""
    of = watched.of
    details = {"runs": of.silent_in_a_row, "since": of.silent_since}
    to_do = "If people do work, see whether their transcripts arrive: sessionmill doctor"
    if of.unseeing_in_a_row >= UNSEEING_IN_A_ROW:
        sentence = (
            f"Its last {of.unseeing_in_a_row:,} runs saw no transcript, and earlier ones did."
        )
        return Judgement("warning", sentence, to_do, details)
    lasted = watched.at - (of.silent_since or watched.at)
    if of.silent_in_a_row > SILENT_IN_A_ROW and lasted > SILENT_FOR:
        sentence = f"Its last {of.silent_in_a_row:,} runs, over {span(lasted)}, found nothing new."
        return Judgement("warning", sentence, to_do, details)
    return Judgement("ok", "It finds something to read now and then.", details=details)


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (last_run, last_success, lag, failing, dead_letters, paused, silence)
}
