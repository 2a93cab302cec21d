"""The rows that records come to, straight from the extractor: no store, no run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from sessionmill.contracts import Extraction, Transcript
from sessionmill.decode.records import (
    Call,
    Command,
    Content,
    CopyRank,
    Event,
    Prompt,
    Record,
    Response,
    Result,
    Start,
)
from sessionmill.process.usage import Usage

AT = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
SOON = AT + timedelta(seconds=1)
TRANSCRIPT = Transcript(
    key="alice/0f3c.jsonl",
    username="alice",
    session_id="s1",
    agent="claude-code",
    path_kind="main",
)
PLACE_NAMES = ("client_version", "entrypoint", "cwd", "project", "agent_id")
PLACE = ("2.1.39", "cli", "/w/shop", "shop", "a7", CopyRank.MAIN)
NOWHERE = (None,) * 6


def record(offset: int = 0, at: datetime | None = AT, **fields: Any) -> Record:
    placed = {"cwd": "/w/shop", "client_version": "2.1.39", "agent_id": "a7", "entrypoint": "cli"}
    return Record(offset, offset + 10, "x", at, **{**placed, **fields})


def extract(*records: Record, carry: Any = None) -> Extraction:
    return Usage().extract(TRANSCRIPT, records, carry)


def rows(table: str, *records: Record) -> list[Any]:
    found = extract(*records).rows
    assert set(found) == {table.name for table in Usage.tables}
    return list(found[table])


def by_name(table: str, row: Any) -> dict[str, Any]:
    [columns] = [t.columns for t in Usage.tables if t.name == table]
    return dict(zip((column.name for column in columns), row, strict=True))


def test_the_processor_is_the_one_whose_rows_are_stored() -> None:
    assert (Usage.name, Usage.version) == ("usage", 2), "of another, everything is read again"
    assert Usage.cadence_minutes == 10


def test_what_is_taken_in_ends_where_the_last_record_does() -> None:
    extraction = extract(record(0), record(50))
    assert (extraction.safe_offset, extraction.carry) == (60, None)
    assert not any(extraction.rows.values())


# ── completion ──


def test_each_column_is_completed_by_its_rule() -> None:
    rules = {
        table.name: {
            rule: [column.name for column in table.columns if column.completion == rule]
            for rule in ("keep", "max", "min")
        }
        for table in Usage.tables
    }
    tokens = "input output cache_read cache_write_5m cache_write_1h".split()
    assert rules == {
        "responses": {
            "keep": ["response_id"],
            "max": [
                *(f"{name}_tokens" for name in tokens),
                "web_search_requests",
                "web_fetch_requests",
                "logged_cost_usd",
                "has_stop_reason",
                "content_tokens",
            ],
            "min": ["line_offset", "at", "copy_rank"],
        },
        "tool_calls": {
            "keep": ["tool_use_id"],
            "max": ["is_error", "result_bytes"],
            "min": ["line_offset", "at", "copy_rank", "result_at"],
        },
        "slash_commands": {
            "keep": ["command_id"],
            "max": [],
            "min": ["line_offset", "at", "copy_rank"],
        },
        "prompts": {
            "keep": ["prompt_id"],
            "max": ["characters", "repeated"],
            "min": ["line_offset", "at", "queued", "copy_rank"],
        },
        "events": {
            "keep": ["event_id"],
            "max": [],
            "min": ["line_offset", "at", "copy_rank"],
        },
        "malformed_lines": {"keep": ["line_offset"], "max": ["length_bytes"], "min": []},
    }


# ── responses ──


def said(offset: int = 0, *, response: Response | None = None, **fields: Any) -> Record:
    return record(offset, responses=(response or Response("m1", "opus", 1, 2),), **fields)


def test_a_response_is_a_row_with_everything_that_its_line_says() -> None:
    words = ("standard", "fast", "eu")
    full = Response("m1", "opus", 1, 2, 3, 4, 5, 6, 7, *words, 0.5, True)
    [row] = rows("responses", said(response=full))
    figures = (1, 2, 3, 4, 5, 6, 7, *words, 0.5, True, None)
    assert row == ("m1", 0, AT, "opus", *PLACE, *figures)
    [row] = rows("responses", said(cwd=None, at=None, agent_id=None, client_version=None))
    assert by_name("responses", row)["project"] is None


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"at": SOON},
        {"at": None},
        {"copy_rank": CopyRank.SIDECHAIN},
        {"cwd": None},
        {"agent_id": None},
        {"client_version": None},
        {"entrypoint": None},
        {"content": Content(text_bytes=10)},
        {"cwd": "/elsewhere", "agent_id": "b", "client_version": "9", "entrypoint": "sdk-py"},
    ],
    ids=str,
)
def test_a_line_that_adds_nothing_to_an_earlier_one_of_its_response_is_no_row(
    fields: dict[str, Any],
) -> None:
    assert len(rows("responses", said(), said(10, **fields))) == 1


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({}, {"response": Response("m1", "opus", 1, 3)}),
        ({}, {"response": Response("m2", "opus", 1, 2)}),
        ({}, {"response": Response("m1", "opus", 1, 2, ended=True)}),
        ({}, {"response": Response("m1", "opus", 1, 2, logged_cost_usd=0.5)}),
        ({}, {"at": AT - timedelta(seconds=1)}),
        ({"at": None}, {}),
        ({}, {"copy_rank": CopyRank.AGENT_FILE}),
        ({"cwd": None}, {}),
        ({"agent_id": None}, {}),
        ({"client_version": None}, {}),
        ({"entrypoint": None}, {}),
    ],
    ids=str,
)
def test_a_line_that_adds_something_is_a_row(
    earlier: dict[str, Any], later: dict[str, Any]
) -> None:
    assert len(rows("responses", said(**earlier), said(10, **later))) == 2


def test_a_line_is_compared_with_the_last_that_was_told_of_its_response() -> None:
    grown = Response("m1", "opus", 1, 9)
    told = rows("responses", said(), said(10, response=grown), said(20, response=grown), said(30))
    assert [row[1] for row in told] == [0, 10, 30]


def test_every_iteration_of_a_line_is_a_row() -> None:
    both = (Response("m1/0", "first", 1, 1), Response("m1", "opus", 1, 2))
    told = rows("responses", record(responses=both), record(10, responses=both))
    assert [row[0] for row in told] == ["m1/0", "m1"]


def test_a_line_of_iterations_is_compared_by_the_response_that_is_its_last() -> None:
    one, other = Response("m1/0", "first", 1, 1), Response("m1", "opus", 1, 2)
    lines = [record(responses=(one, other)), record(10, responses=(other,))]
    told = rows("responses", *lines, record(20, responses=(one, other)))
    assert [(row[0], row[1]) for row in told] == [
        ("m1/0", 0),
        ("m1", 0),
        ("m1", 10),
        ("m1/0", 20),
        ("m1", 20),
    ]


# ── what a response's content takes ──


def holding(id: str, content: Content, offset: int = 0, **fields: Any) -> Record:
    response = Response(id, "claude-opus-4-6", 1, 2)
    return record(offset, responses=(response,), content=content, **fields)


def taken(extraction: Extraction) -> dict[str, int]:
    """Return the most tokens that any row tells of each response's content."""
    found: dict[str, int] = {}
    for row in extraction.rows["responses"]:
        named = by_name("responses", row)
        if named["content_tokens"] is not None:
            id = named["response_id"]
            found[id] = max(named["content_tokens"], found.get(id, 0))
    return found


