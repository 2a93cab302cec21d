"""What one line says, straight from the decoder: no store, no run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from sessionmill.contracts import PathKind
from sessionmill.decode.lines import TranscriptDecoder
from sessionmill.decode.records import Call, Command, CopyRank, Prompt, Record, Response, Result
from sessionmill.decode.tail import Slice
from sessionmill.decode.text import text_hash

KEY = "alice/0f3c.jsonl"
AT = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
Line = dict[str, Any]


def decode(*lines: Line, kind: PathKind = "main") -> list[Record]:
    content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return TranscriptDecoder(KEY, kind).decode(Slice(0, content, len(content)))


def told(line: Line, kind: PathKind = "main") -> Record:
    [record] = decode(line, kind=kind)
    return record


# ── Claude Code ──


def claude(type: str, **fields: Any) -> Line:
    return {"type": type, "uuid": "u1", "sessionId": "s1", **fields}


def answer(usage: Line | None, content: Any = (), **fields: Any) -> Line:
    message = {"id": "m1", "model": "opus", "usage": usage, "content": content, **fields}
    return claude("assistant", message=message)


def typed(content: Any, **fields: Any) -> Line:
    return claude("user", message={"content": content}, **fields)


def prompt(text: str, id: str = "u1", *, queued: bool = False) -> Prompt:
    return Prompt(id=id, text_hash=text_hash(text), characters=len(text), queued=queued)


def test_a_line_says_where_and_when_it_was_written() -> None:
    line = typed("x", timestamp="2026-03-20T12:00:00Z", cwd="/w", version="2.1.39", agentId="a7")
    record = told(line)

    assert (record.offset, record.end) == (0, len(json.dumps(line)) + 1)
    assert (record.type, record.at, record.uuid, record.session_id) == ("user", AT, "u1", "s1")
    assert (record.cwd, record.client_version, record.agent_id) == ("/w", "2.1.39", "a7")
    assert record.json() == line
    assert record.known and not record.recovered


def test_a_time_without_a_zone_is_of_utc() -> None:
    assert told(typed("x", timestamp="2026-03-20T12:00:00")).at == AT
    assert told(typed("x")).at is None


@pytest.mark.parametrize(
    ("sidechain", "kind", "rank"),
    [
        (None, "main", CopyRank.MAIN),
        (False, "main", CopyRank.MAIN),
        (True, "main", CopyRank.SIDECHAIN),
        (True, "agent_file", CopyRank.AGENT_FILE),
        (False, "agent_file", CopyRank.AGENT_FILE),
    ],
)
def test_a_line_ranks_by_its_file_and_within_a_main_file_by_its_side(
    sidechain: bool | None, kind: PathKind, rank: CopyRank
) -> None:
    assert told(typed("x", isSidechain=sidechain), kind).copy_rank is rank


def test_a_response_has_every_class_of_tokens() -> None:
    usage = {
        "input_tokens": 1,
        "output_tokens": 2,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 9,
        "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5},
        "server_tool_use": {"web_search_requests": 6, "web_fetch_requests": 7},
        "service_tier": "standard",
        "speed": "fast",
        "inference_geo": "eu",
    }
    full = Response("m1", "opus", 1, 2, 3, 4, 5, 6, 7, "standard", "fast", "eu")
    assert told(answer(usage)).responses == (full,)
    assert told(answer({})).responses == (Response("m1", "opus"),)
    assert told(answer(None)).responses == ()
    empty: Line = {"cache_creation": {}, "server_tool_use": {}}
    assert told(answer(empty)).responses == (Response("m1", "opus"),)


@pytest.mark.parametrize(
    ("total", "split", "expected"),
    [
        (10, None, (10, 0)),
        (10, (4, 5), (5, 5)),
        (9, (4, 5), (4, 5)),
        (8, (4, 5), (4, 5)),
        (10, (0, 9), (1, 9)),
        (0, (4, 5), (4, 5)),
    ],
)
def test_what_a_cache_total_has_beyond_its_split_was_written_for_five_minutes(
    total: int, split: tuple[int, int] | None, expected: tuple[int, int]
) -> None:
    usage: Line = {"cache_creation_input_tokens": total}
    if split is not None:
        names = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
        usage["cache_creation"] = dict(zip(names, split, strict=True))
    [response] = told(answer(usage)).responses
    assert (response.cache_write_5m_tokens, response.cache_write_1h_tokens) == expected


def test_a_response_without_an_id_has_its_lines_or_its_places() -> None:
    assert told(answer({}, id=None)).responses[0].id == "u1"
    line = answer({}, id="") | {"uuid": None}
    records = decode(claude("summary"), line)
    assert records[1].responses[0].id == f"{KEY}:{records[1].offset}"


def test_what_the_client_says_in_a_models_place_is_no_response() -> None:
    assert told(answer({"output_tokens": 3}, model="<synthetic>")).responses == ()
    assert told(claude("assistant", message=None)).responses == ()


def test_each_iteration_of_a_fallback_is_a_response_and_the_last_has_the_figures_of_all() -> None:
    earlier = [{"output_tokens": 1, "model": "first"}, {"output_tokens": 2}, {"output_tokens": 9}]
    assert told(answer({"output_tokens": 3, "iterations": earlier})).responses == (
        Response("m1/0", "first", output_tokens=1),
        Response("m1/1", "opus", output_tokens=2),
        Response("m1", "opus", output_tokens=3),
    )
    for few in ([], [{"output_tokens": 9}]):
        one = told(answer({"output_tokens": 3, "iterations": few})).responses
        assert one == (Response("m1", "opus", output_tokens=3),)


def unhashed(record: Record) -> tuple[Call, ...]:
    """Return a record's calls without the hashes of what they were given."""
    return tuple(msgspec.structs.replace(call, input_hash=None) for call in record.calls)


