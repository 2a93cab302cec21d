"""A transcript's lines, one after the other: which format they are in, and what they say.

Formats are told by content: the first line that only one of them could have written decides.
Lines before it say nothing. Damage is met line by line, and each kind has one outcome:

* a field of a wrong type is lost and named, the line stays;
* NULs around an object, several objects on one line, or bytes that are no UTF-8 in what is read:
  recovered, and counted as that;
* JSON that is no object: a line of an unknown type;
* anything else: malformed, with its offset, length and reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Protocol

import msgspec

from sessionmill.contracts import PathKind
from sessionmill.decode.claude_code import ClaudeCode
from sessionmill.decode.codex import Codex
from sessionmill.decode.records import Record
from sessionmill.decode.tail import LONGEST_LINE, LongLine, Rest, Slice
from sessionmill.decode.text import starts, whole
from sessionmill.decode.tolerant import fit

BOM = b"\xef\xbb\xbf"
UNKNOWN_AGENT = "unknown"
#: The type of a line before the one that decides the format.
UNDECIDED = "(undecided)"


class Format(Protocol):
    """One agent's way of writing a transcript; built-in, one module each."""

    agent: ClassVar[str]
    #: What the typed decoder reads of a line.
    shape: ClassVar[type[msgspec.Struct]]
    #: What later lines rely on: None, or what msgpack can hold.
    state: Any

    def read(self, line: Any, offset: int, end: int, raw: memoryview | bytes) -> Record:
        """Return what a line of `shape` says."""


FORMATS = (ClaudeCode, Codex)

_present = msgspec.Raw(b"")


class _Probe(msgspec.Struct, gc=False):
    """The keys by which formats are told apart."""

    type: msgspec.Raw = _present
    payload: msgspec.Raw = _present
    message: msgspec.Raw = _present
    uuid: msgspec.Raw = _present
    sessionId: msgspec.Raw = _present
    parentUuid: msgspec.Raw = _present
    leafUuid: msgspec.Raw = _present
    snapshot: msgspec.Raw = _present
    messageId: msgspec.Raw = _present


_probe = msgspec.json.Decoder(_Probe)
_decoders = {format.agent: msgspec.json.Decoder(format.shape) for format in FORMATS}
_by_agent: dict[str, Callable[..., Format]] = {format.agent: format for format in FORMATS}
_scan = json.JSONDecoder()
_CODEX_TYPES = frozenset(
    f'"{name}"'.encode()
    for name in ("session_meta", "turn_context", "response_item", "event_msg", "compacted")
)


#: What the typed decoder raises for a line that may still be read otherwise.
_REFUSED = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


def recognise(line: memoryview | bytes) -> str | None:
    """Return the agent that must have written `line`, or None if several could have."""
    try:
        probe = _probe.decode(line)
    except _REFUSED:
        return None
    kind = bytes(probe.type)
    if kind in _CODEX_TYPES and starts(probe.payload, b"{"):
        return Codex.agent
    of_claude = (
        probe.sessionId,
        probe.uuid,
        probe.parentUuid,
        probe.leafUuid,
        probe.message,
        probe.snapshot,
        probe.messageId,
    )
    if kind[:1] == b'"' and any(memoryview(key) for key in of_claude):
        return ClaudeCode.agent
    return None


