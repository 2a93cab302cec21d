"""The inner parts of Claude Code's lines: tool_use and tool_result, usage blocks, command tags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Release = tuple[int, ...]

#: From here on a result names the line of its call.
CALLERS_SINCE = (2, 1, 1)
#: From here on usage tells where it was computed, and a call by whom it was made.
GEOGRAPHY_SINCE = (2, 1, 38)
#: From here on usage tells its speed and counts the API's own searches.
SPEED_SINCE = (2, 1, 41)
#: From here on usage tells its iterations, and a line's envelope stands behind its message.
ATTACHMENTS_SINCE = (2, 1, 110)
#: From here on lines bear the client's own attribution and the effort asked for.
ATTRIBUTION_SINCE = (2, 1, 205)

_COMMAND = """<command-name>{name}</command-name>
            <command-message>{bare}</command-message>
            <command-args>{args}</command-args>"""

#: What stands beside thinking; its length tells that of the thinking.
SIGNATURE = "Eo0BCkgIBRABGAIi"

#: A picture of one pixel.
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)


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
    """Call a tool of an MCP server; one that a plugin brings is `plugin_<plugin>_<server>`."""
    return ToolUse(f"mcp__{server}__{tool}", arguments)


def text(words: str) -> dict[str, Any]:
    """Write a block of text, for prompts and results of several blocks."""
    return {"type": "text", "text": words}


def image(data: str = PIXEL, *, media_type: str = "image/png") -> dict[str, Any]:
    """Write a block with an image, its bytes in base64."""
    source = {"type": "base64", "media_type": media_type, "data": data}
    return {"type": "image", "source": source}


@dataclass(frozen=True)
class Usage:
    """The figures of one response but its output, which grows from line to line."""

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    #: False: one number for all cache writes, as the oldest clients wrote it.
    split: bool = True
    web_searches: int = 0
    web_fetches: int = 0
    service_tier: str | None = "standard"
    #: `standard` or, in fast mode, `fast`.
    speed: str = "standard"
    inference_geo: str | None = "not_available"

    def block(self, output: int, release: Release) -> dict[str, Any]:
        """Write the usage block of a client of that release.

        What that client did not write yet is written where it says something out of the ordinary.
        """
        figures = self._figures(output)
        block = figures | {"service_tier": self.service_tier}
        if release >= SPEED_SINCE or self.web_searches or self.web_fetches:
            searches = {"web_search_requests": self.web_searches}
            block["server_tool_use"] = {**searches, "web_fetch_requests": self.web_fetches}
        if release >= GEOGRAPHY_SINCE or self.inference_geo != "not_available":
            block["inference_geo"] = self.inference_geo
        if release >= SPEED_SINCE:
            last = {**figures, "type": "message"}
            block["iterations"] = [last] if release >= ATTACHMENTS_SINCE else []
        if release >= SPEED_SINCE or self.speed != "standard":
            block["speed"] = self.speed
        return block

    def iteration(self, output: int, model: str, *, kind: str = "message") -> dict[str, Any]:
        """Write these figures as one iteration of several, with the model that spent them."""
        return {**self._figures(output), "type": kind, "model": model}

    def unsplit(self) -> "Usage":
        """Return the same figures, with one number for all cache writes."""
        return replace(self, split=False)

    def _figures(self, output: int) -> dict[str, Any]:
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
        return {**figures, "output_tokens": output}


def laid_over(record: Mapping[str, Any], over: Mapping[str, Any] | None) -> dict[str, Any]:
    """Put `over` on the record; what it names as None is left out."""
    over = over or {}
    return {k: v for k, v in {**record, **over}.items() if v is not None or k not in over}


def command_text(name: str, args: str, *, custom: bool) -> str:
    """Write the tags of a slash command, in the order of a built-in or of a custom one."""
    bare = name.removeprefix("/")
    if not custom:
        return _COMMAND.format(name=name, bare=bare, args=args)
    tags = f"<command-message>{bare}</command-message>\n<command-name>/{bare}</command-name>"
    return f"{tags}\n<command-args>{args}</command-args>" if args else tags


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
    if use.name in ("Edit", "Write"):
        return _edited(use.input, created=use.name == "Write")
    if use.name == "Bash":
        return {"stdout": content, "stderr": "", "interrupted": False, "isImage": False}
    return content if use.name.startswith("mcp__") else None


def _edited(input: Mapping[str, Any], *, created: bool) -> object:
    """Tell what a file was changed to: the patch of a new file is empty."""
    path = {"filePath": input.get("file_path", "")}
    if created:
        written = {"type": "create", **path, "content": input.get("content", "")}
        return {**written, "structuredPatch": [], "originalFile": None}
    old, new = str(input.get("old_string", "")), str(input.get("new_string", ""))
    lines = [*(f"-{line}" for line in old.splitlines()), *(f"+{line}" for line in new.splitlines())]
    counts = {"oldLines": len(old.splitlines()), "newLines": len(new.splitlines())}
    patch = [{"oldStart": 1, "newStart": 1, **counts, "lines": lines}]
    strings = {"oldString": old, "newString": new, "originalFile": old}
    return {**path, **strings, "structuredPatch": patch, "userModified": False}


def answer_blocks(
    words: str,
    thinking: str | None,
    calls: Sequence[ToolUse],
    *,
    at_least: int,
    release: Release,
    signature: str,
) -> list[dict[str, Any]]:
    """Write a response's blocks, with empty thinking before them if they are too few."""
    thoughts = [] if thinking is None else [thinking]
    texts = [text(words)] if words or not (calls or thoughts) else []
    thoughts += [""] * (at_least - len(thoughts) - len(texts) - len(calls))
    signed = {"type": "thinking", "thinking": "", "signature": signature}
    caller = {"caller": {"type": "direct"}} if release >= GEOGRAPHY_SINCE else {}
    return [
        *({**signed, "thinking": thought} for thought in thoughts),
        *texts,
        *(
            {"type": "tool_use", "id": use.id, "name": use.name, "input": use.input, **caller}
            for use in calls
        ),
    ]
