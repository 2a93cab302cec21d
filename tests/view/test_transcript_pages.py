"""A transcript in pages: what each line says, told once, whatever the pages' size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sessionmill.decode.words import words
from sessionmill.errors import TranscriptClosed, TranscriptGone, UsageError
from sessionmill.testing import ClaudeTranscript, CodexRollout, ToolUse, Transcript
from sessionmill.trial import transcript_at
from sessionmill.view.transcript import page

Said = dict[str, Any]


def written(folder: Path, transcript: Transcript | bytes) -> Path:
    path = folder / "0f3c.jsonl"
    path.write_bytes(bytes(transcript))
    return path


def pages(path: Path, **given: int) -> list[Said]:
    """Return what all pages of a transcript tell, one after the other."""
    found, told, after = transcript_at(path, "alice"), list[Said](), -1
    while True:
        rows = page(found, after=after, **given)
        told += rows.document()["rows"]
        if not rows.truncated:
            return told
        assert rows.values, "a page that says that there is more says something"
        after = rows.values[-1][0]


def several(folder: Path) -> Path:
    """Write a transcript of every kind of line, some of which say several things."""
    said = ClaudeTranscript()
    said.prompt("Look into both files.")
    said.response("I look.")
    uses = [ToolUse("Read", {"file_path": "a.py"}, "t1"), ToolUse("Bash", {"command": "ls"}, "t2")]
    blocks = [{"type": "tool_use", "id": u.id, "name": u.name, "input": u.input} for u in uses]
    usage = {"input_tokens": 3, "output_tokens": 4}
    said.line(
        {
            "type": "assistant",
            "sessionId": said.session_id,
            "message": {
                "id": "m1",
                "model": "a-model",
                "usage": usage,
                "content": [{"type": "text", "text": "Both."}, *blocks],
            },
        }
    )
    results = [
        {"type": "tool_result", "tool_use_id": "t1", "content": "first file"},
        {"type": "tool_result", "tool_use_id": "t2", "content": [{"type": "text", "text": "b.py"}]},
    ]
    said.line({"type": "user", "sessionId": said.session_id, "message": {"content": results}})
    said.raw(b"{not JSON}\n")
    said.line({"type": "marvel", "sessionId": said.session_id, "content": "A new kind."})
    said.api_error("Overloaded.")
    one, two = (f'{{"type":"marvel","uuid":"{n}","content":"{n}"}}' for n in (1, 2))
    said.raw(f"{one}{two}\n".encode())
    said.prompt("Thanks.")
    return written(folder, said)


def test_each_call_and_each_result_of_a_line_says_its_own(tmp_path: Path) -> None:
    told = pages(several(tmp_path))
    assert [(row["what"], row["name"], row["text"]) for row in told] == [
        ("prompt", None, "Look into both files."),
        ("response", "claude-sonnet-4-5-20250929", "I look."),
        ("response", "a-model", "Both."),
        ("call", "Read", '{"file_path": "a.py"}'),
        ("call", "Bash", '{"command": "ls"}'),
        ("result", "Read", "first file"),
        ("result", "Bash", "b.py"),
        ("malformed", None, told[7]["text"]),
        ("unknown", "marvel", told[8]["text"]),
        ("error", None, "Overloaded."),
        ("unknown", "marvel", told[10]["text"]),
        ("unknown", "marvel", told[11]["text"]),
        ("prompt", None, "Thanks."),
    ]
    assert "property name" in told[7]["text"]
    unknown = [json.loads(row["text"])["content"] for row in told if row["what"] == "unknown"]
    assert unknown == ["A new kind.", "1", "2"], "what nobody knows is shown as it stands"


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
def test_pages_of_any_size_tell_together_what_one_tells(tmp_path: Path, limit: int) -> None:
    path = several(tmp_path)
    assert pages(path, limit=limit) == page(transcript_at(path, "alice")).document()["rows"]


def test_a_page_ends_with_a_whole_line(tmp_path: Path) -> None:
    rows = page(transcript_at(several(tmp_path), "alice"), limit=4)
    assert [row[2] for row in rows.values] == ["prompt", "response"]
    rows = page(transcript_at(several(tmp_path), "alice"), after=rows.values[-1][0], limit=1)
    assert [row[2] for row in rows.values] == ["response", "call", "call"]
    assert rows.truncated


def test_the_last_page_does_not_say_that_there_is_more(tmp_path: Path) -> None:
    said = ClaudeTranscript()
    said.prompt()
    said.summary()  # a line that is passed over
    rows = page(transcript_at(written(tmp_path, said), "alice"), limit=1)
    assert (len(rows.values), rows.truncated) == (1, False)


def test_a_response_of_several_lines_bears_its_figures_when_they_change(tmp_path: Path) -> None:
    said = ClaudeTranscript()
    said.response(
        "Done.",
        thinking="Hm.",
        input_tokens=5,
        cache_read_tokens=20,
        cache_write_5m_tokens=100,
        partial_output_tokens=[1],
        output_tokens=9,
    )
    said.response("Once more.", id="same", output_tokens=3)
    said.response("Once more.", id="same", output_tokens=3)
    told = pages(written(tmp_path, said))
    figures = [(row["text"], row["input_tokens"], row["output_tokens"]) for row in told]
    assert figures == [
        ("Hm.", 125, 1),
        ("Done.", 125, 9),
        ("Once more.", 10, 3),
        ("Once more.", None, None),
    ]


def test_texts_are_one_line_each_and_cut(tmp_path: Path) -> None:
    said = ClaudeTranscript()
    said.prompt("Fix\n\n\tthe   total of the cart.")
    path = written(tmp_path, said)
    assert pages(path)[0]["text"] == "Fix the total of the cart."
    assert pages(path, characters=8)[0]["text"] == "Fix the…"
    assert pages(path, characters=26)[0]["text"] == "Fix the total of the cart."


def test_times_of_other_zones_are_told_in_utc_and_impossible_ones_not(tmp_path: Path) -> None:
    said = ClaudeTranscript()
    for at in ("2026-03-02T11:00:00+02:00", "0001-01-01T00:00:00+14:00", "yesterday"):
        said.prompt(timestamp=at)
    told = page(transcript_at(written(tmp_path, said), "alice")).values
    assert [str(row[1]) for row in told] == ["2026-03-02 09:00:00", "None", "None"]


def test_halves_of_surrogate_pairs_and_nuls_do_not_end_a_page(tmp_path: Path) -> None:
    said = ClaudeTranscript()
    said.prompt("SAID")
    line = said.lines[0]
    lone = line.replace(b"SAID", b"half \\ud83d of one")
    path = written(tmp_path, lone + b"\0\0" + line.replace(b"SAID", b"recovered"))
    told = pages(path)
    assert [row["text"] for row in told] == ["half \ufffd of one", "recovered"]
    json.dumps(told, default=str).encode("utf-8")


def test_a_transcript_may_be_larger_than_what_is_read_at_once(tmp_path: Path) -> None:
    said = ClaudeTranscript()
    said.prompt("first")
    said.call("Read", {}, result="x" * 3_000_000)
    said.prompt("last")
    told = pages(written(tmp_path, said), limit=1)
    assert [row["what"] for row in told] == ["prompt", "response", "call", "result", "prompt"]
    assert told[3]["result_bytes"] == 3_000_000


def test_a_line_that_is_still_being_written_is_told_once_it_is_whole(tmp_path: Path) -> None:
    said = ClaudeTranscript()
    said.prompt("first")
    said.prompt("second")
    whole = bytes(said)
    assert len(pages(written(tmp_path, whole[:-9]))) == 1
    assert len(pages(written(tmp_path, whole[:-1]))) == 2, "it lacks nothing but the newline"


@pytest.mark.parametrize("content", [b"", b"\n\n", b"[1]\n", b'{"type":"x"}\n'])
def test_a_file_of_no_format_is_no_error(tmp_path: Path, content: bytes) -> None:
    assert {row["what"] for row in pages(written(tmp_path, content))} <= {"unknown"}


def test_a_file_that_is_not_there_or_closed_is_told_as_such(tmp_path: Path) -> None:
    found = transcript_at(written(tmp_path, b""), "alice")
    Path(found.path).unlink()
    with pytest.raises(TranscriptGone):
        page(found)
    Path(found.path).symlink_to(found.path)
    with pytest.raises(TranscriptClosed):
        page(found)


@pytest.mark.parametrize("given", [{"limit": 0}, {"limit": -1}, {"characters": 0}])
def test_a_page_of_nothing_is_refused(tmp_path: Path, given: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="more than zero"):
        page(transcript_at(written(tmp_path, b""), "alice"), **given)


# ── words ──


def test_the_words_of_a_quoted_sub_agents_line_are_found(tmp_path: Path) -> None:
    agent = ClaudeTranscript(agent_id="a1")
    agent.call("mcp__deepwiki__ask", {"q": "why"}, result="an answer")
    said = ClaudeTranscript()
    said.relay(agent, parent_tool_use_id="t0")
    told = pages(written(tmp_path, said))
    assert [(row["what"], row["name"], row["text"]) for row in told] == [
        ("response", "claude-sonnet-4-5-20250929", ""),
        ("call", "mcp__deepwiki__ask", '{"q": "why"}'),
        ("result", "mcp__deepwiki__ask", "an answer"),
    ]


def test_the_words_of_a_rollouts_calls_of_every_kind_are_found(tmp_path: Path) -> None:
    rollout = CodexRollout()
    rollout.call("ask", {"q": "why"}, namespace="mcp__deepwiki", result="since")
    rollout.custom_call(input="*** Begin Patch", result="Success.")
    rollout.web_search("rounding")
    told = pages(written(tmp_path, rollout))
    calls = {row["name"]: row["text"] for row in told if row["what"] == "call"}
    assert calls == {
        "mcp__deepwiki__ask": '{"q":"why"}',
        "apply_patch": "*** Begin Patch",
        "web_search": '{"type": "search", "query": "rounding"}',
    }
    results = [(row["name"], row["text"]) for row in told if row["what"] == "result"]
    assert ("mcp__deepwiki__ask", "ok") in results
    assert ("mcp__deepwiki__ask", "since") in results
    assert ("apply_patch", "Success.") in results


@pytest.mark.parametrize(
    "line", [None, 7, "text", [], {}, {"message": 7}, {"message": {"content": [7, None]}}]
)
def test_a_line_of_whatever_shape_says_nothing_and_is_no_error(line: Any) -> None:
    assert words(line) == ""
    assert words(line, "t1") == ""
