"""Logs tell what went wrong and where, and no variable: one may hold a password."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Literal

import pytest
import structlog

from sessionmill.serve.logs import begin_logging


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_failure_is_told_with_its_place_and_without_its_variables(
    form: Literal["text", "json"], capsys: pytest.CaptureFixture[str]
) -> None:
    begin_logging(form, "info")
    for log in (structlog.get_logger().exception, logging.getLogger("another").exception):
        password = "hush"  # noqa: S105 - the test's own
        try:
            raise ValueError(len(password))
        except ValueError:
            log("failed")
    said = capsys.readouterr().err
    assert said.count("ValueError") >= 2
    assert said.count("test_logs.py") >= 2
    assert "hush" not in said
