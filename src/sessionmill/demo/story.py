"""One session of one person, told in the manner of one generation of the client.

A story holds the main transcript and the files of its sub-agents; `team.py` decides which stories
happen when, and `bulk.py` repeats a few of them many times.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from sessionmill.demo import words
from sessionmill.demo.claude_code import ClaudeTranscript, ToolUse, mcp, skill, subagent


@dataclass(frozen=True, kw_only=True)
class Client:
    """A version of Claude Code, and where it records its sub-agents."""

    version: str
    model: str
    agent_model: str
    #: inside the main file, `agent-<id>.jsonl` beside it, or in `<session>/subagents/`
    agents: Literal["inside", "flat", "folder"]
    agent_tool: str = "Task"
    #: Whether the main file repeats the sub-agents' messages in progress lines.
    relays: bool = False
    #: Whether lines bear the client's own attribution, and attachments occur.
    attributes: bool = False


CLIENTS = (
    Client(
        version="1.0.98",
        model="claude-sonnet-4-20250514",
        agent_model="claude-sonnet-4-20250514",
        agents="inside",
    ),
    Client(
        version="2.0.76",
        model="claude-opus-4-5-20251101",
        agent_model="claude-haiku-4-5-20251001",
        agents="flat",
    ),
    Client(
        version="2.1.30",
        model="claude-opus-4-6",
        agent_model="claude-sonnet-4-5-20250929",
        agents="folder",
        relays=True,
    ),
    Client(
        version="2.1.217",
        model="claude-sonnet-5",
        agent_model="claude-haiku-4-5-20251001",
        agents="folder",
        agent_tool="Agent",
        attributes=True,
    ),
)


class Speaker:
    """A model at work in one transcript: each request reads the context that the last one left."""

    def __init__(
        self, transcript: ClaudeTranscript, model: str, random: Random, *, result_size: int
    ) -> None:
        self.transcript = transcript
        self.model = model
        self.random = random
        self.result_size = result_size
        self.context = random.randint(14_000, 24_000)
        #: The client's own attribution, borne by every line while it is set.
        self.attribution: dict[str, Any] = {}

    def figures(self) -> dict[str, Any]:
        """Spend one request: the context is read from the cache, what is new is written to it."""
        grown = self.random.randint(200, 4_000)
        kept_for = "5m" if self.transcript.sidechain else "1h"
        spent = {
            "model": self.model,
            "input_tokens": self.random.randint(2, 12),
            "output_tokens": self.random.randint(60, 1_800),
            "cache_read_tokens": self.context,
            f"cache_write_{kept_for}_tokens": grown,
            "split_cache": not self.transcript.version.startswith("1."),
        }
        self.context += grown
        return {**spent, **self.attribution}

    def say(self, text: str | None = None, **options: Any) -> str:
        """Answer in words; every third answer is written line by line as it grows."""
        if self.random.random() < 0.3:
            options = {"partial_output_tokens": [self.random.randint(1, 8)], **options}
        text = text or self.random.choice(words.ANSWERS)
        return self.transcript.response(text, **{**self.figures(), **options})

    def use(self, tool: ToolUse, result: Any = None, **options: Any) -> str:
        """Use a tool, with a word before it now and then, and read what came back."""
        text = self.random.choice(("", "", self.random.choice(words.ANSWERS)))
        partial = [self.random.randint(1, 8)] if text and self.random.random() < 0.5 else []
        after = round(self.random.expovariate(0.5) + 0.05, 3)
        given = {"text": text, "partial_output_tokens": partial, "after": after, **self.figures()}
        return self.transcript.call(tool, result=result or self.printed(), **{**given, **options})

    def printed(self) -> str:
        """Make up a tool's output; a few are much longer than the others."""
        size = self.random.expovariate(1 / self.result_size)
        return words.listing(self.random, int(size))

    def work(self, steps: int) -> None:
        """Read, search, edit and run, a step at a time."""
        for _ in range(steps):
            file = self.random.choice(words.FILES)
            tools = (
                ToolUse("Bash", {"command": self.random.choice(words.COMMANDS)}),
                ToolUse("Read", {"file_path": file}),
                ToolUse("Grep", {"pattern": "total", "path": "src"}),
                ToolUse("Edit", {"file_path": file, "old_string": "a", "new_string": "b"}),
            )
            self.use(self.random.choice(tools))


