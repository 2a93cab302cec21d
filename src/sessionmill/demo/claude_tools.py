"""Tool calls in Claude Code, and all that may come back: results, refusals, progress, agents."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sessionmill.demo.claude_blocks import (
    ATTACHMENTS_SINCE,
    CALLERS_SINCE,
    ToolUse,
    Usage,
    beside_result,
    result_block,
    text,
)
from sessionmill.demo.claude_client import ClientLines
from sessionmill.demo.claude_model import ModelLines
from sessionmill.demo.transcript import STEP_SECONDS, decode

#: What a progress line of each kind tells, unless it is given.
_PROGRESS: Mapping[str, Mapping[str, Any]] = {
    "bash_progress": {"output": "2 passed", "elapsedTimeSeconds": 3, "totalLines": 1},
    "mcp_progress": {"serverName": "github", "toolName": "create_issue", "status": "started"},
    "query_update": {"query": "cart total rounding"},
    "search_results_received": {"query": "cart total rounding", "resultCount": 7},
    "waiting_for_task": {"taskDescription": "Look around.", "taskType": "local_agent"},
}


class ToolLines(ModelLines, ClientLines):
    """The lines of tool calls and of sub-agents."""

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
        added: dict[str, Any] = {"toolUseResult": tool_use_result}
        if self._release >= CALLERS_SINCE:
            added["sourceToolAssistantUUID"] = caller
        block = result_block(tool_use_id, content, is_error)
        return self.user([block], after=after, **{**added, **fields})

    def reject(self, tool_use_id: str, reason: str = "", **fields: Any) -> str:
        """Let a person refuse a call; returns the line's uuid."""
        words = "The user doesn't want to proceed with this tool use. It was rejected."
        words = f"{words} The user said:\n{reason}" if reason else words
        return self._refuse(tool_use_id, words, "user-rejected", "User rejected tool use", fields)

    def deny(self, tool_use_id: str, **fields: Any) -> str:
        """Let the settings refuse a call, without asking anybody; returns the line's uuid."""
        _, use = self._calls.get(tool_use_id, (None, ToolUse("this tool")))
        words = f"Permission to use {use.name} has been denied."
        return self._refuse(tool_use_id, words, "automode-unavailable", f"Error: {words}", fields)

    def block(self, tool_use_id: str, hook: str = "PreToolUse", **fields: Any) -> str:
        """Let a hook refuse a call, as the result tells it; returns the line's uuid."""
        _, use = self._calls.get(tool_use_id, (None, ToolUse("Bash")))
        words = f"{hook}:{use.name} hook error: [check.sh]: no"
        return self.result(tool_use_id, words, is_error=True, **fields)

    def tool_progress(
        self,
        kind: Literal[
            "bash_progress",
            "mcp_progress",
            "query_update",
            "search_results_received",
            "waiting_for_task",
        ] = "bash_progress",
        *,
        parent_tool_use_id: str,
        data: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        """Tell how far a tool is, on a progress line (2.1.9 to 2.1.81)."""
        told = _PROGRESS[kind] if data is None else data
        ids = {"parent_tool_use_id": parent_tool_use_id, "tool_use_id": f"{kind}-0"}
        self._progress(kind, told, **ids, **fields)

    # Sub-agents

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
        if background:
            about = {"isAsync": True, "status": "async_launched", "agentId": agent_id}
            about |= {"outputFile": f"/tmp/tasks/{agent_id}.output", "canReadOutputFile": True}  # noqa: S108 -- a path in a line, never opened
        else:
            last = Usage(2, total_tokens - 102, 0, 0).block(100, self._release)
            about |= {"content": [{"type": "text", "text": text}]}
            about |= {"totalDurationMs": int(after * 1000)}
            about |= {"totalTokens": total_tokens, "totalToolUseCount": 1, "usage": last}
        given = {"after": after, "tool_use_result": about, **fields}
        return self.result(tool_use_id, [{"type": "text", "text": text}], **given)

    def task_notification(self, text: str = "The task has completed.", **fields: Any) -> str:
        """End a background task, told on a user line."""
        if not text.startswith("<"):
            text = f"<task-notification>\n<summary>{text}</summary>\n</task-notification>"
        return self.user(text, **{**self._notified("task-notification"), **fields})

    def progress(
        self,
        message_line: "Mapping[str, Any] | ToolLines",
        *,
        agent_id: str,
        parent_tool_use_id: str,
        **fields: Any,
    ) -> None:
        """Nest a sub-agent's line, or the last line of its transcript, in a progress line."""
        record: Mapping[str, Any] | None = None
        if isinstance(message_line, ToolLines):
            record = decode(message_line.lines[-1])
        else:
            record = message_line
        kept = ("type", "timestamp", "message", "requestId", "uuid")
        nested: dict[str, Any] = {key: record[key] for key in kept if record and key in record}
        said = nested.get("message", {}).get("content")
        if isinstance(said, str):
            nested["message"] = {**nested["message"], "content": [text(said)]}
        data = {"message": nested, "normalizedMessages": []}
        data |= {"prompt": "Look around.", "agentId": agent_id}
        ids = {"parent_tool_use_id": parent_tool_use_id, "tool_use_id": f"agent_msg_{agent_id}"}
        self._progress("agent_progress", data, **ids, **fields)

    def relay(self, agent: "ToolLines", *, parent_tool_use_id: str) -> None:
        """Nest every message of an agent's transcript in progress lines."""
        for line in agent.lines:
            record = decode(line) or {}
            if record.get("type") in ("user", "assistant"):
                self.progress(
                    record, agent_id=agent.agent_id or "", parent_tool_use_id=parent_tool_use_id
                )

    def include(self, other: "ToolLines") -> None:
        """Append the lines of another transcript as they are, and go on after its last moment.

        So the oldest clients wrote their sub-agents.
        """
        self._lines += other.lines
        self._now = max(self._now, other.now)
        self._started = True

    def _refuse(
        self, tool_use_id: str, words: str, kind: str, beside: str, fields: Mapping[str, Any]
    ) -> str:
        denial = {"toolDenialKind": kind} if self._release >= ATTACHMENTS_SINCE else {}
        given = {"is_error": True, "tool_use_result": beside, **denial, **fields}
        return self.result(tool_use_id, words, **given)
