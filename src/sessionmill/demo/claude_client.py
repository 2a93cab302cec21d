"""What Claude Code itself adds to a transcript: names, compactions, hooks, reminders."""

from collections.abc import Mapping
from typing import Any, Literal

from sessionmill.demo.claude_blocks import ATTACHMENTS_SINCE, text
from sessionmill.demo.claude_lines import ClaudeLines

#: What an attachment of each kind holds, unless it is given.
ATTACHMENTS: Mapping[str, Mapping[str, Any]] = {
    "agent_listing_delta": {"isInitial": True, "addedTypes": ["Explore"], "removedTypes": []},
    "auto_mode": {"reminderType": "full"},
    "command_permissions": {"allowedTools": ["Bash(make:*)"]},
    "compact_file_reference": {"filename": "/work/shop/cart.py", "displayPath": "cart.py"},
    "deferred_tools_delta": {"addedNames": ["WebFetch"], "removedNames": []},
    "edited_text_file": {"filename": "/work/shop/cart.py", "snippet": "1\tclass Cart:"},
    "file": {"filename": "/work/shop/cart.py", "content": {"type": "text"}},
    "mcp_instructions_delta": {"addedNames": ["github"], "addedBlocks": ["Use it."]},
    "nested_memory": {"path": "/work/shop/CLAUDE.md", "content": {"type": "Project"}},
    "skill_listing": {"content": "- commit", "skillCount": 1, "isInitial": True},
    "task_reminder": {"content": [], "itemCount": 0},
}


