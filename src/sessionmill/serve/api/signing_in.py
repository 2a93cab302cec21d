"""Signing in: a browser's cookie, had by a password or by a link that is good once."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from sessionmill.serve.access import COOKIE, SignInRefused
from sessionmill.serve.api.asking import Anyone, Live, Said
from sessionmill.serve.api.errors import responses
from sessionmill.serve.signing_in import STAY
from sessionmill.store.control import Actor

router = APIRouter(tags=["signing in"])


_NOBODY = Actor(id="nobody", name="nobody", role="")


class Password(Said):
    """Who wants in, and what proves it."""

    name: str = Field(min_length=1, max_length=255)
    password: str = Field(min_length=1, max_length=1024)


class SignedIn(BaseModel):
    """Who is in now."""

    name: str
    role: str


@router.post("/api/login", response_model=SignedIn, responses=responses(429))
def login(request: Request, response: Response, live: Live, said: Password) -> SignedIn:
    """Sign a browser in by name and password; the answer sets a cookie."""
    user = live.signing_in.by_password(said.name, said.password)
    who = _NOBODY if user is None else Actor(f"user:{user.id}", user.name, user.role)
    with live.audited(who, "login", f"user:{said.name}"):
        if user is None:
            raise SignInRefused
        _, secret = live.control.tokens.add(user.name, "browser", expires=STAY)
    _set_cookie(request, response, secret)
    return SignedIn(name=user.name, role=user.role)


@router.post("/api/logout", status_code=204)
def logout(request: Request, response: Response, live: Live, actor: Anyone) -> None:
    """Sign a browser out: its cookie is good no more."""
    with live.audited(actor, "logout", f"user:{actor.name}"):
        live.signing_in.forget(request.cookies.get(COOKIE) or "")
    response.delete_cookie(COOKIE, path="/")


@router.get("/first-steps", include_in_schema=False)
def first_steps(
    request: Request, live: Live, link: Annotated[str, Query(max_length=200)]
) -> Response:
    """Take the link that the server printed: it becomes a cookie, and leaves the address."""
    if not live.signing_in.has_link():
        raise SignInRefused  # of which there is no audit row: anybody could have any number made
    with live.audited(_NOBODY, "login.link", "server"):
        secret = live.signing_in.by_link(link)
    response = RedirectResponse("/", 303)
    _set_cookie(request, response, secret)
    return response


def _set_cookie(request: Request, response: Response, secret: str) -> None:
    response.set_cookie(
        COOKIE,
        secret,
        max_age=int(STAY.total_seconds()),
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
