"""The live parts of one server, and what may be asked of them: by routes, the scheduler, commands.

Every change leaves an audit row, one that was refused or failed as well. Rows of runs are made
from the facts' own rows, so that none is missing whatever became of the server meanwhile.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from sessionmill.app import App, Reprocessed, now
from sessionmill.collect.discover import walk
from sessionmill.collect.known import find_again
from sessionmill.collect.roots import Root
from sessionmill.errors import (
    AlreadyRunning,
    Busy,
    ControlUnreadable,
    ProcessorUnusable,
    SessionmillError,
    UsageError,
)
from sessionmill.plugins import Processor
from sessionmill.run.tally import Tally
from sessionmill.serve.access import NotAllowed, SignInRefused, may_read_content
from sessionmill.serve.answers import Answers
from sessionmill.serve.overview import Overview
from sessionmill.serve.signing_in import SigningIn
from sessionmill.shadow import Comparison
from sessionmill.store.backup import BackupMade
from sessionmill.store.control import Actor, AuditRow, Control
from sessionmill.store.runs import runs_since
from sessionmill.vendor.records import DayUsage, Point
from sessionmill.view import transcript
from sessionmill.view.changes import By
from sessionmill.view.reports import Rows

log = structlog.get_logger()

SCHEDULER = Actor(id="scheduler", name="scheduler", role="admin")


#: Runs that could not begin, of which it is remembered why.
_REMEMBERED = 100
#: Characters of a question in SQL that its audit row holds.
_QUERY = 1000


@dataclass(slots=True)
class Begun:
    """A run that somebody follows: how it stands, until its row is in the facts."""

    run_id: str
    processor: str
    #: UTC.
    since: datetime
    actor: str
    #: `running`, `ended`; `refused` or `failed` where it could not begin.
    outcome: str = "running"
    reason: str | None = None


class Service:
    """What one server does, whoever asks; safe for threads."""

    def __init__(
        self, app: App, control: Control, roots: Sequence[Root], settings: Rows | None = None
    ) -> None:
        """Take the settings that it goes by, as `sessionmill.view.settings` lists them."""
        self.app, self.control, self.roots = app, control, list(roots)
        self.settings = settings or Rows([], [])
        self.answers = Answers(lambda: app.facts.commit_number)
        self.signing_in = SigningIn(control, now)
        self.overview = Overview(app, self.roots)
        #: The latest runs that go on by themselves, by id.
        self._begun: dict[str, Begun] = {}
        self._lock = threading.Lock()
        #: Runs that began before it have their audit rows, but for those that went on then.
        self._copied: datetime | None = None
        self._copying = threading.Lock()

    # ── runs ──

    def run(
        self,
        names: Sequence[str],
        actor: Actor,
        *,
        budget: float | None = None,
        due_only: bool = False,
    ) -> list[Tally]:
        """Run processors over what the roots hold now; `budget` is in seconds.

        Raises ProcessorUnknown, ProcessorUnusable and AlreadyRunning.
        """
        with self._refusals_audited(names, actor):
            processors = self._named(names)
            return self._run(processors, actor, budget=budget, due_only=due_only)

    def start(self, name: str, actor: Actor) -> str:
        """Begin a run that goes on by itself; return its id. Raises as `run` does."""
        with self._refusals_audited([name], actor):
            [processor] = self._named([name])
            begun = self._begin(processor, actor)
        threading.Thread(
            target=self._run_alone, args=(processor, actor, begun), name=f"run {name}"
        ).start()
        return begun.run_id

    def _begin(self, processor: Processor, actor: Actor) -> Begun:
        begun = Begun(uuid.uuid4().hex, processor.name, now(), actor.id)
        with self._lock:
            self._refuse_begun(processor)
            self._begun[begun.run_id] = begun
            over = [one for one in self._begun.values() if one.outcome != "running"]
            for one in over[:-_REMEMBERED]:
                del self._begun[one.run_id]
        return begun

    def _refuse_begun(self, processor: Processor) -> None:
        for other in self._begun.values():
            if other.processor == processor.name and other.outcome == "running":
                raise AlreadyRunning(processor.name, other.since, other.actor)

    def _run_alone(self, processor: Processor, actor: Actor, begun: Begun) -> None:
        try:
            with self._refusals_audited([processor.name], actor):
                self._run([processor], actor, run_ids={processor.name: begun.run_id})
        except Exception as error:
            log.exception("run failed", processor=processor.name, run_id=begun.run_id)
            begun.reason = _reason(error).get("reason", type(error).__name__)
            begun.outcome = _result(error)
        else:
            begun.outcome = "ended"

    def begun(self, run_id: str) -> Begun | None:
        """Return a run that goes on, or one that could not begin; None for any other."""
        with self._lock:
            if (begun := self._begun.get(run_id)) is not None:
                return None if begun.outcome == "ended" else begun
        for run in self.app.running.under_way().values():
            if run.run_id == run_id:
                return Begun(run_id, run.processor, run.since, run.actor)
        return None

    def _named(self, names: Sequence[str]) -> list[Processor]:
        processors = self.app.registry.named(names)
        for processor in processors:
            self.app.running.refuse(processor.name)
            with self._lock:
                self._refuse_begun(processor)
        return processors

    def _run(
        self,
        processors: list[Processor],
        actor: Actor,
        *,
        budget: float | None = None,
        due_only: bool = False,
        run_ids: dict[str, str] | None = None,
    ) -> list[Tally]:
        began = now()
        try:
            tallies = self.app.run(
                processors,
                walk(self.roots),
                actor=actor.id,
                budget=budget,
                due_only=due_only,
                run_ids=run_ids,
            )
        finally:
            self.copy_runs(began)
            if actor is not SCHEDULER:  # who has asked for a run sees what it has brought
                self.answers.renew()
            self.overview.hurry()
        for tally in tallies:
            _log_run(tally, actor)
        return tallies

    def copy_runs(self, began: datetime | None = None) -> None:
        """Make audit rows of the runs that have none yet, and note the commit they are of.

        What fails is done by the next call.

        Of those that began since the last call, or since `began`: a clock may be set back.
        """
        with self._copying:
            goes_on = [run.since for run in self.app.running.under_way().values()]
            since = min([now(), *goes_on])
            if self._copied is not None and began is not None:
                self._copied = min(self._copied, began)
            try:
                self.control.audit.copy_runs(runs_since(self.app.facts.cursor(), self._copied))
                self.control.note_commit_number(self.app.facts.commit_number)
            except SessionmillError as error:
                log.warning("audit rows of runs are not written yet", reason=str(error))
            else:
                self._copied = since

    @contextmanager
    def _refusals_audited(self, names: Sequence[str], actor: Actor) -> Iterator[None]:
        """Write an audit row for each processor of a run that is refused, or that fails."""
        try:
            yield
        except Exception as error:
            if isinstance(error, AlreadyRunning) and actor == SCHEDULER:
                raise  # it tries again by itself: no call of anybody's was refused
            for name in names or ["all"]:
                self._note_failure(actor, *job(name), _result(error), _reason(error))
            raise

    # ── changes ──

    def retry(
        self, actor: Actor, processor: str | None, session: str | None
    ) -> list[tuple[Any, ...]]:
        """Make failing and dead sessions due now; return (processor, session key) pairs."""
        with self.audited(actor, "retry", _resource(processor, session)) as details:
            rows = self.app.store.beside().make_due(processor, session)
            details["sessions"] = len(rows)
            return rows

    def reprocess(self, actor: Actor, name: str, session: str | None) -> Reprocessed:
        """Let a processor read anew what can be read; of one transcript, or all."""
        with self.audited(actor, "reprocess", _resource(name, session)) as details:
            [processor] = self._named([name])
            key = None if session is None else self.app.store.beside().resolve(session)
            began = now()
            try:
                done = self.app.reprocess(processor, key, actor=actor.id)
            finally:
                self.copy_runs(began)
                self.answers.renew()
            details.update(anew=done.anew, kept=done.kept)
            return done

    def compare(
        self, actor: Actor, name: str, session_key: str | None, *, by: By, swapping: bool
    ) -> Comparison:
        """Compare a processor's loaded version with what is stored; swap its rows in when told."""
        action = "reprocess.swap" if swapping else "reprocess.compare"
        with self.audited(actor, action, _resource(name, session_key)) as details:
            [processor] = self.app.registry.named([name])
            done = self.app.compare(
                processor, session_key, by=by, swapping=swapping, actor=actor.id
            )
            details["transcripts"] = done.transcripts
            self.answers.renew()
            return done

    def take_in_vendor_usage(
        self, actor: Actor, usage: list[DayUsage], points: list[Point], said: dict[str, str]
    ) -> None:
        """Take in what the vendor counted."""
        with self.audited(actor, "vendor_usage.import", "facts") as details:
            details.update(days=len(usage), points=len(points), names=len(said))
            self.app.take_in_vendor_usage(usage, points, said)
            self.answers.renew()

    def backup(self, actor: Actor, target: Path) -> BackupMade:
        """Back the data directory up into a new folder of this machine."""
        with self.audited(actor, "backup", f"folder:{target}") as details:
            made = self.app.backup(target)
            details.update(commit_number=made.commit_number, rows=made.rows, bytes=made.bytes)
            return made

    # ── looks ──

    def select(self, actor: Actor, query: str, *, limit: int, timeout: float) -> Rows:
        """Ask the facts anything, in SQL; ended after `timeout` seconds."""
        with self.audited(actor, "sql", "facts") as details:
            details["query"] = query[:_QUERY]
            rows = self.app.select(query, limit=limit, timeout=timeout, with_errors=False)
            details["rows"] = len(rows.values)
            return rows

    def turns(
        self, actor: Actor, session_key: str, *, after: int, limit: int, characters: int
    ) -> Rows:
        """Return a page of what a transcript says. The look is written down before it is had."""
        known = self.app.transcript(session_key)
        with self.audited(actor, "content.read", f"session:{known.session_key}") as details:
            details["after"] = after
            if not may_read_content(actor, known.username):
                raise NotAllowed(actor, f"read what {known.username} said")
            found, spool = find_again(known), self.app.facts.spool
            return transcript.page(found, spool, after=after, limit=limit, characters=characters)

    # ── the audit trail ──

    @contextmanager
    def audited(self, actor: Actor, action: str, resource: str) -> Iterator[dict[str, Any]]:
        """Write one audit row of what happens within, and how it ended.

        Yields the row's details, to be added to. Raises ControlUnreadable where no row can be
        written: what leaves no trace is not given.
        """
        details: dict[str, Any] = {}
        try:
            yield details
        except Exception as error:
            self._note_failure(actor, action, resource, _result(error), details | _reason(error))
            raise
        self.note(actor, action, resource, "ok", details)

    def note(
        self, actor: Actor, action: str, resource: str, result: str, details: dict[str, Any]
    ) -> None:
        """Write an audit row of something that is over."""
        self.control.audit.write(AuditRow(now(), actor.id, action, resource, result, details))

    def _note_failure(
        self, actor: Actor, action: str, resource: str, result: str, details: dict[str, Any]
    ) -> None:
        """Write an audit row of what was not done; where none can be, the log has it.

        A full disk fails both: who asked is to hear of the first failure.
        """
        try:
            self.note(actor, action, resource, result, details)
        except ControlUnreadable as error:
            row = {"actor": actor.id, "action": action, "resource": resource, "result": result}
            log.error("no audit row could be written", reason=str(error), **row, details=details)

    def close(self) -> None:
        """Work out no report any more, and look at nothing."""
        self.overview.stop()
        self.answers.close()


def _log_run(tally: Tally, actor: Actor) -> None:
    figures = {"processed": tally.processed, "errors": len(tally.errors), "capped": tally.capped}
    write = log.warning if tally.errors or tally.pause_reason else log.info
    if tally.scanned or tally.errors:
        seconds = round(tally.seconds, 3)
        write("run", processor=tally.processor, actor=actor.id, seconds=seconds, **figures)


def job(processor: str) -> tuple[str, str]:
    """Return what the audit trail calls a processor's run: action and resource."""
    return f"run_session_processor:{processor}", f"job:session-processor:{processor}"


def _result(error: Exception) -> str:
    """Tell whether something was refused, or failed."""
    refusals = (UsageError, ProcessorUnusable, Busy, NotAllowed, SignInRefused)
    return "refused" if isinstance(error, refusals) else "failed"


def _resource(processor: str | None, session: str | None) -> str:
    return f"processor:{processor or 'all'}" + (f" session:{session}" if session else "")


def _reason(error: Exception) -> dict[str, Any]:
    """Tell why, without a plugin's words: an unexpected error's message may hold anything."""
    ours = isinstance(error, SessionmillError)
    return {"error": type(error).__name__} | ({"reason": str(error)[:300]} if ours else {})
