"""What a server gathers of itself: of the roots it reads, and by a clock that may be set."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from served import wait_for

from sessionmill import config
from sessionmill.app import App
from sessionmill.collect.discover import walk
from sessionmill.collect.roots import sessions_root
from sessionmill.registry import Registry
from sessionmill.serve import overview
from sessionmill.serve.overview import Overview
from sessionmill.testing import ClaudeTranscript


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    settings = config.load(tmp_path / "data")
    with App(settings, Registry.of(settings), "a test") as app:
        app.make_ready()
        yield app


def gathered(seen: Overview) -> Overview:
    """Let it gather once."""
    seen.start()
    seen.stop()
    return seen


def test_what_lies_below_roots_that_are_not_read_any_more_waits_for_nothing(
    app: App, tmp_path: Path
) -> None:
    roots = [sessions_root(tmp_path / name) for name in ("read", "once")]
    for number, root in enumerate(roots):
        said = ClaudeTranscript(f"{number}")
        said.prompt()
        said.write(root.folder / "alice" / f"{number}.jsonl")
    app.store.note_walk(walk(roots), datetime.now(UTC))
    pending = [
        gathered(Overview(app, read)).health().checks["usage.lag"].details["pending"]
        for read in (roots, roots[:1])
    ]
    assert pending == [2, 1]


@pytest.mark.parametrize(("hours", "where"), [(5, "ahead"), (-5, "back")])
def test_a_clock_that_is_set_is_told_of_for_a_while_and_then_no_more(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int, where: str
) -> None:
    seen = Overview(app, [sessions_root(tmp_path)])
    seen.start()
    try:
        assert seen.health().checks["clock"].status == "ok"
        with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours), tick=True):
            said = seen.health().checks["clock"]
            assert said.status == "warning"
            assert f"The clock was set {where} by" in said.sentence
            monkeypatch.setattr(overview, "_JUMP_TOLD", 0.0)  # the hour is over
            seen.hurry()
            wait_for(lambda: seen.health().checks["clock"].status == "ok")
    finally:
        seen.stop()
