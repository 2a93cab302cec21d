"""The kit as an author uses it: a processor, a store in memory, and transcripts as they grow."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from kit_processors import (
    CALL_COUNTS,
    CallCounter,
    Catching,
    Elected,
    Greeting,
    Prices,
    Silent,
    Words,
)

from sessionmill.contracts import (
    Column,
    Extraction,
    ProcessorResult,
    RetryLater,
    Transcript,
)
from sessionmill.decode.records import Record
from sessionmill.errors import ProcessorUnusable
from sessionmill.process.inventory import Inventory
from sessionmill.testing import (
    ClaudeTranscript,
    CodexRollout,
    FakeClock,
    MemoryStore,
    mcp,
    run_session,
    skill,
    subagent,
)


def called(*names: str, session_id: str = "s1") -> ClaudeTranscript:
    """Return a transcript in which tools are called."""
    said = ClaudeTranscript(session_id)
    for name in names:
        said.call(name)
    return said


# ── extractors ──


def test_an_extractors_rows_are_those_a_run_stores() -> None:
    store = run_session(CallCounter, called("Bash", "Read", "Bash"))

    assert store.rows("call_counts", "name", "calls") == [
        {"name": "Bash", "calls": 2},
        {"name": "Read", "calls": 1},
    ]
    [row, _] = store.tables["call_counts"]
    assert (row["session_id"], row["username"], row["agent"]) == ("s1", "alice", "claude-code")
    assert store.sql("SELECT calls FROM most_called ORDER BY name") == [(2,), (1,)]


@pytest.mark.parametrize(
    "processor", [CallCounter, CallCounter(), "kit_processors:CallCounter"], ids=type
)
def test_a_processor_is_given_as_its_class_an_instance_or_where_it_stands(
    processor: object,
) -> None:
    assert run_session(processor, called("Bash")).rows("call_counts", "calls") == [{"calls": 1}]


def test_a_class_local_to_a_test_will_do() -> None:
    class Local(CallCounter):
        name = "local"

    assert run_session(Local, called("Bash")).rows("call_counts", "calls") == [{"calls": 1}]


def test_a_transcript_that_grew_is_read_on_and_one_that_did_not_is_left_alone() -> None:
    given: list[int] = []

    class Noting(CallCounter):
        name = "noting"

        def extract(
            self, transcript: Transcript, records: Sequence[Record], carry: Any
        ) -> Extraction:
            given.append(len(records))
            return super().extract(transcript, records, carry)

    with MemoryStore(Noting) as store:
        said = called("Bash")
        assert store.process(said) == 1
        assert store.process(said) == 0
        said.call("Bash")
        assert store.process(said) == 1
        assert given == [2, 2], "the lines of the first call are not read again"
        assert store.rows("call_counts", "calls") == [{"calls": 2}]


def test_a_transcript_of_other_content_replaces_the_one_before_even_of_the_same_length() -> None:
    with MemoryStore(CallCounter) as store:
        store.process(called("Bash"))
        store.process(called("Read"))
        assert store.rows("call_counts", "name") == [{"name": "Read"}]
        store.process(called())
        assert store.rows("call_counts") == [], "cut to nothing"


def test_each_transcript_has_the_key_that_its_agent_gives_it() -> None:
    said = ClaudeTranscript("s1")
    said.prompt()
    agent = ClaudeTranscript("s1", agent_id="a7f3")
    agent.prompt()
    rollout = CodexRollout()
    rollout.turn()
    with MemoryStore(Inventory) as store:
        for transcript in (said, agent, rollout, bytes(said)):
            store.process(transcript)
        store.process(said, "bob/s1.jsonl")
        found = store.sql("SELECT DISTINCT session_key, session_id, agent FROM line_types")

    codex = f"alice/{rollout.relative_path.as_posix()}"
    assert sorted(found) == [
        ("alice/sessions" + codex[14:], rollout.session_id, "codex"),
        ("alice/shop/0f3c.jsonl", "s1", "claude-code"),
        ("alice/shop/s1.jsonl", "s1", "claude-code"),
        ("alice/shop/s1/subagents/agent-a7f3.jsonl", "s1", "claude-code"),
        ("bob/s1.jsonl", "s1", "claude-code"),
    ]


def test_a_processor_of_main_transcripts_is_not_given_a_sub_agents_file() -> None:
    class MainOnly(CallCounter):
        name, transcripts = "main_only", "main"

    agent = ClaudeTranscript("s1", agent_id="a7f3")
    agent.call("Bash")
    with MemoryStore(MainOnly) as store:
        assert store.process(agent) == 0
        assert store.process(called("Bash")) == 1


def test_a_file_is_a_transcript_too(tmp_path: Path) -> None:
    path = called("Bash").write(tmp_path / "real.jsonl")
    store = run_session(CallCounter, path)
    assert store.rows("call_counts", "session_key") == [{"session_key": "alice/shop/real.jsonl"}]


def test_of_copies_in_several_transcripts_one_is_counted_for_each_user() -> None:
    said = ClaudeTranscript("s1")
    said.prompt("Fix it.")
    fork = said.fork("s2")
    with MemoryStore(Elected) as store:
        store.process(said)
        store.process(fork)
        store.process(said, "bob/s1.jsonl")
        counted = [row["session_key"] for row in store.rows("asked") if row["counted"]]
        assert sorted(counted) == ["alice/shop/s1.jsonl", "bob/s1.jsonl"]

        store.process(ClaudeTranscript("s1"))
        counted = [row["session_key"] for row in store.rows("asked") if row["counted"]]
        assert sorted(counted) == ["alice/shop/s2.jsonl", "bob/s1.jsonl"], "the count passes on"


@pytest.mark.parametrize(
    ("use", "kind"),
    [
        (mcp("linear", "get"), "mcp"),
        (skill("shop:deploy"), "skill"),
        (subagent("Explore"), "subagent"),
    ],
    ids=["mcp", "skill", "subagent"],
)
def test_what_is_built_is_decoded_as_what_it_is(use: Any, kind: str) -> None:
    said = ClaudeTranscript()
    said.call(use)
    store = run_session("sessionmill.process.usage:Usage", said)
    assert store.rows("tool_calls", "kind") == [{"kind": kind}]


# ── effectful processors ──


def test_an_effectful_processors_rows_are_replaced_when_its_transcript_grew() -> None:
    with MemoryStore(Words) as store:
        said = called("Bash")
        assert store.process(said) == 1
        assert store.process(said) == 0, "its content is the same"
        said.prompt("One more thing.")
        store.process(said)
        assert store.rows("words", "words") == [{"words": len(bytes(said).split())}]


def test_a_context_has_settings_a_folder_that_is_kept_and_redaction() -> None:
    with MemoryStore(Greeting, settings={"text": "good morning"}) as store:
        store.process(called(session_id="s1"))
        store.process(called("Bash", session_id="s2"))
        assert [row["said"] for row in store.rows("greetings")] == [
            "good morning 1, token=[redacted]",
            "good morning 2, token=[redacted]",
        ]
    other = run_session(Greeting, called(), settings={"text": "hello"})
    assert other.rows("greetings", "said") == [{"said": "hello 1, token=[redacted]"}]


def test_an_outage_is_raised_keeps_nothing_and_passes_as_the_clock_moves_on() -> None:
    clock, up = FakeClock(), iter([False, True])
    with MemoryStore(Prices(clock, up.__next__)) as store:
        with pytest.raises(RetryLater, match="the service is away") as away:
            store.process(called())
        assert away.value.after == 300
        assert store.tables == {}

        clock.advance(minutes=4)
        with pytest.raises(RetryLater, match="left alone"):
            store.process(called())
        clock.advance(minutes=1)
        assert store.process(called()) == 1
        assert store.rows("quotes", "asked_at") == [{"asked_at": clock.now.replace(tzinfo=None)}]


def test_an_extractors_outage_is_raised_as_it_was() -> None:
    outage = RetryLater("x" * 400, after=7)

    class Away(CallCounter):
        name = "away"

        def extract(self, *_: Any) -> Extraction:
            raise outage

    with MemoryStore(Away) as store, pytest.raises(RetryLater) as raised:
        store.process(called("Bash"))
    assert raised.value is outage
    assert raised.traceback[-1].name == "extract", "the test shows where"


def test_what_a_processor_returns_in_place_of_a_result_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="process_session returned NoneType"):
        run_session(Silent, called())


# ── failing ──


@pytest.mark.parametrize("processor_kind", ["extractor", "effectful"])
def test_what_a_processor_raises_comes_out_and_the_next_call_tries_again(
    processor_kind: str,
) -> None:
    failures = [ValueError("no such thing")]

    class Extracts(CallCounter):
        name = "flaky"

        def extract(
            self, transcript: Transcript, records: Sequence[Record], carry: Any
        ) -> Extraction:
            if failures:
                raise failures.pop()
            return super().extract(transcript, records, carry)

    class Affects(Words):
        name = "flaky"

        def process_session(self, *given: Any) -> ProcessorResult:
            result = super().process_session(*given)
            if failures:
                raise failures.pop()
            return result

    processor = Extracts if processor_kind == "extractor" else Affects
    with MemoryStore(processor) as store:
        with pytest.raises(ValueError, match="no such thing") as raised:
            store.process(called("Bash"))
        assert raised.value.__notes__ == ["It was processing alice/shop/s1.jsonl."]
        assert not any(store.tables.values())
        assert store.process(called("Bash")) == 1, "no attempt is counted, and nothing waits"


def test_an_error_that_a_processor_has_caught_fails_its_session_as_in_a_run() -> None:
    with MemoryStore(Catching) as store:
        for _ in range(2):
            with pytest.raises(duckdb.CatalogException, match="nowhere") as raised:
                store.process(called())
            assert "has caught this error" in raised.value.__notes__[0]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("Bash",), "call_counts has 1 values for 2 columns"),
        (("Bash", "many"), "call_counts.calls is no BIGINT"),
        ((None, 1), "call_counts.name is its key"),
        ({"nome": "Bash"}, "call_counts has no column 'nome'"),
    ],
    ids=["too short", "of another type", "without its key", "with an unknown column"],
)
def test_a_row_that_fits_no_table_is_refused_by_name_and_again(row: Any, message: str) -> None:
    class Misfit(CallCounter):
        name = "misfit"

        def extract(
            self, transcript: Transcript, records: Sequence[Record], carry: Any
        ) -> Extraction:
            del transcript, carry
            return Extraction(rows={"call_counts": [row]}, safe_offset=records[-1].end)

    with MemoryStore(Misfit) as store:
        for _ in range(2):
            with pytest.raises(ValueError, match=message):
                store.process(called("Bash"))


def with_table(**changes: Any) -> type:
    """Return a counter whose table is declared otherwise."""

    class Declared(CallCounter):
        name, views = "declared", {}
        tables = (replace(CALL_COUNTS, **changes),)

    return Declared


class Neither:
    name, cadence_minutes = "neither", 60


@pytest.mark.parametrize(
    ("processor", "reason"),
    [
        (with_table(key=("nome",)), "call_counts has no column 'nome' for its key"),
        (with_table(columns=(Column("name", "TEXT"),)), "unknown type 'TEXT'"),
        (with_table(name="transcripts"), "transcripts belongs to the framework"),
        (with_table(name="prompts"), "prompts belongs to usage"),
        (with_table(derived={"twice": ("BIGINT", "callz * 2", "")}), "DuckDB refuses its SQL"),
        (Neither, "neither process_session nor extract"),
        (Neither(), "neither process_session nor extract"),
        ("kit_processors", "not of the form package.module:Class"),
    ],
    ids=["key", "type", "core table", "table of usage", "derived", "no kind", "instance", "spec"],
)
def test_a_wrong_declaration_is_refused_as_a_run_refuses_it(processor: Any, reason: str) -> None:
    with pytest.raises(ProcessorUnusable, match=reason):
        MemoryStore(processor)


def test_a_wrong_use_says_what_is_right() -> None:
    with pytest.raises(TypeError, match="settings are for a class"):
        MemoryStore(CallCounter(), settings={"text": "hello"})
    with MemoryStore(CallCounter) as store:
        wrong: Any = "{}"
        with pytest.raises(TypeError, match="str is no transcript: give a built one"):
            store.process(wrong)
        for key in ("0f3c.jsonl", "alice/../bob/a.jsonl", "/alice/a.jsonl", "alice/a.txt"):
            with pytest.raises(ValueError, match=r"not of the form <username>/<path>\.jsonl"):
                store.process(called(), key)
        with pytest.raises(LookupError, match="no table call_count, but call_counts"):
            store.rows("call_count")
        store.process(called("Bash"))
        with pytest.raises(LookupError, match="call_counts has no column nome, but session_key"):
            store.rows("call_counts", "nome")


# ── the kit itself ──


def test_a_store_that_is_let_go_leaves_nothing_behind_and_does_not_complain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        run_session(CallCounter, called("Bash"))
        with pytest.raises(ProcessorUnusable):
            MemoryStore(Neither)
        gc.collect()
    assert not complaints
    assert list(tmp_path.iterdir()) == []


def test_a_class_is_built_anew_for_each_call_as_it_is_in_each_worker() -> None:
    built: list[object] = []

    class Built(CallCounter):
        name = "built"

        def __init__(self) -> None:
            built.append(self)

    with MemoryStore(Built) as store:
        store.process(called("Bash"))
        before = len(built)
        store.process(called("Bash", "Bash"))
    assert len(built) == before + 1


def test_a_clock_stands_still_until_it_is_moved() -> None:
    clock = FakeClock()
    assert clock() == clock()
    before = clock()
    clock.advance(hours=1, seconds=1)
    assert (clock() - before).total_seconds() == 3601
    assert clock().tzinfo is not None
