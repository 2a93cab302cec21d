"""The commands backup and restore: what they print, and when they refuse."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from conftest import Mill
from sessionmill.testing import ClaudeTranscript


@pytest.fixture
def read(mill: Mill, tmp_path: Path) -> Path:
    """Return a root that was read."""
    said = ClaudeTranscript()
    said.prompt()
    said.call("Bash", {"command": "ls"})
    said.write(tmp_path / "team" / "alice" / "a.jsonl")
    assert mill("run", "--sessions", tmp_path / "team").status == 0
    return tmp_path / "team"


@pytest.mark.usefixtures("read")
def test_the_figures_of_a_backup_are_those_of_its_files(
    mill: Mill, data: Path, tmp_path: Path
) -> None:
    (data / "config.toml").write_text("[serve]\nport = 1\n")
    made = mill("backup", tmp_path / "backup", "--json")
    assert (made.status, made.err) == (0, "")
    files = [path for path in (tmp_path / "backup").iterdir() if "manifest" not in path.name]
    at = datetime.fromisoformat(made.json["made_at"])
    assert timedelta() <= datetime.now(UTC) - at < timedelta(minutes=5)
    expected = {
        "folder": str(tmp_path / "backup"),
        "commit_number": int((data / "commit_number").read_text()),
        "files": len(files),
        "bytes": sum(path.stat().st_size for path in files),
        "control": False,
        "config": True,
    }
    assert expected.items() <= made.json.items()
    manifest = json.loads((tmp_path / "backup" / "manifest.json").read_text())
    assert made.json["tables"] == len(manifest["tables"])
    assert made.json["rows"] == sum(file["rows"] or 0 for file in manifest["files"]) > 10
    assert made.json["schema_version"] == manifest["schema_version"]


def test_what_was_backed_up_is_put_back_and_told(mill: Mill, read: Path, tmp_path: Path) -> None:
    told = mill("backup", "backup")
    assert told.status == 0
    assert "rows of" in told.out
    assert f"sessionmill restore {tmp_path / 'backup'} --db DIR" in told.out

    restored = mill("restore", "backup", "--db", "new", "--json").json
    assert (restored["folder"], restored["config"]) == (str(tmp_path / "new"), "none")
    assert restored["broken_views"] == []
    query = ("sql", "SELECT name, count(*) AS calls FROM tool_calls GROUP BY name", "--json")
    assert mill(*query, "--db", "new").rows == [{"name": "Bash", "calls": 1}]
    shutil.rmtree(tmp_path / "new")
    told = mill("restore", "backup", "--db", "new")
    assert f"sessionmill run --db {tmp_path / 'new'}" in told.out
    assert mill("run", "--sessions", read, "--db", "new").status == 0


@pytest.mark.usefixtures("read")
def test_refusals_are_told_with_the_status_of_each(mill: Mill, tmp_path: Path) -> None:
    assert mill("backup", "backup").status == 0
    over = mill("backup", "backup")
    assert (over.status, over.out) == (2, "")
    assert "is there already" in over.err
    onto = mill("restore", "backup")
    assert (onto.status, onto.out) == (2, "")
    assert "facts.duckdb is there" in onto.err

    [calls] = (tmp_path / "backup").glob("*-tool_calls.parquet")
    content = bytearray(calls.read_bytes())
    content[len(content) // 2] ^= 1
    calls.write_bytes(content)
    damaged = mill("restore", "backup", "--db", "new", "--json")
    assert (damaged.status, damaged.out) == (1, "")
    assert f"{calls}: its content is not what was written" in damaged.err
    assert not (tmp_path / "new").exists()


def test_a_backup_that_is_none_is_told(mill: Mill, tmp_path: Path) -> None:
    ended = mill("restore", "nowhere", "--db", "new")
    assert ended.status == 1
    assert f"{tmp_path / 'nowhere' / 'manifest.json'}: No such file" in ended.err
    assert mill("backup", tmp_path / "no" / "where").status == 1
    assert mill("backup").status == 2
