"""Processors, their runs, and what waits for them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from sessionmill.app import now
from sessionmill.run.tally import Tally
from sessionmill.serve.api.asking import Admin, Live, Reader, Said
from sessionmill.serve.api.errors import responses
from sessionmill.serve.api.lists import (
    Cursor,
    Limit,
    Listed,
    as_json,
    listed,
    packed_cursor,
    place_of,
)
from sessionmill.store import runs as stored_runs
from sessionmill.view import status as standing
from sessionmill.view.reports import Rows

router = APIRouter(prefix="/api", tags=["processing"])


class RunDone(BaseModel):
    """A run that has ended."""

    ok: bool
    #: Its figures.
    details: dict[str, Any]


class RunBegun(BaseModel):
    """A run that goes on."""

    ok: bool
    #: For `GET /api/runs/{run_id}`.
    run_id: str


@router.post(
    "/admin/run-session-processor",
    response_model=RunDone,
    responses={202: {"model": RunBegun, "description": "It goes on."}, **responses(409)},
)
def run_session_processor(
    live: Live,
    actor: Admin,
    processor: Annotated[str, Query(max_length=200, description="The processor's name.")],
    wait: Annotated[bool, Query(description="Answer when the run has ended.")] = True,
) -> Response:
    """Run one processor now. Refused, not queued, while it runs."""
    if not wait:
        return JSONResponse({"ok": True, "run_id": live.start(processor, actor)}, 202)
    [tally] = live.run([processor], actor)
    return as_json({"ok": True, "details": _details(tally)})


@router.api_route(
    "/admin/run-verification-detector", methods=["GET", "POST"], include_in_schema=False
)
def older_route() -> None:
    """Tell where the older route has gone."""
    raise HTTPException(
        404,
        "This route is no more. Ask instead: "
        "POST /api/admin/run-session-processor?processor=verification",
    )


@router.get("/processors", response_model=Listed)
def processors(live: Live, _: Reader) -> Response:
    """List the processors: how each stands, how far it is behind, or why it can't run."""
    app = live.app
    usable = list(app.registry.usable.values())
    lags = standing.lags(app.facts.cursor(), usable, now())
    rows = standing.listed(app.store.beside().standing(usable), app.registry.unusable)
    document = listed(standing.with_lag(rows, lags))
    under_way = app.running.under_way()
    for row in document["rows"]:
        run = under_way.get(row["name"])
        row["running_since"] = run.since.replace(tzinfo=None) if run else None
    return as_json(document)


@router.get("/runs", response_model=Listed)
def runs(
    live: Live,
    _: Reader,
    processor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List runs that have ended, the latest first."""
    before = place_of(cursor, datetime, str)
    found = stored_runs.newest(
        live.app.facts.cursor(), processor=processor, before=before, limit=limit
    )
    rows = Rows.of(found, limit)
    behind = None
    if rows.truncated:
        last = dict(zip(rows.columns, rows.values[-1], strict=True))
        behind = packed_cursor(last["started_at"], last["run_id"])
    return as_json(listed(rows, behind))


class Run(BaseModel):
    """One run: how it stands, or how it ended."""

    run_id: str
    processor: str
    actor: str
    #: UTC.
    started_at: str
    #: `running`, or how it ended; `refused` or `failed` where it could not begin.
    outcome: str
    #: Its figures, or the reason; null while it runs.
    details: dict[str, Any] | None


@router.get("/runs/{run_id}", response_model=Run, responses=responses(404))
def run(live: Live, _: Reader, run_id: str) -> Response:
    """Tell of one run, be it over or not."""
    begun = live.begun(run_id)
    goes_on = begun is not None and begun.outcome == "running"
    found = None if goes_on else stored_runs.one(live.app.facts.cursor(), run_id)
    if found is not None:
        told = ("run_id", "processor_name", "actor", "started_at", "outcome")
        details = {name: value for name, value in found.items() if name not in told}
        return _run(found["processor_name"], found, found["outcome"], details)
    if begun is not None:
        since = begun.since.replace(tzinfo=None)
        said = {"run_id": run_id, "actor": begun.actor, "started_at": since}
        why = None if begun.reason is None else {"reason": begun.reason}
        return _run(begun.processor, said, begun.outcome, why)
    raise HTTPException(404, f"There is no run {run_id!r}. To see them: GET /api/runs")


def _run(
    processor: str, said: dict[str, Any], outcome: str, details: dict[str, Any] | None
) -> Response:
    document = {name: said[name] for name in ("run_id", "actor", "started_at")}
    return as_json(document | {"processor": processor, "outcome": outcome, "details": details})


@router.get("/state", response_model=Listed)
def state(
    live: Live,
    _: Admin,
    processor: Annotated[str | None, Query(max_length=200)] = None,
    status: Annotated[Literal["failing", "dead"] | None, Query()] = None,
    limit: Limit = 200,
) -> Response:
    """List the sessions that processors have failed on; those given up, the dead letters, first.

    The errors may hold words of a plugin's, so administrators alone see them.
    """
    rows = standing.troubled(live.app.facts.cursor(), processor, limit, state=status)
    return as_json(listed(rows))


class Chosen(Said):
    """Which session; all of the processor, without one."""

    session: str | None = Field(
        None, max_length=4096, description="Session key, session id, or the start of one."
    )


@router.post("/processors/{name}/retry", response_model=Listed, responses=responses(404))
def retry(live: Live, actor: Admin, name: str, chosen: Chosen) -> Response:
    """Make failing and dead sessions due at once; the next run tries them again."""
    rows = live.retry(actor, name, chosen.session)
    pairs = [{"processor": processor, "session": session} for processor, session in rows]
    return as_json({"rows": pairs, "truncated": False, "cursor": None, "note": None})


class Reprocessed(BaseModel):
    """What reading anew came to."""

    processor: str
    #: Transcripts that can be read still, and are.
    anew: int
    #: Those that are gone: their facts are kept.
    kept: int
    runs: list[dict[str, Any]]


@router.post(
    "/processors/{name}/reprocess", response_model=Reprocessed, responses=responses(404, 409)
)
def reprocess(live: Live, actor: Admin, name: str, chosen: Chosen) -> Response:
    """Let a processor read everything again that can still be read, from its start, now."""
    done = live.reprocess(actor, name, chosen.session)
    figures = [_details(tally) for tally in done.tallies]
    document = {"processor": name, "anew": done.anew, "kept": done.kept, "runs": figures}
    return as_json(document)


def _details(tally: Tally) -> dict[str, Any]:
    return tally.report() | {"outcome": tally.outcome}
