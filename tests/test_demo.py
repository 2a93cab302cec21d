"""The builders write what the agents write."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sessionmill.demo.claude_blocks import text
from sessionmill.testing import ClaudeTranscript, CodexRollout, mcp, skill, subagent

Record = dict[str, Any]


def records(data: bytes) -> list[Record]:
    return [json.loads(line) for line in data.splitlines()]


# The builder of Claude Code's transcripts


def test_the_same_calls_give_the_same_bytes() -> None:
    def build() -> ClaudeTranscript:
        transcript = ClaudeTranscript(seed=3)
        transcript.prompt()
        transcript.call("Bash", {"command": "ls"})
        return transcript

    assert bytes(build()) == bytes(build())


def test_another_seed_gives_other_ids() -> None:
    first, other = ClaudeTranscript(), ClaudeTranscript(seed=1)
    assert first.prompt() != other.prompt()


def test_time_moves_by_a_second_a_line_and_by_what_is_asked_for() -> None:
    start = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
    transcript = ClaudeTranscript(start=start)
    transcript.prompt()
    transcript.call("Bash", after=2.25)
    transcript.wait(60).prompt()
    times = [record["timestamp"] for record in records(bytes(transcript))]
    assert times == [
        "2026-05-01T12:00:00.000Z",
        "2026-05-01T12:00:01.000Z",
        "2026-05-01T12:00:03.250Z",
        "2026-05-01T12:01:04.250Z",
    ]
    assert transcript.now == start + timedelta(seconds=64.25)


def test_a_response_is_a_line_for_each_block_and_only_its_output_grows() -> None:
    transcript = ClaudeTranscript()
    calls = [skill("commit"), mcp("github", "create_issue", title="x")]
    message_id = transcript.response(
        "Both.",
        calls=calls,
        output_tokens=90,
        cache_write_1h_tokens=7,
        partial_output_tokens=[1, 40],
    )
    lines = records(bytes(transcript))
    assert {line["message"]["id"] for line in lines} == {message_id}
    assert len({line["requestId"] for line in lines}) == 1
    assert len({line["uuid"] for line in lines}) == 3
    usages = [line["message"]["usage"] for line in lines]
    assert [usage["output_tokens"] for usage in usages] == [1, 40, 90]
    assert {usage["cache_creation"]["ephemeral_1h_input_tokens"] for usage in usages} == {7}
    names = [line["message"]["content"][0].get("name") for line in lines]
    assert names == [None, "Skill", "mcp__github__create_issue"]


def test_more_partial_values_than_blocks_make_lines_before_the_text() -> None:
    transcript = ClaudeTranscript()
    transcript.response("Done.", output_tokens=9, partial_output_tokens=[1, 5])
    lines = records(bytes(transcript))
    assert [line["message"]["usage"]["output_tokens"] for line in lines] == [1, 5, 9]
    assert [line["message"]["content"][0]["type"] for line in lines] == [
        "thinking",
        "thinking",
        "text",
    ]


def test_a_response_may_lack_its_id_its_usage_or_a_part_of_it() -> None:
    transcript = ClaudeTranscript(version="1.0.98")
    transcript.response(id="", requestId=None)
    transcript.response(with_usage=False)
    transcript.response(split_cache=False, cache_write_5m_tokens=8, usage={"service_tier": None})
    without_id, without_usage, old = records(bytes(transcript))
    assert "id" not in without_id["message"]
    assert "requestId" not in without_id
    assert "usage" not in without_usage["message"]
    assert old["message"]["usage"] == {
        "input_tokens": 10,
        "cache_creation_input_tokens": 8,
        "cache_read_input_tokens": 0,
        "output_tokens": 100,
    }


def test_newer_clients_tell_the_iterations_of_a_response() -> None:
    older, newer = ClaudeTranscript(version="2.1.30"), ClaudeTranscript(version="2.1.217")
    older.response()
    newer.response(output_tokens=33)
    assert "iterations" not in records(bytes(older))[0]["message"]["usage"]
    [iteration] = records(bytes(newer))[0]["message"]["usage"]["iterations"]
    assert iteration["output_tokens"] == 33


def test_a_result_points_to_the_line_of_its_call() -> None:
    transcript = ClaudeTranscript()
    transcript.response("Two.", calls=[skill("commit", args="-a")])
    call = records(bytes(transcript))[-1]
    tool_use_id = call["message"]["content"][0]["id"]
    transcript.result(tool_use_id)
    result = records(bytes(transcript))[-1]
    assert result["sourceToolAssistantUUID"] == call["uuid"]
    assert result["toolUseResult"] == {"success": True, "commandName": "commit"}
    assert "is_error" not in result["message"]["content"][0]


def test_fields_of_none_are_left_out() -> None:
    transcript = ClaudeTranscript()
    transcript.prompt(uuid=None, timestamp=None, extra=1)
    [line] = records(bytes(transcript))
    assert "uuid" not in line
    assert "timestamp" not in line
    assert line["extra"] == 1


def test_each_line_is_the_child_of_the_one_before_but_a_compaction_breaks_the_chain() -> None:
    transcript = ClaudeTranscript()
    first = transcript.prompt()
    transcript.snapshot()
    transcript.response()
    transcript.compact_boundary()
    transcript.compact_summary()
    prompt, _, answer, boundary, summary = records(bytes(transcript))
    assert prompt["parentUuid"] is None
    assert answer["parentUuid"] == first
    assert boundary["parentUuid"] is None
    assert boundary["logicalParentUuid"] == answer["uuid"]
    assert summary["parentUuid"] == boundary["uuid"]


def test_commands_begin_with_their_tags_in_the_order_of_their_kind() -> None:
    transcript = ClaudeTranscript()
    transcript.command("/clear")
    transcript.command("/docs-kit:release", "patch", custom=True)
    transcript.local_command("/model")
    built_in, custom, local = records(bytes(transcript))
    assert built_in["message"]["content"].startswith("<command-name>/clear</command-name>\n")
    assert custom["message"]["content"] == (
        "<command-message>docs-kit:release</command-message>\n"
        "<command-name>/docs-kit:release</command-name>\n"
        "<command-args>patch</command-args>"
    )
    assert (local["type"], local["subtype"]) == ("system", "local_command")
    assert local["content"].startswith("<command-name>/model</command-name>")


def test_every_line_of_an_agent_file_bears_the_agent_and_the_session_of_its_parent() -> None:
    agent = ClaudeTranscript("the-parent", agent_id="a881341")
    agent.prompt()
    agent.call("Read")
    for line in records(bytes(agent)):
        assert (line["agentId"], line["isSidechain"]) == ("a881341", True)
        assert line["sessionId"] == "the-parent"


def test_progress_nests_an_agents_messages_with_their_ids() -> None:
    main, agent = ClaudeTranscript(), ClaudeTranscript(agent_id="a881341")
    call = main.call(subagent("Explore"), result=None)
    agent.prompt("Look.")
    message_id = agent.response(output_tokens=5)
    main.relay(agent, parent_tool_use_id=call)
    _, prompt, answer = records(bytes(main))
    assert prompt["data"]["message"]["message"]["content"] == [{"type": "text", "text": "Look."}]
    assert answer["data"]["message"]["message"]["id"] == message_id
    assert answer["data"]["agentId"] == "a881341"
    assert answer["parentToolUseID"] == call
    assert not answer["isSidechain"]


def test_included_sidechain_lines_keep_what_they_are() -> None:
    main, inside = ClaudeTranscript(), ClaudeTranscript(sidechain=True)
    main.prompt()
    inside.wait(30).prompt()
    main.include(inside)
    main.response()
    lines = records(bytes(main))
    assert [line["isSidechain"] for line in lines] == [False, True, False]
    assert lines[-1]["timestamp"] == "2026-03-02T09:00:31.000Z"


def test_a_fork_rewrites_the_session_and_keeps_everything_else() -> None:
    original = ClaudeTranscript()
    original.prompt()
    original.call("Bash")
    original.snapshot()
    original.raw(b'{"type":"user","mess\n')
    original.response("not copied")
    fork = original.fork("another-session", lines=5)
    copied = len(fork)
    fork.response("its own")
    assert fork.lines[3:copied] == original.lines[3:5]
    for old, new in zip(original.lines[:3], fork.lines[:3], strict=True):
        assert json.loads(new) == {**json.loads(old), "sessionId": "another-session"}
    own = json.loads(fork.lines[-1])
    last_of_original = json.loads(original.lines[-1])
    assert own["uuid"] != last_of_original["uuid"]
    assert own["parentUuid"] == json.loads(original.lines[2])["uuid"]
    assert own["timestamp"] > last_of_original["timestamp"]


def test_raw_bytes_are_written_as_they_are(tmp_path: Path) -> None:
    transcript = ClaudeTranscript()
    transcript.title("Grüße 🔥")
    transcript.raw(b"\xff\x00 no newline")
    path = transcript.write(tmp_path / "alice" / "shop" / "one.jsonl")
    assert path.read_bytes() == b"".join(transcript.lines)
    assert path.read_bytes().endswith(b"}\n\xff\x00 no newline")
    assert "Grüße 🔥".encode() in path.read_bytes()


@pytest.mark.parametrize(
    "write",
    [
        ClaudeTranscript.interrupt,
        ClaudeTranscript.compact_summary,
        ClaudeTranscript.task_notification,
        ClaudeTranscript.api_error,
        ClaudeTranscript.no_response,
        ClaudeTranscript.retry,
        ClaudeTranscript.hook_progress,
        ClaudeTranscript.hook_attachment,
        ClaudeTranscript.stop_hook_summary,
        ClaudeTranscript.turn_duration,
        ClaudeTranscript.away_summary,
        ClaudeTranscript.notice,
        ClaudeTranscript.reminder,
        ClaudeTranscript.microcompact_boundary,
        ClaudeTranscript.summary,
        ClaudeTranscript.queue_operation,
        ClaudeTranscript.last_prompt,
        ClaudeTranscript.mode,
        ClaudeTranscript.permission_mode,
        ClaudeTranscript.agent_name,
        ClaudeTranscript.pr_link,
        ClaudeTranscript.frame_link,
        ClaudeTranscript.title,
        ClaudeTranscript.snapshot,
        ClaudeTranscript.bash_input,
        ClaudeTranscript.bash_output,
        ClaudeTranscript.command_caveat,
        ClaudeTranscript.paste_image,
    ],
)
def test_every_method_writes_one_line(write: Callable[[ClaudeTranscript], object]) -> None:
    transcript = ClaudeTranscript()
    write(transcript)
    assert len(records(bytes(transcript))) == 1


@pytest.mark.parametrize("version", ["1.0.43", "2.0.76", "2.1.39", "2.1.114", "2.1.217"])
def test_what_is_typed_may_be_told_otherwise(version: str) -> None:
    transcript = ClaudeTranscript(version=version)
    transcript.prompt("Look.", origin={"kind": "channel"}, permissionMode="plan")
    transcript.prompt_blocks([text("Look.")], origin=None)
    typed, blocks = records(bytes(transcript))
    assert (typed["origin"], typed["permissionMode"]) == ({"kind": "channel"}, "plan")
    assert "origin" not in blocks


def one_line(version: str, write: Callable[[ClaudeTranscript], object]) -> Record:
    transcript = ClaudeTranscript(version=version)
    write(transcript)
    [line] = records(bytes(transcript))
    return line


def test_a_refused_call_tells_who_refused_it() -> None:
    transcript = ClaudeTranscript(version="2.1.217")
    transcript.reject(transcript.call("Bash", result=None), "not now")
    transcript.deny(transcript.call("WebFetch", result=None))
    _, rejected, _, denied = records(bytes(transcript))
    assert rejected["message"]["content"][0]["is_error"]
    assert rejected["message"]["content"][0]["content"].endswith("The user said:\nnot now")
    assert (rejected["toolDenialKind"], denied["toolDenialKind"]) == (
        "user-rejected",
        "automode-unavailable",
    )
    assert "WebFetch" in denied["message"]["content"][0]["content"]


def test_older_clients_tell_no_kind_of_denial_and_no_caller() -> None:
    transcript = ClaudeTranscript(version="1.0.98")
    transcript.reject(transcript.call("Bash", result=None))
    rejected = records(bytes(transcript))[-1]
    assert "toolDenialKind" not in rejected
    assert "sourceToolAssistantUUID" not in rejected
    assert rejected["toolUseResult"] == "User rejected tool use"


def test_a_fallback_tells_the_first_models_spending_in_its_iterations_alone() -> None:
    transcript = ClaudeTranscript()
    transcript.fall_back(refused_cache_write_1h_tokens=700, cache_read_tokens=90, output_tokens=5)
    marked, answered, told = records(bytes(transcript))
    assert marked["message"]["id"] == answered["message"]["id"]
    assert marked["message"]["content"][0]["type"] == "fallback"
    usage = answered["message"]["usage"]
    first, second = usage["iterations"]
    assert first["cache_creation"]["ephemeral_1h_input_tokens"] == 700
    assert usage["cache_creation_input_tokens"] == second["cache_creation_input_tokens"] == 0
    assert (first["model"], second["model"]) == (told["originalModel"], told["fallbackModel"])


def test_a_response_tells_how_it_was_served() -> None:
    served = {"speed": "fast", "service_tier": "priority", "inference_geo": "global"}
    line = one_line("2.0.76", lambda t: t.response(web_searches=2, **served))  # type: ignore[arg-type]
    usage = line["message"]["usage"]
    assert {name: usage[name] for name in served} == served
    assert usage["server_tool_use"] == {"web_search_requests": 2, "web_fetch_requests": 0}


@pytest.mark.parametrize("version", ["1.0.98", "2.1.39", "2.1.217"])
def test_a_synthetic_line_spends_nothing(version: str) -> None:
    line = one_line(version, ClaudeTranscript.no_response)
    assert line["message"]["model"] == "<synthetic>"
    assert line["isApiErrorMessage"] is False
    usage = line["message"]["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["service_tier"]) == (0, 0, None)


def test_a_task_ends_by_an_origin_of_its_own_in_newer_clients() -> None:
    older = one_line("2.1.39", ClaudeTranscript.task_notification)
    newer = one_line("2.1.114", ClaudeTranscript.task_notification)
    assert older["message"] == newer["message"]
    assert "origin" not in older
    assert newer["origin"] == {"kind": "task-notification"}


def test_a_subagent_has_ids_of_its_own_and_a_place() -> None:
    main = ClaudeTranscript("s1")
    uuid = main.prompt()
    agent = main.subagent("a881341")
    assert agent.prompt() != uuid
    assert main.subagent("b").prompt() not in (uuid, agent.last_uuid)
    assert records(bytes(agent))[0]["timestamp"] == main.now.strftime("%FT%T.000Z")
    assert str(main.path()) == "s1.jsonl"
    assert str(agent.path("flat")) == "agent-a881341.jsonl"
    assert str(agent.path()) == "s1/subagents/agent-a881341.jsonl"
    assert str(agent.path(below="workflows/w")) == "s1/subagents/workflows/w/agent-a881341.jsonl"


def test_a_session_may_go_on_under_another_id() -> None:
    transcript = ClaudeTranscript("s1")
    transcript.prompt()
    transcript.resume_as("s2")
    transcript.prompt()
    assert [line["sessionId"] for line in records(bytes(transcript))] == ["s1", "s2"]


def test_what_a_progress_line_tells_may_be_told_otherwise() -> None:
    hook = one_line("2.1.39", lambda t: t.hook_progress(data={"type": "hook_progress"}))
    told = one_line("2.1.39", lambda t: t.tool_progress(parent_tool_use_id="t", data={"output": 1}))
    assert hook["data"] == {"type": "hook_progress"}
    assert told["data"] == {"type": "bash_progress", "output": 1}
    assert (told["parentToolUseID"], told["toolUseID"]) == ("t", "bash_progress-0")


def test_an_attachment_holds_what_its_kind_usually_does_unless_it_is_given() -> None:
    usual = one_line("2.1.217", lambda t: t.attachment("task_reminder"))
    given = one_line(
        "2.1.217", lambda t: t.attachment("task_reminder", {"itemCount": 3, "x": None})
    )
    assert usual["attachment"] == {"type": "task_reminder", "content": [], "itemCount": 0}
    assert given["attachment"] == {"type": "task_reminder", "itemCount": 3}


def test_damage_is_done_to_the_last_lines() -> None:
    def damaged(damage: Callable[[ClaudeTranscript], object]) -> tuple[list[bytes], bytes]:
        transcript = ClaudeTranscript()
        transcript.prompt("one")
        transcript.prompt("two")
        whole = transcript.lines
        damage(transcript)
        return whole, bytes(transcript)

    (one, two), torn = damaged(ClaudeTranscript.tear)
    assert torn == one + two + two[: len(two) // 2] + b"\n"
    assert damaged(ClaudeTranscript.glue)[1] == one[:-1] + two
    assert damaged(ClaudeTranscript.pad)[1] == one + b"\0" * 16 + two
    assert damaged(ClaudeTranscript.nuls)[1] == one + two + b"\0" * 16 + b"\n"
    assert damaged(ClaudeTranscript.blank)[1] == one + two + b"\n"
    assert damaged(ClaudeTranscript.with_crlf)[1] == one[:-1] + b"\r\n" + two[:-1] + b"\r\n"
    assert damaged(ClaudeTranscript.with_bom)[1] == b"\xef\xbb\xbf" + one + two
    assert damaged(ClaudeTranscript.unended)[1] == one + two[:-1]
    assert damaged(ClaudeTranscript.cut)[1] == one + two[: len(two) // 2]
    assert damaged(lambda t: t.value([1]))[1] == one + two + b"[1]\n"


def test_half_of_a_surrogate_pair_is_written_as_its_escape() -> None:
    transcript = ClaudeTranscript()
    transcript.prompt("\ud83d and 🔥")
    assert b'"content":"\\ud83d and \xf0\x9f\x94\xa5"' in bytes(transcript)
    assert records(bytes(transcript))[0]["message"]["content"] == "\ud83d and 🔥"


# The builder of Codex's rollouts


def token_infos(rollout: CodexRollout) -> list[Any]:
    payloads = [record["payload"] for record in records(bytes(rollout))]
    return [payload["info"] for payload in payloads if payload.get("type") == "token_count"]


def test_codex_totals_grow_and_a_repeated_count_adds_nothing() -> None:
    rollout = CodexRollout()
    rollout.tokens(100, 60, 20, reasoning=5)
    rollout.tokens(200, 90, 30)
    rollout.repeat_tokens()
    rollout.null_tokens()
    first, second, repeated, null = token_infos(rollout)
    assert first["total_token_usage"] == first["last_token_usage"]
    assert second["total_token_usage"] == {
        "input_tokens": 300,
        "cached_input_tokens": 150,
        "output_tokens": 50,
        "reasoning_output_tokens": 5,
        "total_tokens": 350,
    }
    assert second["last_token_usage"]["total_tokens"] == 230
    assert repeated == second
    assert null is None


def test_a_codex_fork_names_its_origin_and_goes_on_from_the_copied_totals() -> None:
    rollout = CodexRollout("first")
    rollout.turn("gpt-5.5")
    rollout.tokens(100, 0, 10)
    copied = len(rollout)
    rollout.tokens(1000, 0, 10)
    fork = rollout.fork("second", lines=copied, subagent=True)
    fork.tokens(5, 0, 5)
    meta, copied_meta, *_ = records(bytes(fork))
    assert meta["payload"]["id"] == "second"
    assert meta["payload"]["forked_from_id"] == "first"
    assert meta["payload"]["source"]["subagent"]["thread_spawn"]["parent_thread_id"] == "first"
    assert copied_meta["payload"]["id"] == "first"
    assert fork.model == "gpt-5.5"
    assert token_infos(fork)[-1]["total_token_usage"]["total_tokens"] == 120


def test_a_codex_call_has_its_output_unless_nobody_answered() -> None:
    rollout = CodexRollout()
    failed = rollout.call(arguments={"cmd": "false"}, result="no", success=False)
    rollout.call(result=None)
    rollout.call("ask", {}, namespace="mcp__deepwiki")
    rollout.custom_call(success=False)
    payloads = [record["payload"] for record in records(bytes(rollout))]
    kinds = Counter(payload.get("type") for payload in payloads)
    assert kinds["function_call"] == 3
    assert kinds["function_call_output"] == 2
    assert kinds["mcp_tool_call_end"] == kinds["patch_apply_end"] == 1
    [output] = [p["output"] for p in payloads if p.get("call_id") == failed and "output" in p]
    assert "Process exited with code 1\n" in output
    assert rollout.relative_path.as_posix() == (
        "sessions/2026/03/02/rollout-2026-03-02T09-00-00-019cac2e-8d00-7c41-9a3b-4d5e6f708192.jsonl"
    )


@pytest.mark.parametrize("version", ["ü", "", "next", "²"])
def test_a_version_that_is_none_writes_what_the_newest_does(version: str) -> None:
    claude, codex = ClaudeTranscript(version=version), CodexRollout(version=version)
    claude.response()
    [answer] = records(bytes(claude))
    [meta] = records(bytes(codex))
    assert (answer["version"], meta["payload"]["cli_version"]) == (version, version)
    assert "iterations" in answer["message"]["usage"]
    assert "thread_source" in meta["payload"]


def test_an_older_codex_tells_less_of_where_it_runs() -> None:
    older, newer = CodexRollout(version="0.104.0-alpha.1"), CodexRollout(version="0.142.4")
    for rollout in (older, newer):
        rollout.turn()
    meta, _, context = (record["payload"] for record in records(bytes(older)))
    assert meta["source"] == "vscode"
    assert "thread_source" not in meta
    assert "session_id" not in meta
    assert "workspace_roots" not in context
    meta, _, context = (record["payload"] for record in records(bytes(newer)))
    assert (meta["thread_source"], meta["session_id"]) == ("user", meta["id"])
    assert context["workspace_roots"] == ["/work/shop"]


def test_a_spawned_codex_session_begins_with_nothing_but_its_parent() -> None:
    parent = CodexRollout("first", version="0.140.0")
    parent.tokens(100, 0, 10)
    child = parent.spawn("second")
    child.tokens(5, 0, 5)
    meta, count = (record["payload"] for record in records(bytes(child)))
    assert meta["parent_thread_id"] == "first"
    assert "forked_from_id" not in meta
    assert meta["cli_version"] == "0.140.0"
    assert count["info"]["total_token_usage"]["total_tokens"] == 10


def test_codex_tools_of_all_times_have_their_outputs() -> None:
    rollout = CodexRollout()
    shell = rollout.local_shell("make test", result="passed")
    search = rollout.tool_search("issues")
    items = [record["payload"] for record in records(bytes(rollout))[1:]]
    assert [(item["type"], item["call_id"]) for item in items] == [
        ("local_shell_call", shell),
        ("function_call_output", shell),
        ("tool_search_call", search),
        ("tool_search_output", search),
    ]


def test_codex_reasoning_shows_its_gist_to_the_screen_and_the_model() -> None:
    rollout = CodexRollout()
    rollout.reasoning("Round once.")
    rollout.reasoning()
    shown, told, hidden = (record["payload"] for record in records(bytes(rollout))[1:])
    assert (shown["type"], shown["text"]) == ("agent_reasoning", "Round once.")
    assert told["summary"] == [{"type": "summary_text", "text": "Round once."}]
    assert hidden["summary"] == []
