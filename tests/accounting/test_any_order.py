"""Totals are a function of the transcripts kept: not of when they came, how often, or as what."""

from __future__ import annotations

from typing import Any

import pytest
from books import Books
from hypothesis import given
from hypothesis import strategies as st
from made_up import beginning, examples, families

#: What may befall a file: which one, which, how much of it is there.
Event = tuple[int, str, int]

STEPS, USERS = 5, 8


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


@examples(10)
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
            books.take_in(version=version)
        for number in range(USERS):
            for place, content in files.items():
                books.put(f"user{number}/{place}", content)
        books.take_in(version=version + renewed[STEPS])

        assert books.differences() == []
        assert books.figures() == books.recounted()


@examples(6)
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
