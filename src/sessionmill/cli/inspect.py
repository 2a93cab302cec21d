"""Commands that look: sessions, show, status, doctor."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from sessionmill.app import App, now
from sessionmill.cli.common import Db, Dirs, Json, Specs, db_option, find, open_app, program_name
from sessionmill.cli.output import print_json, print_line, print_record, print_rows, shown
from sessionmill.cli.reports import Day
from sessionmill.collect.known import find_again
from sessionmill.config import os_user
from sessionmill.errors import LookNotNoted, ProcessorUnknown, StoreError
from sessionmill.remote import RemoteApp
from sessionmill.view import doctor as examination
from sessionmill.view import sessions as listing
from sessionmill.view import status as standing
from sessionmill.view import transcript
from sessionmill.view.reports import Rows


def sessions(
    *,
    user: Annotated[str | None, Parameter(help="Of this user only.")] = None,
    since: Annotated[Day, Parameter(help="In which something happened since: YYYY-MM-DD.")] = None,
    limit: Annotated[int, Parameter(help="Sessions at most.")] = 50,
    timezone: Annotated[str | None, Parameter(help="Of the day (default: this machine's).")] = None,
    json: Json = False,
    db: Db = None,
) -> int:
    """List sessions, the latest first, with what they came to."""
    with open_app(db) as app:
        rows = listing.sessions(
            app.facts.cursor(),
            user=user,
            since=since,
            limit=limit,
            timezone=timezone or app.facts.local_timezone,
        )
    print_rows(rows, as_json=json)
    return 0


def show(
    session: Annotated[
        str, Parameter(name="SESSION", help="Session key, session id, or the start of one.")
    ],
    /,
    *,
    after: Annotated[int, Parameter(help="Go on behind the line at this byte.")] = -1,
    limit: Annotated[int, Parameter(help="Rows of one page, but for those of its last line.")] = 50,
    characters: Annotated[int, Parameter(help="Of each text, at most.")] = 200,
    json: Json = False,
    db: Db = None,
) -> int:
    """Show what happened in a session, from its transcript: turns, calls, tokens, errors."""
    with open_app(db) as app:
        known = app.transcript(session)
        spool = app.facts.spool
        folder = app.config.folder
    found = find_again(known)
    _write_down_look(folder, known.session_key, after)
    rows = transcript.page(found, spool, after=after, limit=limit, characters=characters)
    if json:
        print_json(rows.document())
        return 0
    if after < 0:
        print_record(known._fields, known)
        print()
    for row in rows.document()["rows"]:
        _print_said(row)
    if not rows.values:
        print("Nothing more is said.")
    if rows.truncated:
        go_on = f"show {shlex.quote(known.session_key)} --after {rows.values[-1][0]}"
        print_line(f"There is more: {program_name()} {go_on}{db_option(folder)}")
    return 0


def _write_down_look(folder: Path, session_key: str, after: int) -> None:
    """Write an audit row of a look at what was said. Raises LookNotNoted: then there is none."""
    from sessionmill.store.control import AuditRow, Control  # no other command here pays for it

    row = AuditRow(
        at=now(),
        actor=f"cli:{os_user()}",
        action="content.read",
        resource=f"session:{session_key}",
        result="ok",
        details={"after": after},
    )
    try:
        with Control(folder, now) as control:
            control.audit.write(row)
    except StoreError as error:
        raise LookNotNoted(error) from error


def _print_said(row: dict[str, Any]) -> None:
    """Print a row of a page as two lines: what it is, and what is said, as far as it fits."""
    figures = [
        f"{row[name]:,} {words}"
        for name, words in (
            ("input_tokens", "tokens read"),
            ("output_tokens", "written"),
            ("result_bytes", "bytes"),
        )
        if row[name] is not None
    ]
    failed = ["failed"] if row["is_error"] else []
    what = " ".join(filter(None, (row["what"], row["name"])))
    told = ", ".join([*figures, *failed])
    head = f"{row['line_offset']:>11,}  {shown(row['at'])}  {what}{': ' if told else ''}{told}"
    print_line(head, cut=True)
    if row["text"]:
        print_line(row["text"], indent=13, cut=True)


def status(
    name: Annotated[str | None, Parameter(help="Of this processor only.")] = None,
    /,
    *,
    processor: Specs = None,
    json: Json = False,
    db: Db = None,
) -> int:
    """Tell what waits for each processor, what it failed on and why, and how far it is behind.

    `lag_seconds`: how long ago the longest waiting transcript was written to.
    """
    with open_app(db, processor) as app:
        troubled = standing.troubled(app.facts.cursor(), name)
        stands = _stands(app, name, known=bool(troubled.values))
        disk = standing.disk(app.config.folder)
    if json:
        documents = {"sessions": troubled.document(), "disk": asdict(disk)}
        print_json(stands.document() | documents)
        return 0
    print_rows(stands, as_json=False)
    if troubled.values:
        print("\nSessions that failed:")
        print_rows(troubled, as_json=False)
        print("\nMend the cause, then: sessionmill retry && sessionmill run")
    print()
    print_line(f"The facts take {disk.facts_bytes:,} bytes in {disk.folder}")
    print(f"Free there: {disk.free_bytes:,} bytes")
    return 0


def _stands(app: App | RemoteApp, name: str | None, *, known: bool) -> Rows:
    """Return how processors stand; those that can't run as well, with the reason.

    Raises ProcessorUnknown for one that is not loaded, unless it is `known` to have failed.
    """
    usable = [p for p in app.registry.usable.values() if name in (None, p.name)]
    unusable = [u for u in app.registry.unusable if name in (None, u.name)]
    if name is not None and not usable and not unusable and not known:
        raise ProcessorUnknown(name, app.registry.usable, {})
    lags = standing.lags(app.facts.cursor(), usable, now())
    return standing.with_lag(standing.listed(app.store.standing(usable), unusable), lags)


def doctor(
    *,
    sessions: Annotated[Dirs, Parameter(help="A folder per user: DIR/<user>/**/*.jsonl.")] = None,
    claude: Annotated[Dirs, Parameter(help="One person's Claude Code home.")] = None,
    codex: Annotated[Dirs, Parameter(help="One person's Codex home.")] = None,
    user: Annotated[str | None, Parameter(help="Whose homes these are (default: yours).")] = None,
    json: Json = False,
    db: Db = None,
) -> int:
    """Examine: what is found where, what was passed over, what was not understood, what to do.

    It looks at the roots as `run` would, and at the facts of what was read so far.
    """
    with open_app(db) as app:
        roots, walk = find(app, sessions, claude, codex, user)
        rows = examination.examine(
            app.facts.cursor(), app.config.folder, roots, walk, app.registry.unusable, now()
        )
    if json:
        print_json(rows.document())
        return 0
    for check, findings in groupby(rows.values, key=itemgetter(0)):
        print_line(check.replace("_", " "))
        for to_do, alike in groupby(findings, key=itemgetter(4)):
            for _, subject, _, detail, _ in alike:
                print_line(f"{subject}: {detail}", indent=2)
            if to_do:
                print_line(to_do, indent=6)
    return 0
