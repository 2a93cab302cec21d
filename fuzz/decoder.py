"""The decoder: any bytes, in slices of any size, read at once or in two passes.

No exception escapes, however the bytes are cut the records are the same, and what they say can be
handed on: every text can be encoded, and every row of `usage` fits its columns.
"""

from __future__ import annotations

import io
import typing
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from fuzz.given import damaged, joined, numbers_and_content
from sessionmill.contracts import PathKind, Transcript
from sessionmill.decode.lines import FORMATS, UNKNOWN_AGENT, TranscriptDecoder
from sessionmill.decode.records import Record
from sessionmill.decode.tail import Reader, Rest
from sessionmill.process.usage import Usage
from sessionmill.run.columns import TableRows

KEY = "alice/0f3c.jsonl"


def check(data: bytes) -> None:
    """Hold the decoder to what it promises of any bytes."""
    (slice_bytes, cut, kind), content = numbers_and_content(data, 3)
    path_kind: PathKind = "agent_file" if kind % 2 else "main"
    at_once = _Reading(path_kind).read(content, 0, len(content), len(content) + 1)
    for record in at_once:
        # Raises for text that cannot be encoded; a time may be one that only a column can hold.
        msgspec.msgpack.encode(msgspec.structs.replace(record, at=None))

    in_slices = _Reading(path_kind).read(content, 0, len(content), slice_bytes % 512 + 1)
    assert in_slices == at_once, "slices change what is read"

    first = _Reading(path_kind)
    end = cut % (len(content) + 1)
    before = first.read(content, 0, end, slice_bytes + 1)[: first.of_whole_lines]
    second = first.gone_on()
    behind = second.read(content, first.end, len(content), slice_bytes + 1)
    assert before + behind == at_once, "two passes read otherwise than one"
    if at_once:
        _hold_rows_to_fit(at_once, path_kind)


