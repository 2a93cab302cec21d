"""The rules for the lines of Codex's rollouts."""

from __future__ import annotations

from dataclasses import dataclass

from sessionmill.recount.rows import AGENT_FILE, MAIN_LINE, Transcript
from sessionmill.recount.values import Json, as_count, as_object, as_text, blocks_of

#: Kinds of call; those with a name here carry none of their own.
_CALLS = {
    "function_call": None,
    "custom_tool_call": None,
    "local_shell_call": "local_shell",
    "web_search_call": "web_search",
    "tool_search_call": "tool_search",
}
_TOTALS = (
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
    "total_tokens",
)
#: How an output begins that the client wrote in place of a program's.
_REFUSALS = (
    "apply_patch verification failed",
    "exec_command failed",
    "write_stdin failed",
    "exec command rejected by user",
    "patch rejected by user",
    "aborted by user",
)
#: The lines that the client writes above what a command printed.
_ABOVE = ("Chunk ID: ", "Exit code: ", "Wall time: ", "Process exited ")


@dataclass
class Codex:
    """What has to be known of the lines above to read a line of a Codex transcript."""

    transcript: Transcript
    root: str = ""  # the session whose history the file goes on with
    totals: list[int] | None = None  # of the token_count before

    def line(self, offset: int, line: Json) -> None:
        """Take in one line."""
        payload = as_object(line.get("payload"))
        kind = as_text(payload.get("type"))
        if line.get("type") == "session_meta":
            self.root = as_text(payload.get("forked_from_id")) or as_text(payload.get("id"))
        elif line.get("type") == "response_item":
            self.item(offset, kind, payload)
        elif line.get("type") == "event_msg":
            self.event(offset, kind, payload)

    def item(self, offset: int, kind: str, payload: Json) -> None:
        """Take in a call, or a call's output."""
        if kind in _CALLS:
            id = self._id_of(offset, payload)
            name = _CALLS[kind] or _name(payload)
            self.transcript.call(id, offset, name, self.rank)
        elif kind.endswith("_output"):
            output = payload.get("output")
            failed = as_object(output).get("success") is False
            self.result(offset, payload, failed or _tells_failure(output))

    def event(self, offset: int, kind: str, payload: Json) -> None:
        """Take in a prompt, a result that is told apart, or the running totals."""
        if kind == "user_message":
            self.transcript.prompt(self.transcript.place(offset), offset, self.rank)
        elif kind == "mcp_tool_call_end":
            result = as_object(payload.get("result"))
            failed = as_object(result.get("Ok")).get("isError") is True
            self.result(offset, payload, "Err" in result or failed)
        elif kind == "patch_apply_end":
            self.result(offset, payload, payload.get("success") is False)
        elif kind == "token_count":
            self.token_count(offset, as_object(payload.get("info")))

    def result(self, offset: int, payload: Json, is_error: bool) -> None:
        """Take in a result, if it says whose."""
        if as_text(payload.get("call_id")):
            self.transcript.result(as_text(payload["call_id"]), offset, is_error, self.rank)

    def token_count(self, offset: int, info: Json) -> None:
        """Take in the running totals: what they grew by is one response."""
        total = info.get("total_token_usage")
        if not isinstance(total, dict):
            return
        totals = [as_count(total.get(name)) for name in _TOTALS]
        before, self.totals = self.totals, totals
        if totals == before:
            return  # the same event once more
        if before is None or any(now < then for now, then in zip(totals, before, strict=True)):
            last = as_object(info.get("last_token_usage"))
            grown = [as_count(last.get(name)) for name in _TOTALS]
        else:
            grown = [now - then for now, then in zip(totals, before, strict=True)]
        tokens, cached, output, _, _ = grown
        root = self.root or self.transcript.key
        id = ":".join([root, *map(str, totals)])
        figures = [max(0, tokens - cached), output, cached, 0, 0]
        self.transcript.respond(id, offset, figures, self.rank)

    def _id_of(self, offset: int, payload: Json) -> str:
        ids = as_text(payload.get("call_id")), as_text(payload.get("id"))
        return next(filter(None, ids), self.transcript.place(offset))

    @property
    def rank(self) -> int:
        """Codex writes no sidechain lines: the whole file has one rank."""
        return AGENT_FILE if self.transcript.is_agent_file else MAIN_LINE


def _name(payload: Json) -> str:
    """Return a call's name, with the namespace that newer clients keep apart."""
    name = as_text(payload.get("name"))
    namespace = as_text(payload.get("namespace"))
    if not namespace:
        return name
    return namespace + name if namespace.endswith("__") else f"{namespace}__{name.lstrip('_')}"


def _tells_failure(output: object) -> bool:
    """Say whether the lines above what a command printed tell an exit code other than 0."""
    text = output if isinstance(output, str) else ""
    for part in [as_object(output), *blocks_of(output)]:
        named = (as_text(part.get(name)) for name in ("content", "text", "image_url"))
        text = text or next(filter(None, named), "")
    head: list[str] = []
    for line in text.split("\n"):
        if not line.startswith(_ABOVE):
            break
        head.append(line)
    if not any(line.startswith("Wall time: ") for line in head):
        return text.startswith(_REFUSALS)
    codes = [line.split()[-1] for line in head if " code" in line]
    return any(code != "0" for code in codes)
