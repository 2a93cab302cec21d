"""Responses: one row for each answer of a model API, whatever number of lines carries it.

A line repeats the response's figures or raises them as it streams in, so of each token class the
largest value counts; `stop_reason` proves nothing. Resumed and forked sessions, agent files and
progress lines repeat responses: of the copies within a username the one with the most output is
counted.
"""

from __future__ import annotations

from sessionmill.contracts import Column, Row, Table
from sessionmill.decode.records import Record, Response
from sessionmill.decode.text import last_part
from sessionmill.process.usage.places import AT, LINE_OFFSET, PLACE

TABLE = Table(
    name="responses",
    comment="one answer of a model API, in one transcript; reports count those with counted",
    key=("response_id",),
    columns=(
        Column(
            "response_id",
            "VARCHAR",
            "keep",
            'the message id; of the n-th earlier iteration of a fallback with "/n" behind it',
        ),
        LINE_OFFSET,
        AT,
        Column("model", "VARCHAR", "fill", "as the API names it"),
        *PLACE,
        Column("input_tokens", "BIGINT", "max", "neither read from nor written to a cache"),
        Column("output_tokens", "BIGINT", "max", "thinking included"),
        Column("cache_read_tokens", "BIGINT", "max", "read from a cache"),
        Column("cache_write_5m_tokens", "BIGINT", "max", "written to a cache for 5 minutes"),
        Column("cache_write_1h_tokens", "BIGINT", "max", "written to a cache for an hour"),
        Column("web_search_requests", "BIGINT", "max", "searches by the API's own tool"),
        Column("web_fetch_requests", "BIGINT", "max", "fetches by the API's own tool"),
        Column("service_tier", "VARCHAR", "fill", "standard, priority, batch"),
        Column("speed", "VARCHAR", "fill", "standard or fast"),
        Column("inference_geo", "VARCHAR", "fill", "where it was answered"),
    ),
    elect_by=("output_tokens DESC", "copy_rank"),
)


def row(response: Response, record: Record) -> Row:
    """Return what one line tells of a response."""
    return (
        response.id,
        record.offset,
        record.at,
        response.model,
        record.client_version,
        record.cwd,
        last_part(record.cwd),
        record.agent_id,
        record.copy_rank,
        response.input_tokens,
        response.output_tokens,
        response.cache_read_tokens,
        response.cache_write_5m_tokens,
        response.cache_write_1h_tokens,
        response.web_search_requests,
        response.web_fetch_requests,
        response.service_tier,
        response.speed,
        response.inference_geo,
    )


def repeats(record: Record, earlier: Record) -> bool:
    """Tell whether a line adds nothing to what an earlier one has told of its response."""
    return (
        record.responses == earlier.responses
        and record.copy_rank >= earlier.copy_rank
        and (record.at is None or (earlier.at is not None and record.at >= earlier.at))
        and (record.cwd is None or earlier.cwd is not None)
        and (record.agent_id is None or earlier.agent_id is not None)
        and (record.client_version is None or earlier.client_version is not None)
    )
