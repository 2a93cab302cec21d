"""What the pages promise, and no page can show by a command."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from pages import page
from test_doc_settings import COMMANDS

from conftest import Mill
from sessionmill.decode.tail import LONGEST_LINE, LongLine, Reader
from sessionmill.testing import ClaudeTranscript

_SETTINGS = """
from sessionmill.contracts import ProcessorResult


class Greeting:
    name, cadence_minutes = "greeting", 60

    def __init__(self, context):
        self.context = context

    def process_session(self, session_path, username, session_key, conn):
        told = f"{self.context.settings.get('text')} from {self.context.folder.name}"
        raise ValueError(told)
"""


@pytest.mark.parametrize("door", ["processors.extra", "--processor"])
def test_a_processor_is_handed_its_settings_and_its_folder_by_whatever_door_it_came(
    mill: Mill, data: Path, tmp_path: Path, door: str
) -> None:
    assert "`[processors.<name>]` of the configuration" in page("writing-a-processor").text
    (tmp_path / "acme.py").write_text(_SETTINGS)
    ClaudeTranscript().write(tmp_path / "team" / "alice" / "a.jsonl")
    data.mkdir()
    extra = 'processors.extra = ["acme:Greeting"]\n' if door == "processors.extra" else ""
    (data / "config.toml").write_text(extra + '[processors.greeting]\ntext = "good morning"\n')

    named = ("--processor", "acme:Greeting") if door == "--processor" else ()
    ended = mill("run", "greeting", *named, "--sessions", "team", PYTHONPATH=str(tmp_path))
    assert "good morning from greeting" in ended.err, "named by its name, whatever its class's"


@pytest.mark.parametrize("before", [0, 17], ids=lambda mib: f"{mib} MiB before it")
def test_a_line_over_64_mib_is_malformed_wherever_it_stands(before: int) -> None:
    assert "over 64 MiB" in page("how-it-works").text
    lines = b"{}\n" * (before * 2**20 // 3)
    text = lines + b"[" + b" " * LONGEST_LINE + b"]\n"
    parts = list(Reader().slices(io.BytesIO(text), 0, len(text)))
    assert isinstance(parts[-1], LongLine), "a cut elsewhere must not make it another line"
    assert (parts[-1].offset, parts[-1].end) == (len(lines), len(text))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_shows_an_example(mill: Mill, command: str) -> None:
    usage, _, rest = mill(*command.split(), "--help").out.partition("\n")
    assert usage.startswith("Usage: ")
    assert f"sessionmill {command}" in rest, rest


def test_the_list_of_commands_says_what_each_one_does(mill: Mill) -> None:
    listed = mill("--help").out
    silent = re.findall(r"^│ (\w+) +│$", listed, re.MULTILINE)
    assert not silent, listed


_SHARING = """
from sessionmill.contracts import ProcessorResult


class One:
    name, cadence_minutes, tables = "one", 60, ("shared",)

    def process_session(self, session_path, username, session_key, conn):
        conn.execute("CREATE TABLE IF NOT EXISTS shared (session_key VARCHAR, who VARCHAR)")
        conn.execute("INSERT INTO shared VALUES (?, ?)", [session_key, self.name])
        return ProcessorResult(1)


class Two(One):
    name = "two"
"""


def test_two_effectful_processors_that_name_one_table_do_not_delete_each_others_rows(
    mill: Mill, tmp_path: Path
) -> None:
    assert "A name that belongs to another processor" in page("writing-a-processor").text
    (tmp_path / "sharing.py").write_text(_SHARING)
    ClaudeTranscript().write(tmp_path / "team" / "alice" / "a.jsonl")
    loaded = ("--processor", "sharing:One", "--processor", "sharing:Two")

    assert mill("run", "one", *loaded, "--sessions", "team").status == 0
    mill("run", "two", *loaded, "--sessions", "team")
    rows = mill("sql", "SELECT who FROM shared", "--json").rows
    assert {"who": "one"} in rows, "the second of the two is refused when it is loaded"