def test_content_is_added_up_over_the_lines_of_a_response() -> None:
    lines = [
        holding("m1", Content(text_bytes=100)),
        holding("m2", Content(argument_bytes=1000, calls=2), 10),
        holding("m1", Content(thinking_bytes=50, signature_bytes=1150), 20),
    ]
    assert taken(extract(*lines)) == {"m1": 30 + 168, "m2": 300 + 2 * 55}


@pytest.mark.parametrize("cut", range(1, 6))
def test_content_is_added_up_over_slices(cut: int) -> None:
    lines = [holding(f"m{n % 2}", Content(text_bytes=100 * n), 10 * n) for n in range(6)]
    before = extract(*lines[:cut])
    after = extract(*lines[cut:], carry=msgpack_round(before.carry))
    largest = {id: max(taken(before).get(id, 0), taken(after).get(id, 0)) for id in ("m0", "m1")}
    assert largest == taken(extract(*lines)) == {"m0": 30 * 6, "m1": 30 * 9}


def test_a_line_and_the_progress_line_that_quotes_it_are_not_added_up() -> None:
    content = Content(text_bytes=100)
    lines = [
        holding("m1", content, copy_rank=CopyRank.SIDECHAIN),
        holding("m1", content, 10, copy_rank=CopyRank.PROGRESS),
    ]
    assert taken(extract(*lines)) == {"m1": 30}


