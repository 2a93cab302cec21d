"""What a server does by itself: runs on their cadence, and soon after a transcript grew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from served import Served, served, wait_for

from conftest import Mill
from sessionmill.testing import ClaudeTranscript


def _responses(server: Served) -> int:
    [total] = server.get("/api/reports/usage").json["rows"]
    return int(total["responses"] or 0)


@pytest.mark.parametrize("watch", ["true", "false"])
def test_what_is_appended_is_in_the_reports_soon_where_transcripts_are_watched(
    data: Path, tmp_path: Path, watch: str
) -> None:
    sessions = tmp_path / "sessions"
    transcript = ClaudeTranscript("first")
    transcript.prompt("Fix the total.")
    transcript.response("Let me see.", input_tokens=10, output_tokens=20)
    path = transcript.write(sessions / "alice" / "first.jsonl")
    # Not due by cadence while this test lasts.
    environ = {
        "SCHEDULER_USAGE_PROCESSOR_INTERVAL": "86400",
        "SESSIONMILL_SCHEDULER__WATCH": watch,
    }
    with served(data, "--sessions", sessions, environ=environ) as server:
        server.post("/api/admin/run-session-processor?processor=usage")
        assert _responses(server) == 1
        transcript.response("Fixed.", input_tokens=10, output_tokens=20)
        transcript.write(path)
        if watch == "true":
            wait_for(lambda: _responses(server) == 2)
            newest = server.get("/api/runs?processor=usage&limit=1").json["rows"][0]
            assert newest["actor"] == "scheduler"
        else:
            assert _no_run_by_the_scheduler(server)


def _no_run_by_the_scheduler(server: Served) -> bool:
    runs: list[dict[str, Any]] = server.get("/api/runs?processor=usage").json["rows"]
    return all(run["actor"] != "scheduler" for run in runs)


def test_a_processor_runs_on_its_cadence(mill: Mill, data: Path, tmp_path: Path) -> None:
    sessions = tmp_path / "sessions"
    ClaudeTranscript("first").write(sessions / "alice" / "first.jsonl")
    environ = {
        "SCHEDULER_USAGE_PROCESSOR_INTERVAL": "1",
        "SESSIONMILL_SCHEDULER__WATCH": "false",
    }
    mill("run", "usage", "--sessions", sessions)  # the first run is put off by up to a minute
    with served(data, "--sessions", sessions, environ=environ) as server:

        def by_itself() -> bool:
            runs = server.get("/api/runs?processor=usage").json["rows"]
            return bool(sum(run["actor"] == "scheduler" for run in runs) >= 2)

        wait_for(by_itself)
        checks = server.get("/api/health").json["checks"]
        assert checks["scheduler"]["status"] == "ok"
