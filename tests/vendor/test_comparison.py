"""The comparison over real facts: whose figures are whose, and what each cause is drawn from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from vendor_exports import HAIKU, SONNET, ApiDay, Telemetry, model

from sessionmill.app import App
from sessionmill.collect.discover import walk
from sessionmill.collect.roots import sessions_root
from sessionmill.config import Config
from sessionmill.registry import Registry
from sessionmill.testing import ClaudeTranscript, CodexRollout
from sessionmill.vendor import files
from sessionmill.view.reconciliation import COLUMNS, compare, who_is_who

DAY = date(2026, 3, 2)
NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
NOW = datetime(2026, 3, 20, tzinfo=UTC)
CLASSES = ("input", "output", "cache_read", "cache_write")
ALICE, BOB = "alice@example.com", "bob@example.com"


class Team:
    """A root of transcripts, the facts, and what the vendor says."""

    def __init__(self, folder: Path, app: App) -> None:
        self._root, self.app = folder / "sessions", app
        self._root.mkdir()

    def has(self, key: str, transcript: ClaudeTranscript | CodexRollout) -> None:
        transcript.write(self._root / key)

    def run(self) -> None:
        app = self.app
        for tally in app.run(app.registry.named(()), walk([sessions_root(self._root)])):
            assert tally.errors == []

    def told(self, *contents: bytes, said: Mapping[str, str] | None = None) -> None:
        fetched = datetime(2026, 3, 10, tzinfo=UTC)
        readings = [files.read(content, "a file", fetched) for content in contents]
        usage = [row for reading in readings for row in reading.usage]
        points = [point for reading in readings for point in reading.points]
        self.app.take_in_vendor_usage(usage, points, said or {})

    def compared(self, **given: Any) -> list[dict[str, Any]]:
        rows = compare(self.app.facts.cursor(), NOW, **given)
        return [dict(zip(rows.columns, values, strict=True)) for values in rows.values]

    def causes(self, **given: Any) -> list[str | None]:
        return [row["likely_cause"] for row in self.compared(**given)]


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    config = Config(tmp_path / "data")
    with App(config, Registry.of(config), "test") as app:
        app.store.prepare(list(app.registry.usable.values()))
        yield Team(tmp_path, app)


def session(name: str = "0f3c", start: datetime = NINE, **given: Any) -> ClaudeTranscript:
    """Return a session with one response."""
    told = ClaudeTranscript(name, start=start)
    told.prompt()
    figures: dict[str, Any] = {
        "model": SONNET,
        "input_tokens": 10,
        "output_tokens": 20,
        "cache_read_tokens": 300,
    }
    writes = {"cache_write_5m_tokens": 30, "cache_write_1h_tokens": 10}
    told.response(**(figures | writes | given))
    return told


#: What the API says of that session.
AS_API = model(SONNET, 10, 20, 300, 40, cents=5)


def as_telemetry(
    name: str | None = "0f3c",
    at: datetime = NINE + timedelta(minutes=1),
    email: str = ALICE,
    **given: Any,
) -> bytes:
    """Return what telemetry says of that session."""
    told = Telemetry("delta", email=email)
    for token_class, amount in zip(
        ("input", "output", "cacheRead", "cacheCreation"), (10, 20, 300, 40), strict=True
    ):
        told.tokens(at, token_class, amount, session=name, **given)
    return told.content


def api(*records: tuple[str, dict[str, Any]], day: date = DAY, sessions: int = 1) -> bytes:
    told = ApiDay(day)
    for name, of_model in records:
        told.record(name, of_model, sessions=sessions)
    return told.pages(99)[0]


# ── both sides ──


def test_cache_writes_of_both_durations_are_compared_with_the_vendors_one_class(
    team: Team,
) -> None:
    team.has("alice/a.jsonl", session())
    team.run()
    team.told(api((ALICE, AS_API)))
    [row] = team.compared()
    assert list(row) == COLUMNS
    assert [row[f"ours_{name}_tokens"] for name in CLASSES] == [10, 20, 300, 40]
    assert [row[f"theirs_{name}_tokens"] for name in CLASSES] == [10, 20, 300, 40]
    assert [row[f"difference_{name}_tokens"] for name in CLASSES] == [0, 0, 0, 0]
    assert (row["day"], row["user"], row["vendor_name"]) == (DAY, "alice", ALICE)
    assert (row["likely_cause"], row["detail"]) == (None, None)


def test_costs_are_told_both_ways(team: Team) -> None:
    # 10 + 20 + 300 + 30 + 10 tokens at 3, 15, 0.30, 3.75 and 6 dollars for a million.
    ours = Decimal("0.000593")
    team.has("alice/a.jsonl", session())
    team.has("bob/a.jsonl", session("77aa", model="a model of nobody's"))
    team.run()
    team.told(api((ALICE, AS_API), (BOB, AS_API), ("carol@example.com", AS_API)))
    alice, bob, carol = team.compared()
    assert alice["ours_cost_usd"] == ours
    assert alice["theirs_cost_usd"] == Decimal("0.05")
    assert alice["difference_cost_usd"] == ours - Decimal("0.05")
    assert alice["unpriced_responses"] == 0
    assert (bob["ours_cost_usd"], bob["difference_cost_usd"], bob["unpriced_responses"]) == (
        None,
        None,
        1,
    )
    assert carol["difference_cost_usd"] == Decimal("-0.05")


def test_absurd_figures_of_a_damaged_line_are_no_error(team: Team) -> None:
    told, most = session(), 2**63 - 1
    for _ in range(2):
        told.response(
            input_tokens=most,
            output_tokens=most,
            cache_read_tokens=most,
            cache_write_5m_tokens=most,
            cache_write_1h_tokens=most,
        )
    team.has("alice/a.jsonl", told)
    team.has("alice/b.jsonl", told.fork("77aa"))
    team.has("bob/a.jsonl", told)
    team.run()
    team.told(as_telemetry(), as_telemetry("far away"))
    row = team.compared()[0]
    assert row["ours_cache_write_tokens"] == 4 * most + 40


def test_days_are_utc_and_a_difference_is_ours_minus_theirs(team: Team) -> None:
    team.has("alice/a.jsonl", session(start=datetime(2026, 3, 2, 23, 50, tzinfo=UTC)))
    team.run()
    team.told(api((ALICE, model(SONNET, 11, 20, 300, 40))))
    [row] = team.compared()
    assert row["difference_input_tokens"] == -1


def test_sources_are_compared_each_for_itself(team: Team) -> None:
    team.has("alice/a.jsonl", session())
    team.run()
    team.told(api((ALICE, AS_API)), as_telemetry())
    rows = team.compared()
    assert [row["source"] for row in rows] == ["analytics_api", "otel"]
    assert {row["likely_cause"] for row in rows} == {None}


def test_codex_is_no_part_of_what_this_vendor_counts(team: Team) -> None:
    rollout = CodexRollout(start=NINE)
    rollout.prompt()
    rollout.tokens(500, 0, 70)
    team.has("alice/a.jsonl", session())
    team.has("alice/sessions/rollout-a.jsonl", rollout)
    team.run()
    team.told(api((ALICE, AS_API)))
    assert team.causes() == [None]


def test_days_and_users_may_be_chosen(team: Team) -> None:
    for user in ("alice", "bob"):
        for day in range(3):
            told = session(f"{user}{day}", start=NINE + timedelta(days=day))
            team.has(f"{user}/{day}.jsonl", told)
    team.run()
    for day in range(3):
        team.told(api((ALICE, AS_API), (BOB, AS_API), day=DAY + timedelta(days=day)))
    assert len(team.compared()) == 6
    [row] = team.compared(user="bob", since=DAY + timedelta(days=1), until=DAY + timedelta(days=2))
    assert (row["user"], row["day"]) == ("bob", DAY + timedelta(days=1))


def test_only_days_that_the_vendor_covers_are_compared(team: Team) -> None:
    team.has("alice/a.jsonl", session())
    team.has("alice/b.jsonl", session("77aa", start=NINE + timedelta(days=1)))
    team.run()
    assert team.compared() == []
    team.told(api((ALICE, AS_API)))
    assert [row["day"] for row in team.compared()] == [DAY]


# ── who is who ──


@pytest.mark.parametrize(
    ("names", "said", "people"),
    [
        ([ALICE], {}, {ALICE: "alice"}),
        ([ALICE], {ALICE: "bob"}, {ALICE: "bob"}),
        (["x@example.com"], {"x@example.com": "bob"}, {"x@example.com": "bob"}),
        (["carol@example.com"], {}, {}),
        (["Alice@example.com"], {}, {}),
        (["alice"], {}, {"alice": "alice"}),
        (["o@hara@example.com"], {}, {}),
        ([ALICE, "alice@other.example"], {}, {}),
        (
            [ALICE, "alice@other.example"],
            {ALICE: "bob"},
            {ALICE: "bob", "alice@other.example": "alice"},
        ),
        (["carol@example.com"], {ALICE: "bob"}, {}),
    ],
)
def test_a_name_is_whose_it_is_said_to_be_or_what_it_plainly_says(
    names: list[str], said: dict[str, str], people: dict[str, str]
) -> None:
    assert who_is_who(names, said, {"alice", "bob"}) == people
    assert who_is_who(names[::-1], said, {"alice", "bob"}) == people


def test_two_names_of_one_person_are_one_person(team: Team) -> None:
    team.has("alice/a.jsonl", session())
    team.run()
    half = model(SONNET, 5, 10, 150, 20, cents=1)
    team.told(api((ALICE, half), ("ci key", half)), said={"ci key": "alice"})
    [row] = team.compared()
    assert row["vendor_name"] == f"{ALICE}, ci key"
    assert row["likely_cause"] is None
    assert row["theirs_cost_usd"] == Decimal("0.02")


def test_whom_nobody_knows_is_listed_with_what_to_say(team: Team) -> None:
    team.has("alice/a.jsonl", session())
    team.run()
    team.told(api((ALICE, AS_API), ("carol@example.com", AS_API)))
    known, unknown = team.compared()
    assert (known["user"], unknown["user"]) == ("alice", None)
    assert unknown["likely_cause"] == "person not mapped"
    assert "--as carol@example.com=USERNAME" in unknown["detail"]
    assert len(team.compared(user="alice")) == 1


# ── causes ──


def test_who_has_no_transcripts_of_a_day_is_told(team: Team) -> None:
    team.has("alice/a.jsonl", session(start=NINE - timedelta(days=1)))
    team.run()
    with team.app.facts.transaction() as cursor:  # as if a run had found it on that day
        cursor.execute("UPDATE transcripts SET first_seen_at = TIMESTAMP '2026-03-02'")
    team.told(api((ALICE, AS_API)))
    assert team.causes() == ["no transcripts of that day"]


def test_a_day_long_before_the_first_walk_may_have_been_deleted(team: Team) -> None:
    team.has("alice/a.jsonl", session(start=NOW))
    team.run()  # today, months later
    team.told(api((ALICE, AS_API)))
    assert team.causes() == ["transcripts gone before first run"]


def test_a_transcript_that_is_not_taken_in_is_told(team: Team) -> None:
    team.has("alice/a.jsonl", session(start=NINE - timedelta(days=1)))
    team.run()
    with team.app.facts.transaction() as cursor:
        cursor.execute("UPDATE session_processor_state SET dead_at = TIMESTAMP '2026-03-05'")
    team.told(api((ALICE, AS_API)))
    assert team.causes() == ["transcripts not read"]


def test_who_is_not_in_their_figures_is_told(team: Team) -> None:
    team.has("alice/a.jsonl", session())
    team.has("bob/b.jsonl", session("77aa"))
    team.run()
    team.told(api((BOB, AS_API)))
    assert team.causes() == ["not in their figures", None]


def test_a_session_of_theirs_without_a_transcript_is_of_another_machine(team: Team) -> None:
    team.has("alice/a.jsonl", session())
    team.run()
    team.told(as_telemetry(), as_telemetry("far away"))
    [row] = team.compared()
    assert row["likely_cause"] == "other machine or surface"
    assert "far away" in row["detail"]


def test_a_session_of_ours_that_they_never_name_had_no_telemetry(team: Team) -> None:
    team.has("alice/a.jsonl", session())
    team.has("alice/b.jsonl", session("77aa"))
    team.run()
    team.told(as_telemetry())
    [row] = team.compared()
    assert row["likely_cause"] == "sessions without telemetry"
    assert "77aa" in row["detail"]


def test_sessions_are_not_compared_where_telemetry_names_none(team: Team) -> None:
    team.has("alice/a.jsonl", session())
    team.has("alice/b.jsonl", session("77aa"))
    team.run()
    team.told(as_telemetry(None))
    assert team.causes() == ["unexplained"]


def test_more_sessions_at_the_api_are_of_another_machine(team: Team) -> None:
    team.has("alice/a.jsonl", session(start=NINE))
    team.run()
    with team.app.facts.transaction() as cursor:
        cursor.execute("UPDATE transcripts SET first_seen_at = TIMESTAMP '2026-03-02'")
    team.told(api((ALICE, model(SONNET, 20, 40, 600, 80)), sessions=2))
    [row] = team.compared()
    assert row["likely_cause"] == "other machine or surface"
    assert row["detail"] == "sessions: 2 of theirs, 1 here"


def test_the_clients_own_requests_stand_in_no_transcript(team: Team) -> None:
    team.has("alice/a.jsonl", session())
    team.run()
    titles = Telemetry("delta").tokens(NINE, "input", 99, model=HAIKU, query_source="auxiliary")
    team.told(as_telemetry(), titles.content)
    assert team.causes() == ["background requests"]


def test_a_model_that_no_transcript_names_is_told(team: Team) -> None:
    team.has("alice/a.jsonl", session())
    team.run()
    told = ApiDay(DAY).record(ALICE, AS_API, model(HAIKU, 99, 1)).pages()
    team.told(*told)
    [row] = team.compared()
    assert row["likely_cause"] == "models that no transcript names"
    assert row["detail"] == HAIKU


def test_a_response_that_two_users_have_is_counted_for_both(team: Team) -> None:
    team.has("alice/a.jsonl", session())
    team.has("bob/a.jsonl", session())
    team.run()
    team.told(api((ALICE, AS_API), (BOB, model(SONNET))))
    assert team.causes() == [None, "also another user's"]


def test_copies_that_they_count_each_are_counted_once_here(team: Team) -> None:
    told = session()
    team.has("alice/a.jsonl", told)
    team.has("alice/b.jsonl", told.fork("77aa"))
    team.run()
    with team.app.facts.transaction() as cursor:
        cursor.execute("UPDATE transcripts SET first_seen_at = TIMESTAMP '2026-03-02'")
    team.told(api((ALICE, AS_API)))
    assert team.causes() == [None]
    team.told(api((ALICE, model(SONNET, 20, 40, 600, 80))))
    assert team.causes() == ["copies counted once"]


def test_output_that_was_logged_in_part_is_told_where_responses_are_flagged(team: Team) -> None:
    team.has("alice/a.jsonl", session())
    team.run()
    team.told(api((ALICE, model(SONNET, 10, 520, 300, 40))))

    def flag(value: str) -> dict[str, Any]:
        with team.app.facts.transaction() as cursor:
            cursor.execute("UPDATE transcripts SET first_seen_at = TIMESTAMP '2026-03-02'")
            cursor.execute(
                "ALTER TABLE responses ADD COLUMN IF NOT EXISTS output_is_partial BOOLEAN"
            )
            cursor.execute(f"UPDATE responses SET output_is_partial = {value}")  # noqa: S608 - ours
        [row] = team.compared()
        return row

    row = flag("true")
    assert row["likely_cause"] == "partial output logged"
    assert row["detail"] == "500 tokens of output, and no other; responses logged in part: 1"
    assert flag("false")["likely_cause"] == "unexplained"


def test_a_request_that_ends_after_midnight_is_a_day_boundary(team: Team) -> None:
    for day, name in enumerate(("0f3c", "77aa")):
        team.has(f"alice/{name}.jsonl", session(name, start=NINE + timedelta(days=day)))
    late = datetime(2026, 3, 2, 23, 59, 30, tzinfo=UTC)
    team.has("alice/late.jsonl", session("1a7e", start=late))
    team.run()
    tomorrow = NINE + timedelta(days=1)
    exported = as_telemetry("1a7e", at=datetime(2026, 3, 3, 0, 0, 20, tzinfo=UTC))
    team.told(as_telemetry(), as_telemetry("77aa", at=tomorrow), exported)
    # Later telemetry, so that it is not this which has not come yet.
    team.told(as_telemetry("0f3c", at=NINE + timedelta(days=9), email=BOB))
    rows = team.compared(user="alice", until=DAY + timedelta(days=2))
    assert [row["likely_cause"] for row in rows] == ["day boundary"] * 2
    assert "2026-03-03" in rows[0]["detail"]


def test_telemetry_that_ends_within_a_day_is_still_arriving(team: Team) -> None:
    team.has("alice/a.jsonl", session())
    team.has("alice/b.jsonl", session("77aa", start=NINE + timedelta(hours=5)))
    team.run()
    told = Telemetry("delta").tokens(NINE, "input", 10, session="0f3c")
    team.told(told.content)
    [row] = team.compared()
    assert row["likely_cause"] == "still arriving"
    assert row["detail"] == "theirs end at 2026-03-02 09:00 UTC"