def use(name: str | None, input: Any = None, id: str | None = "t1") -> Line:
    return {"type": "tool_use", "id": id, "name": name, "input": input}


@pytest.mark.parametrize(
    ("block", "call"),
    [
        (use("Bash", {"command": "ls"}), Call("t1", "Bash", program="ls")),
        (use("Bash"), Call("t1", "Bash")),
        (use("Skill", {"skill": "a", "command": "b", "name": "c"}), Call("t1", "Skill", "a")),
        (use("Skill", {"command": "b", "name": "c"}), Call("t1", "Skill", "b")),
        (use("Skill", {"name": "c"}), Call("t1", "Skill", "c")),
        (use("Skill", {"skill": 7}), Call("t1", "Skill")),
        (use("Task", {"subagent_type": "x", "skill": "a"}), Call("t1", "Task", None, "x")),
        (use("Agent", {"subagent_type": "x"}), Call("t1", "Agent", None, "x")),
        (use("Agent", {"subagent_type": None}), Call("t1", "Agent")),
        (use("Read", {"subagent_type": "x"}), Call("t1", "Read")),
    ],
)
def test_a_call_is_named_by_what_it_invokes(block: Line, call: Call) -> None:
    assert unhashed(told(answer(None, [block]))) == (call,)


def test_a_block_without_an_id_or_a_name_or_of_another_type_is_no_call() -> None:
    blocks = [use("Bash", id=None), use(None), {**use("Bash"), "type": "text"}, use("B", id="t2")]
    assert unhashed(told(answer(None, blocks))) == (Call("t2", "B"),)
    assert told(answer(None, "text")).calls == ()
    assert told(answer(None, [])).calls == ()


def given(content: Any, error: Any = None, id: str | None = "t1") -> Line:
    return {"type": "tool_result", "tool_use_id": id, "is_error": error, "content": content}


@pytest.mark.parametrize(
    ("content", "size"),
    [
        ("ümlaut", 7),
        (None, 0),
        ([], 0),
        ([{"type": "text", "text": "ab"}, {"type": "image", "source": {"data": "AAAA"}}], 6),
        ({"text": "abc"}, 3),
        ([{"source": {}}, {}], 0),
    ],
)
def test_a_result_is_as_large_as_its_texts_and_images(content: Any, size: int) -> None:
    assert told(typed([given(content)])).results == (Result("t1", False, size),)


def test_a_result_failed_where_it_says_so() -> None:
    blocks = [given("", True, "t1"), given("", False, "t2"), given("", None, "t3")]
    errors = [result.is_error for result in told(typed(blocks)).results]
    assert errors == [True, False, False]


