"""Tool calls: one row for each invocation of a tool, skill, sub-agent or MCP tool.

A call is a row when it is made, and its result fills it in, in whatever order and run they come.
A result whose call has not been seen makes no call: its row has no name and is never counted.

What an edit changes is told twice: by the call, which says what it asks for, and by what the client
keeps beside the result, which says what was changed. Both are kept as they come, and a call that
succeeded has the client's figures before its own; one that failed has changed nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from sessionmill.contracts import Column, Row, Table
from sessionmill.decode.records import Call, Record, Result, Start
from sessionmill.process.usage.places import LINE_OFFSET, NOWHERE, PLACE, place

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
        Column("program", "VARCHAR", "fill", "that a shell command ran first: git, npm, pytest"),
        Column("input_hash", "UBIGINT", "fill", "of the name and the arguments as written"),
        Column("response_id", "VARCHAR", "fill", "of the response that made the call"),
        Column("model", "VARCHAR", "fill", "that made the call"),
        *PLACE,
        Column("is_error", "BOOLEAN", "max", "what the result says; NULL without a result"),
        Column("result_at", "TIMESTAMP", "min", "UTC; of the result"),
        Column("result_bytes", "BIGINT", "max", "of its text in UTF-8, of images in base64"),
        Column(
            "error_kind",
            "VARCHAR",
            "fill",
            "user_rejected, denied, timeout, nonzero_exit, not_found, interrupted, api or other;"
            " NULL unless is_error",
        ),
        Column("started_agent_id", "VARCHAR", "fill", "of the sub-agent run that it started"),
        Column("asked_lines_added", "BIGINT", "fill", "by the arguments of an edit"),
        Column("asked_lines_removed", "BIGINT", "fill", "by the arguments of an edit"),
        Column("asked_file_hash", "UBIGINT", "fill", "of the path that an edit names"),
        Column("patch_lines_added", "BIGINT", "fill", "by what the client says it changed"),
        Column("patch_lines_removed", "BIGINT", "fill", "by what the client says it changed"),
    ),
    derived={
        "duration_seconds": (
            "DOUBLE",
            'CASE WHEN result_at >= "at" THEN (epoch_us(result_at) - epoch_us("at")) / 1e6'
            ' WHEN result_at IS NOT NULL AND "at" IS NOT NULL THEN 0 END',
            "from the call to its result, waiting for the person included",
        ),
        "lines_added": (
            "BIGINT",
            "CASE WHEN NOT is_error THEN coalesce(patch_lines_added, asked_lines_added) END",
            "by an edit that succeeded",
        ),
        "lines_removed": (
            "BIGINT",
            "CASE WHEN NOT is_error THEN coalesce(patch_lines_removed, asked_lines_removed) END",
            "by an edit that succeeded",
        ),
        "file_hash": (
            "UBIGINT",
            "CASE WHEN NOT is_error THEN asked_file_hash END",
            "of the path of an edit that succeeded, to tell files apart",
        ),
    },
    # A copy with its call before one without, then one with its result.
    elect_by=("name IS NULL", "is_error IS NULL", "copy_rank"),
    eligible="name IS NOT NULL",
)


#: What a row has of its call, between its time and its place.
_UNCALLED = (None,) * 10


def rows(record: Record, started: set[Start]) -> Iterator[Row]:
    """Yield the rows of a line's calls and results, and of a run it names that is not `started`."""
    for call in record.calls:
        yield call_row(call, record)
    for result in record.results:
        yield result_row(result, record)
    # Every line of a running sub-agent names the call that started it.
    if record.start is not None and record.start not in started:
        started.add(record.start)
        yield start_row(record.start, record)


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
        call.program,
        call.input_hash,
        answer.id if answer is not None else None,
        answer.model if answer is not None else None,
        *place(record),
        None,
        None,
        None,
        None,
        None,
        call.lines_added,
        call.lines_removed,
        call.file_hash,
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
        result.error_kind,
        result.started_agent_id,
        None,
        None,
        None,
        result.lines_added,
        result.lines_removed,
    )


def start_row(start: Start, record: Record) -> Row:
    """Return what a line of a running sub-agent fills in of the call that started it."""
    return (
        start.call_id,
        record.offset,
        None,
        *_UNCALLED,
        *NOWHERE[:-1],
        record.copy_rank,
        *(None,) * 4,
        start.agent_id,
        *(None,) * 5,
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
