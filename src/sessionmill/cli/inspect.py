"""Commands that look: sessions, show, status, doctor."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from itertools import groupby
from operator import itemgetter
from typing import Annotated

from cyclopts import Parameter

from sessionmill.app import App, now
from sessionmill.cli.common import Db, Dirs, Json, Specs, db_option, find, open_app, program_name
from sessionmill.cli.output import print_json, print_record, print_rows, print_table, printable
from sessionmill.cli.reports import Day
from sessionmill.errors import ProcessorUnknown
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
    limit: Annotated[int, Parameter(help="Rows of one page.")] = 50,
    characters: Annotated[int, Parameter(help="Of each text, at most.")] = 200,
    json: Json = False,
    db: Db = None,
) -> int:
    """Show what happened in a session, from its transcript: turns, calls, tokens, errors."""
    with open_app(db) as app:
        known = app.transcript(session)
    rows = transcript.page(
        known.path,
        known.session_key,
        known.agent,
        after=after,
        limit=limit,
        characters=characters,
    )
    if json:
        print_json(rows.document())
        return 0
    if after < 0:
        print_record(list(known._fields), list(known))
        print()
    if rows.values:
        print_table(rows.columns, rows.values, cut=True)
    else:
        print("Nothing more is said.")
    if rows.truncated:
        go_on = f"show {shlex.quote(known.session_key)} --after {rows.values[-1][0]}"
        print(f"There is more: {program_name()} {go_on}{db_option(app.config.folder)}")
    return 0


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
        stands, troubled = _stands(app, name), standing.troubled(app.facts.cursor(), name)
        disk = standing.disk(app.config.folder)
    if json:
        documents = {"sessions": troubled.document(), "disk": asdict(disk)}
        print_json(stands.document() | documents)
        return 0
    print_table(stands.columns, stands.values)
    if troubled.values:
        print("\nSessions that it failed on:")
        print_rows(troubled, as_json=False)
        print("\nMend the cause, then: sessionmill retry && sessionmill run")
    print(f"\nThe facts in {disk.folder} take {disk.facts_bytes:,} bytes; ", end="")
    print(f"{disk.free_bytes:,} bytes are free.")
    return 0


def _stands(app: App, name: str | None) -> Rows:
    """Return how processors stand; those that can't run as well, with the reason."""
    usable = [p for p in app.registry.usable.values() if name in (None, p.name)]
    unusable = [u for u in app.registry.unusable if name in (None, u.name)]
    if name is not None and not usable and not unusable:
        raise ProcessorUnknown(name, list(app.registry.usable))
    rows = standing.with_lag(
        app.store.standing(usable), standing.lags(app.facts.cursor(), usable, now())
    )
    rows.values.extend([(u.name, *[None] * 7, u.reason, None) for u in unusable])
    return rows


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
        roots, walk = find(sessions, claude, codex, user)
        rows = examination.examine(app.facts.cursor(), roots, walk, app.registry.unusable, now())
    if json:
        print_json(rows.document())
        return 0
    for check, findings in groupby(rows.values, key=itemgetter(0)):
        print(check.replace("_", " "))
        for _, subject, count, detail, to_do in findings:
            number = "" if count is None else f"{count:,} "
            print(printable(f"  {subject}: {number}{detail}"))
            if to_do:
                print(f"      {to_do}")
    return 0
