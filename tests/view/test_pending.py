"""What health takes for pending is what a run would take up: nothing is stuck that no run reads."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from histories import History, everything, processor
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionmill.testing import FakeClock

NAMES = ("a", "shop/b", "shop/0f3c/subagents/agent-1", "agent-2", "deep/down/agent-3x", "c")
STEPS = st.sampled_from(
    [
        *(("write", name) for name in NAMES),
        *(("delete", name) for name in NAMES),
        ("run", "all"),
        ("run", "two"),
        ("run", "none"),
        ("fail", "some"),
        ("fail", "all"),
        ("upgrade", ""),
        ("retry", ""),
        ("wait", ""),
    ]
)


@settings(max_examples=20)
@given(steps=st.lists(STEPS, min_size=3, max_size=25), main_only=st.booleans())
def test_pending_is_what_the_next_run_would_take_up(
    steps: list[tuple[str, str]], *, main_only: bool
) -> None:
    version, there = 1, set[str]()
    with (
        tempfile.TemporaryDirectory() as spool,
        History(FakeClock(), Path(spool)) as history,
    ):
        for step, what in steps:
            of = processor(version=version, main_only=main_only)
            if step == "write":
                history.write(what)
                there.add(what)
            elif step == "delete" and what in there:
                history.delete(what)
                there.remove(what)
            elif step == "run":
                history.run(of, most={"all": None, "two": 2, "none": 0}[what])
            elif step == "fail":
                history.run(of, fails=everything if what == "all" else lambda name: "b" in name)
            elif step == "upgrade":
                version += 1
            elif step == "retry":
                history.store.make_due(None, None)
            history.clock.advance(minutes=3)

        of = processor(version=version, main_only=main_only)
        history.walk()
        tasks = history.store.pending(of, history.clock())
        [found] = history.gathered(of).processors
        assert found.pending == sum(task.attempts == 0 for task in tasks)
        [standing] = history.store.standing([of])
        assert found.pending == standing[6], "as `processors` and `status` say"
        if not found.pending:
            assert found.waiting_since is None
        elif found.began_at is not None:
            assert found.waiting_since is not None
            assert found.began_at <= found.waiting_since <= history.clock()
        assert found.tried_lately <= found.tried
        assert found.failing + found.dead <= found.tried <= len(there)
        assert found.failing_lately <= found.failing + found.dead


@pytest.mark.parametrize("main_only", [True, False])
def test_agent_files_wait_for_those_processors_alone_that_are_given_them(
    clock: FakeClock, tmp_path: Path, *, main_only: bool
) -> None:
    with History(clock, tmp_path) as history:
        history.write(*NAMES)
        history.walk()
        [found] = history.gathered(processor(main_only=main_only)).processors
        assert found.pending == (3 if main_only else 6)
