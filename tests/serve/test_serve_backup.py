"""A backup while a server holds the facts: made by the server, and told as ever."""

from __future__ import annotations

from pathlib import Path

from served import served

from conftest import Mill
from sessionmill.testing import ClaudeTranscript


def test_a_backup_is_made_by_the_server_and_written_down(
    mill: Mill, data: Path, tmp_path: Path
) -> None:
    said = ClaudeTranscript()
    said.prompt()
    said.write(tmp_path / "team" / "alice" / "a.jsonl")
    (tmp_path / "here").mkdir()
    with served(data, "--no-schedule", "--sessions", tmp_path / "team") as server:
        assert mill("run").status == 0
        made = mill("backup", "backup", "--json", cwd=tmp_path / "here")
        assert (made.status, made.err) == (0, "")
        assert made.json["folder"] == str(tmp_path / "here" / "backup"), "where the person stands"
        assert made.json["control"] is True
        assert mill("restore", "backup", cwd=tmp_path / "here").status == 2, "facts are there"
        assert mill("backup", "backup", cwd=tmp_path / "here").status == 2, "never over another"
        assert mill("backup", "no/where", cwd=tmp_path / "here").status == 1
        trail = server.get("/api/audit").json["rows"]
        rows = [(row["result"], row["resource"]) for row in trail if row["action"] == "backup"]
        folder = f"folder:{tmp_path}/here"
        assert rows == [
            ("failed", f"{folder}/no/where"),
            ("refused", f"{folder}/backup"),
            ("ok", f"{folder}/backup"),
        ]
    restored = mill("restore", tmp_path / "here" / "backup", "--db", tmp_path / "new", "--json")
    assert restored.json["control"] is True
    query = ("sql", "SELECT count(*) AS prompts FROM prompts", "--json")
    assert mill(*query, "--db", tmp_path / "new").rows == mill(*query).rows == [{"prompts": 1}]
