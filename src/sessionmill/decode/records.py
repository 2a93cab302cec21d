"""The common model: what one line of a transcript says, whichever agent wrote it.

A decoder turns a line into a `Record`. Token counts are of the model API's classes and do not
overlap: `input_tokens` is what was neither read from nor written to a cache.
"""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum
from typing import Any

import msgspec


class CopyRank(IntEnum):
    """Where a record stands; of two copies of one thing the lower rank is preferred."""

    AGENT_FILE = 0
    MAIN = 1
    #: A sub-agent's line inside its session's main transcript.
    SIDECHAIN = 2
    #: A progress line of the main transcript that quotes a sub-agent's line.
    PROGRESS = 3


class Response(msgspec.Struct, frozen=True, gc=False):
    """What one line tells of one answer of a model API; lines of the same id repeat or grow it."""

    #: The message's id; with "/n" behind it for the n-th earlier iteration (from 0).
    id: str
    model: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    web_search_requests: int = 0
    web_fetch_requests: int = 0
    service_tier: str | None = None
    #: "standard" or "fast".
    speed: str | None = None
    inference_geo: str | None = None
    #: What old clients worked out themselves.
    logged_cost_usd: float | None = None
    #: The line names why the response ended: its figures are the last ones.
    ended: bool = False


class Content(msgspec.Struct, frozen=True, gc=False):
    """How much of a response's content one line holds, in bytes of JSON; never what it says."""

    text_bytes: int = 0
    #: Arguments of calls, those of the API's own tools included.
    argument_bytes: int = 0
    calls: int = 0
    #: What is shown of thinking: a summary of it, or nothing.
    thinking_bytes: int = 0
    #: What vouches for thinking, and grows with it, shown or not.
    signature_bytes: int = 0


class LeftOut(msgspec.Struct, frozen=True, gc=False):
    """What a line says of a response without being counted: told where figures are traced."""

    #: "synthetic": the client spoke, no model; "repeats": running totals that have not moved.
    rule: str
    response: Response


class Call(msgspec.Struct, frozen=True, gc=False):
    """An invocation of a tool, with what identifies it; never its arguments."""

    id: str
    name: str
    skill: str | None = None
    subagent_type: str | None = None
    #: Of a shell command: see `decode.programs`.
    program: str | None = None
    #: Of the name and the arguments as they are written; tells repeated calls.
    input_hash: int | None = None
    #: What it asks for, if it edits a file; whether it did so, the result tells.
    lines_added: int | None = None
    lines_removed: int | None = None
    file_hash: int | None = None


class Result(msgspec.Struct, frozen=True, gc=False):
    """What a tool gave back."""

    call_id: str
    is_error: bool
    #: Bytes of the result's text in UTF-8; of an image, of its base64 form.
    bytes: int
    #: Of one that failed: see `decode.failures`.
    error_kind: str | None = None
    #: Of the change that the client made; None where it does not say.
    lines_added: int | None = None
    lines_removed: int | None = None
    #: Of the sub-agent run that the call started.
    started_agent_id: str | None = None


class Prompt(msgspec.Struct, frozen=True, gc=False):
    """A turn that a person typed."""

    id: str
    #: Of the text, for finding repetitions; no words.
    text_hash: int
    characters: int
    #: Typed while the agent worked, and delivered within its turn.
    queued: bool = False


class Command(msgspec.Struct, frozen=True, gc=False):
    """A slash command."""

    id: str
    #: With its slash: "/clear".
    name: str


class Event(msgspec.Struct, frozen=True, gc=False):
    """Something that happened in a session and is neither said nor called."""

    #: "compaction", "api_error", "api_retry", "interrupt", "hook_block", "permission_denial",
    #: "commit", "pull_request" or "model_fallback".
    kind: str
    #: A code or an identifier; never words.
    detail: str | None = None
    #: What several lines tell it by; without one it is its line's own.
    id: str | None = None
    #: Of a compaction: the size of the context before it.
    tokens_before: int | None = None


class Start(msgspec.Struct, frozen=True, gc=False):
    """Which sub-agent run a call started, as a line tells that is not its result."""

    call_id: str
    agent_id: str


class Record(msgspec.Struct, gc=False):
    """One decoded line (or one of several objects on a damaged line)."""

    #: Byte of the uncompressed transcript at which it starts.
    offset: int
    #: Byte at which the next line starts: behind its own newline, if it has one.
    end: int
    #: The agent's own word for it: "assistant", "progress/agent_progress", "event_msg/token_count".
    type: str
    #: UTC.
    at: datetime | None = None
    uuid: str | None = None
    session_id: str | None = None
    cwd: str | None = None
    client_version: str | None = None
    agent_id: str | None = None
    copy_rank: CopyRank = CopyRank.MAIN
    #: The line's bytes; valid during the call that hands out the record.
    line: memoryview | bytes = b""
    #: How the agent was started: "cli", "claude-desktop", "sdk-py", "codex-tui".
    entrypoint: str | None = None
    responses: tuple[Response, ...] = ()
    #: Of the last of `responses`; None where the line holds nothing of it.
    content: Content | None = None
    calls: tuple[Call, ...] = ()
    results: tuple[Result, ...] = ()
    prompt: Prompt | None = None
    command: Command | None = None
    left_out: LeftOut | None = None
    events: tuple[Event, ...] = ()
    start: Start | None = None
    #: Why the line cannot be read; it then says nothing else.
    malformed: str | None = None
    #: Fields of a wrong type that were left out, as paths: "message.usage.input_tokens".
    lost_fields: tuple[str, ...] = ()
    #: The line was damaged (NULs around it, two objects on it) and could still be read.
    recovered: bool = False
    #: False for a type of line that the decoder has never heard of.
    known: bool = True
    #: What the decoder relied on before this line; of its own kind.
    decoder_state: Any = None

    def json(self) -> Any:
        """Return the whole line as Python values: for processors that read what people wrote."""
        return msgspec.json.decode(self.line)
