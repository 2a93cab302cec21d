"""Commands that process: start, run, retry, processors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sessionmill.app import App
from sessionmill.cli.common import Db, Dirs, Json, Specs, db_option, find, open_app, program_name
from sessionmill.cli.compare import compared
from sessionmill.cli.output import print_json, print_record, print_rows, print_table, warn
from sessionmill.collect.roots import Root
from sessionmill.errors import UsageError
from sessionmill.remote import RemoteApp
from sessionmill.run.tally import Tally
from sessionmill.view import reports
from sessionmill.view.changes import By
from sessionmill.view.reports import Rows
from sessionmill.view.status import listed


def run(
    *names: Annotated[str, Parameter(help="Processors to run; all, without any.")],
    sessions: Annotated[Dirs, Parameter(help="A folder per user: DIR/<user>/**/*.jsonl.")] = None,
    claude: Annotated[Dirs, Parameter(help="One person's Claude Code home.")] = None,
    codex: Annotated[Dirs, Parameter(help="One person's Codex home.")] = None,
    user: Annotated[str | None, Parameter(help="Whose homes these are (default: yours).")] = None,
    processor: Specs = None,
    due: Annotated[
        bool, Parameter(negative="", help="Only processors whose cadence is over.")
    ] = False,
    budget: Annotated[float | None, Parameter(help="Seconds after which nothing is begun.")] = None,
    json: Json = False,
    db: Db = None,
) -> int:
    """Run processors over what is new since they last ran.

    Without --sessions, --claude or --codex: $SESSION_DATA_DIR, or else the agents' homes on this
    machine. Exit status 1 if any session failed.
    """
    with open_app(db, processor, sparing=True) as app:
        chosen = app.registry.named(names)
        _, walk = find(app, sessions, claude, codex, user)
        tallies = app.run(chosen, walk, budget=budget, due_only=due)
    if json:
        print_json({"runs": [tally.report() for tally in tallies]})
    else:
        _print_runs(tallies)
    _warn(app, names, tallies)
    asked_for = set(processor or ())
    missing = not names and any(unusable.name in asked_for for unusable in app.registry.unusable)
    return 1 if missing or any(tally.errors for tally in tallies) else 0


def start(*, db: Db = None) -> int:
    """Read this machine's transcripts and print what they say; a demonstration without any."""
    with open_app(db, sparing=True) as app:
        print(f"Data directory: {app.config.folder}")
        roots, walk = find(app, None, None, None, None)
        if walk.found:
            print(f"Found {len(walk.found):,} transcripts below:")
            for root in dict.fromkeys(found.root for found in walk.found):
                print(f"  {root}")
            tallies = app.run(app.registry.named(()), walk)
            _show(app)
            _warn(app, (), tallies)
            return 1 if any(tally.errors for tally in tallies) else 0
        _say_where(roots)
    return _demonstrate(app.config.folder)


def _say_where(roots: Sequence[Root]) -> None:
    print("No transcripts of coding agents were found. Looked in:")
    for root in roots:
        where = "no such folder" if not root.folder.is_dir() else "nothing in it"
        print(f"  {root.folder} ({where})")


def _demonstrate(folder: Path) -> int:
    """Generate a small team, and read its transcripts in a data directory of its own."""
    from sessionmill.demo.team import generate

    home, team = folder / "demo", folder / "demo" / "sessions"
    print(f"\nSo here is a small generated team instead, in {team}; none of its figures are yours.")
    if not team.exists():
        generate(team)
    with open_app(home) as app:
        _, walk = find(app, [team], None, None, None)
        tallies = app.run(app.registry.named(()), walk)
        _show(app)
    return 1 if any(tally.errors for tally in tallies) else 0


def _show(app: App | RemoteApp) -> None:
    cursor, timezone = app.facts.cursor(), app.facts.local_timezone
    print("\nUsage in all")
    total = reports.usage(cursor, "total")
    print_record(total.columns, total.values[0])
    print(f"\nUsage by day ({timezone}), the last two weeks in which there was any")
    days = reports.usage(cursor, "day", timezone=timezone)
    shown = [0, 1, 2, 4, 5, 8, 9, 14, 16]
    print_table(
        [days.columns[i] for i in shown], [[row[i] for i in shown] for row in days.values[-14:]]
    )
    print(f"\n{total.note}")
    option = db_option(app.config.folder)
    print("\nWhat to do next:")
    for what in ("report usage --by model", "report usage --by skill", "processors"):
        print(f"  {program_name()} {what}{option}")
    print(f"  {program_name()} sql 'SELECT * FROM session_usage'{option}")


