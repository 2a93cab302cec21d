"""What the tests of commands share: transcripts, and JSON read as strictly as anybody may."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from commands import Ended
from sessionmill.testing import ClaudeTranscript, mcp, skill, subagent

#: Where the modules of the tests' processors lie: commands that load one run in it.
HERE = Path(__file__).parent


def write(sessions: Path, user: str, name: str, text: str = "Fix the total.") -> Path:
    """Write a short transcript of a user's."""
    transcript = ClaudeTranscript(name)
    transcript.prompt(text)
    transcript.response("Fixed.")
    return transcript.write(sessions / user / f"{name}.jsonl")


def busy(name: str, **given: Any) -> ClaudeTranscript:
    """Return a transcript in which everything that is counted occurs once."""
    transcript = ClaudeTranscript(name, **given)
    transcript.prompt()
    transcript.response("Let me see.", input_tokens=1, output_tokens=2, cache_read_tokens=3)
    transcript.call("Bash", {"command": "make"}, result="no rule", is_error=True)
    transcript.call(skill("superpowers:commit"))
    transcript.call(mcp("deepwiki", "ask"))
    transcript.call(subagent("explorer"))
    transcript.command("/clear")
    transcript.raw(b"{not JSON}\n")
    return transcript


def document(ended: Ended) -> Any:
    """Return what a command with --json printed: one document of strict JSON, and nothing else."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is no JSON")

    assert ended.out.endswith("\n")
    assert ended.out.count("\n") == 1, ended.out
    return json.loads(ended.out, parse_constant=refuse)
