"""Damage of each kind has one outcome, and costs no more than the line, or the field, it is in."""

from __future__ import annotations

import io
import json
import shutil
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest
from books import Books, Row
from made_up import edges

from sessionmill.decode.lines import TranscriptDecoder
from sessionmill.decode.records import Record
from sessionmill.decode.tail import LONGEST_LINE, Reader, Rest
from sessionmill.process.inventory import Inventory
from sessionmill.testing import ClaudeTranscript, CodexRollout, MemoryStore, ToolUse

KEY = "alice/0f3c.jsonl"
MIB = 1024 * 1024


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    with Books(tmp_path) as books:
        yield books


def read(books: Books, content: bytes, key: str = KEY) -> dict[str, int]:
    books.put(key, content)
    books.take_in()
    return books.totals()


def line_of(write: Callable[[ClaudeTranscript], object], **options: Any) -> bytes:
    """Write one line."""
    transcript = ClaudeTranscript("s1", **options)
    write(transcript)
    [line] = transcript.lines
    return line


def answer(id: str, output_tokens: int) -> bytes:
    return line_of(lambda t: t.response(id=id, output_tokens=output_tokens))


def bare(line: bytes) -> bytes:
    return line.removesuffix(b"\n")


def changed(line: bytes, change: Callable[[Row], object]) -> bytes:
    """Change what a line says."""
    record = json.loads(line)
    change(record)
    return json.dumps(record).encode() + b"\n"


FIRST, LAST = answer("msg_first", 1), answer("msg_last", 2)
NAMELESS = line_of(lambda t: t.meta("hi", sessionId=None, version=None, cwd=None))


def line_types(books: Books) -> dict[str, int]:
    rows = books.ask("SELECT line_type, sum(lines)::BIGINT AS lines FROM line_types GROUP BY ALL")
    return {row["line_type"]: row["lines"] for row in rows}


def summed(books: Books, column: str) -> int:
    [row] = books.ask(f"SELECT coalesce(sum({column}), 0)::BIGINT AS n FROM line_types")  # noqa: S608
    return int(row["n"])


# Lines that cannot be read

MALFORMED = {
    "a text without its end": b'{"type":"user","message":{"content":"cut of',
    "a comment": b"// a comment",
    "a bare word": b"nothing",
    "a single quote": b"{'type':'user'}",
    "half an object": b'{"type":"user",',
    "a number and more": b"1 2",
    "an object and half of one": bare(answer("msg_x", 9)) + b'{"type":',
    "an object and a word": bare(answer("msg_x", 9)) + b"more",
    "an object and a list": bare(answer("msg_x", 9)) + b"[]",
    "NULs alone": b"\0\0\0\0",
    "a control character": b'{"type":"user","uuid":"a\x01b"}',
    "deep nesting": b'{"type":"user","uuid":"x","content":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "deep nesting that does not end": b"[" * 100_000,
}


