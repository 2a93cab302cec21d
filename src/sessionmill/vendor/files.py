"""Files of what the vendor counted: recognised by what they hold, whatever they are called."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime

import msgspec

from sessionmill.errors import NotVendorUsage, VendorUsageMalformed
from sessionmill.vendor import analytics_api, otlp
from sessionmill.vendor.records import DayUsage, Point

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Document(msgspec.Struct):
    """One JSON document, decoded only so far that its kind can be told."""

    data: msgspec.Raw = msgspec.Raw()
    has_more: bool | None = None
    metrics: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="resourceMetrics")
    logs: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="resourceLogs")
    spans: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="resourceSpans")


@dataclass(frozen=True, slots=True)
class Reading:
    """What one file tells."""

    pages: list[analytics_api.Page] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)

    @property
    def usage(self) -> list[DayUsage]:
        """The rows of all its pages."""
        return [row for page in self.pages for row in page.rows]


_DOCUMENT = msgspec.json.Decoder(Document)


def read(content: bytes, name: str, as_of: datetime) -> Reading:
    """Read one file; `name` is for messages, and what happened after `as_of` it cannot tell.

    Either pages of the API or requests of OpenTelemetry's JSON: one document, or one on each line,
    as the collector's file exporter writes them. Logs and spans, which one exporter may write into
    the same file, are passed over.

    Raises NotVendorUsage for another kind of file, and VendorUsageMalformed.
    """
    reading, is_known = Reading(), False
    for line, document in _documents(content.removeprefix(_BYTE_ORDER_MARK), name):
        try:
            if bytes(document.metrics):
                reading.points.extend(otlp.read(bytes(document.metrics)))
                is_known = True
            elif bytes(document.data) and document.has_more is not None:
                page = analytics_api.read(bytes(document.data), document.has_more, as_of)
                reading.pages.append(page)
                is_known = True
            elif not (bytes(document.logs) or bytes(document.spans)):
                raise NotVendorUsage(name)
        except (ValueError, RecursionError) as error:
            raise VendorUsageMalformed(name, line, str(error)) from error
    if not is_known:
        raise NotVendorUsage(name)
    return reading


def unfinished_days(readings: Iterable[Reading]) -> list[date]:
    """Return days of which every page says that there is another: the last one is missing."""
    more: dict[date, bool] = defaultdict(lambda: True)
    for page in (page for reading in readings for page in reading.pages):
        if page.day is not None:
            more[page.day] &= page.has_more
    return sorted(day for day, has_more in more.items() if has_more)


def _documents(content: bytes, name: str) -> Iterator[tuple[int, Document]]:
    """Yield (line, document)."""
    first, _, rest = content.partition(b"\n")
    if not rest.strip() or not _is_json(first):
        try:
            yield 1, _DOCUMENT.decode(content)
        except (ValueError, RecursionError) as error:
            raise NotVendorUsage(name) from error
        return
    for number, line in enumerate(content.splitlines(keepends=True), 1):
        if not line.strip():
            continue
        try:
            document = _DOCUMENT.decode(line)
        except (ValueError, RecursionError) as error:
            if not line.endswith(b"\n"):
                return  # the collector is writing it
            if number == 1:
                raise NotVendorUsage(name) from error
            raise VendorUsageMalformed(name, number, str(error)) from error
        yield number, document


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return False
    return True
