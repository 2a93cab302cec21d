"""Totals are a function of the transcripts kept: not of when they came, how often, or as what."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from books import Books
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from made_up import beginning, examples, families

from sessionmill.recount import election
from sessionmill.store import rollups

Drawn = list[tuple[str, int]]
#: What may befall a file: which one, which, how much of it is there.
Event = tuple[int, str, int]

STEPS, USERS = 5, 8
users, numbers = st.sampled_from(["alice", "bob"]), st.integers(0, 5)
parts = st.integers(0, 1000)


event = st.tuples(
    st.integers(0, 5),
    st.sampled_from(["grow", "grow", "replace", "touch", "delete"]),
    st.integers(0, 1000),
)
#: For each user what happens before each reading; whether a reading is of another version.
histories = st.tuples(
    st.lists(
        st.lists(st.lists(event, max_size=4), min_size=STEPS, max_size=STEPS),
        min_size=USERS - 1,
        max_size=USERS - 1,
    ),
    st.lists(st.booleans(), min_size=STEPS + 1, max_size=STEPS + 1),
)


def happen(books: Books, user: str, files: dict[str, bytes], event: Event) -> None:
    """Do to one of a user's files what happens to it."""
    number, what, part = event
    places = list(files)
    key = f"{user}/{places[number]}"
    path = books.sessions / key
    if what == "grow":
        books.put(key, beginning(files[places[number]], part))
    elif what == "replace":
        books.put(key, beginning(files[places[part % len(places)]], part))
    elif what == "touch" and path.exists():
        books.put(key, path.read_bytes())
    elif what == "delete":
        books.remove(key)


@examples(3)
@given(files=families, history=histories)
def test_any_history_of_a_family_of_transcripts_ends_in_the_same_tables(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], history: Any
) -> None:
    """Of eight users seven come to the same files, each his way; the last has them at once."""
    events, renewed = history
    version = 1
    with Books(tmp_path_factory.mktemp("books")) as books:
        for step in range(STEPS):
            for number, of_user in enumerate(events):
                for event in of_user[step]:
                    happen(books, f"user{number}", files, event)
            version += renewed[step]
            with pytest.MonkeyPatch.context() as patch:
                # However many sessions changed, of the others the rollups' rows are kept.
                patch.setattr(rollups, "_MOST", 2)
                books.take_in(version=version)
            assert books.rollups_that_differ() == []
        for number in range(USERS):
            for place, content in files.items():
                books.put(f"user{number}/{place}", content)
        books.take_in(version=version + renewed[STEPS])

        assert books.differences() == []
        assert books.figures() == books.recounted()
        assert books.rollups_that_differ() == []


@examples(3)
@given(files=families, order=st.permutations(range(6)))
def test_any_order_of_arrival_over_the_whole_way_ends_in_the_same_tables(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], order: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("books")
    places = list(files)
    with Books(folder / "slowly") as slowly, Books(folder / "at-once") as at_once:
        for numbers in (order[:2], order[2:4], order[4:]):
            for number in numbers:
                slowly.put(f"alice/{places[number]}", files[places[number]])
            slowly.run()
        for place, content in files.items():
            at_once.put(f"alice/{place}", content)
        at_once.run()

        assert slowly.tables() == at_once.tables()
        assert slowly.totals() == at_once.totals()


class Keeping(RuleBasedStateMachine):
    """Files come, grow, shrink, repeat each other and go; figures are those of what is kept.

    What was read last of each file is kept, whether or not the file is still there.
    """

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._books = Books(Path(self._folder.name) / "kept")
        self._there: dict[str, bytes] = {}
        self._kept: dict[str, bytes] = {}
        self._version = 1

    @initialize(files=families)
    def draw(self, files: dict[str, bytes]) -> None:
        """Begin with everything there: what the moves take away is then missed."""
        self._places, self._contents = list(files), list(files.values())
        for user in ("alice", "bob"):
            for place, content in files.items():
                self._put(f"{user}/{place}", content)
        self.take_in(renewed=False)

    def _put(self, key: str, content: bytes) -> None:
        self._books.put(key, content)
        self._there[key] = content

    @rule(user=users, number=numbers, part=parts)
    def grow_or_shrink(self, user: str, number: int, part: int) -> None:
        self._put(f"{user}/{self._places[number]}", beginning(self._contents[number], part))

    @rule(user=users, number=numbers, other=numbers)
    def become_a_copy(self, user: str, number: int, other: int) -> None:
        self._put(f"{user}/{self._places[number]}", self._contents[other])

    @rule(user=users, number=numbers)
    def hold_nothing_more(self, user: str, number: int) -> None:
        self._put(f"{user}/{self._places[number]}", b"")

    @rule(user=users, number=numbers)
    def be_touched_or_deleted(self, user: str, number: int) -> None:
        key = f"{user}/{self._places[number]}"
        if number % 2 and key in self._there:
            self._put(key, self._there[key])
        else:
            self._books.remove(key)
            self._there.pop(key, None)

    @rule(renewed=st.booleans())
    def take_in(self, renewed: bool) -> None:
        self._version += renewed
        self._books.take_in(version=self._version)
        self._kept |= self._there
        files = ((key, key.partition("/")[0], text) for key, text in self._kept.items())
        # Prompts are held to a reading anew, at the end: where a queued one names a line that
        # stands before it, the recount lets that one be repeated once more.
        ours, theirs = self._books.totals(), election.recount(files)
        del theirs["prompts"]
        assert {name: ours[name] for name in theirs} == theirs

    def teardown(self) -> None:
        with self._folder, self._books, Books(Path(self._folder.name) / "anew") as anew:
            if self._there or self._kept:
                self.take_in(renewed=False)
                for key, content in sorted(self._kept.items(), reverse=True):
                    anew.put(key, content)
                anew.take_in()
                assert self._books.tables() == anew.tables()


KeepingTest = Keeping.TestCase
KeepingTest.settings = settings(
    max_examples=5,
    stateful_step_count=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
)
