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
from sessionmill.store.control.users import ROLES, aware, checked_role, naive

if TYPE_CHECKING:
    from sessionmill.store.control.database import Control

#: By which one that got into a log or a repository is found.
PREFIX = "smt_"
#: When a token was used last is written down this often at most.
_NOTED = timedelta(minutes=1)


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
        if expires is not None and expires <= timedelta(0):
            raise UsageError("A token expires after more than zero days.")
        if not name.strip() or not name.isprintable():
            raise UsageError("A token has a name, by which it can be revoked.")
        secret, now = PREFIX + secrets.token_urlsafe(32), self._control.clock()
        row = {
            "user_id": user.id,
            "name": name,
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
        with self._control.begin() as connection:
            rows = connection.execute(_all().order_by(tokens.c.id)).mappings()
            return [_token(row) for row in rows]

    def revoke(self, token: int | str) -> list[Token]:
        """Let a token be good no more, given by its id, or all of that name.

        Returns those revoked. Raises UsageError where none is.
        """
        by_id = str(token).isdigit()
        which = tokens.c.id == int(token) if by_id else tokens.c.name == str(token)
        with self._control.begin() as connection:
            found = connection.execute(sa.select(tokens.c.id).where(which)).scalars().all()
            connection.execute(
                tokens.update()
                .where(tokens.c.id.in_(found), tokens.c.revoked_at.is_(None))
                .values(revoked_at=naive(self._control.clock()))
            )
        if not found:
            raise UsageError(f"There is no token {token!r}. To see them: sessionmill tokens list")
        return [self._one(one) for one in found]

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
        with self._control.begin() as connection:
            row = (
                connection.execute(
                    sa.select(tokens, users.c.name.label("user_name"), users.c.role.label("most"))
                    .join(users)
                    .where(
                        tokens.c.secret_hash == _hash(secret),
                        tokens.c.revoked_at.is_(None),
                        users.c.disabled_at.is_(None),
                    )
                )
                .mappings()
                .first()
            )
            if row is None or (row["expires_at"] is not None and row["expires_at"] <= now):
                return None
            last = row["last_used_at"]
            if last is None or abs(now - last) > _NOTED:
                used = tokens.update().where(tokens.c.id == row["id"])
                connection.execute(used.values(last_used_at=now))
        role = row["role"] if is_within(row["role"], row["most"]) else row["most"]
        return Actor(id=f"user:{row['user_id']}", name=row["user_name"], role=role)

    def _one(self, number: int) -> Token:
        with self._control.begin() as connection:
            row = connection.execute(_all().where(tokens.c.id == number)).mappings().one()
            return _token(row)


def is_within(role: str, most: str) -> bool:
    """Tell whether a role may nothing that another may not; an uploader's right is its own."""
    if most in {role, "admin"}:
        return True
    return "uploader" not in (role, most) and ROLES.index(role) >= ROLES.index(most)


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
    return hashlib.sha256(secret.encode()).hexdigest()
