"""Where a fact happened: the columns that most usage tables share."""

from __future__ import annotations

from sessionmill.contracts import Column

LINE_OFFSET = Column(
    "line_offset", "BIGINT", "min", "byte at which its first line starts in the transcript"
)
AT = Column("at", "TIMESTAMP", "min", "UTC; the earliest of its lines")
PLACE = (
    Column("client_version", "VARCHAR", "fill", "of the agent's program"),
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
