"""The command that compares with what the vendor counted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sessionmill.app import now
from sessionmill.cli.common import Db, Json, open_app
from sessionmill.cli.output import print_rows, warn
from sessionmill.cli.reports import Day
from sessionmill.errors import UsageError
from sessionmill.paths import written
from sessionmill.vendor import files, otlp
from sessionmill.view import reconciliation


def reconcile(
    *file: Annotated[Path, Parameter(name="FILE", help="What the vendor counted; imported.")],
    as_: Annotated[
        list[str] | None,
        Parameter(
            name="--as",
            negative="",
            help="Who somebody is whom the vendor names: VENDOR_NAME=USERNAME; kept.",
        ),
    ] = None,
    since: Annotated[Day, Parameter(help="The first day, YYYY-MM-DD, in UTC.")] = None,
    until: Annotated[Day, Parameter(help="The first day that is left out.")] = None,
    user: Annotated[str | None, Parameter(help="Of this user only.")] = None,
    json: Json = False,
    db: Db = None,
) -> int:
    """Compare with what the vendor counted, by person and UTC day."""
    said = dict(map(_said, as_ or ()))
    readings = [_read(path) for path in file]
    usage = [row for reading in readings for row in reading.usage]
    points = [point for reading in readings for point in reading.points]
    with open_app(db) as app:
        reconciliation.check_usernames(app.facts.cursor(), said)
        app.take_in_vendor_usage(usage, points, said)
        rows = reconciliation.compare(
            app.facts.cursor(), now(), since=since, until=until, user=user
        )
    _warn(readings)
    print_rows(rows, as_json=json)
    return 0


def _said(text: str) -> tuple[str, str]:
    name, equals, username = text.rpartition("=")
    if not (equals and name and username):
        raise UsageError(
            f"--as {text}: expected is VENDOR_NAME=USERNAME, as --as a.liddell@example.com=alice"
        )
    return name, username


def _read(path: Path) -> files.Reading:
    """Read one file; it cannot tell of what happened after it was written."""
    try:
        as_of = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{written(str(path))} cannot be read: {error.strerror or error}. Nothing was imported."
        ) from error
    return files.read(content, written(str(path)), as_of)


def _warn(readings: list[files.Reading]) -> None:
    for day in files.unfinished_days(readings):
        warn(
            f"Of {day} the last page is not among these files, so theirs is too little. Name it,"
            " too: pages of one day may come in several files, in any order, and more than once"
        )
    known = {*otlp.TOKEN_CLASSES, otlp.COST}
    unknown = {p.token_class for reading in readings for p in reading.points} - known
    for name in sorted(unknown):
        warn(f"Tokens of type {name!r} are kept and not compared: this version knows no such type")
