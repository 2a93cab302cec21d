"""Whether the program has what it needs: each function is a check, and its name the check's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sessionmill.store.facts import KEPT_FREE
from sessionmill.view.checks import Judgement, late, span, worst
from sessionmill.view.doctor import many
from sessionmill.view.gathered import GROWTH_OVER, Gathered
from sessionmill.view.surroundings import Condition, Scheduler, Surroundings

#: Figures are gathered every few seconds; older than these, something keeps that from happening.
OLD, TOO_OLD = timedelta(minutes=1), timedelta(minutes=10)
#: Bytes with which a disk is not full yet, but soon.
LITTLE = 4 * KEPT_FREE
#: There should be room for so long, as fast as the facts have grown.
AHEAD = timedelta(days=14)
#: A tick may come so late.
LATE_TICK, TOO_LATE_TICK = timedelta(minutes=2), timedelta(minutes=15)
REFUSED_IN_A_ROW = 3
#: A clock may be set by so much.
SET_BY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Instance:
    """What is judged: what the facts tell, unless they could not be asked, and all beside them."""

    gathered: Gathered | None
    around: Surroundings


Check = Callable[[Instance], Judgement]


def figures(of: Instance) -> Judgement:
    """Whether what the facts tell is of now."""
    gathered, around = of.gathered, of.around
    if gathered is None:
        return Judgement("unknown", "The facts have not been asked yet.")
    age = around.now - gathered.at
    status = late(age, OLD, TOO_OLD)
    details = {"gathered_at": gathered.at, "age_seconds": round(age.total_seconds(), 1)}
    if status == "ok":
        return Judgement("ok", "What is said of processors is of now.", details=details)
    sentence = f"What is said of processors is {span(age)} old."
    to_do = "If that lasts, restart the service: nothing is lost"
    return Judgement("unknown" if status == "warning" else "error", sentence, to_do, details)


def facts(of: Instance) -> Judgement:
    """Whether the facts can be read and written, and none of their commits is missing."""
    gathered, around = of.gathered, of.around
    if around.facts.problem is not None:
        to_do = "What the details say; a backup can be put back: sessionmill restore"
        details = {"problem": around.facts.problem}
        return Judgement("error", "The facts cannot be read or written.", to_do, details)
    if gathered is None:
        return Judgement("unknown", "The facts have not been asked yet.")
    numbers: dict[str, Any] = {
        "commit_number": gathered.commit_number,
        "noted_commit": gathered.noted_commit,
    }
    if gathered.noted_commit is not None and gathered.commit_number < gathered.noted_commit:
        missing = many(gathered.noted_commit - gathered.commit_number, "commit")
        to_do = "Restart the service: it sets the facts aside and makes them anew"
        return Judgement("error", f"The facts lack {missing} that were made.", to_do, numbers)
    if around.facts_notice is not None:
        to_do = (
            "Let everything be read anew: sessionmill run. Facts of deleted transcripts: "
            "put a backup back, or ask what was set aside"
        )
        details = {**numbers, "notice": around.facts_notice}
        sentence = "The facts were damaged when they were opened, and were set aside."
        return Judgement("warning", sentence, to_do, details)
    return Judgement("ok", "The facts are open, and no commit is missing.", details=numbers)


def control(of: Instance) -> Judgement:
    """Whether the control store can be reached."""
    if of.around.control is None and not of.around.serving:
        return Judgement("ok", "No server runs that would need a control store.")
    to_do = "See the details; the facts and reports are not touched by it"
    return _condition(of.around.control, "The control store", "cannot be reached", "answers", to_do)


def workers(of: Instance) -> Judgement:
    """Whether worker processes can be started."""
    to_do = "See the details: memory, limits of processes, an installation that was changed"
    return _condition(of.around.workers, "Workers", "cannot be started", "can be started", to_do)


def _condition(
    condition: Condition | None, what: str, is_bad: str, is_good: str, to_do: str
) -> Judgement:
    if condition is None:
        return Judgement("unknown", f"{what}: not looked at.")
    if condition.problem is not None:
        return Judgement("error", f"{what} {is_bad}.", to_do, {"problem": condition.problem})
    return Judgement("ok", f"{what} {is_good}.")


def disk(of: Instance) -> Judgement:
    """Whether the disk of the data directory has room, now and as the facts grow."""
    gathered, around = of.gathered, of.around
    free, taken = around.free_bytes, around.facts_bytes
    if free is None:
        return Judgement("unknown", "How much room the disk has is not known.")
    growth = _bytes_a_day(gathered, taken or 0)
    details = {"free_bytes": free, "facts_bytes": taken, "growth_bytes_per_day": round(growth)}
    to_do = "Make room in the data directory, or move it to a larger disk"
    if free < KEPT_FREE:
        sentence = f"{free >> 20:,} MB are free, and nothing is written below {KEPT_FREE >> 20} MB."
        return Judgement("error", sentence, f"{to_do}; nothing is lost meanwhile", details)
    if free < LITTLE:
        return Judgement("warning", f"Only {free >> 20:,} MB are free.", to_do, details)
    days = (free - KEPT_FREE) / growth if growth else float("inf")
    if days < AHEAD.days:
        sentence = f"{free >> 20:,} MB are free, enough for {many(int(days), 'day')} as facts grow."
        return Judgement("warning", sentence, to_do, details)
    return Judgement("ok", f"{free >> 20:,} MB are free.", details=details)


def _bytes_a_day(gathered: Gathered | None, taken: int) -> float:
    """Return how fast the facts grow: by as much as transcripts came in, of late."""
    if gathered is None or gathered.first_seen_at is None or not gathered.transcript_bytes:
        return 0.0
    # In its first days everything is new, and nothing of that says how it goes on.
    if gathered.at - gathered.first_seen_at < 2 * GROWTH_OVER:
        return 0.0
    return taken * gathered.new_transcript_bytes / gathered.transcript_bytes / GROWTH_OVER.days


def scheduler(of: Instance) -> Judgement:
    """Whether processors are started when they are due."""
    running = of.around.scheduler
    if running is None:
        sentence = (
            "This server schedules nothing: processors run when somebody runs them."
            if of.around.serving
            else "No server runs: processors run when somebody, or another program, runs them."
        )
        return Judgement("unknown", sentence)
    if not running.alive:
        to_do = "Restart the service: nothing is lost"
        return Judgement("error", "The scheduler does not run any more.", to_do)
    return _started(running, of.around.now)


def _started(running: Scheduler, now: datetime) -> Judgement:
    known = sorted(running.processors.items())
    behind = {
        name: now - one.next_at
        for name, one in known
        if one.next_at is not None and one.running_since is None
    }
    ticks = [name for name, lateness in behind.items() if lateness > LATE_TICK]
    refused = [name for name, one in known if one.refused >= REFUSED_IN_A_ROW]
    wrong = {name: one.last_error for name, one in known if one.last_error is not None}
    worst_tick = max(behind.values(), default=timedelta())
    parts = [
        *([f"Late by up to {span(worst_tick)}: {', '.join(ticks)}."] if ticks else []),
        *([f"Still running whenever due: {', '.join(refused)}."] if refused else []),
        *([f"Could not be started: {', '.join(wrong)}."] if wrong else []),
    ]
    if not parts:
        return Judgement("ok", "Processors are started when they are due.")
    status = worst([late(worst_tick, LATE_TICK, TOO_LATE_TICK), "warning"])
    to_do = "See whether the machine is overloaded; one that runs too long needs a longer cadence"
    details = {"late": ticks, "refused": refused, "errors": wrong}
    return Judgement(status, " ".join(parts), to_do, details)


def clock(of: Instance) -> Judgement:
    """Whether this machine's clock goes on as time does."""
    gathered, around = of.gathered, of.around
    jump = around.clock_jump or timedelta()
    details = {"jump_seconds": round(jump.total_seconds(), 1)}
    to_do = "Nothing, if it is right now: what was noted ahead of now holds nothing up"
    if abs(jump) > SET_BY:
        where = "ahead" if jump > timedelta() else "back"
        return Judgement(
            "warning", f"The clock was set {where} by {span(abs(jump))}.", to_do, details
        )
    runs = [] if gathered is None else [p.last_run_at for p in gathered.processors if p.last_run_at]
    ahead = max(runs, default=around.now) - around.now
    if ahead > SET_BY:
        sentence = f"The last run is noted {span(ahead)} ahead of now."
        return Judgement("warning", sentence, to_do, {"last_run_at": max(runs)})
    return Judgement("ok", "The clock goes on as time does.", details=details)


