"""Slash commands: one row for each, by the uuid of its line, so that copies are counted once."""

from __future__ import annotations

from sessionmill.contracts import Column, Row, Table
from sessionmill.decode.records import Command, Record
from sessionmill.process.usage.places import AT, LINE_OFFSET, PLACE, place
from sessionmill.process.usage.tool_calls import plugin

TABLE = Table(
    name="slash_commands",
    comment="one slash command, in one transcript; reports count those with counted",
    key=("command_id",),
    columns=(
        Column("command_id", "VARCHAR", "keep", "the line's uuid, else session key and offset"),
        LINE_OFFSET,
        AT,
        Column("command", "VARCHAR", "fill", "with its slash"),
        Column("plugin", "VARCHAR", "fill", "before the colon of the command"),
        *PLACE,
    ),
    elect_by=("copy_rank",),
)


def row(command: Command, record: Record) -> Row:
    """Return the command's row."""
    return (
        command.id,
        record.offset,
        record.at,
        command.name,
        plugin(command.name.removeprefix("/")),
        *place(record),
    )