def seeds() -> Iterator[bytes]:
    """Yield built transcripts, whole and damaged."""
    for content in _transcripts():
        yield joined(content, 7, len(content) // 2, 0)
        yield joined(b"\xef\xbb\xbf" + content, 511, 1, 1)
        for number, changed in enumerate(damaged(content, len(content), 20)):
            yield joined(changed, 31 * number, 97 * number, number)
        for line in content.splitlines(keepends=True):
            yield joined(line.replace(b":", b": ", 1) + line[:-1], 40, len(line) + 1, 0)
    for content in _BY_HAND:
        yield joined(content + b"\n" + content, 5, len(content) + 1, 0)
        for sound in (b'{"type":"user","uuid":"x"}\n', b'{"type":"session_meta","payload":{}}\n'):
            yield joined(sound + content + b"\n", 200, len(sound), 0)


def tokens() -> Iterator[str]:
    """Yield the names of the fields that the formats read, and the types of lines they know."""
    for format in FORMATS:
        for text in _field_names(format.shape, set()):
            yield f'"{text}":'
    yield from ('"assistant"', '"user"', '"progress"', '"agent_progress"', '"response_item"')
    yield from ('"event_msg"', '"token_count"', '"tool_use"', '"tool_result"', "\\ud83d", "1e999")


_BY_HAND = (
    b"\0\0{}\0\0",
    b'{"type":"user","uuid":"\\ud83d","message":{"content":"\\udc00"}}',
    b'{"type":"user","uuid":"\xff"}',
    b'{"type":"user","uuid":"x","cwd":' + b"[" * 900 + b"]" * 900 + b"}",
    b'{"type":"assistant","uuid":7,"message":{"usage":{"input_tokens":1e999,"iterations":[1,{}]}}}',
    b'{"type":"event_msg","payload":{"type":"token_count","info":{"total_token_usage":'
    b'{"input_tokens":9223372036854775807},"last_token_usage":null}}}',
    b'{"type":"progress","uuid":"x","data":{"type":"agent_progress","message":{"type":"user",'
    b'"uuid":7,"timestamp":"0001-01-01T00:00:00+23:59","message":{"content":[{"type":"text"}]}}}}',
    b'{"type":"user","uuid":"x","timestamp":"9999-12-31T23:59:59-23:59","message":{"content":"x"}}',
)


class _Reading:
    """One pass over a transcript."""

    def __init__(self, path_kind: PathKind, agent: str | None = None, state: Any = None) -> None:
        self._path_kind: PathKind = path_kind
        self._decoder = TranscriptDecoder(KEY, path_kind, agent, state)
        #: Behind the last whole line; and how many records there are up to it.
        self.end = self.of_whole_lines = 0
        self._agent: str | None = None
        self._state: Any = None

    def read(self, content: bytes, start: int, size: int, slice_bytes: int) -> list[Record]:
        """Return the records between `start` and `size`."""
        records: list[Record] = []
        self.end = start
        for part in Reader(slice_bytes).slices(io.BytesIO(content), start, size):
            if isinstance(part, Rest):
                self._keep(len(records))
                told = self._decoder.decode_rest(part)
            else:
                told = self._decoder.decode(part)
                self.end = part.end
                self._keep(len(records) + len(told))
            for record in told:
                record.line = bytes(record.line)  # the reader's buffer is used again
            records += told
        return records

    def _keep(self, records: int) -> None:
        self.of_whole_lines = records
        self._agent = self._decoder.agent
        self._state = msgspec.msgpack.encode(self._decoder.state)

    def gone_on(self) -> _Reading:
        """Return the pass that goes on behind the last whole line, with what was stored."""
        state = None if self._state is None else msgspec.msgpack.decode(self._state)
        return _Reading(self._path_kind, self._agent, state)


def _hold_rows_to_fit(records: Sequence[Record], path_kind: PathKind) -> None:
    usage = Usage()
    transcript = Transcript(
        key=KEY, username="alice", session_id="0f3c", agent=UNKNOWN_AGENT, path_kind=path_kind
    )
    for name, rows in usage.extract(transcript, records, None).rows.items():
        table = TableRows(next(table for table in usage.tables if table.name == name))
        table.add(1, table.check(rows))
        *_, unfit = table.take(0, job_ended=True)
        assert not unfit, f"{name}: {unfit}"


def _transcripts() -> Iterator[bytes]:
    from sessionmill.testing import ClaudeTranscript, CodexRollout, mcp, skill, subagent

    agent = ClaudeTranscript("s1", agent_id="a7f3c21", version="2.1.39")
    agent.call("Grep", result="none")
    claude = ClaudeTranscript("s1", version="2.1.39")
    claude.prompt('ümläut ✓ \\ "quoted"')
    claude.response("", partial_output_tokens=(1,), output_tokens=9, calls=[mcp("linear", "get")])
    claude.response("", usage={"iterations": [{"output_tokens": 1}, {"output_tokens": 2}]})
    claude.queued_command("go on")
    claude.command("/clear")
    claude.local_command("/model", "ü")
    claude.relay(agent, parent_tool_use_id="toolu_1")
    claude.raw(b"// a comment\n")
    claude.call(skill("shop:deploy"), result=[{"type": "text", "text": "✓"}])
    claude.call(subagent("Explore"), result="ok")
    claude.snapshot()
    yield bytes(claude)
    yield bytes(agent)
    rollout = CodexRollout(version="ü")
    rollout.turn()
    rollout.prompt("ü ✓")
    rollout.call("exec_command", {"cmd": "ü"}, success=False)
    rollout.call("ask", namespace="mcp__deepwiki", success=False, result=None)
    rollout.custom_call(success=False)
    rollout.tokens(1000, 100, 10)
    rollout.reopen()
    rollout.repeat_tokens()
    rollout.tokens(1000, 100, 20)
    yield bytes(rollout)


def _field_names(shape: Any, seen: set[Any]) -> Iterator[str]:
    if shape in seen:
        return
    seen.add(shape)
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        for field in msgspec.structs.fields(shape):
            yield field.encode_name
            yield from _field_names(field.type, seen)
    for part in typing.get_args(shape):
        yield from _field_names(part, seen)