class Story:
    """The main transcript of a session and the files of its sub-agents."""

    def __init__(
        self, main: ClaudeTranscript, client: Client, random: Random, *, result_size: int = 900
    ) -> None:
        self.main = main
        self.client = client
        self.random = random
        self.speaker = Speaker(main, client.model, random, result_size=result_size)
        self.agents: list[ClaudeTranscript] = []

    def files(self) -> dict[str, bytes]:
        """Give every file of the session by its path below the project's folder."""
        session = self.main.session_id
        folder = f"{session}/subagents/" if self.client.agents == "folder" else ""
        files = {f"{session}.jsonl": bytes(self.main)}
        for agent in self.agents:
            files[f"{folder}agent-{agent.agent_id}.jsonl"] = bytes(agent)
        return files

    def turn(self, steps: int = 3) -> None:
        """Let a person ask, and the model work and answer."""
        self.speaker.attribution = {}
        self.main.wait(self.random.randint(5, 600))
        self.main.prompt(self.random.choice(words.PROMPTS))
        self.speaker.work(steps)
        self.speaker.say()

    def correct(self) -> None:
        """Let a person set something right."""
        self.main.prompt(self.random.choice(words.CORRECTIONS))
        self.speaker.say("Understood, I will keep to that.")

    def use_skill(self, name: str) -> None:
        """Launch a skill: the call, its result, and its text on a meta line."""
        call = self.speaker.use(skill(name), f"Launching skill: {name}")
        self.main.meta(f"Base directory for this skill: /skills/{name}", sourceToolUseID=call)
        if self.client.attributes:
            plugin = name.partition(":")[0] if ":" in name else None
            self.speaker.attribution = {"attributionSkill": name}
            self.speaker.attribution |= {"attributionPlugin": plugin} if plugin else {}
        self.speaker.work(2)

    def call_mcp(self, *, fail: bool = False) -> None:
        """Call an MCP server, and use what it said in the next answer."""
        server, tool = self.random.choice(words.MCP_TOOLS)
        content = [{"type": "text", "text": "permission denied" if fail else '{"rows": 3}'}]
        self.speaker.use(mcp(server, tool, limit=3), content, is_error=fail or None)
        own = {"attributionMcpServer": server, "attributionMcpTool": tool}
        self.speaker.say(**(own if self.client.attributes else {}))

    def command(self, name: str, *, custom: bool) -> None:
        """Run a slash command, which newer clients write as a system line if it is their own."""
        if custom:
            self.main.command(name, "patch", custom=True)
            self.speaker.work(1)
        elif self.client.attributes or (name == "/context" and self.client.agents != "inside"):
            self.main.local_command(name)
            self.main.command_output("ok")
        else:
            self.main.meta("<local-command-caveat>Caveat: what follows was run locally.")
            self.main.command(name)
            self.main.command_output("")

    def fail(self) -> None:
        """Run a command that fails, and another in its place."""
        command = ToolUse("Bash", {"command": "make tset"})
        text = "Exit code 2\nmake: *** No rule to make target 'tset'."
        self.speaker.use(command, text, is_error=True)
        self.speaker.work(1)

    def delegate(self, *, keep_file: bool = True, background: bool = False) -> None:
        """Start a sub-agent, recorded as this client records it.

        Without `keep_file` its file is gone, and only progress lines (if any) tell what it spent.
        """
        prompt = self.random.choice(words.PROMPTS)
        use = subagent(self.random.choice(words.AGENTS), prompt, tool=self.client.agent_tool)
        call = self.main.call(use, result=None, **self.speaker.figures())
        agent, last_size = self._agent_at_work(prompt)
        done: dict[str, Any] = {"total_tokens": last_size}
        if background:
            self.main.agent_result(call, agent.agent_id or "", "Launched.", background=True)
        if self.client.agents == "inside":
            self.main.include(agent)
        elif keep_file:
            self.agents.append(agent)
        if self.client.relays:
            self.main.relay(agent, parent_tool_use_id=call)
        if background:
            self.main.task_notification()
        elif self.client.agents == "inside":
            self.main.result(call, [{"type": "text", "text": "Found it."}])
        else:
            after = max(1.0, (agent.now - self.main.now).total_seconds())
            self.main.agent_result(call, agent.agent_id or "", after=after, **done)
        self.speaker.say()

    def _agent_at_work(self, prompt: str) -> tuple[ClaudeTranscript, int]:
        """Write a sub-agent's transcript; give the size of its last request beside it."""
        inside = self.client.agents == "inside"
        length = 17 if self.client.attributes else 7
        agent = ClaudeTranscript(
            self.main.session_id,
            cwd=self.main.cwd,
            version=self.main.version,
            start=self.main.now,
            agent_id=None if inside else self.main.ids.hex(length),
            sidechain=True,
        )
        agent.ids = self.main.ids
        size = self.speaker.result_size
        speaker = Speaker(agent, self.client.agent_model, self.random, result_size=size)
        agent.wait(1).prompt(prompt)
        speaker.work(self.random.randint(1, 4))
        speaker.say(output_tokens=300)
        return agent, speaker.context + 310

    def think_and_retry(self) -> None:
        """Fail a request, tell it, and go on."""
        self.main.system("api_error", level="error", retryAttempt=1, maxRetries=10)
        self.main.api_error("API Error: Connection error.")
        self.speaker.say(thinking="The connection is back. I go on where I was.")

    def compact(self) -> None:
        """Compact the conversation, and go on with a small context."""
        self.main.compact_boundary()
        self.main.compact_summary(self.speaker.printed())
        self.speaker.context = 16_000
        self.speaker.work(2)
        self.speaker.say()

    def break_off(self) -> None:
        """End on a call that nobody answered."""
        use = ToolUse("Bash", {"command": "sleep 600"})
        self.main.call(use, result=None, **self.speaker.figures())
        self.main.interrupt(during_tool=True)

    def fall_back(self) -> None:
        """Answer with another model than was asked: top-level usage tells only the second."""
        first = _iteration(2, cache_read=32_238, cache_write=21_874)
        second = _iteration(136, cache_read=54_112, cache_write=0)
        iterations = [
            {**first, "type": "message", "model": "claude-fable-5"},
            {**second, "type": "fallback_message", "model": "claude-opus-4-8"},
        ]
        self.main.response(
            "I can help with that.",
            model="claude-opus-4-8",
            input_tokens=2,
            output_tokens=136,
            cache_read_tokens=54_112,
            usage={"iterations": iterations},
        )
        self.main.system("model_refusal_fallback", originalModel="claude-fable-5")

    def queue_prompt(self) -> None:
        """Type while the model works: an attachment is all that tells of it."""
        prompt = self.random.choice(words.CORRECTIONS)
        self.main.queue_operation("enqueue", prompt)
        self.main.queue_operation("remove")
        self.main.queued_command(prompt, source_uuid=self.main.ids.uuid())
        self.speaker.say()

    def hook(self) -> None:
        """Run a hook, told in a progress line."""
        self.main.hook_progress()
        self.speaker.work(1)

    def damage(self) -> None:
        """Repeat half of the last line: a malformed one."""
        last = self.main.lines[-1]
        self.main.raw(last[: len(last) // 2] + b"\n")


def _iteration(output: int, *, cache_read: int, cache_write: int) -> Mapping[str, Any]:
    split = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": cache_write}
    return {
        "input_tokens": 2,
        "output_tokens": output,
        "cache_read_input_tokens": cache_read,
        "cache_creation_input_tokens": cache_write,
        "cache_creation": split,
    }