def test_a_turn_with_a_result_is_typed_by_nobody() -> None:
    text = {"type": "text", "text": "hello"}
    for block in (given(""), given("", id=None)):
        record = told(typed([text, block]))
        assert (record.prompt, record.command) == (None, None)
    assert told(typed([text, given("", id=None)])).results == ()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (" go on \n", "go on"),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "a\nb"),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": 7}], "a"),
        ([{"type": "image"}], ""),
        ([{"type": "image"}, {"type": "text", "text": " look "}], "look"),
        ([{"type": "document"}, {"type": "text", "text": "a"}], "a"),
    ],
)
def test_a_prompt_is_the_text_that_was_typed(content: Any, text: str) -> None:
    assert told(typed(content)).prompt == prompt(text)


@pytest.mark.parametrize(
    "content", ["", "  ", [], None, [{"type": "text", "text": " "}], [{"type": "document"}]]
)
def test_a_turn_that_says_nothing_is_no_prompt(content: Any) -> None:
    assert told(typed(content)).prompt is None
    assert told(claude("user", message=None)).prompt is None


@pytest.mark.parametrize(
    "fields",
    [
        {"isMeta": True},
        {"isCompactSummary": True},
        {"isVisibleInTranscriptOnly": True},
        {"agentId": "a7"},
        {"isSidechain": True},
        {"origin": {"kind": "task"}},
    ],
    ids=str,
)
def test_what_the_client_writes_is_no_prompt(fields: Line) -> None:
    assert told(typed("hello", **fields)).prompt is None


@pytest.mark.parametrize(
    "fields", [{"isMeta": False}, {"origin": {"kind": "human"}}, {"origin": {}}], ids=str
)
def test_what_a_person_writes_is_a_prompt_whatever_else_is_said_of_it(fields: Line) -> None:
    assert told(typed("hello", **fields)).prompt == prompt("hello")
    assert told(typed("hello", **fields), "agent_file").prompt is None


def test_a_prompt_without_a_uuid_has_its_place() -> None:
    [_, record] = decode(typed("x"), typed("hello", uuid=None))
    assert record.prompt == prompt("hello", f"{KEY}:{record.offset}")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("<command-name>/clear</command-name>", "/clear"),
        ("<command-message>x</command-message><command-name> deploy </command-name>y", "/deploy"),
        ("<command-name></command-name>", None),
        ("<command-args>x", None),
        ("say <command-name>/clear</command-name>", None),
    ],
)
def test_a_command_is_what_stands_first_in_its_tags(text: str, name: str | None) -> None:
    expected = Command("u1", name) if name else None
    assert told(typed(text)).command == expected
    line = claude("system", subtype="local_command", content=f" {text}")
    assert told(line).command == expected
    other = claude("system", subtype="informational", content=text)
    assert told(other).command is None
    [_, record] = decode(typed("x"), typed(text, uuid=None))
    assert record.command == (Command(f"{KEY}:{record.offset}", name) if name else None)


@pytest.mark.parametrize(
    "text",
    [
        "<command-name>x</command-name>",
        "<local-command-stdout>",
        "<bash-input>ls",
        "<task-notification>",
        "[Request interrupted by user]",
        "Caveat: The messages below were generated by the user while",
    ],
)
def test_what_begins_as_the_client_begins_is_no_prompt(text: str) -> None:
    assert told(typed(text)).prompt is None
    assert told(typed(f"see {text}")).prompt == prompt(f"see {text}")


def queued(**fields: Any) -> Line:
    attachment = {"type": "queued_command", "prompt": "go on", **fields}
    return claude("attachment", attachment=attachment)


@pytest.mark.parametrize(
    ("fields", "id"),
    [
        ({}, "u1"),
        ({"source_uuid": "u0"}, "u0"),
        ({"commandMode": "prompt", "isMeta": False, "origin": {"kind": "human"}}, "u1"),
        ({"origin": {}}, "u1"),
        ({"prompt": [{"type": "text", "text": "go on"}]}, "u1"),
        ({"commandMode": "task-notification"}, None),
        ({"isMeta": True}, None),
        ({"origin": {"kind": "task"}}, None),
        ({"type": "file"}, None),
        ({"prompt": None}, None),
    ],
    ids=str,
)
def test_a_queued_prompt_is_one_that_a_person_typed(fields: Line, id: str | None) -> None:
    expected = prompt("go on", id, queued=True) if id else None
    assert told(queued(**fields)).prompt == expected
    assert told(queued(**fields), "agent_file").prompt is None
    assert told(queued(**fields) | {"isMeta": True}).prompt is None


