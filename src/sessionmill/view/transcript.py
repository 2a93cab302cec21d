"""One transcript, line by line: turns, answers, calls, results and errors, read from the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from sessionmill.collect.known import native
from sessionmill.collect.roots import path_kind
from sessionmill.decode.lines import TranscriptDecoder
from sessionmill.decode.records import Record
from sessionmill.decode.tail import Reader, Rest
from sessionmill.decode.words import words
from sessionmill.errors import TranscriptGone, UsageError
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


def page(
    path: str, session_key: str, agent: str, *, after: int = -1, limit: int = 50, characters: int
) -> Rows:
    """Return what the lines behind the one at byte `after` say; texts are cut at `characters`.

    `input_tokens` is all that a response read: new, from a cache, and written to one. Raises
    TranscriptGone, and UsageError where no line starts at `after`.
    """
    told = _Told(characters)
    rows: list[tuple[Any, ...]] = []
    for record in _records(path, session_key, agent, after):
        if record.offset > after:
            if len(rows) >= limit:
                return Rows(COLUMNS, rows, truncated=True)
            rows += told.rows(record)
    return Rows(COLUMNS, rows)


def _records(path: str, session_key: str, agent: str, after: int) -> Iterator[Record]:
    """Yield records from a line's start at or before `after`: lines of Codex rely on all others."""
    start = max(after, 0) if agent == "claude-code" else 0
    decoder = TranscriptDecoder(session_key, path_kind(session_key), agent if start else None)
    try:
        with Path(native(path)).open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if start and os.pread(file.fileno(), 1, start - 1) != b"\n":
                raise UsageError(f"No line of {session_key} starts at byte {after}.")
            for part in Reader(_SLICE_BYTES).slices(file, start, size):
                if isinstance(part, Rest):
                    yield from decoder.decode_rest(part)
                else:
                    yield from decoder.decode(part)
    except FileNotFoundError as error:
        raise TranscriptGone(session_key, path) from error


@dataclass
class _Told:
    """What the page has told so far: lines of one response repeat its figures."""

    characters: int
    figures: dict[str, tuple[int, int]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def rows(self, record: Record) -> Iterator[tuple[Any, ...]]:
        """Yield what a line says, each thing a row."""
        if record.malformed is not None:
            yield self._row(record, "malformed", text=record.malformed)
            return
        if record.command is not None:
            yield self._row(record, "command", record.command.name)
        elif record.prompt is not None:
            yield self._row(record, "prompt", text=self._text(record))
        yield from self._answers(record)
        for call in record.calls:
            self.names[call.id] = call.name
            yield self._row(record, "call", call.name, text=self._text(record))
        for result in record.results:
            yield self._row(
                record,
                "result",
                self.names.get(result.call_id),
                result_bytes=result.bytes,
                is_error=result.is_error,
                text=self._text(record),
            )
        if record.type == "system/api_error":
            yield self._row(record, "error", is_error=True, text=self._text(record))

    def _answers(self, record: Record) -> Iterator[tuple[Any, ...]]:
        """Yield a response when its figures are new, or the line says something."""
        text = "" if record.calls or not record.responses else self._text(record)
        for response in record.responses:
            read = (
                response.input_tokens
                + response.cache_read_tokens
                + response.cache_write_5m_tokens
                + response.cache_write_1h_tokens
            )
            figures = (read, response.output_tokens)
            new = self.figures.get(response.id) != figures
            self.figures[response.id] = figures
            if new or text:
                shown = figures if new else (None, None)
                yield self._row(record, "response", response.model, *shown, text=text)
        if not record.responses and record.type == "assistant":
            # The client speaks in the agent's place: an API error, an interrupt.
            yield self._row(record, "error", is_error=True, text=self._text(record))

    def _row(
        self,
        record: Record,
        what: str,
        name: str | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        *,
        result_bytes: int | None = None,
        is_error: bool | None = None,
        text: str = "",
    ) -> tuple[Any, ...]:
        at = naive(record.at) if record.at is not None else None
        return (
            record.offset, at, what, name, input_tokens, output_tokens, result_bytes, is_error,
            text,
        )  # fmt: skip

    def _text(self, record: Record) -> str:
        try:
            said = " ".join(words(record.json()).split())
        except (msgspec.MsgspecError, RecursionError):
            return ""  # a damaged line, of which the decoder has made what it could
        return said if len(said) <= self.characters else said[: self.characters - 1] + "…"
