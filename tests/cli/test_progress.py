"""The bar of a long run: on a terminal alone, and true."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from sessionmill.cli.progress import Bar
from sessionmill.collect.discover import walk
from sessionmill.collect.roots import sessions_root
from sessionmill.config import Config
from sessionmill.registry import Registry
from sessionmill.run.ports import Unwatched
from sessionmill.run.runner import Runner
from sessionmill.store.facts import Facts
from sessionmill.store.run_store import FactsRunStore
from sessionmill.testing import ClaudeTranscript, FakeClock

#: A run of three steps, whose bar shows at once.
STEPS = """
import sys
from sessionmill.cli.progress import Bar
bar = Bar(patience=-1)
bar.begin(4_000_000)
bar.advance(1_000_000)
bar.advance(2_000_000)
bar.end()
sys.stdout.write("done")
"""


def seen_on_a_terminal(**env: str) -> str:
    """Return what a person sees of `STEPS` on a terminal."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **env}
    if "NO_COLOR" not in env:
        environ.pop("NO_COLOR", None)
    with subprocess.Popen([sys.executable, "-c", STEPS], stderr=theirs, env=environ) as child:
        os.close(theirs)
        seen = b""
        try:
            while part := os.read(ours, 65536):
                seen += part
        except OSError:  # Linux tells so that the other side is gone
            pass
        assert child.wait(60) == 0
    os.close(ours)
    return seen.decode()


def test_on_a_terminal_it_tells_how_much_is_read_how_fast_and_for_how_long() -> None:
    seen = seen_on_a_terminal()
    assert "Reading transcripts" in seen
    assert "3.0/4.0 MB" in seen
    assert "/s" in seen
    assert "0:00:0" in seen


def test_without_colours_where_they_are_not_wanted() -> None:
    colour = "\x1b[3"
    assert colour in seen_on_a_terminal()
    assert colour not in seen_on_a_terminal(NO_COLOR="1")


def test_elsewhere_nothing_is_printed() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", STEPS], capture_output=True, text=True, check=True
    )
    assert (ended.stdout, ended.stderr) == ("done", "")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("patience", "shown"), [(-1.0, True), (3600.0, False)])
def test_a_short_run_has_no_bar(patience: float, shown: bool) -> None:
    terminal = Terminal()
    bar = Bar(patience=patience, file=terminal)
    bar.begin(10)
    bar.advance(10)
    bar.end()
    assert bool(terminal.getvalue()) is shown


class Watching(Unwatched):
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.total = self.read = self.ends = 0
        self.steps: list[int] = []

    def begin(self, total: int) -> None:
        self.total += total

    def advance(self, read: int) -> None:
        assert read >= 0
        self.read += read
        if read:
            self.steps.append(read)

    def end(self) -> None:
        self.ends += 1


def run(tmp_path: Path, *names: str, times: int = 1) -> Watching:
    """Run processors over a team, and return what a watcher was told."""
    clock, watching = FakeClock(), Watching()
    processors = Registry.of(Config(tmp_path / "db")).named(names)
    with Facts(tmp_path / "db", "a test", now=clock()) as facts:
        runner = Runner(FactsRunStore(facts, clock), clock, lambda: 0.0, watching)
        for _ in range(times):
            runner.run(processors, walk([sessions_root(tmp_path / "team")]), actor="a test")
    return watching


@pytest.mark.parametrize("names", [["usage"], ["usage", "inventory"]])
def test_a_run_tells_of_each_byte_once_however_many_processors_share_the_reading(
    tmp_path: Path, names: list[str]
) -> None:
    sizes = 0
    for number in range(30):
        transcript = ClaudeTranscript(f"s{number}")
        transcript.prompt()
        sizes += transcript.write(tmp_path / "team" / "alice" / f"s{number}.jsonl").stat().st_size
    watching = run(tmp_path, *names, times=2)
    assert (watching.total, watching.read, watching.ends) == (sizes, sizes, 2)


def test_of_one_large_transcript_it_tells_while_it_is_read(tmp_path: Path) -> None:
    call = ClaudeTranscript("large")
    call.call("Bash", result="3 passed")
    path = call.write(tmp_path / "team" / "alice" / "large.jsonl")
    line = path.read_bytes()
    with path.open("ab") as file:
        for number in range(15_000):  # of which two rows each come, so that they are sent in parts
            file.write(
                line.replace(b"msg_0", b"msg_%05d" % number).replace(
                    b"toolu_0", b"toolu_%05d" % number
                )
            )
        file.write(b" " * 30_000_000 + b"\n")  # a second slice
    watching = run(tmp_path, "usage")
    assert watching.read == watching.total == path.stat().st_size
    assert len(watching.steps) > 1