@pytest.mark.parametrize(
    ("line", "type", "known"),
    [
        (claude("summary"), "summary", True),
        (claude("novelty"), "novelty", False),
        (claude("system"), "system", True),
        (claude("system", subtype="api_error"), "system/api_error", True),
        (claude("system", subtype="novelty"), "system/novelty", False),
        (claude("progress"), "progress", False),
        (claude("progress", data={}), "progress", False),
        (claude("progress", data={"type": "hook_progress"}), "progress/hook_progress", True),
        (claude("progress", data={"type": "novelty"}), "progress/novelty", False),
        (claude("attachment"), "attachment", False),
        (claude("attachment", attachment={}), "attachment", False),
        (claude("attachment", attachment={"type": "file"}), "attachment/file", True),
        (claude("attachment", attachment={"type": "novelty"}), "attachment/novelty", False),
    ],
)
def test_a_type_of_line_is_known_or_not(line: Line, type: str, known: bool) -> None:
    record = told(line)
    assert (record.type, record.known) == (type, known)


def quoting(line: Any, **fields: Any) -> Line:
    data = {"type": "agent_progress", "agentId": "a7", "message": line}
    return claude("progress", data=data, timestamp="2026-03-20T12:00:00Z", **fields)


def test_a_progress_line_says_what_the_line_it_quotes_says() -> None:
    inner = answer({"output_tokens": 3}, [use("Bash")]) | {"uuid": "u9"}
    record = told(quoting(inner))
    assert record.responses == (Response("m1", "opus", output_tokens=3),)
    assert unhashed(record) == (Call("t1", "Bash"),)
    assert (record.uuid, record.at, record.agent_id) == ("u9", AT, "a7")
    assert record.copy_rank is CopyRank.PROGRESS

    later = told(quoting(typed([given("abc")], timestamp="2026-03-20T12:00:07")))
    assert later.results == (Result("t1", False, 3),)
    assert later.at == AT.replace(second=7)
    assert told(quoting(typed("hello"))).prompt is None
    assert told(quoting({"type": "user"})).uuid == "u1"
    nothings: tuple[Any, ...] = (None, "text", [])
    for nothing in nothings:
        assert told(quoting(nothing)).copy_rank is CopyRank.MAIN


def test_a_quoted_field_of_a_wrong_type_is_lost_and_named() -> None:
    record = told(quoting(answer({"output_tokens": 3}) | {"uuid": 7}))
    assert record.lost_fields == ("data.message.uuid",)
    assert record.responses[0].output_tokens == 3


@pytest.mark.parametrize("figure", [-1, 2**63, 1.5, "3"])
def test_a_figure_that_no_column_holds_is_no_count(figure: Any) -> None:
    record = told(answer({"input_tokens": figure, "output_tokens": 2**63 - 1}))
    assert record.lost_fields == ("message.usage.input_tokens",)
    assert record.responses == (Response("m1", "opus", output_tokens=2**63 - 1),)


def test_none_at_all_is_a_count() -> None:
    for line in (answer({"input_tokens": 0}), count(totals(0, 0, 0, 0, 0))):
        assert told(line).lost_fields == ()


# ── Codex ──


def codex(kind: str, /, **payload: Any) -> Line:
    return {"type": kind, "timestamp": "2026-03-20T12:00:00", "payload": payload}


def item(type: str, **payload: Any) -> Line:
    return codex("response_item", type=type, **payload)


def event(type: str, **payload: Any) -> Line:
    return codex("event_msg", type=type, **payload)


def totals(*figures: int | None) -> Line:
    names = "input_tokens cached_input_tokens output_tokens reasoning_output_tokens total_tokens"
    return dict(zip(names.split(), figures, strict=False))


def count(total: Line | None, last: Line | None = None) -> Line:
    return event("token_count", info={"total_token_usage": total, "last_token_usage": last})


