"""What the pages show is what happens: their commands, files and queries are run."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pages import DOCS, PROJECT, README, Page, PageRun, page, pages, shows

from sessionmill.errors import UsageError
from sessionmill.store.facts import Facts
from sessionmill.view.user_sql import select

RUNNING = [p for p in pages() if p.commands]
QUERYING = [p for p in pages() if p.of("sql")]

#: What a fence may say, as docs/README.md tells.
FENCES = {"console", "python", "toml", "sql", "sh"}


#: Pages whose commands take longest: the soak's.
_LONG = {
    "writing-a-processor.md",
    "testing-a-processor.md",
    "operations.md",
    "users.md",
    "configuration.md",
}


@pytest.mark.parametrize(
    "running",
    [
        pytest.param(page, marks=pytest.mark.soak) if page.path.name in _LONG else page
        for page in RUNNING
    ],
    ids=str,
)
def test_every_command_of_a_page_prints_what_the_page_shows(running: Page, tmp_path: Path) -> None:
    place = PageRun(running, tmp_path, with_team=running.path != README)
    for command in running.commands:
        ended = place.run(command.text)
        printed = ended.stdout + ended.stderr
        assert ended.returncode == command.status, f"$ {command.text}\n{printed}"
        assert shows(command.shown, printed), f"$ {command.text}\n{printed}"


def test_the_first_page_and_the_processors_page_have_commands_to_run() -> None:
    assert {"README.md", "docs/writing-a-processor.md"} <= {str(p) for p in RUNNING}


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\nb\n", "a  \nb\n", True),
        ("a\n…\n", "a\n", True),
        ("a\n…\nc\n", "a\nb\nb\nc\n", True),
        ("a  …\n", "a  0.53\n", True),
        ("", "", True),
        ("a\n", "a\nb\n", False),
        ("a\n…\nc\n", "a\nb\n", False),
        ("a\nb\n", "a\n", False),
        ("a…\n", "a\nb\n", False),
    ],
)
def test_dots_stand_for_what_is_left_out_and_nothing_else_does(
    shown: str, printed: str, same: bool
) -> None:
    assert shows(shown, printed) is same


@pytest.mark.parametrize("querying", QUERYING, ids=str)
def test_every_query_of_a_page_is_answered(querying: Page, tmp_path: Path) -> None:
    PageRun(querying, tmp_path, with_team=True)
    with Facts(tmp_path / "data", "a test", now=datetime.now(UTC)) as facts:
        answers = {
            block.body: select(facts.cursor(), block.body, limit=100, timeout=20)
            for block in querying.of("sql")
        }
        with pytest.raises(UsageError, match="syntax error"):
            select(facts.cursor(), "SELECT at FROM responses", limit=1, timeout=20)
    empty = [query for query, rows in answers.items() if not rows.values]
    assert all("dead_at" in query or "NOT known" in query for query in empty), empty


@pytest.mark.parametrize("shown", pages(), ids=str)
def test_every_block_of_a_page_is_of_a_kind_that_is_told(shown: Page) -> None:
    assert shown.text.count("```") == 2 * len(shown.blocks), "a fence is not closed, or odd"
    assert {block.fence for block in shown.blocks} <= FENCES
    for block in shown.of("python"):
        compile(block.body, f"{shown}:{block.line}", "exec")
    for block in shown.of("toml"):
        tomllib.loads(block.body)


def test_the_page_on_pages_tells_of_every_kind_of_block() -> None:
    told = set(re.findall(r"^\| `(\w+)` \|", Page(DOCS / "README.md").text, re.MULTILINE))
    assert told == FENCES


def test_the_first_processor_has_ten_lines() -> None:
    first = page("writing-a-processor").of("python")[0]
    lines = [line for line in first.body.splitlines() if line.strip() and line[0] != "#"]
    assert len(lines) <= 10


@pytest.mark.parametrize("shown", pages(), ids=str)
def test_every_target_of_make_that_a_page_names_exists(shown: Page) -> None:
    targets = set(re.findall(r"^(\w+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make (\w+)", shown.text, re.MULTILINE))
    assert named <= targets


def test_the_picture_has_words_for_those_who_do_not_see_it() -> None:
    root = ElementTree.parse(DOCS / "way-of-a-datum.svg").getroot()  # noqa: S314 - our own
    svg = "{http://www.w3.org/2000/svg}"
    assert root.findtext(f"{svg}title")
    told = root.findtext(f"{svg}desc") or ""
    stages = {text.text for text in root.iter(f"{svg}text") if text.get("class") == "name"}
    assert stages == {
        "transcripts", "collect", "decode", "process", "run", "store", "view", "facts.duckdb"
    }  # fmt: skip
    for stage in ("collect", "run", "decode", "process", "store", "view"):
        assert stage in told
        assert (PROJECT / "src/sessionmill" / stage).is_dir()


def test_the_licence_is_the_one_that_the_package_names() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    assert (PROJECT / "LICENSE").read_text("utf-8").startswith(f"{project['license']} License")
