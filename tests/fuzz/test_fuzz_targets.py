"""What is fuzzed for an hour by `make soak` holds on the seeds; and broken promises are noticed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sessionmill.collect import contents
from sessionmill.decode import lines, text, tolerant
from sessionmill.decode.tail import Reader

PROJECT = Path(__file__).parents[2]
sys.path.append(str(PROJECT))
import fuzz.__main__ as runner  # noqa: E402
from fuzz.targets import TARGETS  # noqa: E402


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_of_a_target_breaks_no_promise(name: str) -> None:
    seeds = list(TARGETS[name].seeds())

    assert len(seeds) > 50
    for seed in seeds:
        TARGETS[name].check(seed)


@pytest.mark.parametrize("name", TARGETS)
def test_an_input_too_short_to_choose_anything_breaks_no_promise(name: str) -> None:
    for length in range(12):
        TARGETS[name].check(b"\n" * length)


def broken(name: str) -> list[Exception]:
    """Return what a target's check says of its seeds."""
    said: list[Exception] = []
    for seed in TARGETS[name].seeds():
        try:
            TARGETS[name].check(seed)
        except Exception as error:
            said.append(error)
    return said


def test_a_reader_that_loses_a_part_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Reader.slices

    def without_the_second(reader: Reader, *given: Any) -> Iterator[Any]:
        for number, part in enumerate(whole(reader, *given)):
            if number != 1:
                yield part

    monkeypatch.setattr(Reader, "slices", without_the_second)
    assert broken("tail")
    assert broken("decoder")


def test_a_decoder_that_hands_on_half_a_surrogate_pair_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (lines, text):
        monkeypatch.setattr(module, "whole", lambda value: value)
    assert UnicodeEncodeError in map(type, broken("decoder"))


def test_an_exception_that_escapes_the_decoder_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise KeyError("a field")

    monkeypatch.setattr(tolerant, "_choices", refuse)
    assert KeyError in map(type, broken("decoder"))


def test_a_stream_that_is_given_twice_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    once = contents.content

    def twice(*given: Any) -> Iterator[bytes]:
        yield from once(*given)
        yield from once(*given)

    monkeypatch.setattr(contents, "content", twice)
    assert broken("contents")


def test_memory_that_grows_once_it_is_warm_is_noticed() -> None:
    megabyte = 2**20
    level = [runner.Note(second, second * 500, 60 * megabyte) for second in range(100)]
    warming = [runner.Note(n.seconds, n.inputs, n.rss - 50 * megabyte) for n in level[:20]]
    growing = [runner.Note(n.seconds, n.inputs, n.rss + n.inputs * 2000) for n in level]

    assert not runner.grew(level)
    assert not runner.grew(warming + level[20:])
    assert runner.grew(growing)


def fuzz_command(*arguments: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    source = os.pathsep.join([env.pop("FIRST", ""), str(PROJECT / "src"), str(PROJECT)])
    return subprocess.run(
        [sys.executable, "-m", "fuzz", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": source.lstrip(os.pathsep)},
        check=False,
        timeout=60,
    )


def test_where_the_fuzzer_is_missing_the_command_says_so_and_fails(tmp_path: Path) -> None:
    (tmp_path / "atheris.py").write_text("raise ImportError('no wheel for this system')\n")

    ended = fuzz_command("--seconds", 1, cwd=tmp_path, FIRST=str(tmp_path))

    assert ended.returncode == 1
    assert "atheris is missing" in ended.stdout
    assert "make soak" in ended.stdout


def test_an_input_that_was_kept_can_be_tried_again_without_the_fuzzer(tmp_path: Path) -> None:
    kept = tmp_path / "crash-1"
    kept.write_bytes(next(iter(TARGETS["tail"].seeds())))

    ended = fuzz_command("tail", "--input", kept, cwd=tmp_path)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "breaks no promise" in ended.stdout
