"""Facts in memory are facts: the same operations leave the same tables as in the file.

What tests processors stands on `MemoryFacts`; here it and `Facts` do the same, side by side.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sessionmill.collect.discover import Found, Walk
from sessionmill.contracts import ProcessorResult
from sessionmill.errors import SessionUnknown
from sessionmill.plugins import Processor, describe
from sessionmill.process.inventory import Inventory
from sessionmill.process.usage import Usage
from sessionmill.run.ports import ExtractCommit, MarkedBatch, RunRow
from sessionmill.run.rehearse import rehearse
from sessionmill.run.work import Leftover, RetryPolicy, failed
from sessionmill.store.facts import Facts
from sessionmill.store.memory import MemoryFacts
from sessionmill.store.run_store import FactsRunStore
from sessionmill.testing import ClaudeTranscript, CodexRollout, FakeClock, Transcript, mcp

Dump = dict[str, list[tuple[Any, ...]]]


class Words:
    """Effectful; fails at transcripts in which it is told to."""

    name, cadence_minutes, tables = "words", 60, ("words",)

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        text = session_path.read_text("utf-8")
        conn.execute("CREATE TABLE IF NOT EXISTS words (session_key VARCHAR, words BIGINT)")
        conn.execute("INSERT INTO words VALUES (?, ?)", [session_key, len(text.split())])
        if "Please fail." in text:
            raise ValueError(f"{username} said so")
        return ProcessorResult(items_count=1)


def memory(folder: Path, clock: FakeClock) -> MemoryFacts:
    return MemoryFacts(now=clock(), spool=folder / "spool")


def file(folder: Path, clock: FakeClock) -> Facts:
    return Facts(folder, "a test", now=clock())


Opening = Callable[[Path, FakeClock], Facts]


class Owner:
    """Somebody who has facts open, and lets processors process what lies in a folder."""

    def __init__(self, facts: Facts, sessions: Path, clock: FakeClock) -> None:
        self.facts, self.clock = facts, clock
        self.store = FactsRunStore(facts, clock)
        self._sessions = sessions
        sessions.mkdir()
        self.made = [Usage(), Inventory(), Words()]
        self.processors = [self.described(made) for made in self.made]
        assert self.store.prepare(self.processors) == {}

    def described(self, made: Any) -> Processor:
        return describe(made, f"a_test:{type(made).__name__}", self._sessions, {})

    def put(self, key: str, transcript: Transcript) -> None:
        transcript.write(self._sessions / key)

    def walk(self) -> Walk:
        """Look at all transcripts; each has the time of its length, wherever the folder is."""
        found = [
            Found(key, key.partition("/")[0], "sessions", str(path), size, size * 1000)
            for path in sorted(self._sessions.rglob("*.jsonl"))
            for key, size in [(path.relative_to(self._sessions).as_posix(), path.stat().st_size)]
        ]
        return Walk(found=found, complete=["sessions"])

    def process(self, *, version: int = 1) -> list[int]:
        """Let every processor process what is new; return the rows written by each."""
        written = [
            rehearse(
                self.store,
                self.clock,
                dataclasses.replace(processor, version=version),
                made,
                self.walk(),
            ).items_extracted
            for processor, made in zip(self.processors, self.made, strict=True)
        ]
        assert self.store.roll_up(self.processors) == {}
        return written

    def tables(self) -> Dump:
        """Return every row of every table and view, and every column's type."""
        cursor = self.facts.cursor()
        names = cursor.execute(
            "SELECT table_name FROM duckdb_tables() WHERE NOT internal"
            " UNION SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY ALL"
        ).fetchall()
        dump = {name: cursor.execute(f'FROM "{name}" ORDER BY ALL').fetchall() for (name,) in names}
        dump["columns"] = cursor.execute(
            "SELECT table_name, column_index, column_name, data_type, is_nullable, comment"
            " FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
        ).fetchall()
        return dump


@pytest.fixture(params=[memory, file], ids=["memory", "file"])
def owner(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Owner]:
    with request.param(tmp_path / "data", clock) as facts:
        yield Owner(facts, tmp_path / "sessions", clock)


def said(*prompts: str, session_id: str = "s1") -> ClaudeTranscript:
    told = ClaudeTranscript(session_id)
    for prompt in prompts:
        told.prompt(prompt)
        told.call(mcp("linear", "get"))
        told.response("Done.", partial_output_tokens=[1])
    return told


