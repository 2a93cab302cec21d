"""The fields that real transcripts are known to have, read by us or not.

A field that is in none of these came with a newer client: it may hold what figures lack.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_CLAUDE_CODE = {
    "": (
        "agentId agentName aiTitle apiErrorStatus apiRefusalCategory apiRefusalExplanation"
        " attachment attributionAgent attributionMcpServer attributionMcpTool attributionPlugin"
        " attributionSkill bridgeSessionId cause classifierMetaLines compactMetadata content"
        " costUSD customTitle cwd data direction durationMs effort entrypoint error errorDetails"
        " fallbackModel frameUrl gitBranch hasOutput hookAdditionalContext hookCount hookErrors"
        " hookInfos imagePasteIds input interruptedByShutdown interruptedMessageId"
        " isAbortedMidStream isApiErrorMessage isCompactSummary isMeta isSidechain"
        " isSnapshotUpdate isVisibleInTranscriptOnly key lastPrompt lastSequenceNum leafUuid level"
        " logicalParentUuid maxRetries mcpMeta message messageCount messageId mode name operation"
        " origin originalModel output ownerAccountUuid ownerOrganizationUuid parentToolUseID"
        " parentUuid path pendingBackgroundAgentCount permissionMode planContent prNumber"
        " prRepository prUrl preventedContinuation project promptId promptSource"
        " refusedUserMessageUuid relocatedCwd requestId result retractedMessageUuids retryAttempt"
        " retryInMs scope sessionId sessionKind session_id slug snapshot source"
        " sourceToolAssistantUUID sourceToolUseID stopReason subtype summary supersedesUuids"
        " thinkingMetadata timestamp title todos toolDenialKind toolEndsTurn toolUseID"
        " toolUseResult trigger turnCompanion type userType uuid version worktreeSession"
    ),
    "message": (
        "container content context_management diagnostics id model role stop_details stop_reason"
        " stop_sequence type usage"
    ),
    "message.usage": (
        "cache_creation cache_creation_input_tokens cache_read_input_tokens inference_geo"
        " input_tokens iterations output_tokens output_tokens_details server_tool_use"
        " service_tier speed"
    ),
    "message.usage.cache_creation": "ephemeral_1h_input_tokens ephemeral_5m_input_tokens",
    "message.usage.server_tool_use": "web_fetch_requests web_search_requests",
}
_CODEX = {
    "": "created_at ordinal payload timestamp type",
    "payload.info": "last_token_usage model model_context_window total_token_usage",
    "payload.info.total_token_usage": (
        "cache_write_input_tokens cached_input_tokens input_tokens output_tokens"
        " reasoning_output_tokens total_tokens"
    ),
}
_KNOWN: Mapping[str, Mapping[str, frozenset[str]]] = {
    agent: {path: frozenset(names.split()) for path, names in fields.items()}
    for agent, fields in (("claude-code", _CLAUDE_CODE), ("codex", _CODEX))
}


def unknown_fields(agent: str, line: Any) -> Iterator[str]:
    """Yield the paths of a line's fields that are not known: "message.usage.new_tokens"."""
    for path, known in _KNOWN.get(agent, {}).items():
        inner = line
        for name in filter(None, path.split(".")):
            inner = inner.get(name) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            for name in inner.keys() - known:
                yield f"{path}.{name}" if path else name
