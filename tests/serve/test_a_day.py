"""A day of a server's ticks, in simulated time: what it takes does not grow with its work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import psutil
import pytest
import time_machine

from sessionmill.app import App, now
from sessionmill.collect.roots import sessions_root
from sessionmill.config import Config
from sessionmill.registry import Registry
from sessionmill.run.schedule import Scheduler
from sessionmill.serve.scheduling import new_scheduler
from sessionmill.serve.service import Service
from sessionmill.settings import SchedulerSettings
from sessionmill.store.control import Control
from sessionmill.testing import ClaudeTranscript

BEGIN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


class Day:
    """A server without its HTTP, whose time goes as fast as its work is done."""

    def __init__(self, folder: Path, transcripts: int, traveller: time_machine.Traveller) -> None:
        self.sessions, self._traveller = folder / "sessions", traveller
        self._transcripts = [self._begin(number) for number in range(transcripts)]
        config = Config(folder / "data")
        self.app = App(config, Registry.of(config), "sessionmill serve")
        assert self.app.make_ready() == {}
        self.control = Control(config.folder, now)
        self.service = Service(self.app, self.control, [sessions_root(self.sessions)])
        self.seconds = 0.0
        self.scheduler: Scheduler = new_scheduler(
            self.service,
            SchedulerSettings(),
            monotonic=lambda: self.seconds,
            launch=lambda run, _: run(),
        )

    def _begin(self, number: int) -> tuple[ClaudeTranscript, Path]:
        transcript = ClaudeTranscript(f"{number:08x}-0000-4000-8000-000000000000")
        transcript.prompt("Fix the total.")
        path = self.sessions / f"user{number % 10}" / f"{number:08x}.jsonl"
        return transcript, transcript.write(path)

    def grow(self, first: int, count: int) -> None:
        """Let some transcripts grow by an answer each."""
        for number in range(first, first + count):
            transcript, path = self._transcripts[number % len(self._transcripts)]
            transcript.response("Let me see.", input_tokens=10, output_tokens=20)
            transcript.write(path)

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds
        self._traveller.shift(timedelta(seconds=seconds))

    def close(self) -> None:
        self.service.close()
        self.control.close()
        self.app.facts.close()


@pytest.mark.soak
@pytest.mark.parametrize(
    ("transcripts", "hours"),
    [
        pytest.param(100, 2, marks=pytest.mark.soak),
        pytest.param(10_000, 24, marks=[pytest.mark.soak, pytest.mark.timeout(3000)]),
    ],
)
def test_ticks_take_no_more_memory_and_files_as_the_day_goes_on(
    tmp_path: Path, transcripts: int, hours: int
) -> None:
    with time_machine.travel(BEGIN, tick=False) as traveller:
        day = Day(tmp_path, transcripts, traveller)
        try:
            measured = _live(day, hours, transcripts // 100)
            [(runs, answers)] = (
                day.app.facts.cursor()
                .execute(
                    "SELECT (SELECT count(*) FROM runs WHERE processor_name = 'usage'),"
                    " (SELECT sum(responses) FROM session_usage)"
                )
                .fetchall()
            )
            trail = day.control.audit.rows(action="run_session_processor", limit=10_000)
        finally:
            day.close()
    assert hours * 6 - 1 <= runs <= hours * 6 + 1, "every ten minutes, however long each took"
    assert sum(row.action.endswith(":usage") for row in trail) == runs
    seen = measured.grown - 10 * (transcripts // 100)  # what came after the last run
    assert seen <= answers <= measured.grown, "no growth was missed"
    third = len(measured.memory) // 3
    first, last = median(measured.memory[third : 2 * third]), median(measured.memory[-third:])
    assert last <= first * 1.1, f"{first / 2**20:.0f} MB, then {last / 2**20:.0f} MB"
    assert max(measured.files[third:]) <= measured.files[third] + 1


class Measured:
    def __init__(self) -> None:
        self.memory: list[float] = []
        self.files: list[int] = []
        self.grown = 0


def _live(day: Day, hours: int, growing: int) -> Measured:
    """Let some transcripts grow each minute; measure after each that ran something."""
    measured, process = Measured(), psutil.Process()
    tick: Callable[[], float] = day.scheduler.tick
    for _ in range(hours * 60):
        day.grow(measured.grown, growing)
        measured.grown += growing
        before = day.app.facts.commit_number
        end = day.seconds + 60
        while day.seconds < end:
            day.pass_time(min(max(tick(), 0.05), end - day.seconds))
        if day.app.facts.commit_number != before:
            measured.memory.append(process.memory_info().rss)
            measured.files.append(process.num_fds())
    return measured
