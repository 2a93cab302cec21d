"""One session of one person, told in the manner of one generation of the client.

A story holds the main transcript and the files of its sub-agents. `scenes.py` says what else may
happen in one, `team.py` who has which, and `bulk.py` repeats a few of them many times.
"""

from typing import Any

from sessionmill.demo import words
from sessionmill.demo.claude_code import ClaudeTranscript, ToolUse, mcp, skill, subagent
from sessionmill.demo.clients import Client
from sessionmill.demo.dice import Dice
from sessionmill.demo.transcript import Transcript


class Speaker:
    """A model at work in one transcript: each request reads the context that the last one left."""

    def __init__(
        self, transcript: ClaudeTranscript, model: str, dice: Dice, *, result_size: int
    ) -> None:
        self.transcript = transcript
        self.model = model
        self.dice = dice
        self.result_size = result_size
        self.context = dice.number(14_000, 24_000)
        self.splits_cache = True
        #: What every response is answered with while it is set, such as the speed.
        self.options: dict[str, Any] = {}

    def figures(self) -> dict[str, Any]:
        """Spend one request, and its time.

        The context is read from the cache, what is new is written to it.
        """
        self.transcript.wait(round(self.dice.skewed(4.0), 3))
        grown = self.dice.number(200, 4_000)
        kept_for = "5m" if self.transcript.sidechain else "1h"
        spent = {
            "model": self.model,
            "input_tokens": self.dice.number(2, 12),
            "output_tokens": self.dice.number(60, 1_800),
            "cache_read_tokens": self.context,
            f"cache_write_{kept_for}_tokens": grown,
            "split_cache": self.splits_cache,
        }
        self.context += grown
        return {**spent, **self.options}

    def say(self, text: str | None = None, **options: Any) -> str:
        """Answer in words; every third answer is written line by line as it grows."""
        if self.dice.chance(0.3):
            options = {"partial_output_tokens": [self.dice.number(1, 8)], **options}
        text = self.dice.choice(words.ANSWERS) if text is None else text
        return self.transcript.response(text, **{**self.figures(), **options})

    def use(self, tool: ToolUse, result: Any = None, **options: Any) -> str:
        """Use a tool, with a word before it now and then, and read what came back."""
        text = self.dice.choice(("", "", self.dice.choice(words.ANSWERS)))
        partial = [self.dice.number(1, 8)] if text and self.dice.chance(0.5) else []
        after = round(self.dice.skewed(2.0) + 0.05, 3)
        given = {"text": text, "partial_output_tokens": partial, "after": after, **self.figures()}
        return self.transcript.call(tool, result=result or self.printed(), **{**given, **options})

    def ask_for(self, tool: ToolUse, **options: Any) -> str:
        """Use a tool, and leave the rest to the story; returns the tool_use id."""
        return self.transcript.call(tool, result=None, **{**self.figures(), **options})

    def printed(self) -> str:
        """Make up a tool's output; a few are much longer than the others."""
        return words.listing(self.dice, int(self.dice.skewed(self.result_size)) + 1)

    def work(self, steps: int) -> None:
        """Read, search, edit and run, a step at a time."""
        for _ in range(steps):
            file = self.dice.choice(words.FILES)
            tools = (
                ToolUse("Bash", {"command": self.dice.choice(words.COMMANDS)}),
                ToolUse("Read", {"file_path": file}),
                ToolUse("Grep", {"pattern": "total", "path": "src"}),
                ToolUse("Edit", {"file_path": file, "old_string": "a", "new_string": "b"}),
            )
            self.use(self.dice.choice(tools))


