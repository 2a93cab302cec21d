"""Commands that read: report usage, report work, sql."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from sessionmill.app import now
from sessionmill.cli.common import Db, Json, open_app, program_name
from sessionmill.cli.output import print_record, print_rows
from sessionmill.errors import UsageError
from sessionmill.store.swap import other_versions
from sessionmill.view import prices as pricing
from sessionmill.view import reports
from sessionmill.view import work as work_report
from sessionmill.view.blocks import blocks


def _day(type_: Any, tokens: Any) -> date:
    del type_
    try:
        return datetime.strptime(tokens[0].value, "%Y-%m-%d").date()  # noqa: DTZ007 - a day
    except ValueError:
        raise ValueError(f"{tokens[0].value!r} is no day; one is written like 2026-03-02") from None


#: Blocks are of a moment: which one runs.
By = Literal[reports.By, "block"]
Day = Annotated[date | None, Parameter(converter=_day)]


def usage(
    *,
    by: Annotated[By, Parameter(help="What to sum up by.")] = "total",
    since: Annotated[Day, Parameter(help="The first day, YYYY-MM-DD.")] = None,
    until: Annotated[Day, Parameter(help="The first day that is left out.")] = None,
    user: Annotated[str | None, Parameter(help="Of this user only.")] = None,
    timezone: Annotated[
        str | None, Parameter(help="Of hours, days, weeks and months (default: this machine's).")
    ] = None,
    limit: Annotated[
        int, Parameter(help="Sessions, blocks, commits or pull requests at most: the last ones.")
    ] = 1000,
    json: Json = False,
    db: Db = None,
) -> int:
    """Report invocations and tokens, each counted once."""
    _check(limit)
    with open_app(db) as app:
        chosen: dict[str, Any] = {
            "since": since,
            "until": until,
            "user": user,
            "timezone": timezone or app.facts.local_timezone,
            "limit": limit,
        }
        cursor = app.facts.cursor()
        rows = (
            blocks(cursor, now(), **chosen)
            if by == "block"
            else reports.usage(cursor, by, **chosen)
        )
        counted = app.registry.usable.get("usage")
        others = [] if counted is None else other_versions(cursor, counted)
    if by == "total" and not json:
        print_record(rows.columns, rows.values[0])
        print(f"\n{rows.note}")
    else:
        print_rows(rows, as_json=json)
    if not json:
        for version, transcripts, gone in others:
            _print_version(version, transcripts, gone)
    return 0


def _check(limit: int) -> None:
    if limit < 1:
        raise UsageError("--limit is more than zero")


def _print_version(version: int, transcripts: int, gone: int) -> None:
    """Say what another version than the loaded one has counted."""
    if gone == transcripts:
        print(f"{transcripts:,} transcripts, gone since, were counted by version {version}.")
        return
    since = f" ({gone:,} of them gone since)" if gone else ""
    print(
        f"{transcripts:,} transcripts{since} were counted by version {version}. To see what the "
        f"loaded version changes: {program_name()} reprocess usage --compare"
    )


def prices(
    model: Annotated[str | None, Parameter(name="MODEL", help="A model's name.")] = None,
    /,
    *,
    json: Json = False,
    db: Db = None,
) -> int:
    """Show what responses are priced by, and which are not; or every price of one model."""
    with open_app(db) as app:
        cursor = app.facts.cursor()
        rows = pricing.of_model(cursor, model, now()) if model else pricing.in_use(cursor)
    print_rows(rows, as_json=json)
    return 0


def work(
    *,
    by: Annotated[work_report.By, Parameter(help="What to sum up by.")] = "user",
    since: Annotated[Day, Parameter(help="The first day, YYYY-MM-DD.")] = None,
    until: Annotated[Day, Parameter(help="The first day that is left out.")] = None,
    user: Annotated[str | None, Parameter(help="Of this user only.")] = None,
    timezone: Annotated[str | None, Parameter(help="Of days (default: this machine's).")] = None,
    limit: Annotated[int, Parameter(help="Sessions at most: the last ones.")] = 1000,
    json: Json = False,
    db: Db = None,
) -> int:
    """Report what was done in sessions, and how long it took."""
    _check(limit)
    with open_app(db) as app:
        rows = work_report.work(
            app.facts.cursor(),
            by,
            since=since,
            until=until,
            user=user,
            timezone=timezone or app.facts.local_timezone,
            limit=limit,
        )
    print_rows(rows, as_json=json)
    return 0


def sql(
    query: Annotated[str, Parameter(help="One SELECT or EXPLAIN.")],
    /,
    *,
    limit: Annotated[int, Parameter(help="Rows at most.")] = 1000,
    timeout: Annotated[float, Parameter(help="Seconds at most.")] = 30.0,
    json: Json = False,
    db: Db = None,
) -> int:
    """Ask the facts anything, in SQL; nothing can be changed."""
    with open_app(db) as app:
        rows = app.select(query, limit=limit, timeout=timeout)
    print_rows(rows, as_json=json)
    return 0
