"""The command explain."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sessionmill.cli.common import Db, Json, db_option, open_app, program_name
from sessionmill.cli.output import print_json, print_line, print_table, shown, warn
from sessionmill.errors import UsageError
from sessionmill.view import explain as tracing
from sessionmill.view.contributions import Contribution, Sum
from sessionmill.view.explain import Explanation, Traced


def explain(
    *,
    session: Annotated[
        str | None, Parameter(help="Session key, session id, or the start of one.")
    ] = None,
    response: Annotated[
        str | None, Parameter(help="The id of one response, or of one call, in all transcripts.")
    ] = None,
    limit: Annotated[int, Parameter(help="Rows at most; sums are over all.")] = 1000,
    json: Json = False,
    db: Db = None,
) -> int:
    """Trace figures to lines: what each adds to the report, by which rule, and what it does not."""
    if (session is None) == (response is None):
        raise UsageError(
            "What is to be explained? One of --session KEY and --response ID is expected."
        )
    with open_app(db) as app:
        cursor, spool = app.facts.cursor(), app.facts.spool
        if session is not None:
            of = app.transcript(session)
            told = tracing.explain_session(cursor, of, spool, limit=limit)
        else:
            told = tracing.explain_id(cursor, response or "", spool, limit=limit)
        folder = app.config.folder
    if json:
        print_json(told.document())
    else:
        _print(told)
    return _say_what_to_do(told, folder)


# ── for people ──


def _print(told: Explanation) -> None:
    figures = [row.figure for row in told.sums]
    for key, rows in groupby(told.rows, key=lambda row: row.session_key):
        print_line(key)
        _print_lines(list(rows), figures)
        print()
    if told.truncated:
        print_line(f"… there are more than these {len(told.rows)} rows; the sums are over all.")
        print()
    if not told.sums:
        print_line("(nothing is counted)")
    else:
        print_table(Sum._fields, told.sums)
    if told.agrees:
        print()
        print_line("The lines add up to what the tables say.")


def _print_lines(rows: Sequence[Contribution], names: Sequence[str]) -> None:
    """Print what lines add, a figure a column; and in words what they state in vain."""
    figures = [name for name in names if any(name in row.counted for row in rows)]
    columns = ["line_offset", "line_type", "what", "id", "rule", *figures, "discarded"]
    values = [
        [
            row.line_offset,
            row.line_type,
            row.what,
            row.id,
            row.rule,
            *(row.counted.get(name) for name in figures),
            ", ".join(_discarded(row)) or None,
        ]
        for row in rows
    ]
    print_table(columns, values)


def _discarded(row: Contribution) -> Iterator[str]:
    if row.elected is not None:
        yield f"see {row.elected} ({row.decided_by})"
    for name, value in row.discarded.items():
        yield f"{name} {shown(value)}"


# ── what is to be done ──


def _say_what_to_do(told: Explanation, folder: Path) -> int:
    """Say on stderr what stands in the way; return the exit status."""
    run = f"{program_name()} run{db_option(folder)}"
    for one in told.transcripts:
        if (sentence := _sentence(one, run)) is not None:
            warn(sentence)
    if not told.agrees:
        warn(
            f"What the lines add up to is not what the tables say: {_differing(told, run, folder)}"
        )
    failed = any(one.state in ("replaced", "unreadable") for one in told.transcripts)
    return 1 if failed or not told.agrees else 0


def _sentence(one: Traced, run: str) -> str | None:
    key = one.session_key
    sentences = {
        "gone": f"{key} is gone: its lines can't be read again, and the tables' rows are listed.",
        "unreadable": f"{key} can't be read: the tables' rows are listed. To see why: "
        f"{run.replace(' run', ' doctor', 1)}",
        "replaced": f"{key} was replaced since it was read: the tables' rows are listed. To read "
        f"it anew: {run}",
        "grown": f"{key} has grown by {one.new_bytes:,} bytes since it was read: what they state "
        f"is not in the tables yet. To take it in: {run}",
        "unread": f"{key} has not been read yet. To read it: {run}",
    }
    if one.state == "read" and one.other_version:
        return f"{key} was read by other rules than these. To read it anew: {run}"
    return sentences.get(one.state)


def _differing(told: Explanation, run: str, folder: Path) -> str:
    keys = told.differing
    some = ", ".join(keys[:3]) + (", …" if len(keys) > 3 else "")
    if not told.is_whole:
        return f"{some}. They were not taken in as they are now. To do that: {run}"
    again = f"{program_name()} reprocess usage --session {shlex.quote(keys[0])}{db_option(folder)}"
    return (
        f"{some}. No transcript has changed, so the tables are not to be trusted. To make them "
        f"anew: {again}"
    )