def test_the_responses_touched_last_are_remembered_whatever_the_cut() -> None:
    """The first is forgotten at the 33rd, and begins anew: cut or not, half of it is told."""
    text = Content(text_bytes=100)
    lines = [holding(f"m{n}", text, 10 * n) for n in range(33)]
    lines += [holding("m0", text, 330), holding("m32", text, 340)]
    whole = extract(*lines)
    assert (taken(whole)["m0"], taken(whole)["m32"]) == (30, 60)
    for cut in (1, 20, 33, 34):
        before = extract(*lines[:cut])
        after = extract(*lines[cut:], carry=msgpack_round(before.carry))
        assert after.carry == whole.carry
        assert {**taken(before), **taken(after)} == taken(whole)


def test_what_is_remembered_of_content_is_small_however_long_ids_are() -> None:
    lines = [holding("ü" * 100_000 + str(n), Content(text_bytes=1), n) for n in range(50)]
    assert len(msgspec.msgpack.encode(extract(*lines).carry)) < 8_000


def msgpack_round(carry: Any) -> Any:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(carry))


# ── calls ──


@pytest.mark.parametrize(
    ("call", "kinds"),
    [
        (Call("t1", "Bash"), ("tool", None, None, None, None)),
        (Call("t1", "Skill", "shop:deploy"), ("skill", "shop:deploy", None, None, "shop")),
        (Call("t1", "Skill", "deploy"), ("skill", "deploy", None, None, None)),
        (Call("t1", "Skill", ":deploy"), ("skill", ":deploy", None, None, None)),
        (Call("t1", "Skill"), ("skill", None, None, None, None)),
        (Call("t1", "Task", None, "a:b:c"), ("subagent", None, "a:b:c", None, "a")),
        (Call("t1", "Agent", None, "x"), ("subagent", None, "x", None, None)),
        (Call("t1", "mcp__linear__get__it"), ("mcp", None, None, "linear", None)),
        (Call("t1", "mcp__linear"), ("mcp", None, None, "linear", None)),
        (Call("t1", "mcp____get"), ("mcp", None, None, None, None)),
    ],
)
def test_a_call_is_a_row_of_its_kind(call: Call, kinds: tuple[Any, ...]) -> None:
    [row] = rows("tool_calls", record(calls=(call,)))
    named = ("t1", 0, AT, call.name, *kinds, *(None,) * 4)
    assert row == (*named, *PLACE, *(None,) * 10)


