"""However a transcript grew, and wherever it was read meanwhile, the tables are the same."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from books import Books
from hypothesis import given
from hypothesis import strategies as st
from made_up import (
    DAMAGED,
    ClaudeSession,
    CodexSession,
    edges,
    every_move,
    examples,
    moves,
    play,
    wrong_in_type,
)

from samples import sampled
from sessionmill.decode.lines import TranscriptDecoder
from sessionmill.decode.records import Record
from sessionmill.decode.tail import SLICE_BYTES, Reader, Rest
from sessionmill.testing import ClaudeTranscript, CodexRollout, mcp, skill, subagent

KEY = "alice/0f3c.jsonl"


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    with Books(tmp_path) as books:
        yield books


def claude_of_every_move() -> bytes:
    transcript = ClaudeTranscript("s1")
    every_move(ClaudeSession(transcript))
    return bytes(transcript)


def codex_of_every_move() -> bytes:
    rollout = CodexRollout()
    every_move(CodexSession(rollout))
    return bytes(rollout)


def short_claude() -> bytes:
    """Give a transcript that has one of most things, short enough to be cut at each byte."""
    transcript = ClaudeTranscript("s1", version="2.1.39")
    transcript.prompt('ümläut ✓ \\ "quoted"')
    transcript.response(
        "", partial_output_tokens=(1,), output_tokens=9, thinking="", calls=[mcp("linear", "get")]
    )
    transcript.queued_command("go on")
    transcript.command("/clear")
    transcript.prompt("go on")
    transcript.raw(b"// a comment\n")
    transcript.call(skill("shop:deploy"), result="ok")
    transcript.snapshot()
    return bytes(transcript)


def short_codex() -> bytes:
    rollout = CodexRollout()
    rollout.turn()
    rollout.prompt("ümläut ✓")
    rollout.call("exec_command", success=False)
    rollout.tokens(24_000, 2_400, 390)
    rollout.repeat_tokens()
    rollout.turn("gpt-5.5")
    rollout.tokens(25_000, 24_000, 12)
    rollout.message()
    return bytes(rollout)


def user(number: int) -> str:
    return f"u{number:06d}"


def read_at_each(books: Books, content: bytes, cuts: Iterable[int], *, whole_way: bool) -> None:
    """Let one user's transcript be read at each cut, and then whole; `once` reads it but then."""
    read = books.run if whole_way else books.take_in
    cuts = list(cuts)
    for cut in cuts:
        books.put(f"{user(cut)}/0f3c.jsonl", content[:cut])
    read()
    for cut in cuts:
        books.put(f"{user(cut)}/0f3c.jsonl", content)
    books.put("u-once/0f3c.jsonl", content)
    read()


# Cut once, anywhere


@pytest.mark.parametrize(
    "content", sampled([short_claude(), short_codex()], 2), ids=["claude", "codex"]
)
def test_cut_at_any_byte_a_transcript_gives_the_same_tables(books: Books, content: bytes) -> None:
    read_at_each(books, content, range(len(content)), whole_way=True)

    assert books.differences() == []
    assert books.rows("responses") and books.rows("tool_calls") and books.rows("prompts")


@pytest.mark.parametrize(
    "content", [claude_of_every_move(), codex_of_every_move()], ids=["claude", "codex"]
)
def test_cut_at_any_line_whatever_may_be_in_a_transcript_gives_the_same_tables(
    books: Books, content: bytes
) -> None:
    read_at_each(books, content, edges(content), whole_way=True)

    assert books.differences() == []


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    "content", [claude_of_every_move(), codex_of_every_move()], ids=["claude", "codex"]
)
def test_cut_at_each_byte_whatever_may_be_in_a_transcript_gives_the_same_tables(
    tmp_path: Path, content: bytes
) -> None:
    for start in range(0, len(content), 2000):
        with Books(tmp_path / str(start)) as books:
            stretch = range(start, min(start + 2000, len(content)))
            read_at_each(books, content, stretch, whole_way=True)
            assert books.differences() == []
            books.forget_transcripts()


def damage_around(line: bytes, other: bytes) -> dict[str, bytes]:
    """Give a line that is whole in itself with what may go wrong around it."""
    bare = line[:-1]
    return {
        "NULs before it": b"\0\0\0" + line,
        "NULs behind it": bare + b"\0\0\n",
        "two on one line": bare + other,
        "two on one line, and spaces": bare + b"  " + other[:-1] + b"  \n",
        "two on one line, behind spaces": b"  " + bare + other,
        "carriage return": bare + b"\r\n",
        "spaces around it": b"  " + bare + b"  \n",
        "fields of a wrong type": wrong_in_type(line),
        "a lone surrogate": bare[:-1] + b',"slug":"\\ud83d"}\n',
        "half a line behind it": bare + b"half\n",
        "one brace too many": bare + b"}\n",
    }


