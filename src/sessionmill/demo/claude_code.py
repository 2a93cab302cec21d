"""Builds transcripts of Claude Code, line by line, in the shape of the client version it is given.

    transcript = ClaudeTranscript("0f3c…", version="2.1.39")
    transcript.prompt("Fix the total of the cart")
    call = transcript.call("Bash", {"command": "make test"}, result="3 passed")
    transcript.response("Fixed.", output_tokens=210, cache_read_tokens=48_000)
    transcript.write(folder / "alice" / "shop" / "0f3c….jsonl")

Every method appends its lines and moves time on by a second a line. Keyword `fields` go to the top
level of the line, over what is there; a field of None is left out of it. Two transcripts of the
same session id, agent id and seed get the same ids: give one of them another seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sessionmill.demo.claude_blocks import (
    ATTACHMENTS_SINCE,
    ToolUse,
    Usage,
    beside_result,
    command_text,
    laid_over,
    mcp,
    result_block,
    skill,
    subagent,
)
from sessionmill.demo.transcript import STEP_SECONDS, Ids, Transcript, decode, encode

__all__ = ["MODEL", "SESSION_ID", "ClaudeTranscript", "ToolUse", "mcp", "skill", "subagent"]

SESSION_ID = "0f3c9a52-7d1e-4b86-a2c4-5e8f10b7d936"
MODEL = "claude-sonnet-4-5-20250929"


class ClaudeTranscript(Transcript):
    """The lines of one Claude Code transcript, each the child of the one before.

    * with `agent_id` it is an agent file: every line bears the id and is a sidechain line
    * with `sidechain` alone every line is one without an agent id, as the oldest clients wrote
      into the main file (`include` puts them there)
    """

    def __init__(
        self,
        session_id: str = SESSION_ID,
        *,
        cwd: str = "/work/shop",
        version: str = "2.1.200",
        start: datetime = datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
        agent_id: str | None = None,
        sidechain: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(start, Ids(f"claude {session_id} {agent_id} {sidechain} {seed}"))
        self.session_id = session_id
        self.agent_id = agent_id
        self.sidechain = sidechain or agent_id is not None
        self.cwd = cwd
        self.version = version
        self.seed = seed
        self.last_uuid: str | None = None
        self._release = tuple(int(part) for part in version.split("."))
        #: Who called, and what, by tool_use id: a result points back to it.
        self._calls: dict[str, tuple[str, ToolUse]] = {}

    # What a person does

    def prompt(self, text: str = "Fix the total of the cart.", **fields: Any) -> str:
        """Type something as a person does; returns the line's uuid."""
        return self._user(text, **self._typed(), **fields)

    def prompt_blocks(self, blocks: Sequence[Mapping[str, Any]], **fields: Any) -> str:
        """Send blocks of text and images as a person does; returns the line's uuid."""
        return self._user(list(blocks), **self._typed(), **fields)

    def command(
        self, name: str = "/clear", args: str = "", *, custom: bool = False, **fields: Any
    ) -> str:
        """Run a slash command; a custom one (or a skill run by hand) has its tags turned round."""
        return self._user(command_text(name, args, custom=custom), **fields)

    def local_command(self, name: str = "/model", args: str = "", **fields: Any) -> str:
        """Run a slash command that the client writes as a system line."""
        content = command_text(name, args, custom=False)
        return self.system("local_command", **{"content": content, "level": "info", **fields})

    def command_output(self, text: str = "", **fields: Any) -> str:
        """Tell what a command printed, on a user line of its own."""
        return self._user(f"<local-command-stdout>{text}</local-command-stdout>", **fields)

    def interrupt(self, *, during_tool: bool = False, **fields: Any) -> str:
        """Press escape as a person does."""
        text = f"[Request interrupted by user{' for tool use' if during_tool else ''}]"
        return self._user([{"type": "text", "text": text}], **fields)

    def queued_command(
        self, prompt: str, *, source_uuid: str | None = None, mode: str = "prompt", **fields: Any
    ) -> str:
        """Queue what was typed meanwhile, or (mode `task-notification`) a task's end."""
        content: dict[str, Any] = {"prompt": prompt}
        if source_uuid is not None:
            content |= {"source_uuid": source_uuid}
        content |= {"commandMode": mode, "origin": {"kind": "human"} if mode == "prompt" else None}
        return self.attachment("queued_command", content, **fields)

    # What the model does

    def response(
        self,
        text: str = "Done.",
        *,
        id: str | None = None,
        model: str = MODEL,
        input_tokens: int = 10,
        output_tokens: int = 100,
        cache_read_tokens: int = 0,
        cache_write_5m_tokens: int = 0,
        cache_write_1h_tokens: int = 0,
        calls: Sequence[ToolUse] = (),
        thinking: str | None = None,
        partial_output_tokens: Sequence[int] = (),
        usage: Mapping[str, Any] | None = None,
        split_cache: bool = True,
        with_usage: bool = True,
        **fields: Any,
    ) -> str:
        """Answer as the model does, a line for each block; returns the message id.

        Earlier lines bear `partial_output_tokens`, as far as there are any; more of them than
        blocks make lines of thinking before the text. An empty `id` writes a message without one.
        `usage` adds keys to the usage block or replaces them, and None removes one.
        """
        written = (cache_write_5m_tokens, cache_write_1h_tokens)
        figures = Usage(input_tokens, cache_read_tokens, *written, split=split_cache)
        message_id = self.ids.base58("msg_01", 22) if id is None else id
        head = {"model": model, "id": message_id} if message_id else {"model": model}
        calls = [self._identified(call) for call in calls]
        tail = {"stop_reason": self._stop_reason(calls), "stop_sequence": None}
        request = {"requestId": self.ids.base58("req_011C", 20), "type": "assistant"}
        blocks = self._blocks(text, thinking, calls, at_least=len(partial_output_tokens) + 1)
        for number, block in enumerate(blocks):
            earlier = number < min(len(blocks) - 1, len(partial_output_tokens))
            output = partial_output_tokens[number] if earlier else output_tokens
            message: dict[str, Any] = {
                **head,
                "type": "message",
                "role": "assistant",
                "content": [block],
                **tail,
            }
            if with_usage:
                message["usage"] = laid_over(figures.block(output, self._release), usage)
            uuid = self._entry({"message": message, **request}, fields=fields)
            if block["type"] == "tool_use":
                self._calls[block["id"]] = (uuid, ToolUse(block["name"], block["input"]))
        return message_id

    def call(
        self,
        name: str | ToolUse,
        input: Mapping[str, Any] | None = None,
        *,
        result: str | Sequence[Mapping[str, Any]] | None = "ok",
        is_error: bool | None = None,
        after: float = STEP_SECONDS,
        tool_use_result: object = ...,
        **response_options: Any,
    ) -> str:
        """Use one tool in a response, and (unless `result` is None) tell what came back.

        Returns the tool_use id.
        """
        use = name if isinstance(name, ToolUse) else ToolUse(name, input or {})
        use = self._identified(use)
        use_id = use.id or ""
        self.response(**{"text": "", "calls": [use], **response_options})
        if result is not None:
            back: dict[str, Any] = {"after": after, "tool_use_result": tool_use_result}
            self.result(use_id, result, is_error=is_error, **back)
        return use_id

    def result(
        self,
        tool_use_id: str,
        content: str | Sequence[Mapping[str, Any]] = "ok",
        *,
        is_error: bool | None = None,
        after: float = STEP_SECONDS,
        tool_use_result: object = ...,
        **fields: Any,
    ) -> str:
        """Give a tool's result, `after` seconds from the line before; returns the line's uuid.

        `toolUseResult` is what the client adds for the tool that was called here, unless given;
        None leaves it out.
        """
        caller, use = self._calls.get(tool_use_id, (None, ToolUse("")))
        content = content if isinstance(content, str) else list(content)
        if tool_use_result is ...:
            tool_use_result = beside_result(use, content, is_error=bool(is_error))
        added = {"toolUseResult": tool_use_result, "sourceToolAssistantUUID": caller}
        block = result_block(tool_use_id, content, is_error)
        return self._user([block], after=after, **{**added, **fields})

    def agent_result(
        self,
        tool_use_id: str,
        agent_id: str,
        text: str = "Found it.",
        *,
        background: bool = False,
        total_tokens: int = 12_345,
        after: float = STEP_SECONDS,
        **fields: Any,
    ) -> str:
        """End a sub-agent, with the size of its last request; or start it in the background."""
        about: dict[str, Any] = {"status": "completed", "agentId": agent_id}
        content = [{"type": "text", "text": text}]
        if background:
            about = {"isAsync": True, "status": "async_launched", "agentId": agent_id}
            about |= {"outputFile": f"/tmp/tasks/{agent_id}.output", "canReadOutputFile": True}  # noqa: S108 -- a path in a line, never opened
        else:
            last = Usage(2, total_tokens - 102, 0, 0).block(100, self._release)
            about |= {"content": content, "totalDurationMs": int(after * 1000)}
            about |= {"totalTokens": total_tokens, "totalToolUseCount": 1, "usage": last}
        given = {"after": after, "tool_use_result": about, **fields}
        return self.result(tool_use_id, content, **given)

    def api_error(
        self,
        text: str = "API Error: Request timed out.",
        *,
        error: str = "unknown",
        **fields: Any,
    ) -> str:
        """Fail a request: an assistant line of the model <synthetic>; returns its message id."""
        message = {"id": self.ids.uuid(), "model": "<synthetic>", "role": "assistant"}
        zero = Usage(0, 0, 0, 0).block(0, (1, 0, 0)) | {"service_tier": None}
        content = [{"type": "text", "text": text}]
        self._entry(
            {
                "type": "assistant",
                "message": {**message, "type": "message", "usage": zero, "content": content},
                "error": error,
                "isApiErrorMessage": True,
            },
            fields=fields,
        )
        return message["id"]

    # What the client adds

    def meta(self, text: str, **fields: Any) -> str:
        """Add a user line that no person typed, such as a skill's text (`sourceToolUseID`)."""
        blocks = [{"type": "text", "text": text}] if "sourceToolUseID" in fields else text
        return self._user(blocks, **{"isMeta": True, **fields})

    def compact_boundary(self, *, trigger: str = "auto", **fields: Any) -> str:
        """Compact the conversation; what follows has no parent before this line."""
        before, self.last_uuid = self.last_uuid, None
        metadata = {"trigger": trigger, "preTokens": 167_094}
        added = {"logicalParentUuid": before, "content": "Conversation compacted", "isMeta": False}
        return self.system("compact_boundary", **{**added, "compactMetadata": metadata, **fields})

    def compact_summary(self, text: str = "This session is being continued.", **fields: Any) -> str:
        """Tell what is left after a compaction, on a user line."""
        added = {"isVisibleInTranscriptOnly": True, "isCompactSummary": True}
        return self._user(text, **{**added, **fields})

    def task_notification(self, text: str = "The task has completed.", **fields: Any) -> str:
        """End a background task, told on a user line."""
        if not text.startswith("<"):
            text = f"<task-notification>\n<summary>{text}</summary>\n</task-notification>"
        return self._user(text, **fields)

    def system(self, subtype: str, **fields: Any) -> str:
        """Add a system line; returns its uuid."""
        return self._entry({"type": "system", "subtype": subtype}, fields=fields)

    def attachment(self, kind: str, content: Mapping[str, Any], **fields: Any) -> str:
        """Add an attachment line of the newer clients; returns its uuid."""
        body = {"type": kind, **{key: value for key, value in content.items() if value is not None}}
        return self._entry({"attachment": body, "type": "attachment"}, fields=fields)

    def progress(
        self,
        message_line: "Mapping[str, Any] | ClaudeTranscript",
        *,
        agent_id: str,
        parent_tool_use_id: str,
        **fields: Any,
    ) -> None:
        """Nest a sub-agent's line, or the last line of its transcript, in a progress line."""
        record: Mapping[str, Any] | None = None
        if isinstance(message_line, ClaudeTranscript):
            record = decode(message_line.lines[-1])
        else:
            record = message_line
        kept = ("type", "timestamp", "message", "requestId", "uuid")
        nested: dict[str, Any] = {key: record[key] for key in kept if record and key in record}
        said = nested.get("message", {}).get("content")
        if isinstance(said, str):
            blocks = [{"type": "text", "text": said}]
            nested["message"] = {**nested["message"], "content": blocks}
        data = {"message": nested, "normalizedMessages": [], "type": "agent_progress"}
        data |= {"prompt": "Look around.", "agentId": agent_id}
        ids = {"toolUseID": f"agent_msg_{agent_id}", "parentToolUseID": parent_tool_use_id}
        self._entry({"type": "progress", "data": data, **ids}, fields=fields)

    def relay(self, agent: "ClaudeTranscript", *, parent_tool_use_id: str) -> None:
        """Nest every message of an agent's transcript in progress lines."""
        for line in agent.lines:
            record = decode(line) or {}
            if record.get("type") in ("user", "assistant"):
                self.progress(
                    record, agent_id=agent.agent_id or "", parent_tool_use_id=parent_tool_use_id
                )

    def hook_progress(self, hook: str = "PostToolUse:Bash", **fields: Any) -> None:
        """Run a hook."""
        data = {"type": "hook_progress", "hookEvent": hook.partition(":")[0], "hookName": hook}
        data |= {"command": "make format"}
        tool_use = self.ids.uuid()
        ids = {"parentToolUseID": tool_use, "toolUseID": tool_use}
        self._entry({"type": "progress", "data": data, **ids}, fields=fields)

    def snapshot(self) -> None:
        """Add a file-history-snapshot, which bears neither session nor time."""
        inner = {"messageId": self.ids.uuid(), "trackedFileBackups": {}}
        self.line(
            {
                "type": "file-history-snapshot",
                "messageId": inner["messageId"],
                "snapshot": inner,
                "isSnapshotUpdate": False,
            }
        )

    def summary(self, text: str = "The cart's total") -> None:
        """Name the session as the older clients did, without its id or a time."""
        self.line({"type": "summary", "summary": text, "leafUuid": self.last_uuid})

    def title(self, text: str = "The cart's total") -> None:
        """Name the session as the newer clients do."""
        self.line({"type": "custom-title", "customTitle": text, "sessionId": self.session_id})

    def queue_operation(self, operation: str = "enqueue", content: str | None = None) -> None:
        """Add (`enqueue`), send (`dequeue`) or drop (`remove`) what waits to be sent."""
        record: dict[str, Any] = {"type": "queue-operation", "operation": operation}
        record |= {"timestamp": self._stamp(), "sessionId": self.session_id}
        self.line(record if content is None else {**record, "content": content})

    # Copies

    def include(self, other: "ClaudeTranscript") -> None:
        """Append the lines of another transcript as they are, and go on after its last moment."""
        self._lines += other.lines
        self._now = max(self._now, other.now)
        self._started = True

    def fork(self, session_id: str, *, lines: int | None = None) -> "ClaudeTranscript":
        """Copy the first lines as a resumed session does, to be continued.

        sessionId is rewritten; uuids, message ids and times are kept. Its own lines come later
        than the last of this one.
        """
        copy = ClaudeTranscript(
            session_id,
            cwd=self.cwd,
            version=self.version,
            start=self.now,
            agent_id=self.agent_id,
            sidechain=self.sidechain,
            seed=self.seed,
        )
        for line in self._lines[:lines]:
            record = decode(line)
            if record is not None and "sessionId" in record:
                line = encode({**record, "sessionId": session_id})  # noqa: PLW2901
            copy._lines.append(line)
            uuid = record.get("uuid") if record else None
            copy.last_uuid = uuid if isinstance(uuid, str) else copy.last_uuid
        copy._started = True
        copy._calls = dict(self._calls)
        return copy

    # How a line is made

    def _user(self, content: object, *, after: float = STEP_SECONDS, **fields: Any) -> str:
        message = {"role": "user", "content": content}
        return self._entry({"type": "user", "message": message}, after=after, fields=fields)

    def _entry(
        self, body: dict[str, Any], *, fields: Mapping[str, Any], after: float = STEP_SECONDS
    ) -> str:
        """Append a line of the chain: the envelope around `body`, `fields` over all; its uuid."""
        place = {"cwd": self.cwd, "sessionId": self.session_id, "version": self.version}
        place = {"userType": "external", **place, "gitBranch": "main"}
        agent = {"agentId": self.agent_id} if self.agent_id else {}
        own = {"uuid": self.ids.uuid(), "timestamp": self._stamp(after)}
        chain = {"parentUuid": self.last_uuid, "isSidechain": self.sidechain}
        if self._release >= ATTACHMENTS_SINCE:
            record = chain | agent | body | own | {"entrypoint": "cli"} | place
        else:
            record = chain | place | agent | body | own
        record = laid_over(record, fields)
        self.line(record)
        self.last_uuid = record.get("uuid", self.last_uuid)
        return str(record.get("uuid", own["uuid"]))

    def _typed(self) -> dict[str, Any]:
        """Give the fields that clients add to a line that a person typed."""
        if self.sidechain or self._release < (2, 0, 64):
            return {}
        if self._release < ATTACHMENTS_SINCE:
            return {"todos": [], "permissionMode": "default"}
        return {"permissionMode": "default", "origin": {"kind": "human"}, "promptSource": "cli"}

    def _stop_reason(self, calls: Sequence[ToolUse]) -> str | None:
        if self._release < ATTACHMENTS_SINCE:
            return None
        return "tool_use" if calls else "end_turn"

    def _identified(self, use: ToolUse) -> ToolUse:
        return use if use.id else replace(use, id=self.ids.base58("toolu_01", 22))

    def _blocks(
        self, text: str, thinking: str | None, calls: Sequence[ToolUse], *, at_least: int
    ) -> list[dict[str, Any]]:
        """Give a response's blocks, with empty thinking before them if they are too few."""
        thoughts = [] if thinking is None else [thinking]
        texts = [{"type": "text", "text": text}] if text or not (calls or thoughts) else []
        thoughts += [""] * (at_least - len(thoughts) - len(texts) - len(calls))
        signed = {"type": "thinking", "thinking": "", "signature": "Eo0BCkgIBRABGAIi"}
        caller = {"caller": {"type": "direct"}} if self._release >= (2, 1, 30) else {}
        return [
            *({**signed, "thinking": thought} for thought in thoughts),
            *texts,
            *(
                {"type": "tool_use", "id": use.id, "name": use.name, "input": use.input, **caller}
                for use in calls
            ),
        ]
