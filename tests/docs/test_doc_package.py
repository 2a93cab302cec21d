"""The package that writing-a-processor.md builds is built, installed elsewhere, tested and run."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pages import PROJECT, Environment, page

from sessionmill.demo.team import generate
from sessionmill.testing import MemoryStore

FOLDER = "acme-sessions"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The package's folder, with all that the page puts there."""
    files = page("writing-a-processor").files
    folder = tmp_path / FOLDER
    folder.mkdir()
    for name, text in files.items():
        if name.startswith(f"{FOLDER}/"):
            (tmp_path / name).write_text(text)
    (folder / "acme_sessions.py").write_text(files["answers.py"])
    return folder


def run(environment: Environment, command: str, folder: Path) -> str:
    ended = environment.run(command, folder)
    assert ended.returncode == 0, f"$ {command}\n{ended.stdout}{ended.stderr}"
    return ended.stdout


@pytest.mark.soak
def test_installed_as_a_wheel_it_is_found_passes_its_test_and_stores_the_same_rows(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = Environment(tmp_path / "environment")
    run(environment, f"pip wheel --no-deps --wheel-dir . {package}", elsewhere)
    run(environment, "pip install acme_sessions-1.0-py3-none-any.whl", elsewhere)
    (package / "acme_sessions.py").rename(tmp_path / "acme_sessions.py")  # not to be imported

    where = run(environment, "python -c 'import acme_sessions as a; print(a.__file__)'", elsewhere)
    assert Path(where.strip()).is_relative_to(tmp_path / "environment")
    assert "1 failed, 2 passed" in environment.run(f"pytest -q {package}", elsewhere).stdout
    assert "3 passed" in run(environment, f"pytest -q {package}", elsewhere)

    generate(elsewhere / "team")
    listed = json.loads(run(environment, "sessionmill processors --json --db facts", elsewhere))
    assert [row["name"] for row in listed["rows"]] == ["inventory", "usage", "answers"]
    run(environment, "sessionmill run answers --sessions team --db facts", elsewhere)
    stored = run(
        environment, "sessionmill sql 'FROM waits' --limit 1000 --json --db facts", elsewhere
    )

    monkeypatch.syspath_prepend(tmp_path)
    assert rows_of(json.loads(stored)["rows"]) == rows_of(rehearsed(elsewhere / "team"))


def rehearsed(team: Path) -> list[dict[str, Any]]:
    """Return the rows that the page's processor makes of a team, in this process."""
    with MemoryStore("acme_sessions:Answers") as store:
        for path in sorted(team.rglob("*.jsonl")):
            store.process(path, path.relative_to(team).as_posix())
        return store.rows("waits")


def rows_of(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return rows as one can compare them: the order and JSON's types mean nothing."""
    assert len(rows) > 50
    told = [
        {name: str(value).replace("T", " ").removesuffix("+00:00").removesuffix("Z")
         for name, value in row.items() if name != "key_hash"}
        for row in rows
    ]  # fmt: skip
    return sorted(told, key=lambda row: sorted(row.items()))


def test_the_package_is_typed_and_brings_all_it_needs(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "environment")
    run(environment, f"pip wheel --no-deps --wheel-dir {tmp_path} {PROJECT}", tmp_path)
    [wheel] = tmp_path.glob("sessionmill-*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    source = PROJECT / "src"
    kept = {
        path.relative_to(source).as_posix()
        for path in (source / "sessionmill").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert kept <= packed
    assert {
        "sessionmill/py.typed",
        "sessionmill/testing.py",
        "sessionmill/store/schema.sql",
    } <= kept