def test_a_call_says_what_ran_and_what_it_asks_to_change_and_its_result_what_was_changed() -> None:
    call = Call("t1", "Edit", None, None, "git", 7, 3, 2, 9)
    asked, changed, started = rows(
        "tool_calls",
        record(calls=(call,)),
        record(10, results=(Result("t1", False, 4, None, 5, 6, "b8"),)),
        record(20, start=Start("t1", "b8"), copy_rank=CopyRank.PROGRESS),
    )
    told = {name: value for name, value in by_name("tool_calls", asked).items() if value}
    assert told == {
        **{"tool_use_id": "t1", "at": AT, "name": "Edit", "kind": "tool"},
        **{"program": "git", "input_hash": 7, "copy_rank": CopyRank.MAIN},
        **dict(zip(PLACE_NAMES, PLACE, strict=False)),
        **{"asked_lines_added": 3, "asked_lines_removed": 2, "asked_file_hash": 9},
    }
    told = by_name("tool_calls", changed)
    assert [told[f"patch_lines_{side}"] for side in ("added", "removed")] == [5, 6]
    assert (told["started_agent_id"], told["error_kind"]) == ("b8", None)
    told = {name: value for name, value in by_name("tool_calls", started).items() if value}
    place = {"tool_use_id": "t1", "line_offset": 20, "copy_rank": CopyRank.PROGRESS}
    assert told == {**place, "started_agent_id": "b8"}


def test_of_a_running_sub_agent_one_line_tells_which_call_has_started_it() -> None:
    starts = [Start("t1", "a"), Start("t1", "a"), Start("t2", "b"), Start("t1", "a")]
    made = rows("tool_calls", *(record(n, start=start) for n, start in enumerate(starts)))
    assert [row[0] for row in made] == ["t1", "t2"]


def test_events_of_a_line_are_told_apart_by_number_and_what_was_stopped_by_its_own_id() -> None:
    commits = (Event("commit", "1a2b3c4"), Event("commit", "5d6e7f8"))
    stopped = Event("hook_block", "PreToolUse", id="t1")
    made = rows(
        "events",
        record(0, uuid="u1", events=commits),
        record(10, events=commits),
        record(20, uuid="u2", events=(stopped,)),
        record(30, events=(stopped, Event("compaction", "auto", tokens_before=5))),
    )
    key = TRANSCRIPT.key
    assert [row[0] for row in made] == [
        *("u1", "u1/1", f"{key}:10", f"{key}:10/1"),
        *("hook_block:t1", "hook_block:t1", f"{key}:30/1"),
    ]
    assert made[0] == ("u1", 0, AT, "commit", "1a2b3c4", None, *PLACE)
    assert made[-1][3:6] == ("compaction", "auto", 5)


def test_a_call_is_of_the_response_that_made_it_which_is_the_last_of_its_line() -> None:
    both = (Response("m1/0", "first"), Response("m1", "opus"))
    calls = (Call("t1", "Bash"), Call("t2", "Bash"))
    made = [
        by_name("tool_calls", row)
        for row in rows("tool_calls", record(responses=both, calls=calls))
    ]
    assert [(row["tool_use_id"], row["response_id"], row["model"]) for row in made] == [
        ("t1", "m1", "opus"),
        ("t2", "m1", "opus"),
    ]


def test_a_result_fills_in_what_it_says_and_no_more() -> None:
    [row] = rows("tool_calls", record(40, results=(Result("t1", True, 7),)))
    assert row == ("t1", 40, None, *(None,) * 10, *PLACE, True, AT, 7, *(None,) * 7)


# ── commands and malformed lines ──


@pytest.mark.parametrize(("name", "plugin"), [("/clear", None), ("/shop:deploy", "shop")])
def test_a_command_is_a_row_with_its_plugin(name: str, plugin: str | None) -> None:
    [row] = rows("slash_commands", record(command=Command("u1", name)))
    assert row == ("u1", 0, AT, name, plugin, *PLACE)


def test_a_malformed_line_is_a_row_with_its_length() -> None:
    assert rows("malformed_lines", record(40, malformed="invalid UTF-8")) == [
        (40, 10, "invalid UTF-8")
    ]


# ── prompts ──


def typed(id: str, text: int = 1, *, queued: bool = False, at: datetime | None = AT) -> Record:
    prompt = Prompt(id, text_hash=text, characters=9, queued=queued)
    return record(at=at, prompt=prompt)


def marks(*records: Record, carry: Any = None) -> list[tuple[str, Any, bool]]:
    """Return (id, queued, repeated) of each row."""
    named = [by_name("prompts", row) for row in extract(*records, carry=carry).rows["prompts"]]
    return [(row["prompt_id"], row["queued"], row["repeated"]) for row in named]


