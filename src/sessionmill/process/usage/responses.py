"""Responses: one row for each answer of a model API, whatever number of lines carries it.

A line repeats the response's figures or raises them as it streams in, so of each token class the
largest value counts; `stop_reason` proves nothing. Resumed and forked sessions, agent files and
progress lines repeat responses: of the copies within a username the one with the most output is
counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sessionmill.contracts import Column, Row, Table
from sessionmill.decode.records import Record, Response
from sessionmill.process.usage import partial_output
from sessionmill.process.usage.places import AT, LINE_OFFSET, PLACE, place

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
        Column(
            "logged_cost_usd", "DOUBLE", "max", "as old clients worked it out; no report adds it up"
        ),
        *partial_output.COLUMNS,
    ),
    derived=partial_output.DERIVED,
    elect_by=("output_tokens DESC", "copy_rank"),
)


def row(response: Response, record: Record) -> tuple[Any, ...]:
    """Return what one line tells of a response."""
    return (
        response.id,
        record.offset,
        record.at,
        response.model,
        *place(record),
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
        response.logged_cost_usd,
        response.ended,
        None,
    )


class Answers:
    """The rows of the responses that one slice tells of."""

    def __init__(self, carry: Any) -> None:
        self._rows: list[tuple[Any, ...]] = []
        #: By the id of a response what last told something new of it, and where its row is.
        self._told: dict[str, tuple[Record, int]] = {}
        self._contents = partial_output.ContentSums(carry)

    def carry(self) -> Any:
        """Return what the next slice needs: ids and lengths."""
        return self._contents.carry()

    def add(self, record: Record) -> None:
        """Take in what a line tells of its responses."""
        id = record.responses[-1].id
        earlier = self._told.get(id)
        # Four lines of five say of their response what an earlier one has said.
        if earlier is None or not repeats(record, earlier[0]):
            self._rows += [row(response, record) for response in record.responses]
            self._told[id] = record, len(self._rows) - 1
        if record.content is not None:
            self._contents.add(record.content, record)

    def rows(self) -> Sequence[Row]:
        """Return the rows, with what each response's content takes by estimate."""
        for id, tokens in self._contents.totals():
            at = self._told[id][1]
            self._rows[at] = (*self._rows[at][:-1], tokens)
        return self._rows


def repeats(record: Record, earlier: Record) -> bool:
    """Tell whether a line adds nothing to what an earlier one has told of its response."""
    return (
        record.responses == earlier.responses
        and record.copy_rank >= earlier.copy_rank
        and (record.at is None or (earlier.at is not None and record.at >= earlier.at))
        and (record.cwd is None or earlier.cwd is not None)
        and (record.agent_id is None or earlier.agent_id is not None)
        and (record.client_version is None or earlier.client_version is not None)
        and (record.entrypoint is None or earlier.entrypoint is not None)
    )