def retry(
    name: Annotated[str | None, Parameter(help="Of this processor only.")] = None,
    /,
    *,
    session: Annotated[
        str | None, Parameter(help="Session key, session id, or the start of one.")
    ] = None,
    json: Json = False,
    db: Db = None,
) -> int:
    """Make failing and dead sessions due at once; the next run tries them again.

    A dead letter is a session that a processor has failed on as often as it may. Mend the cause
    first. Works too for a processor that is not loaded now.
    """
    with open_app(db) as app:
        rows = app.store.make_due(name, session)
    print_rows(Rows(["processor", "session"], rows), as_json=json)
    return 0


def reprocess(
    name: Annotated[str, Parameter(help="The processor.")],
    /,
    *,
    session: Annotated[
        str | None, Parameter(help="Session key, session id, or the start of one.")
    ] = None,
    compare: Annotated[
        bool, Parameter(negative="", help="Show what the loaded version changes; change nothing.")
    ] = False,
    by: Annotated[By, Parameter(help="With --compare: what to show changes by.")] = "day",
    swap: Annotated[
        bool, Parameter(negative="", help="With --compare: let the changes be, all at once.")
    ] = False,
    processor: Specs = None,
    json: Json = False,
    db: Db = None,
) -> int:
    """Let a processor read everything again that can still be read, from its start, now.

    Dead letters too. What is gone keeps the facts that were read of it. With --compare it is read
    beside the facts, which stay as they are until --swap.
    """
    if compare:
        return compared(name, session, by=by, swapping=swap, specs=processor, json=json, db=db)
    if swap:
        raise UsageError(
            f"--swap goes with --compare: sessionmill reprocess {name} --compare --swap"
        )
    with open_app(db, processor, sparing=True) as app:
        [chosen] = app.registry.named([name])
        key = None if session is None else app.store.resolve(session)
        done = app.reprocess(chosen, key)
    if json:
        runs = [tally.report() for tally in done.tallies]
        print_json({"processor": name, "anew": done.anew, "kept": done.kept, "runs": runs})
    else:
        print(f"To be read from their start: {done.anew:,}")
        print(f"Gone, so that their facts are kept: {done.kept:,}")
        _print_runs(done.tallies)
    _warn(app, [name], done.tallies)
    return 1 if any(tally.errors for tally in done.tallies) else 0


def processors(*, processor: Specs = None, json: Json = False, db: Db = None) -> int:
    """List the processors: how each stands, or why it can't run."""
    with open_app(db, processor) as app:
        rows = app.store.standing(list(app.registry.usable.values()))
    print_rows(listed(rows, app.registry.unusable), as_json=json)
    return 0


def _print_runs(tallies: Sequence[Tally]) -> None:
    columns = ["processor", "seen", "scanned", "processed", "skipped", "capped", "errors"]
    columns += ["items_extracted", "seconds"]
    reports_ = [tally.report() for tally in tallies]
    if reports_:
        print_table(columns, [[report[name] for name in columns] for report in reports_])
    else:
        print("No processor is due.")


def _warn(app: App | RemoteApp, names: Sequence[str], tallies: Sequence[Tally]) -> None:
    """Say on stderr what went wrong, and the way out."""
    if not names:
        for unusable in app.registry.unusable:
            warn(f"the processor {unusable.name} can't run: {unusable.reason}")
    for tally in tallies:
        for session, warning in tally.warnings:
            warn(f"{tally.processor}: {session}: {warning}; counted as zero items")
        for session, error in tally.errors[:20]:
            warn(f"{tally.processor}: {session}: {error}")
        if len(tally.errors) > 20:
            warn(f"{tally.processor}: … and {len(tally.errors) - 20} more (all of them: --json)")
        if tally.pause_reason is not None:
            warn(f"{tally.processor} pauses: {tally.pause_reason}; {tally.capped} are left")
    if any(tally.failed for tally in tallies):
        warn("Failed sessions are tried again later; at once with: sessionmill retry")
