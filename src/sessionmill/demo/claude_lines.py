"""How any line of Claude Code is made: the envelope, the chain of parents, the client version."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sessionmill.demo.claude_blocks import (
    ATTACHMENTS_SINCE,
    ATTRIBUTION_SINCE,
    ToolUse,
    laid_over,
)
from sessionmill.demo.transcript import STEP_SECONDS, Ids, Transcript, release_of

SESSION_ID = "0f3c9a52-7d1e-4b86-a2c4-5e8f10b7d936"
MODEL = "claude-sonnet-4-5-20250929"

#: From here on lines bear a name of the session that people can say.
_SLUG_SINCE = (2, 0, 72)


class ClaudeLines(Transcript):
    """The lines of one transcript, each the child of the one before.

    `claude_code.ClaudeTranscript` adds every kind of line there is.
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
        self.branch = "main"
        self.version = version
        self.seed = seed
        self.last_uuid: str | None = None
        self._release = release_of(version)
        #: Who called, and what, by tool_use id: a result points back to it.
        self._calls: dict[str, tuple[str, ToolUse]] = {}

    def system(self, subtype: str | None, **fields: Any) -> str:
        """Add a system line; returns its uuid."""
        kind = {"type": "system"} if subtype is None else {"type": "system", "subtype": subtype}
        return self._entry(kind, fields=fields)

    def user(self, content: object, *, after: float = STEP_SECONDS, **fields: Any) -> str:
        """Add a user line, `after` seconds from the line before; returns its uuid.

        Not all that clients write on user lines comes from a person: the methods that are named
        for what happened know the fields that tell so.
        """
        message = {"role": "user", "content": content}
        return self._entry({"type": "user", "message": message}, after=after, fields=fields)

    def _entry(
        self, body: dict[str, Any], *, fields: Mapping[str, Any], after: float = STEP_SECONDS
    ) -> str:
        """Append a line of the chain: the envelope around `body`, `fields` over all; its uuid."""
        place = {"cwd": self.cwd, "sessionId": self.session_id, "version": self.version}
        place = {"userType": "external", **place, "gitBranch": self.branch}
        agent = {"agentId": self.agent_id} if self.agent_id else {}
        slug = {"slug": "calm-sailing-otter"} if self._release >= _SLUG_SINCE else {}
        own = {"uuid": self.ids.uuid(), "timestamp": self._stamp(after)}
        chain = {"parentUuid": self.last_uuid, "isSidechain": self.sidechain}
        if self._release >= ATTACHMENTS_SINCE:
            record = chain | agent | body | own | {"entrypoint": "cli"} | place | slug
        else:
            record = chain | place | agent | slug | body | own
        record = laid_over(record, fields)
        self.line(record)
        self.last_uuid = record.get("uuid", self.last_uuid)
        return str(record.get("uuid", own["uuid"]))

    def _effort(self) -> dict[str, Any]:
        return {"effort": "high"} if self._release >= ATTRIBUTION_SINCE else {}
