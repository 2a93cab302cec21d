"""What is known of a worker that is gone before anything was asked of it."""

from __future__ import annotations

import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from sessionmill.collect.contents import prepare_spool
from sessionmill.run.messages import Channel
from sessionmill.run.supervise import Worker, WorkerLost
from sessionmill.store.facts import Facts
from sessionmill.store.run_store import FactsRunStore


def test_a_worker_that_died_before_it_was_told_anything_is_told_of_as_one_that_died_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    false = shutil.which("false")
    if false is None:
        pytest.skip("no program named false is there")
    prepare_spool(tmp_path / "spool")
    send = Channel.send

    def after_its_death(channel: Channel, *message: Any) -> None:
        time.sleep(0.5)
        send(channel, *message)

    monkeypatch.setattr(sys, "executable", false)
    monkeypatch.setattr(Channel, "send", after_its_death)
    worker = Worker([], tmp_path / "spool")
    with pytest.raises(WorkerLost, match="exit status 1"):
        worker.ready()
    worker.close()


@pytest.mark.parametrize(("sparing", "niceness"), [(True, 0), (False, 5)])
def test_workers_stand_back_for_an_owner_that_answers_people_and_for_no_other(
    tmp_path: Path, sparing: bool, niceness: int
) -> None:
    with Facts(tmp_path, "test", now=datetime.now(UTC), sparing=sparing) as facts:
        store = FactsRunStore(facts, lambda: datetime.now(UTC))
        before = set(psutil.Process().children())
        worker = Worker([], store.spool, niceness=store.niceness)
        try:
            worker.ready()
            [child] = set(psutil.Process().children()) - before
            assert child.nice() == min(19, psutil.Process().nice() + niceness)
        finally:
            worker.close()
