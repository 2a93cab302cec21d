"""The command completion."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from sessionmill.cli.common import Db


def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish"], Parameter(name="SHELL", help="bash, zsh or fish.")
    ],
    /,
    *,
    db: Db = None,
) -> int:
    """Print what lets a shell complete commands and options when the tab key is pressed.

    It touches no facts, so --db means nothing to it.
    """
    del db
    from sessionmill.cli.app import app

    print(app.generate_completion(prog_name="sessionmill", shell=shell))
    return 0
