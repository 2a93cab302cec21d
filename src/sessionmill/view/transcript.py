"""One transcript, line by line: turns, answers, calls, results and errors, read from the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from sessionmill.collect.contents import opened
from sessionmill.collect.discover import Found
from sessionmill.collect.roots import path_kind
from sessionmill.decode.lines import TranscriptDecoder
from sessionmill.decode.records import Record, Response
from sessionmill.decode.tail import Reader, Rest
from sessionmill.decode.text import whole
from sessionmill.decode.words import is_answer, words
from sessionmill.errors import TranscriptClosed, TranscriptGone, UsageError
from sessionmill.store.progress import naive
from sessionmill.view.reports import Rows

COLUMNS = [
    "line_offset",
    "at",
    "what",
    "name",
    "input_tokens",
    "output_tokens",
    "result_bytes",
    "is_error",
    "text",
]
#: A page is read in slices of this size: a transcript may be larger than memory.
_SLICE_BYTES = 1024 * 1024
#: Lines by which the client tells that something failed; it speaks as the assistant, too.
_ERRORS = frozenset({"assistant", "system/api_error", "event_msg/error", "event_msg/stream_error"})


def page(
    found: Found, spool: Path, *, after: int = -1, limit: int = 50, characters: int = 200
) -> Rows:
    """Return what the lines behind byte `after` say, at most `limit` rows; texts are cut.

    The rows of one line are not parted. `input_tokens` is all that a response read: new, from a
    cache, and written to one. All lines before are read as well, for pages rely on them: one that
    tells a result names the call that an earlier one told of. A compressed one is decompressed into
    the folder `spool`. Raises UsageError, TranscriptGone, TranscriptClosed, TranscriptUnreadable.
    """
    if limit < 1 or characters < 1:
        raise UsageError("--limit and --characters are more than zero")
    told = _Told(characters)
    rows: list[tuple[Any, ...]] = []
    for record in _records(found, spool):
        if record.offset <= after:
            told.pass_over(record)
            continue
        of_line = list(told.rows(record))
        if rows and of_line and len(rows) + len(of_line) > limit:
            return Rows(COLUMNS, rows, truncated=True)
        rows += of_line
    return Rows(COLUMNS, rows)


def _records(found: Found, spool: Path) -> Iterator[Record]:
    decoder = TranscriptDecoder(found.session_key, path_kind(found.session_key))
    try:
        with opened(Path(found.path), found.size, spool) as (file, size):
            for part in Reader(_SLICE_BYTES).slices(file, 0, size):
                if isinstance(part, Rest):
                    yield from decoder.decode_rest(part)
                else:
                    yield from decoder.decode(part)
    except FileNotFoundError as error:
        raise TranscriptGone(found.session_key, found.path) from error
    except OSError as error:
        raise TranscriptClosed(found.session_key, found.path, error.strerror) from error


@dataclass
class _Told:
    """What has been told so far: lines of one response repeat its figures, results name no tool."""

    characters: int
    figures: dict[str, tuple[int, int]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def pass_over(self, record: Record) -> None:
        """Take note of a line that another page tells."""
        for response in record.responses:
            self._new_figures(response)
        for call in record.calls:
            self.names[call.id] = call.name

    def rows(self, record: Record) -> Iterator[tuple[Any, ...]]:
        """Yield what a line says, each thing a row."""
        if record.malformed is not None:
            yield _row(record, "malformed", text=record.malformed)
            return
        line = _whole_line(record)
        text = self._cut(words(line))
        if record.command is not None:
            yield _row(record, "command", record.command.name)
        elif record.prompt is not None:
            yield _row(record, "prompt", text=text)
        if record.responses:
            yield from self._responses(record, text)
        elif is_answer(line):
            if text:
                yield _row(record, "response", text=text)
        elif record.type in _ERRORS:
            yield _row(record, "error", is_error=True, text=text)
        yield from self._calls(record, line)
        if not record.known:
            raw = bytes(record.line).decode("utf-8", "replace")
            yield _row(record, "unknown", record.type, text=self._cut(raw))

    def _responses(self, record: Record, text: str) -> Iterator[tuple[Any, ...]]:
        """Yield responses whose figures are new; the last one says what the line says."""
        for response in record.responses:
            said = text if response is record.responses[-1] else ""
            figures = self._new_figures(response)
            if figures is not None or said:
                yield _row(record, "response", response.model, figures, text=said)

    def _new_figures(self, response: Response) -> tuple[int, int] | None:
        """Return what a response read and wrote, unless it was told before."""
        figures = (
            response.input_tokens
            + response.cache_read_tokens
            + response.cache_write_5m_tokens
            + response.cache_write_1h_tokens,
            response.output_tokens,
        )
        before, self.figures[response.id] = self.figures.get(response.id), figures
        return None if figures == before else figures

    def _calls(self, record: Record, line: Any) -> Iterator[tuple[Any, ...]]:
        for call in record.calls:
            self.names[call.id] = call.name
            yield _row(record, "call", call.name, text=self._cut(words(line, call.id)))
        for result in record.results:
            yield _row(
                record,
                "result",
                self.names.get(result.call_id),
                result_bytes=result.bytes,
                is_error=result.is_error,
                text=self._cut(words(line, result.call_id)),
            )

    def _cut(self, text: str) -> str:
        said = " ".join(text.split())
        return said if len(said) <= self.characters else said[: self.characters - 1] + "…"


def _row(
    record: Record,
    what: str,
    name: str | None = None,
    figures: tuple[int, int] | None = None,
    *,
    result_bytes: int | None = None,
    is_error: bool | None = None,
    text: str = "",
) -> tuple[Any, ...]:
    read, wrote = figures or (None, None)
    at = _utc(record.at)
    return (record.offset, at, what, name, read, wrote, result_bytes, is_error, text)


def _utc(at: datetime | None) -> datetime | None:
    try:
        return None if at is None else naive(at)
    except OverflowError:
        return None  # the first or the last day that there is, in another zone


def _whole_line(record: Record) -> Any:
    try:
        return record.json()
    except (msgspec.MsgspecError, RecursionError):
        pass  # msgspec is stricter than those who write: half a surrogate pair, a number of NaN
    try:
        return whole(json.loads(bytes(record.line)))
    except (ValueError, RecursionError):
        return None  # a damaged line, of which the decoder has made what it could
