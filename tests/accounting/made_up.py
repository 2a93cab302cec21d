"""Transcripts that hypothesis makes up, move by move, for properties that hold of any of them.

A move is what a person, a model or a client may do; it is drawn together with a small number that
varies it. Texts, ids and sub-agents come from so few that they meet again.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st

from sessionmill.testing import ClaudeTranscript, CodexRollout, ToolUse, mcp, skill, subagent

TEXTS = ("go on", "wait: ümläut ✓", "again", "<command-name>no command</command-name>")
AGENT = "a7f3c21"
ELSEWHERE = "toolu_01Elsewhere"


def examples(number: int) -> settings:
    """Try a property on so many examples, and show the first that fails as it was drawn.

    Each takes half a second: to shrink one takes minutes. Leave out `phases` to have it shrunk.
    """
    return settings(max_examples=number, phases=[Phase.explicit, Phase.generate])


#: Lines that no client means to write, each with what may be around it.
DAMAGED = (
    b'{"type":"user","message":{"content":"cut of\n',
    b"// a comment\n",
    b"\n",
    b"  \r\n",
    b"[1,2]\n",
    b'"a string"\n',
    b"null\n",
    b"\0\0\0\n",
    b'{"type":"user","message":{"content":"\xff\xfe"}}\n',
    b"[" * 3000 + b"]" * 3000 + b"\n",
)


class ClaudeSession:
    """A Claude transcript in the making, with what later moves refer to."""

    def __init__(self, transcript: ClaudeTranscript) -> None:
        self._main = transcript
        self.agent = ClaudeTranscript(
            transcript.session_id, agent_id=AGENT, version="2.1.39", seed=transcript.seed
        )
        self._messages = ["msg_01Elsewhere"]
        self._calls = [ELSEWHERE]
        #: The last prompt: its line's uuid, and the number of its text.
        self._prompted = ("6f1e-of-elsewhere", 0)

    # What a person does

    def prompt(self, n: int) -> None:
        self._prompted = (self._main.prompt(TEXTS[n]), n)

    def send_image(self, n: int) -> None:
        image = {"type": "image", "source": {"type": "base64", "data": "AAAA" * n}}
        text = {"type": "text", "text": TEXTS[n]}
        self._main.prompt_blocks([image, text] if n % 2 else [image])

    def prompt_without_uuid(self, n: int) -> None:
        self._main.prompt(TEXTS[n], uuid=None)

    def queue(self, n: int) -> None:
        self._main.queued_command(TEXTS[n])

    def queue_what_was_told_before(self, n: int) -> None:
        """Write the attachment behind the user line that repeats it, with the earlier time."""
        self._main.wait(-60)
        self._main.queued_command(TEXTS[n])
        self._main.wait(60)

    def queue_with_source(self, n: int) -> None:
        source, text = self._prompted if n % 2 else (f"source-{n}", n)
        self._main.queued_command(TEXTS[text], source_uuid=source)

    def end_task(self, n: int) -> None:
        if n % 2:
            self._main.queued_command(TEXTS[n], mode="task-notification")
        else:
            self._main.task_notification()

    def command(self, n: int) -> None:
        self._main.command(("/clear", "/shop:deploy")[n % 2], custom=n > 1)

    def local_command(self, n: int) -> None:
        self._main.local_command()
        self._main.command_output(TEXTS[n])

    def interrupt(self, n: int) -> None:
        self._main.interrupt(during_tool=bool(n % 2))

    # What the model does

    def respond(self, n: int) -> None:
        growing = (1, 7, 9)[:n]
        told = self._main.response(partial_output_tokens=growing, output_tokens=40 + n)
        self._messages.append(told)

    def respond_in_part(self, n: int) -> None:
        """Say more than is logged, over lines among which those of another response stand."""
        fields = {"entrypoint": ("sdk-py", None)[n % 2], "costUSD": 0.25 * n}
        said: dict[str, Any] = {"output_tokens": n, "stopped": n == 3, **fields}
        told = self._main.response("x" * 90, thinking="", signature="y" * 400, **said)
        self._main.response(output_tokens=1)
        self._main.response("", id=told, calls=[ToolUse("Bash", {"command": "z" * 80})], **said)

    def respond_again(self, n: int) -> None:
        """Repeat an earlier response, grown or not; other lines stand between."""
        told = self._messages[n % len(self._messages)]
        self._main.response(id=told, output_tokens=30 * n, calls=[ToolUse("Bash")] * (n % 2))

    def repeat_response(self, n: int) -> None:
        """Say the same of the last response once more, with an earlier time or elsewhere."""
        self._main.wait(-60 * n)
        places: tuple[dict[str, Any], ...] = (
            {},
            {"cwd": "/work/elsewhere", "version": "2.2.0"},
            {"cwd": None, "version": None},
            {"isSidechain": True},
        )
        self._main.response(id=self._messages[-1], output_tokens=50, **places[n])
        self._main.response(id=self._messages[-1], output_tokens=50)
        self._main.wait(60 * n)

    def respond_without_id(self, n: int) -> None:
        fields: dict[str, Any] = {"uuid": None} if n % 2 else {}
        self._main.response(id="", output_tokens=n, **fields)

    def respond_without_usage(self, n: int) -> None:
        self._main.response(with_usage=False, model=f"model-{n}")

    def respond_by_fallback(self, n: int) -> None:
        earlier = [{"output_tokens": at + 1, "model": "claude-first"} for at in range(n)]
        self._main.response(usage={"iterations": [*earlier, {"output_tokens": 100}]})

    def respond_from_cache(self, n: int) -> None:
        self._main.response(
            cache_read_tokens=1000 * n,
            cache_write_5m_tokens=10 * n,
            cache_write_1h_tokens=7 * (n % 2),
            split_cache=n != 3,
        )

    def fail(self, n: int) -> None:
        self._main.api_error(TEXTS[n])

    def call(self, n: int) -> None:
        uses = (
            ToolUse("Bash", {"command": "ls"}),
            skill("shop:deploy"),
            mcp("linear", "get_issue"),
            ToolUse("Read", {"file_path": "/work/a"}),
        )
        self._main.call(uses[n], result=TEXTS[n], is_error=n == 3 or None, after=n)

    def edit(self, n: int) -> None:
        """Change a file; it may fail, and the client may not tell what it did."""
        path = f"/work/{n % 2}"
        uses = (
            ToolUse("Edit", {"file_path": path, "old_string": "a\nb", "new_string": "a\nc\nd"}),
            ToolUse("Write", {"file_path": path, "content": "a\nb\n"}),
            ToolUse("MultiEdit", {"file_path": path, "edits": [{"new_string": "x"}]}),
            ToolUse("NotebookEdit", {"notebook_path": path, "new_source": "x"}),
        )
        told: dict[str, Any] = {"tool_use_result": None} if n == 1 else {}
        self._main.call(uses[n], is_error=n == 3 or None, **told)

    def commit(self, n: int) -> None:
        printed = f"[main {n}a2b3c4] one\n 1 file changed\n[main {n}a2b3c5] two"
        git = {"gitOperation": {"commit": {"sha": f"{n}d5e6f7", "kind": "committed"}}}
        beside: dict[str, Any] = {"stdout": printed, **(git if n % 2 else {})}
        self._main.call(
            ToolUse("Bash", {"command": "git add . && git commit"}),
            result=printed if n < 2 else "https://example.invalid/shop/cart/pull/7",
            tool_use_result=beside,
        )

    def refuse(self, n: int) -> None:
        """Refuse the last open call, in each way there is."""
        main, call = self._main, self._calls[-1]
        (main.reject, main.deny, main.block, main.block)[n](call)
        if n == 3:
            main.hook_attachment("hook_blocking_error", "PreToolUse:Bash", tool_use_id=call)

    def retry(self, n: int) -> None:
        self._main.retry(n + 1, status=(529, 500, 0, 429)[n])

    def link(self, n: int) -> None:
        self._main.pr_link(n)

    def stop_by_hook(self, n: int) -> None:
        self._main.stop_hook_summary(stopped=bool(n % 2))

    def begin_call(self, n: int) -> None:
        uses = (ToolUse("Bash"), subagent("Explore"), subagent("shop:review", tool="Agent"))
        self._calls.append(self._main.call(uses[n % 3], result=None))

    def finish_call(self, n: int) -> None:
        """Give a result: of an open call, of one that was told already, or of one not here."""
        self._main.result(self._calls[n % len(self._calls)], "x" * n, is_error=n == 3)

    def finish_agent(self, n: int) -> None:
        self._main.agent_result(self._calls[-1], AGENT, background=bool(n % 2))

    # Sub-agents

    def relay(self, n: int) -> None:
        """Let the sub-agent do something, and quote it in a progress line."""
        if n == 0:
            self.agent.prompt(TEXTS[n])
        elif n == 1:
            self.agent.response(output_tokens=11)
        else:
            self.agent.call("Grep", result="none" if n == 2 else None)
        self._main.progress(self.agent, agent_id=AGENT, parent_tool_use_id=self._calls[-1])

    def step_aside(self, n: int) -> None:
        aside = ClaudeTranscript(self._main.session_id, sidechain=True, seed=n)
        aside.prompt(TEXTS[n])
        aside.call("Grep", result="none")
        self._main.include(aside)

    # What the client adds

    def explain(self, n: int) -> None:
        self._main.meta(TEXTS[n])

    def compact(self, n: int) -> None:
        self._main.compact_boundary(trigger=("auto", "manual")[n % 2])
        self._main.compact_summary(TEXTS[n])

    def write_down(self, n: int) -> None:
        main = self._main
        (main.snapshot, main.summary, main.title, main.hook_progress)[n]()

    def change_client(self, n: int) -> None:
        self._main.version = ("1.0.98", "2.0.5", "2.1.39", "2.1.205")[n]
        self._main.cwd = f"/work/shop{n}"


class CodexSession:
    """A rollout in the making."""

    def __init__(self, transcript: CodexRollout) -> None:
        self._main = transcript

    def turn(self, n: int) -> None:
        self._main.turn(f"gpt-{n}")

    def prompt(self, n: int) -> None:
        self._main.prompt(TEXTS[n])

    def message(self, n: int) -> None:
        self._main.message(TEXTS[n])

    def count(self, n: int) -> None:
        self._main.tokens(100 * n, 10 * n, n + 1, reasoning=n)

    def count_again(self, n: int) -> None:
        (self._main.repeat_tokens, self._main.null_tokens)[n % 2]()

    def count_anew(self, n: int) -> None:
        """Begin the totals again, as a client that lost them."""
        names = ("input", "cached_input", "output", "reasoning_output", "total")
        figures = {f"{name}_tokens": n for name in names}
        info = {"total_token_usage": figures, "last_token_usage": figures}
        self._main.line({"type": "event_msg", "payload": {"type": "token_count", "info": info}})

    def call(self, n: int) -> None:
        failed = False if n % 2 else None
        if n < 2:
            self._main.call("exec_command", success=failed, after=n)
        elif n == 2:
            self._main.call("ask", namespace="mcp__deepwiki", success=False)
        else:
            change = {"type": "add", "content": "a\nb\n"}
            self._main.custom_call(success=failed, changes={"/work/a": change})

    def begin_call(self, n: int) -> None:
        self._main.call(("exec_command", "update_plan")[n % 2], result=None)

    def search(self, _: int) -> None:
        self._main.web_search()

    def compact(self, _: int) -> None:
        self._main.compacted()

    def end(self, n: int) -> None:
        (self._main.abort, self._main.complete, self._main.reasoning)[n % 3]()

    def reopen(self, _: int) -> None:
        self._main.reopen()


Session = ClaudeSession | CodexSession


def moves_of(kind: type[Session]) -> list[str]:
    """Return the names of all moves."""
    return [name for name in vars(kind) if not name.startswith("_")]


def moves(kind: type[Session], *, most: int = 20) -> st.SearchStrategy[list[tuple[str, int]]]:
    """Draw what happens in a session: (move, number) pairs."""
    return st.lists(
        st.tuples(st.sampled_from(moves_of(kind)), st.integers(0, 3)), min_size=1, max_size=most
    )


def play(session: Session, drawn: list[tuple[str, int]]) -> None:
    """Do the moves."""
    for name, n in drawn:
        getattr(session, name)(n)


def every_move(session: Session) -> None:
    """Do each move in each of its variants, once."""
    play(session, [(name, n) for name in moves_of(type(session)) for n in range(4)])


Drawn = list[tuple[str, int]]


def family(drawn: tuple[Drawn, Drawn, Drawn, Drawn], cut: int) -> dict[str, bytes]:
    """Give transcripts with copies of one another, by their place below a user's folder."""
    main = ClaudeTranscript("s1")
    session = ClaudeSession(main)
    play(session, drawn[0])
    fork = main.fork("s2", lines=cut)
    play(ClaudeSession(fork), drawn[1])
    again = fork.fork("s3")
    play(ClaudeSession(again), drawn[2])
    rollout = CodexRollout()
    play(CodexSession(rollout), drawn[3])
    copied = rollout.fork("019cac2e-0000-7c41-9a3b-4d5e6f708192", lines=cut)
    play(CodexSession(copied), drawn[3][:3])
    return {
        "s1.jsonl": bytes(main),
        "s2.jsonl": bytes(fork),
        "s3.jsonl": bytes(again),
        f"s1/subagents/agent-{AGENT}.jsonl": bytes(session.agent),
        "sessions/rollout-a.jsonl": bytes(rollout),
        "sessions/rollout-b.jsonl": bytes(copied),
    }


families = st.builds(
    family,
    st.tuples(
        moves(ClaudeSession), moves(ClaudeSession), moves(ClaudeSession), moves(CodexSession)
    ),
    st.integers(0, 20),
)


def wrong_in_type(line: bytes) -> bytes:
    """Return a line with a number where texts are expected, which loses fields and no more."""
    record = json.loads(line)
    return json.dumps({**record, "cwd": 7, "origin": [7], "version": {}}).encode() + b"\n"


def edges(content: bytes) -> list[int]:
    """Give for each line its first byte, the one after, its middle, and where it lacks its end."""
    cuts, start = set(), 0
    for line in content.splitlines(keepends=True):
        cuts |= {start, start + 1, start + len(line) // 2, start + len(line) - 1}
        start += len(line)
    return sorted(cuts)


def beginning(content: bytes, part: int) -> bytes:
    """Cut a transcript in a line or at its edges, where reading may have found it."""
    places = edges(content) or [0]
    return content[: places[part % len(places)]]
