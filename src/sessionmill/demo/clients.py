"""The generations of Claude Code that the team works with, oldest first."""

from dataclasses import dataclass
from typing import Literal

from sessionmill.demo.claude_blocks import ATTACHMENTS_SINCE, ATTRIBUTION_SINCE, Release
from sessionmill.demo.transcript import release_of


@dataclass(frozen=True, kw_only=True)
class Client:
    """A version of Claude Code, and what sets its transcripts apart."""

    version: str
    model: str
    agent_model: str
    #: Where sub-agents are recorded: inside the main file, in `agent-<id>.jsonl` beside it, or in
    #: `<session>/subagents/`.
    agents: Literal["inside", "flat", "folder"]

    @property
    def release(self) -> Release:
        """Its version, to be compared."""
        return release_of(self.version)

    @property
    def agent_tool(self) -> str:
        """The tool that starts a sub-agent."""
        return "Task" if self.release < (2, 1, 81) else "Agent"

    @property
    def relays(self) -> bool:
        """Whether the main file repeats the sub-agents' messages in progress lines."""
        return (2, 1, 9) <= self.release <= (2, 1, 81)

    @property
    def attaches(self) -> bool:
        """Whether attachments occur."""
        return self.release >= ATTACHMENTS_SINCE

    @property
    def attributes(self) -> bool:
        """Whether lines bear the client's own attribution."""
        return self.release >= ATTRIBUTION_SINCE

    @property
    def splits_cache(self) -> bool:
        """Whether cache writes are told apart by how long they are kept."""
        return self.release >= (2,)


CLIENTS = (
    Client(
        version="1.0.43",
        model="claude-opus-4-20250514",
        agent_model="claude-sonnet-4-20250514",
        agents="inside",
    ),
    Client(
        version="1.0.98",
        model="claude-sonnet-4-20250514",
        agent_model="claude-sonnet-4-20250514",
        agents="inside",
    ),
    Client(
        version="2.0.42",
        model="claude-sonnet-4-5-20250929",
        agent_model="claude-haiku-4-5-20251001",
        agents="flat",
    ),
    Client(
        version="2.0.76",
        model="claude-opus-4-5-20251101",
        agent_model="claude-haiku-4-5-20251001",
        agents="flat",
    ),
    Client(
        version="2.1.14",
        model="claude-opus-4-5-20251101",
        agent_model="claude-sonnet-4-5-20250929",
        agents="folder",
    ),
    Client(
        version="2.1.39",
        model="claude-opus-4-6",
        agent_model="claude-sonnet-4-5-20250929",
        agents="folder",
    ),
    Client(
        version="2.1.81",
        model="claude-opus-4-6",
        agent_model="claude-sonnet-4-6",
        agents="folder",
    ),
    Client(
        version="2.1.114",
        model="claude-opus-4-7",
        agent_model="claude-haiku-4-5-20251001",
        agents="folder",
    ),
    Client(
        version="2.1.217",
        model="claude-sonnet-5",
        agent_model="claude-haiku-4-5-20251001",
        agents="folder",
    ),
)
