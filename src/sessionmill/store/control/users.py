"""Users: who may sign in, and what they may."""

from __future__ import annotations

import shlex
import unicodedata
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from sessionmill.errors import UsageError
from sessionmill.store.control.tables import tokens, users

if TYPE_CHECKING:
    from argon2 import PasswordHasher

    from sessionmill.store.control.database import Control

#: From the one that may everything to the one that may least; `uploader` stands apart.
ROLES = ("admin", "member", "viewer", "uploader")
#: Characters that a password has at least.
SHORTEST_PASSWORD = 8
#: What a token's secret begins with: one that got into a log or a repository is found by it.
PREFIX = "smt_"
#: The largest id that SQLite can hold.
LARGEST = 2**63 - 1


class User(msgspec.Struct, frozen=True):
    """One who may sign in; times are UTC."""

    id: int
    name: str
    role: str
    email: str | None
    has_password: bool
    created_at: datetime
    disabled_at: datetime | None


class UserUnknown(UsageError):
    """There is no such user."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no user {name!r}. To see them: sessionmill users list. To add one: "
            f"sessionmill users add {shlex.quote(name)}"
        )


class Users:
    """The users of one control store."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def add(
        self,
        name: str,
        role: str = "member",
        email: str | None = None,
        password: str | None = None,
    ) -> User:
        """Add a user. Raises UsageError for a name that is taken or none, and for no role."""
        name = _checked(name)
        row = {
            "name": name,
            "role": checked_role(role),
            "email": None if email is None else _checked_email(email),
            "password_hash": None if password is None else _hash(password),
            "created_at": naive(self._control.clock()),
        }
        with self._control.begin() as connection:
            if connection.execute(sa.select(users.c.id).where(users.c.name == name)).first():
                raise UsageError(
                    f"There is a user {name!r} already. To change one: "
                    f"sessionmill users edit {shlex.quote(name)} --role ROLE"
                )
            connection.execute(users.insert().values(row))
        return self.named(name)

    def all(self) -> list[User]:
        """Return all, by name; those that are disabled too."""
        with self._control.reading() as connection:
            rows = connection.execute(sa.select(users).order_by(users.c.name)).mappings()
            return [_user(row) for row in rows]

    def named(self, name: str) -> User:
        """Return one. Raises UserUnknown."""
        found = self._found(name)
        if found is None:
            raise UserUnknown(name)
        return _user(found)

    def _found(self, name: str) -> sa.RowMapping | None:
        if not name.isprintable():
            return None  # half a surrogate pair can't even be asked for
        named = users.c.name == unicodedata.normalize("NFC", name)
        with self._control.reading() as connection:
            return connection.execute(sa.select(users).where(named)).mappings().first()

    def edit(
        self,
        name: str,
        *,
        role: str | None = None,
        email: str | None = None,
        password: str | None = None,
    ) -> User:
        """Change what is given. Raises UserUnknown, and UsageError for no role."""
        values: dict[str, Any] = {}
        if role is not None:
            values["role"] = checked_role(role)
        if email is not None:
            values["email"] = _checked_email(email)
        if password is not None:
            values["password_hash"] = _hash(password)
        return self._set(name, values)

    def disable(self, name: str) -> User:
        """Let one in no more, by no token. Raises UserUnknown."""
        user = self.named(name)
        if user.disabled_at is not None:
            return user
        return self._set(name, {"disabled_at": naive(self._control.clock())})

    def enable(self, name: str) -> User:
        """Let one in again. Raises UserUnknown."""
        return self._set(name, {"disabled_at": None})

    def check_password(self, name: str, password: str) -> User | None:
        """Return the user whose password it is; it takes as long where there is no such user."""
        from argon2.exceptions import InvalidHashError, VerificationError

        found, nobodys = self._found(name), _nobodys()
        stored = None if found is None else found["password_hash"]
        try:
            _hasher().verify(stored or nobodys, _normal(password))
        except (VerificationError, InvalidHashError):
            return None
        if found is None or stored is None or found["disabled_at"] is not None:
            return None
        return _user(found)

    def any_can_sign_in(self) -> bool:
        """Tell whether an administrator can: by a password, or by a token that is good now."""
        now = naive(self._control.clock())
        good = sa.exists().where(
            tokens.c.user_id == users.c.id,
            tokens.c.role == "admin",
            tokens.c.revoked_at.is_(None),
            sa.or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now),
        )
        one = sa.select(users.c.id).where(
            users.c.role == "admin",
            users.c.disabled_at.is_(None),
            sa.or_(users.c.password_hash.is_not(None), good),
        )
        with self._control.reading() as connection:
            return connection.execute(one.limit(1)).first() is not None

    def _set(self, name: str, values: dict[str, Any]) -> User:
        user = self.named(name)
        if values:
            with self._control.begin() as connection:
                connection.execute(users.update().where(users.c.id == user.id).values(values))
        return self.named(name)


def checked_role(role: str) -> str:
    """Return a role. Raises UsageError for what is none."""
    if role not in ROLES:
        raise UsageError(f"{role!r} is no role; these are: {', '.join(ROLES)}.")
    return role


def naive(at: datetime) -> datetime:
    """Return a time as the tables hold it: UTC, without saying so, as one without a zone is."""
    if at.tzinfo is None:
        return at
    try:
        return at.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:  # a day before the first, or after the last
        return at.replace(tzinfo=None)


def aware(at: datetime | None) -> datetime | None:
    """Return a time of the tables, saying that it is UTC."""
    return None if at is None else at.replace(tzinfo=UTC)


def _user(row: Any) -> User:
    return User(
        id=row["id"],
        name=row["name"],
        role=row["role"],
        email=row["email"],
        has_password=row["password_hash"] is not None,
        created_at=row["created_at"].replace(tzinfo=UTC),
        disabled_at=aware(row["disabled_at"]),
    )


def _checked(name: str) -> str:
    outside = name.startswith((".", "-")) or "/" in name or name != name.strip()
    if not name or outside or not name.isprintable() or len(name) > 255:
        raise UsageError(
            f"{name[:255]!r} is no user's name: one is as a folder's, without / and with neither a "
            "dot nor a dash in front."
        )
    return unicodedata.normalize("NFC", name)


def _checked_email(email: str) -> str | None:
    if not email.isprintable() or len(email) > 320:
        raise UsageError(f"{email[:320]!r} is no e-mail address.")
    return email or None


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _nobodys() -> str:
    """Return a hash that no password has been told of."""
    import secrets

    return _hash(secrets.token_urlsafe())


def _hash(password: str) -> str:
    if len(password) < SHORTEST_PASSWORD:
        raise UsageError(f"A password has at least {SHORTEST_PASSWORD} characters.")
    return _hasher().hash(_normal(password))


def _normal(password: str) -> bytes:
    """Return a password's bytes, however a keyboard has put its accents together."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
