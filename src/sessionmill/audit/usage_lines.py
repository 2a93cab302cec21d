"""Usage as Claude Code's lines tell it, one by one: what another program may count otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from sessionmill.audit.stored import KnownTranscript
from sessionmill.paths import native
from sessionmill.recount.claude_code import tokens_of
from sessionmill.recount.lines import lines_of
from sessionmill.recount.rows import AGENT_FILE, MAIN_LINE, PROGRESS_COPY, SIDECHAIN_LINE
from sessionmill.recount.transcripts import NotReadable, content_of
from sessionmill.recount.values import Json, as_count, as_object, as_text, moment_of

#: What is compared: no other program tells cache writes for 5 minutes from those for an hour.
COMPARED = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
Tokens = tuple[int, int, int, int]


class UsageLine(NamedTuple):
    """The usage of one line, or of one earlier iteration that it names."""

    username: str
    session_key: str
    #: The message id, with "/n" behind it for an earlier iteration; else the line's uuid or place.
    id: str
    has_id: bool
    request_id: str
    #: What the line says; the transcript's key where it says nothing.
    session_id: str
    rank: int
    is_sidechain: bool
    is_iteration: bool
    #: Whether its line is of the type of answers.
    is_answer: bool
    is_synthetic: bool
    #: Seconds since 1970; None without a time that can be read.
    at: float | None
    #: Whether its line is no JSON as it stands.
    is_damaged: bool
    is_compressed: bool
    tokens: Tokens
    #: Cache writes as the split alone has them, where there is one.
    split_cache_write: int


def usage_lines(known: Iterable[KnownTranscript]) -> Iterator[UsageLine]:
    """Yield what the lines of all transcripts that there are now tell, but for Codex's rollouts."""
    for one in known:
        path = Path(native(one.path))
        if one.agent == "codex":
            continue
        try:
            content = content_of(path)
        except (OSError, NotReadable):
            continue
        for offset, line in lines_of(content):
            if line is not None:
                yield from _of_line(one, path, offset, line, content)


def _of_line(
    known: KnownTranscript, path: Path, offset: int, line: Json, content: bytes
) -> Iterator[UsageLine]:
    quoted = line.get("type") == "progress"
    told = as_object(as_object(line.get("data")).get("message")) if quoted else line
    message = as_object(told.get("message"))
    usage = message.get("usage")
    is_answer = told.get("type") == "assistant"
    if not isinstance(usage, dict) or not (is_answer or _is_complete(usage)):
        return
    message_id, uuid = as_text(message.get("id")), as_text(told.get("uuid"))
    id = message_id or uuid or as_text(line.get("uuid")) or f"{known.session_key}:{offset}"
    last = UsageLine(
        username=known.username,
        session_key=known.session_key,
        id=id,
        has_id=bool(message_id),
        request_id=as_text(told.get("requestId")),
        session_id=as_text(line.get("sessionId")) or known.session_key,
        rank=_rank(known.session_key, line, quoted=quoted),
        is_sidechain=told.get("isSidechain") is True,
        is_iteration=False,
        is_answer=is_answer,
        is_synthetic=message.get("model") == "<synthetic>",
        at=moment_of(told),
        is_damaged=_is_damaged(content, offset),
        is_compressed=path.suffix != ".jsonl",
        tokens=_tokens(usage),
        split_cache_write=_split(usage),
    )
    yield last
    iterations = usage.get("iterations")
    for number, earlier in enumerate(iterations[:-1] if isinstance(iterations, list) else ()):
        if isinstance(earlier, dict):
            yield last._replace(
                id=f"{id}/{number}",
                is_iteration=True,
                tokens=_tokens(earlier),
                split_cache_write=_split(earlier),
            )


def _is_complete(usage: Json) -> bool:
    """Say whether a usage block has what programs ask of one that is in no answer."""
    return all(isinstance(usage.get(name), int) for name in ("input_tokens", "output_tokens"))


def _rank(session_key: str, line: Json, *, quoted: bool) -> int:
    if quoted:
        return PROGRESS_COPY
    if "/subagents/" in session_key or session_key.rsplit("/", 1)[-1].startswith("agent-"):
        return AGENT_FILE
    return SIDECHAIN_LINE if line.get("isSidechain") is True else MAIN_LINE


def _is_damaged(content: bytes, offset: int) -> bool:
    """Say whether the line that holds an object holds anything else."""
    start = content.rfind(b"\n", 0, offset) + 1
    end = content.find(b"\n", offset)
    try:
        json.loads(content[start : end if end >= 0 else None])
    except ValueError:
        return True
    return False


def _tokens(usage: Json) -> Tokens:
    fresh, output, read, minutes, hour = tokens_of(usage)
    return fresh, output, read, minutes + hour


def _split(usage: Json) -> int:
    """Return cache writes as the split has them; without one, as their total does."""
    split = as_object(usage.get("cache_creation"))
    minutes = as_count(split.get("ephemeral_5m_input_tokens"))
    hour = as_count(split.get("ephemeral_1h_input_tokens"))
    return minutes + hour or as_count(usage.get("cache_creation_input_tokens"))
