"""A transcript that has vanished is marked, its facts stay; and nothing is marked by mistake."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sessionmill.app import App
from sessionmill.collect.discover import Walk, walk
from sessionmill.collect.roots import Root, claude_root, codex_root, sessions_root
from sessionmill.config import Config, roots
from sessionmill.registry import Registry
from sessionmill.run.tally import Tally
from sessionmill.testing import ClaudeTranscript, CodexRollout
from sessionmill.view import reports


@dataclass(frozen=True)
class Mill:
    """The open facts of one test, and runs of every processor over roots."""

    app: App

    def run(self, *given: Root | Path) -> list[tuple[str, str]]:
        """Run over these roots; return the errors, which are those of each processor."""
        found = walk([root if isinstance(root, Root) else sessions_root(root) for root in given])
        return self.run_over(found)

    def run_over(self, found: Walk) -> list[tuple[str, str]]:
        tallies = self.tallies(found)
        assert len({str(tally.errors) for tally in tallies}) == 1
        return tallies[0].errors

    def tallies(self, found: Walk) -> list[Tally]:
        tallies = self.app.run(self.app.registry.named(()), found)
        assert len(tallies) == 2
        return tallies

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return self.app.facts.cursor().execute(sql).fetchall()

    def gone(self) -> list[str]:
        sql = "SELECT session_key FROM transcripts WHERE gone_at IS NOT NULL ORDER BY ALL"
        return [key for (key,) in self.ask(sql)]

    def total(self) -> dict[str, Any]:
        total = reports.usage(self.app.facts.cursor(), "total")
        return dict(zip(total.columns, total.values[0], strict=True))


@pytest.fixture
def mill(tmp_path: Path) -> Iterator[Mill]:
    config = Config(tmp_path / "data")
    with App(config, Registry.of(config), "test") as app:
        yield Mill(app)


def transcript(session: str, responses: int = 1) -> ClaudeTranscript:
    told = ClaudeTranscript(session)
    told.prompt()
    for _ in range(responses):
        told.response(output_tokens=100)
    return told


@pytest.fixture
def team(tmp_path: Path) -> Path:
    """Make a root of two users with a transcript each, and another of alice's."""
    folder = tmp_path / "team"
    for key in ("alice/a.jsonl", "alice/b.jsonl", "bob/c.jsonl"):
        transcript(Path(key).stem).write(folder / key)
    return folder


# What is gone


def test_a_vanished_transcript_is_marked_and_its_facts_stay(mill: Mill, team: Path) -> None:
    assert mill.run(team) == []
    before, rows = mill.total(), mill.ask("FROM responses ORDER BY ALL")
    assert before["responses"] == 3

    (team / "alice" / "a.jsonl").unlink()
    assert mill.run(team) == [], "that is no error: clients delete"
    assert mill.gone() == ["alice/a.jsonl"]
    assert mill.total() == before
    assert mill.ask("FROM responses ORDER BY ALL") == rows
    assert mill.ask(
        "SELECT count(*) FROM session_processor_state WHERE session_file = 'alice/a.jsonl'"
    ) == [(2,)]


def test_it_is_marked_with_the_time_of_the_first_walk_that_missed_it(
    mill: Mill, team: Path
) -> None:
    mill.run(team)
    (team / "alice" / "a.jsonl").unlink()
    mill.run(team)
    marked = mill.ask("SELECT gone_at FROM transcripts WHERE session_key = 'alice/a.jsonl'")
    assert marked != [(None,)]
    (team / "alice" / "b.jsonl").unlink()
    mill.run(team)
    [(first,), (second,)] = mill.ask(
        "SELECT gone_at FROM transcripts WHERE gone_at IS NOT NULL ORDER BY session_key"
    )
    assert [(first,)] == marked
    assert first < second


def test_all_of_one_user_can_go(mill: Mill, team: Path) -> None:
    mill.run(team)
    shutil.rmtree(team / "alice")
    assert mill.run(team) == []
    assert mill.gone() == ["alice/a.jsonl", "alice/b.jsonl"]


