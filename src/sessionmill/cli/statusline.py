"""One line for a client's status line; imports nothing that takes long, for the client waits."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any

from sessionmill import config
from sessionmill.errors import UsageError

_AGENT = "claude-code"
_BLOCK = timedelta(hours=5)
#: Seconds after which what was read last is called old.
_OLD = 120


def statusline(*, user: str | None = None, db: Path | None = None) -> int:
    """Print one line for Claude Code's status line.

    Args:
        user: Whose figures (default: yours).
        db: The data directory (else $SESSIONMILL_HOME, else the platform's).
    """
    folder = config.load(db).folder
    said = {} if sys.stdin.isatty() else _said(sys.stdin.read())
    print(line(said, _standing(folder), user or config.os_user(), datetime.now(UTC)))
    return 0


def line(
    said: Mapping[str, Any],
    standing: Mapping[str, Any] | None,
    user: str,
    now: datetime,
    zone: tzinfo | None = None,
) -> str:
    """Return the line: what the client says of its session, and what the last run knew.

    `zone` is whose day "today" is; without one, this machine's.
    """
    person = _of_person(standing, user, now, zone)
    return " | ".join([*_of_session(said), *person, *_of_context(said)])


# ── what the client says ─────────────────────────────────────────────────────────────────────


def _said(text: str) -> dict[str, Any]:
    """Return what the client wrote. Raises UsageError for what no client writes."""
    try:
        said = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise UsageError(f"stdin is not the JSON that Claude Code writes there: {error}") from error
    if not isinstance(said, dict):
        raise UsageError("stdin is not the JSON object that Claude Code writes there.")
    return said


def _of_session(said: Mapping[str, Any]) -> list[str]:
    parts = []
    name = _at(said, "model", "display_name")
    if isinstance(name, str) and name:
        parts.append("".join(c for c in name if c.isprintable()))
    cost = _at(said, "cost", "total_cost_usd")
    if isinstance(cost, int | float):
        parts.append(f"session {_dollars(Decimal(str(cost)))}")
    return parts


def _of_context(said: Mapping[str, Any]) -> list[str]:
    used = _at(said, "context_window", "used_percentage")
    return [f"context {used:.0f}%"] if isinstance(used, int | float) else []


def _at(said: Any, *path: str) -> Any:
    for name in path:
        said = said.get(name) if isinstance(said, Mapping) else None
    return said


# ── what the last run knew ───────────────────────────────────────────────────────────────────


def _standing(folder: Path) -> dict[str, Any] | None:
    """Return what the last run wrote; None where none has."""
    try:
        found = json.loads((folder / "standing.json").read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _of_person(
    standing: Mapping[str, Any] | None, user: str, now: datetime, zone: tzinfo | None
) -> list[str]:
    if standing is None:
        return ["nothing was read yet: sessionmill run"]
    own = standing["users"].get(user, {})
    day = now.astimezone(zone).date()
    quarters = [quarter for agent in own.values() for quarter in agent["quarters"]]
    today = [q for q in quarters if datetime.fromisoformat(q[0]).astimezone(zone).date() == day]
    parts = [f"today {_sum(today)}"]
    if _AGENT in own:
        parts += _of_block(own[_AGENT], now)
    age = (now - datetime.fromisoformat(standing["made_at"])).total_seconds()
    if age > _OLD:
        parts.append(f"as of {_span(age)} ago")
    return parts


def _of_block(agent: Mapping[str, Any], now: datetime) -> list[str]:
    """Return what runs: cost, rate since its first record, time left, and what it comes to."""
    began = datetime.fromisoformat(agent["block_began_at"])
    left = (began + _BLOCK - now).total_seconds()
    used = [q for q in agent["quarters"] if datetime.fromisoformat(q[0]) >= began]
    if left <= 0 or not used:
        return []
    cost = sum((Decimal(quarter[1]) for quarter in used), Decimal())
    seconds = max((now - datetime.fromisoformat(used[0][0])).total_seconds(), 60)
    rate = cost / Decimal(seconds)
    return [
        f"block {_sum(used)} at {_dollars(rate * 3600)}/h, {_span(left)} left,"
        f" {_dollars(cost + rate * Decimal(left))} projected"
    ]


def _sum(quarters: list[list[Any]]) -> str:
    text = _dollars(sum((Decimal(q[1]) for q in quarters), Decimal()))
    unpriced = sum(q[3] for q in quarters)
    return f"{text} + {unpriced} unpriced" if unpriced else text


# ── how it is written ────────────────────────────────────────────────────────────────────────


def _dollars(amount: Decimal) -> str:
    return f"${amount:,.2f}"


def _span(seconds: float) -> str:
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours < 48 else f"{hours // 24}d"
