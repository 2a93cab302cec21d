"""What is known of a worker that is gone before anything was asked of it."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sessionmill.collect.contents import prepare_spool
from sessionmill.run.messages import Channel
from sessionmill.run.supervise import Worker, WorkerLost


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
