"""The routes by which commands of the user who runs the server work while it holds the facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import anyio.to_thread
import duckdb
import msgspec
from fastapi import APIRouter, Depends, Request, Response
from msgspec import msgpack
from starlette.exceptions import HTTPException

from sessionmill import __version__
from sessionmill.plugins import Processor
from sessionmill.run.tally import Tally
from sessionmill.run.values import decoder, packed
from sessionmill.serve.api.asking import Admin, Live, refused
from sessionmill.serve.api.errors import answer
from sessionmill.serve.service import Service
from sessionmill.store.control import Actor
from sessionmill.vendor.records import DayUsage, Point
from sessionmill.view.reports import Rows

router = APIRouter(prefix="/api/local", include_in_schema=False)


def _local(request: Request, live: Live, actor: Admin) -> Actor:
    """Let in who holds the token of `owner.json` alone: statements here may be of any kind."""
    if not actor.id.startswith("local:"):
        raise refused(request, live, actor, "work as the user who runs the server")
    return actor


@router.post("/{operation}")
async def operate(
    operation: str, request: Request, live: Live, actor: Annotated[Actor, Depends(_local)]
) -> Response:
    """Do one of `OPERATIONS`; arguments and what it returns are msgpack."""
    if operation not in OPERATIONS:
        raise HTTPException(404, f"There is no operation {operation!r}.")
    arguments = decoder.decode(await request.body())

    def work() -> Response:
        try:
            done = OPERATIONS[operation](live, actor, **arguments)
        except duckdb.Error as error:  # views read some of DuckDB's errors as answers
            return answer(400, f"duckdb.{type(error).__name__}", str(error))
        return Response(msgpack.encode(packed(done)), media_type="application/msgpack")

    return await anyio.to_thread.run_sync(work)


# ── operations ──


def _hello(live: Service, _: Actor) -> dict[str, Any]:
    registry = live.app.registry
    roots = [asdict(root) for root in live.roots]
    return {
        "local_timezone": live.app.facts.local_timezone,
        "processors": [_said(p) for p in registry.usable.values()],
        "unusable": [(u.name, u.reason) for u in registry.unusable],
        "roots": [r | {"given": str(r["given"]), "folder": str(r["folder"])} for r in roots],
    }


def _query(
    live: Service, _: Actor, *, sql: str, parameters: Any, tables: Mapping[str, bytes]
) -> dict[str, Any]:
    """Run one statement that can't write, over the facts and Arrow tables that came with it."""
    import pyarrow

    cursor = live.app.facts.cursor()
    try:
        for name, stream in tables.items():
            cursor.register(name, pyarrow.ipc.open_stream(stream).read_all())
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        cursor.execute(sql, parameters)
        columns = [(name, str(kind)) for name, kind, *_ in cursor.description or ()]
        return {"columns": columns, "rows": cursor.fetchall()}
    finally:
        cursor.close()


def _run(
    live: Service, actor: Actor, *, names: list[str], budget: float | None, due_only: bool
) -> list[dict[str, Any]]:
    return [_figures(tally) for tally in live.run(names, actor, budget=budget, due_only=due_only)]


def _standing(live: Service, _: Actor, *, names: list[str]) -> list[tuple[Any, ...]]:
    usable = live.app.registry.usable
    return live.app.store.beside().standing([usable[name] for name in names if name in usable])


def _retry(
    live: Service, actor: Actor, *, processor: str | None, session: str | None
) -> list[tuple[Any, ...]]:
    return live.retry(actor, processor, session)


def _reprocess(
    live: Service, actor: Actor, *, name: str, session_key: str | None
) -> dict[str, Any]:
    done = live.reprocess(actor, name, session_key)
    tallies = [_figures(tally) for tally in done.tallies]
    return {"anew": done.anew, "kept": done.kept, "tallies": tallies}


def _compare(
    live: Service, actor: Actor, *, name: str, session_key: str | None, by: Any, swapping: bool
) -> dict[str, Any]:
    done = live.compare(actor, name, session_key, by=by, swapping=swapping)
    return {
        "from_version": done.from_version,
        "transcripts": done.transcripts,
        "differences": _rows(done.differences),
        "total": _rows(done.total),
        "not_compared": _rows(done.not_compared),
        "tally": _figures(done.tally),
        "swapped": done.swapped,
    }


def _take_in_vendor_usage(
    live: Service, actor: Actor, *, usage: list[Any], points: list[Any], said: dict[str, str]
) -> None:
    live.take_in_vendor_usage(
        actor, [DayUsage(*row) for row in usage], [Point(*row) for row in points], said
    )


def _select(
    live: Service, actor: Actor, *, query: str, limit: int, timeout: float
) -> dict[str, Any]:
    return _rows(live.select(actor, query, limit=limit, timeout=timeout))


def _health(live: Service, _: Actor) -> dict[str, Any]:
    return live.overview.health().detailed(__version__)


def _backup(live: Service, actor: Actor, *, target: str) -> Any:
    return msgspec.to_builtins(live.backup(actor, Path(target)))


#: What `sessionmill.remote` asks for, by name.
OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "hello": _hello,
    "query": _query,
    "run": _run,
    "standing": _standing,
    "retry": _retry,
    "reprocess": _reprocess,
    "compare": _compare,
    "take_in_vendor_usage": _take_in_vendor_usage,
    "select": _select,
    "health": _health,
    "backup": _backup,
}


# ── what crosses ──


def _figures(tally: Tally) -> dict[str, Any]:
    return asdict(tally)


def _rows(rows: Rows) -> dict[str, Any]:
    return asdict(rows)


def _said(processor: Processor) -> dict[str, Any]:
    """Tell of a processor what commands tell of it: neither its settings nor its SQL."""
    return {
        "name": processor.name,
        "spec": processor.spec,
        "version": processor.version,
        "cadence": str(processor.cadence),
        "timeout_seconds": processor.timeout_seconds,
        "memory_limit_mb": processor.memory_limit_mb,
        "max_attempts": processor.max_attempts,
        "main_only": processor.main_only,
        "settings": {},
        "folder": str(processor.folder),
        "is_extractor": processor.is_extractor,
        "changes": dict(processor.changes),
    }
