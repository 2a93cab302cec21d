"""api.md tells of every route, role, error and kind of audit row, and of no other."""

from __future__ import annotations

import re
from pathlib import Path

from pages import PROJECT, page, table_rows

import sessionmill
from sessionmill.serve.access import _RIGHTS
from sessionmill.serve.api import app as application
from sessionmill.serve.api.errors import _CODES, _STATUSES
from sessionmill.store.control import ROLES

API = page("api")
SOURCE = Path(sessionmill.__file__).parent / "serve"


def _routes() -> dict[tuple[str, str], str]:
    """Every route that the page tells of, with its role."""
    rows = table_rows(API.section("Routes"))
    return {(row[0].strip("`"), row[1].strip("`")): row[2] for row in rows}


def _schema() -> dict[str, dict[str, object]]:
    """Return the paths of the schema, which needs no server."""
    from unittest.mock import MagicMock

    made = application.create(MagicMock(), MagicMock(), frozenset())
    paths: dict[str, dict[str, object]] = made.openapi()["paths"]
    return paths


def test_every_route_of_the_schema_is_told_and_no_other_is() -> None:
    schema = {(m.upper(), path) for path, methods in _schema().items() for m in methods}
    assert set(_routes()) == schema


def test_the_least_role_that_is_told_is_the_one_that_the_tests_of_rights_hold_to() -> None:
    source = (PROJECT / "tests/serve/test_api_rights.py").read_text("utf-8")
    names = {
        "ANYBODY": "anybody", "ALL": "anyone", "READERS": "viewer", "MEMBERS": "member",
        "ADMINS": "admin",
    }  # fmt: skip
    held = {
        (method, path): names[name]
        for method, path, name in re.findall(r'\("(\w+)", "(/[^"]+)"\): ([A-Z]+),', source)
    }
    assert _routes() == held


def test_every_parameter_that_the_page_names_in_a_route_s_row_exists() -> None:
    schema = _schema()
    for row in table_rows(API.section("Routes")):
        method, path = row[0].strip("`").lower(), row[1].strip("`")
        text = repr(schema[path][method])
        if path.startswith("/api/reports") or path in ("/api/sessions", "/api/runs", "/api/audit"):
            for name in re.findall(r"`(\w+)`", row[3]):
                assert f"'name': '{name}'" in text, (path, name)


def test_every_role_is_told() -> None:
    told = [row[0].strip("`") for row in table_rows(API.section("Who asks"))]
    assert set(told) == set(ROLES) == set(_RIGHTS)


def test_every_code_of_an_error_is_told_with_its_status_and_no_other_is() -> None:
    told = {
        (status, code)
        for row in table_rows(API.section("Errors"))
        for code in re.findall(r"`(\w+)`", row[1])
        for status in row[0].split(", ")
    }
    pairs = {(str(status), code) for _, status, code in _STATUSES}
    pairs |= {(str(status), code) for status, code in _CODES.items()}
    text = "".join(path.read_text("utf-8") for path in SOURCE.rglob("*.py"))
    pairs |= set(re.findall(r"answer\(\s*(\d+), \"(\w+)\"", text))
    pairs |= {("400", "refused")}  # what the framework refuses
    assert {pair for pair in told if pair[0] in ("413", "414")} >= {
        ("413", "too_large"), ("414", "address_too_long")
    }  # fmt: skip
    assert {code for _, code in told} == {code for _, code in pairs}
    assert pairs <= told


def test_every_action_of_the_audit_trail_is_told_and_no_other_is() -> None:
    told = {
        name
        for row in table_rows(API.section("The audit trail"))
        for name in re.findall(r"`([^`]+)`", row[0])
    }
    text = "".join(path.read_text("utf-8") for path in SOURCE.rglob("*.py"))
    named = set(re.findall(r"audited\(\s*\w+, \"([\w.]+)\"", text))
    for pair in re.findall(r"action = \"([\w.]+)\" if [\w.]+ else \"([\w.]+)\"", text):
        named |= set(pair)
    assert told == named | {"run_session_processor:<name>", "refused:<route>"}


def test_the_examples_ask_routes_that_there_are() -> None:
    [block] = API.of("sh")
    asked = re.findall(r"http://127\.0\.0\.1:8765(/[\w/-]+)", block.body)
    assert len(asked) == 4
    assert set(asked) <= set(_schema())
