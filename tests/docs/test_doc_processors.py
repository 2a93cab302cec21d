"""writing-a-processor.md tells what the contracts have: attributes, connection, rules."""

from __future__ import annotations

import pickle
import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import duckdb
import pytest
from pages import page, table_rows

from sessionmill import contracts
from sessionmill.contracts import COLUMN_TYPES, Completion, ProcessorContext
from sessionmill.plugins import load
from sessionmill.run.stand_in import StandInConnection

PAGE = page("writing-a-processor")


class Plain:
    """A processor that says no more than it must."""

    name, cadence_minutes = "plain", 60

    def process_session(self, path: object, user: object, key: object, conn: object) -> None:
        """Do nothing."""


def names_in(text: str) -> set[str]:
    """Return what stands in backticks, without arguments."""
    return {name.partition("(")[0] for name in re.findall(r"`([^`]+)`", text)}


@pytest.mark.parametrize(
    "attribute", ["version", "timeout_seconds", "memory_limit_mb", "max_attempts"]
)
def test_an_attribute_has_the_default_that_is_told(attribute: str, tmp_path: Path) -> None:
    told = {row[0].strip("`"): row[1] for row in table_rows(PAGE.section("Attributes"))}
    plain = load(f"{__name__}:Plain", tmp_path, {})
    assert getattr(plain, attribute) == int(told[attribute])


def test_all_attributes_that_the_contract_names_are_told() -> None:
    told = {row[0].strip("`") for row in table_rows(PAGE.section("Attributes"))}
    named = names_in((contracts.SessionProcessor.__doc__ or "").replace("\n", " "))
    assert named - {"conn", "session_key"} <= told
    assert {"name", "cadence_minutes", "views"} <= told


def test_what_the_connection_has_and_refuses_is_told() -> None:
    rows = table_rows(PAGE.section("The connection"))
    told = {name for row in rows for name in names_in(row[0])}
    conn = StandInConnection(lambda _: pickle.dumps((True, None)))
    offered = {name for name in vars(StandInConnection) if not name.startswith("_")}
    # Older ones of DuckDB have names that this one lacks.
    known = told | set(dir(duckdb.DuckDBPyConnection))
    refused = {name for name in known if is_refused(conn, name)}
    assert offered | refused == told
    assert len(offered) >= 10
    assert len(refused) >= 20


def is_refused(conn: StandInConnection, name: str) -> bool:
    """Tell whether the stand-in knows a name, and says what to do instead."""
    if name.startswith("_") or name in vars(StandInConnection):
        return False
    try:
        getattr(conn, name)()
    except AttributeError:
        return False
    except duckdb.NotSupportedError:
        return True
    return False


def test_the_context_is_told() -> None:
    told = names_in(PAGE.section("Context"))
    assert {field.name for field in fields(ProcessorContext)} <= {n.partition("(")[0] for n in told}


def test_every_completion_and_type_of_column_is_told() -> None:
    section = PAGE.section("Tables and completion")
    rows = table_rows(section)
    assert {name for row in rows for name in names_in(row[0])} == set(get_args(Completion))
    assert set(COLUMN_TYPES) <= names_in(section)