def damaged_lines() -> dict[str, bytes]:
    transcript = ClaudeTranscript("s1", version="2.1.39", seed=7)
    transcript.response("", calls=[subagent("Explore")])
    transcript.prompt("again")
    answer, prompt = transcript.lines
    return {
        **{f"in place of a line: {line[:12]!r}": line for line in DAMAGED},
        **damage_around(answer, prompt),
    }


@pytest.mark.parametrize("where", sampled(damaged_lines(), 2))
@pytest.mark.parametrize("place", ["first", "later"])
def test_cut_at_any_byte_a_damaged_line_is_what_it_is_when_read_at_once(
    books: Books, where: str, place: str
) -> None:
    damaged = damaged_lines()[where]
    sound = short_claude()
    before = b"" if place == "first" else sound
    # Every byte at the line's ends, those behind a brace, where an object may end, and some others.
    cuts = [
        len(before) + at
        for at in range(len(damaged) + 1)
        if not 5 < at < len(damaged) - 5 or damaged[at - 1 : at] == b"}" or at % 101 == 0
    ]
    read_at_each(books, before + damaged + sound, cuts, whole_way=False)

    assert books.differences() == []


# Cut more than once


@st.composite
def ways_to_grow(draw: st.DrawFn) -> list[list[int]]:
    """Draw for each of eight users at which edges reading found the transcript."""
    found = st.lists(st.integers(0, 10_000), min_size=3, max_size=3)
    return draw(st.lists(found, min_size=8, max_size=8))


def grow(books: Books, content: bytes, ways: list[list[int]]) -> None:
    """Let transcripts grow, each its way, and be read at every step; `once` is read at the end."""
    places = edges(content)
    for step in range(3):
        for number, found in enumerate(ways):
            cut = sorted(places[place % len(places)] for place in found)[step]
            books.put(f"{user(number)}/0f3c.jsonl", content[:cut])
        books.take_in()
    for number in range(len(ways)):
        books.put(f"{user(number)}/0f3c.jsonl", content)
    books.put("u-once/0f3c.jsonl", content)
    books.take_in()


@examples(5)
@given(drawn=moves(ClaudeSession, most=30), ways=ways_to_grow())
def test_any_appends_to_any_claude_transcript_give_the_same_tables(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, int]], ways: list[list[int]]
) -> None:
    transcript = ClaudeTranscript("s1")
    play(ClaudeSession(transcript), drawn)

    with Books(tmp_path_factory.mktemp("books")) as books:
        grow(books, bytes(transcript), ways)
        assert books.differences() == []


@examples(5)
@given(drawn=moves(CodexSession, most=30), ways=ways_to_grow())
def test_any_appends_to_any_codex_rollout_give_the_same_tables(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, int]], ways: list[list[int]]
) -> None:
    rollout = CodexRollout()
    play(CodexSession(rollout), drawn)
    forked = rollout.fork("019cac2e-0000-7c41-9a3b-4d5e6f708192")
    play(CodexSession(forked), drawn)

    with Books(tmp_path_factory.mktemp("books")) as books:
        grow(books, bytes(forked), ways)
        assert books.differences() == []


def records_of(content: bytes, slice_bytes: int) -> list[dict[str, object]]:
    """Decode a transcript in slices of a size; what a record says, without its line's bytes."""
    decoder = TranscriptDecoder(KEY, "main")
    records: list[Record] = []
    for part in Reader(slice_bytes).slices(io.BytesIO(content), 0, len(content)):
        records += decoder.decode_rest(part) if isinstance(part, Rest) else decoder.decode(part)
    return [
        {name: value for name, value in _fields(record) if name != "line"} for record in records
    ]


def _fields(record: Record) -> Iterator[tuple[str, object]]:
    for name in record.__struct_fields__:
        yield name, getattr(record, name)


@pytest.mark.parametrize(
    "content", [claude_of_every_move(), codex_of_every_move()], ids=["claude", "codex"]
)
@pytest.mark.parametrize("slice_bytes", [1, 7, 1000, 5000])
def test_slices_of_any_size_hold_the_same_records(content: bytes, slice_bytes: int) -> None:
    for end in (len(content), len(content) - 1):
        at_once = records_of(content[:end], SLICE_BYTES)
        assert records_of(content[:end], slice_bytes) == at_once
        assert len(at_once) > 50


# The whole way


def test_the_worker_in_this_process_ends_in_the_same_tables_as_those_of_a_run(
    tmp_path: Path,
) -> None:
    contents = [
        (KEY, claude_of_every_move()),
        ("alice/0f3c/subagents/agent-a7f3c21.jsonl", short_claude()),
        ("bob/sessions/rollout.jsonl", codex_of_every_move()),
        ("bob/damaged.jsonl", b"".join(damaged_lines().values())),
        ("bob/empty.jsonl", b""),
    ]
    with Books(tmp_path / "run") as run, Books(tmp_path / "here") as here:
        for part in (0.3, 0.8, 1):
            for key, content in contents:
                for books in (run, here):
                    books.put(key, content[: int(len(content) * part)])
            run.run()
            here.take_in()

        assert here.tables() == run.tables()
        assert here.totals() == run.totals()
