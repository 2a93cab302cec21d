"""What commits and pull requests took: `report usage` by commit and by pr."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from books import Books, Row
from hypothesis import given
from made_up import examples, families

from sessionmill.process.usage import Usage
from sessionmill.testing import ClaudeTranscript, MemoryStore, ToolUse, subagent
from sessionmill.view import reports

SUMMED = (
    *("responses", "input_tokens", "output_tokens", "cache_read_tokens"),
    *("cache_write_5m_tokens", "cache_write_1h_tokens", "unpriced_responses", "cost_usd"),
)


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    with Books(tmp_path) as books:
        yield books


def report(books: Books, by: reports.By, **given: Any) -> dict[str | None, Row]:
    """Return the rows of a report by their groups, after holding them to the total."""
    cursor = books.cursor()
    rows = reports.usage(cursor, by, **given).document()["rows"]
    [total] = reports.usage(cursor, "total", **given).document()["rows"]
    hold_to(total, rows)
    return {row[by]: row for row in rows}


def hold_to(total: Row, rows: list[Row]) -> None:
    """Hold rows to coming to the total; each of their costs is rounded to a millionth."""
    for name in SUMMED:
        difference = sum(row[name] or 0 for row in rows) - (total[name] or 0)
        assert abs(difference) <= (len(rows) * 1e-6 if name == "cost_usd" else 0), name


def outputs(books: Books, by: reports.By, **given: Any) -> dict[str | None, int]:
    return {group: row["output_tokens"] for group, row in report(books, by, **given).items()}


def commit(transcript: ClaudeTranscript, *ids: str, output_tokens: int = 0) -> None:
    """Commit by a shell command, which prints what git prints."""
    printed = "\n".join(f"[main {id}] Words" for id in ids)
    transcript.call(
        ToolUse("Bash", {"command": "git commit"}),
        result=printed,
        tool_use_result={"stdout": printed},
        output_tokens=output_tokens,
    )


def read(books: Books, *transcripts: ClaudeTranscript, user: str = "alice") -> None:
    for transcript in transcripts:
        books.put(f"{user}/shop/{transcript.path()}", transcript)
    books.take_in()


def test_a_commit_took_what_was_used_since_the_one_before(books: Books) -> None:
    main = ClaudeTranscript("s1")
    main.response(output_tokens=1)
    commit(main, "1a2b3c4", output_tokens=20)
    main.response(output_tokens=300)
    commit(main, "5d6e7f8", output_tokens=4000)
    main.response(output_tokens=50_000)
    read(books, main)

    assert outputs(books, "commit") == {"1a2b3c4": 21, "5d6e7f8": 4300, None: 50_000}
    row = report(books, "commit")["1a2b3c4"]
    assert list(row)[:5] == ["commit", "user", "session", "at", "sessions"]
    assert (row["user"], row["session"], row["sessions"]) == ("alice", "s1", 1)
    assert row["cost_usd"] == Decimal("0.000375")  # 20 of input, 21 of output


def test_what_sub_agents_used_is_in_their_sessions_commit(books: Books) -> None:
    main = ClaudeTranscript("s1")
    call = main.call(subagent("Explore"), result=None, output_tokens=1)
    agent = main.subagent("a1")
    agent.response(output_tokens=20)
    main.agent_result(call, "a1")
    main.wait(10)
    commit(main, "1a2b3c4", output_tokens=300)
    read(books, main, agent)

    assert outputs(books, "commit") == {"1a2b3c4": 321}


def test_a_commit_that_is_printed_again_was_made_once(books: Books) -> None:
    main = ClaudeTranscript("s1")
    commit(main, "1a2b3c4", output_tokens=1)
    commit(main, "1a2b3c4", output_tokens=20)
    commit(main, "5d6e7f8", output_tokens=300)
    read(books, main)

    assert outputs(books, "commit") == {"1a2b3c4": 1, "5d6e7f8": 320}


def test_commits_of_one_moment_share_nothing(books: Books) -> None:
    main = ClaudeTranscript("s1")
    commit(main, "5d6e7f8", "1a2b3c4", output_tokens=7)
    read(books, main)

    assert outputs(books, "commit") == {"1a2b3c4": 7, "5d6e7f8": 0}


def test_a_pull_request_goes_on_until_it_is_seen_last(books: Books) -> None:
    main = ClaudeTranscript("s1")
    main.response(output_tokens=1)
    main.pr_link(7)
    main.response(output_tokens=20)
    commit(main, "1a2b3c4")
    main.pr_link(7)
    main.response(output_tokens=300)
    main.pr_link(8)
    main.response(output_tokens=4000)
    read(books, main)

    assert outputs(books, "pr") == {"example/shop#7": 21, "example/shop#8": 300, None: 4000}


def test_a_pull_request_has_what_every_session_used_for_it(books: Books) -> None:
    for user, session, output in (("alice", "s1", 1), ("bob", "s2", 20), ("bob", "s3", 300)):
        main = ClaudeTranscript(session, seed=output)
        main.response(output_tokens=output)
        main.pr_link(7)
        main.response(output_tokens=4000)
        read(books, main, user=user)

    row = report(books, "pr")["example/shop#7"]
    assert (row["output_tokens"], row["sessions"], row["user"]) == (321, 3, "alice, bob")
    assert outputs(books, "pr", user="bob") == {"example/shop#7": 320, None: 8000}


def test_forks_copy_commits_and_pay_for_none_twice(books: Books) -> None:
    main = ClaudeTranscript("s1")
    main.response(output_tokens=1)
    commit(main, "1a2b3c4", output_tokens=20)
    fork = main.fork("s2")
    fork.response(output_tokens=300)
    commit(fork, "5d6e7f8", output_tokens=4000)
    read(books, main, fork)

    assert outputs(books, "commit") == {"1a2b3c4": 21, "5d6e7f8": 4300}


def test_days_limit_what_was_used_and_not_for_what(books: Books) -> None:
    main = ClaudeTranscript("s1")
    main.response(output_tokens=1)
    main.wait(86_400).response(output_tokens=20)
    day = main.now.date()
    main.wait(86_400)
    commit(main, "1a2b3c4", output_tokens=300)
    read(books, main)

    assert outputs(books, "commit") == {"1a2b3c4": 321}
    next_day = day + timedelta(days=1)
    assert outputs(books, "commit", since=day, until=next_day) == {"1a2b3c4": 20}
    assert outputs(books, "commit", until=day) == {"1a2b3c4": 1}
    assert outputs(books, "commit", since=next_day + timedelta(days=1)) == {}


def test_without_commits_all_that_was_used_is_in_one_row(books: Books) -> None:
    books.take_in()
    assert report(books, "commit") == report(books, "pr") == {}
    main = ClaudeTranscript("s1")
    main.response(output_tokens=1, model="nobody-sells-it")
    read(books, main)

    row = report(books, "commit")[None]
    assert (row["user"], row["session"], row["at"], row["sessions"]) == (None, None, None, 1)
    assert (row["responses"], row["cost_usd"], row["unpriced_responses"]) == (1, None, 1)


@given(families)
@examples(6)
def test_outcomes_come_to_the_total_whatever_happened(transcripts: dict[str, bytes]) -> None:
    with MemoryStore(Usage) as store:
        for place, content in transcripts.items():
            store.process(content, f"alice/{place}")
        by_kind = reports.named_statements("usage")["by_outcome"]
        cursor = store._trial.facts.cursor()
        given: dict[str, Any] = dict.fromkeys(("since", "until", "user", "limit")) | {
            "timezone": "UTC"
        }
        for kind in ("commit", "pull_request"):
            rows = reports.Rows.of(cursor.execute(by_kind, given | {"kind": kind}))
            told = rows.document()["rows"]
            for limit in (1, 2):
                last = cursor.execute(by_kind, given | {"kind": kind, "limit": limit})
                assert reports.Rows.last(last, limit).values == rows.values[-limit:]
            [total] = reports.usage(cursor, "total").document()["rows"]
            hold_to(total, told)
            seen = store.sql(
                "SELECT DISTINCT detail FROM events"  # noqa: S608 - a kind of ours
                f" WHERE counted AND kind = '{kind}' AND \"at\" IS NOT NULL AND detail IS NOT NULL"
            )
            assert {(row["grp"],) for row in told} - {(None,)} == set(seen)