class TranscriptDecoder:
    """Decodes one transcript, slice by slice.

    `agent` is None until a line has decided; with `state` it is all that a later pass needs to
    go on at the same offset.
    """

    def __init__(
        self, key: str, path_kind: PathKind, agent: str | None = None, state: Any = None
    ) -> None:
        self._key, self._path_kind = key, path_kind
        self.format: Format | None = None
        self._parse: Callable[[memoryview], Any] | None = None
        if agent is not None:
            self._begin(agent, state)

    @property
    def agent(self) -> str | None:
        """The agent that wrote this transcript, as far as its lines have told."""
        return self.format.agent if self.format is not None else None

    @property
    def state(self) -> Any:
        """What later lines rely on."""
        return self.format.state if self.format is not None else None

    def decode(self, part: Slice | LongLine) -> list[Record]:
        """Return the records of whole lines."""
        if isinstance(part, LongLine):
            return [
                Record(
                    offset=part.offset,
                    end=part.end,
                    type="(malformed)",
                    known=False,
                    malformed=f"longer than {LONGEST_LINE // 2**20} MiB",
                )
            ]
        records: list[Record] = []
        buffer, offset, length, start = part.buffer, part.offset, part.length, 0
        view, find = memoryview(buffer), buffer.find
        if offset == 0 and buffer.startswith(BOM):
            start = len(BOM)
        while start < length and self._parse is None:
            newline = find(b"\n", start, length)
            self._read(view[start:newline], offset + start, offset + newline + 1, records)
            start = newline + 1
        if self._parse is None or self.format is None:
            return records
        # From here on the format is known, and the same for every line: the loop that matters.
        parse, format, add = self._parse, self.format, records.append
        read, keeps_state = format.read, format.state is not None
        while start < length:
            newline = find(b"\n", start, length)
            raw, end = view[start:newline], offset + newline + 1
            try:
                line = parse(raw)
                state = format.state if keeps_state else None
                record = read(line, offset + start, end, raw)
            except _REFUSED:
                self._read(raw, offset + start, end, records)
            else:
                if keeps_state:
                    record.decoder_state = state
                add(record)
            start = newline + 1
        return records

    def decode_rest(self, rest: Rest) -> list[Record]:
        """Return the record of an unterminated line that is a complete object; else nothing."""
        data = rest.data.removeprefix(BOM) if rest.offset == 0 else rest.data
        try:
            if not isinstance(json.loads(data), dict):
                return []
        except (ValueError, RecursionError):
            return []
        records: list[Record] = []
        start = rest.offset + len(rest.data) - len(data)
        self._read(memoryview(data), start, rest.offset + len(rest.data), records)
        return records

    def _read(self, raw: memoryview, offset: int, end: int, records: list[Record]) -> None:
        if self._parse is None:
            self._decide(raw)
        if self._parse is None or self.format is None:
            records.extend(_undecided(raw, offset, end))
            return
        try:
            line = self._parse(raw)
            state = self.format.state
            record = self.format.read(line, offset, end, raw)
        except _REFUSED:
            records.extend(self._second_try(self.format, bytes(raw), offset, end))
            return
        record.decoder_state = state
        records.append(record)

    def _decide(self, raw: memoryview) -> None:
        agent = recognise(raw)
        if agent is None:
            # A damaged line tells of its writer too, once it is mended.
            for _, value, _ in _objects(bytes(raw)):
                if agent is None and isinstance(value, dict):
                    agent = recognise(json.dumps(value).encode())
        if agent is not None:
            self._begin(agent, None)

    def _begin(self, agent: str, state: Any) -> None:
        self.format = _by_agent[agent](self._key, self._path_kind, state)
        self._parse = _decoders[agent].decode

    def _second_try(self, format: Format, raw: bytes, offset: int, end: int) -> Iterator[Record]:
        """Read a line that the typed decoder refused."""
        for start, value, recovered in _objects(raw):
            if isinstance(value, _Malformed):
                yield _malformed(offset, end, value.reason)
            elif isinstance(value, dict):
                line, lost = fit(value, format.shape)
                again = json.dumps(value).encode() if recovered else raw
                state = format.state
                record = format.read(line, offset + start, end, again)
                record.decoder_state = state
                record.lost_fields += lost
                record.recovered = recovered
                yield record
            else:
                yield _no_object(value, offset, end, raw)


class _Malformed(msgspec.Struct, frozen=True):
    reason: str


def _objects(raw: bytes) -> Iterator[tuple[int, Any, bool]]:
    """Yield (start, value, recovered) for what a damaged line holds; blank lines hold nothing."""
    bare = raw.strip(b" \t\r\n")
    if not bare:
        return
    # Not handed over as bytes: json takes NULs for UTF-16 then.
    text = _text(bare)
    try:
        yield 0, whole(json.loads(text)), text != bare.decode("utf-8", "replace")
        return
    except RecursionError:
        yield 0, _Malformed("nested too deeply"), False
        return
    except ValueError as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "invalid JSON"
    try:
        yield from _recovered(raw)
    except (ValueError, RecursionError):
        yield 0, _Malformed(reason), False


def _text(raw: bytes) -> str:
    """Decode bytes; those that are no UTF-8 become halves of pairs, which `whole` replaces.

    The typed decoder looks at no such byte in what it skips. A line must not be malformed or whole
    by which of its fields happen to be read.
    """
    return raw.decode("utf-8", "surrogateescape")


def _recovered(raw: bytes) -> list[tuple[int, Any, bool]]:
    """Return the objects of a line with NULs around it or several objects on it, or raise."""
    text = _text(raw)
    position, found = 0, []
    while True:
        while position < len(text) and text[position] in "\0 \t\r\n":
            position += 1
        if position == len(text):
            break
        value, end = _scan.raw_decode(text, position)
        if not isinstance(value, dict):
            raise ValueError
        start = len(text[:position].encode("utf-8", "surrogateescape"))
        found.append((start, whole(value), True))
        position = end
    if not found:
        raise ValueError
    return found


def _undecided(raw: memoryview, offset: int, end: int) -> Iterator[Record]:
    """Tell of a line before the format is known only whether it could be read."""
    for _, value, _ in _objects(bytes(raw)):
        if isinstance(value, _Malformed):
            yield _malformed(offset, end, value.reason)
        elif isinstance(value, dict):
            yield Record(offset=offset, end=end, type=UNDECIDED, known=False, line=raw)
        else:
            yield _no_object(value, offset, end, raw)


def _malformed(offset: int, end: int, reason: str) -> Record:
    return Record(offset=offset, end=end, type="(malformed)", known=False, malformed=reason)


def _no_object(value: Any, offset: int, end: int, raw: memoryview | bytes) -> Record:
    kind = "null" if value is None else type(value).__name__
    return Record(offset=offset, end=end, type=f"({kind})", known=False, line=raw)
