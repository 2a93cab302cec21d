"""Users, their tokens, the audit trail, and the settings: for administrators."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, BeforeValidator, Field
from starlette.exceptions import HTTPException

from sessionmill.errors import UsageError
from sessionmill.serve.api.asking import Admin, Anyone, Live, Said
from sessionmill.serve.api.errors import responses
from sessionmill.serve.api.lists import (
    Cursor,
    Limit,
    Listed,
    as_json,
    listed,
    packed_cursor,
    place_of,
    written_out,
)

router = APIRouter(prefix="/api", tags=["people"])

#: As `sessionmill.store.control.ROLES`.
Role = Literal["admin", "member", "viewer", "uploader"]


class Me(BaseModel):
    """Who asks."""

    id: str
    name: str
    role: str


@router.get("/me", response_model=Me)
def me(actor: Anyone) -> dict[str, str]:
    """Tell who asks, and with what role."""
    return {"id": actor.id, "name": actor.name, "role": actor.role}


@router.get("/users", response_model=Listed)
def users(live: Live, _: Admin) -> Response:
    """List users; those that are disabled too."""
    return _listed(live.control.users.all())


class NewUser(Said):
    """A user to be added."""

    name: str = Field(min_length=1, max_length=255)
    role: Role = "member"
    email: str | None = Field(None, max_length=320)
    password: str | None = Field(None, min_length=8, max_length=1024)


class ChangedUser(Said):
    """What of a user is to be changed."""

    role: Role | None = None
    email: str | None = Field(None, max_length=320)
    password: str | None = Field(None, min_length=8, max_length=1024)
    disabled: bool | None = None


class SaidUser(BaseModel):
    """A user; times are UTC."""

    id: int
    name: str
    role: str
    email: str | None
    has_password: bool
    created_at: datetime
    disabled_at: datetime | None


@router.post("/users", response_model=SaidUser, status_code=201)
def add_user(live: Live, actor: Admin, new: NewUser) -> Any:
    """Add a user."""
    with live.audited(actor, "user.add", f"user:{new.name}") as details:
        details.update(role=new.role, email=new.email)
        added = live.control.users.add(new.name, new.role, new.email, new.password)
    return msgspec.to_builtins(added)


@router.patch("/users/{name}", response_model=SaidUser, responses=responses(404))
def edit_user(live: Live, actor: Admin, name: str, changed: ChangedUser) -> Any:
    """Change a user; one who is disabled is let in no more, by no token."""
    action = "user.disable" if changed.disabled else "user.edit"
    with live.audited(actor, action, f"user:{name}") as details:
        details.update(changed.model_dump(exclude={"password"}, exclude_none=True))
        details["password_changed"] = changed.password is not None
        done = live.control.users.edit(
            name, role=changed.role, email=changed.email, password=changed.password
        )
        if changed.disabled is not None:
            users = live.control.users
            done = users.disable(name) if changed.disabled else users.enable(name)
    return msgspec.to_builtins(done)


@router.get("/tokens", response_model=Listed)
def tokens(live: Live, _: Admin) -> Response:
    """List tokens, without their secrets; those that are good no more too."""
    return _listed(live.control.tokens.all())


class NewToken(Said):
    """A token to be made."""

    user: str = Field(min_length=1, max_length=255)
    name: str = Field(min_length=1, max_length=255)
    role: Role | None = Field(None, description="By default the user's.")
    expires_days: float | None = Field(None, gt=0, le=36_500)


class Secret(BaseModel):
    """A token's secret, told once."""

    token: str
    id: int


@router.post("/tokens", response_model=Secret, status_code=201, responses=responses(404))
def add_token(live: Live, actor: Admin, new: NewToken) -> dict[str, Any]:
    """Make a token. Its secret is told here and never again."""
    days = new.expires_days
    with live.audited(actor, "token.add", f"user:{new.user}") as details:
        details.update(name=new.name, role=new.role, expires_days=days)
        expires = None if days is None else timedelta(days=days)
        token, secret = live.control.tokens.add(new.user, new.name, new.role, expires)
        details["token"] = token.id
    return {"token": secret, "id": token.id}


@router.delete("/tokens/{token_id}", response_model=Listed, responses=responses(404))
def revoke_token(
    live: Live, actor: Admin, token_id: Annotated[int, Path(ge=1, lt=2**63)]
) -> Response:
    """Let a token be good no more."""
    try:
        with live.audited(actor, "token.revoke", f"token:{token_id}"):
            return _listed(live.control.tokens.revoke(token_id))
    except UsageError as error:
        raise HTTPException(404, str(error)) from error


@router.get("/settings", response_model=Listed)
def settings(live: Live, _: Admin) -> Response:
    """List the settings that the server goes by, and where each comes from; secrets are masked."""
    return as_json(listed(live.settings))


@router.get("/audit", response_model=Listed)
def audit(
    live: Live,
    _: Admin,
    since: Annotated[
        datetime | None,
        BeforeValidator(written_out),
        Query(description="UTC, where nothing else is said."),
    ] = None,
    action: Annotated[
        str | None, Query(max_length=200, description="An action, or what several begin with.")
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List what was done, the newest first."""
    [before] = place_of(cursor, int) or [None]
    rows = live.control.audit.rows(_utc(since), action, limit + 1, before)
    truncated = len(rows) > limit
    behind = packed_cursor(rows[limit - 1].id) if truncated else None
    said = [_naive(msgspec.structs.asdict(row)) for row in rows[:limit]]
    return as_json({"rows": said, "truncated": truncated, "cursor": behind, "note": None})


def _listed(rows: list[Any]) -> Response:
    said = [msgspec.structs.asdict(row) for row in rows]
    return as_json({"rows": [*map(_naive, said)], "truncated": False, "cursor": None, "note": None})


def _naive(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.replace(tzinfo=None) if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def _utc(at: datetime | None) -> datetime | None:
    if at is None or at.tzinfo is None:
        return None if at is None else at.replace(tzinfo=UTC)
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise UsageError(f"{at.isoformat()} is no time in UTC.") from error