def test_a_prompt_is_a_row() -> None:
    assert rows("prompts", typed("u1")) == [("u1", 0, AT, 9, False, False, *PLACE)]
    assert rows("prompts", typed("q1", queued=True)) == [("q1", 0, AT, 9, True, False, *PLACE)]


def test_a_queued_prompt_that_a_line_repeats_is_marked_once() -> None:
    queued, line = typed("q1", queued=True), typed("u1")
    assert marks(queued, line, typed("u2")) == [
        ("q1", True, False),
        ("u1", False, False),
        ("q1", None, True),
        ("u2", False, False),
    ]
    [*_, mark, _] = rows("prompts", queued, line, typed("u2"))
    assert mark == ("q1", None, None, None, None, True, *NOWHERE)


def test_two_queued_prompts_of_one_text_are_paired_with_two_lines_in_order() -> None:
    queue = [typed("q1", queued=True), typed("q2", queued=True)]
    told = marks(*queue, typed("u1"), typed("u2"), typed("u3"))
    assert [id for id, _, repeated in told if repeated] == ["q1", "q2"]


def test_a_line_of_another_text_repeats_nothing() -> None:
    assert not any(repeated for *_, repeated in marks(typed("q1", 1, queued=True), typed("u1", 2)))
    assert not any(repeated for *_, repeated in marks(typed("u1", 2), typed("q1", 1, queued=True)))


@pytest.mark.parametrize(
    ("line", "queued", "repeated"),
    [
        (AT, AT, True),
        (SOON, AT, True),
        (AT, SOON, False),
        (None, AT, False),
        (AT, None, False),
        (None, None, False),
    ],
    ids=str,
)
def test_a_line_before_its_queued_prompt_repeats_it_only_if_it_came_later(
    line: datetime | None, queued: datetime | None, repeated: bool
) -> None:
    told = marks(typed("u1", at=line), typed("q1", queued=True, at=queued))
    assert told == [("u1", False, False), ("q1", True, repeated)]


def test_a_line_that_was_paired_is_paired_no_more() -> None:
    told = marks(typed("u1"), typed("q1", queued=True), typed("q2", queued=True))
    assert [repeated for *_, repeated in told] == [False, True, False]


def test_a_queued_prompt_that_names_the_very_line_is_one_row_with_it_and_not_marked() -> None:
    assert marks(typed("u1", queued=True), typed("u1")) == [
        ("u1", True, False),
        ("u1", False, False),
    ]
    told = marks(typed("u1"), typed("u1", queued=True, at=SOON), typed("q2", queued=True))
    assert [repeated for *_, repeated in told] == [False, False, False]


def test_what_is_remembered_is_carried_on() -> None:
    [carry, _] = extract(typed("q1", queued=True), typed("u5", 5)).carry
    assert carry == [[(5, "u5", AT.timestamp())], [(1, "q1", AT.timestamp())]]
    as_read = [[[list(seen) for seen in part] for part in carry], None]
    told = marks(typed("u1"), typed("q5", 5, queued=True), carry=as_read)
    assert told == [("u1", False, False), ("q1", None, True), ("q5", True, True)]
    assert extract(typed("u1"), typed("q5", 5, queued=True), carry=as_read).carry is None


def test_a_queued_prompt_alone_and_a_typed_one_alone_are_carried_on() -> None:
    assert extract(typed("q1", queued=True)).carry == ([[], [(1, "q1", AT.timestamp())]], None)
    assert extract(typed("u1", at=None)).carry == ([[(1, "u1", None)], []], None)


@pytest.mark.parametrize("queued", [True, False])
def test_two_hundred_of_either_kind_are_remembered(queued: bool) -> None:
    many = [typed(f"p{n}", n, queued=queued) for n in range(201)]
    kept = extract(*many).carry[0][1 if queued else 0]
    assert [id for _, id, _ in kept] == [f"p{n}" for n in range(1, 201)]
