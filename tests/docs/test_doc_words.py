"""The pages' words: each in the glossary, none that does not belong here, links that lead on."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pages import DOCS, PROJECT, README, Page, page, pages, table_rows

from sessionmill.store.facts import CORE_TABLES, Facts

GLOSSARY = page("glossary")

#: Columns whose names are plain words of any program; tables.md tells what they hold.
PLAIN = {
    "first_seen_at", "mtime_ns", "name", "number", "path", "seconds", "size", "started_at"
}  # fmt: skip

#: Words that each mean one thing here, whatever column they stand in.
WORDS = """
transcript, session, session key, username, record, response, invocation, processor, run, state,
dead letter, safe offset, carry, counted, mark, job, batch, leftover, suspect, tally, extractor,
effectful processor, completion, election, fingerprint, owner, worker, task, walk, slice
"""

#: What the pages never say: the project speaks of itself, of what is, and to any reader.
FORBIDDEN = {
    "an issue": r"\bissues?\b",
    "a note to oneself": r"\b(?:TODO|FIXME|XXX)\b",
    "a promise": r"\bfor now\b|\bcoming soon\b|\bin the future\b",
    "somebody's machine": r"(?<![\w.~])/(?:root|work|home|Users|mnt)\b",
    "marketing": r"\b(?:blazing|powerful|seamless\w*|effortless\w*|robust|simply|easily)\b",
}


def entries() -> dict[str, list[str]]:
    """Every word of the glossary, with the rest of its row."""
    return {word: row[1:] for row in table_rows(GLOSSARY.text) for word in row[0].split(", ")}


def test_the_glossary_has_the_words_that_everything_is_said_in() -> None:
    missing = {word.strip() for word in WORDS.replace("\n", " ").split(",")} - set(entries())
    assert not missing


def test_the_glossary_has_each_word_once() -> None:
    words = [word for row in table_rows(GLOSSARY.text) for word in row[0].split(", ")]
    assert len(words) == len(set(words))
    assert all(row[1] for row in table_rows(GLOSSARY.text))


def test_every_core_table_and_column_belongs_to_a_word_of_the_glossary(tmp_path: Path) -> None:
    told = {name for rest in entries().values() for name in re.findall(r"`(\w+)`", rest[-1])}
    with Facts(tmp_path, "a test", now=datetime.now(UTC)) as facts:
        rows = facts.cursor().execute(
            "SELECT column_name FROM duckdb_columns() WHERE table_name IN (SELECT unnest(?))",
            [sorted(CORE_TABLES)],
        )
        columns = {row[0] for row in rows.fetchall()}
    assert not CORE_TABLES - told
    assert columns - told == PLAIN, "a new column needs a word, or to be plain"


def test_every_name_in_the_glossary_is_one_of_a_table_or_column() -> None:
    told = {name for rest in entries().values() for name in re.findall(r"`(\w+)`", rest[-1])}
    tables = page("tables")
    known = set(re.findall(r"^####? (\w+)$", tables.text, re.MULTILINE))
    known |= {row[0].strip("`") for row in table_rows(tables.text)}
    assert told <= known


@pytest.mark.parametrize("shown", pages(), ids=str)
def test_no_page_says_what_does_not_belong_there(shown: Page) -> None:
    found = {
        kind: re.findall(pattern, shown.text, re.IGNORECASE) for kind, pattern in FORBIDDEN.items()
    }
    assert not any(found.values()), found


@pytest.mark.parametrize("shown", pages(), ids=str)
def test_every_link_leads_somewhere(shown: Page) -> None:
    for link in shown.links:
        if link.startswith("https://"):
            continue
        target, _, name = link.partition("#")
        path = (shown.path.parent / target).resolve() if target else shown.path
        assert path.is_relative_to(PROJECT), link
        assert path.exists(), link
        if name:
            assert name in Page(path).anchors, link


def test_every_page_can_be_reached_from_the_first() -> None:
    reached, pending = set(), [README.resolve()]
    while pending:
        path = pending.pop()
        if path in reached:
            continue
        reached.add(path)
        for link in Page(path).links:
            target = (path.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.exists():
                pending.append(target)
            elif target.is_dir() and target.is_relative_to(DOCS):
                pending += target.glob("*.md")
    assert {shown.path.resolve() for shown in pages()} <= reached


def test_every_file_of_the_source_that_a_page_names_exists() -> None:
    for shown in pages():
        named = re.findall(r"`?\b((?:tests|src)/[\w/]+(?:\.\w+)?/?)", shown.prose)
        assert all((PROJECT / name).exists() for name in named), (shown, named)


def test_decisions_are_numbered_and_each_has_its_context_choice_and_price() -> None:
    decisions = sorted((DOCS / "why").glob("*.md"))
    numbers = [path.name[:4] for path in decisions]
    assert numbers == [f"{n:03}-" for n in range(1, len(decisions) + 1)]
    for path in decisions:
        headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
        assert headings[0].startswith(path.name[:3])
        assert headings[1:] == ["Context", "Choice", "Price"], path.name
