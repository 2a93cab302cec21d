"""Why a call failed, told by the beginning of its result."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionmill.decode.failures import ErrorKind, blocking_hook, error_kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (
            "The user doesn't want to proceed with this tool use. The tool use was …",
            "user_rejected",
        ),
        ("The user doesn't want to take this action right now. STOP", "user_rejected"),
        ("exec command rejected by user", "user_rejected"),
        ("[Request interrupted by user for tool use]", "interrupted"),
        ("Exit code 137\n[Request interrupted by user for tool use]", "interrupted"),
        ("<tool_use_error>Sibling tool call errored</tool_use_error>", "interrupted"),
        ("aborted by user after 3.1s", "interrupted"),
        ("This command requires approval", "denied"),
        ("Permission to use Bash has been denied.", "denied"),
        ("Permission to use WebFetch has been auto-denied in dontAsk mode.", "denied"),
        ("Claude requested permissions to write to /x, but you haven't granted it yet.", "denied"),
        ("mkdir in '/x' was blocked. For security, Claude Code may only …", "denied"),
        ("PreToolUse:Bash hook error: [check.sh]: no", "denied"),
        ("Edit operation blocked by hook:\n- no", "denied"),
        ("Command timed out after 2m 0s", "timeout"),
        ("Exit code 143\nCommand timed out after 2m 0s", "timeout"),
        ("screenshot failed: Screenshot timed out after 30s", "timeout"),
        ("Exit code 1", "nonzero_exit"),
        ("Exit code 2\nls: cannot access 'x'", "nonzero_exit"),
        ("Error: Exit code 1\nno", "nonzero_exit"),
        ("File does not exist. Note: your current working directory is /x.", "not_found"),
        ("<tool_use_error>File does not exist.</tool_use_error>", "not_found"),
        ("<tool_use_error>Path does not exist: /x</tool_use_error>", "not_found"),
        ("<tool_use_error>String to replace not found in file.\nString: x", "not_found"),
        ("<tool_use_error>Unknown skill: commit</tool_use_error>", "not_found"),
        ("Agent type 'reviewer' not found. Available agents: x", "not_found"),
        ("ENOENT: no such file or directory, open 'x'", "not_found"),
        ('API Error: 529 {"type":"error"}', "api"),
        ("Request failed with status code 404", "api"),
        ("claude-sonnet-5 is temporarily unavailable, so auto mode …", "api"),
        ("<tool_use_error>File has not been read yet.</tool_use_error>", "other"),
        ("no", "other"),
        ("", "other"),
        # What a command printed is not what the client says.
        ("Exit code 1\ncurl: timed out after 5 s", "nonzero_exit"),
        ("Exit code 1\nFile does not exist", "nonzero_exit"),
        ("Exit code 1\nThe user doesn't want to proceed", "nonzero_exit"),
        ("see: Command timed out after 2m", "other"),
        ("Exit code unknown", "other"),
    ],
)
def test_the_beginning_of_a_result_tells_why_its_call_failed(text: str, kind: str) -> None:
    assert error_kind(text) == kind


@pytest.mark.parametrize(
    ("denial", "kind"),
    [
        ("user-rejected", "user_rejected"),
        ("interrupted", "interrupted"),
        ("cancelled", "interrupted"),
        ("automode-unavailable", "denied"),
        ("of a newer client", "denied"),
    ],
)
def test_the_clients_own_word_for_a_refusal_comes_before_the_text(denial: str, kind: str) -> None:
    assert error_kind("Exit code 1", denial) == kind


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("PreToolUse:Bash hook error: [check.sh]: no", "PreToolUse"),
        ("PostToolUse:mcp__linear__get hook blocking error from command: x", "PostToolUse"),
        ("Bash operation blocked by hook:\nno", "PreToolUse"),
        ("Execution stopped by PreToolUse hook: no", "PreToolUse"),
        ("see: PreToolUse:Bash hook error: x", None),
        ("Exit code 1\nPreToolUse:Bash hook error: x", None),
        ("my words hook error", None),
    ],
)
def test_a_hook_that_blocked_a_call_is_told_by_its_event(text: str, event: str | None) -> None:
    assert blocking_hook(text) == event


@given(st.text(), st.one_of(st.none(), st.text()))
def test_any_text_is_of_a_kind(text: str, denial: str | None) -> None:
    assert error_kind(text, denial) in get_args(ErrorKind)
    blocking_hook(text)
