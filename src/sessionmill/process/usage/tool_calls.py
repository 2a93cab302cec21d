"""Tool calls: one row for each invocation of a tool, skill, sub-agent or MCP tool.

A call is a row when it is made, and its result fills it in, in whatever order and run they come.
A result whose call has not been seen makes no call: its row has no name and is never counted.
"""

from __future__ import annotations

from sessionmill.contracts import Column, Row, Table
from sessionmill.decode.records import Call, Record, Result
from sessionmill.process.usage.places import LINE_OFFSET, PLACE, place

TABLE = Table(
    name="tool_calls",
    comment="one invocation of a tool, in one transcript; reports count those with counted",
    key=("tool_use_id",),
    columns=(
        Column("tool_use_id", "VARCHAR", "keep", "as the API names it"),
        LINE_OFFSET,
        Column("at", "TIMESTAMP", "min", "UTC; of the call"),
        Column("name", "VARCHAR", "fill", "of the tool; NULL where only the result was seen"),
        Column("kind", "VARCHAR", "fill", "tool, skill, subagent or mcp"),
        Column("skill", "VARCHAR", "fill", "as called, with its plugin"),
        Column("subagent_type", "VARCHAR", "fill", "as called, with its plugin"),
        Column("mcp_server", "VARCHAR", "fill", "of mcp__server__tool"),
        Column("plugin", "VARCHAR", "fill", "before the colon of a skill or sub-agent type"),
        Column("response_id", "VARCHAR", "fill", "of the response that made the call"),
        Column("model", "VARCHAR", "fill", "that made the call"),
        *PLACE,
        Column("is_error", "BOOLEAN", "max", "what the result says; NULL without a result"),
        Column("result_at", "TIMESTAMP", "min", "UTC; of the result"),
        Column("result_bytes", "BIGINT", "max", "of its text in UTF-8, of images in base64"),
    ),
    derived={
        "duration_seconds": (
            "DOUBLE",
            'CASE WHEN result_at >= "at" THEN (epoch_us(result_at) - epoch_us("at")) / 1e6'
            ' WHEN result_at IS NOT NULL AND "at" IS NOT NULL THEN 0 END',
            "from the call to its result, waiting for the person included",
        ),
    },
    # A copy with its call before one without, then one with its result.
    elect_by=("name IS NULL", "is_error IS NULL", "copy_rank"),
    eligible="name IS NOT NULL",
)


_UNCALLED = (None,) * 8


def call_row(call: Call, record: Record) -> Row:
    """Return the row of a call, without its result."""
    kind, skill, subagent_type, mcp_server, prefix = _classify(call)
    answer = record.responses[-1] if record.responses else None
    return (
        call.id,
        record.offset,
        record.at,
        call.name,
        kind,
        skill,
        subagent_type,
        mcp_server,
        prefix,
        answer.id if answer is not None else None,
        answer.model if answer is not None else None,
        *place(record),
        None,
        None,
        None,
    )


def result_row(result: Result, record: Record) -> Row:
    """Return what a result fills in."""
    return (
        result.call_id,
        record.offset,
        None,
        *_UNCALLED,
        *place(record),
        result.is_error,
        record.at,
        result.bytes,
    )


def _classify(call: Call) -> tuple[str, str | None, str | None, str | None, str | None]:
    """Return kind, skill, subagent_type, mcp_server and plugin."""
    name = call.name
    if name == "Skill":
        return "skill", call.skill, None, None, plugin(call.skill)
    if name in ("Task", "Agent"):
        return "subagent", None, call.subagent_type, None, plugin(call.subagent_type)
    if name.startswith("mcp__"):
        return "mcp", None, None, name[5:].partition("__")[0] or None, None
    return "tool", None, None, None, None


def plugin(qualified: str | None) -> str | None:
    """Return what stands before the first colon of "plugin:name", or None without one."""
    before, colon, _ = (qualified or "").partition(":")
    return before if colon and before else None
