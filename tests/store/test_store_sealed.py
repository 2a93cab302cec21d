"""Nothing gets in or out of the facts but through their owner, and only DuckDB opens the file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from holding import NOW, commit, proof

from sessionmill.store.facts import Facts
from sessionmill.testing import ClaudeTranscript

#: Does what commands do, and tells what Python code and the process had open for it.
WATCHED = """
import json, os, sys
opened = []
sys.addaudithook(
    lambda event, args: opened.append(os.fsdecode(args[0]))
    if event == "open" and isinstance(args[0], (str, bytes, os.PathLike)) else None
)
from pathlib import Path
from sessionmill.app import App
from sessionmill.collect.discover import walk
from sessionmill.collect.roots import sessions_root
from sessionmill.config import load
from sessionmill.registry import Registry
from sessionmill.view import reports, user_sql

sessions, config = Path(sys.argv[1]), load(Path(sys.argv[2]))
with App(config, Registry.of(config), "watched") as app:
    for _ in range(2):
        app.run(app.registry.named(()), walk([sessions_root(sessions)]))
    for by in reports.GROUPS:
        reports.usage(app.facts.cursor(), by)
    user_sql.select(app.facts.cursor(), "FROM transcripts", limit=5, timeout=5)
    links = []
    for number in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            pass  # the descriptor that listed them
    print(json.dumps({"opened": opened, "links": links}), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    return Facts(tmp_path / "data", "test", now=NOW)


@pytest.fixture(autouse=True)
def _closed(facts: Facts) -> object:
    yield
    facts.close()


@pytest.mark.skipif(sys.platform != "linux", reason="lists /proc/self/fd")
def test_the_owner_opens_the_facts_once_and_python_never_does(tmp_path: Path) -> None:
    transcript = ClaudeTranscript()
    transcript.prompt()
    transcript.call("Bash", {"command": "ls"})
    transcript.write(tmp_path / "sessions" / "alice" / "a.jsonl")
    folder = tmp_path / "watched"

    with subprocess.Popen(
        [sys.executable, "-c", WATCHED, str(tmp_path / "sessions"), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        seen = json.loads(owner.stdout.readline())
        with pytest.raises(duckdb.Error, match="lock"):
            # A lock that fell with some other descriptor would let this in.
            duckdb.connect(str(folder / "facts.duckdb"), read_only=True)
        owner.communicate("")
    assert owner.returncode == 0

    names = ("facts.duckdb", "facts.duckdb.wal")
    assert any(path.endswith("commit_number.new") for path in seen["opened"]), "the hook works"
    assert [path for path in seen["opened"] if Path(path).name in names] == []
    open_now = sorted(Path(path).name for path in seen["links"] if Path(path).name in names)
    assert open_now.count("facts.duckdb") == 1, "a second one would drop the lock when it closes"
    assert open_now.count("facts.duckdb.wal") <= 1


@pytest.mark.parametrize(
    "statement",
    [
        "COPY commits TO '{outside}/out.csv'",
        "COPY commits TO '{outside}/out.parquet' (FORMAT parquet)",
        "COPY commits FROM '{outside}/in.csv'",
        "EXPORT DATABASE '{outside}/export'",
        "ATTACH '{outside}/other.duckdb'",
        "ATTACH '{outside}/there.duckdb' AS there (READ_ONLY)",
        "FROM read_csv('{outside}/in.csv')",
        "FROM '{outside}/in.csv'",
        "FROM read_text('{outside}/in.csv')",
        "FROM read_blob('{outside}/in.csv')",
        "FROM read_json('{outside}/in.csv')",
        "FROM glob('{outside}/*')",
        "FROM read_text('/etc/passwd')",
        "FROM read_csv('https://example.com/in.csv')",
        "INSTALL httpfs",
    ],
)
def test_no_statement_reaches_outside(facts: Facts, tmp_path: Path, statement: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "in.csv").write_text("number\n1\n")
    with duckdb.connect(str(outside / "there.duckdb")) as there:
        there.execute("CREATE TABLE t (a BIGINT)")
    before = sorted(path.name for path in outside.iterdir())

    with pytest.raises(duckdb.Error, match=r"disabled by configuration|[Pp]ermission"):
        facts.cursor().execute(statement.format(outside=outside)).fetchall()
    assert sorted(path.name for path in outside.iterdir()) == before


@pytest.mark.parametrize(
    "setting",
    [
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SET TimeZone = 'Asia/Tokyo'",
        "SET memory_limit = '1MB'",
        "RESET enable_external_access",
        "SET GLOBAL allowed_paths = ['/etc/passwd']",
        "SET allow_community_extensions = true",
    ],
)
def test_no_statement_changes_a_setting(facts: Facts, setting: str) -> None:
    with pytest.raises(duckdb.Error, match=r"locked|Cannot|cannot"):
        facts.cursor().execute(setting)


def test_times_are_utc_wherever_the_machine_is_and_its_zone_is_remembered(tmp_path: Path) -> None:
    program = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from sessionmill.store.facts import Facts\n"
        "with Facts(Path(sys.argv[1]), 'test', now=datetime.now(UTC)) as facts:\n"
        "    print(facts.local_timezone)\n"
        "    sql = \"SELECT TIMESTAMPTZ '2026-03-02 09:00:00+00'::TIMESTAMP::VARCHAR\"\n"
        "    print(facts.cursor().execute(sql).fetchall()[0][0])"
    )
    said = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "there")],
        env={**os.environ, "TZ": "America/St_Johns"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.splitlines() == ["America/St_Johns", "2026-03-02 09:00:00"]


def test_what_one_cursor_has_not_committed_another_does_not_see(facts: Facts) -> None:
    commit(facts, [1])
    with facts.transaction() as cursor:
        cursor.execute("INSERT INTO proof VALUES (2)")
        assert proof(facts) == [1]
    assert proof(facts) == [1, 2]
