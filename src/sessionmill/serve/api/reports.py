"""Reports: the questions of the command line, asked over HTTP; and SQL for administrators."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal

import duckdb
from fastapi import APIRouter, Query, Request, Response
from pydantic import BeforeValidator, Field

from sessionmill.app import now
from sessionmill.serve.api.asking import Admin, Live, Reader, Said
from sessionmill.serve.api.errors import responses
from sessionmill.serve.api.lists import Limit, Listed, as_json, listed, written_out
from sessionmill.serve.service import Service
from sessionmill.view import prices as pricing
from sessionmill.view import reports
from sessionmill.view import work as work_report
from sessionmill.view.blocks import blocks
from sessionmill.view.documents import json_text
from sessionmill.view.reports import Rows

router = APIRouter(prefix="/api", tags=["reports"])

By = Literal[reports.By, "block"]
_Day = Annotated[date | None, BeforeValidator(written_out)]
Since = Annotated[_Day, Query(description="The first day, YYYY-MM-DD.")]
Until = Annotated[_Day, Query(description="The first day that is left out.")]
User = Annotated[str | None, Query(max_length=255, description="Of this user only.")]
Timezone = Annotated[
    str, Query(max_length=64, description="Of hours, days, weeks and months, like Europe/Berlin.")
]
#: What a client that names the ETag of what it has is answered.
UNCHANGED: dict[int | str, dict[str, Any]] = {
    304: {"description": "What the client has, as it says by If-None-Match, is as it was."}
}
Ask = Callable[[duckdb.DuckDBPyConnection], Rows]


@router.get("/reports/usage", response_model=Listed, responses=UNCHANGED)
async def usage(
    request: Request,
    live: Live,
    _: Reader,
    by: By = "total",
    since: Since = None,
    until: Until = None,
    user: User = None,
    timezone: Timezone = "UTC",
    limit: Limit = 1000,
) -> Response:
    """Report invocations, tokens and cost (an estimate at list price), each counted once."""
    chosen: dict[str, Any] = {
        "since": since,
        "until": until,
        "user": user,
        "timezone": timezone,
        "limit": limit,
    }
    if by == "block":
        return await _report(request, live, lambda c: blocks(c, now(), **chosen), of_now=True)
    return await _report(request, live, lambda c: reports.usage(c, by, **chosen))


@router.get("/reports/work", response_model=Listed, responses=UNCHANGED)
async def work(
    request: Request,
    live: Live,
    _: Reader,
    by: work_report.By = "user",
    since: Since = None,
    until: Until = None,
    user: User = None,
    timezone: Timezone = "UTC",
    limit: Limit = 1000,
) -> Response:
    """Report what was done in sessions, and how long it took."""
    return await _report(
        request,
        live,
        lambda cursor: work_report.work(
            cursor, by, since=since, until=until, user=user, timezone=timezone, limit=limit
        ),
    )


@router.get("/prices", response_model=Listed, responses=UNCHANGED)
async def prices(request: Request, live: Live, _: Reader) -> Response:
    """Show what responses are priced by, and which are not."""
    return await _report(request, live, pricing.in_use)


@router.get("/prices/{model:path}", response_model=Listed, responses=UNCHANGED | responses(404))
async def prices_of(request: Request, live: Live, _: Reader, model: str) -> Response:
    """Show every price of one model, the first that counts first; none for a name of none."""
    return await _report(
        request, live, lambda cursor: pricing.of_model(cursor, model, now()), of_now=True
    )


class Question(Said):
    """SQL: one SELECT or EXPLAIN."""

    query: str = Field(max_length=100_000)
    limit: int = Field(1000, ge=1, le=100_000, description="Rows at most.")
    timeout_seconds: float = Field(30.0, ge=0.001, le=300, description="It is ended after these.")


@router.post("/sql", response_model=Listed)
def sql(live: Live, actor: Admin, question: Question) -> Response:
    """Ask the facts anything, in SQL; nothing can be changed. Each question is audited.

    The memory that it takes is bounded for the whole server, not for each question.
    """
    rows = live.select(
        actor, question.query, limit=question.limit, timeout=question.timeout_seconds
    )
    return as_json(listed(rows))


async def _report(request: Request, live: Service, ask: Ask, *, of_now: bool = False) -> Response:
    """Answer from what is kept; not at all where the client has the answer already (ETag).

    What is `of_now` changes with the minute, too.
    """
    query = sorted(request.query_params.multi_items())
    minute = f"{now():%Y-%m-%dT%H:%M}" if of_now else ""
    asked = f"{request.url.path} {query} {minute}"
    answer = await live.answers.get(asked, lambda: _body(live, ask))
    headers = {"ETag": f'"{answer.digest}"', "Cache-Control": "private, no-cache"}
    if _has(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(answer.body, media_type="application/json", headers=headers)


def _has(request: Request, etag: str) -> bool:
    said = request.headers.get("If-None-Match", "")
    return said.strip() == "*" or etag in [
        one.strip().removeprefix("W/") for one in said.split(",")
    ]


def _body(live: Service, ask: Ask) -> bytes:
    cursor = live.app.facts.cursor()
    try:
        return json_text(listed(ask(cursor))).encode()
    finally:
        cursor.close()
