"""testing-a-processor.md tells of every public name of the kit, and of nothing else."""

from __future__ import annotations

import inspect
import re

import pytest
from pages import page, table_rows

from sessionmill import testing
from sessionmill.testing import ClaudeTranscript, CodexRollout, MemoryStore, Transcript

PAGE = page("testing-a-processor")


def names_in(cell: str) -> list[str]:
    """Return what stands in backticks, without arguments."""
    return [name.partition("(")[0] for name in re.findall(r"`([^`]+)`", cell)]


def told(section: str) -> list[str]:
    return [name for row in table_rows(PAGE.section(section)) for name in names_in(row[0])]


def test_every_public_name_of_the_kit_is_told_once() -> None:
    assert sorted(told("What is in it")) == sorted(testing.__all__)
    assert testing.__all__ == sorted(testing.__all__)


def test_everything_that_a_store_has_is_told() -> None:
    public = [name for name in vars(MemoryStore) if not name.startswith("_")]
    assert sorted(told("Stores")) == sorted(public)


@pytest.mark.parametrize("section", ["What is in it", "Stores"])
def test_a_call_that_is_told_is_called_so(section: str) -> None:
    owner = testing if section == "What is in it" else MemoryStore
    for row in table_rows(PAGE.section(section)):
        for name, arguments in re.findall(r"`(\w+)\(([^)]*)\)`", row[0]):
            parameters = inspect.signature(getattr(owner, name)).parameters
            for argument in filter(None, arguments.split(", ")):
                assert {argument, argument.lstrip("*"), "golden"} & set(parameters), argument


@pytest.mark.parametrize("name", testing.__all__)
def test_every_public_name_says_what_it_is_for(name: str) -> None:
    given = getattr(testing, name)
    assert given.__doc__
    if inspect.isclass(given) and given.__module__ == testing.__name__:
        public = [member for member in vars(given) if not member.startswith("_")]
        assert all(inspect.getdoc(getattr(given, member)) for member in public)


def test_both_builders_are_what_helpers_take() -> None:
    assert issubclass(ClaudeTranscript, Transcript)
    assert issubclass(CodexRollout, Transcript)


def test_the_two_pages_begin_with_the_same_processor() -> None:
    assert PAGE.files["words.py"] == page("writing-a-processor").files["words.py"]
