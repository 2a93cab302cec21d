"""Processors as authors of plugins write them, right and wrong, to be tested by the kit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sessionmill.contracts import (
    Column,
    Extraction,
    ProcessorContext,
    ProcessorResult,
    RetryLater,
    Table,
    Transcript,
)
from sessionmill.decode.records import Record

CALL_COUNTS = Table(
    name="call_counts",
    comment="how often a tool was called in a transcript",
    key=("name",),
    columns=(Column("name", "VARCHAR", "keep"), Column("calls", "BIGINT", "max")),
)


class CallCounter:
    """Counts calls by the tool's name: running totals, which a carry takes on."""

    name, cadence_minutes, tables = "call_counter", 60, (CALL_COUNTS,)
    views = {  # noqa: RUF012 - as the page shows it
        "most_called": "SELECT name, sum(calls) AS calls FROM call_counts GROUP BY name"
    }

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        del transcript
        counts = Counter(dict(carry or ()))
        counts.update(call.name for record in records for call in record.calls)
        rows = list(counts.items())
        return Extraction(rows={"call_counts": rows}, safe_offset=records[-1].end, carry=rows)


class Forgetful(CallCounter):
    """Counts each slice anew."""

    name = "forgetful"

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        del carry
        extraction = super().extract(transcript, records, None)
        return Extraction(rows=extraction.rows, safe_offset=extraction.safe_offset)


class ForgetfulLater(CallCounter):
    """Takes over from the slice before alone: right over one cut, wrong over two."""

    name = "forgetful_later"

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        extraction = super().extract(transcript, records, carry)
        own = super().extract(transcript, records, None).carry
        return Extraction(rows=extraction.rows, safe_offset=extraction.safe_offset, carry=own)


class OnSelf(CallCounter):
    """Remembers on itself what belongs into the carry."""

    name = "on_self"

    def __init__(self) -> None:
        self._counts: dict[str, Any] = {}

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        del carry
        extraction = super().extract(transcript, records, self._counts.get(transcript.key))
        self._counts[transcript.key] = extraction.carry
        return Extraction(rows=extraction.rows, safe_offset=extraction.safe_offset)


class AskingAgain(CallCounter):
    """Takes nothing in until a person says something: what came before is given again."""

    name = "asking_again"

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        prompts = [n for n, record in enumerate(records) if record.prompt is not None]
        held = records[prompts[-1] :] if prompts else records
        done = super().extract(transcript, records[: len(records) - len(held)] or held, carry)
        if len(held) == len(records):
            return Extraction(rows={}, safe_offset=records[0].offset, carry=carry)
        return Extraction(rows=done.rows, safe_offset=held[0].offset, carry=done.carry)


class Elected:
    """Tells each prompt once, wherever it was copied to."""

    name, cadence_minutes = "elected", 60
    tables = (
        Table(
            name="asked",
            key=("prompt_id",),
            columns=(
                Column("prompt_id", "VARCHAR", "keep"),
                Column("line_offset", "BIGINT", "min"),
                Column("asked_at", "TIMESTAMP", "min"),
            ),
            elect_by=("line_offset DESC",),
        ),
    )

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        del transcript, carry
        rows = [
            {"prompt_id": r.prompt.id, "line_offset": r.offset, "asked_at": r.at}
            for r in records
            if r.prompt is not None
        ]
        return Extraction(rows={"asked": rows}, safe_offset=records[-1].end)


class Words:
    """Effectful: counts words, and keeps its table in order by naming it."""

    name, cadence_minutes = "words", 60
    tables: tuple[str, ...] = ("words",)

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del username
        conn.execute("CREATE TABLE IF NOT EXISTS words (session_key VARCHAR, words BIGINT)")
        words = len(session_path.read_bytes().split())
        conn.execute("INSERT INTO words VALUES (?, ?)", [session_key, words])
        return ProcessorResult(items_count=1)


class Unnamed(Words):
    """Does not name its table, so that rows of a session that was processed before stay."""

    name, tables = "unnamed", ()


class Keyless:
    """Keeps what cannot be told to be of a transcript."""

    name, cadence_minutes = "keyless", 60

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del username, session_key
        conn.execute("CREATE TABLE IF NOT EXISTS sizes (bytes BIGINT)")
        conn.execute("INSERT INTO sizes VALUES (?)", [session_path.stat().st_size])
        return ProcessorResult(items_count=1)


class Prices:
    """Asks a service that may be away, and not before it asked to be asked again."""

    name, cadence_minutes, tables = "quotes", 60, ("quotes",)

    def __init__(self, now: Callable[[], datetime], is_up: Callable[[], bool]) -> None:
        self._now, self._is_up = now, is_up
        self._not_before: datetime | None = None

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del session_path, username
        if self._not_before is not None and self._now() < self._not_before:
            raise RetryLater("the service wants to be left alone")
        if not self._is_up():
            self._not_before = self._now() + timedelta(minutes=5)
            raise RetryLater("the service is away", after=300)
        conn.execute("CREATE TABLE IF NOT EXISTS quotes (session_key VARCHAR, asked_at TIMESTAMP)")
        conn.execute("INSERT INTO quotes VALUES (?, ?)", [session_key, self._now()])
        return ProcessorResult(items_count=1)


class Greeting:
    """Has a context: settings, a folder that outlives a call, and redaction."""

    name, cadence_minutes, tables = "greeting", 60, ("greetings",)

    def __init__(self, context: ProcessorContext) -> None:
        self._context = context

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del session_path, username
        kept = self._context.folder / "count"
        count = int(kept.read_text()) + 1 if kept.exists() else 1
        kept.write_text(str(count))
        conn.execute("CREATE TABLE IF NOT EXISTS greetings (session_key VARCHAR, said VARCHAR)")
        said = self._context.redact(f"{self._context.settings['text']} {count}, token=abcdefgh")
        conn.execute("INSERT INTO greetings VALUES (?, ?)", [session_key, said])
        return ProcessorResult(items_count=1)


class Catching:
    """Effectful: catches an error of its connection, and goes on as if nothing were lost."""

    name, cadence_minutes = "catching", 60

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del session_path, username, session_key
        try:
            conn.execute("INSERT INTO nowhere VALUES (1)")
        except Exception:
            return ProcessorResult(items_count=1)
        raise AssertionError("there is no such table")


class Silent:
    """Effectful: returns nothing."""

    name, cadence_minutes = "silent", 60

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> None:
        """Do nothing."""