@pytest.mark.parametrize("damaged", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_line_that_cannot_be_read_is_told_of_and_the_rest_goes_on(
    books: Books, damaged: bytes
) -> None:
    totals = read(books, FIRST + damaged + b"\n" + LAST)

    assert (totals["responses"], totals["malformed_lines"]) == (2, 1)
    row = books.row("malformed_lines")
    assert (row["line_offset"], row["length_bytes"]) == (len(FIRST), len(damaged) + 1)
    assert row["reason"]
    assert line_types(books) == {"assistant": 2, "(malformed)": 1}
    assert books.rows("line_types", "line_type = '(malformed)' AND known") == []


@pytest.mark.parametrize("damaged", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_first_line_that_cannot_be_read_leaves_the_rest_to_be_recognised(
    books: Books, damaged: bytes
) -> None:
    totals = read(books, damaged + b"\n" + FIRST + LAST)

    assert (totals["responses"], totals["malformed_lines"]) == (2, 1)
    assert books.row("malformed_lines")["agent"] == "claude-code"


NO_UTF8 = {
    "in the answer's text": (("message", "content", 0, "text"), 0),
    "in an id": (("uuid",), 1),
    "in a field that is not read": (("gitBranch",), 0),
}


@pytest.mark.parametrize(("path", "recovered"), NO_UTF8.values(), ids=NO_UTF8.keys())
@pytest.mark.parametrize("first", [True, False])
def test_bytes_that_are_no_utf8_cost_no_line_whatever_field_they_stand_in(
    books: Books, path: tuple[str | int, ...], recovered: int, first: bool
) -> None:
    told = changed(answer("msg_x", 50), set_in(*path, value="here")).replace(b"here", b"a\xff\xc3b")

    totals = read(books, b"".join([told, LAST] if first else [FIRST, told]))

    assert (totals["responses"], totals["malformed_lines"]) == (2, 0)
    assert totals["output_tokens"] == 50 + (2 if first else 1)
    assert summed(books, "recovered_lines") == recovered


def test_a_malformed_line_of_a_rollout_breaks_no_count(books: Books) -> None:
    rollout = CodexRollout()
    rollout.turn()
    rollout.tokens(1000, 0, 10)
    rollout.raw(b'{"timestamp":"2026-03-02T09\n')
    rollout.tokens(1000, 0, 20)

    totals = read(books, bytes(rollout))

    assert (totals["output_tokens"], totals["malformed_lines"]) == (30, 1)


# Lines that say nothing


@pytest.mark.parametrize(
    ("value", "type"),
    [
        (b"null", "(null)"),
        (b"7", "(int)"),
        (b"1.5", "(float)"),
        (b"true", "(bool)"),
        (b'"text"', "(str)"),
        (b"[1, 2]", "(list)"),
        (b"[]", "(list)"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_json_that_is_no_object_is_a_line_of_an_unknown_type(
    books: Books, value: bytes, type: str, first: bool
) -> None:
    lines = [value + b"\n", FIRST, LAST] if first else [FIRST, value + b"\n", LAST]

    totals = read(books, b"".join(lines))

    assert (totals["responses"], totals["malformed_lines"]) == (2, 0)
    assert line_types(books) == {"assistant": 2, type: 1}
    assert summed(books, "lines") == 3
    assert books.row("line_types", "NOT known")["line_type"] == type


@pytest.mark.parametrize("blank", [b"\n", b"   \n", b"\r\n", b"\t \r\n", b"\n\n\n"])
def test_blank_lines_are_none(books: Books, blank: bytes) -> None:
    totals = read(books, blank + FIRST + blank + LAST + blank)

    assert (totals["responses"], totals["malformed_lines"]) == (2, 0)
    assert line_types(books) == {"assistant": 2}


@pytest.mark.parametrize("content", [b"", b"\n", b"  ", b"\xef\xbb\xbf", b"\r\n\r\n"])
def test_an_empty_file_is_a_transcript_without_rows(books: Books, content: bytes) -> None:
    totals = read(books, content)

    assert (totals["transcripts"], totals["sessions"]) == (1, 0)
    assert books.ask("SELECT agent FROM transcripts") == [{"agent": "unknown"}]
    assert all(not rows for table, rows in books.tables().items() if table != "transcripts")
    assert all(state["attempts"] == 0 for state in books.ask("FROM session_processor_state"))


def test_an_empty_file_that_grows_is_read(books: Books) -> None:
    read(books, b"")

    assert read(books, FIRST)["responses"] == 1


@pytest.mark.parametrize(
    "content",
    [
        b'{"role": "user", "text": "hi"}\n{"role": "assistant"}\n',
        b'{"type": "session.start", "data": {}}\n',
        b'{"type": "event_msg", "payload": "text"}\n',
        b'{"type": 7, "uuid": "x"}\n',
        b'{\n  "messages": []\n}\n',
        b"\x89PNG\r\n\x1a\n\0\0\0",
    ],
)
def test_a_file_of_no_known_format_is_an_unknown_transcript(books: Books, content: bytes) -> None:
    totals = read(books, content)

    assert (totals["transcripts"], totals["sessions"], totals["responses"]) == (1, 0, 0)
    assert books.ask("SELECT agent FROM transcripts") == [{"agent": "unknown"}]


def test_lines_before_the_one_that_decides_say_nothing_and_are_counted(books: Books) -> None:
    totals = read(books, b'{"type":"greeting"}\n{"a":1}\n' + FIRST)

    assert totals["responses"] == 1
    assert line_types(books) == {"(undecided)": 2, "assistant": 1}
    assert {row["agent"] for row in books.rows("line_types")} == {"claude-code"}


# Fields of a wrong type


def set_in(*path: str | int, value: object) -> Callable[[Row], None]:
    def change(record: Row) -> None:
        place: Any = record
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = value

    return change


LOST = [
    ("uuid",),
    ("timestamp",),
    ("cwd",),
    ("version",),
    ("isSidechain",),
    ("isMeta",),
    ("origin",),
    ("message", "model"),
    ("message", "usage", "input_tokens"),
    ("message", "usage", "cache_creation"),
    ("message", "usage", "cache_creation", "ephemeral_5m_input_tokens"),
    ("message", "usage", "server_tool_use"),
    ("message", "usage", "service_tier"),
    ("message", "usage", "iterations"),
]


WRONG: tuple[object, ...] = ([7], {"a": []}, 1.5)
OBJECTS = ("cache_creation", "server_tool_use", "origin")


@pytest.mark.parametrize(
    "wrong", [WRONG[:1], pytest.param(WRONG, marks=pytest.mark.soak)], ids=["a list", "all"]
)
def test_a_field_of_a_wrong_type_is_lost_alone(books: Books, wrong: Sequence[object]) -> None:
    pairs = [
        (path, value)
        for path, value in product(LOST, wrong)
        if not (path[-1] in OBJECTS and isinstance(value, dict))
    ]
    for path, value in pairs:
        damaged = changed(answer("msg_x", 50), set_in(*path, value=value))
        books.put(f"{'.'.join(path)} as {value}/0f3c.jsonl", FIRST + damaged)

    books.take_in()

    responses = books.ask(
        "SELECT username, count(*) AS n, sum(output_tokens)::BIGINT AS output_tokens"
        " FROM responses WHERE counted GROUP BY username"
    )
    read_lines = books.ask(
        "SELECT username, sum(lines)::BIGINT AS n, sum(lost_fields)::BIGINT AS lost_fields,"
        " max(line_type) AS line_type FROM line_types GROUP BY username"
    )
    assert len(responses) == len(read_lines) == len(pairs)
    for row in responses:
        assert (row["n"], row["output_tokens"]) == (2, 51), row["username"]
    for row in read_lines:
        assert (row["n"], row["lost_fields"], row["line_type"]) == (2, 1, "assistant"), row
    assert books.rows("malformed_lines") == []


@pytest.mark.parametrize("figure", ["10", -1, 1.5, True, [10], 2**63, 2**64, 10**30])
def test_a_figure_that_is_no_count_is_lost_and_the_others_stay(
    books: Books, figure: object
) -> None:
    def change(record: Row) -> None:
        record["message"]["usage"] |= {"input_tokens": figure, "output_tokens": 50}

    totals = read(books, FIRST + changed(answer("msg_x", 0), change) + LAST)

    assert (totals["responses"], totals["output_tokens"]) == (3, 53)
    assert summed(books, "lost_fields") == 1


@pytest.mark.parametrize("figure", ["10", 2**63])
def test_a_figure_of_a_rollout_that_is_no_count_is_lost_and_the_others_stay(
    books: Books, figure: object
) -> None:
    rollout = CodexRollout()
    rollout.turn()
    rollout.tokens(1000, 0, 10)
    *before, count = rollout.lines
    path = ("payload", "info", "total_token_usage", "reasoning_output_tokens")
    damaged = changed(count, set_in(*path, value=figure))

    totals = read(books, b"".join(before) + damaged)

    assert (totals["responses"], totals["output_tokens"]) == (1, 10)


def test_a_block_of_a_wrong_type_is_lost_and_the_other_calls_stay(books: Books) -> None:
    line = line_of(
        lambda t: t.response(
            message={
                "id": "msg_x",
                "usage": {"output_tokens": 50},
                "content": [
                    "text",
                    {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}},
                    {"type": "tool_use", "id": 7, "name": "Bash", "input": {}},
                    {"type": "tool_use", "id": "toolu_2", "name": "Read", "input": [1]},
                ],
            }
        )
    )

    totals = read(books, line)

    assert (totals["output_tokens"], totals["tool_calls"]) == (50, 2)


def test_a_field_of_a_wrong_type_in_a_quoted_line_is_lost_alone(books: Books) -> None:
    agent = ClaudeTranscript(agent_id="a7f3c21")
    agent.response(id="msg_a1", output_tokens=50)
    main = ClaudeTranscript()
    main.progress(agent, agent_id="a7f3c21", parent_tool_use_id="toolu_1")
    path = ("data", "message", "message", "usage", "input_tokens")
    [line] = main.lines

    totals = read(books, changed(line, set_in(*path, value="10")))

    assert (totals["responses"], totals["output_tokens"]) == (1, 50)


def test_every_field_of_a_wrong_type_leaves_a_line_that_says_nothing(books: Books) -> None:
    record = dict.fromkeys(json.loads(FIRST), 7)

    totals = read(books, FIRST + json.dumps(record).encode() + b"\n" + LAST)

    assert (totals["responses"], totals["malformed_lines"]) == (2, 0)
    assert line_types(books) == {"assistant": 2, "(no type)": 1}


def test_a_type_as_long_as_a_text_is_a_type_like_others(books: Books) -> None:
    odd = [json.dumps({"type": f"{n}" + "x" * 40_000}).encode() + b"\n" for n in range(3)]

    totals = read(books, FIRST + b"".join(odd) + LAST)

    assert totals["responses"] == 2
    assert summed(books, "lines") == 5


def test_a_great_many_types_are_counted_together_from_some_number_on() -> None:
    odd = [json.dumps({"type": f"type-{n}"}).encode() + b"\n" for n in range(1000)]

    with MemoryStore(Inventory) as store:
        store.process(FIRST + b"".join(odd[:500]))
        store.process(FIRST + b"".join(odd))
        rows = store.rows("line_types")

    assert sum(row["lines"] for row in rows) == 1001
    assert len(rows) < 500


# Lines that are recovered


@pytest.mark.parametrize("before", [0, 1, 2, 3, 4, 1000])
@pytest.mark.parametrize("behind", [0, 1, 4])
def test_an_object_with_nuls_around_it_is_recovered(books: Books, before: int, behind: int) -> None:
    damaged = b"\0" * before + bare(answer("msg_x", 50)) + b"\0" * behind + b"\n"

    totals = read(books, FIRST + damaged + LAST)

    assert (totals["responses"], totals["output_tokens"]) == (3, 53)
    assert totals["malformed_lines"] == 0
    assert summed(books, "recovered_lines") == int(before + behind > 0)


@pytest.mark.parametrize("between", [b"", b" ", b"\0\0"])
def test_several_objects_on_one_line_are_recovered(books: Books, between: bytes) -> None:
    objects = [bare(answer(f"msg_{n}", 50)) for n in range(3)]

    totals = read(books, FIRST + between.join(objects) + b"\n" + LAST)

    assert (totals["responses"], totals["output_tokens"]) == (5, 153)
    assert totals["malformed_lines"] == 0
    assert summed(books, "recovered_lines") == 3
    offsets = [row["line_offset"] for row in books.rows("responses")]
    size = len(objects[0]) + len(between)
    assert offsets[1:4] == [len(FIRST), len(FIRST) + size, len(FIRST) + 2 * size]


def test_objects_without_an_id_on_one_line_are_told_apart(books: Books) -> None:
    same = bare(line_of(lambda t: t.response(id="", uuid=None, output_tokens=50)))

    assert read(books, FIRST + same + same + b"\n")["output_tokens"] == 101


@pytest.mark.parametrize("first_line", ["NULs before it", "NULs behind it", "two objects"])
def test_a_first_line_that_is_damaged_is_recovered_like_any_other(
    books: Books, first_line: str
) -> None:
    """So it is in shared/corpus/other/jazzyalex__agent-sessions/qwen: its first line holds two."""
    damaged = {
        "NULs before it": b"\0\0" + FIRST,
        "NULs behind it": bare(FIRST) + b"\0\0\n",
        "two objects": bare(FIRST) + answer("msg_x", 50),
    }[first_line]

    totals = read(books, damaged)

    assert totals["responses"] == 2 if first_line == "two objects" else 1
    assert totals["sessions"] == 1
    assert summed(books, "recovered_lines") == totals["responses"]


# Characters


def test_a_byte_order_mark_before_the_first_line_is_passed_over(books: Books) -> None:
    totals = read(books, b"\xef\xbb\xbf" + FIRST + LAST)

    assert (totals["responses"], totals["malformed_lines"]) == (2, 0)
    assert summed(books, "recovered_lines") == 0


def test_carriage_returns_before_newlines_are_passed_over(books: Books) -> None:
    transcript = ClaudeTranscript()
    transcript.prompt("one\r\ntwo")
    transcript.response(output_tokens=50)

    totals = read(books, bytes(transcript).replace(b"\n", b"\r\n"))

    assert (totals["prompts"], totals["output_tokens"]) == (1, 50)
    assert totals["malformed_lines"] == 0
    assert books.row("prompts")["characters"] == 8


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c"])
def test_lines_end_at_a_newline_and_at_nothing_else(books: Books, separator: str) -> None:
    transcript = ClaudeTranscript()
    transcript.prompt(f"one{separator}two")
    transcript.response(output_tokens=50)

    totals = read(books, bytes(transcript))

    assert (totals["prompts"], totals["output_tokens"]) == (1, 50)


HALF_A_PAIR = rb"\ud83d"
TEXT_OF_HALF = {"type": "text", "text": "HALF"}
#: Where a client may have cut a text in the middle of a character, and written the half.
WITH_HALF = {
    "a text": line_of(lambda t: t.prompt("HALF")),
    "a text of blocks": line_of(lambda t: t.prompt_blocks([TEXT_OF_HALF])),
    "an answer": line_of(lambda t: t.response("HALF")),
    "thinking": line_of(lambda t: t.response("", thinking="HALF")),
    "arguments": line_of(lambda t: t.call(ToolUse("Bash", {"command": "HALF"}), result=None)),
    "a skill's name": line_of(lambda t: t.call(ToolUse("Skill", {"skill": "HALF"}), result=None)),
    "a result": line_of(lambda t: t.result("toolu_1", "HALF")),
    "a result of blocks": line_of(
        lambda t: t.result("toolu_1", [{"type": "text", "text": "HALF"}])
    ),
    "what is beside a result": line_of(lambda t: t.result("toolu_1", tool_use_result="HALF")),
    "a folder": line_of(lambda t: t.prompt(), cwd="/work/HALF"),
    "a branch": line_of(lambda t: t.prompt(gitBranch="HALF")),
    "a model": line_of(lambda t: t.response(model="HALF")),
    "a message's id": line_of(lambda t: t.response(id="HALF")),
    "a line's uuid": line_of(lambda t: t.prompt(uuid="HALF")),
    "a type": line_of(lambda t: t.prompt(type="HALF")),
    "a version": line_of(lambda t: t.prompt(version="HALF")),
    "a session's id": line_of(lambda t: t.prompt(sessionId="HALF")),
    "a command": line_of(lambda t: t.command("/HALF")),
    "a key": line_of(lambda t: t.prompt(HALF="x")),
}


@pytest.mark.parametrize(
    "place",
    [
        "first",
        pytest.param("later", marks=pytest.mark.soak),
        "behind a line that names nothing",
    ],
)
def test_half_of_a_surrogate_pair_anywhere_costs_nothing(books: Books, place: str) -> None:
    around = ({"first": b"", "later": FIRST}.get(place, NAMELESS), LAST)
    for where, line in WITH_HALF.items():
        for user, text in (("whole", b"whole"), ("half", HALF_A_PAIR)):
            content = line.replace(b"HALF", text).join(around)
            books.put(f"{user} of {where}/0f3c.jsonl", content)

    books.take_in()

    for table in ("responses", "tool_calls", "slash_commands", "prompts", "malformed_lines"):
        rows = Counter(row["username"] for row in books.rows(table))
        for where in WITH_HALF:
            assert rows[f"half of {where}"] == rows[f"whole of {where}"], (table, where)
    assert books.ask("SELECT DISTINCT agent FROM transcripts") == [{"agent": "claude-code"}]


def test_half_of_a_surrogate_pair_stops_no_worker(books: Books) -> None:
    damaged = WITH_HALF["a folder"].replace(b"HALF", HALF_A_PAIR)
    books.put(KEY, NAMELESS + damaged + FIRST)
    books.put("alice/sound.jsonl", LAST)

    books.run()

    assert books.totals()["responses"] == 2


def test_half_of_a_surrogate_pair_in_a_quoted_result_costs_nothing(books: Books) -> None:
    agent = ClaudeTranscript(agent_id="a7f3c21")
    agent.call("Bash", result="HALF", is_error=True)
    main = ClaudeTranscript()
    main.relay(agent, parent_tool_use_id="toolu_1")

    books.put("alice/main.jsonl", bytes(main).replace(b"HALF", HALF_A_PAIR))
    books.put("bob/agent-a7f3c21.jsonl", bytes(agent).replace(b"HALF", HALF_A_PAIR))
    books.take_in()

    quoted, own = books.counted("tool_calls")
    assert (quoted["name"], quoted["is_error"]) == ("Bash", True)
    assert quoted["result_bytes"] == own["result_bytes"] > 0


def test_half_of_a_surrogate_pair_in_a_rollout_costs_nothing(books: Books) -> None:
    rollout = CodexRollout()
    rollout.turn("HALF")
    rollout.prompt("HALF")
    rollout.call("update_plan", result="HALF")
    rollout.tokens(1000, 0, 10)

    totals = read(books, bytes(rollout).replace(b"HALF", HALF_A_PAIR))

    assert (totals["prompts"], totals["tool_calls"], totals["output_tokens"]) == (1, 1, 10)
    assert books.row("tool_calls")["is_error"] is False


#: Texts that the typed decoder leaves unread until somebody asks for them.
UNREAD: dict[str, Callable[[ClaudeTranscript], object]] = {
    "a block of a prompt": lambda t: t.prompt_blocks([TEXT_OF_HALF]),
    "a command as a system line": lambda t: t.local_command("/HALF"),
    "a skill's name": lambda t: t.call(ToolUse("Skill", {"skill": "HALF"}), result=None),
    "a sub-agent's type": lambda t: t.call(ToolUse("Task", {"subagent_type": "HALF"}), result=None),
    "arguments": lambda t: t.call(ToolUse("Bash", {"command": "HALF"}), result=None),
    "thinking": lambda t: t.response(thinking="HALF"),
    "what is beside a result": lambda t: t.result("toolu_1", tool_use_result="HALF"),
}


@pytest.mark.parametrize("write", UNREAD.values(), ids=UNREAD.keys())
def test_invalid_utf8_in_any_text_costs_no_more_than_its_line(
    books: Books, write: Callable[[ClaudeTranscript], object]
) -> None:
    transcript = ClaudeTranscript()
    write(transcript)
    damaged = bytes(transcript).replace(b"HALF", b"\xff")

    read(books, FIRST + damaged + LAST)

    ids = {row["response_id"] for row in books.rows("responses")}
    assert {"msg_first", "msg_last"} <= ids


@pytest.mark.parametrize("place", ["a prompt", "an output", "an output of parts"])
def test_invalid_utf8_in_any_text_of_a_rollout_costs_no_more_than_its_line(
    books: Books, place: str
) -> None:
    rollout = CodexRollout()
    rollout.turn()
    rollout.tokens(1000, 0, 10)
    if place == "a prompt":
        rollout.prompt("HALF")
    else:
        parts = [{"type": "input_text", "text": "HALF"}]
        rollout.call("update_plan", result="HALF" if place == "an output" else parts)
    rollout.tokens(1000, 0, 20)

    totals = read(books, bytes(rollout).replace(b"HALF", b"\xff"))

    assert totals["output_tokens"] == 30


@pytest.mark.parametrize("depth", [300, 500, 700, 900, 985])
def test_deep_nesting_in_a_quoted_line_costs_no_more_than_the_line(
    books: Books, depth: int
) -> None:
    agent = ClaudeTranscript(agent_id="a7f3c21")
    agent.response(requestId="DEEP")
    main = ClaudeTranscript()
    main.progress(agent, agent_id="a7f3c21", parent_tool_use_id="toolu_1")
    [line] = main.lines
    wrong = changed(line, set_in("data", "message", "uuid", value=7))
    deep = wrong.replace(b'"DEEP"', b"[" * depth + b"]" * depth)

    read(books, FIRST + deep + LAST)

    ids = {row["response_id"] for row in books.rows("responses")}
    assert {"msg_first", "msg_last"} <= ids


# Any damage


def short(kind: str) -> bytes:
    """Give a transcript with texts at most of the places where they may be."""
    if kind == "claude":
        agent = ClaudeTranscript("s1", agent_id="a7f3c21", version="2.1.39")
        agent.call(ToolUse("Skill", {"skill": "ü"}), result=[{"type": "text", "text": "✓"}])
        claude = ClaudeTranscript("s1", version="2.1.39")
        claude.prompt_blocks([{"type": "text", "text": 'ü "✓"'}])
        claude.local_command("/model", "ü")
        claude.queued_command("ü")
        claude.relay(agent, parent_tool_use_id="toolu_1")
        claude.call("Bash", result="ü\n✓")
        return bytes(claude)
    rollout = CodexRollout(version="ü")
    rollout.turn()
    rollout.prompt("ü ✓")
    rollout.call("exec_command", {"cmd": "ü"}, result="✓")
    rollout.call("ask", namespace="mcp__deepwiki", success=False, result=None)
    rollout.tokens(1000, 100, 10)
    rollout.reopen()
    rollout.tokens(1000, 100, 20)
    return bytes(rollout)


BYTES = b'\0\n\r "\\{}[],:ut0-9.\x80\xc3\xed\xff'


def after_an_accident(content: bytes, random: Random) -> bytes:
    """Let a few bytes be replaced, come in or be lost."""
    damaged = bytearray(content)
    for _ in range(random.randint(1, 3)):
        at, loses = random.randrange(len(damaged)), random.randrange(2)
        damaged[at : at + loses] = bytes(random.sample(BYTES, random.randrange(2)))
    return bytes(damaged)


def damage_any_byte(tmp_path: Path, kind: str, seed: int) -> None:
    """Read a hundred damaged transcripts, each in two parts and at once."""
    random = Random(seed)  # noqa: S311 - made-up damage, no secret
    contents = [after_an_accident(short(kind), random) for _ in range(100)]
    with Books(tmp_path / "parts") as parts, Books(tmp_path / "once") as once:
        for number, content in enumerate(contents):
            cut = random.choice([random.randrange(len(content)), random.choice(edges(content))])
            parts.put(f"user{number}/0f3c.jsonl", content[:cut])
            once.put(f"user{number}/0f3c.jsonl", content)
        parts.take_in()
        for number, content in enumerate(contents):
            parts.put(f"user{number}/0f3c.jsonl", content)
        parts.take_in()
        once.take_in()

        read_in_parts = parts.tables()
        for table, rows in once.tables().items():
            assert read_in_parts[table] == rows, table


@pytest.mark.parametrize("kind", ["claude", "codex"])
@pytest.mark.parametrize("seed", range(1))
def test_damage_to_any_byte_fails_no_transcript_however_it_was_appended(
    tmp_path: Path, kind: str, seed: int
) -> None:
    damage_any_byte(tmp_path, kind, seed)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["claude", "codex"])
def test_much_damage_to_any_byte_fails_no_transcript_however_it_was_appended(
    tmp_path: Path, kind: str
) -> None:
    for seed in range(1000, 1100):
        damage_any_byte(tmp_path / str(seed), kind, seed)
        shutil.rmtree(tmp_path / str(seed))


# Long lines


class Filler(io.RawIOBase):
    """A file of which the middle is so many letters, and takes no memory."""

    def __init__(self, before: bytes, letters: int, behind: bytes) -> None:
        self._before, self._behind = before, behind
        self._letters = letters
        self._position = 0

    @property
    def size(self) -> int:
        return len(self._before) + self._letters + len(self._behind)

    def seek(self, offset: int, whence: int = 0) -> int:
        assert whence == 0
        self._position = offset
        return offset

    def readinto(self, buffer: Any) -> int:
        start, end = self._position, min(self._position + len(buffer), self.size)
        length = max(0, end - start)
        behind_at = len(self._before) + self._letters
        buffer[:length] = b"x" * length
        if start < len(self._before):
            part = self._before[start:end]
            buffer[: len(part)] = part
        if end > behind_at:
            from_ = max(start, behind_at)
            buffer[from_ - start : length] = self._behind[from_ - behind_at : end - behind_at]
        self._position = end
        return length

    def read(self, size: int = -1) -> bytes:
        buffer = bytearray(size)
        return bytes(buffer[: self.readinto(buffer)])


def records_of(file: Filler) -> list[Record]:
    decoder = TranscriptDecoder(KEY, "main")
    records: list[Record] = []
    for part in Reader().slices(file, 0, file.size):
        records += decoder.decode_rest(part) if isinstance(part, Rest) else decoder.decode(part)
        for record in records:
            record.line = b""
    return records


def long_line(megabytes: int, *, before: int = 0, ended: bool = True) -> Filler:
    """Give a transcript with a line of so many MiB, and so many MiB of lines before it."""
    head, tail = bare(answer("msg_long", 50)).replace(b"Done.", b"|").split(b"|")
    length = megabytes * MIB - len(head) - len(tail) - 1
    lines = FIRST * (before * MIB // len(FIRST) + 1)
    return Filler(lines + head, length, tail + (b"\n" + LAST if ended else b""))


def test_a_line_of_64_mib_is_read() -> None:
    records = records_of(long_line(64))

    assert [record.malformed for record in records] == [None] * 3
    assert [record.responses[0].id for record in records] == ["msg_first", "msg_long", "msg_last"]


@pytest.mark.parametrize("before", [0, 10, 23])
@pytest.mark.parametrize("megabytes", [65, 71, 100])
def test_a_longer_line_is_malformed_wherever_it_stands(megabytes: int, before: int) -> None:
    file = long_line(megabytes, before=before)

    records = records_of(file)

    [damaged] = [record for record in records if record.end - record.offset > MIB]
    assert damaged.malformed == f"longer than {LONGEST_LINE // MIB} MiB"
    assert damaged.end - damaged.offset == megabytes * MIB
    assert not damaged.known
    assert records[-1].responses[0].id == "msg_last", "the rest goes on"


def test_a_longer_line_without_its_end_waits() -> None:
    records = records_of(long_line(65, ended=False))

    assert [record.responses[0].id for record in records] == ["msg_first"]


def test_a_longer_line_takes_no_more_memory_the_longer_it_is() -> None:
    peaks = []
    for megabytes in (200, 600):
        tracemalloc.start()
        records_of(long_line(megabytes))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < peaks[0] + 8 * MIB
    assert peaks[1] < 4 * LONGEST_LINE
