"""`health`: what it judges where no server runs, for programs and for people."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from cli_place import HERE, document, write

from conftest import Mill


@pytest.fixture
def team(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        write(tmp_path / "team", "alice", name)
    return tmp_path / "team"


def checks(mill: Mill, *args: object, **given: Any) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = document(mill("health", "--json", *args, **given))["checks"]
    return found


def statuses(mill: Mill, *args: object) -> dict[str, str]:
    """Return what is not ok."""
    found = {name: said["status"] for name, said in checks(mill, *args).items()}
    return {name: status for name, status in found.items() if status != "ok"}


def test_where_all_is_well_no_server_runs_and_that_is_no_alarm(mill: Mill, team: Path) -> None:
    assert mill("run", "--sessions", team).status == 0
    ended = mill("health", "--sessions", team, "--json")
    assert (ended.status, ended.err) == (0, "")
    assert document(ended)["status"] == "unknown"
    assert statuses(mill, "--sessions", team) == {"scheduler": "unknown"}
    assert checks(mill)["scheduler"]["sentence"].startswith("No server runs")


def test_people_are_shown_the_worst_first_and_what_to_do(mill: Mill, team: Path) -> None:
    mill("run", "--sessions", team)
    ended = mill("health", "--sessions", team / "nowhere")
    assert ended.status == 0, "a warning is no error"
    lines = ended.out.splitlines()
    assert lines[2].split()[:2] == ["warning", "roots"]
    assert lines[3].split()[:2] == ["unknown", "scheduler"]
    assert "roots: Mount it again" in ended.out
    assert lines[-1] == "All in all: warning"


def test_before_the_first_run_nothing_is_known_and_nothing_is_wrong(mill: Mill) -> None:
    ended = mill("health", "--json")
    assert (ended.status, ended.err) == (0, "")
    assert set(statuses(mill)) == {"scheduler", "roots", "usage.last_run", "inventory.last_run"}
    assert set(statuses(mill).values()) == {"unknown"}


def test_a_processor_that_fails_on_most_sessions_is_an_error_and_its_words_stay_out(
    mill: Mill, team: Path
) -> None:
    write(team, "alice", "a", "FAILING")
    write(team, "alice", "b", "FAILING")
    with_words = ("--processor", "cli_processors:Words")
    assert mill("run", *with_words, "--sessions", team, cwd=HERE).status == 1

    ended = mill("health", *with_words, "--sessions", team, "--json", cwd=HERE)
    assert ended.status == 1
    assert "words.failing" in ended.err
    assert "usage" not in ended.err
    found = document(ended)
    assert found["status"] == "error"
    assert found["checks"]["words.failing"]["sentence"] == "It fails on 2 of 3 sessions."
    assert "the cart has no total" not in ended.out + ended.err
    assert "the cart has no total" in mill("status", *with_words, cwd=HERE).out


def test_a_processor_that_cannot_be_built_is_an_error_with_its_reason(
    mill: Mill, team: Path
) -> None:
    mill("run", "--sessions", team)
    ended = mill("health", "--processor", "cli_processors:Broken", "--json", cwd=HERE)
    assert ended.status == 1
    found = document(ended)["checks"]["cli_processors:Broken.built"]
    assert found["status"] == "error"
    assert found["details"]["reason"] == "ValueError: there is no model"
    assert "there is no model" not in ended.err


def test_a_root_that_held_transcripts_and_is_gone_is_an_error(mill: Mill, team: Path) -> None:
    mill("run", "--sessions", team)
    team.rename(team.with_name("moved"))
    assert mill("health", "--sessions", team).status == 1
    assert statuses(mill, "--sessions", team) == {"roots": "error", "scheduler": "unknown"}
    (team).mkdir()
    found = checks(mill, "--sessions", team)["roots"]
    assert (found["status"], found["details"]) == ("error", {str(team): {"is": "empty", "held": 3}})


def test_a_control_store_that_cannot_be_read_is_an_error(
    mill: Mill, team: Path, data: Path
) -> None:
    mill("run", "--sessions", team)
    with sqlite3.connect(data / "control.db") as store:
        store.execute("CREATE TABLE users (name)")
    store.close()
    assert checks(mill)["control"]["sentence"] == "The control store answers."
    (data / "control.db").write_bytes(b"no database" * 100)
    assert mill("health").status == 1
    assert checks(mill)["control"]["status"] == "error"


def test_facts_that_were_damaged_are_told_of_once_they_are_set_aside(
    mill: Mill, team: Path, data: Path
) -> None:
    mill("run", "--sessions", team)
    (data / "facts.duckdb").write_bytes(b"")
    ended = mill("health", "--sessions", team, "--json")
    assert ended.status == 0
    assert "set aside" in ended.err
    assert document(ended)["checks"]["facts"]["status"] == "warning"
