"""The generated team holds every kind of record, and is the same everywhere."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from demo_kinds import KINDS, Record, Team, blocks, files_of_uuids, read
from sessionmill.demo.clients import CLIENTS
from sessionmill.demo.dice import Dice
from sessionmill.demo.rota import sittings
from sessionmill.demo.team import DemoSummary, generate

#: Of everything that the default arguments write.
DIGEST = "0572203533c5f27d75a27c53849e708fe07f6ca53b6c648bfa95868c524bd0c5"


@pytest.fixture(scope="module", params=[1, 2, 3], ids="seed {}".format)
def team(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Team:
    folder = tmp_path_factory.mktemp("team")
    return Team(request.param, generate(folder, seed=request.param), read(folder))


# The team


def test_the_same_seed_gives_the_same_bytes(team: Team, tmp_path: Path) -> None:
    generate(tmp_path / "again", seed=team.seed)
    assert read(tmp_path / "again") == team.files


def test_the_bytes_are_the_same_on_every_machine(tmp_path: Path) -> None:
    generate(tmp_path)
    digest = hashlib.sha256()
    for path, data in sorted(read(tmp_path).items()):
        digest.update(f"{path} {len(data)}\n".encode() + data)
    assert digest.hexdigest() == DIGEST, "a change of the demo changes it; another Python must not"


def test_another_seed_gives_other_transcripts(tmp_path: Path) -> None:
    generate(tmp_path / "one", seed=1)
    generate(tmp_path / "other", seed=2)
    assert not set(read(tmp_path / "one")) & set(read(tmp_path / "other"))


def test_the_summary_tells_what_was_written(team: Team) -> None:
    assert team.summary == DemoSummary(
        transcripts=len(team.files), bytes=sum(map(len, team.files.values())), users=4
    )
    assert 60 <= team.summary.transcripts <= 140
    assert team.summary.bytes < 5_000_000
    assert {path.partition("/")[0] for path in team.files} == {"alice", "bruno", "chen", "dalia"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_occurs_whatever_the_seed(team: Team, kind: str) -> None:
    assert KINDS[kind](team)


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_is_seen_where_there_is_nothing(kind: str) -> None:
    assert not KINDS[kind](Team(0, DemoSummary(transcripts=0, bytes=0, users=0), {}))


@pytest.mark.parametrize(("users", "days"), [(1, 1), (2, 3), (9, 30), (3, 200)])
def test_smaller_and_larger_teams_hold_everything_too(
    tmp_path: Path, users: int, days: int
) -> None:
    summary = generate(tmp_path, users=users, days=days)
    team = Team(1, summary, read(tmp_path))
    assert [kind for kind, occurs in KINDS.items() if not occurs(team)] == []


def test_each_generation_writes_only_what_it_knew(team: Team) -> None:
    for record in team.claude_records:
        if "version" not in record:
            continue
        release = tuple(map(int, record["version"].split(".")))
        kind, known = record["type"], usage_of(record)
        assert kind != "attachment" or release >= (2, 1, 110)
        assert kind != "progress" or (2, 1, 9) <= release <= (2, 1, 81)
        assert "iterations" not in known or release >= (2, 1, 41)
        assert "inference_geo" not in known or release >= (2, 1, 38)
        assert "sourceToolAssistantUUID" not in record or release >= (2, 1, 1)
        for block in blocks(record):
            if block.get("name") in ("Task", "Agent"):
                assert block["name"] == ("Task" if release < (2, 1, 81) else "Agent")


def usage_of(record: Record) -> Record:
    found: Record = record.get("message", {}).get("usage", {})
    return found


def test_uuids_occur_in_two_files_only_where_a_session_was_forked(team: Team) -> None:
    for file in team.claude.values():
        uuids = [record["uuid"] for record in file if "uuid" in record]
        assert len(uuids) == len(set(uuids))
    shared = {frozenset(paths) for paths in files_of_uuids(team).values() if len(paths) > 1}
    family = max(shared, key=len)
    assert len(family) == 4
    assert all(paths <= family for paths in shared)
    assert len(shared) > 1, "forks of different lengths"
    for path in family:
        sessions = {r["sessionId"] for r in team.claude[path] if "sessionId" in r}
        assert sessions == {Path(path).stem}


def test_every_second_user_has_codex_rollouts_too(team: Team) -> None:
    assert {path.partition("/")[0] for path in team.codex} == {"bruno", "dalia"}


def test_each_user_has_several_projects_and_the_hours_of_one_place(tmp_path: Path) -> None:
    summary = generate(tmp_path, days=60)
    team = Team(1, summary, read(tmp_path))
    projects: dict[str, set[str]] = {}
    hours: dict[str, set[int]] = {}
    for path, file in team.claude.items():
        user, place, *_ = path.split("/")
        projects.setdefault(user, set()).add(place)
        first = next((r["timestamp"] for r in file if "timestamp" in r), None)
        if first and "agent-" not in path and "subagents" not in path:
            hours.setdefault(user, set()).add(int(first[11:13]))
    assert {len(places) for places in projects.values()} == {3}
    assert hours["alice"] <= set(range(7, 17)), "an hour ahead of UTC"
    assert hours["bruno"] <= set(range(13, 23)), "five hours behind"
    assert hours["chen"] <= set(range(10)), "eight hours ahead"


def test_weekends_and_holidays_are_quiet() -> None:
    names = ("alice", "bruno", "chen")
    plan = sittings(names, 364, date(2026, 3, 15), Dice(1), at_least=1)
    per_day = Counter(sitting.start.date() for sitting in plan if sitting.user == "alice")
    weekend = sum(count for day, count in per_day.items() if day.weekday() >= 5) / (52 * 2)
    week = sum(count for day, count in per_day.items() if day.weekday() < 5) / (52 * 5)
    assert weekend < week / 3
    assert sum(per_day[date(2025, 12, day)] for day in (24, 25, 26, 31)) <= 2
    worked = sorted(per_day)
    assert max(later - day for day, later in pairwise(worked)) > timedelta(days=4), "and they leave"


def test_the_default_days_are_the_last_two_weeks(team: Team) -> None:
    days = {r["timestamp"][:10] for r in team.claude_records if "timestamp" in r}
    assert min(days) >= "2026-03-01", "begun in the evening before, in UTC"
    assert max(days) <= "2026-03-16"
    assert len(days) >= 7


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"is not empty\. .* name another one\.$"):
        generate(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


@pytest.mark.parametrize(("users", "days"), [(0, 14), (1000, 14), (4, 0)])
def test_an_impossible_team_is_refused(tmp_path: Path, users: int, days: int) -> None:
    with pytest.raises(ValueError, match="A team has 1 to"):
        generate(tmp_path, users=users, days=days)


def test_a_size_is_reached_by_sessions_with_ids_of_their_own(tmp_path: Path) -> None:
    generate(tmp_path / "small")
    small = read(tmp_path / "small")
    summary = generate(tmp_path / "large", size_bytes=12_000_000)
    files = read(tmp_path / "large")
    assert sum(map(len, files.values())) == summary.bytes >= 12_000_000
    assert summary.bytes < 24_000_000
    assert files.items() >= small.items()
    added = Team(1, summary, {p: d for p, d in files.items() if p not in small})
    for uuid, paths in files_of_uuids(added).items():
        assert len({Path(path).stem[:8] for path in paths}) == 1, f"{uuid} is in two families"
    lines = sum(data.count(b"\n") for data in added.files.values())
    records = len(added.claude_records) + len(added.codex_records)
    assert records == lines, "every line added is an object"
    assert 1_500 < sum(map(len, added.files.values())) / lines < 4_000


def test_a_size_is_reached_by_a_mix_of_all_there_is(tmp_path: Path) -> None:
    summary = generate(tmp_path, size_bytes=40_000_000)
    team = Team(1, summary, read(tmp_path))
    bulk = {p: file for p, file in team.claude.items() if "/subagents/" not in p}
    versions = Counter(r["version"] for file in bulk.values() for r in file if "version" in r)
    newer = [versions[client.version] / versions.total() for client in CLIENTS[3:]]
    assert min(newer) > 0.02
    assert sum(newer) > 0.9
    assert len(team.codex) > 12
    shared = sum(len(paths) > 1 for paths in files_of_uuids(team).values())
    assert 0 < shared / len(files_of_uuids(team)) < 0.2
    assert len({path.split("/")[1] for path in bulk}) >= 6, "projects"
    assert max(map(len, team.files.values())) > 20 * summary.bytes / summary.transcripts


def test_a_large_team_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    assert generate(one, size_bytes=4_000_000) == generate(other, size_bytes=4_000_000)
    assert read(one) == read(other)
