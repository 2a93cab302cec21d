"""The command demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sessionmill.cli.common import Db, Json
from sessionmill.cli.output import print_json
from sessionmill.demo.team import generate
from sessionmill.errors import UsageError


def demo(
    folder: Annotated[Path, Parameter(name="DIR", help="An empty or new folder.")],
    /,
    *,
    users: Annotated[int, Parameter(help="People in the team.")] = 4,
    days: Annotated[int, Parameter(help="Days they worked, up to 15 March 2026.")] = 14,
    seed: Annotated[int, Parameter(help="The same seed makes the same bytes.")] = 1,
    bytes: Annotated[int, Parameter(help="Go on until there are so many, further back.")] = 0,
    json: Json = False,
    db: Db = None,
) -> int:
    """Generate the transcripts of a team that never was, to try things on.

    It touches no facts: --db only completes the command it names.
    """
    try:
        made = generate(folder, users=users, days=days, seed=seed, size_bytes=bytes)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if json:
        print_json({"transcripts": made.transcripts, "bytes": made.bytes, "users": made.users})
    else:
        print(f"{made.transcripts} transcripts of {made.users} users, {made.bytes:,} bytes")
        print(f"To read them: sessionmill run --sessions {folder}{f' --db {db}' if db else ''}")
    return 0
