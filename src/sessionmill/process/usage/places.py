"""Where a fact happened: the columns that most usage tables share."""

from __future__ import annotations

from typing import Any

from sessionmill.contracts import Column
from sessionmill.decode.records import Record
from sessionmill.decode.text import last_part

LINE_OFFSET = Column(
    "line_offset", "BIGINT", "min", "byte at which its first line starts in the transcript"
)
AT = Column("at", "TIMESTAMP", "min", "UTC; the earliest of its lines")
PLACE = (
    Column("client_version", "VARCHAR", "fill", "of the agent's program"),
    Column(
        "entrypoint",
        "VARCHAR",
        "fill",
        "how it was started: cli, claude-desktop, sdk-py, codex-tui",
    ),
    Column("cwd", "VARCHAR", "fill", "the agent's working directory"),
    Column("project", "VARCHAR", "fill", "the last part of cwd"),
    Column("agent_id", "VARCHAR", "fill", "of the sub-agent run, where one did it"),
    Column(
        "copy_rank",
        "UTINYINT",
        "min",
        "0 agent file, 1 main line, 2 sidechain line in a main file, 3 quoted by a progress line",
    ),
)
#: Of a row that completes another one, and says nothing of its place.
NOWHERE = (None,) * len(PLACE)


def place(record: Record) -> tuple[Any, ...]:
    """Return the values of PLACE."""
    cwd = record.cwd
    return (
        record.client_version,
        record.entrypoint,
        cwd,
        last_part(cwd),
        record.agent_id,
        record.copy_rank,
    )
