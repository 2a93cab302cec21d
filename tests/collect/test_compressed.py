"""Compressed transcripts: the same keys, offsets and tables as if they were plain."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from compressing import COMPRESS, ENDINGS, compress, gzipped, zstandardised
from hypothesis import given, settings
from hypothesis import strategies as st

from disks import small_disk

from books import Books  # isort: skip - compressing makes the other folders importable
from made_up import ClaudeSession, edges, examples, moves, play  # isort: skip
from run_place import Place, counted, errors_of, figures, key, told  # isort: skip

from conftest import Mill
from samples import sampled
from sessionmill.collect import contents
from sessionmill.collect.contents import (
    as_plain_file,
    bytes_to_read,
    compare,
    content,
    folder_for_worker,
    opened,
)
from sessionmill.collect.discover import Walk, walk
from sessionmill.collect.roots import codex_root, sessions_root, stem
from sessionmill.errors import CannotDecompress, NotDecompressible
from sessionmill.store.facts import Facts
from sessionmill.testing import ClaudeTranscript, FakeClock

OFFSETS, LINES, FILES = (
    "run_extractors:Offsets",
    "run_effectful:Lines",
    "compressed_processors:Files",
)
MIB = 1024 * 1024


@pytest.fixture
def place(tmp_path: Path, clock: FakeClock) -> Iterator[Place]:
    with Place(tmp_path, clock) as place:
        yield place


def write_compressed(place: Place, name: str, ending: str, data: bytes | None = None) -> Path:
    """Write a transcript compressed, by default a short one."""
    place.write(name)
    return compress(place.path(name), ending, data)


def decompressed(path: Path) -> bytes:
    return b"".join(content(path, path.stat().st_size))


def left_in_spool(data: Path) -> list[str]:
    return sorted(path.name for path in (data / "spool").rglob("*"))


# What a walk finds


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def keys(walked: Walk) -> list[str]:
    return sorted(found.session_key for found in walked.found)


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_key_of_a_compressed_transcript_is_that_of_the_plain_one(
    tmp_path: Path, ending: str
) -> None:
    path = put(tmp_path / "alice" / "-work" / f"a.jsonl{ending}", COMPRESS[ending](b"{}\n"))
    [found] = walk([sessions_root(tmp_path)]).found
    assert found.session_key == "alice/-work/a.jsonl"
    assert stem(found.session_key) == "a"
    assert found.path == str(path)
    assert (found.size, found.mtime_ns) == (path.stat().st_size, path.stat().st_mtime_ns)


def test_of_a_codex_home_compressed_rollouts_are_read_and_nothing_else_is(tmp_path: Path) -> None:
    for name in ("rollout-a.jsonl.gz", "rollout-b.jsonl.zst", "rollout-c.jsonl", "other.jsonl.gz"):
        put(tmp_path / "sessions" / "2026" / name, b"")
    assert keys(walk([codex_root(tmp_path, "al")])) == [
        f"al/sessions/2026/rollout-{letter}.jsonl" for letter in "abc"
    ]


def test_nothing_else_that_is_compressed_is_a_transcript(tmp_path: Path) -> None:
    for name in ("a.gz", "a.json.gz", "a.jsonl.bz2", "a.jsonl.gz.part", "a.jsonl.GZ", "a.jsonl.xz"):
        put(tmp_path / "alice" / name, b"")
    (tmp_path / "alice" / "b.jsonl.gz").mkdir()
    put(tmp_path / "lost.jsonl.zst", b"")
    walked = walk([sessions_root(tmp_path)])
    assert walked.found == []
    assert {Path(path).name: reason for path, reason in walked.passed_over} == {
        "b.jsonl.gz": "a directory",
        "lost.jsonl.zst": "in no user's folder",
    }


SHORT, LONG = b'{"a":1}\n', b'{"a":1}\n{"b":2}\n'


@pytest.mark.parametrize(
    ("files", "read"),
    [
        ({"a.jsonl": SHORT, "a.jsonl.gz": SHORT}, "a.jsonl"),
        ({"a.jsonl.gz": SHORT, "a.jsonl.zst": SHORT}, "a.jsonl.gz"),
        ({"a.jsonl": SHORT, "a.jsonl.gz": LONG}, "a.jsonl.gz"),
        ({"a.jsonl": LONG, "a.jsonl.zst": SHORT}, "a.jsonl"),
        ({"a.jsonl": SHORT, "a.jsonl.gz": SHORT, "a.jsonl.zst": LONG}, "a.jsonl.zst"),
        ({"a.jsonl": b"", "a.jsonl.gz": SHORT}, "a.jsonl.gz"),
    ],
)
def test_of_files_with_one_key_the_one_whose_content_extends_the_others_counts(
    tmp_path: Path, files: dict[str, bytes], read: str
) -> None:
    for name, data in files.items():
        put(tmp_path / "alice" / name, COMPRESS[Path(name).suffix.replace(".jsonl", "")](data))
    walked = walk([sessions_root(tmp_path)])
    assert [found.path for found in walked.found] == [str(tmp_path / "alice" / read)]
    assert walked.errors == []


def test_of_equal_contents_below_two_roots_the_plain_one_counts(tmp_path: Path) -> None:
    put(tmp_path / "x" / "alice" / "a.jsonl.gz", gzipped(SHORT))
    plain = put(tmp_path / "y" / "alice" / "a.jsonl", SHORT)
    walked = walk([sessions_root(tmp_path / "x"), sessions_root(tmp_path / "y")])
    assert [found.path for found in walked.found] == [str(plain)]
    assert walked.errors == []


def test_files_with_one_key_and_different_contents_are_an_error_that_names_both(
    tmp_path: Path,
) -> None:
    first = put(tmp_path / "alice" / "a.jsonl", LONG)
    second = put(tmp_path / "alice" / "a.jsonl.gz", gzipped(b'{"c":3}\n'))
    walked = walk([sessions_root(tmp_path)])
    assert [found.path for found in walked.found] == [str(first)]
    [(where, why)] = walked.errors
    assert where == "alice/a.jsonl"
    assert f"{first} is read, {second} is not. Rename or remove one of them." in why


def test_a_damaged_file_beside_one_of_the_same_key_is_an_error_that_says_how_to_check_it(
    tmp_path: Path,
) -> None:
    plain = put(tmp_path / "alice" / "a.jsonl", SHORT)
    damaged = put(tmp_path / "alice" / "a.jsonl.gz", b"no gzip at all")
    walked = walk([sessions_root(tmp_path)])
    assert [found.path for found in walked.found] == [str(plain)]
    [(_, why)] = walked.errors
    assert str(plain) in why
    assert why.endswith(f"gzip -t {damaged}")


def test_a_file_that_is_being_compressed_just_now_does_not_stand_for_the_whole_one(
    tmp_path: Path,
) -> None:
    plain = put(tmp_path / "alice" / "a.jsonl", LONG * 1000)
    put(tmp_path / "alice" / "a.jsonl.gz", gzipped(LONG * 1000)[:-20])
    walked = walk([sessions_root(tmp_path)])
    assert [found.path for found in walked.found] == [str(plain)]
    assert walked.errors == []


# Contents


def pieces(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    """Yield data in pieces of some sizes, and what is left."""
    for size in sizes:
        if data[:size]:
            yield data[:size]
        data = data[size:]
    if data:
        yield data


@given(
    data=st.binary(max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=5).map(sorted),
    ending=st.sampled_from(ENDINGS),
    padding=st.integers(0, 3),
)
def test_whatever_stream_of_members_a_file_is_of_it_holds_their_contents(
    tmp_path_factory: pytest.TempPathFactory,
    data: bytes,
    cuts: list[int],
    ending: str,
    padding: int,
) -> None:
    parts = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    between = bytes(padding) if ending == ".gz" else b""  # which gzip allows, for tapes
    stored = between.join(COMPRESS[ending](part) for part in parts) + between
    path = put(tmp_path_factory.mktemp("t") / f"a.jsonl{ending}", stored)
    assert decompressed(path) == data


@settings(max_examples=50)
@given(
    first=st.binary(max_size=30),
    more=st.binary(max_size=3),
    change=st.integers(0, 29),
    cuts=st.tuples(*[st.lists(st.integers(1, 8), max_size=6)] * 2),
)
def test_contents_are_compared_alike_in_whatever_pieces_they_come(
    first: bytes, more: bytes, change: int, cuts: tuple[list[int], list[int]]
) -> None:
    def compared(one: bytes, other: bytes) -> str:
        return compare(pieces(one, cuts[0]), pieces(other, cuts[1]))

    assert compared(first, first) == "same"
    if more:
        assert compared(first, first + more) == "second extends"
        assert compared(first + more, first) == "first extends"
    if change < len(first):
        other = first[:change] + bytes([first[change] ^ 1]) + first[change + 1 :]
        assert compared(first, other) == "different"
        assert compared(first, other + more) == "different"


@pytest.mark.parametrize("ending", ENDINGS)
def test_of_a_stream_that_is_cut_anywhere_what_there_is_is_read_and_that_is_no_error(
    tmp_path: Path, ending: str
) -> None:
    # Of two members, so that the cut also falls into a header that is not the first.
    data = b"".join(b'{"number":%d}\n' % number for number in range(60))
    stored = COMPRESS[ending](data[:300]) + COMPRESS[ending](data[300:])
    path, lengths = tmp_path / f"a.jsonl{ending}", []
    for cut in range(len(stored) + 1):
        path.write_bytes(stored[:cut])
        read = decompressed(path)
        assert data.startswith(read), f"cut at {cut}"
        lengths.append(len(read))
    assert lengths == sorted(lengths), "more of the file never gives less"
    assert lengths[0] == 0
    assert 300 in lengths, "the first member, whole"
    assert lengths[-1] == len(data)


def of_window(log: int) -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=log)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return stream.compress(SHORT) + stream.flush()


WHOLE = gzipped(SHORT)
DAMAGED = {
    "no gzip": (".gz", b"plain text", "incorrect header"),
    "plain transcript with the wrong ending": (".gz", SHORT, "incorrect header"),
    "bad checksum": (".gz", WHOLE[:-8] + b"\0\0\0\0" + WHOLE[-4:], "incorrect data check"),
    "bad length": (".gz", WHOLE[:-4] + b"\1\1\1\1", "incorrect length check"),
    "garbage behind it": (".gz", WHOLE + b"garbage", "incorrect header"),
    "bad block": (".gz", WHOLE[:10] + b"\xff" + WHOLE[11:], "invalid"),
    "no zstd": (".zst", b"plain text", "Unknown frame"),
    "gzip in a .zst": (".zst", WHOLE, "Unknown frame"),
    "bad zstd checksum": (".zst", zstandardised(SHORT)[:-1] + b"\0", "checksum"),
    "garbage behind a frame": (".zst", zstandardised(SHORT) + b"garbage", "Unknown frame"),
    "more memory than zstd grants": (".zst", of_window(28), "too much memory"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_file_is_told_from_a_cut_one_with_how_to_check_it(
    tmp_path: Path, case: str
) -> None:
    ending, stored, reason = DAMAGED[case]
    path = put(tmp_path / f"a b.jsonl{ending}", stored)
    program = {".gz": "gzip", ".zst": "zstd"}[ending]
    with pytest.raises(NotDecompressible) as damaged:
        decompressed(path)
    assert str(damaged.value).startswith(f"not readable as {program}: ")
    assert reason in str(damaged.value)
    assert str(damaged.value).endswith(f"To check it: {program} -t '{path}'")


def test_as_much_memory_as_zstd_grants_is_granted(tmp_path: Path) -> None:
    assert decompressed(put(tmp_path / "a.jsonl.zst", of_window(27))) == SHORT


@pytest.mark.parametrize("ending", ["", *ENDINGS])
def test_no_byte_behind_the_size_that_was_seen_is_read(tmp_path: Path, ending: str) -> None:
    seen = COMPRESS[ending](SHORT)
    path = put(tmp_path / f"a.jsonl{ending}", seen + COMPRESS[ending](LONG))
    assert b"".join(content(path, len(seen))) == SHORT
    with opened(path, len(seen), tmp_path / "spool") as (file, size):
        assert file.read(size) == SHORT
        assert size == len(SHORT)
        assert file.seekable()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_in_the_spool_is_gone_when_it_was_read_and_nobody_else_may_read_it(
    tmp_path: Path, ending: str
) -> None:
    path = put(tmp_path / f"a.jsonl{ending}", COMPRESS[ending](SHORT))
    spool = tmp_path / "spool"
    with as_plain_file(path, spool) as local:
        assert local.name == "a.jsonl"
        assert local.read_bytes() == SHORT
        assert local.stat().st_mode & 0o777 == 0o600
        assert spool.stat().st_mode & 0o777 == local.parent.stat().st_mode & 0o777 == 0o700
    assert list(spool.iterdir()) == []
    with opened(path, path.stat().st_size, spool) as (file, _):
        assert list(spool.iterdir()) == [], "it has no name, so that a killed process leaves none"
        assert file.read() == SHORT


def test_what_decompresses_is_loaded_when_it_is_needed_and_not_before() -> None:
    code = (
        "import sys, sessionmill.collect.discover, sessionmill.run.extracting\n"
        "print('zstandard' in sys.modules, 'gzip' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["False", "False"], "every start would pay for it"


# The room it takes


def test_a_disk_without_room_is_said_to_be_so_and_nothing_is_left_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path / "a.jsonl.gz", gzipped(SHORT))
    monkeypatch.setattr(contents, "KEPT_FREE", 2**62)
    ways = (opened(path, 100, tmp_path / "spool"), as_plain_file(path, tmp_path / "spool"))
    for way in ways:
        with pytest.raises(CannotDecompress, match=r"of the disk are kept free.*Make room"), way:
            pytest.fail("there was no room")
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_spool_that_cannot_be_made_is_no_error_of_the_transcripts(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl.gz", gzipped(SHORT))
    (tmp_path / "file").write_text("")
    for way in (opened(path, 100, tmp_path / "file" / "x"), as_plain_file(path, tmp_path / "file")):
        with pytest.raises(CannotDecompress, match="cannot be decompressed into"), way:
            pytest.fail("there was no folder")


def bomb(ending: str, megabytes: int) -> bytes:
    """Return a small file that holds one long line."""
    if ending == ".zst":
        stream = zstandard.ZstdCompressor().compressobj()
        parts = [stream.compress(bytes(MIB)) for _ in range(megabytes)]
        return b"".join([*parts, stream.compress(b"\n"), stream.flush()])
    member = zlib.compressobj(9, wbits=31)
    parts = [member.compress(bytes(MIB)) for _ in range(megabytes)]
    return b"".join([*parts, member.compress(b"\n"), member.flush()])


#: Runs a command, and tells how much memory it and the processes it started took at most.
MEASURED = """
import resource, subprocess, sys
ended = subprocess.run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
sys.exit(ended.returncode)
"""


@pytest.mark.parametrize("ending", sampled(ENDINGS, 2))
@pytest.mark.soak
def test_a_small_file_that_holds_500_megabytes_costs_disk_and_no_memory(
    data: Path, tmp_path: Path, ending: str
) -> None:
    stored = bomb(ending, 500)
    assert len(stored) < 600_000
    put(tmp_path / "team" / "alice" / f"bomb.jsonl{ending}", stored)
    if shutil.disk_usage(tmp_path).free < 2 * 1024 * MIB:
        pytest.skip("this machine's disk is almost full")
    command = [sys.executable, "-m", "sessionmill", "run", "--sessions", str(tmp_path / "team")]
    ended = subprocess.run(
        [sys.executable, "-c", MEASURED, *command, "--db", str(data)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout.split()[-1]) < 400
    assert left_in_spool(data) == []
    with Facts(data, "test", now=FakeClock().now) as facts:
        rows = (
            facts.cursor()
            .execute("SELECT line_offset, length_bytes FROM malformed_lines")
            .fetchall()
        )
        assert rows == [(0, 500 * MIB + 1)]


def limited() -> None:
    """Let no file grow longer than 64 MiB, as a full disk would."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * MIB, 64 * MIB))


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_does_not_fit_is_an_error_that_counts_no_attempt_and_costs_no_other_transcript(
    data: Path, mill: Mill, tmp_path: Path, ending: str
) -> None:
    put(tmp_path / "team" / "alice" / f"bomb.jsonl{ending}", bomb(ending, 100))
    for name in ("a", "z"):
        told(name).write(tmp_path / "team" / "alice" / f"{name}.jsonl")
    command = ["run", "usage", "--sessions", str(tmp_path / "team"), "--db", str(data)]
    ended = subprocess.run(
        [sys.executable, "-m", "sessionmill", *command],
        preexec_fn=limited,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert f"alice/bomb.jsonl: cannot be decompressed into {data}/spool/" in ended.stderr
    assert "File too large; 64 MB of its content had been written, and are deleted" in ended.stderr
    assert "Make room there, or decompress" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert left_in_spool(data) == []
    states = mill("sql", "SELECT session_file FROM session_processor_state ORDER BY ALL", "--json")
    assert [row["session_file"] for row in states.rows] == [key("a"), key("z")]

    assert mill("run", "usage", "--sessions", tmp_path / "team").status == 0, (
        "with room, it is read"
    )


def test_a_bomb_on_a_small_disk_leaves_room_for_all_other_transcripts(tmp_path: Path) -> None:
    put(tmp_path / "team" / "alice" / "bomb.jsonl.zst", bomb(".zst", 400))
    for name in ("a", "z"):
        told(name).write(tmp_path / "team" / "alice" / f"{name}.jsonl")
    command = [sys.executable, "-m", "sessionmill", "run", "--sessions", str(tmp_path / "team")]
    with small_disk(tmp_path / "disk", megabytes=200) as disk:
        ended = subprocess.run(
            [*command, "--json", "--db", str(disk / "data")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 1
        for run in json.loads(ended.stdout)["runs"]:
            assert run["processed"] == 2
            [detail] = run["errors_detail"]
            assert detail["session"] == key("bomb")
            assert "128 MB of the disk are kept free" in detail["error"]
        assert left_in_spool(disk / "data") == []


def test_a_compressed_transcript_weighs_what_it_may_hold_however_far_it_was_read() -> None:
    assert bytes_to_read("a.jsonl", 1000, 900) == 100
    whole = bytes_to_read("a.jsonl.gz", 1000, 0)
    assert whole > 1000
    assert bytes_to_read("a.jsonl.gz", 1000, 5000) == whole, "all of it is decompressed again"


# Runs


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("spec", [OFFSETS, LINES])
def test_a_transcript_that_was_compressed_after_it_was_read_is_unchanged(
    place: Place, spec: str, ending: str
) -> None:
    place.write("s1")
    place.write("s2")
    name = place.run_one(spec).processor
    before = place.state(name, "s1")
    rows = place.ask(f"FROM {place.tables()[0]} ORDER BY ALL")

    compressed = compress(place.path("s1"), ending)
    assert figures(place.run_one(spec)) == counted(seen=2, scanned=1, skipped=1)
    assert place.ask(f"FROM {place.tables()[0]} ORDER BY ALL") == rows
    after = place.state(name, "s1")
    for column in ("safe_offset", "fingerprint", "file_hash", "items_extracted", "processed_at"):
        assert after[column] == before[column], column
    assert (after["size"], after["mtime_ns"]) == (
        compressed.stat().st_size,
        compressed.stat().st_mtime_ns,
    )
    of_file = "SELECT path, size, gone_at FROM transcripts WHERE session_key = ?"
    assert place.ask(of_file, key("s1")) == [(str(compressed), compressed.stat().st_size, None)]
    assert figures(place.run_one(spec)) == counted(seen=2), "and then it is not opened"


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_transcript_that_was_decompressed_again_is_unchanged(place: Place, ending: str) -> None:
    plain = bytes(told("s1"))
    compressed = write_compressed(place, "s1", ending)
    assert place.run_one(OFFSETS).processed == 1
    compressed.unlink()
    place.path("s1").write_bytes(plain)
    assert figures(place.run_one(OFFSETS)) == counted(seen=1, scanned=1, skipped=1)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_transcript_that_grew_before_it_was_compressed_goes_on_from_its_safe_offset(
    place: Place, ending: str
) -> None:
    transcript = place.write("s1", told("s1", prompts=2))
    place.run_one(OFFSETS)
    read = len(bytes(transcript))
    transcript.prompt("And once more.")
    compress(place.path("s1"), ending, bytes(transcript))
    tally = place.run_one(OFFSETS)
    assert figures(tally) == counted(seen=1, scanned=1, processed=1)
    assert tally.items_extracted == 1
    last = place.ask("SELECT line_offset, together, calls FROM offsets ORDER BY line_offset")[-1]
    assert last == (read, 1, 2), "it was given what is new, alone"
    assert place.state("offsets", "s1")["safe_offset"] == len(bytes(transcript))


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_compressed_transcript_to_which_a_member_was_appended_goes_on_from_its_safe_offset(
    place: Place, ending: str
) -> None:
    transcript = told("s1", prompts=2)
    path = write_compressed(place, "s1", ending, bytes(transcript))
    place.run_one(OFFSETS)
    read = len(bytes(transcript))
    transcript.prompt("And once more.")
    with path.open("ab") as file:
        file.write(COMPRESS[ending](bytes(transcript)[read:]))
    assert place.run_one(OFFSETS).items_extracted == 1
    assert place.ask("SELECT max(line_offset), max(calls) FROM offsets") == [(read, 2)]


@pytest.mark.parametrize("ending", ENDINGS)
def test_other_content_in_the_place_of_a_compressed_transcript_replaces_its_rows(
    place: Place, ending: str
) -> None:
    path = write_compressed(place, "s1", ending, bytes(told("s1", prompts=4)))
    place.run_one(OFFSETS)
    other = ClaudeTranscript("another")
    other.prompt("Fix the title of the page.")
    path.write_bytes(COMPRESS[ending](bytes(other)))
    assert figures(place.run_one(OFFSETS)) == counted(seen=1, scanned=1, processed=1)
    assert place.ask("SELECT session_id, line_offset FROM offsets") == [("another", 0)]


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_effectful_processor_is_given_a_plain_file_of_the_transcripts_name(
    place: Place, ending: str
) -> None:
    for name in ("s1", "untidy"):
        write_compressed(place, name, ending)
    assert place.run_one(FILES).processed == 2
    rows = place.ask("FROM files ORDER BY session_key")
    for name, (session, path, found, mode) in zip(("s1", "untidy"), rows, strict=True):
        assert session == key(name)
        assert Path(path).name == f"{name}.jsonl"
        assert Path(path).is_relative_to(place.data / "spool")
        assert found == bytes(told(name))
        assert mode == 0o600
    hashed = hashlib.md5(bytes(told("s1")), usedforsecurity=False).hexdigest()
    assert place.state("files", "s1")["file_hash"] == hashed
    assert left_in_spool(place.data) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_worker_that_was_killed_leaves_nothing_in_the_spool(place: Place, ending: str) -> None:
    write_compressed(place, "culprit", ending)
    write_compressed(place, "s1", ending)
    tally = place.run_one("run_culprits:Effectful.is_killed")
    assert list(errors_of(tally)) == [key("culprit")]
    assert tally.processed == 1
    assert left_in_spool(place.data) == []


def test_what_a_killed_run_left_in_the_spool_goes_when_the_facts_are_opened(
    tmp_path: Path, clock: FakeClock
) -> None:
    with Facts(tmp_path, "test", now=clock()) as facts:
        with as_plain_file(
            put(tmp_path / "a.jsonl.gz", gzipped(SHORT)), folder_for_worker(facts.spool)
        ) as local:
            left = put(local.parent.with_name("left") / "a.jsonl", b"left")
        assert left.exists()
    with Facts(tmp_path, "test", now=clock()):
        assert left_in_spool(tmp_path) == []
        assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700


def test_the_spool_may_be_a_link_to_a_larger_disk_and_takes_nothing_from_it_but_its_own(
    tmp_path: Path, clock: FakeClock
) -> None:
    larger = tmp_path / "larger"
    put(larger / "worker-1" / "a.jsonl", b"left by one that was killed")
    kept = put(larger / "else" / "b.jsonl", b"somebody's")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "spool").symlink_to(larger)
    with Place(tmp_path, clock) as place:
        assert sorted(larger.iterdir()) == [kept.parent]
        write_compressed(place, "s1", ".gz")
        assert place.run_one(FILES).processed == 1
        assert place.column("SELECT path FROM files")[0].startswith(f"{place.data}/spool/")
        assert sorted(larger.iterdir()) == [kept.parent]
        assert kept.exists()


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("spec", [OFFSETS, LINES])
def test_a_damaged_transcript_counts_no_attempt_and_is_tried_each_run_until_it_is_mended(
    place: Place, spec: str, ending: str
) -> None:
    place.write("whole")
    path = write_compressed(place, "s1", ending)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    for _ in range(2):
        tally = place.run_one(spec)
        [(session, reason)] = errors_of(tally).items()
        assert session == key("s1")
        assert reason.startswith("not readable as ")
        assert reason.endswith(f"-t {path}"), "the way out"
        assert place.column("SELECT session_file FROM session_processor_state") == [key("whole")]
    path.write_bytes(whole)
    assert place.run_one(spec).processed == 1


@pytest.mark.parametrize("ending", ENDINGS)
def test_facts_of_a_transcript_that_was_damaged_later_stay(place: Place, ending: str) -> None:
    place.write("s1")
    place.run_one(OFFSETS)
    before = place.ask("FROM offsets ORDER BY line_offset")
    path = compress(place.path("s1"), ending)
    path.write_bytes(b"damaged")
    assert len(place.run_one(OFFSETS).errors) == 1
    assert place.ask("FROM offsets ORDER BY line_offset") == before
    path.write_bytes(COMPRESS[ending](bytes(told("s1"))))
    assert figures(place.run_one(OFFSETS)) == counted(seen=1, scanned=1, skipped=1)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_compressed_transcript_that_is_still_being_written_is_read_as_far_as_it_goes(
    place: Place, ending: str
) -> None:
    transcript = told("s1", prompts=500)
    whole = io.BytesIO()
    if ending == ".gz":
        with gzip.GzipFile(fileobj=whole, mode="wb") as file:
            for line in bytes(transcript).splitlines(keepends=True):
                file.write(line)
                file.flush()
    else:
        with zstandard.ZstdCompressor().stream_writer(whole, closefd=False) as frames:
            for line in bytes(transcript).splitlines(keepends=True):
                frames.write(line)
                frames.flush()
    path = write_compressed(place, "s1", ending, b"")
    taken = []
    for part in (0.3, 0.7, 1):
        path.write_bytes(whole.getvalue()[: int(len(whole.getvalue()) * part)])
        tally = place.run_one(OFFSETS)
        assert tally.errors == []
        taken.append(tally.items_extracted)
    assert all(taken)
    assert sum(taken) == len(transcript), "each line was given once"
    assert place.ask("SELECT count(*), max(calls) FROM offsets") == [(len(transcript), 3)]


@pytest.mark.parametrize("spec", [OFFSETS, FILES])
def test_an_empty_compressed_file_is_a_transcript_without_lines(place: Place, spec: str) -> None:
    put(place.path("s1").with_suffix(".jsonl.gz"), b"")
    tally = place.run_one(spec)
    assert tally.errors == []
    assert tally.processed == 1


@pytest.mark.parametrize("spec", [OFFSETS, LINES])
def test_a_compressed_transcript_that_vanished_since_it_was_found_is_no_error(
    place: Place, spec: str
) -> None:
    path = write_compressed(place, "s1", ".zst")
    processors, found = place.processors(spec), walk([sessions_root(place.sessions)])
    path.unlink()
    [tally] = place.runner.run(processors, found, actor="cli:tester")
    assert tally.errors == []
    assert figures(tally) == counted(seen=1, scanned=1, skipped=1)


def test_a_compressed_transcript_of_any_name_is_read(place: Place) -> None:
    names = [b"caf\xe9.jsonl.gz", b"a\nb.jsonl.gz", b"'\".jsonl.gz"]
    for number, name in enumerate(names):
        place.path("next").write_bytes(bytes(told(f"s{number}")))
        compress(place.path("next"), ".gz").rename(Path(place.sessions, "alice", os.fsdecode(name)))
    for spec in (OFFSETS, LINES):
        tally = place.run_one(spec)
        assert tally.errors == []
        assert tally.processed == len(names)


# However it grew


FORMS = ["", ".gz", ".zst", ".gz cut", ".zst cut"]


def rewrite(books: Books, transcript: str, data: bytes, form: str) -> None:
    """Put a transcript in the place of the one there is, in one form or another."""
    ending, _, cut = form.partition(" ")
    for other in COMPRESS:
        books.remove(transcript + other)
    stored = COMPRESS[ending](data)
    books.put(transcript + ending, stored[:-9] if cut else stored)


@st.composite
def ways_to_grow(draw: st.DrawFn) -> list[list[tuple[int, str]]]:
    """Draw for each of eight users at which edges, and in which form, reading found it."""
    step = st.tuples(st.integers(0, 10_000), st.sampled_from(FORMS))
    return draw(st.lists(st.lists(step, min_size=3, max_size=3), min_size=8, max_size=8))


@examples(6)
@given(drawn=moves(ClaudeSession, most=30), ways=ways_to_grow(), last=st.sampled_from(FORMS[:3]))
def test_any_appends_some_of_them_compressed_give_the_same_tables(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: list[tuple[str, int]],
    ways: list[list[tuple[int, str]]],
    last: str,
) -> None:
    transcript = ClaudeTranscript("s1")
    play(ClaudeSession(transcript), drawn)
    whole = bytes(transcript)
    places = [0, *edges(whole)]
    with Books(tmp_path_factory.mktemp("books")) as books:
        for step in range(3):
            for number, found in enumerate(ways):
                cut = sorted(places[place % len(places)] for place, _ in found)[step]
                rewrite(books, f"u{number:06d}/0f3c.jsonl", whole[:cut], found[step][1])
            books.take_in()
        for number in range(len(ways)):
            rewrite(books, f"u{number:06d}/0f3c.jsonl", whole, last)
        books.put("u-once/0f3c.jsonl", whole)
        books.take_in()
        assert books.differences() == []
