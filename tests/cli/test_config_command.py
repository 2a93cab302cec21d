"""The command config: each setting as it counts, where it comes from, and no secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import Mill
from sessionmill import config
from sessionmill.errors import UsageError
from sessionmill.settings import Effective, Settings, effective, variable

#: A value other than the default of each setting: as TOML and as a variable say it, and as it is.
OTHER: dict[str, tuple[str, str, Any]] = {
    "serve.host": ('"::1"', "::1", "::1"),
    "serve.port": ("0", "0", 0),
    "serve.sessions": ('["/a", "/b"]', "/a, /b", (Path("/a"), Path("/b"))),
    "serve.claude": ('["/a,b"]', '["/a,b"]', (Path("/a,b"),)),
    "serve.codex": ('["/a"]', "/a", (Path("/a"),)),
    "serve.allowed_hosts": ('["mill.example"]', "mill.example", ("mill.example",)),
    "serve.log_format": ('"json"', "json", "json"),
    "serve.log_level": ('"debug"', "debug", "debug"),
    "scheduler.enabled": ("false", "false", False),
    "scheduler.budget_seconds": ("0.5", "0.5", 0.5),
    "scheduler.watch": ("false", "0", False),
    "scheduler.stop_seconds": ("1", "1", 1),
}


def in_file(folder: Path, said: dict[str, str]) -> None:
    lines = (f"{name} = {value}\n" for name, value in said.items())
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text("".join(lines))


def asked(folder: Path, flags: dict[str, Any] | None = None, /, **environ: str) -> Effective:
    return effective(folder, flags or {}, environ)


def rows(mill: Mill, *args: object, **env: str) -> dict[str, dict[str, Any]]:
    ended = mill("config", "--json", *args, **env)
    assert (ended.status, ended.err, ended.json["truncated"]) == (0, "", False)
    return {row["setting"]: row for row in ended.rows}


# ── settings of the service ──


def test_nothing_has_to_be_set(tmp_path: Path) -> None:
    found = asked(tmp_path)
    assert found.settings == Settings()
    assert found.values().keys() == OTHER.keys()
    assert set(found.origins.values()) == {"default"}
    assert {name.partition(".")[0] for name in OTHER} == set(config.SERVICE_SECTIONS)


@pytest.mark.parametrize("name", OTHER)
def test_a_flag_wins_over_the_environment_that_over_the_file_and_that_over_the_default(
    tmp_path: Path, name: str
) -> None:
    toml, text, value = OTHER[name]
    default = asked(tmp_path).values()[name]
    in_file(tmp_path, {name: toml})
    found = asked(tmp_path)
    assert (found.values()[name], found.origins[name]) == (value, "file")

    env = {variable(*name.split(".")): text}
    found = asked(tmp_path, None, **env)
    assert (found.values()[name], found.origins[name]) == (value, "environment")

    found = asked(tmp_path, {name: default}, **env)
    assert (found.values()[name], found.origins[name]) == (default, "flag")
    found = asked(tmp_path, {name: None}, **env)
    assert found.origins[name] == "environment", "a flag that was not given"
    assert [n for n, origin in found.origins.items() if origin != "default"] == [name]


@given(
    st.dictionaries(
        st.sampled_from(list(OTHER)), st.sets(st.sampled_from("flag environment file".split()))
    )
)
def test_a_value_is_always_that_of_its_origin(
    tmp_path_factory: pytest.TempPathFactory, said: dict[str, set[str]]
) -> None:
    folder = tmp_path_factory.mktemp("data")
    in_file(folder, {name: OTHER[name][0] for name in said if "file" in said[name]})
    environ = {
        variable(*name.split(".")): OTHER[name][1] for name in said if "environment" in said[name]
    }
    flags = {name: OTHER[name][2] for name in said if "flag" in said[name]}
    found, defaults = effective(folder, flags, environ), Effective(Settings(), {}).values()
    for name in OTHER:
        first = next(
            (o for o in ("flag", "environment", "file") if o in said.get(name, ())), "default"
        )
        assert found.origins[name] == first
        assert found.values()[name] == (defaults[name] if first == "default" else OTHER[name][2])


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"serve.prot": "1"}, r"config\.toml: serve\.prot is an unknown setting"),
        ({"scheduler.watch": '"often"'}, r"config\.toml: scheduler\.watch can't be 'often'"),
        ({"serve.port": "65536"}, r"serve\.port can't be 65536"),
        ({"serve.port": "-1"}, r"serve\.port can't be -1"),
        ({"serve.host": '""'}, r"serve\.host can't be ''"),
        ({"serve.sessions": "1"}, r"serve\.sessions can't be 1"),
        ({"serve.log_format": '"xml"'}, r"serve\.log_format can't be 'xml'.*'text' or 'json'"),
        ({"scheduler.stop_seconds": "0"}, r"scheduler\.stop_seconds can't be 0"),
        ({"scheduler.budget_seconds": "inf"}, r"scheduler\.budget_seconds can't be inf"),
    ],
)
def test_what_nobody_understands_in_the_file_is_refused_by_name(
    tmp_path: Path, said: dict[str, str], reason: str
) -> None:
    in_file(tmp_path, said)
    config.load(tmp_path, {})  # commands that do not serve go on
    with pytest.raises(UsageError, match=reason):
        asked(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("SESSIONMILL_SERVE__PROT", "1", r"\$SESSIONMILL_SERVE__PROT is an unknown setting"),
        ("SESSIONMILL_SERV__PORT", "1", r"\$SESSIONMILL_SERV__PORT is an unknown setting"),
        ("SESSIONMILL_SERVE", "1", r"\$SESSIONMILL_SERVE is an unknown setting"),
        ("SESSIONMILL_SERVE__PORT", "x", r"\$SESSIONMILL_SERVE__PORT can't be 'x'"),
        ("SESSIONMILL_SERVE__CODEX", '["a', r"\$SESSIONMILL_SERVE__CODEX can't be '\[\"a'"),
    ],
)
def test_a_variable_that_nobody_understands_is_refused_by_name(
    tmp_path: Path, name: str, value: str, reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        asked(tmp_path, None, **{name: value})


def test_a_flag_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--port can't be 70000"):
        asked(tmp_path, {"serve.port": 70000})


def test_variables_of_others_and_empty_ones_say_nothing(tmp_path: Path) -> None:
    found = asked(
        tmp_path, SESSIONMILL_HOME="/x", SERVE__PORT="1", SESSIONMILL_SERVE__PORT="", PATH="/bin"
    )
    assert set(found.origins.values()) == {"default"}


def test_a_section_that_is_none_is_refused_by_every_command(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("serve = 1\n")
    with pytest.raises(UsageError, match="serve is a table"):
        config.load(tmp_path, {})
    (tmp_path / "config.toml").write_text("[server]\n")
    with pytest.raises(UsageError, match="unknown setting 'server'"):
        config.load(tmp_path, {})


# ── the command ──


def test_each_setting_is_listed_with_where_it_comes_from(mill: Mill, data: Path) -> None:
    in_file(data, {"serve.port": "1", "serve.sessions": '["/srv"]'})
    said = rows(mill, SESSIONMILL_SERVE__HOST="::1")
    assert said.keys() >= {"data_directory", *OTHER, "processors.extra", "prices"}
    told = {name: (row["value"], row["origin"], row["where"]) for name, row in said.items()}
    assert told["data_directory"] == (str(data), "environment", "SESSIONMILL_HOME")
    assert told["serve.host"] == ("::1", "environment", "SESSIONMILL_SERVE__HOST")
    assert told["serve.port"] == (1, "file", str(data / "config.toml"))
    assert told["serve.sessions"] == (["/srv"], "file", str(data / "config.toml"))
    assert told["scheduler.watch"] == (True, "default", None)
    assert told["prices"] == (0, "default", None)
    assert rows(mill, "--db", data)["data_directory"]["origin"] == "flag"
    assert rows(mill, SESSIONMILL_HOME="")["data_directory"]["origin"] == "default"


def test_roots_of_this_machine_are_listed_as_they_are_read(mill: Mill, home: Path) -> None:
    said = rows(mill)
    homes = {"roots.sessions": [], "roots.codex": [f"{home}/.codex"]}
    assert {name: said[name]["value"] for name in homes} == homes
    assert {said[name]["origin"] for name in homes} == {"default"}

    said = rows(mill, CODEX_HOME="/codex")
    assert said["roots.codex"]["value"] == ["/codex", f"{home}/.codex"]
    assert said["roots.codex"]["where"] == "CODEX_HOME"
    assert said["roots.claude"]["origin"] == "default"

    said = rows(mill, CODEX_HOME="/codex", SESSION_DATA_DIR="/srv")
    assert said["roots.sessions"]["value"] == ["/srv"]
    assert said["roots.codex"] == {
        "setting": "roots.codex",
        "value": [],
        "origin": "environment",
        "where": "SESSION_DATA_DIR",
    }


def test_a_cadence_is_listed_as_it_counts(mill: Mill, data: Path) -> None:
    in_file(data, {"processors.usage.cadence": '"every 15m"', "processors.words.cadence": "7"})
    said = rows(
        mill,
        SCHEDULER_USAGE_PROCESSOR_INTERVAL="90",
        SCHEDULER_INVENTORY_PROCESSOR_INTERVAL="3600",
    )
    told = {
        name: (row["value"], row["origin"], row["where"])
        for name, row in said.items()
        if "cadence" in name or "INTERVAL" in name
    }
    variable = "SCHEDULER_INVENTORY_PROCESSOR_INTERVAL"
    assert told == {
        "processors.usage.cadence": (
            "every 90s",
            "environment",
            "SCHEDULER_USAGE_PROCESSOR_INTERVAL",
        ),
        "processors.words.cadence": (7, "file", str(data / "config.toml")),
        variable: ("every 1h", "environment", variable),
    }


SECRETS = """
[[prices]]
model = "m"
input_per_million = 1

