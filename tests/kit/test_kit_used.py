"""The project's own tests use the kit that it gives to others."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessionmill import testing

TESTS = Path(__file__).parents[1]
FILES = sorted(TESTS.rglob("*.py"))

#: Tests of lines that no builder writes: damaged ones, and those of unknown formats.
OF_DAMAGE = {
    "demo_kinds.py",
    "made_up.py",
    "test_decode_damage.py",
    "test_demo.py",
    "test_doc_delivery.py",
    "test_no_words.py",
    "test_transcript_pages.py",
}
#: Tests of the builders themselves.
OF_BUILDERS = {"demo_kinds.py", "test_demo.py", "test_demo_team.py"}

#: The beginning of a line that a builder writes.
_LINE = re.compile(r"""\{"type":"(?:user|assistant|event_msg|response_item|session_meta)["]""")


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (module, name) of what a file imports."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.name not in OF_BUILDERS], ids=lambda path: path.name
)
def test_builders_and_the_clock_come_from_the_kit(path: Path) -> None:
    past_it = {
        (module, name)
        for module, name in imports(path)
        if name in testing.__all__ and module.startswith(("sessionmill.demo", "conftest"))
    }
    assert not past_it


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_transcript_is_written_by_hand_but_what_no_builder_writes(path: Path) -> None:
    lines = _LINE.findall(path.read_text("utf-8"))
    assert not lines or path.name in OF_DAMAGE


def test_there_are_files_to_hold_to_this() -> None:
    assert {path.name for path in FILES} > OF_DAMAGE
    assert len(FILES) > 50
