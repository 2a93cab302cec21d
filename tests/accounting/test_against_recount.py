"""The tables' figures against those of the second count, which shares no code with the first."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pytest
from books import Books
from hypothesis import given
from hypothesis import strategies as st
from made_up import AGENT, DAMAGED, ClaudeSession, examples, moves, play

from sessionmill.demo.team import generate
from sessionmill.testing import ClaudeTranscript

#: Bytes of real transcripts that `make test` cuts, taken from small files.
SAMPLE_BYTES = 6_000_000


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    with Books(tmp_path) as books:
        yield books


def figures_differ(books: Books) -> dict[str, tuple[int, int]]:
    """Return what the product and the recount have different, each with both figures."""
    ours, theirs = books.figures(), books.recounted()
    assert ours.keys() == theirs.keys()
    return {name: (ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]}


# Made up


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_demo_team_is_as_recounted(books: Books, seed: int) -> None:
    books.sessions.rmdir()
    generate(books.sessions, users=4, days=7, seed=seed)

    books.run()

    assert figures_differ(books) == {}
    assert all(figure > 0 for figure in books.figures().values()), "it holds one of everything"


def test_a_demo_team_cut_into_appends_is_as_recounted(books: Books, tmp_path: Path) -> None:
    generate(tmp_path / "team", users=3, days=5, seed=4)

    arrive_in_parts(books, transcripts(tmp_path / "team"), cuts=2, seed=1)

    assert figures_differ(books) == {}


@examples(5)
@given(
    drawn=moves(ClaudeSession, most=30),
    damage=st.lists(st.tuples(st.integers(1, 40), st.sampled_from(DAMAGED)), max_size=4),
)
def test_any_session_with_its_agent_file_and_damage_is_as_recounted(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: list[tuple[str, int]],
    damage: list[tuple[int, bytes]],
) -> None:
    main = ClaudeTranscript("s1")
    session = ClaudeSession(main)
    play(session, drawn)
    lines = main.lines
    for place, line in damage:
        lines.insert(place, line)

    with Books(tmp_path_factory.mktemp("books")) as books:
        books.put("alice/s1.jsonl", b"".join(lines))
        books.put(f"alice/s1/subagents/agent-{AGENT}.jsonl", session.agent)
        books.take_in()
        assert figures_differ(books) == {}


# Real


def transcripts(folder: Path) -> list[tuple[str, Path]]:
    """Return the transcripts below a folder, by their place below it."""
    return [(p.relative_to(folder).as_posix(), p) for p in sorted(folder.rglob("*.jsonl"))]


def sample(files: Sequence[tuple[str, Path]], seed: int) -> list[tuple[str, Path]]:
    """Choose small files of every repository, until there are bytes enough."""
    small = [(key, path) for key, path in files if path.stat().st_size < 400_000]
    Random(seed).shuffle(small)  # noqa: S311 - which files, no secret
    chosen, size = [], 0
    for key, path in small:
        if size < SAMPLE_BYTES:
            chosen.append((key, path))
            size += path.stat().st_size
    return chosen


def arrive_in_parts(
    books: Books, files: Sequence[tuple[str, Path]], *, cuts: int, seed: int
) -> None:
    """Let each file be read at some random bytes of it, in any order, and then whole."""
    random = Random(seed)  # noqa: S311 - where to cut, no secret
    steps: list[list[tuple[str, Path, int]]] = [[] for _ in range(2 * cuts + 1)]
    for key, path in files:
        size = path.stat().st_size
        places = sorted(random.choice(near_a_cut(path, random)) for _ in range(cuts))
        moments = sorted(random.sample(range(len(steps)), cuts + 1))
        for place, moment in zip([*places, size], moments, strict=True):
            steps[moment].append((key, path, place))
    for step in steps:
        random.shuffle(step)
        for key, path, place in step:
            books.put(key, path.read_bytes()[:place])
        books.run()


def near_a_cut(path: Path, random: Random) -> tuple[int, int, int]:
    """Return a random byte, and the ends of the line it is in: with its newline and without."""
    content = path.read_bytes()
    place = random.randrange(len(content) + 1)
    newline = content.find(b"\n", place)
    end = len(content) if newline < 0 else newline
    return place, end, min(end + 1, len(content))


@pytest.mark.real
def test_the_corpus_is_as_recounted(books: Books, corpus: Path) -> None:
    books.sessions.rmdir()
    books.sessions.symlink_to(corpus)

    books.run()

    assert figures_differ(books) == {}
    assert books.totals()["responses"] > 10_000


@pytest.mark.real
@pytest.mark.parametrize("seed", [1, 2])
def test_some_of_the_corpus_cut_into_appends_in_any_order_is_as_recounted(
    books: Books, corpus: Path, seed: int
) -> None:
    arrive_in_parts(books, sample(transcripts(corpus), seed), cuts=3, seed=seed)

    assert figures_differ(books) == {}


@pytest.mark.real
def test_snapshots_of_a_growing_session_are_read_like_its_last(
    tmp_path: Path, corpus: Path
) -> None:
    growing = sorted({p.parent for p in corpus.rglob("_snapshots/*/*.jsonl")})[:6]
    assert growing
    with Books(tmp_path / "slowly") as slowly, Books(tmp_path / "once") as once:
        moments = {folder.name: sorted(folder.glob("*.jsonl")) for folder in growing}
        for number in range(max(map(len, moments.values()))):
            for name, paths in moments.items():
                if number < len(paths):
                    slowly.put(f"alice/{name}.jsonl", paths[number].read_bytes())
            slowly.take_in()
        for name, paths in moments.items():
            once.put(f"alice/{name}.jsonl", paths[-1].read_bytes())
        once.take_in()

        assert slowly.tables() == once.tables()
        assert figures_differ(slowly) == {}


@pytest.mark.soak
@pytest.mark.real
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(20))
def test_all_of_the_corpus_cut_into_appends_in_any_order_is_as_recounted(
    tmp_path: Path, corpus: Path, seed: int
) -> None:
    folder = tmp_path / "books"
    with Books(folder) as books:
        arrive_in_parts(books, transcripts(corpus), cuts=8, seed=seed)
        assert figures_differ(books) == {}
    shutil.rmtree(folder)


@pytest.mark.soak
@pytest.mark.real
@pytest.mark.timeout(3600)
def test_the_corpus_in_any_appends_ends_in_the_same_tables_as_at_once(
    tmp_path: Path, corpus: Path
) -> None:
    files = transcripts(corpus)
    with Books(tmp_path / "parts") as parts, Books(tmp_path / "once") as once:
        arrive_in_parts(parts, files, cuts=8, seed=99)
        arrive_in_parts(once, files, cuts=0, seed=0)
        ours, theirs = parts.tables(), once.tables()
        for table in theirs:
            assert ours[table] == theirs[table], table
