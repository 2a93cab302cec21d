"""The commands backup and restore."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from sessionmill import config
from sessionmill.app import now
from sessionmill.cli.common import Db, Json, db_option, open_app
from sessionmill.cli.output import print_json, print_line, warn
from sessionmill.store.backup import BackupMade
from sessionmill.store.restore import Restored
from sessionmill.store.restore import restore as put_back


def backup(
    target: Annotated[
        Path, Parameter(name="TARGET", help="A folder that does not exist, or is empty.")
    ],
    /,
    *,
    json: Json = False,
    db: Db = None,
) -> int:
    """Back up the facts, the control store and the settings into a new folder."""
    with open_app(db) as app:
        made = app.backup(target)
    if json:
        print_json(msgspec.structs.asdict(made))
    else:
        _print_made(made)
    return 0


def _print_made(made: BackupMade) -> None:
    print_line(f"{made.rows:,} rows of {made.tables} tables, {made.bytes:,} bytes: {made.folder}")
    beside = {"control store": made.control, "config.toml": made.config}
    print_line("Beside the facts: " + (", ".join(n for n in beside if beside[n]) or "nothing"))
    print_line(f"To put it back: sessionmill restore {shlex.quote(made.folder)} --db DIR")


def restore(
    backup: Annotated[Path, Parameter(name="BACKUP", help="A folder that `backup` has made.")],
    /,
    *,
    json: Json = False,
    db: Db = None,
) -> int:
    """Put a backup back into a data directory that holds no facts."""
    folder = config.load(db).folder
    command = shlex.join(["sessionmill", *sys.argv[1:]])
    restored = put_back(backup, folder, command, now=now())
    for view in restored.broken_views:
        warn(f"The view {view} was broken when the backup was made, and is left out.")
    if json:
        print_json(msgspec.structs.asdict(restored))
    else:
        _print_restored(restored, folder)
    return 0


def _print_restored(restored: Restored, folder: Path) -> None:
    as_of = f"{restored.made_at:%Y-%m-%d %H:%M:%S} UTC"
    print_line(f"{restored.rows:,} rows of {restored.tables} tables, as of {as_of}")
    if restored.backup_schema_version < restored.schema_version:
        print_line(
            f"Brought from schema {restored.backup_schema_version} to {restored.schema_version}"
        )
    if restored.config == "kept":
        print_line("config.toml is the one that was there; the backup has another.")
    print_line(f"What has come since is read by: sessionmill run{db_option(folder)}")