class Story:
    """The main transcript of a session and the files of its sub-agents."""

    def __init__(
        self, main: ClaudeTranscript, client: Client, dice: Dice, *, result_size: int = 900
    ) -> None:
        self.main = main
        self.client = client
        self.dice = dice
        self.speaker = Speaker(main, client.model, dice, result_size=result_size)
        self.speaker.splits_cache = client.splits_cache
        #: Beside the main file, by their paths below the project's folder.
        self.beside: dict[str, Transcript] = {}

    def files(self) -> dict[str, bytes]:
        """Give every file of the session by its path below the project's folder."""
        told: dict[str, Transcript] = {str(self.main.path()): self.main, **self.beside}
        return {path: bytes(transcript) for path, transcript in told.items()}

    def keep(self, agent: ClaudeTranscript, *, below: str = "") -> None:
        """Keep a sub-agent's file where this client keeps them."""
        flat = self.client.agents == "flat"
        self.beside[str(agent.path("flat" if flat else "folder", below=below))] = agent

    def turn(self, steps: int = 3) -> None:
        """Let a person ask, and the model work and answer."""
        self.speaker.options = {}
        self.main.wait(self.dice.number(5, 600))
        self.main.prompt(self.dice.choice(words.PROMPTS))
        self.speaker.work(steps)
        self.speaker.say()

    def correct(self) -> None:
        """Let a person set something right."""
        self.main.prompt(self.dice.choice(words.CORRECTIONS))
        self.speaker.say("Understood, I will keep to that.")

    def use_skill(self, name: str) -> None:
        """Launch a skill: the call, its result, and its text on a meta line."""
        call = self.speaker.use(skill(name), f"Launching skill: {name}")
        self.main.meta(f"Base directory for this skill: /skills/{name}", sourceToolUseID=call)
        if self.client.attributes:
            plugin = name.partition(":")[0] if ":" in name else None
            self.speaker.options = {"attributionSkill": name}
            self.speaker.options |= {"attributionPlugin": plugin} if plugin else {}
        self.speaker.work(2)

    def call_mcp(self, *, fail: bool = False) -> None:
        """Call an MCP server, and use what it said in the next answer."""
        server, tool = self.dice.choice(words.MCP_TOOLS)
        content = [{"type": "text", "text": "permission denied" if fail else '{"rows": 3}'}]
        self.speaker.use(mcp(server, tool, limit=3), content, is_error=fail or None)
        own = {"attributionMcpServer": server, "attributionMcpTool": tool}
        self.speaker.say(**(own if self.client.attributes else {}))

    def command(self, name: str, *, custom: bool) -> None:
        """Run a slash command: a prompt of a team's own, or one of the client's."""
        if custom:
            self.main.command(name, "patch", custom=True)
            self.speaker.work(1)
        else:
            self.main.command_caveat()
            self.main.command(name)
            self.main.command_output("")

    def fail(self) -> None:
        """Run a command that fails, and another in its place."""
        command = ToolUse("Bash", {"command": "make tset"})
        text = "Exit code 2\nmake: *** No rule to make target 'tset'."
        self.speaker.use(command, text, is_error=True)
        self.speaker.work(1)

    def start_agent(self, **arguments: Any) -> tuple[str, ClaudeTranscript, int]:
        """Call a sub-agent, and let it work.

        Returns the call's id, the sub-agent's transcript, and the size of its last request.
        """
        prompt = self.dice.choice(words.PROMPTS)
        tool = self.client.agent_tool
        use = subagent(self.dice.choice(words.AGENTS), prompt, tool=tool, **arguments)
        call = self.speaker.ask_for(use)
        length = 17 if self.client.attaches else 7
        inside = self.client.agents == "inside"
        agent = self.main.subagent(None if inside else self.main.ids.hex(length))
        agent.wait(1).prompt(prompt)
        size = self.speaker.result_size
        speaker = Speaker(agent, self.client.agent_model, self.dice, result_size=size)
        speaker.splits_cache = self.client.splits_cache
        speaker.work(self.dice.number(1, 4))
        speaker.say(output_tokens=300)
        return call, agent, speaker.context + 310

    def end_agent(self, call: str, agent: ClaudeTranscript, last_size: int) -> None:
        """Give back what a sub-agent found, as this client tells it."""
        if self.client.agents == "inside":
            self.main.result(call, [{"type": "text", "text": "Found it."}])
        else:
            after = max(1.0, (agent.now - self.main.now).total_seconds())
            id = agent.agent_id or ""
            self.main.agent_result(call, id, after=after, total_tokens=last_size)
        self.speaker.say()

    def delegate(self, *, keep_file: bool = True) -> None:
        """Start a sub-agent, recorded as this client records it.

        Without `keep_file` its file is gone, and only progress lines (if any) tell what it spent.
        """
        call, agent, last_size = self.start_agent()
        if self.client.agents == "inside":
            self.main.include(agent)
        elif keep_file:
            self.keep(agent)
        if self.client.relays:
            self.main.relay(agent, parent_tool_use_id=call)
        self.end_agent(call, agent, last_size)
