"""The inner parts of Claude Code's lines: tool_use and tool_result, usage blocks, command tags."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: From here on usage tells its iterations, and a line's envelope stands behind its message.
ATTACHMENTS_SINCE = (2, 1, 110)

_COMMAND = """<command-name>{name}</command-name>
            <command-message>{bare}</command-message>
            <command-args>{args}</command-args>"""


@dataclass(frozen=True)
class ToolUse:
    """One tool_use block; without an id it gets a fresh one when it is written."""

    name: str
    input: Mapping[str, Any] = field(default_factory=dict)
    id: str | None = None


def skill(name: str, **arguments: Any) -> ToolUse:
    """Invoke a skill, plain (`commit`) or of a plugin (`superpowers:writing-plans`)."""
    return ToolUse("Skill", {"skill": name, **arguments})


def subagent(
    type: str, prompt: str = "Look around.", *, tool: str = "Task", **arguments: Any
) -> ToolUse:
    """Start a sub-agent; the tool is `Task` up to 2.1.50 and `Agent` from 2.1.81."""
    description = " ".join(prompt.split()[:4])
    given = {"description": description, "prompt": prompt, "subagent_type": type, **arguments}
    return ToolUse(tool, given)


def mcp(server: str, tool: str, **arguments: Any) -> ToolUse:
    """Call a tool of an MCP server."""
    return ToolUse(f"mcp__{server}__{tool}", arguments)


@dataclass(frozen=True)
class Usage:
    """The figures of one response but its output, which grows from line to line."""

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    #: False: one number for all cache writes, as the oldest clients wrote it.
    split: bool = True

    def block(self, output: int, release: tuple[int, ...]) -> dict[str, Any]:
        """Write the usage block of a client of that release."""
        figures: dict[str, Any] = {
            "input_tokens": self.input,
            "cache_creation_input_tokens": self.cache_write_5m + self.cache_write_1h,
            "cache_read_input_tokens": self.cache_read,
        }
        if self.split:
            figures["cache_creation"] = {
                "ephemeral_5m_input_tokens": self.cache_write_5m,
                "ephemeral_1h_input_tokens": self.cache_write_1h,
            }
        figures["output_tokens"] = output
        if release < ATTACHMENTS_SINCE:
            return figures | {"service_tier": "standard"}
        iteration = {**figures, "type": "message"}
        return figures | {
            "server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 0},
            "service_tier": "standard",
            "inference_geo": "not_available",
            "iterations": [iteration],
            "speed": "standard",
        }


def laid_over(record: Mapping[str, Any], over: Mapping[str, Any] | None) -> dict[str, Any]:
    """Put `over` on the record; what it names as None is left out."""
    over = over or {}
    return {k: v for k, v in {**record, **over}.items() if v is not None or k not in over}


def command_text(name: str, args: str, *, custom: bool) -> str:
    """Write the tags of a slash command, in the order of a built-in or of a custom one."""
    bare = name.removeprefix("/")
    if not custom:
        return _COMMAND.format(name=name, bare=bare, args=args)
    text = f"<command-message>{bare}</command-message>\n<command-name>/{bare}</command-name>"
    return f"{text}\n<command-args>{args}</command-args>" if args else text


def result_block(tool_use_id: str, content: object, is_error: bool | None) -> dict[str, Any]:
    """Write a tool_result; clients put the keys of an error in another order."""
    if is_error:
        error = {"type": "tool_result", "content": content, "is_error": True}
        return {**error, "tool_use_id": tool_use_id}
    block = {"tool_use_id": tool_use_id, "type": "tool_result", "content": content}
    return block if is_error is None else {**block, "is_error": False}


def beside_result(use: ToolUse, content: object, *, is_error: bool) -> object:
    """Guess what the client keeps beside a result, from the tool that gave it."""
    if is_error:
        return f"Error: {content}" if isinstance(content, str) else None
    if use.name == "Skill":
        return {"success": True, "commandName": use.input.get("skill")}
    if use.name == "Bash":
        return {"stdout": content, "stderr": "", "interrupted": False, "isImage": False}
    return content if use.name.startswith("mcp__") else None
