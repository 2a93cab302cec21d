"""What was done in sessions and how long it took: figures that were worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reported import read_in

from sessionmill.app import App
from sessionmill.errors import UsageError
from sessionmill.process.usage import Usage
from sessionmill.testing import ClaudeTranscript, MemoryStore, ToolUse, subagent
from sessionmill.view import work
from sessionmill.view.work import By

FIGURES = [
    *("wall_seconds", "active_seconds", "tool_seconds", "person_seconds"),
    *("lines_added", "lines_removed", "files_touched", "commits", "pull_requests"),
    *("interrupts", "user_rejections", "permission_denials", "hook_blocks", "api_errors"),
    *("api_retries", "compactions", "repeated_failures"),
]
EDIT = {"old_string": "a", "new_string": "b\nc"}


def of_session(transcript: ClaudeTranscript, *others: ClaudeTranscript) -> dict[str, Any]:
    """Return the figures of the one session that transcripts belong to, but those that are 0."""
    with MemoryStore(Usage) as store:
        for one in (transcript, *others):
            store.process(one)
        [row] = store.sql(f"SELECT {', '.join(FIGURES)} FROM session_work")  # noqa: S608 - names of ours
    return {name: value for name, value in zip(FIGURES, row, strict=True) if value}


# Time


def test_time_with_the_agent_is_without_the_pauses() -> None:
    told = ClaudeTranscript()
    told.prompt()  # 0
    told.wait(599).response()  # 600: ten minutes are no pause
    told.wait(600).prompt()  # 1201: more are
    told.response()  # 1202
    told.wait(7200).command()  # 8403
    told.response()  # 8404

    times = of_session(told)
    assert (times["wall_seconds"], times["active_seconds"]) == (8404, 602)


def test_time_in_tools_counts_once_where_several_run() -> None:
    told = ClaudeTranscript()
    uses = [ToolUse("Bash", {"command": "x"}, id=f"toolu_{n}") for n in range(3)]
    told.response("", calls=[uses[0]])  # 0
    told.wait(4).response("", calls=[uses[1]])  # 5
    told.result("toolu_1", after=2)  # 7: within the first
    told.result("toolu_0", after=3)  # 10
    told.wait(100).response("", calls=[uses[2]])  # 111
    told.result("toolu_2", after=4)  # 115
    told.call("Bash", result=None)  # never ends

    assert of_session(told)["tool_seconds"] == 14


def test_waiting_for_the_person_is_from_the_agents_last_deed_to_the_next_prompt() -> None:
    told = ClaudeTranscript()
    told.wait(30).prompt()  # nothing before
    told.response()
    told.wait(59).prompt()  # 60
    told.wait(10).prompt()  # a second one follows: nobody waits between
    told.call("Bash", after=5)
    told.wait(19).queued_command("meanwhile")  # typed while the agent works
    told.response()
    told.wait(4).command()
    told.wait(4).prompt()  # 10: the command is the person's as well
    told.response()
    told.wait(601).prompt()  # gone for a while

    assert of_session(told)["person_seconds"] == 70


def test_a_session_without_times_took_none() -> None:
    told = ClaudeTranscript()
    told.response(timestamp=None)
    told.call("Bash", timestamp=None, result=None)

    assert of_session(told) == {}


def test_a_sub_agents_time_is_its_sessions() -> None:
    main = ClaudeTranscript()
    main.prompt()
    call = main.call(subagent("Explore"), result=None)  # 1
    agent = main.subagent("a7f3c21")
    agent.prompt("Look.")
    agent.wait(99).response()  # 101
    main.wait(200).agent_result(call, "a7f3c21", after=0)  # 201

    times = of_session(main, agent)
    assert (times["active_seconds"], times["tool_seconds"]) == (201, 200)


moments = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 1500)), min_size=1, max_size=8)


@settings(max_examples=12, deadline=None)
@given(calls=moments, prompts=st.lists(st.integers(0, 4000), max_size=5))
def test_times_are_those_of_counting_each_second(
    calls: list[tuple[int, int]], prompts: list[int]
) -> None:
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    told = ClaudeTranscript(start=start)

    def at(second: int) -> None:
        told.wait((start - told.now).total_seconds() + second)

    for began, lasted in calls:
        at(began - bool(told.lines))  # each line but the first takes a second
        call = told.call("Bash", result=None)
        told.result(call, after=lasted)
    for second in prompts:
        at(second - 1)
        told.prompt()

    with MemoryStore(Usage) as store:
        store.process(told)
        got = store.sql(
            "SELECT wall_seconds, active_seconds, tool_seconds, person_seconds FROM session_work"
        )
        ran = store.sql('SELECT epoch("at"), epoch(result_at) FROM tool_calls')
        typed = [second for (second,) in store.sql('SELECT epoch("at") FROM prompts')]
    deeds = sorted({second for pair in ran for second in pair})
    times = sorted([*deeds, *typed])
    gaps = [b - a for a, b in pairwise(times)]
    running = {s for began, ended in ran for s in range(int(began), int(ended))}
    waited = 0.0
    for second in sorted(set(typed)):
        before = [t for t in deeds if t <= second]
        since = [t for t in typed if before and before[-1] <= t < second and t > before[-1]]
        if before and not since and second - before[-1] <= 600:
            waited += second - before[-1]
    assert got == [(times[-1] - times[0], sum(g for g in gaps if g <= 600), len(running), waited)]


# Deeds


def test_lines_and_files_of_edits_that_succeeded() -> None:
    told = ClaudeTranscript()
    told.call("Edit", {"file_path": "/a", **EDIT})
    told.call("Edit", {"file_path": "/a", **EDIT})
    told.call("Write", {"file_path": "/b", "content": "x\ny\nz"})
    told.call("Edit", {"file_path": "/c", **EDIT}, is_error=True)

    done = of_session(told)
    assert [done[name] for name in ("lines_added", "lines_removed", "files_touched")] == [7, 2, 2]


def test_commits_and_pull_requests_count_once_however_often_they_are_told() -> None:
    told = ClaudeTranscript()
    for _ in range(2):
        told.call("Bash", {"command": "git log"}, result="[main 1a2b3c4] Fix it")
        told.pr_link()
    told.call("Bash", {"command": "git commit"}, result="[main 5d6e7f8] More")

    done = of_session(told)
    assert (done["commits"], done["pull_requests"]) == (2, 1)


def test_what_went_wrong_is_counted_by_kind() -> None:
    told = ClaudeTranscript()
    use = ToolUse("Bash", {"command": "make"})
    told.interrupt()
    told.reject(told.call(use, result=None))
    told.deny(told.call(ToolUse("Bash", {"command": "a"}), result=None))
    told.block(told.call(ToolUse("Bash", {"command": "b"}), result=None))
    told.retry(1)
    told.retry(2)
    told.api_error()
    told.compact_boundary()

    counts = {"interrupts": 1, "user_rejections": 1, "permission_denials": 1, "hook_blocks": 1}
    counts |= {"api_errors": 1, "api_retries": 2, "compactions": 1}
    wrong = of_session(told)
    assert {name: wrong.get(name) for name in counts} == counts


def test_a_failure_is_repeated_where_the_same_call_has_failed_before() -> None:
    told = ClaudeTranscript()
    for command, failed in (("a", 1), ("a", 0), ("a", 1), ("b", 1), ("a", 1), ("c", 0), ("c", 0)):
        told.call("Bash", {"command": command}, is_error=bool(failed))
    told.call("PowerShell", {"command": "a"}, is_error=True)

    assert of_session(told)["repeated_failures"] == 2


# The report


def session(id: str, hour: int, cwd: str = "/work/shop") -> ClaudeTranscript:
    told = ClaudeTranscript(id, start=datetime(2026, 3, 2, hour, 30, tzinfo=UTC), cwd=cwd)
    told.prompt()
    told.wait(2).response()
    told.call("Edit", {"file_path": f"/{id}", **EDIT}, after=4)
    return told


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    first = session("a1", 9)
    transcripts = {
        "alice/a1.jsonl": first,
        "alice/a2.jsonl": session("a2", 23, "/work/api"),
        "alice/a3.jsonl": first.fork("a3"),
        "bob/b1.jsonl": session("b1", 10),
        "bob/empty.jsonl": ClaudeTranscript(),
    }
    with read_in(tmp_path_factory.mktemp("team"), transcripts) as app:
        yield app


def report(app: App, by: By, **span: Any) -> list[dict[str, Any]]:
    rows = work.work(app.facts.cursor(), by, **span)
    return [dict(zip(rows.columns, values, strict=True)) for values in rows.values]


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        ("user", {"alice": 2, "bob": 1}),
        ("project", {"api": 1, "shop": 2}),
        ("day", {"2026-03-02": 3}),
    ],
)
def test_sessions_are_summed_up(app: App, by: By, groups: dict[str, int]) -> None:
    rows = report(app, by)
    assert {row[by]: row["sessions"] for row in rows} == groups
    assert list(rows[0]) == [by, "sessions", *FIGURES]
    for row in rows:
        n = row["sessions"]
        assert (row["wall_seconds"], row["active_seconds"]) == (8 * n, 8 * n)
        assert (row["tool_seconds"], row["lines_added"], row["files_touched"]) == (4 * n, 2 * n, n)


def test_each_session_is_a_row_in_the_order_of_their_starts(app: App) -> None:
    rows = report(app, "session")
    assert list(rows[0]) == ["session", "user", "project", "started_at", "ended_at", *FIGURES]
    told = [(row["session"], row["user"], row["project"]) for row in rows]
    assert told == [("a1", "alice", "shop"), ("b1", "bob", "shop"), ("a2", "alice", "api")]


def test_a_session_is_of_the_day_on_which_it_began_where_the_person_is(app: App) -> None:
    rows = report(app, "day", timezone="Europe/Berlin")
    assert [(r["day"], r["sessions"]) for r in rows] == [("2026-03-02", 2), ("2026-03-03", 1)]
    span = {"since": date(2026, 3, 3), "timezone": "Europe/Berlin"}
    assert [row["session"] for row in report(app, "session", **span)] == ["a2"]
    span = {"until": date(2026, 3, 3), "timezone": "Europe/Berlin"}
    assert [row["session"] for row in report(app, "session", **span)] == ["a1", "b1"]


@pytest.mark.parametrize("by", ["session", "user", "project", "day"])
def test_one_user_is_that_user_alone(app: App, by: By) -> None:
    assert sum(row.get("sessions", 1) for row in report(app, by, user="bob")) == 1
    assert report(app, by, user="nobody") == []
    with pytest.raises(UsageError, match="no time zone"):
        report(app, by, timezone="Mars/Olympus")