class ClientLines(ClaudeLines):
    """The lines that the client writes of its own accord."""

    def meta(self, words: str, **fields: Any) -> str:
        """Add a user line that no person typed, such as a skill's text (`sourceToolUseID`)."""
        content = [text(words)] if "sourceToolUseID" in fields else words
        return self.user(content, **{"isMeta": True, **fields})

    def reminder(self, words: str = "The tests were changed.", **fields: Any) -> str:
        """Remind the model of something, on a user line that no person typed."""
        return self.meta(f"<system-reminder>\n{words}\n</system-reminder>", **fields)

    def notice(self, words: str = "Running make format", **fields: Any) -> str:
        """Tell a person something, on a system line without a subtype, as older clients did."""
        return self.system(None, **{"content": words, "level": "info", "isMeta": False, **fields})

    # The conversation grows too long

    def compact_boundary(self, *, trigger: str = "auto", **fields: Any) -> str:
        """Compact the conversation; what follows has no parent before this line."""
        before, self.last_uuid = self.last_uuid, None
        metadata = {"trigger": trigger, "preTokens": 167_094}
        added = {"logicalParentUuid": before, "content": "Conversation compacted", "isMeta": False}
        return self.system("compact_boundary", **{**added, "compactMetadata": metadata, **fields})

    def compact_summary(self, text: str = "This session is being continued.", **fields: Any) -> str:
        """Tell what is left after a compaction, on a user line."""
        added = {"isVisibleInTranscriptOnly": True, "isCompactSummary": True}
        return self.user(text, **{**added, **fields})

    def microcompact_boundary(self, *, tokens_saved: int = 21_300, **fields: Any) -> str:
        """Drop old results of tools from the context; nothing is summed up."""
        metadata = {"trigger": "auto", "preTokens": 94_000, "tokensSaved": tokens_saved}
        added = {"content": "Context microcompacted", "isMeta": False, "level": "info"}
        added_metadata = {"microcompactMetadata": metadata}
        return self.system("microcompact_boundary", **{**added, **added_metadata, **fields})

    # Hooks

    def hook_progress(self, hook: str = "PostToolUse:Bash", **fields: Any) -> None:
        """Run a hook, told by a progress line (2.1.9 to 2.1.81)."""
        data = {"hookEvent": hook.partition(":")[0], "hookName": hook, "command": "make format"}
        self._progress("hook_progress", data, parent_tool_use_id=self.ids.uuid(), **fields)

    def hook_attachment(
        self,
        kind: Literal[
            "hook_success",
            "hook_additional_context",
            "hook_system_message",
            "hook_non_blocking_error",
            "hook_blocking_error",
            "hook_stopped_continuation",
        ] = "hook_success",
        hook: str = "PostToolUse:Bash",
        *,
        tool_use_id: str | None = None,
        **fields: Any,
    ) -> str:
        """Run a hook, told by an attachment (2.1.110 and newer): what it gave, or how it failed.

        `tool_use_id` is of the call that it ran for, if it did for one.
        """
        failed = kind == "hook_non_blocking_error"
        ran: dict[str, Any] = {"hookEvent": hook.partition(":")[0], "hookName": hook}
        ran |= {"toolUseID": tool_use_id or self.ids.uuid()}
        if kind in ("hook_success", "hook_non_blocking_error"):
            ran |= {"command": "make format", "stdout": "", "exitCode": int(failed)}
            ran |= {"stderr": "no such target" if failed else "", "durationMs": 120}
        elif kind == "hook_blocking_error":
            ran |= {"blockingError": {"blockingError": "no", "command": "make format"}}
        elif kind == "hook_stopped_continuation":
            ran |= {"message": "Enough."}
        else:
            given = "Amounts are kept in cents."
            ran |= {"content": [given] if kind == "hook_additional_context" else given}
        return self.attachment(kind, ran, **fields)

    def stop_hook_summary(
        self, *, errors: tuple[str, ...] = (), stopped: bool = False, **fields: Any
    ) -> str:
        """Sum up the hooks that ran when the model had finished; one may have stopped it."""
        ran = {"hookCount": 1, "hookInfos": [{"command": "make lint"}], "hookErrors": list(errors)}
        told = {"preventedContinuation": stopped, "stopReason": "", "hasOutput": bool(errors)}
        added = {**ran, **told, "level": "suggestion", "toolUseID": self.ids.uuid()}
        return self.system("stop_hook_summary", **{**added, **fields})

    # Turns

    def turn_duration(self, milliseconds: int = 48_000, **fields: Any) -> str:
        """Tell how long a turn took."""
        took = {"durationMs": milliseconds, "isMeta": False}
        return self.system("turn_duration", **{**took, **fields})

    def away_summary(self, text: str = "The total is fixed; the tests pass.", **fields: Any) -> str:
        """Sum up for a person who was away."""
        return self.system("away_summary", **{"content": text, "isMeta": False, **fields})

    def attachment(self, kind: str, content: Mapping[str, Any] | None = None, **fields: Any) -> str:
        """Add an attachment line of the newer clients; returns its uuid.

        Without content it holds what clients usually attach of that kind; keys of None are left
        out.
        """
        given = ATTACHMENTS.get(kind, {}) if content is None else content
        body = {"type": kind, **{key: value for key, value in given.items() if value is not None}}
        return self._entry({"attachment": body, "type": "attachment"}, fields=fields)

    # What is about the session, with no place in the conversation

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

    def last_prompt(self, text: str = "Fix the total of the cart.") -> None:
        """Keep what was asked last, for the list of sessions."""
        kept = {"lastPrompt": text, "leafUuid": self.last_uuid}
        self.line({"type": "last-prompt", **kept, "sessionId": self.session_id})

    def mode(self, mode: str = "normal") -> None:
        """Tell the mode that the client is in."""
        self.line({"type": "mode", "mode": mode, "sessionId": self.session_id})

    def permission_mode(self, mode: str = "acceptEdits") -> None:
        """Tell what the model may do unasked."""
        session = {"sessionId": self.session_id}
        self.line({"type": "permission-mode", "permissionMode": mode, **session})

    def agent_name(self, name: str = "reviewer") -> None:
        """Name the agent that runs the session."""
        session = {"sessionId": self.session_id}
        self.line({"type": "agent-name", "agentName": name, **session})

    def pr_link(self, number: int = 42) -> None:
        """Tell of the pull request that the session opened."""
        repository = "example/shop"
        url = f"https://example.invalid/{repository}/pull/{number}"
        about = {"prNumber": number, "prUrl": url, "prRepository": repository}
        session = {"sessionId": self.session_id, "timestamp": self._stamp()}
        self.line({"type": "pr-link", **about, **session})

    def frame_link(self, path: str = "/work/shop/preview.html") -> None:
        """Tell of a page that the session shows."""
        about = {"path": path, "frameUrl": "https://example.invalid/preview", "title": "Cart"}
        session = {"sessionId": self.session_id}
        self.line({"type": "frame-link", **session, **about, "timestamp": self._stamp()})

    def resume_as(self, session_id: str) -> None:
        """Go on in the same file under another session id, as a few transcripts do."""
        self.session_id = session_id

    def _progress(
        self,
        kind: str,
        data: Mapping[str, Any],
        /,
        *,
        parent_tool_use_id: str,
        tool_use_id: str | None = None,
        **fields: Any,
    ) -> None:
        ids = {"toolUseID": tool_use_id or parent_tool_use_id}
        ids |= {"parentToolUseID": parent_tool_use_id}
        self._entry({"type": "progress", "data": {"type": kind, **data}, **ids}, fields=fields)

    def _notified(self, kind: str) -> dict[str, Any]:
        """Give the fields that newer clients add to a line that no person typed."""
        newer = {"origin": {"kind": kind}, "promptSource": "cli"}
        return newer if self._release >= ATTACHMENTS_SINCE else {}
