"""Codex rollouts: lines of `{timestamp, type, payload}`.

Unlike Claude Code's lines, most say nothing of where they belong: the session, the folder and the
model stand on lines of their own, and token counts are running totals. What was said last is the
decoder's state; it is kept with the offset, so that an append costs what was appended.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

import msgspec

from sessionmill.contracts import PathKind
from sessionmill.decode.codex_calls import call, patched, result
from sessionmill.decode.records import CopyRank, Event, LeftOut, Prompt, Record, Response, Result
from sessionmill.decode.text import starts, string, text_hash

#: What a column can hold; a larger figure is no count.
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_NOTHING = msgspec.Raw(b"")


class _Totals(msgspec.Struct, gc=False):
    """Token counts; `input_tokens` includes the cached ones, `output_tokens` the reasoning."""

    input_tokens: Count | None = None
    cached_input_tokens: Count | None = None
    output_tokens: Count | None = None
    reasoning_output_tokens: Count | None = None
    total_tokens: Count | None = None

    def figures(self) -> tuple[int, int, int, int, int]:
        return (
            self.input_tokens or 0,
            self.cached_input_tokens or 0,
            self.output_tokens or 0,
            self.reasoning_output_tokens or 0,
            self.total_tokens or 0,
        )


class _Info(msgspec.Struct, gc=False):
    total_token_usage: _Totals | None = None
    last_token_usage: _Totals | None = None


class _Payload(msgspec.Struct, gc=False):
    type: str | None = None
    id: str | None = None
    forked_from_id: str | None = None
    cwd: str | None = None
    cli_version: str | None = None
    originator: str | None = None
    model: str | None = None
    name: str | None = None
    namespace: str | None = None
    call_id: str | None = None
    info: _Info | None = None
    success: bool | None = None
    #: Of a turn that was broken off.
    reason: msgspec.Raw = _NOTHING
    #: What a call is given, in one of these.
    arguments: msgspec.Raw = _NOTHING
    input: msgspec.Raw = _NOTHING
    action: msgspec.Raw = _NOTHING
    #: Of a patch: what it did to each file.
    changes: msgspec.Raw = _NOTHING
    message: msgspec.Raw = _NOTHING
    output: msgspec.Raw = _NOTHING
    result: msgspec.Raw = _NOTHING


class Line(msgspec.Struct, gc=False):
    """What is read of one line."""

    type: str | None = None
    timestamp: datetime | None = None
    payload: _Payload | None = None


class _McpOk(msgspec.Struct, gc=False):
    isError: bool | None = None


class _McpResult(msgspec.Struct, gc=False):
    Ok: _McpOk | None = None
    Err: msgspec.Raw = _NOTHING


_mcp_result = msgspec.json.Decoder(_McpResult)

#: Calls, with the name of those that carry none.
_CALLS = {
    "function_call": None,
    "custom_tool_call": None,
    "local_shell_call": "local_shell",
    "web_search_call": "web_search",
    "tool_search_call": "tool_search",
}
_RESULTS = frozenset({"function_call_output", "custom_tool_call_output", "tool_search_output"})
_KNOWN_TYPES = frozenset({"session_meta", "turn_context", "compacted", "world_state"})
_KNOWN_ITEMS = frozenset(_CALLS) | _RESULTS | {"message", "reasoning", "ghost_snapshot"}
_KNOWN_EVENTS = frozenset(
    "token_count user_message agent_message agent_reasoning task_started task_complete"
    " turn_aborted patch_apply_end web_search_end mcp_tool_call_end context_compacted"
    " exec_command_end item_completed entered_review_mode exited_review_mode".split()
)


class State(msgspec.Struct, array_like=True, frozen=True):
    """What the lines so far have said, and later lines rely on."""

    session_id: str | None = None
    #: Of the oldest known ancestor: a fork repeats its parent's counts under a new session id.
    root_id: str | None = None
    cwd: str | None = None
    client_version: str | None = None
    model: str | None = None
    #: The last running totals (input, cached, output, reasoning, total); None before the first.
    totals: tuple[int, int, int, int, int] | None = None
    entrypoint: str | None = None


class Codex:
    """Decodes the lines of one Codex rollout, in order."""

    agent: ClassVar[str] = "codex"
    shape: ClassVar[type[msgspec.Struct]] = Line

    def __init__(self, key: str, path_kind: PathKind, state: Any = None) -> None:
        self._key = key
        self._rank = CopyRank.AGENT_FILE if path_kind == "agent_file" else CopyRank.MAIN
        self.state: Any = State() if state is None else msgspec.convert(state, State)

    def read(self, line: Line, offset: int, end: int, raw: memoryview | bytes) -> Record:
        """Return what `line`, parsed from `raw`, says."""
        payload = line.payload or _Payload()
        if line.type == "session_meta":
            self._session(payload)
        elif line.type == "turn_context":
            self._turn(payload)
        kind = line.type or "(no type)"
        record = Record(
            offset=offset,
            end=end,
            type=f"{kind}/{payload.type}" if payload.type else kind,
            at=_utc(line.timestamp),
            session_id=self.state.session_id,
            cwd=self.state.cwd,
            client_version=self.state.client_version,
            copy_rank=self._rank,
            line=raw,
            entrypoint=self.state.entrypoint,
        )
        if line.type == "response_item":
            record.known = payload.type in _KNOWN_ITEMS
            self._read_item(payload, record)
        elif line.type == "event_msg":
            record.known = payload.type in _KNOWN_EVENTS
            self._read_event(payload, record)
        else:
            record.known = line.type in _KNOWN_TYPES
            if line.type == "compacted":
                record.events = (Event("compaction"),)
        return record

    # ── what later lines rely on ──

    def _session(self, meta: _Payload) -> None:
        # A rollout that was reopened repeats its own meta; a fork goes on with its parent's.
        # The session is the first one's; the root is the last one's, the oldest ancestor.
        state = self.state
        self.state = msgspec.structs.replace(
            state,
            session_id=state.session_id or meta.id,
            root_id=meta.forked_from_id or meta.id or state.root_id,
            cwd=state.cwd or meta.cwd,
            client_version=meta.cli_version or state.client_version,
            entrypoint=meta.originator or state.entrypoint,
        )

    def _turn(self, turn: _Payload) -> None:
        state = self.state
        self.state = msgspec.structs.replace(
            state, cwd=turn.cwd or state.cwd, model=turn.model or state.model
        )

    # ── what lines say ──

    def _read_event(self, event: _Payload, record: Record) -> None:
        if event.type == "token_count":
            self._read_count(event.info, record)
        elif event.type == "user_message" and starts(event.message, b'"'):
            text = string(event.message)
            record.prompt = Prompt(
                id=self._place(record), text_hash=text_hash(text), characters=len(text)
            )
        elif event.type == "mcp_tool_call_end" and event.call_id:
            failed = _mcp_failed(event.result)
            record.results = (Result(event.call_id, failed, 0, "other" if failed else None),)
        elif event.type == "patch_apply_end" and event.call_id:
            record.results = (patched(event.call_id, event.success, event.changes),)
        elif event.type == "turn_aborted" and bytes(event.reason) == b'"interrupted"':
            record.events = (Event("interrupt", "response"),)

    def _read_item(self, item: _Payload, record: Record) -> None:
        if item.type in _CALLS:
            id = item.call_id or item.id or self._place(record)
            given = next(filter(memoryview, (item.arguments, item.input, item.action)), _NOTHING)
            record.calls = (call(id, _name(item) or _CALLS[item.type] or item.type, given),)
        elif item.type in _RESULTS and item.call_id:
            told, record.events = result(item.call_id, item.output)
            record.results = (told,)

    def _read_count(self, info: _Info | None, record: Record) -> None:
        if info is None or info.total_token_usage is None:
            return
        state, totals = self.state, info.total_token_usage.figures()
        last = (info.last_token_usage or _Totals()).figures()
        if totals == state.totals:
            # The same count once more: 515 of 3,652 real ones are.
            record.left_out = LeftOut("repeats", self._response(totals, last))
            return
        # A first count, or totals that fell, have no earlier count to be measured from.
        delta: tuple[int, ...] = last
        if state.totals is not None:
            steps = tuple(a - b for a, b in zip(totals, state.totals, strict=True))
            delta = steps if min(steps) >= 0 else last
        self.state = msgspec.structs.replace(state, totals=totals)
        record.responses = (self._response(totals, delta),)

    def _response(self, totals: tuple[int, ...], delta: tuple[int, ...]) -> Response:
        """Return the response that reached `totals`, of which `delta` is its own."""
        root = self.state.root_id or self._key
        return Response(
            id=f"{root}:{':'.join(map(str, totals))}",
            model=self.state.model,
            input_tokens=max(0, delta[0] - delta[1]),
            output_tokens=delta[2],
            cache_read_tokens=delta[1],
            # Counts are written of responses that are through.
            ended=True,
        )

    def _place(self, record: Record) -> str:
        return f"{self._key}:{record.offset}"


def _name(item: _Payload) -> str | None:
    """Return a call's name as MCP tools are named elsewhere: namespace, "__", name."""
    if not item.name or not item.namespace:
        return item.name
    if item.namespace.endswith("__"):
        return item.namespace + item.name
    return f"{item.namespace}__{item.name.lstrip('_')}"


def _mcp_failed(raw: msgspec.Raw) -> bool:
    try:
        result = _mcp_result.decode(raw)
    except msgspec.MsgspecError:
        return False
    return bool(memoryview(result.Err)) or (result.Ok is not None and bool(result.Ok.isError))


def _utc(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at