def roots(of: Instance) -> Judgement:
    """Whether the folders that transcripts come from are there."""
    gathered, around = of.gathered, of.around
    if around.roots is None:
        return Judgement("unknown", "The roots of transcripts: not looked at.")
    to_do = "Mount it again, mend its rights, or leave it out; nothing in it is marked as gone"
    if not around.roots:
        return Judgement(
            "warning", "There is no root that transcripts could come from.", "Name one"
        )
    held = {} if gathered is None else gathered.held_by_roots
    # One that never held anything may wait for its first transcript.
    wrong = {
        path: how
        for path, how in around.roots.items()
        if how in ("missing", "unreadable") or (how == "empty" and held.get(path))
    }
    details = {path: {"is": how, "held": held.get(path, 0)} for path, how in around.roots.items()}
    if not wrong:
        return Judgement("ok", "All roots are there.", details=details)
    lost = sum(held.get(path, 0) for path in wrong)
    how = " or ".join(sorted(set(wrong.values())))
    sentence = f"{len(wrong):,} of {many(len(around.roots), 'root')}: {how}"
    if lost or "unreadable" in wrong.values():
        return Judgement("error", f"{sentence}; {_held(lost)}.", to_do, details)
    return Judgement("warning", f"{sentence}.", to_do, details)


def _held(count: int) -> str:
    return f"{many(count, 'transcript')} of them {'is' if count == 1 else 'are'} known"


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (figures, facts, control, disk, scheduler, workers, clock, roots)
}
