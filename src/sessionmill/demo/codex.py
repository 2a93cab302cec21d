"""Builds rollouts of the Codex CLI, line by line.

    rollout = CodexRollout("019cac2e-8d00-7c41-9a3b-4d5e6f708192")
    rollout.turn()
    rollout.prompt("Fix the total of the cart")
    rollout.call("exec_command", {"cmd": "make test"}, result="3 passed")
    rollout.tokens(24_000, 2_400, 390, reasoning=260)
    rollout.message("Fixed.")
    rollout.write(folder / "alice" / rollout.relative_path)

The constructor writes the session_meta line. Time moves on by a second a line.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sessionmill.demo.transcript import STEP_SECONDS, Ids, Transcript, decode, release_of, timestamp

SESSION_ID = "019cac2e-8d00-7c41-9a3b-4d5e6f708192"
MODEL = "gpt-5.3-codex"
CONTEXT_WINDOW = 258_400

#: From here on a session tells what started it, and turns tell more of where they run.
_SOURCES_SINCE = (0, 140)
#: From here on session_meta says its id twice.
_SESSION_IDS_SINCE = (0, 142)

_TOKEN_CLASSES = (
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
    "total_tokens",
)


class CodexRollout(Transcript):
    """The lines of one rollout; its token counts grow over the whole session."""

    def __init__(
        self,
        session_id: str = SESSION_ID,
        *,
        cwd: str = "/work/shop",
        version: str = "0.142.4",
        model: str = MODEL,
        start: datetime = datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
        forked_from: str | None = None,
        parent_thread: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(start, Ids(f"codex {session_id} {seed}"))
        self.session_id = session_id
        self.cwd = cwd
        self.version = version
        self.model = model
        self.seed = seed
        self.forked_from = forked_from
        #: The session that started this one as its sub-agent.
        self.parent_thread = parent_thread
        self.turn_id = ""
        self._release = release_of(version)
        self._start = start
        self._totals = dict.fromkeys(_TOKEN_CLASSES, 0)
        self._last = dict(self._totals)
        self.reopen()

    @property
    def relative_path(self) -> Path:
        """Where the client keeps it: sessions/2026/03/02/rollout-<time>-<id>.jsonl."""
        day = self._start.strftime("%Y/%m/%d")
        name = f"rollout-{self._start.strftime('%Y-%m-%dT%H-%M-%S')}-{self.session_id}.jsonl"
        return Path("sessions", day, name)

    def reopen(self) -> None:
        """Write a session_meta line: the first, and one more each time a session is resumed."""
        older = self._release < _SOURCES_SINCE
        source: object = "vscode" if older else "cli"
        parents = {"forked_from_id": self.forked_from, "parent_thread_id": self.parent_thread}
        if self.parent_thread:
            spawn = {"parent_thread_id": self.parent_thread, "depth": 1, "agent_role": "explorer"}
            source = {"subagent": {"thread_spawn": spawn}}
        twice = {"session_id": self.session_id} if self._release >= _SESSION_IDS_SINCE else {}
        thread = {"thread_source": "subagent" if self.parent_thread else "user"}
        payload = {
            **twice,
            "id": self.session_id,
            **{key: value for key, value in parents.items() if value},
            "timestamp": timestamp(self._start),
            "cwd": self.cwd,
            "originator": "Codex Desktop" if older else "codex-tui",
            "cli_version": self.version,
            "source": source,
            **({} if older else thread),
            "model_provider": "openai",
            "base_instructions": {"text": "You are a coding agent."},
            "git": {"commit_hash": "0" * 40, "branch": "main"},
        }
        self._append("session_meta", payload)

    def turn(self, model: str | None = None) -> None:
        """Begin a turn: task_started, and the turn_context that names the model from here on."""
        self.model = model or self.model
        self.turn_id = self.ids.uuid()
        started: dict[str, Any] = {"turn_id": self.turn_id, "started_at": int(self.now.timestamp())}
        self._event("task_started", **started, model_context_window=CONTEXT_WINDOW)
        context = {
            "turn_id": self.turn_id,
            "cwd": self.cwd,
            "approval_policy": "never",
            "sandbox_policy": {"type": "danger-full-access"},
            "model": self.model,
            "effort": "high",
            "summary": "auto",
        }
        if self._release < _SOURCES_SINCE:
            context |= {"user_instructions": "Use pnpm.", "truncation_policy": {"mode": "tokens"}}
        else:
            context |= {"workspace_roots": [self.cwd], "timezone": "Europe/Berlin"}
        self._append("turn_context", context)

    def instructions(self, text: str = "The sandbox may write everywhere.") -> None:
        """Tell the model what the client wants of it."""
        self._message("developer", text)

    def prompt(self, text: str = "Fix the total of the cart.") -> None:
        """Type something as a person does: an item for the model, and an event for the screen."""
        self._message("user", text)
        self._event("user_message", message=text, images=[], local_images=[], text_elements=[])

    def message(self, text: str = "Done.") -> None:
        """Answer as the model does: an event for the screen, and the item."""
        self._event("agent_message", message=text, phase="commentary")
        self._message("assistant", text)

    def reasoning(self, summary: str | None = None) -> None:
        """Think, of which only an encrypted part is written, and its gist if there is one."""
        if summary is not None:
            self._event("agent_reasoning", text=summary)
        gist = [] if summary is None else [{"type": "summary_text", "text": summary}]
        self._item("reasoning", summary=gist, encrypted_content="gAAAAABn")

    def call(
        self,
        name: str = "exec_command",
        arguments: Mapping[str, Any] | str | None = None,
        *,
        result: str | Sequence[Mapping[str, Any]] | None = "ok",
        success: bool | None = None,
        namespace: str | None = None,
        after: float = STEP_SECONDS,
    ) -> str:
        """Call a function, and (unless `result` is None) give its output; returns the call id.

        A shell command's output tells its exit code; a call in a namespace (`mcp__deepwiki`) has
        an mcp_tool_call_end event before its output. No other output says whether it succeeded.
        """
        given = arguments if isinstance(arguments, str) else _compact(arguments or {"cmd": "ls"})
        place: dict[str, Any] = {"namespace": namespace} if namespace else {}
        call_id = self.ids.base58("call_", 24)
        self._item("function_call", name=name, **place, arguments=given, call_id=call_id)
        if result is None:
            return call_id
        if namespace:
            self._mcp_end(call_id, name, namespace, failed=success is False, after=after)
            after = STEP_SECONDS
        if name == "exec_command" and isinstance(result, str):
            result = _shell_output(result, seconds=after, failed=success is False)
        self._item("function_call_output", call_id=call_id, output=result, after=after)
        return call_id

    def custom_call(
        self,
        name: str = "apply_patch",
        input: str = "*** Begin Patch\n*** Update File: cart.py\n*** End Patch",
        *,
        result: str | None = "Success. Updated the following files:\nM cart.py",
        success: bool | None = None,
        changes: Mapping[str, Any] | None = None,
        after: float = STEP_SECONDS,
    ) -> str:
        """Call a tool that takes free text, and give its output; returns the call id.

        `changes` is what a patch did to each file; without it the patch does not tell.
        """
        call_id = self.ids.base58("call_", 24)
        self._item("custom_tool_call", status="completed", call_id=call_id, name=name, input=input)
        if result is None:
            return call_id
        failed = success is False
        if name == "apply_patch":
            done: dict[str, Any] = {"success": not failed}
            done |= {"status": "failed" if failed else "completed"}
            done |= {} if changes is None else {"changes": changes}
            ids = {"call_id": call_id, "turn_id": self.turn_id}
            self._event("patch_apply_end", **ids, stdout=result, stderr="", **done, after=after)
            after = STEP_SECONDS
        output = f"Exit code: {int(failed)}\nWall time: {after:g} seconds\nOutput:\n{result}"
        self._item("custom_tool_call_output", call_id=call_id, output=output, after=after)
        return call_id

    def web_search(self, query: str = "cart total rounding") -> None:
        """Search the web, which has no output item."""
        action = {"type": "search", "query": query}
        self._event("web_search_end", call_id=self.ids.hex(32), query=query, action=action)
        self._item("web_search_call", status="completed", action=action)

    def tool_search(self, query: str = "pull requests") -> str:
        """Look for a tool that is not loaded yet; returns the call id."""
        call_id = self.ids.base58("call_", 24)
        done: dict[str, Any] = {"call_id": call_id, "status": "completed", "execution": "client"}
        self._item("tool_search_call", **done, arguments={"query": query, "limit": 5})
        self._item("tool_search_output", **done, tools=[])
        return call_id

    def local_shell(self, command: str = "ls", *, result: str | None = "ok") -> str:
        """Run a command as older models call for it; returns the call id."""
        call_id = self.ids.base58("call_", 24)
        action = {"type": "exec", "command": ["bash", "-lc", command]}
        self._item("local_shell_call", call_id=call_id, status="completed", action=action)
        if result is not None:
            self._item("function_call_output", call_id=call_id, output=result)
        return call_id

    def tokens(self, input: int, cached: int, output: int, reasoning: int = 0) -> None:
        """Count one request; `cached` is a part of `input`, `reasoning` one of `output`."""
        figures = (input, cached, output, reasoning, input + output)
        self._last = dict(zip(_TOKEN_CLASSES, figures, strict=True))
        self._totals = {key: self._totals[key] + self._last[key] for key in _TOKEN_CLASSES}
        self.repeat_tokens()

    def repeat_tokens(self) -> None:
        """Write the last count once more, as the client does now and then: nothing was used."""
        usage = {"total_token_usage": self._totals, "last_token_usage": self._last}
        info = {**usage, "model_context_window": CONTEXT_WINDOW}
        self._event("token_count", info=info, rate_limits=None)

    def null_tokens(self) -> None:
        """Write a count without figures, as before the first answer of a resumed session."""
        self._event("token_count", info=None, rate_limits={"limit_id": "codex"})

    def compacted(self, text: str = "") -> None:
        """Compact the conversation; the totals go on growing."""
        self._append("compacted", {"message": text, "replacement_history": []})
        self._event("context_compacted")

    def abort(self, reason: str = "interrupted") -> None:
        """End the turn by the escape key."""
        self._event("turn_aborted", turn_id=self.turn_id, reason=reason, duration_ms=1000)

    def complete(self) -> None:
        """End the turn."""
        self._event("task_complete", turn_id=self.turn_id, last_agent_message=None)

    def fork(
        self, session_id: str, *, lines: int | None = None, subagent: bool = False
    ) -> "CodexRollout":
        """Copy the first lines behind a session_meta of a new id, to be continued.

        The copied lines are kept as they are, their session_meta too; the totals go on from the
        last count among them. With `subagent` the copy is that of a spawned agent.
        """
        copy = CodexRollout(
            session_id,
            cwd=self.cwd,
            version=self.version,
            model=self.model,
            start=self.now + timedelta(seconds=STEP_SECONDS),
            forked_from=self.session_id,
            parent_thread=self.session_id if subagent else None,
            seed=self.seed,
        )
        for line in self._lines[:lines]:
            copy.raw(line)
            copy._take_over(decode(line) or {})
        return copy

    def spawn(self, session_id: str) -> "CodexRollout":
        """Begin the rollout of a sub-agent, now, with nothing copied into it."""
        return CodexRollout(
            session_id,
            cwd=self.cwd,
            version=self.version,
            model=self.model,
            start=self.now + timedelta(seconds=STEP_SECONDS),
            parent_thread=self.session_id,
            seed=self.seed,
        )

    def _take_over(self, record: Mapping[str, Any]) -> None:
        """Go on from what a copied line says."""
        payload = record.get("payload") or {}
        if record.get("type") == "turn_context":
            self.model, self.turn_id = payload["model"], payload["turn_id"]
        if payload.get("type") == "token_count" and payload.get("info"):
            self._totals = payload["info"]["total_token_usage"]
            self._last = payload["info"]["last_token_usage"]

    def _mcp_end(
        self, call_id: str, name: str, namespace: str, *, failed: bool, after: float
    ) -> None:
        server = namespace.removeprefix("mcp__")
        invocation = {"server": server, "tool": name, "arguments": {}}
        text = {"type": "text", "text": "error" if failed else "ok"}
        result = {"Ok": {"content": [text], "isError": failed}}
        whole, part = divmod(after, 1)
        duration = {"secs": int(whole), "nanos": int(part * 1_000_000_000)}
        ended = {"invocation": invocation, "duration": duration, "result": result}
        self._event("mcp_tool_call_end", call_id=call_id, **ended, after=after)

    def _message(self, role: str, text: str) -> None:
        kind = "output_text" if role == "assistant" else "input_text"
        self._item("message", role=role, content=[{"type": kind, "text": text}])

    def _item(self, kind: str, *, after: float = STEP_SECONDS, **payload: Any) -> None:
        self._append("response_item", {"type": kind, **payload}, after=after)

    def _event(self, kind: str, *, after: float = STEP_SECONDS, **payload: Any) -> None:
        self._append("event_msg", {"type": kind, **payload}, after=after)

    def _append(
        self, kind: str, payload: Mapping[str, Any], *, after: float = STEP_SECONDS
    ) -> None:
        self.line({"timestamp": self._stamp(after), "type": kind, "payload": payload})


def _compact(arguments: Mapping[str, Any]) -> str:
    return json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))


def _shell_output(text: str, *, seconds: float, failed: bool) -> str:
    head = f"Chunk ID: 3fa9c1\nWall time: {seconds:.4f} seconds\n"
    tokens = max(1, len(text) // 4)
    return (
        f"{head}Process exited with code {int(failed)}\n"
        f"Original token count: {tokens}\nOutput:\n{text}"
    )
