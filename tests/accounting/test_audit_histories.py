"""Whatever happens to a team's transcripts, the audit finds the tables and a second count the same.

A machine of several people, each with a folder of transcripts that are copies of one another in
part. Nothing passes from one username to another, so each person's is a history of its own: a run
over twenty of them tries twenty histories.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
import zstandard
from books import Books
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from made_up import (
    AGENT,
    DAMAGED,
    ClaudeSession,
    CodexSession,
    Session,
    beginning,
    moves_of,
    play,
)

from sessionmill.testing import ClaudeTranscript, CodexRollout

PEOPLE, STEPS = 20, 8
#: What each does in a step, and what happens in a session that goes on.
DEEDS_A_STEP, MOVES = 2, 8
#: Histories that `make test` tries, and those of `make soak`, in parts that run side by side.
SAMPLE, ALL, PARTS = 120, 10_000, 20
#: Those that it tries by whole runs, which cost more.
SAMPLE_OF_RUNS = 40

_CLAUDE, _CODEX = moves_of(ClaudeSession), moves_of(CodexSession)
_FORKED_ROLLOUT = "019cac2e-0000-7c41-9a3b-4d5e6f70{:04}"


class Deed(NamedTuple):
    """What somebody does, or what happens to one of their files: which one, and how."""

    what: str
    file: int
    part: int


KINDS = (
    "append",
    "append",
    "append",
    "append_in_part",
    "fork",
    "copy",
    "let_the_agent_work",
    "truncate",
    "replace",
    "delete",
    "compress",
    "damage",
    "touch",
)
deed = st.builds(Deed, st.sampled_from(KINDS), st.integers(0, 9), st.integers(0, 10_000))
deeds = st.lists(deed, min_size=PEOPLE * DEEDS_A_STEP, max_size=PEOPLE * DEEDS_A_STEP)


class Person:
    """One username's transcripts: those in the making, and what lies in the folder."""

    def __init__(self, books: Books, name: str) -> None:
        self._books, self._name = books, name
        self._main = ClaudeTranscript("s1")
        claude = ClaudeSession(self._main)
        rollout = CodexRollout()
        self._agent = claude.agent
        self._made: dict[str, tuple[Session, ClaudeTranscript | CodexRollout]] = {
            "s1.jsonl": (claude, self._main),
            "sessions/rollout-a.jsonl": (CodexSession(rollout), rollout),
        }
        self._endings: dict[str, str] = {}
        for number in range(3):
            self.append("s1.jsonl", 31 * number + int(name[-1]))
        self.fork("s1.jsonl", 20)

    def do(self, deed: Deed) -> None:
        """Do it, or have it happen."""
        getattr(self, deed.what)(list(self._made)[deed.file % len(self._made)], deed.part)

    # What people and agents do

    def append(self, place: str, part: int) -> None:
        session, transcript = self._made[place]
        names = _CODEX if isinstance(session, CodexSession) else _CLAUDE
        random = Random(part)  # noqa: S311 - what they do, no secret
        play(session, [(random.choice(names), random.randrange(4)) for _ in range(MOVES)])
        self._put(place, bytes(transcript))

    def append_in_part(self, place: str, part: int) -> None:
        """Be found amid a write: between lines, or within one."""
        self.append(place, part)
        self._put(place, beginning(bytes(self._made[place][1]), part))

    def fork(self, place: str, part: int) -> None:
        _, transcript = self._made[place]
        number, lines = len(self._made), part % (len(transcript) + 1)
        if isinstance(transcript, CodexRollout):
            rollout = transcript.fork(_FORKED_ROLLOUT.format(number), lines=lines)
            self._made[f"sessions/rollout-{number}.jsonl"] = CodexSession(rollout), rollout
            self.append(f"sessions/rollout-{number}.jsonl", part)
        else:
            forked = transcript.fork(f"s{number}", lines=lines)
            self._made[f"s{number}.jsonl"] = ClaudeSession(forked), forked
            self.append(f"s{number}.jsonl", part)

    def let_the_agent_work(self, place: str, part: int) -> None:
        """Write the sub-agent's own file, of which the main one quotes lines."""
        del place
        session, _ = self._made["s1.jsonl"]
        play(session, [("relay", 1), ("relay", part % 4)])
        self._put("s1.jsonl", bytes(self._main))
        folder = ("s1/subagents", ".")[part % 2]
        self._put(f"{folder}/agent-{AGENT}.jsonl", bytes(self._agent))

    # What happens to files

    def copy(self, place: str, part: int) -> None:
        content = bytes(self._made[place][1])
        self._put(f"copies/{part % 2}-{Path(place).name}", beginning(content, part))

    def truncate(self, place: str, part: int) -> None:
        self._put(place, beginning(bytes(self._made[place][1]), part))

    def replace(self, place: str, part: int) -> None:
        others = list(self._made)
        self._put(place, bytes(self._made[others[part % len(others)]][1]))

    def delete(self, place: str, part: int) -> None:
        """Lose a file, or an agent's; what was read of it is kept."""
        agent = f"s1/subagents/agent-{AGENT}.jsonl"
        self._remove(agent if part % 3 == 0 else place)

    def compress(self, place: str, part: int) -> None:
        content = bytes(self._made[place][1])
        self._remove(place)
        if part % 2:
            self._put(place, gzip.compress(content), ".gz")
        else:
            self._put(place, zstandard.compress(content), ".zst")

    def damage(self, place: str, part: int) -> None:
        _, transcript = self._made[place]
        if not len(transcript):
            return
        ways = (transcript.nuls, transcript.pad, transcript.blank, transcript.tear)
        if way := part % 5:
            ways[way - 1]()
        else:
            transcript.raw(DAMAGED[part // 5 % len(DAMAGED)])
        self._put(place, bytes(transcript))

    def touch(self, place: str, part: int) -> None:
        del part
        path = self._books.sessions / self._key(place)
        if path.exists():
            self._books.put(self._key(place), path.read_bytes())

    def _key(self, place: str) -> str:
        return f"{self._name}/{place}{self._endings.get(place, '')}"

    def _put(self, place: str, content: bytes, ending: str = "") -> None:
        """Write a file, in place of what was there under any name."""
        self._remove(place)
        self._endings[place] = ending
        self._books.put(self._key(place), content)

    def _remove(self, place: str) -> None:
        self._books.remove(self._key(place))
        self._endings.pop(place, None)


class Histories(RuleBasedStateMachine):
    """People at work; runs now and then; an audit after each step."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp(prefix="sessionmill-histories-"))
        self._books = Books(self._folder)
        self.take_in()
        self._people = [Person(self._books, f"user{number}") for number in range(PEOPLE)]

    @rule(deeds=deeds)
    def work_and_run(self, deeds: list[Deed]) -> None:
        self._work(deeds)
        self.take_in()
        assert not self._books.audit().left_out.keys() - {"gone"}, "all that is there is compared"

    @rule(deeds=deeds)
    def work(self, deeds: list[Deed]) -> None:
        self._work(deeds)

    @invariant()
    def the_audit_finds_no_difference(self) -> None:
        audit = self._books.audit()
        assert audit.differences == []
        assert audit.same

    def take_in(self) -> None:
        """Read what is new, as a run does, with the worker's part in this process."""
        self._books.take_in()

    def _work(self, deeds: list[Deed]) -> None:
        for number, deed in enumerate(deeds):
            self._people[number % PEOPLE].do(deed)

    def teardown(self) -> None:
        self._books.__exit__()
        shutil.rmtree(self._folder)


class HistoriesOfRuns(Histories):
    """The same, by whole runs with their worker processes."""

    def take_in(self) -> None:
        self._books.run()


def tried(histories: int, **how: object) -> settings:
    return settings(
        max_examples=histories // PEOPLE,
        stateful_step_count=STEPS,
        # To shrink one takes minutes; leave this out to have it shrunk.
        phases=[Phase.explicit, Phase.generate],
        **how,  # type: ignore[arg-type] # settings takes each by its name
    )


@pytest.mark.timeout(300)
def test_after_any_history_the_tables_are_as_recounted() -> None:
    run_state_machine_as_test(Histories, settings=tried(SAMPLE))


@pytest.mark.timeout(300)
@pytest.mark.soak
def test_after_any_history_of_whole_runs_the_tables_are_as_recounted() -> None:
    run_state_machine_as_test(HistoriesOfRuns, settings=tried(SAMPLE_OF_RUNS))


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(PARTS))
def test_after_ten_thousand_histories_the_tables_are_as_recounted(part: int) -> None:
    del part  # each draws histories of its own, others each time
    run_state_machine_as_test(
        Histories, settings=tried(ALL // PARTS, derandomize=False, database=None, print_blob=True)
    )