def test_a_transcript_that_returns_is_unmarked_and_not_read_again(mill: Mill, team: Path) -> None:
    mill.run(team)
    before, path = mill.total(), team / "alice" / "a.jsonl"
    path.rename(team.parent / "away")
    mill.run(team)
    assert mill.gone() == ["alice/a.jsonl"]

    (team.parent / "away").rename(path)
    tallies = mill.tallies(walk([sessions_root(team)]))
    assert mill.gone() == []
    assert [tally.processed for tally in tallies] == [0, 0]
    assert mill.total() == before


def test_a_transcript_that_returns_with_more_goes_on_where_it_was(mill: Mill, team: Path) -> None:
    mill.run(team)
    path = team / "alice" / "a.jsonl"
    path.unlink()
    mill.run(team)
    transcript("a", responses=4).write(path)
    mill.run(team)
    assert mill.gone() == []
    assert mill.total()["responses"] == 2 + 4


def test_what_is_gone_waits_for_no_processor(mill: Mill, team: Path) -> None:
    mill.run(team)
    (team / "alice" / "a.jsonl").unlink()
    mill.run(team)
    pending = [row[6] for row in mill.app.store.standing(mill.app.registry.named(()))]
    assert pending == [0, 0]


def test_a_transcript_that_moved_to_another_root_is_not_gone(mill: Mill, team: Path) -> None:
    other = team.parent / "other"
    (other / "bob").mkdir(parents=True)
    mill.run(team, other)
    before = mill.total()
    (team / "bob" / "c.jsonl").rename(other / "bob" / "c.jsonl")
    assert mill.run(team, other) == []
    assert mill.gone() == []
    assert mill.total() == before
    assert mill.ask("SELECT path FROM transcripts WHERE session_key = 'bob/c.jsonl'") == [
        (str(other / "bob" / "c.jsonl"),)
    ]


def test_a_root_given_by_another_name_is_the_same_root(mill: Mill, team: Path) -> None:
    mill.run(team)
    (team.parent / "link").symlink_to(team, target_is_directory=True)
    (team / "alice" / "a.jsonl").unlink()
    assert mill.run(team.parent / "link") == []
    assert mill.gone() == ["alice/a.jsonl"], "it was walked to its end, and this was not there"


# What is not


def told_of(errors: list[tuple[str, str]], root: Path) -> bool:
    return len(errors) == 1 and errors[0][0] == str(root)


def test_a_missing_root_is_an_error_and_nothing_in_it_is_marked(mill: Mill, team: Path) -> None:
    mill.run(team)
    before = mill.total()
    team.rename(team.parent / "unmounted")
    for _ in range(2):
        assert told_of(mill.run(team), team)
        assert mill.gone() == []
        assert mill.total() == before
    outcomes = mill.ask("SELECT outcome, errors FROM runs ORDER BY started_at")
    assert outcomes == [("ok", 0)] * 2 + [("errors", 1)] * 4

    (team.parent / "unmounted").rename(team)
    assert mill.run(team) == []


@pytest.mark.parametrize("left", ["nothing", "a user's folder", "other files"])
def test_an_emptied_root_is_an_error_and_nothing_in_it_is_marked(
    mill: Mill, team: Path, left: str
) -> None:
    mill.run(team)
    shutil.rmtree(team)
    team.mkdir()
    if left != "nothing":
        (team / "alice").mkdir()
    if left == "other files":
        (team / "alice" / "notes.md").write_text("hello")
    for _ in range(2):
        errors = mill.run(team)
        assert told_of(errors, team), "each time, not once"
        assert "held 3 transcripts and is empty now" in errors[0][1]
        assert mill.gone() == []


