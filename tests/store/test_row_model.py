"""Whatever is written in whatever order, the rows are those of a plain model of the rules."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from row_tables import Job, Stored, stored

from sessionmill.contracts import Column, Table

TABLE = Table(
    name="things",
    key=("id", "part"),
    columns=(
        Column("id", "VARCHAR", "keep"),
        Column("first", "VARCHAR", "keep"),
        Column("part", "BIGINT", "keep"),
        Column("name", "VARCHAR", "fill"),
        Column("size", "BIGINT", "max"),
        Column("seen", "TIMESTAMP", "min"),
        Column("failed", "BOOLEAN", "max"),
        Column("rank", "UTINYINT", "min"),
    ),
    elect_by=("size DESC", "rank", "name IS NULL"),
    eligible="name IS NOT NULL",
    derived={"twice": ("BIGINT", "size * 2", "twice its size")},
)
NAMES = [column.name for column in TABLE.columns]

TRANSCRIPTS = ["alice/a", "alice/b", "alice/ä", "bob/a", "bob/b"]
START = datetime(2026, 3, 2, tzinfo=UTC)

Row = dict[str, Any]
Key = tuple[str, int]


# The model: each rule in the plainest way


def completed(earlier: Row | None, later: Row) -> Row:
    """Return what a later row of the same key makes of an earlier one."""
    if earlier is None:
        return dict(later)
    row = dict(earlier)
    for column in TABLE.columns:
        old, new = earlier[column.name], later[column.name]
        if column.completion == "fill" and old is None:
            row[column.name] = new
        elif column.completion in ("max", "min") and new is not None:
            choose = max if column.completion == "max" else min
            row[column.name] = new if old is None else choose(old, new)
    return row


def counted(copies: dict[str, Row]) -> str | None:
    """Return the session key of the copy that counts, of those of one username."""

    def order(session_key: str) -> tuple[Any, ...]:
        row = copies[session_key]
        size, rank = row["size"], row["rank"]
        return (
            *(size is None, -(size or 0)),
            *(rank is None, rank or 0),
            row["name"] is None,
            session_key.encode(),
        )

    first = min(copies, key=order)
    return first if copies[first]["name"] is not None else None


class Model:
    """The rows of every transcript, by key."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[Key, Row]] = {}

    def write(self, job: Job) -> None:
        if job.replaced:
            self.kept.pop(job.session_key, None)
        own = self.kept.setdefault(job.session_key, {})
        for values in job.rows:
            row = dict(zip(NAMES, values, strict=True))
            key = (row["id"], row["part"])
            own[key] = completed(own.get(key), row)

    def forget(self, session_key: str) -> None:
        self.kept.pop(session_key, None)

    def rows(self) -> list[Row]:
        every = [(s, key, row) for s, own in self.kept.items() for key, row in own.items()]
        copies: dict[tuple[str, Key], dict[str, Row]] = {}
        for session_key, key, row in every:
            copies.setdefault((session_key.partition("/")[0], key), {})[session_key] = row
        return [
            {
                **row,
                "session_key": session_key,
                "username": (username := session_key.partition("/")[0]),
                "session_id": f"session of {session_key}",
                "twice": None if row["size"] is None else row["size"] * 2,
                "counted": counted(copies[username, key]) == session_key,
            }
            for session_key, key, row in every
        ]


# What is written


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


rows = st.tuples(
    st.sampled_from(["x", "y"]),
    optional(st.sampled_from(["p", "q"])),
    st.integers(0, 1),
    optional(st.sampled_from(["Bash", "Read"])),
    optional(st.integers(0, 3)),
    optional(st.integers(0, 3).map(lambda hours: START + timedelta(hours=hours))),
    optional(st.booleans()),
    optional(st.integers(0, 2)),
)
#: Which transcripts a commit touches, with which rows, and whether each is read anew.
parts = st.lists(
    st.tuples(st.sampled_from(TRANSCRIPTS), st.lists(rows, max_size=4), st.booleans()),
    min_size=1,
    max_size=4,
    unique_by=lambda part: part[0],
)


class RowsAgreeWithTheModel(RuleBasedStateMachine):
    """Random commits, each to the table and to the model."""

    def __init__(self) -> None:
        super().__init__()
        self._opened = ExitStack()
        self.things: Stored
        self.model = Model()

    @initialize()
    def open(self) -> None:
        self.things = self._opened.enter_context(stored(TABLE))

    def teardown(self) -> None:
        self._opened.close()

    @rule(parts=parts, in_two_parts=st.booleans())
    def write(
        self, parts: list[tuple[str, list[tuple[Any, ...]], bool]], in_two_parts: bool
    ) -> None:
        jobs = []
        for session_key, values, anew in parts:
            is_stored = bool(self.model.kept.get(session_key))
            # Nothing stored and read anew: fresh. Stored and read anew: replaced. Else an append.
            jobs.append(Job(session_key, values, replaced=anew and is_stored, fresh=anew))
        self.things.write(*jobs, send_halves=in_two_parts)
        for job in jobs:
            self.model.write(job)

    @rule(session_key=st.sampled_from(TRANSCRIPTS))
    def forget(self, session_key: str) -> None:
        self.things.forget(session_key)
        self.model.forget(session_key)

    @invariant()
    def the_tables_are_equal(self) -> None:
        if not hasattr(self, "things"):
            return
        cursor = self.things.cursor.execute("FROM things")
        names = [column[0] for column in cursor.description or ()]
        found = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
        self._hashes_name_keys(found)
        self._one_is_counted(found)
        assert sorted(map(comparable, found)) == sorted(map(comparable, self.model.rows()))

    def _hashes_name_keys(self, found: list[Row]) -> None:
        pairs = {(row["key_hash"], row["id"], row["part"]) for row in found}
        assert len(pairs) == len({pair[0] for pair in pairs}) == len({pair[1:] for pair in pairs})

    def _one_is_counted(self, found: list[Row]) -> None:
        """Told without the model: of one key at most one row, and one if any copy may be."""
        count = Counter((r["username"], r["id"], r["part"]) for r in found if r["counted"])
        assert all(number == 1 for number in count.values())
        for row in found:
            others = [r for r in found if r["key_hash"] == row["key_hash"]]
            own = [r for r in others if r["username"] == row["username"]]
            if all(r["name"] is not None for r in own):
                assert count[row["username"], row["id"], row["part"]] == 1


def comparable(row: Row) -> str:
    """Return what is compared of a row: all but the hash and the agent, times without a mark."""
    plain = {
        name: value.replace(tzinfo=None) if isinstance(value, datetime) else value
        for name, value in row.items()
        if name not in ("key_hash", "agent")
    }
    return repr(sorted(plain.items()))


RowsAgreeWithTheModel.TestCase.settings = settings(max_examples=15, stateful_step_count=12)
TestRowsAgreeWithTheModel = RowsAgreeWithTheModel.TestCase


@pytest.mark.soak
@pytest.mark.timeout(3600)
class TestRowsAgreeWithTheModelForLong(RowsAgreeWithTheModel.TestCase):  # type: ignore[misc, valid-type] # made by hypothesis
    settings = settings(max_examples=800, stateful_step_count=30)


def test_the_model_tells_a_missing_election() -> None:
    # What the machine compares can differ: two copies, and none elected.
    model = Model()
    row = ("x", None, 0, "Bash", 1, None, None, None)
    model.write(Job("alice/a", [row]))
    model.write(Job("alice/b", [row]))
    assert [r["counted"] for r in model.rows()] == [True, False]
