"""What the vendor exports, built in the shapes that its documents give.

* `ApiDay`: platform.claude.com/docs/en/manage-claude/claude-code-analytics-api, its response
* `Telemetry`: code.claude.com/docs/en/monitoring-usage for names and attributes, the messages of
  opentelemetry-proto's metrics.proto in OTLP's JSON encoding, a request a line, as the collector's
  file exporter writes them
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Self

SONNET, HAIKU = "claude-sonnet-4-5-20250929", "claude-haiku-4-5-20251001"
#: Of the client's own installation, in every point.
INSTALLATION = "5b2c0a6f6f5d4f6aa8d8"
_ORGANIZATION = "dc9f6c26-b22c-4831-8d01-0446bada88f1"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Temporality = Literal["delta", "cumulative"]
TokenClass = Literal["input", "output", "cacheRead", "cacheCreation"]


class ApiDay:
    """What the API answers for one UTC day."""

    def __init__(self, day: date) -> None:
        self._day, self._records = day, list[dict[str, Any]]()

    def record(
        self,
        name: str,
        /,
        *models: dict[str, Any],
        sessions: int = 1,
        terminal: str = "iTerm.app",
        **fields: Any,
    ) -> Self:
        """Add one actor's record; of a name without an @ it is an API key's."""
        user = {"type": "user_actor", "email_address": name}
        key = {"type": "api_actor", "api_key_name": name}
        zero = {"accepted": 0, "rejected": 0}
        tools = ("edit_tool", "multi_edit_tool", "write_tool", "notebook_edit_tool")
        self._records.append(
            {
                "date": f"{self._day}T00:00:00Z",
                "actor": user if "@" in name else key,
                "organization_id": _ORGANIZATION,
                "customer_type": "api",
                "terminal_type": terminal,
                "core_metrics": {
                    "num_sessions": sessions,
                    "lines_of_code": {"added": 1543, "removed": 892},
                    "commits_by_claude_code": 12,
                    "pull_requests_by_claude_code": 2,
                },
                "tool_actions": dict.fromkeys(tools, zero),
                "model_breakdown": list(models),
                "subscription_type": None,
            }
            | fields
        )
        return self

    def pages(self, size: int = 20) -> list[bytes]:
        """Return its pages, of so many records each."""
        parts = [self._records[i : i + size] for i in range(0, len(self._records), size)] or [[]]
        return [
            json.dumps(
                {
                    "data": part,
                    "has_more": number < len(parts),
                    "next_page": f"page_{number}" if number < len(parts) else None,
                }
            ).encode()
            for number, part in enumerate(parts, 1)
        ]

    def write(self, folder: Path, *, fetched: datetime | None = None, size: int = 20) -> list[Path]:
        """Write its pages as files, fetched the day after unless it is said when."""
        fetched = fetched or datetime(*self._day.timetuple()[:3], tzinfo=UTC) + timedelta(days=2)
        return [
            write(folder / f"{self._day}-{number}.json", page, fetched)
            for number, page in enumerate(self.pages(size), 1)
        ]


def model(
    name: str = SONNET,
    input: int = 0,
    output: int = 0,
    cache_read: int = 0,
    cache_creation: int = 0,
    cents: float | str = 0,
) -> dict[str, Any]:
    """Return one model's share of a record."""
    return {
        "model": name,
        "tokens": {
            "input": input,
            "output": output,
            "cache_read": cache_read,
            "cache_creation": cache_creation,
        },
        "estimated_cost": {"currency": "USD", "amount": cents},
    }


def write(path: Path, content: bytes, modified: datetime) -> Path:
    """Write a file that was last written to at that time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (modified.timestamp(), modified.timestamp()))
    return path


@dataclass(frozen=True)
class Counter:
    """What tells one of a process's counters from another."""

    metric: str
    attributes: tuple[tuple[str, str], ...]


@dataclass
class Telemetry:
    """One person's client: processes, one after the other, whose counters are exported."""

    temporality: Temporality
    email: str | None = "alice@example.com"
    started: datetime = datetime(2026, 3, 2, 9, tzinfo=UTC)
    #: Requests, a line each.
    lines: list[bytes] = field(default_factory=list)
    #: Of each counter of the running process: the time of its last point, and what it has reached.
    _last: dict[Counter, tuple[datetime, float]] = field(default_factory=dict)

    def restart(self, at: datetime) -> None:
        """Begin another process: every counter is at zero again."""
        self.started, self._last = at, {}

    def tokens(
        self,
        at: datetime,
        token_class: TokenClass | str,
        amount: int,
        *,
        session: str | None = "0f3c",
        model: str = SONNET,
        **attributes: str,
    ) -> Self:
        """Export what was used since the last export, at that time."""
        given = self._attributes(session, model=model, type=token_class, **attributes)
        return self._export(at, Counter("claude_code.token.usage", given), amount)

    def cost(
        self,
        at: datetime,
        dollars: float,
        *,
        session: str | None = "0f3c",
        model: str = SONNET,
        **attributes: str,
    ) -> Self:
        """Export what that was worth, by the client's estimate."""
        given = self._attributes(session, model=model, **attributes)
        return self._export(at, Counter("claude_code.cost.usage", given), dollars)

    def _attributes(self, session: str | None, **more: str) -> tuple[tuple[str, str], ...]:
        named = {"user.id": INSTALLATION, "session.id": session, "user.email": self.email}
        return tuple((key, value) for key, value in (named | more).items() if value is not None)

    def _export(self, at: datetime, counter: Counter, amount: float) -> Self:
        before, reached = self._last.get(counter, (self.started, 0))
        self._last[counter] = (at, reached + amount)
        is_delta = self.temporality == "delta"
        point = {
            "attributes": [attribute(*pair) for pair in counter.attributes],
            "startTimeUnixNano": str(nanoseconds(before if is_delta else self.started)),
            "timeUnixNano": str(nanoseconds(at)),
            "asDouble": amount if is_delta else reached + amount,
        }
        self.lines.append(request(counter.metric, self.temporality, point))
        return self

    @property
    def content(self) -> bytes:
        """All of it, as the collector's file exporter writes it."""
        return b"".join(self.lines)


def attribute(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


def nanoseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000


def request(
    metric: str,
    temporality: Temporality,
    *points: dict[str, Any],
    resource: dict[str, str] | None = None,
) -> bytes:
    """Return one ExportMetricsServiceRequest, on a line."""
    told = {"service.name": "claude-code", "service.version": "2.1.39"} | (resource or {})
    counter = {
        "dataPoints": list(points),
        "aggregationTemporality": 1 if temporality == "delta" else 2,
        "isMonotonic": True,
    }
    unit = "tokens" if "token" in metric else "USD"
    document = {
        "resourceMetrics": [
            {
                "resource": {"attributes": [attribute(*pair) for pair in told.items()]},
                "scopeMetrics": [
                    {
                        "scope": {"name": "com.anthropic.claude_code", "version": "2.1.39"},
                        "metrics": [{"name": metric, "unit": unit, "sum": counter}],
                    }
                ],
            }
        ]
    }
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"
