"""What `make mutation` breaks exists, with its tests; and it says what it lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
sys.path.append(str(PROJECT))
from mutation.modules import MODULES  # noqa: E402


@pytest.mark.parametrize("module", MODULES)
def test_a_module_that_is_mutated_has_tests_that_may_notice(module: str) -> None:
    assert (PROJECT / module).is_file()
    assert MODULES[module]
    for tests in MODULES[module]:
        assert (PROJECT / tests).is_file()


def test_every_module_of_the_usage_is_mutated() -> None:
    usage = {path.name for path in (PROJECT / "src/sessionmill/process/usage").glob("*.py")}
    mutated = {Path(module).name for module in MODULES if "process/usage" in module}

    assert usage - mutated == {"__init__.py"}


def test_where_the_tool_is_missing_the_command_says_so_and_fails(tmp_path: Path) -> None:
    (tmp_path / "cosmic_ray.py").write_text("raise ImportError\n")
    source = os.pathsep.join([str(tmp_path), str(PROJECT)])
    ended = subprocess.run(
        [sys.executable, "-m", "mutation"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": source},
        check=False,
    )

    assert ended.returncode == 1
    assert "cosmic-ray is missing" in ended.stdout
