"""The benches on tiny inputs print what they promise, and fail where the product is wrong."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Mill
from sessionmill.testing import ClaudeTranscript

ROOT = Path(__file__).parents[2]
Bench = Callable[..., subprocess.CompletedProcess[str]]

#: What a bench says of what is not there.
ABSENT = {
    "cold": "    npm install @ccusage/ccusage-linux-x64\n",
    "totals": "  skipped: the real transcripts, because there is no folder /nowhere\n",
}

CCUSAGE = """#!{python}
import json, os, pathlib
projects = pathlib.Path(os.environ["CLAUDE_CONFIG_DIR"]) / "projects"
print(json.dumps({{"totals": {{"outputTokens": len(list(projects.rglob("*.jsonl")))}}}}))
"""


@pytest.fixture
def bench(tmp_path: Path, home: Path) -> Bench:
    """Run a bench as `make bench` does, where a person's own transcripts and data are set up."""
    temporary, mine = tmp_path / "tmp", tmp_path / "mine"
    temporary.mkdir()
    ClaudeTranscript().write(mine / "claude" / "projects" / "x" / "0f3c.jsonl")

    def run(name: str, *args: object, **env: str) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            [sys.executable, "-m", "bench", name, *map(str, args)],
            cwd=ROOT,
            env={
                **os.environ,
                "TMPDIR": str(temporary),
                "PATH": str(tmp_path),
                "SESSIONMILL_HOME": str(mine / "data"),
                "CLAUDE_CONFIG_DIR": str(mine / "claude"),
                **env,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert list(temporary.iterdir()) == [], "a bench leaves nothing behind"
        assert list(home.iterdir()) == [], "a bench has a home of its own"
        assert not (mine / "data").exists(), "a bench takes no data directory but its own"
        return ended

    return run


def ratio_of(out: str, what: str, wanted: str) -> float:
    """Return the ratio on the line that a bench prints of it."""
    pattern = rf"^{re.escape(what)}: ratio (\d+\.\d\d) \(at most {re.escape(wanted)} wanted\)$"
    [figure] = re.findall(pattern, out, re.MULTILINE)
    return float(figure)


@pytest.mark.soak
def test_append_compares_a_large_transcript_with_a_small_one(bench: Bench) -> None:
    ended = bench("append", "--large", 500_000, "--small", 100_000, "--runs", 1)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    day_and_machine = ended.stdout.splitlines()[0]
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC, \d+ cores, ", day_and_machine)
    assert re.search(r"Python 3\.[\d.]+, DuckDB [\d.]+; one machine, one run$", day_and_machine)
    assert ratio_of(ended.stdout, "append: to the large transcript against the small", "1.5") > 0
    times = re.findall(r"^ +([\d,]+) bytes  median [\d.]+ s \(min .*, 1 run\)$", ended.stdout, re.M)
    large, small = (int(size.replace(",", "")) for size in times)
    assert large >= 500_000 > small >= 100_000


@pytest.mark.soak
def test_cold_compares_a_first_run_with_ccusage_over_the_same_files(
    bench: Bench, tmp_path: Path
) -> None:
    ccusage = tmp_path / "ccusage"
    ccusage.write_text(CCUSAGE.format(python=sys.executable))
    ccusage.chmod(0o755)

    ended = bench("cold", "--bytes", 0, "--runs", 1)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ratio_of(ended.stdout, "cold: sessionmill against ccusage", "1") > 0
    report = "cold: the first report after a run against the second"
    assert ratio_of(ended.stdout, report, "1.2") > 0
    [files] = re.findall(r"bytes in (\d+) transcripts", ended.stdout)
    assert f"ccusage, by its own rules: {files}\n" in ended.stdout, "it is given the same files"
    assert f"{ccusage} is a script" in ended.stdout, "its start is no part of the native binary's"


@pytest.mark.soak
def test_isolation_tells_what_each_deed_adds_of_either_kind(bench: Bench) -> None:
    few = ("--transcripts", 4, "--seconds", 1, "--memory-mb", 200, "--runs", 1)

    ended = bench("isolation", *few)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = re.findall(r"^  (\w+) +(\w+) +adds ", ended.stdout, re.MULTILINE)
    assert told == [(k, d) for k in ("Base", "Extractor") for d in ("Sleeps", "Dies", "Hoards")]
    assert ratio_of(ended.stdout, "isolation: the longest added time against that", "1") >= 0


@pytest.mark.soak
def test_totals_counts_the_demo_team_and_each_folder_of_real_transcripts(
    bench: Bench, tmp_path: Path
) -> None:
    transcript = ClaudeTranscript()
    transcript.prompt()
    transcript.response(output_tokens=7, partial_output_tokens=(1, 3))
    transcript.write(tmp_path / "corpus" / "claude" / "alice" / "0f3c.jsonl")

    ended = bench("totals", "--cuts", 1, "--corpus", tmp_path / "corpus")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "  corpus claude: 1 transcripts, " in ended.stdout
    assert "1 cuts: agree (1 responses, 7 output tokens)" in ended.stdout
    assert ratio_of(ended.stdout, "totals: 0 of 4 counts differ", "0") == 0


@pytest.mark.soak
def test_estimate_compares_what_complete_responses_took_with_their_content(
    bench: Bench, tmp_path: Path
) -> None:
    transcript, words = ClaudeTranscript(version="2.1.39"), "x" * 1000
    transcript.response(words, model="claude-opus-4-6", output_tokens=240, stopped=True)
    transcript.response(words, model="claude-opus-5", thinking="", output_tokens=365, stopped=True)
    transcript.response(words, model="claude-opus-4-6", output_tokens=1, stopped=False)
    transcript.response(words, model="claude-opus-4-6", output_tokens=270, stopped=False)
    transcript.write(tmp_path / "corpus" / "claude" / "alice" / "0f3c.jsonl")

    ended = bench("estimate", "--corpus", tmp_path / "corpus")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "  4 responses, 2 of them with a stop reason\n" in ended.stdout
    assert "  earlier models, no thinking: 1 responses, error median 25.0%," in ended.stdout, (
        "300 by estimate, where 240 were logged"
    )
    assert "  later models, thinking hidden: 1 responses, error median 0.0%," in ended.stdout
    assert "1 logged at most 0.00 of their estimate, 1 at least 0.90\n" in ended.stdout
    assert "logged 1 output tokens; by estimate they took 300\n" in ended.stdout


def test_estimate_says_where_there_is_nothing_to_compare(bench: Bench) -> None:
    ended = bench("estimate", "--corpus", "/nowhere")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    absent = "  skipped: there are no real transcripts, no folder /nowhere/claude\n"
    assert absent in ended.stdout


def test_estimate_fails_where_a_stop_reason_tells_nothing(bench: Bench, tmp_path: Path) -> None:
    transcript = ClaudeTranscript()
    transcript.response("x" * 998, output_tokens=1, stopped=True)
    transcript.write(tmp_path / "corpus" / "claude" / "alice" / "0f3c.jsonl")

    ended = bench("estimate", "--corpus", tmp_path / "corpus")

    assert ended.returncode == 1
    assert "WRONG: a stop reason does not tell what is complete" in ended.stdout


@pytest.mark.soak
def test_kills_tells_how_many_runs_differ(bench: Bench) -> None:
    ended = bench("kills", "--bytes", 0, "--times", 1)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "  1 times the run was killed: 0 differ" in ended.stdout
    assert "  1 times a child was killed: 0 differ" in ended.stdout
    assert ratio_of(ended.stdout, "kills: 0 of 2 runs differ", "0") == 0


@pytest.mark.soak
def test_service_tells_how_soon_it_answers_the_few_and_the_many(bench: Bench) -> None:
    few = ("--calls", 1000, "--bytes", 0, "--clients", 3, "--runs", 1)
    many = ("--many-calls", 1000, "--many-clients", 10, "--seconds", 6)

    ended = bench("service", *few, *many)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    reading = "service: reading in while clients ask, against while none does"
    memory = "service: memory of the last third against the middle one"
    assert ratio_of(ended.stdout, reading, "2") > 0
    assert ratio_of(ended.stdout, memory, "1.05") > 0
    told = re.findall(r"^  (\w+) +(\d+) answers: .*, 99% .* \(at most (\d+) ", ended.stdout, re.M)
    assert [(kind, most) for kind, _, most in told] == [
        ("health", "50"),
        ("report", "300"),
        ("report", "1000"),
    ]
    assert int(told[2][1]) >= 10, "each of the many has asked"
    assert "  10 clients, 50 reports, " in ended.stdout


# A product that is wrong

NO_ELECTION = ("store/rows.py", "RowStore._elect = lambda self, cursor: None")
NOBODY_NAMED = ("run/tally.py", "Tally.fail = lambda self, session_key, error: None")
NO_REPORTS = (
    "serve/api/reports.py",
    "_asked = 0; _told = _report\n"
    "async def _report(*of, **given):\n"
    "    global _asked; _asked += 1\n"
    "    late = _asked > 50 and 'timezone' in str(of[0].url)\n"
    "    return Response(status_code=500) if late else await _told(*of, **given)",
)
NO_RESPONSES = (
    "process/usage/responses.py",
    "_row = row\ndef row(*of): return tuple(0 if i == 11 else v for i, v in enumerate(_row(*of)))",
)
NEVER_THE_SAME_ROWS = (
    "process/usage/responses.py",
    "import time; _row = row\n"
    "def row(*of): id, _, *rest = _row(*of); return (id, time.time_ns(), *rest)",
)


def break_product(folder: Path, broken: tuple[str, str]) -> Path:
    """Copy the product, with lines at a module's end that spoil it."""
    module, lines = broken
    shutil.copytree(ROOT / "src", folder, ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "sessionmill" / module).open("a") as file:
        file.write(f"\n{lines}\n")
    return folder


@pytest.mark.parametrize(
    ("broken", "command", "told"),
    [
        (NO_ELECTION, "cold --bytes 0 --runs 1", "responses that are not counted once: "),
        (NO_RESPONSES, "totals --cuts 0 --corpus /nowhere", "the whole: output_tokens: 0 where"),
        pytest.param(
            NO_REPORTS,
            "service --only many --many-calls 1000 --many-clients 5 --seconds 6",
            "requests that were not answered: ",
            marks=pytest.mark.soak,
        ),
        pytest.param(
            NOBODY_NAMED,
            "isolation --transcripts 4 --deeds Dies --runs 1",
            "with an error: []",
            marks=pytest.mark.soak,
        ),
        pytest.param(
            NEVER_THE_SAME_ROWS,
            "kills --bytes 0 --times 1",
            "after a kill: responses: ",
            marks=pytest.mark.soak,
        ),
    ],
    ids=["cold", "totals", "service", "isolation", "kills"],
)
@pytest.mark.soak
def test_a_bench_fails_where_the_product_is_wrong(
    bench: Bench, tmp_path: Path, broken: tuple[str, str], command: str, told: str
) -> None:
    source = break_product(tmp_path / "src", broken)

    ended = bench(*command.split(), PYTHONPATH=str(source))

    assert ended.returncode == 1, ended.stdout + ended.stderr
    [wrong] = [line for line in ended.stdout.splitlines() if "WRONG" in line and told in line][:1]
    assert wrong.startswith("  WRONG: ")
    assert ended.stdout.endswith(f"Wrong: {command.split(maxsplit=1)[0]}\n")
    assert ABSENT.get(command.split(maxsplit=1)[0], "") in ended.stdout, "what is missing is named"


# What the benches have found

PLAIN = """
from sessionmill.contracts import ProcessorResult

class Plain:
    name = "plain"
    cadence_minutes = 1

    def process_session(self, session_path, username, session_key, conn):
        return ProcessorResult(0)
"""


def test_an_effectful_processor_and_the_built_ins_do_not_get_into_each_other_s_way(
    mill: Mill, tmp_path: Path
) -> None:
    (tmp_path / "plain.py").write_text(PLAIN)
    for number in range(60):
        transcript = ClaudeTranscript(f"s{number}")
        transcript.prompt()
        transcript.response()
        transcript.write(tmp_path / "sessions" / "alice" / f"s{number}.jsonl")

    ended = mill("run", "--sessions", "sessions", "--processor", "plain:Plain", "--json")

    assert ended.status == 0, ended.err
    assert [run["processed"] for run in ended.json["runs"]] == [60, 60, 60]


@pytest.mark.parametrize("damage", ["two on the line", "NULs before it"])
def test_a_first_line_that_can_be_recovered_tells_the_format_and_counts(
    mill: Mill, tmp_path: Path, damage: str
) -> None:
    transcript = ClaudeTranscript()
    transcript.response(output_tokens=7)
    transcript.response(output_tokens=2)
    first, second = transcript.lines
    content = first.rstrip() + second if damage == "two on the line" else b"\0\0" + first + second
    file = tmp_path / "sessions" / "alice" / "0f3c.jsonl"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)

    mill("run", "--sessions", "sessions")
    [totals] = mill("report", "usage", "--json").rows

    assert (totals["sessions"], totals["responses"], totals["output_tokens"]) == (1, 2, 9)
