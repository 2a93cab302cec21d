"""The audit trail: who did what, with what result. Rows are added, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from sessionmill.store.control.tables import audit
from sessionmill.store.control.users import LARGEST, PREFIX, naive

if TYPE_CHECKING:
    from sessionmill.store.control.database import Control

#: Figures of a run that its audit row tells.
_FIGURES = (
    "run_id",
    "version",
    "seconds",
    "seen",
    "scanned",
    "processed",
    "skipped",
    "capped",
    "errors",
    "items_extracted",
)
_AT_ONCE = 1000
_SECRET = re.compile(rf"{PREFIX}[\w-]{{8,}}")


class AuditRow(msgspec.Struct, frozen=True):
    """What somebody did."""

    #: UTC.
    at: datetime
    actor: str
    action: str
    resource: str
    #: `ok`, `refused`, `failed`; of a run: how it ended.
    result: str
    details: dict[str, Any]
    #: Its place in the trail; 0 before it has one.
    id: int = 0


class AuditLog:
    """The audit trail of one control store."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def write(self, row: AuditRow) -> None:
        """Add a row. Raises ControlUnreadable."""
        with self._control.begin() as connection:
            connection.execute(audit.insert().values(_values(row)))

    def rows(
        self,
        since: datetime | None = None,
        action: str | None = None,
        limit: int = 100,
        before: int | None = None,
    ) -> list[AuditRow]:
        """Return the newest `limit` rows, the newest first.

        Since a time (UTC); of an action, or of all that begin with it and a colon or a dot; from
        behind the row with the id `before`.
        """
        # Not by id alone: rows of older runs come when they are copied.
        newest = (audit.c.at.desc(), audit.c.id.desc())
        wanted = sa.select(audit).order_by(*newest).limit(limit)
        if since is not None:
            wanted = wanted.where(audit.c.at >= naive(since))
        if action is not None:
            action = _text(action)
            begins = [audit.c.action.startswith(action + end, autoescape=True) for end in ":."]
            wanted = wanted.where(sa.or_(audit.c.action == action, *begins))
        with self._control.reading() as connection:
            if before is not None:
                place = self._place(connection, before)
                if place is None:
                    return []
                behind = sa.and_(audit.c.at == place.at, audit.c.id < place.id)
                wanted = wanted.where(sa.or_(audit.c.at < place.at, behind))
            return [_row(row) for row in connection.execute(wanted).mappings()]

    def _place(self, connection: sa.Connection, number: int) -> Any:
        wanted = sa.select(audit.c.at, audit.c.id).where(audit.c.id == number)
        return connection.execute(wanted).first() if 0 < number <= LARGEST else None

    def copy_runs(self, runs: Iterable[Mapping[str, Any]]) -> int:
        """Add a row for each row of the facts' `runs` that has none; return how many."""
        by_id = {run["run_id"]: run for run in runs}
        ids, added = list(by_id), 0
        for first in range(0, len(ids), _AT_ONCE):
            some = ids[first : first + _AT_ONCE]
            with self._control.begin() as connection:
                known = sa.select(audit.c.run_id).where(audit.c.run_id.in_(some))
                missing = set(some).difference(connection.execute(known).scalars())
                rows = [_of_run(by_id[run_id]) for run_id in some if run_id in missing]
                if rows:
                    connection.execute(audit.insert(), rows)
                added += len(rows)
        return added


def _values(row: AuditRow) -> dict[str, Any]:
    return {
        "at": naive(row.at),
        "actor": _text(row.actor),
        "action": _text(row.action),
        "resource": _text(row.resource),
        "result": _text(row.result),
        "details": _told(row.details),
    }


def _text(text: str) -> str:
    """Return what may stand in the trail: no secret, and no bytes that SQLite can't hold."""
    # A secret comes here where somebody gives it for a name; a session's key may be no UTF-8.
    return _SECRET.sub(f"{PREFIX}…", text).encode("utf-8", "backslashreplace").decode()


def _told(value: Any) -> Any:
    """Return details as they may stand in the trail."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return {name: _told(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_told(item) for item in value]
    return value


def _row(row: Any) -> AuditRow:
    at = row["at"].replace(tzinfo=UTC)
    told = {name: row[name] for name in ("actor", "action", "resource", "result", "details", "id")}
    return AuditRow(at=at, **told)


def _of_run(run: Mapping[str, Any]) -> dict[str, Any]:
    name = run["processor_name"]
    row = AuditRow(
        at=(run["started_at"] + timedelta(seconds=run["seconds"])).replace(tzinfo=UTC),
        actor=run["actor"],
        action=f"run_session_processor:{name}",
        resource=f"job:session-processor:{name}",
        result=run["outcome"],
        details={"processor": name} | {figure: run[figure] for figure in _FIGURES},
    )
    return _values(row) | {"run_id": run["run_id"]}