def test_an_empty_root_that_never_held_anything_is_no_error(mill: Mill, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    assert mill.run(tmp_path / "new") == []


def test_an_emptied_root_takes_no_other_with_it(mill: Mill, team: Path) -> None:
    other = team.parent / "other"
    for name in ("d", "e"):
        transcript(name).write(other / "carol" / f"{name}.jsonl")
    mill.run(team, other)
    shutil.rmtree(team)
    (other / "carol" / "d.jsonl").unlink()
    assert told_of(mill.run(team, other), team)
    assert mill.gone() == ["carol/d.jsonl"]


def test_a_root_that_this_run_did_not_walk_loses_nothing(mill: Mill, team: Path) -> None:
    other = team.parent / "other"
    transcript("d").write(other / "carol" / "d.jsonl")
    mill.run(team, other)
    (team / "alice" / "a.jsonl").unlink()
    assert mill.run(other) == []
    assert mill.gone() == []


def test_below_a_root_that_was_not_walked_to_its_end_nothing_is_marked(
    mill: Mill, team: Path
) -> None:
    mill.run(team)
    (team / "alice" / "a.jsonl").unlink()
    whole = walk([sessions_root(team)])
    in_part = Walk(found=whole.found[1:], errors=[(str(team / "bob"), "Permission denied")])
    assert mill.run_over(in_part) == in_part.errors
    assert mill.gone() == []


def test_a_codex_home_that_lost_its_sessions_is_an_error(mill: Mill, tmp_path: Path) -> None:
    rollout = CodexRollout()
    rollout.turn()
    rollout.tokens(10, 0, 5)
    rollout.write(tmp_path / "codex" / rollout.relative_path)
    root = codex_root(tmp_path / "codex", "alice")
    assert mill.run(root) == []
    shutil.rmtree(tmp_path / "codex" / "sessions")
    assert told_of(mill.run(root), tmp_path / "codex")
    assert mill.gone() == []


@pytest.mark.parametrize("beside", [False, True])
def test_a_claude_home_that_lost_its_projects_is_an_error(
    mill: Mill, tmp_path: Path, beside: bool
) -> None:
    home = tmp_path / ".claude"
    transcript("a").write(home / "projects" / "-work-shop" / "a.jsonl")
    if beside:
        transcript("b").write(home / "history.jsonl")
    assert mill.run(claude_root(home, "alice")) == []
    shutil.rmtree(home / "projects")
    assert len(mill.run(claude_root(home, "alice"))) == 1
    assert mill.gone() == []


def test_a_home_of_this_machine_that_held_transcripts_may_not_be_missing(
    mill: Mill, home: Path
) -> None:
    transcript("a").write(home / ".claude" / "projects" / "-work-shop" / "a.jsonl")
    transcript("b").write(home / ".config" / "claude" / "projects" / "-work-api" / "b.jsonl")
    of_machine = roots([], [], [], "alice", {"HOME": str(home)})
    assert mill.run(*of_machine) == []

    (home / ".claude").rename(home / "unmounted")
    errors = mill.run(*roots([], [], [], "alice", {"HOME": str(home)}))
    assert told_of(errors, home / ".claude" / "projects"), "it held transcripts: it was not nothing"
    assert mill.gone() == []


# Names of any bytes


def test_transcripts_of_any_name_are_read_and_missed_like_others(mill: Mill, team: Path) -> None:
    names = [b"caf\xe9.jsonl", b"a\nb.jsonl", "größe 数.jsonl".encode(), b"'\".jsonl"]
    for number, name in enumerate(names):
        path = transcript(f"s{number}").write(team / "alice" / "next.jsonl")
        path.rename(Path(team, "alice", os.fsdecode(name)))
    assert mill.run(team) == []
    assert mill.total()["responses"] == 3 + len(names)

    for name in names:
        Path(team, "alice", os.fsdecode(name)).unlink()
    assert mill.run(team) == []
    assert len(mill.gone()) == len(names)
    assert mill.total()["responses"] == 3 + len(names)


def test_a_root_of_any_name_that_was_emptied_is_an_error(mill: Mill, tmp_path: Path) -> None:
    root = tmp_path / os.fsdecode(b"te\xe9am")
    transcript("a").write(root / "alice" / "a.jsonl")
    assert mill.run(root) == []
    shutil.rmtree(root / "alice")
    assert len(mill.run(root)) == 1
    assert mill.gone() == []
