"""What one transcript comes to: one row for each thing that is counted, however often it is told.

To add a class of figure: name it in `FIGURES`, and give it a value in the row that has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Table = Literal["responses", "tool_calls", "slash_commands", "prompts", "malformed_lines"]

TOKEN_CLASSES = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
)
#: The classes of figures that the rows of each table add to.
FIGURES: dict[Table, tuple[str, ...]] = {
    "responses": ("responses", *TOKEN_CLASSES),
    "tool_calls": (
        "tool_calls",
        "tool_errors",
        "skill_invocations",
        "subagent_runs",
        "mcp_calls",
    ),
    "slash_commands": ("slash_commands",),
    "prompts": ("prompts",),
    "malformed_lines": ("malformed_lines",),
}

#: Which copy of a row is counted: the smaller rank is preferred.
AGENT_FILE, MAIN_LINE, SIDECHAIN_LINE, PROGRESS_COPY = range(4)
#: Where each class of tokens stands in a response's figures.
_OUTPUT = TOKEN_CLASSES.index("output_tokens")


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that may be counted, as one transcript has it."""

    table: Table
    id: str
    #: Of its first line.
    offset: int
    #: Of several copies that with the smallest is elected; then that of the smaller session key.
    order: tuple[int, ...]
    #: Whether it is counted if it is elected.
    eligible: bool
    #: What it adds to each class in FIGURES[table], in that order.
    figures: tuple[int, ...]


@dataclass(slots=True)
class Response:
    """One answer of a model."""

    offset: int
    tokens: list[int]
    rank: int

    def row(self, id: str) -> Row:
        """Return its row: that with the most output is elected."""
        order = (-self.tokens[_OUTPUT], self.rank)
        return Row("responses", id, self.offset, order, True, (1, *self.tokens))


@dataclass(slots=True)
class Call:
    """One tool call with its result."""

    offset: int
    rank: int
    name: str | None = None  # None until the call itself is seen
    has_result: bool = False
    is_error: bool = False

    def row(self, id: str) -> Row:
        """Return its row: one with its call is elected, then one with its result."""
        name = self.name or ""
        kinds = (name == "Skill", name in ("Task", "Agent"), name.startswith("mcp__"))
        order = (int(self.name is None), int(not self.has_result), self.rank)
        figures = (1, int(self.is_error), *map(int, kinds))
        return Row("tool_calls", id, self.offset, order, self.name is not None, figures)


@dataclass(slots=True)
class Typed:
    """A slash command, or a prompt: one that was queued may be repeated by a user line."""

    offset: int
    rank: int
    repeated: bool = False

    def row(self, table: Table, id: str) -> Row:
        """Return its row: one that saw that it was repeated is elected, and then not counted."""
        order = (int(not self.repeated), self.rank)
        return Row(table, id, self.offset, order, not self.repeated, (1,))


@dataclass
class Transcript:
    """The rows of one transcript, in the making."""

    key: str
    #: "claude" or "codex"; None until a line has told.
    format: str | None = None
    session: str = ""
    malformed: list[int] = field(default_factory=list)
    responses: dict[str, Response] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    commands: dict[str, Typed] = field(default_factory=dict)
    prompts: dict[str, Typed] = field(default_factory=dict)

    @property
    def is_agent_file(self) -> bool:
        """Say whether the file as a whole is a sub-agent's."""
        return "/subagents/" in self.key or self.key.rsplit("/", 1)[-1].startswith("agent-")

    def respond(self, id: str, offset: int, tokens: list[int], rank: int) -> None:
        """Take in one line of a response: the largest value of each token class stays."""
        row = self.responses.setdefault(id, Response(offset, tokens, rank))
        row.tokens = [max(pair) for pair in zip(row.tokens, tokens, strict=True)]
        row.rank = min(row.rank, rank)

    def call(self, id: str, offset: int, name: str, rank: int) -> None:
        """Take in a tool call; one without a name calls nothing."""
        if name:
            row = self.calls.setdefault(id, Call(offset, rank))
            row.name = row.name or name
            row.rank = min(row.rank, rank)

    def result(self, id: str, offset: int, is_error: bool, rank: int) -> None:
        """Take in a tool's result; one that failed makes the call an error for good."""
        row = self.calls.setdefault(id, Call(offset, rank))
        row.has_result = True
        row.is_error = row.is_error or is_error
        row.rank = min(row.rank, rank)

    def mention(self, id: str, offset: int, rank: int) -> None:
        """Take in that a line names a call: by that alone it is not counted."""
        row = self.calls.setdefault(id, Call(offset, rank))
        row.rank = min(row.rank, rank)

    def command(self, id: str, offset: int, rank: int) -> None:
        """Take in a slash command."""
        row = self.commands.setdefault(id, Typed(offset, rank))
        row.rank = min(row.rank, rank)

    def prompt(self, id: str, offset: int, rank: int) -> None:
        """Take in a prompt, queued or not."""
        row = self.prompts.setdefault(id, Typed(offset, rank))
        row.rank = min(row.rank, rank)

    def repeat(self, id: str) -> None:
        """Take in that a user line of its own tells a queued prompt once more."""
        self.prompts[id].repeated = True

    def place(self, offset: int) -> str:
        """Return what names a line that has no id."""
        return f"{self.key}:{offset}"

    def rows(self) -> Iterator[Row]:
        """Yield every row."""
        yield from (response.row(id) for id, response in self.responses.items())
        yield from (call.row(id) for id, call in self.calls.items())
        yield from (typed.row("slash_commands", id) for id, typed in self.commands.items())
        yield from (typed.row("prompts", id) for id, typed in self.prompts.items())
        for offset in self.malformed:
            yield Row("malformed_lines", self.place(offset), offset, (), True, (1,))
