"""The files of deploy/: what they start exists, and starts with as few rights as it needs."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from pages import PROJECT, page
from test_doc_settings import COMMANDS, options, variables

from sessionmill.settings import SchedulerSettings, Settings, variable

UNIT = (PROJECT / "deploy" / "sessionmill.service").read_text("utf-8")
CONTAINERFILE = (PROJECT / "deploy" / "Containerfile").read_text("utf-8")

#: What the unit must say, for the service to have no right that it does not use.
HARDENED = {
    "AmbientCapabilities": "",
    "CapabilityBoundingSet": "",
    "NoNewPrivileges": "yes",
    "PrivateDevices": "yes",
    "PrivateTmp": "yes",
    "ProtectHome": "yes",
    "ProtectSystem": "strict",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "StateDirectoryMode": "0700",
    "SystemCallFilter": "@system-service",
    "UMask": "0077",
    "User": "sessionmill",
}


def said(section: str) -> dict[str, list[str]]:
    """Return what a section of the unit says: the values of each name."""
    [text] = re.findall(rf"^\[{section}\]\n(.*?)(?=^\[|\Z)", UNIT, re.MULTILINE | re.DOTALL)
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, equals, value = line.partition("=")
            assert equals, line
            found.setdefault(name, []).append(value)
    return found


SERVICE = {name: values[-1] for name, values in said("Service").items()}


def instructions(name: str) -> list[str]:
    """Return what follows each of one instruction of the Containerfile, its lines joined."""
    joined = CONTAINERFILE.replace("\\\n", " ")
    return re.findall(rf"^(?: *){name} +(.+)$", joined, re.MULTILINE)


def settable() -> set[str]:
    """Return every variable that means something."""
    sections = Settings().model_dump()
    return variables() | {variable(s, name) for s, own in sections.items() for name in own}


def assert_exists(words: list[str]) -> None:
    """Check that a command and its options exist."""
    command, *rest = words
    assert command in COMMANDS
    assert set(rest) <= {option.name for option in options(command)}, rest


# ── the unit ──


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze")
    unit = re.sub(r"(?<=^ExecStart=)\S+", "/bin/true", UNIT, flags=re.MULTILINE)
    unit = re.sub(r"^(User|Group)=.*$", r"\1=root", unit, flags=re.MULTILINE)
    (tmp_path / "sessionmill.service").write_text(unit)
    verified = subprocess.run(
        [analyze, "verify", str(tmp_path / "sessionmill.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (verified.returncode, verified.stderr) == (0, "")


def test_no_setting_of_the_unit_is_said_twice_but_variables() -> None:
    for section in ("Unit", "Service", "Install"):
        twice = {name for name, values in said(section).items() if len(values) > 1}
        assert twice <= {"Environment"}


def test_the_unit_starts_what_exists() -> None:
    program, *words = shlex.split(SERVICE["ExecStart"])
    assert program.endswith("/sessionmill")
    assert_exists(words)


def test_the_unit_sets_what_is_settable_and_keeps_the_data_where_it_may_write() -> None:
    set_there = dict(value.split("=", 1) for value in said("Service")["Environment"])
    assert set_there.keys() <= settable()
    assert set_there["SESSIONMILL_HOME"] == f"/var/lib/{SERVICE['StateDirectory']}"


def test_the_service_has_no_right_that_it_does_not_use() -> None:
    assert {name: SERVICE.get(name) for name in HARDENED} == HARDENED


def test_the_service_has_time_to_end_and_comes_back_unless_a_setting_is_wrong() -> None:
    assert (SERVICE["KillMode"], SERVICE["Restart"]) == ("mixed", "on-failure")
    assert SERVICE["RestartPreventExitStatus"] == "2", "the command line, or a setting"
    assert int(SERVICE["TimeoutStopSec"]) >= SchedulerSettings().stop_seconds + 10


# ── the container ──


def test_the_container_starts_what_exists() -> None:
    [entry], [command] = instructions("ENTRYPOINT"), instructions("(?<!    )CMD")
    assert entry == '["sessionmill"]'
    assert_exists(re.findall(r'"([^"]+)"', command))


def test_the_container_sets_what_is_settable_and_keeps_the_data_in_its_volume() -> None:
    [pairs] = instructions("ENV")
    set_there = dict(pair.split("=", 1) for pair in pairs.split())
    ours = {name for name in set_there if name.startswith("SESSION")}
    assert ours <= settable()
    assert instructions("VOLUME") == [set_there["SESSIONMILL_HOME"]]
    assert instructions("EXPOSE") == [str(Settings().serve.port)]


def test_the_container_is_made_of_the_lock_and_runs_as_nobody_in_particular() -> None:
    assert all(
        re.fullmatch(r"python:[\d.]+-slim(?: AS \w+)?", base) for base in instructions("FROM")
    )
    assert int(instructions("USER")[-1]) > 0
    pip = [part for run in instructions("RUN") for part in run.split("&&") if "pip " in part]
    assert len(pip) == 4
    for part in pip:
        hashed = "--require-hashes" in part and "-r requirements.lock" in part
        assert hashed or "--no-index" in part, "nothing is fetched that the lock does not name"


def test_every_file_that_the_container_copies_is_there() -> None:
    for copied in instructions("COPY"):
        *sources, _ = copied.split()
        assert all((PROJECT / source).exists() for source in sources)


def test_the_page_tells_of_both() -> None:
    text = page("operations").text
    assert "../deploy/sessionmill.service" in text
    assert "../deploy/Containerfile" in text
