"""Tokens: by what programs and browsers ask; random, shown once, kept as a hash."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from sessionmill.errors import UsageError
from sessionmill.store.control.tables import tokens, users
from sessionmill.store.control.users import LARGEST, PREFIX, ROLES, aware, checked_role, naive

if TYPE_CHECKING:
    from sessionmill.store.control.database import Control

#: When a token was used last is written down this often at most.
_NOTED = timedelta(minutes=1)
#: A hundred years: what is longer is never.
LONGEST = timedelta(days=36_500)


class Actor(msgspec.Struct, frozen=True):
    """Who asks: `user:<id>`, `local:<os user>`, `cli:<os user>` or `scheduler`."""

    id: str
    name: str
    role: str


class Token(msgspec.Struct, frozen=True):
    """A token, without its secret; times are UTC."""

    id: int
    user_id: int
    user_name: str
    name: str
    role: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class TokenUnknown(UsageError):
    """There is no such token."""

    def __init__(self, token: str) -> None:
        what = "of that secret" if token.startswith(PREFIX) else repr(token)
        super().__init__(f"There is no token {what}. To see them: sessionmill tokens list")


class TokenAmbiguous(UsageError):
    """Several users have a token of that name."""

    def __init__(self, found: list[Token]) -> None:
        whose = ", ".join(f"{one.id} of {one.user_name}" for one in found[:5])
        more = ", …" if len(found) > 5 else ""
        super().__init__(
            f"Several users have a token {found[0].name!r}: {whose}{more}. Nothing was revoked. "
            "Give a number, or whose: --user USER"
        )


class Tokens:
    """The tokens of one control store."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def add(
        self,
        user_name: str,
        name: str,
        role: str | None = None,
        expires: timedelta | None = None,
    ) -> tuple[Token, str]:
        """Make a token; return it, and its secret, which is kept nowhere.

        Raises UserUnknown, and UsageError for a role beyond the user's or a time that is over.
        """
        user = self._control.users.named(user_name)
        if user.disabled_at is not None:
            raise UsageError(f"{user.name} is disabled, and no token would let such a one in.")
        role = user.role if role is None else checked_role(role)
        if not is_within(role, user.role):
            raise UsageError(
                f"{user.name} has the role {user.role}, so no token of that user can have {role}."
            )
        if expires is not None and not timedelta(0) < expires <= LONGEST:
            raise UsageError(f"A token expires after more than 0 and at most {LONGEST.days} days.")
        secret, now = PREFIX + secrets.token_urlsafe(32), self._control.clock()
        row = {
            "user_id": user.id,
            "name": _checked(name),
            "role": role,
            "secret_hash": _hash(secret),
            "created_at": naive(now),
            "expires_at": None if expires is None else naive(now + expires),
        }
        with self._control.begin() as connection:
            adding = tokens.insert().values(row).returning(tokens.c.id)
            added = connection.execute(adding).scalar_one()
        return self._one(added), secret

    def all(self) -> list[Token]:
        """Return all, the oldest first; those that are good no more too."""
        with self._control.reading() as connection:
            rows = connection.execute(_all().order_by(tokens.c.id)).mappings()
            return [_token(row) for row in rows]

    def revoke(self, token: int | str, user_name: str | None = None) -> list[Token]:
        """Let a token be good no more, given by its id, its name (be it of one user) or its secret.

        Returns those of that name. Raises UserUnknown, and UsageError where there is none, or
        where several users have one of that name.
        """
        with self._control.begin() as connection:
            rows = connection.execute(_all().where(_which(str(token)))).mappings()
            found = [_token(row) for row in rows]
            if user_name is not None:
                user = self._control.users.named(user_name)
                found = [one for one in found if one.user_id == user.id]
            if not found:
                raise TokenUnknown(str(token))
            good = [one for one in found if one.revoked_at is None]
            if len({one.user_id for one in good}) > 1:
                raise TokenAmbiguous(good)
            mine = tokens.update().where(tokens.c.id.in_([one.id for one in good]))
            connection.execute(mine.values(revoked_at=naive(self._control.clock())))
            return [self._one(one.id) for one in good or found]

    def forget(self, secret: str) -> None:
        """Let the token of a secret be good no more, if there is one."""
        now = naive(self._control.clock())
        with self._control.begin() as connection:
            mine = tokens.update().where(tokens.c.secret_hash == _hash(secret))
            connection.execute(mine.where(tokens.c.revoked_at.is_(None)).values(revoked_at=now))

    def who(self, secret: str) -> Actor | None:
        """Return whose token it is; None for one that is unknown, expired, revoked or disabled."""
        if not secret.startswith(PREFIX):
            return None
        now = naive(self._control.clock())
        wanted = (
            sa.select(tokens, users.c.name.label("user_name"), users.c.role.label("most"))
            .join(users)
            .where(
                tokens.c.secret_hash == _hash(secret),
                tokens.c.revoked_at.is_(None),
                sa.or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now),
                users.c.disabled_at.is_(None),
            )
        )
        with self._control.reading() as connection:
            row = connection.execute(wanted).mappings().first()
        role = None if row is None else lesser(row["role"], row["most"])
        if row is None or role is None:
            return None
        last = row["last_used_at"]
        if last is None or abs(now - last) > _NOTED:
            with self._control.begin() as connection:
                used = tokens.update().where(tokens.c.id == row["id"])
                connection.execute(used.values(last_used_at=now))
        return Actor(id=f"user:{row['user_id']}", name=row["user_name"], role=role)

    def _one(self, number: int) -> Token:
        with self._control.reading() as connection:
            row = connection.execute(_all().where(tokens.c.id == number)).mappings().one()
            return _token(row)


def is_within(role: str, most: str) -> bool:
    """Tell whether a role may nothing that another may not; an uploader's right is its own."""
    if most in {role, "admin"}:
        return True
    return "uploader" not in (role, most) and ROLES.index(role) >= ROLES.index(most)


def lesser(role: str, most: str) -> str | None:
    """Return the role of a token now that its user has the role `most`; None: it may nothing.

    One that may only upload never comes to read, whatever becomes of its user.
    """
    if is_within(role, most):
        return role
    return most if is_within(most, role) else None


def _checked(name: str) -> str:
    if not name.strip() or not name.isprintable() or len(name) > 255:
        raise UsageError("A token has a name, by which it can be revoked.")
    if name.isdecimal():
        raise UsageError(f"{name!r} is no token's name: a number is a token's id.")
    if name.startswith(PREFIX):
        raise UsageError("That looks like a token's secret, and is no token's name.")
    return name


def _which(token: str) -> sa.ColumnElement[bool]:
    if token.isdecimal():
        return tokens.c.id == min(int(token[:20]), LARGEST)
    if token.startswith(PREFIX):
        return tokens.c.secret_hash == _hash(token)
    return tokens.c.name == token if token.isprintable() else sa.false()


def _all() -> sa.Select[Any]:
    return sa.select(tokens, users.c.name.label("user_name")).join(users)


def _token(row: Any) -> Token:
    return Token(
        id=row["id"],
        user_id=row["user_id"],
        user_name=row["user_name"],
        name=row["name"],
        role=row["role"],
        created_at=row["created_at"].replace(tzinfo=UTC),
        expires_at=aware(row["expires_at"]),
        revoked_at=aware(row["revoked_at"]),
        last_used_at=aware(row["last_used_at"]),
    )


def _hash(secret: str) -> str:
    # 256 random bits can't be guessed, so that a slow hash would only slow every request down.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
