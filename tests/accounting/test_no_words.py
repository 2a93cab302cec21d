"""Facts hold no words of people: a canary in every field of content shows up nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from books import Books

from sessionmill.testing import ClaudeTranscript, CodexRollout, ToolUse, mcp, skill, subagent

CANARY = "Kanarienvogel"
FOLDER = "/work/shop"


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    with Books(tmp_path) as books:
        yield books


def blocks() -> list[dict[str, Any]]:
    source = {"type": "base64", "media_type": "image/png", "data": CANARY}
    return [{"type": "text", "text": CANARY}, {"type": "image", "source": source}]


#: The first word of a command is a program's name, and is kept; no other is.
COMMAND = f"cd /{CANARY} && X={CANARY} timeout 5 cat '{CANARY}' {CANARY} <<{CANARY}\n{CANARY}"
ARGUMENTS = {"command": COMMAND, "file_path": CANARY, "content": CANARY, CANARY: CANARY}


def claude() -> ClaudeTranscript:
    """Give a transcript with the canary wherever people, models and tools may put words."""
    t = ClaudeTranscript(cwd=FOLDER)
    t.prompt(CANARY, gitBranch=CANARY, slug=CANARY, todos=[CANARY])
    t.prompt_blocks(blocks())
    t.command("/clear", CANARY)
    t.command("/shop:deploy", CANARY, custom=True)
    t.command_output(CANARY)
    t.local_command("/model", CANARY)
    t.queued_command(CANARY, source_uuid="the-line")
    t.prompt(CANARY)
    t.queued_command(CANARY)
    t.queue_operation("enqueue", CANARY)
    t.response(CANARY, thinking=CANARY, requestId=CANARY)
    t.call(ToolUse("Bash", ARGUMENTS), result=CANARY, tool_use_result={"stdout": CANARY})
    t.call(ToolUse("Read", ARGUMENTS), result=blocks(), is_error=True)
    t.call(ToolUse("Write", ARGUMENTS), tool_use_result=CANARY)
    t.call(skill("commit", args=CANARY), result=CANARY)
    t.call(mcp("linear", "get_issue", query=CANARY), result=CANARY)
    call = t.call(subagent("Explore", CANARY, description=CANARY), result=None)
    agent = ClaudeTranscript(agent_id="a7f3c21", cwd=FOLDER)
    agent.prompt(CANARY)
    agent.response(CANARY, thinking=CANARY)
    agent.call(ToolUse("Bash", ARGUMENTS), result=CANARY)
    t.relay(agent, parent_tool_use_id=call)
    t.agent_result(call, "a7f3c21", CANARY)
    t.include(ClaudeTranscript(sidechain=True, cwd=FOLDER, seed=1))
    t.api_error(CANARY, error=f"{CANARY} it was")
    t.fall_back(CANARY)
    t.meta(CANARY)
    t.compact_summary(CANARY)
    t.task_notification(CANARY)
    t.system("informational", content=CANARY)
    t.attachment("file", {"filename": CANARY, "content": CANARY})
    t.attachment("hook_success", {"stdout": CANARY, "command": CANARY})
    t.hook_progress(CANARY)
    t.snapshot()
    t.summary(CANARY)
    t.title(CANARY)
    return t


def at_work() -> ClaudeTranscript:
    """Give a transcript with the canary around what calls do, and how they and requests fail."""
    t = ClaudeTranscript(cwd=FOLDER, seed=3)
    replaced = {"file_path": CANARY, "old_string": CANARY, "new_string": f"{CANARY}\n{CANARY}"}
    t.call(ToolUse("Bash", {"command": f"<<{CANARY} cat"}), result=CANARY, is_error=True)
    t.call(ToolUse("Bash", {"command": f'"{CANARY}" {CANARY}'}), result=CANARY)
    t.call(ToolUse("Edit", replaced))
    t.call(ToolUse("MultiEdit", {"file_path": CANARY, "edits": [replaced]}), result=CANARY)
    committed = t.call(ToolUse("Bash", ARGUMENTS), result=None)
    t.result(committed, f"[{CANARY} 1a2b3c4] {CANARY}\n[{CANARY}] {CANARY}")
    t.reject(t.call(ToolUse("Bash", ARGUMENTS), result=None), CANARY)
    t.deny(t.call(ToolUse("Bash", ARGUMENTS), result=None), toolDenialKind=f"{CANARY} it was")
    t.block(t.call(ToolUse("Bash", ARGUMENTS), result=None))
    t.hook_attachment("hook_blocking_error", f"{CANARY} it was")
    t.stop_hook_summary(errors=(CANARY,), stopped=True)
    t.compact_boundary(trigger=f"{CANARY}, words", content=CANARY)
    t.retry(cause={"message": CANARY, "code": f"{CANARY} it was"}, error=CANARY)
    t.interrupt(during_tool=True)
    t.pr_link()
    return t


def damaged() -> bytes:
    """Give the canary in lines that are refused, lost in part, or recovered."""
    line = ClaudeTranscript(cwd=FOLDER, seed=2)
    line.prompt(CANARY)
    line.response(CANARY)
    prompt, answer = line.lines
    record = json.loads(answer)
    record["message"]["usage"]["input_tokens"] = CANARY
    record["isMeta"] = record["timestamp"] = record["origin"] = CANARY
    return b"".join(
        [
            prompt,
            json.dumps(record).encode() + b"\n",
            prompt[:-1] + answer,
            b"\0" + prompt,
            prompt[:-9] + b"\n",
            f"// {CANARY}\n".encode(),
            f'"{CANARY}"\n["{CANARY}"]\n'.encode(),
            f'{{"type":"user","message":"\xff{CANARY}"}}\n'.encode("latin-1"),
            f'{{"type":"user","message":{{"content":"{CANARY} \\x"}}}}\n'.encode(),
            f'{{"{CANARY}" "{CANARY}"}}\n'.encode(),
            f'{{"{CANARY}":1}}\n'.encode(),
            f'{{"type":"user","uuid":"u","message":{{"content":"{CANARY}'.encode(),
        ]
    )


def codex() -> CodexRollout:
    rollout = CodexRollout(cwd=FOLDER)
    rollout.turn()
    rollout.prompt(CANARY)
    rollout.message(CANARY)
    rollout.call("exec_command", {"cmd": f"cat {CANARY}"}, result=CANARY)
    rollout.call("exec_command", {"cmd": f"'{CANARY}' {CANARY}"}, result=CANARY, success=False)
    rollout.local_shell(f"cd {CANARY}; git commit -m {CANARY}")
    change = {"type": "update", "unified_diff": f"+{CANARY}"}
    rollout.custom_call(input=f"*** Add File: {CANARY}\n+{CANARY}", changes={CANARY: change})
    rollout.call("ask", {"question": CANARY}, namespace="mcp__deepwiki", result=CANARY)
    rollout.call("update_plan", CANARY, result=[{"type": "input_text", "text": CANARY}])
    rollout.custom_call(input=CANARY, result=CANARY, success=False)
    rollout.web_search(CANARY)
    rollout.tokens(1000, 0, 10)
    rollout.compacted(CANARY)
    rollout.abort(CANARY)
    return rollout


def cells(books: Books) -> dict[str, str]:
    """Return every row of every table there is, as text and as bytes that may hold text."""
    cursor = books.app.facts.cursor()
    tables = [row["table_name"] for row in books.ask("SELECT table_name FROM duckdb_tables()")]
    assert len(tables) >= 12
    return {
        table: str(cursor.execute(f'SELECT * FROM "{table}"').fetchall())  # noqa: S608
        for table in tables
    }


def test_no_table_holds_a_word_of_what_is_said_and_no_worker_prints_one(
    books: Books, capfd: pytest.CaptureFixture[str]
) -> None:
    contents = {
        "alice/0f3c.jsonl": bytes(claude()),
        "alice/work.jsonl": bytes(at_work()),
        "alice/damaged.jsonl": damaged(),
        "alice/sessions/rollout-a.jsonl": bytes(codex()),
        "alice/nobody's.jsonl": f'{{"text":"{CANARY}"}}\n'.encode(),
    }
    for part in (0.4, 1):
        for key, content in contents.items():
            books.put(key, content[: int(len(content) * part)])
        books.run()

    rows = cells(books)
    assert sum(bytes(content).count(CANARY.encode()) for content in contents.values()) > 80
    assert all(books.rows(table) for table in ("responses", "tool_calls", "prompts", "events"))
    assert books.rows("slash_commands") and len(books.rows("malformed_lines")) >= 4
    for table, text in rows.items():
        assert CANARY not in text, f"{table} holds it"
    printed = capfd.readouterr()
    assert CANARY not in printed.out + printed.err


def test_no_error_of_a_processor_tells_a_word(books: Books) -> None:
    """A number that no column holds, or a type too long to remember, may fail a transcript."""
    transcript = ClaudeTranscript(cwd=FOLDER)
    transcript.response(usage={"output_tokens": 2**70}, model="m")
    transcript.prompt(CANARY, type=CANARY * 9000)
    books.put("alice/0f3c.jsonl", transcript)

    books.app.run(books.processors, books.walk())

    for row in books.ask("SELECT last_error FROM session_processor_state"):
        assert CANARY not in str(row["last_error"])


def test_the_canary_would_be_found_where_words_may_stand(books: Books) -> None:
    transcript = ClaudeTranscript(cwd=f"/work/{CANARY}")
    transcript.prompt()
    books.put("alice/0f3c.jsonl", transcript)
    books.run()

    holding = {table for table, text in cells(books).items() if CANARY in text}
    assert {"prompts", "transcripts", "session_processor_state"} <= holding
