"""The base contract: a class that reads one transcript and writes through a connection."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import run_plain
from run_place import Place, counted, errors_of, figures, key, told

from sessionmill.contracts import Extractor, SessionProcessor
from sessionmill.testing import FakeClock

LINES = "run_effectful:Lines"


@pytest.fixture
def place(tmp_path: Path, clock: FakeClock) -> Iterator[Place]:
    with Place(tmp_path, clock) as place:
        yield place


def calls(place: Place) -> list[str]:
    """Return the session keys that a processor was called for, in order."""
    notes = place.sessions / "notes.txt"
    return notes.read_text().splitlines() if notes.exists() else []


# ── the smallest processor ──


def test_a_class_of_the_contracts_shape_with_nothing_else_runs(place: Place) -> None:
    place.write("s1", told("s1", prompts=3))
    place.write("s2", told("s2", prompts=1))
    tally = place.run_one("run_plain:Plain")
    assert figures(tally) == counted(seen=2, scanned=2, processed=2)
    assert tally.items_extracted == 8
    assert place.ask("FROM plain ORDER BY key") == [
        ("alice", key("s1"), 6),
        ("alice", key("s2"), 2),
    ]


def test_the_contracts_tell_the_two_kinds_apart() -> None:
    plain: SessionProcessor = run_plain.Plain()
    assert isinstance(plain, SessionProcessor)
    assert not isinstance(plain, Extractor)


def test_what_a_processor_leaves_out_has_the_defaults_of_the_contract(place: Place) -> None:
    [plain] = place.processors("run_plain:Plain")
    limits = (plain.timeout_seconds, plain.memory_limit_mb, plain.max_attempts)
    assert (plain.version, *limits, plain.main_only) == (1, 300, 2048, 5, False)


def test_a_state_row_tells_what_was_processed_when(place: Place, clock: FakeClock) -> None:
    content = bytes(place.write("s1"))
    place.run_one(LINES)
    state = place.state("lines", "s1")
    assert state["username"] == "alice"
    assert state["processed_at"] == clock.now.replace(tzinfo=None)
    assert state["items_extracted"] == 2
    assert state["file_hash"] == hashlib.md5(content, usedforsecurity=False).hexdigest()
    assert (state["size"], state["version"], state["attempts"]) == (len(content), 1, 0)


def test_it_is_called_for_every_transcript(place: Place) -> None:
    place.write("s1")
    place.write("s1/subagents/agent-7f")
    place.write("agent-9c")
    assert figures(place.run_one(LINES)) == counted(seen=3, scanned=3, processed=3)


def test_it_is_called_for_main_transcripts_alone_where_it_says_so(place: Place) -> None:
    place.write("s1")
    place.write("s1/subagents/agent-7f")
    place.write("agent-9c")
    tally = place.run_one("run_effectful:MainLines")
    assert figures(tally) == counted(seen=1, scanned=1, processed=1)
    assert calls(place) == [key("s1")]


# ── all or nothing ──


def test_nothing_of_a_session_is_kept_when_its_processor_raises(place: Place) -> None:
    place.write("failing")
    place.write("fine")
    tally = place.run_one("run_effectful:Moody")
    assert errors_of(tally) == {key("failing"): "ValueError: the cart has no total"}
    assert place.column("SELECT DISTINCT session_key FROM lines_of") == [key("fine")]


def test_a_session_whose_processor_raised_is_tried_again_later(
    place: Place, clock: FakeClock
) -> None:
    place.write("failing")
    place.run_one("run_effectful:Moody")
    state = place.state("lines", "failing")
    assert (state["attempts"], state["processed_at"]) == (1, None)

    clock.advance(minutes=1)
    (place.sessions / "mended").touch()
    tally = place.run_one("run_effectful:Moody")
    assert figures(tally) == counted(seen=1, scanned=1, processed=1)
    assert place.column("SELECT n FROM lines_of ORDER BY n") == [0, 1]
    assert place.state("lines", "failing")["attempts"] == 0


def test_what_was_stored_of_a_session_stays_when_its_next_attempt_fails(place: Place) -> None:
    (place.sessions / "mended").touch()
    transcript = place.write("failing")
    place.run_one("run_effectful:Moody")
    before = place.state("lines", "failing")["processed_at"]

    (place.sessions / "mended").unlink()
    transcript.prompt("And once more.")
    place.write("failing", transcript)
    place.run_one("run_effectful:Moody")
    assert place.column("SELECT n FROM lines_of ORDER BY n") == [0, 1]
    assert place.state("lines", "failing")["processed_at"] == before


def test_a_swallowed_error_of_the_database_fails_the_session(place: Place) -> None:
    place.write("failing")
    place.write("fine")
    tally = place.run_one("run_effectful:Swallows")
    assert figures(tally) == counted(seen=2, scanned=2, processed=1, errors=1)
    [error] = errors_of(tally).values()
    assert "CatalogException" in error
    assert "nowhere" in error
    assert place.column("FROM swallowed") == [key("fine")]


def test_a_result_that_is_none_counts_zero_items_with_a_warning(place: Place) -> None:
    place.write("none")
    place.write("seven")
    tally = place.run_one("run_effectful:Odd")
    assert figures(tally) == counted(seen=2, scanned=2, processed=2)
    assert tally.items_extracted == 0
    assert [session for session, _ in tally.warnings] == [key("none"), key("seven")]
    assert "NoneType, not a ProcessorResult" in tally.warnings[0][1]
    assert "int, not a ProcessorResult" in tally.warnings[1][1]
    assert len(place.ask("FROM odd")) == 2, "its rows are kept"


def test_a_message_is_cut_to_300_characters(place: Place) -> None:
    place.write("s1")
    [error] = errors_of(place.run_one("run_effectful:LongWinded")).values()
    assert len(error) == 300
    assert place.state("long-winded", "s1")["last_error"] == error


# ── its own tables ──


def test_the_rows_of_a_session_are_deleted_before_it_is_processed_again(place: Place) -> None:
    place.write("other")
    transcript = place.write("s1")
    place.run_one(LINES)
    transcript.prompt("And once more.")
    place.write("s1", transcript)
    place.run_one(LINES)
    counts = place.ask("SELECT session_key, count(*) FROM lines_of GROUP BY ALL ORDER BY ALL")
    assert counts == [(key("other"), 2), (key("s1"), 3)]


def test_its_rows_go_even_if_it_runs_no_statement_this_time(place: Place) -> None:
    place.write("s1")
    place.run_one("run_effectful:Silent")
    (place.sessions / "silence").touch()
    place.append("s1", told("more").lines[0])
    place.run_one("run_effectful:Silent")
    assert place.ask("FROM lines_of") == []


def test_the_rows_of_an_undeclared_table_are_its_own_affair(place: Place) -> None:
    transcript = place.write("s1")
    place.run_one("run_effectful:OwnAffair")
    transcript.prompt("And once more.")
    place.write("s1", transcript)
    place.run_one("run_effectful:OwnAffair")
    assert len(place.ask("FROM lines_of")) == 2 + 3


def test_a_declared_table_without_a_session_key_fails_the_session_with_the_reason(
    place: Place,
) -> None:
    transcript = place.write("s1")
    place.run_one("run_effectful:Keyless")
    transcript.prompt("And once more.")
    place.write("s1", transcript)
    [error] = errors_of(place.run_one("run_effectful:Keyless")).values()
    assert "session_key" in error


# ── what is processed again ──


def test_what_has_not_changed_is_not_scanned(place: Place) -> None:
    place.write("s1")
    place.run_one(LINES)
    assert figures(place.run_one(LINES)) == counted(seen=1)


def test_a_touched_file_of_the_same_content_is_skipped(place: Place) -> None:
    place.write("s1")
    place.run_one(LINES)
    rows = place.ask("FROM lines_of ORDER BY ALL")
    place.touch("s1")
    assert figures(place.run_one(LINES)) == counted(seen=1, scanned=1, skipped=1)
    assert place.ask("FROM lines_of ORDER BY ALL") == rows != [], "nothing writes them again"
    assert calls(place) == [key("s1")], "it was called for the content once"
    assert figures(place.run_one(LINES)) == counted(seen=1), "the new time was written down"


def test_a_grown_file_is_processed_as_a_whole(place: Place) -> None:
    transcript = place.write("s1")
    place.run_one(LINES)
    transcript.prompt("And once more.")
    place.write("s1", transcript)
    tally = place.run_one(LINES)
    assert figures(tally) == counted(seen=1, scanned=1, processed=1)
    assert tally.items_extracted == 3


def test_a_replaced_file_of_the_same_size_is_processed(place: Place) -> None:
    content = bytes(place.write("s1"))
    place.run_one(LINES)
    place.path("s1").write_bytes(content.replace(b"Fixed.", b"Mixed."))
    place.touch("s1")
    assert figures(place.run_one(LINES)) == counted(seen=1, scanned=1, processed=1)
    hashed = hashlib.md5(place.path("s1").read_bytes(), usedforsecurity=False).hexdigest()
    assert place.state("lines", "s1")["file_hash"] == hashed


def test_a_failed_session_is_done_again_though_its_content_is_the_same(
    place: Place, clock: FakeClock
) -> None:
    (place.sessions / "mended").touch()
    transcript = place.write("failing")
    place.run_one("run_effectful:Moody")
    (place.sessions / "mended").unlink()
    transcript.prompt("And once more.")
    place.write("failing", transcript)
    place.run_one("run_effectful:Moody")

    clock.advance(minutes=1)
    (place.sessions / "mended").touch()
    place.touch("failing")
    assert place.run_one("run_effectful:Moody").processed == 1
    assert len(place.ask("FROM lines_of")) == 3


def test_a_new_version_processes_everything_again(place: Place) -> None:
    place.write_many(3)
    place.run_one(LINES)
    assert place.run_one("run_effectful:LinesAnew").processed == 3
    assert len(place.ask("FROM lines_of")) == 6, "the rows of the older version are gone"
    assert place.column("SELECT DISTINCT version FROM session_processor_state") == [2]
    assert place.run_one("run_effectful:LinesAnew").scanned == 0


def test_a_new_version_that_fails_leaves_the_older_rows(place: Place) -> None:
    (place.sessions / "mended").touch()
    place.write("failing")
    place.run_one("run_effectful:Moody")
    (place.sessions / "mended").unlink()
    assert len(place.run_one("run_effectful:MoodyAnew").errors) == 1
    assert len(place.ask("FROM lines_of")) == 2


def test_a_vanished_file_keeps_its_rows_and_its_state(place: Place) -> None:
    place.write("gone")
    place.write("stays")
    place.run_one(LINES)
    place.path("gone").unlink()
    assert figures(place.run_one("run_effectful:LinesAnew")) == counted(
        seen=1, scanned=1, processed=1
    )
    assert len(place.ask("FROM lines_of WHERE session_key = ?", key("gone"))) == 2
    assert place.state("lines", "gone")["version"] == 1
    gone = "SELECT session_key FROM transcripts WHERE gone_at IS NOT NULL"
    assert place.column(gone) == [key("gone")]


# ── what it is given ──


def test_a_context_holds_the_settings_of_the_configuration(
    tmp_path: Path, clock: FakeClock
) -> None:
    settings = '[processors.contextual]\ngreeting = "good day"\nn = 7\n'
    with Place(tmp_path, clock, settings) as place:
        place.write("s1")
        place.run_one("run_effectful:Contextual")
        assert place.ask("FROM contextual") == [("good day", 7, "password=[redacted]")]


def test_a_contexts_folder_is_kept_across_runs_and_not_rolled_back(place: Place) -> None:
    place.write("s1-failing")
    place.run_one("run_effectful:Contextual")
    place.write("s2")
    place.run_one("run_effectful:Contextual")
    [processor] = place.processors("run_effectful:Contextual")
    assert processor.folder.is_relative_to(place.data)
    assert processor.folder.stat().st_mode & 0o077 == 0, "nobody else's business"
    assert (processor.folder / "calls").read_text().split() == [key("s1-failing"), key("s2")]
    assert len(place.ask("FROM contextual")) == 1


def test_two_processors_never_share_a_folder(place: Place) -> None:
    one, other = place.processors("run_effectful:Contextual", "run_effectful:Namesake.Contextual")
    assert one.folder != other.folder
    modules = place.processors("run_effectful:Contextual", "run_namesake:Contextual")
    assert modules[0].folder != modules[1].folder


# ── beside others ──


def test_a_conflict_with_another_writer_is_run_again_and_not_counted(place: Place) -> None:
    place.write("s0")
    place.run_one("run_effectful:Sharing")
    place.write_many(25)
    tallies = place.run("run_effectful:Raiser", "run_effectful:RaiserToo")
    assert [errors_of(tally) for tally in tallies] == [{}, {}]
    assert place.ask("FROM shared") == [(52,)]


def test_an_effectful_processor_and_the_extractors_commit_side_by_side(
    tmp_path: Path, clock: FakeClock
) -> None:
    for number in range(4):  # once in four it may go well by luck
        with Place(tmp_path / str(number), clock) as place:
            place.write_many(40)
            own, usage = place.run("run_culprits:Effectful.raises", "usage")
            assert (own.processed, usage.processed) == (40, 40)


def test_a_processor_may_not_write_what_the_framework_or_an_extractor_owns(place: Place) -> None:
    place.write("s1")
    place.run_one("usage")
    for table in ("runs", "session_processor_state", "responses"):
        [error] = errors_of(place.run_one(f"run_trespassers:on_{table}")).values()
        assert "PermissionException" in error
        assert table in error
