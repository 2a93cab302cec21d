"""A generated team as it was written, and every kind of record that it has to hold: a table."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from sessionmill.demo.claude_client import ATTACHMENTS
from sessionmill.demo.clients import CLIENTS
from sessionmill.demo.team import DemoSummary

Record = dict[str, Any]


@dataclass(frozen=True)
class Team:
    seed: int
    summary: DemoSummary
    files: dict[str, bytes]

    @cached_property
    def claude(self) -> dict[str, list[Record]]:
        return {p: list(decoded(d)) for p, d in self.files.items() if "/sessions/" not in p}

    @cached_property
    def codex(self) -> dict[str, list[Record]]:
        return {p: list(decoded(d)) for p, d in self.files.items() if "/sessions/" in p}

    @cached_property
    def claude_records(self) -> list[Record]:
        return [record for file in self.claude.values() for record in file]

    @cached_property
    def codex_records(self) -> list[Record]:
        return [record for file in self.codex.values() for record in file]


def decoded(data: bytes) -> Iterator[Record]:
    """Give the lines that hold one object; a plain reader sees no others."""
    for line in data.split(b"\n"):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield record


def read(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.jsonl")}


Predicate = Callable[[Team], bool]


def some(test: Callable[[Record], object], *, version: str = "") -> Predicate:
    """Any line of Claude Code, of one version if it is named."""
    return lambda team: any(
        test(record)
        for record in team.claude_records
        if not version or record.get("version") == version
    )


def line(kind: str, **fields: object) -> Predicate:
    """A line of that type with those fields; one of `...` has to be there."""
    return some(lambda r: r.get("type") == kind and has(r, fields))


def has(record: Record, fields: Record) -> bool:
    return all(
        name in record if value is ... else record.get(name) == value
        for name, value in fields.items()
    )


def progress(kind: str) -> Predicate:
    return some(lambda r: r.get("type") == "progress" and r["data"]["type"] == kind)


def attached(kind: str) -> Predicate:
    return some(lambda r: r.get("type") == "attachment" and r["attachment"]["type"] == kind)


def usage(test: Callable[[Record], object]) -> Predicate:
    return some(lambda r: test(r.get("message", {}).get("usage", {})))


def tool(name: str, *, version: str = "", **input: object) -> Predicate:
    """A call of a tool whose name begins so."""
    return some(
        lambda r: any(
            block["type"] == "tool_use"
            and block["name"].startswith(name)
            and has(block["input"], input)
            for block in blocks(r)
        ),
        version=version,
    )


def result(test: Callable[[Record, Record], object]) -> Predicate:
    """A tool_result; the test gets its line too."""
    return some(lambda r: any(b["type"] == "tool_result" and test(b, r) for b in blocks(r)))


def says(start: str, *, version: str = "") -> Predicate:
    """A user line of nothing but a text that begins so."""

    def test(record: Record) -> bool:
        content = record.get("message", {}).get("content")
        return isinstance(content, str) and content.startswith(start)

    return some(lambda r: r.get("type") == "user" and test(r), version=version)


def in_file(test: Callable[[str, bytes], object]) -> Predicate:
    return lambda team: any(test(path, data) for path, data in team.files.items())


def in_codex(kind: str, **payload: object) -> Predicate:
    """A Codex line of that type, or whose payload is of it, with those fields in the payload."""
    return lambda team: any(
        kind in (r["type"], r["payload"].get("type")) and has(r["payload"], payload)
        for r in team.codex_records
    )


def blocks(record: Record) -> list[Record]:
    content = record.get("message", {}).get("content")
    return content if isinstance(content, list) else []


def is_in_agent_file(pattern: str) -> Predicate:
    return in_file(lambda path, _: re.search(rf"{pattern}\.jsonl$", path))


def message_lines(team: Team) -> Iterator[tuple[str, list[Record]]]:
    """The lines of each response, by file and message id, in order."""
    for file in team.claude.values():
        found: dict[str, list[Record]] = {}
        for record in file:
            if record.get("type") == "assistant" and "id" in record["message"]:
                found.setdefault(record["message"]["id"], []).append(record)
        yield from found.items()


def output_grows(team: Team) -> bool:
    outputs = ([r["message"]["usage"]["output_tokens"] for r in g] for _, g in message_lines(team))
    return any(values != values[:1] * len(values) for values in outputs)


def lines_stand_apart(team: Team) -> bool:
    return any(
        second["parentUuid"] != first["uuid"]
        for _, group in message_lines(team)
        for first, second in pairwise(group)
    )


def results_of(team: Team) -> set[str]:
    found = (b for r in team.claude_records for b in blocks(r) if b["type"] == "tool_result")
    return {block["tool_use_id"] for block in found}


def is_unanswered(team: Team) -> bool:
    answered = results_of(team)
    calls = (b for r in team.claude_records for b in blocks(r) if b["type"] == "tool_use")
    return any(call["id"] not in answered for call in calls)


def agents_told(team: Team) -> set[str]:
    data = (r["data"] for r in team.claude_records if r.get("type") == "progress")
    return {told["agentId"] for told in data if told["type"] == "agent_progress"}


def agents_kept(team: Team) -> set[str]:
    return {path.rpartition("agent-")[2].removesuffix(".jsonl") for path in team.files}


def files_of_uuids(team: Team) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path, file in team.claude.items():
        for record in file:
            if "uuid" in record:
                found.setdefault(record["uuid"], set()).add(path)
    return found


def nests_agents(team: Team) -> bool:
    return any(
        block["type"] == "tool_use" and block["name"] == "Agent"
        for path, file in team.claude.items()
        if "/subagents/" in path
        for record in file
        for block in blocks(record)
    )


def repeats_a_queued_prompt(team: Team) -> bool:
    queued = {
        r["attachment"]["prompt"]
        for r in team.claude_records
        if r.get("type") == "attachment" and r["attachment"]["type"] == "queued_command"
    }
    return any(
        r.get("message", {}).get("content") in queued
        for r in team.claude_records
        if r.get("type") == "user" and not blocks(r)
    )


def sessions_in_a_file(team: Team) -> int:
    return max(
        (len({r["sessionId"] for r in file if "sessionId" in r}) for file in team.claude.values()),
        default=0,
    )


def repeats_a_count(team: Team) -> bool:
    infos = [
        [r["payload"]["info"] for r in file if r["payload"].get("type") == "token_count"]
        for file in team.codex.values()
    ]
    return any(first == second for file in infos for first, second in pairwise(file) if first)


def forks_a_codex_fork(team: Team) -> bool:
    metas = [file[0]["payload"] for file in team.codex.values()]
    forks = {meta["id"] for meta in metas if "forked_from_id" in meta}
    return any(meta.get("forked_from_id") in forks for meta in metas)


def parses(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def split_cache(usage: Record, kept_for: str) -> int:
    return int(usage.get("cache_creation", {}).get(f"ephemeral_{kept_for}_input_tokens", 0))


def denied(kind: str) -> Predicate:
    return line("user", toolDenialKind=kind)


KINDS: dict[str, Predicate] = {
    # generations
    **{f"client {c.version}": some(bool, version=c.version) for c in CLIENTS},
    "an unsplit cache write": usage(
        lambda u: u.get("cache_creation_input_tokens") and "cache_creation" not in u
    ),
    "tools of 1.0": tool("MultiEdit", version="1.0.43"),
    "a list of todos": tool("TodoWrite", version="2.1.14"),
    "a list of tasks": tool("TaskCreate", version="2.1.39"),
    "a search for tools": tool("ToolSearch", version="2.1.81"),
    "todos beside a prompt": line("user", todos=..., thinkingMetadata=...),
    "the origin of a prompt": line("user", origin={"kind": "human"}, promptSource=...),
    "an entrypoint": line("assistant", entrypoint="cli"),
    "the effort asked for": line("assistant", effort="high"),
    # sub-agents
    "a sidechain inside the main file": lambda team: any(
        r.get("isSidechain") and "agentId" not in r
        for path, file in team.claude.items()
        if "agent-" not in path
        for r in file
    ),
    "an agent file beside": is_in_agent_file(r"^\w+/-work-[\w-]+/agent-\w+"),
    "an agent file in the session's folder": is_in_agent_file(r"/[\w-]{36}/subagents/agent-\w+"),
    "the agent file of a compaction": is_in_agent_file(r"/subagents/agent-acompact-\w+"),
    "an agent file of a workflow": is_in_agent_file(r"/subagents/workflows/wf_\w+/agent-\w+"),
    "the journal of a workflow": is_in_agent_file(r"/subagents/workflows/wf_\w+/journal"),
    "progress lines and an agent file": lambda team: bool(agents_told(team) & agents_kept(team)),
    "progress lines alone": lambda team: bool(agents_told(team) - agents_kept(team)),
    "the tool Task": tool("Task", version="1.0.98", subagent_type=...),
    "the tool Agent": tool("Agent", version="2.1.217", subagent_type=...),
    "an agent of a plugin": tool("", subagent_type="docs-kit:reviewer"),
    "an agent of an agent": nests_agents,
    "an agent in the background": tool("", run_in_background=True),
    "an agent launched": some(
        lambda r: (
            isinstance(r.get("toolUseResult"), dict)
            and r["toolUseResult"].get("status") == "async_launched"
        )
    ),
    "an agent's size": some(
        lambda r: isinstance(r.get("toolUseResult"), dict) and "totalTokens" in r["toolUseResult"]
    ),
    "a task's end on a user line": says("<task-notification>", version="2.1.39"),
    "a task's end with its origin": line("user", origin={"kind": "task-notification"}),
    "a task's end attached": some(
        lambda r: r.get("attachment", {}).get("commandMode") == "task-notification"
    ),
    "a message to an agent": tool("SendMessage"),
    # copies
    "a fork of a fork": lambda team: any(len(f) > 3 for f in files_of_uuids(team).values()),
    "two sessions in a file": lambda team: sessions_in_a_file(team) > 1,
    # compactions
    "a compaction by itself": line("system", subtype="compact_boundary", parentUuid=None),
    "a compaction by hand": some(lambda r: r.get("compactMetadata", {}).get("trigger") == "manual"),
    "a compaction's summary": line("user", isCompactSummary=True),
    "a microcompaction": line("system", subtype="microcompact_boundary"),
    "a summary line": line("summary"),
    # people
    "an image with words": some(
        lambda r: {"text", "image"} <= {b["type"] for b in blocks(r)} and r["type"] == "user"
    ),
    "an image alone": some(lambda r: [b["type"] for b in blocks(r)] == ["image"]),
    "an image as a result": result(
        lambda b, _: isinstance(b["content"], list) and b["content"][0]["type"] == "image"
    ),
    "a prompt enqueued": line("queue-operation", operation="enqueue"),
    "a prompt dequeued": line("queue-operation", operation="dequeue"),
    "a prompt removed": line("queue-operation", operation="remove"),
    "prompts taken back": line("queue-operation", operation="popAll"),
    "a prompt attached": attached("queued_command"),
    "a prompt attached and repeated": repeats_a_queued_prompt,
    "an interrupt": some(
        lambda r: any(b.get("text") == "[Request interrupted by user]" for b in blocks(r))
    ),
    "an interrupt of a tool": some(
        lambda r: any(str(b.get("text")).endswith("user for tool use]") for b in blocks(r))
    ),
    "a call without an answer": is_unanswered,
    "a rejection": result(lambda _, r: r.get("toolUseResult") == "User rejected tool use"),
    "a rejection of its kind": denied("user-rejected"),
    "a denial": result(lambda b, _: str(b["content"]).startswith("Permission to use")),
    "a denial of its kind": denied("automode-unavailable"),
    "a built-in command": says("<command-name>", version="1.0.43"),
    "a custom command": says("<command-message>"),
    "a custom command of a plugin": says("<command-message>docs-kit:changelog"),
    "a command on a system line": line("system", subtype="local_command"),
    "a command's output": says("<local-command-stdout>"),
    "a command's failure": says("<local-command-stderr>"),
    "a command's caveat of old": says("Caveat: ", version="1.0.98"),
    "a command's caveat": says("<local-command-caveat>"),
    "a quoted command": result(lambda b, _: "<command-name>" in str(b["content"])),
    "a shell command by hand": says("<bash-input>"),
    "what it printed": says("<bash-stdout>"),
    "a question to a person": tool("AskUserQuestion"),
    "a plan": tool("ExitPlanMode"),
    # the model and the API
    "output that grows": output_grows,
    "a response whose lines stand apart": lines_stand_apart,
    "calls in parallel": lambda team: any(
        sum(b["type"] == "tool_use" for r in group for b in blocks(r)) > 2
        for _, group in message_lines(team)
    ),
    "thinking": some(lambda r: any(b["type"] == "thinking" for b in blocks(r))),
    "a response without a message id": some(
        lambda r: r.get("type") == "assistant" and "id" not in r["message"]
    ),
    "a response without a request id": some(
        lambda r: r.get("type") == "assistant" and r.get("version") and "requestId" not in r
    ),
    "a retry": line("system", subtype="api_error", retryAttempt=2),
    "an API error": line("assistant", isApiErrorMessage=True, error="unknown"),
    "a rate limit": line("assistant", error="rate_limit", apiErrorStatus=429),
    "a missing login": line("assistant", error="authentication_failed"),
    "a synthetic answer": some(
        lambda r: (
            r.get("message", {}).get("model") == "<synthetic>" and r["isApiErrorMessage"] is False
        )
    ),
    "a fallback": some(lambda r: any(b["type"] == "fallback" for b in blocks(r))),
    "a fallback's line": line("system", subtype="model_refusal_fallback"),
    "two iterations": usage(lambda u: len(u.get("iterations") or ()) == 2),
    "one iteration": usage(lambda u: len(u.get("iterations") or ()) == 1),
    "no iterations": usage(lambda u: u.get("iterations") == []),
    "fast mode": usage(lambda u: u.get("speed") == "fast"),
    "another service tier": usage(lambda u: u.get("service_tier") == "priority"),
    "a named place": usage(lambda u: u.get("inference_geo") == "global"),
    "an unnamed place": usage(lambda u: u.get("inference_geo") == ""),
    "the API's searches": usage(lambda u: u.get("server_tool_use", {}).get("web_search_requests")),
    "the API's fetches": usage(lambda u: u.get("server_tool_use", {}).get("web_fetch_requests")),
    "writes for 5 minutes": usage(lambda u: split_cache(u, "5m")),
    "writes for an hour": usage(lambda u: split_cache(u, "1h")),
    "writes for both": usage(lambda u: split_cache(u, "5m") and split_cache(u, "1h")),
    "a large cache read": usage(lambda u: u.get("cache_read_input_tokens", 0) > 20_000),
    # tools
    "a failed tool": result(lambda b, _: b.get("is_error") and "Exit code 2" in str(b["content"])),
    "an MCP tool": tool("mcp__github__"),
    "an MCP tool of a plugin": tool("mcp__plugin_docs-kit_search__"),
    "a failed MCP tool": result(lambda b, _: b.get("is_error") and "denied" in str(b["content"])),
    "a skill": tool("Skill", skill="commit"),
    "a skill of a plugin": tool("Skill", skill="superpowers:writing-plans"),
    "a skill that there is not": result(lambda b, _: "Unknown skill" in str(b["content"])),
    "a skill's text": line("user", isMeta=True, sourceToolUseID=...),
    "a tool that searches": tool("WebSearch"),
    "a tool that fetches": tool("WebFetch"),
    "attribution to a skill": line("assistant", attributionSkill=...),
    "attribution to a plugin": line("assistant", attributionPlugin=...),
    "attribution to an MCP server": line("assistant", attributionMcpServer=...),
    # the client
    **{
        f"progress {kind}": progress(kind)
        for kind in (
            "hook_progress",
            "bash_progress",
            "agent_progress",
            "mcp_progress",
            "query_update",
            "search_results_received",
            "waiting_for_task",
        )
    },
    **{
        f"attachment {kind}": attached(kind)
        for kind in (
            *ATTACHMENTS,
            "hook_success",
            "hook_additional_context",
            "hook_system_message",
            "hook_non_blocking_error",
            "hook_blocking_error",
            "hook_stopped_continuation",
        )
    },
    **{
        f"a line {kind}": line(kind)
        for kind in (
            "file-history-snapshot",
            "custom-title",
            "last-prompt",
            "mode",
            "permission-mode",
            "agent-name",
            "pr-link",
            "frame-link",
        )
    },
    "a notice of no subtype": some(lambda r: r.get("type") == "system" and "subtype" not in r),
    "a reminder on a user line": says("<system-reminder>"),
    "a line earlier than the one before": lambda team: any(
        earlier["timestamp"] > later["timestamp"]
        for file in team.claude.values()
        for earlier, later in pairwise(r for r in file if "timestamp" in r)
    ),
    "a summary of hooks": line("system", subtype="stop_hook_summary"),
    "a turn's duration": line("system", subtype="turn_duration"),
    "a summary for who was away": line("system", subtype="away_summary"),
    # damage
    "half a line": in_file(
        lambda _, data: any(ln[:1] == b"{" and not parses(ln) for ln in data.split(b"\n")[:-1])
    ),
    "two objects on a line": in_file(lambda _, data: b'}{"' in data),
    "NULs before a line": in_file(lambda _, data: b'\n\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0{"' in data),
    "a line of NULs": in_file(lambda _, data: re.search(rb"\n\0+\n", data)),
    "a line of nothing": in_file(lambda _, data: b"\n\n" in data),
    "a line that is no object": in_file(lambda _, data: b'\n["' in data),
    "CRLF": in_file(lambda _, data: data.endswith(b"}\r\n")),
    "a byte order mark": in_file(lambda _, data: data.startswith(b"\xef\xbb\xbf{")),
    "half of a surrogate pair": in_file(lambda _, data: b"\\ud83d is" in data),
    "a NUL in a text": in_file(lambda _, data: b"\\u0000" in data),
    "an unended last line": in_file(
        lambda _, data: data and data[-1:] != b"\n" and parses(data.rpartition(b"\n")[2])
    ),
    "a cut file": in_file(
        lambda _, data: data and data[-1:] != b"\n" and not parses(data.rpartition(b"\n")[2])
    ),
    "an empty file": in_file(lambda path, data: path.endswith(".jsonl") and not data),
    "a file of no known format": in_file(lambda _, data: data.startswith(b'{"event":')),
    "a file of a summary alone": in_file(
        lambda _, data: data.startswith(b'{"type":"summary"') and data.count(b"\n") == 1
    ),
    # Codex
    "Codex of old": in_codex("session_meta", cli_version="0.104.0-alpha.1", source="vscode"),
    "Codex of now": in_codex("session_meta", cli_version="0.142.4", thread_source="user"),
    "a Codex fork of a fork": forks_a_codex_fork,
    "a Codex sub-agent": in_codex("session_meta", thread_source="subagent", forked_from_id=...),
    "a Codex sub-agent of no history": lambda team: any(
        file[0]["payload"].get("thread_source") == "subagent"
        and "forked_from_id" not in file[0]["payload"]
        for file in team.codex.values()
    ),
    "a Codex session reopened": lambda team: any(
        [r["payload"]["id"] for r in file if r["type"] == "session_meta"]
        == [file[0]["payload"]["id"]] * 2
        for file in team.codex.values()
    ),
    "a Codex session without usage": lambda team: any(
        all(r["payload"].get("type") != "token_count" for r in file) for file in team.codex.values()
    ),
    "a repeated Codex count": repeats_a_count,
    "a Codex count of nothing": in_codex("token_count", info=None),
    "a Codex compaction": in_codex("compacted"),
    "a Codex turn aborted": in_codex("turn_aborted"),
    "another Codex model": in_codex("turn_context", model="gpt-5.5"),
    "Codex reasoning told": in_codex("agent_reasoning"),
    "a Codex MCP call": in_codex("function_call", namespace="mcp__deepwiki"),
    "a Codex MCP failure": lambda team: any(
        r["payload"].get("result", {}).get("Ok", {}).get("isError") is True
        for r in team.codex_records
        if r["payload"].get("type") == "mcp_tool_call_end"
    ),
    "a Codex patch": in_codex("patch_apply_end", success=True),
    "a failed Codex patch": in_codex("patch_apply_end", success=False),
    "a Codex web search": in_codex("web_search_call"),
    "a Codex search for tools": in_codex("tool_search_call"),
    "a Codex shell call of old": in_codex("local_shell_call"),
}
