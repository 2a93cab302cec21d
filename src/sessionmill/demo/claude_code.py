"""Builds transcripts of Claude Code, line by line, in the shape of the client version it is given.

    transcript = ClaudeTranscript("0f3c…", version="2.1.39")
    transcript.prompt("Fix the total of the cart")
    call = transcript.call("Bash", {"command": "make test"}, result="3 passed")
    transcript.response("Fixed.", output_tokens=210, cache_read_tokens=48_000)
    transcript.write(folder / "alice" / "shop" / "0f3c….jsonl")

Every method appends its lines and moves time on by a second a line. Keyword `fields` go to the top
level of the line, over what is there; a field of None is left out of it. Two transcripts of the
same session id, agent id and seed get the same ids: give one of them another seed.

The methods stand in the modules of who acts: a person (`claude_person`), the model
(`claude_model`), its tools and sub-agents (`claude_tools`), the client (`claude_client`).
"""

from pathlib import PurePosixPath
from typing import Literal

from sessionmill.demo.claude_blocks import ToolUse, image, mcp, skill, subagent, text
from sessionmill.demo.claude_lines import MODEL, SESSION_ID
from sessionmill.demo.claude_person import PersonLines
from sessionmill.demo.claude_tools import ToolLines
from sessionmill.demo.transcript import decode, encode

__all__ = [
    "MODEL",
    "SESSION_ID",
    "ClaudeTranscript",
    "ToolUse",
    "image",
    "mcp",
    "skill",
    "subagent",
    "text",
]


class ClaudeTranscript(PersonLines, ToolLines):
    """The lines of one Claude Code transcript, each the child of the one before.

    * with `agent_id` it is an agent file: every line bears the id and is a sidechain line
    * with `sidechain` alone every line is one without an agent id, as the oldest clients wrote
      into the main file (`include` puts them there)
    """

    def subagent(self, agent_id: str | None) -> "ClaudeTranscript":
        """Begin the transcript of a sub-agent, now, with this one's session, place and client.

        Without an id its lines are meant for the main file. It takes its ids from the same well,
        so any number of sub-agents share none.
        """
        agent = ClaudeTranscript(
            self.session_id,
            cwd=self.cwd,
            version=self.version,
            start=self.now,
            agent_id=agent_id,
            sidechain=True,
            seed=self.seed,
        )
        agent.ids = self.ids
        agent.branch = self.branch
        return agent

    def path(
        self, keeps: Literal["flat", "folder"] = "folder", *, below: str = ""
    ) -> PurePosixPath:
        """Return where the client keeps it, below the project's folder.

        A sub-agent's file stands beside the main one (`flat`) or in `<session>/subagents/`, there
        in the folder `below` if it has one.
        """
        if self.agent_id is None:
            return PurePosixPath(f"{self.session_id}.jsonl")
        name = f"agent-{self.agent_id}.jsonl"
        if keeps == "flat":
            return PurePosixPath(name)
        return PurePosixPath(self.session_id, "subagents", below, name)

    def fork(self, session_id: str, *, lines: int | None = None) -> "ClaudeTranscript":
        """Copy the first lines as a resumed session does, to be continued.

        sessionId is rewritten; uuids, message ids and times are kept. Its own lines come later
        than the last of this one.
        """
        copy = ClaudeTranscript(
            session_id,
            cwd=self.cwd,
            version=self.version,
            start=self.now,
            agent_id=self.agent_id,
            sidechain=self.sidechain,
            seed=self.seed,
        )
        for line in self._lines[:lines]:
            record = decode(line)
            if record is not None and "sessionId" in record:
                line = encode({**record, "sessionId": session_id})  # noqa: PLW2901
            copy._lines.append(line)
            uuid = record.get("uuid") if record else None
            copy.last_uuid = uuid if isinstance(uuid, str) else copy.last_uuid
        copy._started = True
        copy._calls = dict(self._calls)
        copy.branch = self.branch
        return copy