def live_through(owner: Owner) -> Iterator[tuple[str, Dump]]:
    """Do all that is done to facts, step by step; yield what each step leaves."""
    yield "prepared", owner.tables()

    first = said("Fix it.")
    rollout = CodexRollout()
    rollout.turn()
    rollout.tokens(24_000, 2_400, 390)
    owner.put("alice/s1.jsonl", first)
    owner.put(f"bob/{rollout.relative_path}", rollout)
    assert all(owner.process())
    yield "taken in", owner.tables()

    first.call("Bash", result="3 passed")
    owner.put("alice/s1.jsonl", first)
    fork = first.fork("s2")
    fork.prompt("Go on.")
    owner.put("alice/s2.jsonl", fork)
    owner.clock.advance(minutes=10)
    assert all(owner.process())
    yield "grown, and copied", owner.tables()

    owner.put("alice/s1.jsonl", said("Another thing altogether.", "And one more."))
    owner.process()
    yield "replaced", owner.tables()

    with pytest.raises(ValueError, match="alice said so"):
        owner.put("alice/s3.jsonl", said("Please fail.", session_id="s3"))
        owner.process()
    yield "failed", owner.tables()

    [words] = [p for p in owner.processors if p.name == "words"]
    owner.store.note_walk(owner.walk(), owner.clock())
    for task in owner.store.pending(words, owner.clock()):
        state = failed(task, "it said so", owner.clock(), RetryPolicy(max_attempts=1))
        owner.store.commit_extracted([words], ExtractCommit(states=[state]))
    assert owner.store.make_due("words", "s3") == [("words", "alice/s3.jsonl")]
    yield "a dead letter, made due", owner.tables()

    marked = {
        at_work: MarkedBatch(
            processor="words",
            batch="b1",
            session_keys=["alice/s1.jsonl"],
            deaths=1,
            at_work=at_work,
        )
        for at_work in (True, False)
    }
    owner.store.mark(marked[True])
    assert owner.store.leftovers("words") == [Leftover("b1", ("alice/s1.jsonl",), 1)]
    owner.store.reset_marks(["words"], [marked[False]])
    yield "marked", owner.tables()

    owner.store.unmark("words", "b1")
    owner.store.write_runs(
        [
            RunRow(
                run_id="r1",
                processor_name="words",
                version=1,
                actor="a test",
                started_at=owner.clock(),
                seconds=1.5,
                outcome="paused",
                seen=3,
                scanned=3,
                processed=1,
                skipped=0,
                capped=2,
                errors=0,
                items_extracted=7,
                resume_at=owner.clock(),
                pause_reason="the service is away",
            )
        ]
    )
    assert owner.store.last_runs()["words"].pause_reason == "the service is away"
    yield "run", owner.tables()

    assert [row[0] for row in owner.store.standing(owner.processors)] == [
        "usage",
        "inventory",
        "words",
    ]
    with pytest.raises(SessionUnknown):
        owner.store.resolve("s9")
    owner.put("alice/s3.jsonl", said("All is well.", session_id="s3"))
    assert all(owner.process(version=2))
    yield "processed again, by another version", owner.tables()


def test_the_same_operations_leave_the_same_tables_in_memory_as_in_the_file(
    tmp_path: Path,
) -> None:
    lives = []
    for opening in (memory, file):
        clock, sessions = FakeClock(), tmp_path / "sessions"
        with opening(tmp_path / "data", clock) as facts:
            lives.append(list(live_through(Owner(facts, sessions, clock))))
        shutil.rmtree(sessions)  # the other writes the same paths

    in_memory, in_file = lives
    assert [step for step, _ in in_memory] == [step for step, _ in in_file]
    for (step, found), (_, expected) in zip(in_memory, in_file, strict=True):
        assert set(found) == set(expected), step
        for table, rows in expected.items():
            assert found[table] == rows, f"{table}, once {step}"

    last = dict(in_file)["processed again, by another version"]
    empty = {table for table, rows in last.items() if not rows}
    by_no_run = {"prices", "matching_prices", "model_prices"}  # filled when an App opens the facts
    by_no_run |= {"events", "vendor_names", "vendor_points", "vendor_usage", "version_notes"}
    by_no_run |= {"outcome_rollup"}  # of events
    no_commands = {"slash_commands", "attributed_commands", "command_rollup"}
    assert empty - by_no_run == {"in_flight", "malformed_lines", "stale_sessions", *no_commands}, (
        "all others are compared"
    )


def test_what_fails_within_a_transaction_is_kept_in_neither(owner: Owner) -> None:
    before = owner.tables()
    with pytest.raises(ZeroDivisionError), owner.facts.transaction() as cursor:
        cursor.execute("CREATE TABLE made (x INTEGER)")
        cursor.execute("INSERT INTO runs (run_id) VALUES ('r1')")
        raise ZeroDivisionError
    assert owner.tables() == before


def test_what_was_committed_is_seen_by_every_cursor_of_either(owner: Owner) -> None:
    reader = owner.facts.cursor()
    with owner.facts.transaction() as cursor:
        cursor.execute("CREATE TABLE made (x INTEGER)")
        with pytest.raises(duckdb.CatalogException):
            reader.execute("FROM made")
    assert reader.execute("FROM made").fetchall() == []


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO 'out.csv'",
        "FROM read_csv('in.csv')",
        "ATTACH 'other.duckdb'",
        "SET enable_external_access = true",
        "SET TimeZone = 'Europe/Berlin'",
    ],
)
def test_neither_reaches_out_nor_can_be_set_otherwise(owner: Owner, sql: str) -> None:
    with pytest.raises(duckdb.Error, match=r"disabled|locked"):
        owner.facts.cursor().execute(sql)


def test_both_speak_of_time_in_utc(owner: Owner) -> None:
    cursor = owner.facts.cursor()
    assert cursor.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]
