"""Processors that declare what cannot be: none may take another one down."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sessionmill.contracts import Column, Extraction, ProcessorResult, Table, Transcript
from sessionmill.decode.records import Record

AT = Column("at", "BIGINT", "keep")


class _Extracting:
    cadence_minutes = 5
    tables: Any = (Table(name="misdeclared", key=("at",), columns=(AT,)),)

    def extract(self, transcript: Transcript, records: Sequence[Record], carry: Any) -> Extraction:
        del transcript, carry
        return Extraction(
            rows={self.tables[0].name: [{"at": records[0].offset}]}, safe_offset=records[-1].end
        )


class _Effectful:
    cadence_minutes = 5

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del session_path, username, session_key, conn
        return ProcessorResult()


def _of(kind: type, **cases: dict[str, Any]) -> SimpleNamespace:
    return SimpleNamespace(
        **{
            name: type(name, (kind,), {"name": f"misdeclared-{name.replace('_', '-')}", **own})
            for name, own in cases.items()
        }
    )


def _table(name: str = "misdeclared", **own: Any) -> dict[str, Any]:
    return {"tables": (Table(**{"name": name, "key": ("at",), "columns": (AT,), **own}),)}


#: Refused when they are loaded; each with what the reason names.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no_name": ({"name": ""}, "name"),
    "odd_name": ({"name": "Words And More"}, "Words And More"),
    "name_no_text": ({"name": 7}, "7"),
    "no_cadence": ({"cadence_minutes": None}, "cadence_minutes"),
    "no_minutes": ({"cadence_minutes": 0}, "cadence_minutes"),
    "cadence_true": ({"cadence_minutes": True}, "cadence_minutes"),
    "odd_version": ({"version": "2"}, "version"),
    "no_time": ({"timeout_seconds": 0}, "timeout_seconds"),
    "no_memory": ({"memory_limit_mb": -1}, "memory_limit_mb"),
    "no_attempts": ({"max_attempts": 0}, "max_attempts"),
    "odd_type": (_table(columns=(Column("at", "JSON"),)), "misdeclared.at"),
    "column_twice": (_table(columns=(AT, AT)), "twice"),
    "column_in_two_cases": (_table(columns=(AT, Column("AT", "BIGINT"))), "twice"),
    "no_key": (_table(key=()), "key"),
    "key_of_no_column": (_table(key=("other",)), "other"),
    "core_table": (_table("runs"), "runs"),
    "core_table_in_capitals": (_table("Runs"), "runs"),
    "table_of_usage": (_table("responses"), "usage"),
    "view_of_usage": (_table("session_usage"), "usage"),
    "rollup_of_usage": ({"rollups": {"usage_rollup": "FROM misdeclared"}}, "usage"),
    "column_of_the_framework": (
        _table(columns=(AT, Column("username", "VARCHAR"))),
        "username",
    ),
    "column_of_the_framework_counted": (
        _table(columns=(AT, Column("counted", "BOOLEAN")), elect_by=("at",)),
        "counted",
    ),
    "names_for_tables": ({"tables": ("misdeclared",)}, "Table"),
}

#: Each may be refused, or fail at what it does; the reason names the word.
BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "broken_view": (
        {"views": {"misdeclared_view": "SELECT nonsense FROM misdeclared"}},
        "nonsense",
    ),
    "view_no_sql": ({"views": {"misdeclared_view": "no SQL at all"}}, "no SQL"),
    "broken_rollup": (
        {"rollups": {"misdeclared_rollup": "SELECT nonsense FROM misdeclared"}},
        "nonsense",
    ),
    "rollup_of_no_session": (
        {"rollups": {"misdeclared_rollup": "SELECT username FROM misdeclared"}},
        "session_id",
    ),
    "broken_election": (_table(elect_by=("nonsense DESC",)), "nonsense"),
    "broken_eligible": (_table(elect_by=("at",), eligible="nonsense"), "nonsense"),
    "broken_derived": (_table(derived={"x": ("BIGINT", "nonsense + 1", "")}), "nonsense"),
}

Refused = _of(_Extracting, **{name: own for name, (own, _) in REFUSED.items()})
Broken = _of(_Extracting, **{name: own for name, (own, _) in BROKEN.items()})


class NoProcessor:
    name = "no-processor"
    cadence_minutes = 5


class TwoArguments(_Effectful):
    name = "two-arguments"

    def __init__(self, one: object, other: object) -> None:
        del one, other


class Raising(_Effectful):
    name = "raising"

    def __init__(self) -> None:
        raise ValueError("there is no model")


class Exiting(_Effectful):
    name = "exiting"

    def __init__(self) -> None:
        raise SystemExit(3)


NUMBER = 7