def test_lines_of_a_rollout_are_where_the_last_ones_said() -> None:
    records = decode(
        codex("session_meta", id="s1", cwd="/a", cli_version="0.9"),
        codex("turn_context", cwd="/b", model="gpt"),
        codex("session_meta", id="s2", cwd="/c", cli_version="1.0"),
        codex("turn_context"),
        codex("session_meta"),
    )
    said = [(r.session_id, r.cwd, r.client_version) for r in records]
    assert said == [
        ("s1", "/a", "0.9"),
        ("s1", "/b", "0.9"),
        ("s1", "/b", "1.0"),
        ("s1", "/b", "1.0"),
        ("s1", "/b", "1.0"),
    ]
    assert {record.at for record in records} == {AT}
    assert all(record.known for record in records)


def step(id: str, input: int, output: int, cache_read: int) -> Response:
    return Response(id, "gpt", input, output, cache_read, ended=True)


def test_a_rollouts_count_is_what_was_added_to_the_last() -> None:
    records = decode(
        codex("session_meta", id="s1"),
        codex("turn_context", model="gpt"),
        count(totals(100, 40, 7, 3, 107), totals(90, 30, 6)),
        count(totals(100, 40, 7, 3, 107), totals(90, 30, 6)),
        count(totals(150, 50, 17, 3, 167), totals(1, 1, 1)),
        count(totals(120, 60, 20, 3, 140), totals(20, 10, 3)),
        count(totals(121, 61, 20, 3, 140)),
        count(totals(120, 60, 20, 3, 140)),
        count(None, totals(1, 1, 1)),
        event("token_count", info=None),
    )
    counted = [record.responses for record in records[2:]]
    assert counted == [
        (step("s1:100:40:7:3:107", 60, 6, 30),),
        (),
        (step("s1:150:50:17:3:167", 40, 10, 10),),
        (step("s1:120:60:20:3:140", 10, 3, 10),),
        (step("s1:121:61:20:3:140", 0, 0, 1),),
        (step("s1:120:60:20:3:140", 0, 0, 0),),
        (),
        (),
    ]


def test_a_rollouts_count_is_its_oldest_ancestors_and_without_one_its_keys() -> None:
    total = count(totals(1, 0, 1, None, 2))
    [_, forked] = decode(codex("session_meta", id="s2", forked_from_id="s1"), total)
    assert forked.responses[0].id == "s1:1:0:1:0:2"
    [_, later, _, still] = decode(
        codex("session_meta", id="s2"), total, codex("session_meta"), count(totals(3, 0, 1, 0, 4))
    )
    assert [r.responses[0].id for r in (later, still)] == ["s2:1:0:1:0:2", "s2:3:0:1:0:4"]
    assert told(total).responses[0].id == f"{KEY}:1:0:1:0:2"
    assert told(count({})).responses[0].id == f"{KEY}:0:0:0:0:0", "what is not told is none"


def test_cached_tokens_beyond_the_input_leave_no_debt() -> None:
    assert told(count(totals(5, 9, 1), totals(5, 9, 1))).responses[0].input_tokens == 0


@pytest.mark.parametrize(
    ("line", "call"),
    [
        (item("function_call", name="exec", call_id="c1", id="i1"), Call("c1", "exec")),
        (item("function_call", call_id="c1"), Call("c1", "function_call")),
        (item("custom_tool_call", name="patch", id="i1"), Call("i1", "patch")),
        (item("local_shell_call", call_id="c1"), Call("c1", "local_shell")),
        (item("web_search_call"), Call(f"{KEY}:0", "web_search")),
        (item("tool_search_call"), Call(f"{KEY}:0", "tool_search")),
        (item("function_call", name="ask", namespace="mcp__w", id="i"), Call("i", "mcp__w__ask")),
        (item("function_call", name="ask", namespace="mcp__w__", id="i"), Call("i", "mcp__w__ask")),
        (item("function_call", name="_ask", namespace="mcp__w", id="i"), Call("i", "mcp__w__ask")),
        (item("function_call", namespace="mcp__w", id="i"), Call("i", "function_call")),
    ],
)
def test_a_rollouts_call_has_a_name_and_an_id(line: Line, call: Call) -> None:
    record = told(line)
    assert (unhashed(record), record.known) == ((call,), True)


def output(value: Any, type: str = "function_call_output") -> Line:
    return item(type, call_id="c1", output=value)


