"""The extractor: each table's rules have a module of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from sessionmill.contracts import Extraction, Row, Transcript
from sessionmill.decode.records import Record, Start
from sessionmill.process.usage import (
    events,
    malformed_lines,
    prompts,
    responses,
    slash_commands,
    tool_calls,
)


def _sql(*names: str) -> Mapping[str, str]:
    return {name: files(__package__).joinpath(f"{name}.sql").read_text("utf-8") for name in names}


class Usage:
    """Responses, invocations and prompts, one row each; figures are summed at reading."""

    name = "usage"
    version = 2
    changes: Mapping[int, str] = {
        2: "Adds columns: how calls failed and what programs they ran, output that was logged in"
        " part, and how the client was started.",
    }
    cadence_minutes = 10
    tables = (
        responses.TABLE,
        tool_calls.TABLE,
        slash_commands.TABLE,
        prompts.TABLE,
        events.TABLE,
        malformed_lines.TABLE,
    )
    views = _sql(
        "matching_prices",
        "model_prices",
        "response_costs",
        "counted_usage",
        "attributed_usage",
        "attributed_commands",
        "hourly_usage",
        "session_usage",
        "session_work",
    )
    rollups = _sql("usage_rollup", "call_rollup", "command_rollup", "outcome_rollup", "work_rollup")

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        """Return what the records tell; queued prompts and lengths of answers go on."""
        calls: list[Row] = []
        commands: list[Row] = []
        typed: list[Row] = []
        happened: list[Row] = []
        malformed: list[Row] = []
        of_queue, of_answers = carry or (None, None)
        queue, answers = prompts.Queue(of_queue), responses.Answers(of_answers)
        started: set[Start] = set()
        add_answer = answers.add
        for record in records:
            if record.responses:
                add_answer(record)
            if record.calls or record.results or record.start is not None:
                calls += tool_calls.rows(record, started)
            if record.prompt is not None:
                typed += queue.rows(record.prompt, record)
            if record.command is not None:
                commands.append(slash_commands.row(record.command, record))
            if record.events:
                happened += events.rows(record, transcript.key)
            if record.malformed is not None:
                malformed.append(malformed_lines.row(record.malformed, record))
        return Extraction(
            rows={
                "responses": answers.rows(),
                "tool_calls": calls,
                "slash_commands": commands,
                "prompts": typed,
                "events": happened,
                "malformed_lines": malformed,
            },
            safe_offset=records[-1].end,
            carry=_carry(queue.carry(), answers.carry()),
        )


def _carry(*parts: Any) -> Any:
    return None if parts == (None,) * len(parts) else parts
