"""Events: what happened in a session beside turns and calls, one row each.

Most are a line's own, and known by its uuid. What several lines tell is known by what they all
name: a hook's block and a denied permission by the call, or the run of hooks, that they stopped.
"""

from __future__ import annotations

from collections.abc import Iterator

from sessionmill.contracts import Column, Row, Table
from sessionmill.decode.records import Record
from sessionmill.process.usage.places import AT, LINE_OFFSET, PLACE, place

TABLE = Table(
    name="events",
    comment="one event of a session, in one transcript; reports count those with counted",
    key=("event_id",),
    columns=(
        Column(
            "event_id",
            "VARCHAR",
            "keep",
            'the line\'s uuid, else session key and offset, with "/n" behind it for the n-th'
            " further one of a line; of hook_block and permission_denial what was stopped",
        ),
        LINE_OFFSET,
        AT,
        Column(
            "kind",
            "VARCHAR",
            "fill",
            "compaction, api_error, api_retry, interrupt, hook_block, permission_denial, commit,"
            " pull_request or model_fallback",
        ),
        Column("detail", "VARCHAR", "fill", "a code or an identifier, by kind; never words"),
        Column("tokens_before", "BIGINT", "fill", "of a compaction: in the context before it"),
        *PLACE,
    ),
    elect_by=("copy_rank",),
)


def rows(record: Record, transcript_key: str) -> Iterator[Row]:
    """Yield the row of each event that a line tells of."""
    line = record.uuid or f"{transcript_key}:{record.offset}"
    for number, event in enumerate(record.events):
        id = f"{event.kind}:{event.id}" if event.id else f"{line}/{number}" if number else line
        yield (
            id,
            record.offset,
            record.at,
            event.kind,
            event.detail,
            event.tokens_before,
            *place(record),
        )
