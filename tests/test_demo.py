"""The builders write what the agents write, and the generated team holds every kind of it."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sessionmill.demo.team import DemoSummary, generate
from sessionmill.testing import ClaudeTranscript, CodexRollout, mcp, skill, subagent

Record = dict[str, Any]


def records(data: bytes) -> list[Record]:
    return [json.loads(line) for line in data.splitlines()]


@dataclass(frozen=True)
class Team:
    folder: Path
    summary: DemoSummary
    files: dict[str, bytes]

    def claude(self) -> dict[str, list[Record]]:
        return {p: list(self._decoded(d)) for p, d in self.files.items() if "/sessions/" not in p}

    def codex(self) -> dict[str, list[Record]]:
        return {p: list(self._decoded(d)) for p, d in self.files.items() if "/sessions/" in p}

    def claude_records(self) -> list[Record]:
        return [record for file in self.claude().values() for record in file]

    def codex_payloads(self) -> list[Record]:
        return [record["payload"] for file in self.codex().values() for record in file]

    def blocks(self) -> Iterator[Record]:
        for record in self.claude_records():
            content = record.get("message", {}).get("content")
            yield from content if isinstance(content, list) else ()

    @staticmethod
    def _decoded(data: bytes) -> Iterator[Record]:
        for line in data.splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue


def read(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.jsonl")}


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    folder = tmp_path_factory.mktemp("team")
    summary = generate(folder)
    return Team(folder, summary, read(folder))


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
        ClaudeTranscript.hook_progress,
        ClaudeTranscript.summary,
        ClaudeTranscript.queue_operation,
    ],
)
def test_every_method_writes_one_line(write: Callable[[ClaudeTranscript], object]) -> None:
    transcript = ClaudeTranscript()
    write(transcript)
    assert len(records(bytes(transcript))) == 1


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


# The team


def test_the_same_seed_gives_the_same_bytes(team: Team, tmp_path: Path) -> None:
    generate(tmp_path / "again")
    assert read(tmp_path / "again") == team.files


def test_another_seed_gives_other_transcripts(team: Team, tmp_path: Path) -> None:
    generate(tmp_path / "other", seed=2)
    assert not set(read(tmp_path / "other")) & set(team.files)


def test_the_summary_tells_what_was_written(team: Team) -> None:
    assert team.summary == DemoSummary(
        transcripts=len(team.files), bytes=sum(map(len, team.files.values())), users=4
    )
    assert 24 <= team.summary.transcripts <= 99
    assert team.summary.bytes < 3_000_000
    assert {path.partition("/")[0] for path in team.files} == {"alice", "bruno", "chen", "dalia"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_line_but_one_is_an_object(tmp_path: Path, seed: int) -> None:
    generate(tmp_path / "team", seed=seed)
    refused = 0
    for data in read(tmp_path / "team").values():
        assert data.endswith(b"\n")
        for line in data.splitlines():
            try:
                assert isinstance(json.loads(line), dict)
            except ValueError:
                refused += 1
    assert refused == 1


def test_times_stay_within_the_days_asked_for(team: Team) -> None:
    days = {r["timestamp"][:10] for r in team.claude_records() if "timestamp" in r}
    assert min(days) >= "2026-03-02"
    assert max(days) <= "2026-03-15"
    assert len(days) >= 7


def test_clients_of_several_generations_are_used(team: Team) -> None:
    versions = {r["version"] for r in team.claude_records() if "version" in r}
    assert versions == {"1.0.98", "2.0.76", "2.1.30", "2.1.217"}


def test_subagents_are_recorded_in_each_form(team: Team) -> None:
    files = team.claude()
    mains = {p: f for p, f in files.items() if "agent-" not in p}
    assert any(re.fullmatch(r"\w+/-work-[\w-]+/agent-\w+\.jsonl", path) for path in files)
    assert any(re.fullmatch(r".+/[\w-]{36}/subagents/agent-\w+\.jsonl", path) for path in files)
    inside = [r for file in mains.values() for r in file if r.get("isSidechain")]
    assert inside
    assert not any("agentId" in record for record in inside)
    told = {
        r["data"]["agentId"]
        for file in mains.values()
        for r in file
        if r.get("data", {}).get("type") == "agent_progress"
    }
    kept = {path.rpartition("agent-")[2].removesuffix(".jsonl") for path in files}
    assert told & kept, "the same messages in an agent file and in progress lines"
    assert told - kept, "progress lines as the only record"


def test_every_kind_of_invocation_occurs(team: Team) -> None:
    uses = [block for block in team.blocks() if block["type"] == "tool_use"]
    names = {use["name"] for use in uses}
    assert {"Task", "Agent", "Skill", "Bash", "Read", "Edit", "Grep"} <= names
    assert any(name.startswith("mcp__") for name in names)
    skills = {use["input"]["skill"] for use in uses if use["name"] == "Skill"}
    assert {"commit", "superpowers:writing-plans"} <= skills
    texts = [
        content
        for r in team.claude_records()
        if isinstance(content := r.get("content") or r.get("message", {}).get("content"), str)
    ]
    assert any(text.startswith("<command-name>") for text in texts)
    assert any(text.startswith("<command-message>") for text in texts)
    assert any(text.startswith("<local-command-stdout>") for text in texts)
    assert any(text.startswith("<task-notification>") for text in texts)


def test_errors_and_calls_without_an_answer_occur(team: Team) -> None:
    results = {b["tool_use_id"]: b for b in team.blocks() if b["type"] == "tool_result"}
    uses = {block["id"] for block in team.blocks() if block["type"] == "tool_use"}
    assert any(result.get("is_error") for result in results.values())
    assert len(uses - set(results)) == 1
    assert set(results) <= uses
    failed = [r for r in team.claude_records() if r.get("isApiErrorMessage")]
    assert {record["message"]["model"] for record in failed} == {"<synthetic>"}


def test_usage_is_split_grows_and_names_iterations(team: Team) -> None:
    output: dict[str, set[int]] = {}
    usages = []
    for record in team.claude_records():
        message = record.get("message", {})
        if "usage" in message:
            usages.append(message["usage"])
            output.setdefault(message["id"], set()).add(message["usage"]["output_tokens"])
    assert any(len(values) > 1 for values in output.values())
    assert any("cache_creation" not in usage for usage in usages)
    written = [usage.get("cache_creation", {}) for usage in usages]
    assert any(split.get("ephemeral_1h_input_tokens") for split in written)
    assert any(split.get("ephemeral_5m_input_tokens") for split in written)
    assert any(usage["cache_read_input_tokens"] > 20_000 for usage in usages)
    assert {len(usage.get("iterations", ())) for usage in usages} == {0, 1, 2}


def test_the_lines_of_newer_clients_occur(team: Team) -> None:
    all_records = team.claude_records()
    types = {record["type"] for record in all_records}
    assert {"attachment", "summary", "custom-title", "file-history-snapshot"} <= types
    assert {"progress", "queue-operation", "system"} <= types
    assert any("attributionSkill" in record for record in all_records)
    assert any("attributionPlugin" in record for record in all_records)
    assert any("attributionMcpServer" in record for record in all_records)
    assert any(record.get("isCompactSummary") for record in all_records)
    assert any(record.get("subtype") == "compact_boundary" for record in all_records)


def test_uuids_occur_in_two_files_only_where_a_session_was_forked(team: Team) -> None:
    files_of: dict[str, set[str]] = {}
    for path, file in team.claude().items():
        uuids = [record["uuid"] for record in file if "uuid" in record]
        assert len(uuids) == len(set(uuids))
        for uuid in uuids:
            files_of.setdefault(uuid, set()).add(path)
    shared = {frozenset(paths) for paths in files_of.values() if len(paths) > 1}
    [pair] = shared
    for path in pair:
        session = Path(path).stem
        assert {r["sessionId"] for r in team.claude()[path] if "sessionId" in r} == {session}


def test_one_user_has_codex_rollouts_too(team: Team) -> None:
    assert {path.partition("/")[0] for path in team.codex()} == {"bruno"}
    payloads = team.codex_payloads()
    kinds = Counter(payload.get("type") for payload in payloads)
    assert kinds["token_count"] > 20
    assert kinds["mcp_tool_call_end"]
    assert kinds["custom_tool_call"]
    assert kinds["turn_aborted"] == kinds["context_compacted"] == 1
    assert kinds["function_call"] > kinds["function_call_output"]
    assert any("forked_from_id" in payload for payload in payloads)
    metas = [sum(r["type"] == "session_meta" for r in file) for file in team.codex().values()]
    assert Counter(metas) == {1: 4, 2: 2}, "one was reopened, and a fork holds the other's"


@pytest.mark.parametrize(("users", "days"), [(1, 1), (2, 3), (9, 30)])
def test_smaller_and_larger_teams_hold_everything_too(
    tmp_path: Path, users: int, days: int
) -> None:
    summary = generate(tmp_path, users=users, days=days)
    team = Team(tmp_path, summary, read(tmp_path))
    test_clients_of_several_generations_are_used(team)
    test_subagents_are_recorded_in_each_form(team)
    test_every_kind_of_invocation_occurs(team)
    test_errors_and_calls_without_an_answer_occur(team)
    test_usage_is_split_grows_and_names_iterations(team)
    test_the_lines_of_newer_clients_occur(team)
    test_uuids_occur_in_two_files_only_where_a_session_was_forked(team)


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"is not empty\. .* name another one\.$"):
        generate(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


@pytest.mark.parametrize(("users", "days"), [(0, 14), (1000, 14), (4, 0)])
def test_an_impossible_team_is_refused(tmp_path: Path, users: int, days: int) -> None:
    with pytest.raises(ValueError, match="A team has 1 to"):
        generate(tmp_path, users=users, days=days)


def test_a_size_is_reached_by_sessions_with_ids_of_their_own(team: Team, tmp_path: Path) -> None:
    summary = generate(tmp_path, size_bytes=12_000_000)
    files = read(tmp_path)
    assert sum(map(len, files.values())) == summary.bytes >= 12_000_000
    assert summary.bytes < 24_000_000
    added = Team(tmp_path, summary, {p: d for p, d in files.items() if p not in team.files})
    assert added.files.keys() | team.files.keys() == files.keys()
    uuids = Counter(record["uuid"] for record in added.claude_records())
    calls = Counter(block["id"] for block in added.blocks() if block["type"] == "tool_use")
    assert max(uuids.values()) == max(calls.values()) == 1
    lines = sum(data.count(b"\n") for data in added.files.values())
    assert len(uuids) == lines, "every line added is an object with a uuid of its own"
    assert 1_500 < sum(map(len, added.files.values())) / lines < 4_000
    mains = {p: f for p, f in added.claude().items() if "agent-" not in p}
    for path, file in mains.items():
        assert {record["sessionId"] for record in file} == {Path(path).stem}


def test_a_large_team_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    assert generate(one, size_bytes=4_000_000) == generate(other, size_bytes=4_000_000)
    assert read(one) == read(other)