[processors]
extra = ["a:B"]

[processors.judge]
api_key = "hush-1"
apiKey = "hush-2"
API-KEY = "hush-3"
token = "hush-4"
tokens = ["hush-5"]
db_password = 6006006
url = "https://name:hush-6@host/path"
headers = { Authorization = "hush-7", "X-Api-Key" = "hush-8", accept = "text" }
others = [{ secret = "hush-9", name = "fine" }]
model = "keyboard"
maximum = 3
"""


def test_no_secret_is_shown(mill: Mill, data: Path) -> None:
    data.mkdir()
    (data / "config.toml").write_text(SECRETS)
    for ended in (mill("config"), mill("config", "--json")):
        assert ended.status == 0
        assert "hush" not in ended.out
        assert "6006006" not in ended.out
    said = {name: row["value"] for name, row in rows(mill).items()}
    assert said["processors.judge.url"] == "https://name:********@host/path"
    assert said["processors.judge.model"] == "keyboard"
    assert said["processors.judge.maximum"] == 3
    assert said["processors.judge.others"] == [{"secret": "********", "name": "fine"}]
    assert said["processors.judge.headers"]["accept"] == "text"
    assert (said["processors.extra"], said["prices"]) == (["a:B"], 1)


def test_people_see_a_table(mill: Mill) -> None:
    lines = mill("config", SESSIONMILL_SERVE__CLAUDE="/a,/b").out.splitlines()
    assert lines[0].split() == ["setting", "value", "origin", "where"]
    [port] = [line.split() for line in lines if line.startswith("serve.port")]
    assert port == ["serve.port", "8765", "default", "-"], "no thousands"
    [claude] = [line for line in lines if line.startswith("serve.claude")]
    assert "/a, /b" in claude


def test_it_makes_nothing_and_opens_nothing(mill: Mill, data: Path) -> None:
    assert mill("config").status == 0
    assert not data.exists()


def test_a_setting_that_is_wrong_is_told(mill: Mill) -> None:
    ended = mill("config", SESSIONMILL_SERVE__PORT="often")
    assert (ended.status, ended.out) == (2, "")
    assert "$SESSIONMILL_SERVE__PORT can't be 'often'" in ended.err