@pytest.mark.parametrize(
    ("line", "result"),
    [
        (output("ümlaut"), (False, 7)),
        (output("abc", "custom_tool_call_output"), (False, 3)),
        (output("abc", "tool_search_output"), (False, 3)),
        (output({"success": False, "content": "ab"}), (True, 2)),
        (output({"success": True, "content": "ab", "text": "c"}), (False, 3)),
        (output({"content": "ab"}), (False, 2)),
        (output({"success": "no", "content": "ab"}), (False, 0)),
        (output([{"text": "ab"}, {"image_url": "abcd"}, {"text": 7}]), (False, 6)),
        (output([7]), (False, 0)),
        (output(None), (False, 0)),
        (output(7), (False, 0)),
        (event("mcp_tool_call_end", call_id="c1", result={"Ok": {"isError": True}}), (True, 0)),
        (event("mcp_tool_call_end", call_id="c1", result={"Ok": {"isError": False}}), (False, 0)),
        (event("mcp_tool_call_end", call_id="c1", result={"Ok": {}}), (False, 0)),
        (event("mcp_tool_call_end", call_id="c1", result={"Err": "no"}), (True, 0)),
        (event("mcp_tool_call_end", call_id="c1", result={}), (False, 0)),
        (event("mcp_tool_call_end", call_id="c1", result="text"), (False, 0)),
        (event("mcp_tool_call_end", call_id="c1"), (False, 0)),
        (event("patch_apply_end", call_id="c1", success=False), (True, 0)),
        (event("patch_apply_end", call_id="c1", success=True), (False, 0)),
        (event("patch_apply_end", call_id="c1"), (False, 0)),
    ],
)
def test_a_rollouts_result_failed_where_it_says_so(line: Line, result: tuple[bool, int]) -> None:
    record = told(line)
    kind = "other" if result[0] else None
    assert (record.results, record.known) == ((Result("c1", *result, kind),), True)


@pytest.mark.parametrize(
    "line",
    [
        item("function_call_output", output="x"),
        event("mcp_tool_call_end", result={}),
        event("patch_apply_end", success=False),
        event("exec_command_end", call_id="c1"),
        item("message", call_id="c1", output="x"),
    ],
)
def test_a_line_without_a_calls_id_or_of_another_type_is_no_result(line: Line) -> None:
    assert told(line).results == ()


def test_a_rollouts_prompt_is_the_event_that_tells_of_it() -> None:
    [_, record] = decode(codex("session_meta"), event("user_message", message="go on"))
    assert record.prompt == prompt("go on", f"{KEY}:{record.offset}")
    assert told(event("user_message", message=7)).prompt is None
    assert told(item("message", message="go on")).prompt is None


@pytest.mark.parametrize(
    ("line", "type", "known"),
    [
        (codex("session_meta"), "session_meta", True),
        (codex("compacted"), "compacted", True),
        (item("reasoning"), "response_item/reasoning", True),
        (item("novelty"), "response_item/novelty", False),
        (event("agent_message"), "event_msg/agent_message", True),
        (event("novelty"), "event_msg/novelty", False),
    ],
)
def test_a_type_of_a_rollouts_line_is_known_or_not(line: Line, type: str, known: bool) -> None:
    record = told(line)
    assert (record.type, record.known) == (type, known)


def test_a_rollouts_line_of_no_type_or_a_new_one_is_of_the_rollout() -> None:
    records = decode(codex("session_meta", id="s1"), {"payload": None}, codex("novelty", type="x"))
    assert [(r.type, r.known) for r in records[1:]] == [("(no type)", False), ("novelty/x", False)]
    assert records[2].session_id == "s1"


@pytest.mark.parametrize(("kind", "rank"), [("main", 1), ("agent_file", 0)])
def test_a_rollouts_lines_rank_by_its_file(kind: PathKind, rank: int) -> None:
    assert told(codex("session_meta"), kind).copy_rank == rank


@pytest.mark.parametrize("figure", [-1, 2**63])
def test_a_rollouts_figure_that_no_column_holds_is_no_count(figure: int) -> None:
    record = told(count(totals(figure, 0, 2**63 - 1), totals(0, 0, 2**63 - 1)))
    assert record.lost_fields == ("payload.info.total_token_usage.input_tokens",)
    assert record.responses[0].output_tokens == 2**63 - 1
