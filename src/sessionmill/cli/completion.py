"""The command completion."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter


def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish"], Parameter(name="SHELL", help="bash, zsh or fish.")
    ],
    /,
) -> int:
    """Print what lets a shell complete commands and options when the tab key is pressed."""
    from sessionmill.cli.app import app

    print(app.generate_completion(prog_name="sessionmill", shell=shell))
    return 0
