"""Token and cost counters of Claude Code, as OpenTelemetry's JSON tells them.

* What is counted: `claude_code.token.usage` and `claude_code.cost.usage`, with the attributes that
  code.claude.com/docs/en/monitoring-usage names: who (`user.email`, else an id of the account or
  of the installation), `session.id`, `model`, `query_source`, and of tokens `type`. Its default
  temporality is delta.
* How JSON writes it: opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding": names in
  lowerCamelCase, 64-bit integers as decimal strings (numbers are read, too), enumerations as
  integers. github.com/open-telemetry/opentelemetry-proto, metrics.proto, has the messages.
* What a counter is: opentelemetry.io/docs/specs/otel/metrics/data-model: a stream's identity is its
  resource, scope, metric and attributes; how its points add up is told in store/sql/vendor.sql.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import msgspec

from sessionmill.vendor.records import Point, is_amount

SOURCE = "otel"
COST = "cost"
#: What `type` may say of tokens.
TOKEN_CLASSES = ("input", "output", "cacheRead", "cacheCreation")
#: Of a point without any name of a person.
NAMELESS = "(no name)"

_TOKEN_METRIC, _COST_METRIC = "claude_code.token.usage", "claude_code.cost.usage"
#: Who it was, by what is known of them: the best name first.
_NAMES = ("user.email", "user.account_uuid", "user.account_id", "user.id")
_TEMPORALITIES = {1: "delta", 2: "cumulative"}
#: DataPointFlags of metrics.proto: a point that says only that there is no value.
_NO_RECORDED_VALUE = 1


class KeyValue(msgspec.Struct):
    """One attribute; its value is an object whose one key names its type."""

    key: str
    value: dict[str, Any] = {}


class Attributes(msgspec.Struct):
    """What a resource or a scope is known by."""

    attributes: list[KeyValue] = []
    name: str = ""


class DataPoint(msgspec.Struct, rename="camel"):
    """A NumberDataPoint."""

    time_unix_nano: Decimal
    attributes: list[KeyValue] = []
    start_time_unix_nano: Decimal = Decimal(0)
    as_int: Decimal | None = None
    as_double: Decimal | None = None
    flags: int = 0


class Sum(msgspec.Struct, rename="camel"):
    """A counter's points."""

    data_points: list[DataPoint] = []
    aggregation_temporality: int = 0


class Metric(msgspec.Struct):
    """One metric; its sum is decoded only where it is one of ours."""

    name: str
    sum: msgspec.Raw = msgspec.Raw()


class ScopeMetrics(msgspec.Struct):
    """Metrics of one meter."""

    metrics: list[Metric] = []
    scope: Attributes = msgspec.field(default_factory=Attributes)


class ResourceMetrics(msgspec.Struct, rename="camel"):
    """Metrics of one process."""

    scope_metrics: list[ScopeMetrics] = []
    resource: Attributes = msgspec.field(default_factory=Attributes)


_REQUEST = msgspec.json.Decoder(list[ResourceMetrics])
_SUM = msgspec.json.Decoder(Sum)


def read(resource_metrics: bytes) -> Iterator[Point]:
    """Read `resourceMetrics` of one ExportMetricsServiceRequest.

    Raises ValueError (msgspec's too) for what is not as specified.
    """
    for of_resource in _REQUEST.decode(resource_metrics):
        for of_scope in of_resource.scope_metrics:
            for metric in of_scope.metrics:
                if metric.name in (_TOKEN_METRIC, _COST_METRIC):
                    yield from _points(of_resource.resource, of_scope.scope, metric)


def _points(resource: Attributes, scope: Attributes, metric: Metric) -> Iterator[Point]:
    if not bytes(metric.sum):
        raise ValueError(f"{metric.name} is no sum, as a counter is")
    counter = _SUM.decode(metric.sum)
    temporality = _TEMPORALITIES.get(counter.aggregation_temporality)
    if temporality is None:
        raise ValueError(f"{metric.name} has neither delta (1) nor cumulative (2) temporality")
    for point in counter.data_points:
        if point.flags & _NO_RECORDED_VALUE:
            continue
        # A collector may move what names a person to the resource.
        told = {a.key: a.value.get("stringValue") for a in resource.attributes + point.attributes}
        yield Point(
            _identity(resource, scope, metric.name, point),
            temporality,
            _nanoseconds(point.start_time_unix_nano),
            _nanoseconds(point.time_unix_nano) or _no_time(metric.name),
            next((told[name] for name in _NAMES if told.get(name)), None) or NAMELESS,
            told.get("session.id"),
            told.get("model"),
            told.get("query_source") or "",
            COST if metric.name == _COST_METRIC else told.get("type") or "",
            _value(metric.name, point),
        )


def _identity(resource: Attributes, scope: Attributes, metric: str, point: DataPoint) -> str:
    """Hash what tells one counter from another; the order of attributes means nothing."""
    parts = (_sorted(resource.attributes), scope.name, metric, _sorted(point.attributes))
    return blake2b(msgspec.json.encode(parts, order="sorted"), digest_size=16).hexdigest()


def _sorted(attributes: list[KeyValue]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(a.key, a.value) for a in sorted(attributes, key=lambda a: a.key)]


def _nanoseconds(number: Decimal) -> int:
    if not is_amount(number, 2**63 - 1):
        raise ValueError("a time is no number of nanoseconds")
    return int(number)


def _no_time(metric: str) -> int:
    raise ValueError(f"{metric} has a point without a time")


def _value(metric: str, point: DataPoint) -> Decimal:
    value = point.as_int if point.as_int is not None else point.as_double
    if value is None or not is_amount(value):
        raise ValueError(f"{metric} has a point whose value is no count")
    if metric == _TOKEN_METRIC and value != int(value):
        raise ValueError(f"{metric} has a point with a part of a token")
    return value
