"""Every error in one shape, `{"error": {"code", "message"}}`; the status says whose it is."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from sessionmill.errors import (
    AlreadyRunning,
    Busy,
    IdUnknown,
    ProcessorUnknown,
    ProcessorUnusable,
    SessionmillError,
    SessionUnknown,
    StoreError,
    TranscriptClosed,
    TranscriptGone,
    TranscriptUnreadable,
    UsageError,
)
from sessionmill.serve.access import (
    NotAllowed,
    SignInNeeded,
    SignInRefused,
    TooManySignIns,
    WrongHost,
)
from sessionmill.store.control import UserUnknown
from sessionmill.view.user_sql import TookTooLong


class Problem(BaseModel):
    """What went wrong."""

    #: One word for programs.
    code: str
    #: What happened, why it matters, what mends it.
    message: str


class ErrorAnswer(BaseModel):
    """The answer of every request that failed."""

    error: Problem


#: The first that an error is an instance of decides.
_STATUSES: tuple[tuple[type[SessionmillError], int, str], ...] = (
    (SignInNeeded, 401, "sign_in_needed"),
    (SignInRefused, 401, "sign_in_refused"),
    (NotAllowed, 403, "not_allowed"),
    (WrongHost, 403, "wrong_host"),
    (AlreadyRunning, 409, "already_running"),
    (TooManySignIns, 429, "too_many"),
    (Busy, 503, "busy"),
    (ProcessorUnknown, 400, "processor_unknown"),
    (ProcessorUnusable, 400, "processor_unusable"),
    (SessionUnknown, 404, "session_unknown"),
    (IdUnknown, 404, "id_unknown"),
    (UserUnknown, 404, "user_unknown"),
    (UsageError, 400, "usage"),
    (TookTooLong, 400, "took_too_long"),
    (TranscriptGone, 410, "transcript_gone"),
    (TranscriptClosed, 503, "transcript_closed"),
    (TranscriptUnreadable, 503, "transcript_unreadable"),
    (StoreError, 503, "store"),
    (SessionmillError, 500, "failed"),
)
_WHY = {
    400: "The request asks for what there is not, or cannot be.",
    401: "No token, or one that is not known, has expired or was revoked.",
    403: "The role has not the right, or the request came under another server's name.",
    404: "There is no such thing.",
    405: "The path is there, for other methods.",
    409: "It is running already.",
    410: "The transcript's file is deleted.",
    413: "The body is too large.",
    414: "The address is too long.",
    429: "Too many wait for the same.",
    422: "A parameter is not of the form that is expected.",
    500: "Something went wrong that nobody foresaw; the server's log tells what.",
    503: "A store, or a transcript, can't be had now.",
}


_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what a route documents of errors, beside those that each may have."""
    every = {400, 401, 403, 405, 413, 414, 422, 500, 503}
    return {
        status: {"model": ErrorAnswer, "description": _WHY[status]}
        for status in sorted(every | set(statuses))
    }


def status_of(error: SessionmillError) -> tuple[int, str]:
    """Return an error's status and code."""
    for kind, status, code in _STATUSES:
        if isinstance(error, kind):
            return status, code
    raise AssertionError("every error is a SessionmillError")


def answer(status: int, code: str, message: str) -> JSONResponse:
    """Return an error in its one shape."""
    body = ErrorAnswer(error=Problem(code=code, message=message))
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse(body.model_dump(), status, headers)


def install(app: FastAPI) -> None:
    """Let every error that can be foreseen be answered in one shape; the guard has the others."""

    @app.exception_handler(SessionmillError)
    async def ours(_: Request, error: SessionmillError) -> JSONResponse:
        return answer(*status_of(error), str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        said = "; ".join(
            f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors()
        )
        return answer(422, "invalid", said)

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        code = _CODES.get(error.status_code, "refused")
        response = answer(error.status_code, code, str(error.detail))
        response.headers.update(error.headers or {})
        return response
