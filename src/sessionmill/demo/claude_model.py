"""What a model does in Claude Code: answer, think, spend tokens, fail."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sessionmill.demo.claude_blocks import (
    ATTACHMENTS_SINCE,
    SIGNATURE,
    ToolUse,
    Usage,
    answer_blocks,
    laid_over,
    text,
)
from sessionmill.demo.claude_lines import MODEL, ClaudeLines


class ModelLines(ClaudeLines):
    """The lines of responses, and of requests that brought none."""

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
        web_searches: int = 0,
        web_fetches: int = 0,
        service_tier: str | None = "standard",
        speed: str = "standard",
        inference_geo: str | None = "not_available",
        calls: Sequence[ToolUse] = (),
        thinking: str | None = None,
        partial_output_tokens: Sequence[int] = (),
        usage: Mapping[str, Any] | None = None,
        split_cache: bool = True,
        with_usage: bool = True,
        signature: str = SIGNATURE,
        stopped: bool | None = None,
        **fields: Any,
    ) -> str:
        """Answer as the model does, a line for each block; returns the message id.

        Earlier lines bear `partial_output_tokens`, as far as there are any; more of them than
        blocks make lines of thinking before the text. An empty `id` writes a message without one,
        and that of an earlier response goes on with it. `web_searches` and `web_fetches` are the
        API's own. `usage` adds keys to the usage block or replaces them, and None removes one.
        Lines name a stop reason if `stopped`, which is as the client version does it by default;
        `signature` stands beside thinking.
        """
        figures = Usage(
            input_tokens,
            cache_read_tokens,
            cache_write_5m_tokens,
            cache_write_1h_tokens,
            split=split_cache,
            web_searches=web_searches,
            web_fetches=web_fetches,
            service_tier=service_tier,
            speed=speed,
            inference_geo=inference_geo,
        )
        calls = [self._identified(call) for call in calls]
        blocks = answer_blocks(
            text,
            thinking,
            calls,
            at_least=len(partial_output_tokens) + 1,
            release=self._release,
            signature=signature,
        )
        earlier = partial_output_tokens[: len(blocks) - 1]
        outputs = [*earlier, *[output_tokens] * (len(blocks) - len(earlier))]
        usages = [laid_over(figures.block(output, self._release), usage) for output in outputs]
        told = usages if with_usage else None
        return self._answer(id, model, blocks, told, fields, stopped=stopped)

    def fall_back(
        self,
        text: str = "I can help with that.",
        *,
        refused_by: str = "claude-fable-5",
        model: str = "claude-opus-4-8",
        refused_cache_write_1h_tokens: int = 21_874,
        input_tokens: int = 2,
        output_tokens: int = 136,
        cache_read_tokens: int = 54_112,
        **fields: Any,
    ) -> str:
        """Answer with another model than was asked; returns the message id.

        The usage block has an iteration for each model, and at its top the last one's figures
        alone: what the first one spent stands nowhere else.
        """
        first = Usage(2, cache_read_tokens // 2, 0, refused_cache_write_1h_tokens)
        second = Usage(input_tokens, cache_read_tokens)
        iterations = [
            first.iteration(2, refused_by),
            second.iteration(output_tokens, model, kind="fallback_message"),
        ]
        usage = {**second.block(output_tokens, self._release), "iterations": iterations}
        models = {"from": {"model": refused_by}, "to": {"model": model}}
        blocks: list[dict[str, Any]] = [{"type": "fallback", **models}]
        blocks.append({"type": "text", "text": text})
        id = self._answer(None, model, blocks, [usage, usage], fields)
        told = {"direction": "retry", "trigger": "refusal", "level": "warning"}
        named = {"originalModel": refused_by, "fallbackModel": model, "isMeta": False}
        self.system("model_refusal_fallback", **told, **named)
        return id

    def retry(self, attempt: int = 1, *, of: int = 10, status: int = 529, **fields: Any) -> str:
        """Try a failed request again, told on a system line; returns its uuid."""
        body = {"type": "error", "error": {"type": "overloaded_error"}}
        error = {"status": status, "error": body}
        tried = {"retryInMs": 500 * 2**attempt, "retryAttempt": attempt, "maxRetries": of}
        return self.system("api_error", **{"level": "error", "error": error, **tried, **fields})

    def api_error(
        self,
        text: str = "API Error: Request timed out.",
        *,
        error: str = "unknown",
        **fields: Any,
    ) -> str:
        """Give up on a request: an assistant line of the model <synthetic>; returns its id."""
        return self._synthetic(text, {"error": error, "isApiErrorMessage": True, **fields})

    def no_response(self, text: str = "No response requested.", **fields: Any) -> str:
        """Say in the model's place that nothing was asked; returns the message id."""
        return self._synthetic(text, {"isApiErrorMessage": False, **fields})

    def _synthetic(self, words: str, fields: Mapping[str, Any]) -> str:
        message = {"id": self.ids.uuid(), "model": "<synthetic>", "role": "assistant"}
        zero = Usage(service_tier=None).block(0, self._release)
        zero |= {key: None for key in ("inference_geo", "speed", "iterations") if key in zero}
        said = {"type": "message", "usage": zero, "content": [text(words)]}
        self._entry({"type": "assistant", "message": {**message, **said}}, fields=fields)
        return message["id"]

    def _answer(
        self,
        id: str | None,
        model: str,
        blocks: Sequence[Mapping[str, Any]],
        usages: Sequence[Mapping[str, Any]] | None,
        fields: Mapping[str, Any],
        *,
        stopped: bool | None = None,
    ) -> str:
        """Append a line for each block; returns the message id."""
        message_id = self.ids.base58("msg_01", 22) if id is None else id
        head = {"model": model, "id": message_id} if message_id else {"model": model}
        request = {"requestId": self.ids.base58("req_011C", 20), "type": "assistant"}
        stopped = self._release >= ATTACHMENTS_SINCE if stopped is None else stopped
        tail = {"stop_reason": _stop_reason(blocks) if stopped else None, "stop_sequence": None}
        kind = {"type": "message", "role": "assistant"}
        for number, block in enumerate(blocks):
            message: dict[str, Any] = {**head, **kind, "content": [block], **tail}
            if usages is not None:
                message["usage"] = usages[number]
            body = {"message": message, **request, **self._effort()}
            uuid = self._entry(body, fields=fields)
            if block["type"] == "tool_use":
                self._calls[block["id"]] = (uuid, ToolUse(block["name"], block["input"]))
        return message_id

    def _identified(self, use: ToolUse) -> ToolUse:
        return use if use.id else replace(use, id=self.ids.base58("toolu_01", 22))


def _stop_reason(blocks: Sequence[Mapping[str, Any]]) -> str:
    calls = any(block["type"] == "tool_use" for block in blocks)
    return "tool_use" if calls else "end_turn"
