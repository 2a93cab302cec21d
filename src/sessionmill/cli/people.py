"""Commands on the control store: users, tokens, audit. They need no facts, so wait for nobody."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from sessionmill import config
from sessionmill.app import now
from sessionmill.cli.common import Db, Json, db_option, program_name
from sessionmill.cli.output import print_json, print_line, print_rows, warn
from sessionmill.cli.reports import Day
from sessionmill.config import os_user
from sessionmill.errors import FactsInUse, StoreError, UsageError
from sessionmill.store.control import AuditRow, Control, Token, User
from sessionmill.store.facts import Facts
from sessionmill.store.runs import runs_since
from sessionmill.view.reports import Rows

Name = Annotated[str, Parameter(name="NAME", help="The user's name, as transcripts have it.")]
Role = Annotated[str | None, Parameter(help="admin, member, viewer or uploader.")]
Email = Annotated[str | None, Parameter(help="An e-mail address; empty for none.")]
PasswordStdin = Annotated[
    bool, Parameter(name="--password-stdin", negative="", help="Read a password from stdin.")
]


@contextmanager
def _opened(db: Path | None) -> Iterator[Control]:
    with Control(config.load(db).folder, now) as control:
        yield control


@dataclass(slots=True)
class _Deed:
    """What an audit row tells beside who and when: the command may know more when it is done."""

    action: str
    resource: str
    details: dict[str, Any] = field(default_factory=dict)

    def row(self, result: str) -> AuditRow:
        actor = f"cli:{os_user()}"
        return AuditRow(now(), actor, self.action, self.resource, result, self.details)


@contextmanager
def _audited(control: Control, action: str, resource: str) -> Iterator[_Deed]:
    """Change something together with its audit row, or not at all; a refusal leaves one too."""
    deed = _Deed(action, resource)
    try:
        with control.begin():
            yield deed
            control.audit.write(deed.row("ok"))
    except UsageError as error:
        deed.details |= {"error": type(error).__name__, "reason": str(error)[:300]}
        control.audit.write(deed.row("refused"))
        raise


# ── users ──


def add_user(
    name: Name,
    /,
    *,
    role: Annotated[str, Parameter(help="admin, member, viewer or uploader.")] = "member",
    email: Email = None,
    password_stdin: PasswordStdin = False,
    db: Db = None,
) -> int:
    """Add a user."""
    password = _password() if password_stdin else None
    with _opened(db) as control, _audited(control, "user.add", f"user:{name}") as deed:
        deed.details.update(role=role, email=email)
        added = control.users.add(name, role, email, password)
    print_line(f"Added: {added.name}, {added.role}.")
    if not added.has_password:
        of, where = f"{program_name()} ", db_option(control.path.parent)
        name = shlex.quote(added.name)
        print_line(
            f"{added.name} has no password. To set one: {of}users edit {name} --password-stdin"
            f"{where}. To make a token: {of}tokens add {name} --name TOKEN{where}"
        )
    return 0


def list_users(*, json: Json = False, db: Db = None) -> int:
    """List users; those that are disabled too."""
    with _opened(db) as control:
        print_rows(_rows(User, control.users.all()), as_json=json)
    return 0


def edit_user(
    name: Name,
    /,
    *,
    role: Role = None,
    email: Email = None,
    password_stdin: PasswordStdin = False,
    enable: Annotated[bool, Parameter(negative="", help="Let in again who was disabled.")] = False,
    db: Db = None,
) -> int:
    """Change a user: what is given, and nothing else."""
    if role is None and email is None and not password_stdin and not enable:
        raise UsageError(
            "Nothing is to be changed. Give --role, --email, --password-stdin or --enable."
        )
    password = _password() if password_stdin else None
    with _opened(db) as control, _audited(control, "user.edit", f"user:{name}") as deed:
        given = {"role": role, "email": email, "disabled": False if enable else None}
        deed.details.update({what: to for what, to in given.items() if to is not None})
        deed.details["password_changed"] = password is not None
        changed = control.users.edit(name, role=role, email=email, password=password)
        if enable:
            changed = control.users.enable(name)
    print_line(f"Changed: {changed.name}, {changed.role}{_if_disabled(changed)}.")
    return 0


def disable_user(name: Name, /, *, db: Db = None) -> int:
    """Let a user in no more, by no password and by no token."""
    with _opened(db) as control, _audited(control, "user.disable", f"user:{name}") as deed:
        deed.details["disabled"] = True
        disabled = control.users.disable(name)
    print_line(f"Disabled: {disabled.name}. No token of that user is good meanwhile.")
    return 0


def _if_disabled(user: User) -> str:
    return "" if user.disabled_at is None else ", disabled"


def _password() -> str:
    """Return what stdin holds, without the newline at its end; a person at a terminal is asked."""
    if sys.stdin.isatty():
        import getpass

        return getpass.getpass("Password: ")
    try:
        text = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise UsageError(
            "The password on stdin is no UTF-8, so no browser could say it."
        ) from error
    return text.removesuffix("\n").removesuffix("\r")


# ── tokens ──


def add_token(
    user: Annotated[str, Parameter(name="USER", help="Whose token it is.")],
    /,
    *,
    name: Annotated[str, Parameter(help="By which it can be told from others, and revoked.")],
    role: Role = None,
    expires: Annotated[float | None, Parameter(help="Days for which it is good.")] = None,
    json: Json = False,
    db: Db = None,
) -> int:
    """Make a token. Its secret is shown here and never again."""
    with _opened(db) as control, _audited(control, "token.add", f"user:{user}") as deed:
        deed.details.update(name=name, role=role, expires_days=expires)
        token, secret = control.tokens.add(user, name, role, _days(expires))
        deed.details["token"] = token.id
    if json:
        print_json({"token": secret})
        return 0
    print(secret)
    until = (
        "" if token.expires_at is None else f", good until {token.expires_at:%Y-%m-%d %H:%M} UTC"
    )
    # Beside the secret, and not below it: `token=$(sessionmill tokens add …)` holds that alone.
    warn(
        f"Token {token.id} of {token.user_name}, {token.role}{until}. It is shown this once. To "
        f"send it: Authorization: Bearer {secret[:4]}…"
    )
    return 0


def _days(days: float | None) -> timedelta | None:
    try:
        return None if days is None else timedelta(days=days)
    except (OverflowError, ValueError) as error:  # infinite, or no number
        raise UsageError("--expires is a number of days") from error


def list_tokens(*, json: Json = False, db: Db = None) -> int:
    """List tokens, without their secrets; those that are good no more too."""
    with _opened(db) as control:
        print_rows(_rows(Token, control.tokens.all()), as_json=json)
    return 0


def revoke_token(
    token: Annotated[str, Parameter(name="TOKEN", help="Its number, its name, or its secret.")],
    /,
    *,
    user: Annotated[str | None, Parameter(help="Whose, of several of that name.")] = None,
    db: Db = None,
) -> int:
    """Let a token be good no more."""
    with _opened(db) as control, _audited(control, "token.revoke", f"token:{token}") as deed:
        revoked = control.tokens.revoke(token, user)
        deed.resource = f"token:{','.join(str(one.id) for one in revoked)}"
        deed.details.update(user=revoked[0].user_name, name=revoked[0].name)
    for one in revoked:
        print_line(f"Revoked: {one.id}, {one.name} of {one.user_name}.")
    return 0


# ── audit ──


def audit(
    *,
    since: Annotated[Day, Parameter(help="Since this UTC day: YYYY-MM-DD.")] = None,
    action: Annotated[
        str | None, Parameter(help="An action, or what several begin with: run_session_processor.")
    ] = None,
    limit: Annotated[int, Parameter(help="Rows at most: the newest.")] = 100,
    json: Json = False,
    db: Db = None,
) -> int:
    """List who did what, with what result; the newest first."""
    if limit < 1:
        raise UsageError("--limit is more than zero")
    start = None if since is None else datetime(since.year, since.month, since.day, tzinfo=UTC)
    with _opened(db) as control:
        _copy_runs(control)
        found = control.audit.rows(start, action, limit + 1)
    found, truncated = found[:limit], len(found) > limit
    if not json:
        found = [msgspec.structs.replace(row, details=_in_short(row.details)) for row in found]
    print_rows(_rows(AuditRow, found, truncated=truncated), as_json=json)
    return 0


def _copy_runs(control: Control) -> None:
    """Make audit rows of the runs that have none, where nobody holds the facts just now."""
    folder = control.path.parent
    if not (folder / "facts.duckdb").exists():
        return
    try:
        with Facts(folder, "sessionmill audit", now=now(), patience=0) as facts:
            if facts.notice:
                warn(facts.notice)
            control.audit.copy_runs(runs_since(facts.cursor()))
    except FactsInUse:
        return  # a server makes them itself; the rows of a command's run come with the next look
    except StoreError as error:
        warn(f"Rows of runs may be missing. {error}")


def _in_short(details: dict[str, Any]) -> Any:
    return ", ".join(f"{name} {said}" for name, said in details.items() if said is not None) or None


# ── lists ──


def _rows(of: type[msgspec.Struct], found: Sequence[Any], *, truncated: bool = False) -> Rows:
    columns = [column.name for column in msgspec.structs.fields(of)]
    values = [tuple(_plain(getattr(one, name)) for name in columns) for one in found]
    return Rows(columns, values, truncated)


def _plain(value: Any) -> Any:
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value
