"""A server that many ask: while it reads in a gigabyte, and while a transcript grows.

Rows are made in the facts, as `reports` makes them. First some clients ask for health and reports
while the transcripts of a made-up team are read in, against the same in a server that nobody asks.
Then many clients that stay connected ask for fifty reports, while a transcript grows each second.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import psutil

from bench.load import Came, Plan, Request
from bench.place import PROGRAM, CommandFailed, Place, Started, place
from bench.report import Checks, ratio, say
from bench.reports import fill
from sessionmill.app import App, now
from sessionmill.config import Config
from sessionmill.demo.claude_code import ClaudeTranscript
from sessionmill.registry import Registry
from sessionmill.store.control import Control

#: Milliseconds, at most, in which 99 of 100 are answered; and what asking may cost a backfill.
HEALTH, REPORTS, MANY, TIMES = 50, 300, 1000, 2
#: Seconds between two requests of one client: of the few, and of the many.
_FEW_PERIOD, _MANY_PERIOD = 1.0, 5.0
_FEW_BY = (
    "total",
    "day",
    "week",
    "user",
    "project",
    "model",
    "tool",
    "skill",
    "program",
    "session",
)
_MANY_BY = (*_FEW_BY[:-1], "hour")
#: With each of the groups above, fifty reports.
_CHOICES: tuple[dict[str, str], ...] = (
    {},
    {"timezone": "Europe/Berlin"},
    {"since": "2025-07-01"},
    {"until": "2025-04-01", "timezone": "America/New_York"},
    {"user": "user7"},
)
#: Seconds between two looks: at a run, and at the server's memory.
_LOOK = 0.5
_PATIENCE = 3600.0


def options(parser: argparse.ArgumentParser) -> None:
    """Add what can be given."""
    parser.add_argument("--calls", type=int, default=1_000_000, help="where a team is read in")
    parser.add_argument("--bytes", type=int, default=1_000_000_000, help="of the team")
    parser.add_argument("--clients", type=int, default=20, help="that ask meanwhile")
    parser.add_argument("--runs", type=int, default=3, help="of reading it in, asked and not asked")
    parser.add_argument("--many-calls", type=int, default=5_000_000)
    parser.add_argument("--many-clients", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60.0, help="that the many ask")
    parser.add_argument("--team", type=Path, help="transcripts that are there already")
    parser.add_argument("--only", choices=["backfill", "many"], help="one of the two")


def bench(arguments: argparse.Namespace) -> bool:
    """Measure, print, and return whether everything came out right."""
    checks = Checks()
    with place() as here:
        if arguments.only != "many":
            _backfill(here, arguments, checks)
        if arguments.only != "backfill":
            _many(here, arguments, checks)
    return checks.hold_all("all were answered, and every row is there")


# ── a few ask while a team is read in ──


def _backfill(here: Place, arguments: argparse.Namespace, checks: Checks) -> None:
    team = arguments.team or here.folder / "team"
    if arguments.team is None:
        here.must("demo", team, "--bytes", arguments.bytes)
    made, token = _make(here.folder / "made", arguments.calls)
    requests = _few(token)
    came, seconds = Came(), {"alone": list[float](), "asked": list[float]()}
    totals: set[str] = set()
    for _ in range(arguments.runs):
        for name, own in seconds.items():
            with _Server.start(here, _copy(made, here), "--no-schedule", sessions=team) as server:
                _warm(server, requests)
                if name == "asked":
                    with _asking(server, arguments.clients, _FEW_PERIOD, requests) as asking:
                        own.append(_read_in(server, checks))
                    _add(came, asking.came)
                else:
                    own.append(_read_in(server, checks))
                totals.add(_figures(server.get("/api/reports/usage")["rows"][0]))
    checks.equal(len(totals), 1, "totals that servers come to, be they asked or not")
    alone, asked = (statistics.median(own) for own in seconds.values())
    say(f"  read in while nobody asks {alone:.1f} s, while {arguments.clients} ask {asked:.1f} s")
    ratio("service: reading in while clients ask, against while none does", asked / alone, TIMES)
    _tell(came, {"health": HEALTH, "report": REPORTS}, checks)


def _few(token: str) -> list[Request]:
    """Return what the few ask, by turns."""
    reports = [Request("report", _report({"by": by}), token) for by in _FEW_BY]
    health = Request("health", "/api/health")
    return [one for report in reports for one in (health, report)]


def _read_in(server: _Server, checks: Checks) -> float:
    """Let the server read everything in; return the seconds that it says it took."""
    run = server.ask("POST", "/api/admin/run-session-processor?processor=usage&wait=false")
    while (told := server.get(f"/api/runs/{run['run_id']}"))["outcome"] == "running":
        time.sleep(_LOOK)
    checks.equal(told["outcome"], "ok", "how a run ended")
    return float(told["details"]["seconds"])


def _figures(row: dict[str, Any]) -> str:
    return json.dumps(row, sort_keys=True)


# ── many ask while a transcript grows ──


def _many(here: Place, arguments: argparse.Namespace, checks: Checks) -> None:
    data, token = _make(here.folder / "many", arguments.many_calls)
    requests = [
        Request("report", _report({"by": by, "limit": "200", **choice}), token)
        for by in _MANY_BY
        for choice in _CHOICES
    ]
    growing = _Growing(here.folder / "growing")
    memory: list[int] = []
    with _Server.start(here, data, sessions=growing.folder) as server:
        _warm(server, requests)
        before = server.commits()
        with (
            _every(1.0, growing.grow),
            _every(_LOOK, lambda: memory.append(server.memory())),
            _asking(
                server, arguments.many_clients, _MANY_PERIOD, requests, arguments.seconds
            ) as asking,
        ):
            asking.wait()
        commits = server.commits() - before
        growing.check(server, checks)
    third = len(memory) // 3
    middle, last = (statistics.median(part) for part in (memory[third:-third], memory[-third:]))
    say(
        f"  {arguments.many_clients} clients, {len(requests)} reports, {commits} commits in"
        f" {arguments.seconds:.0f} s; memory {middle / 1e6:.0f} MB, then {last / 1e6:.0f} MB,"
        f" at most {max(memory) / 1e6:.0f} MB"
    )
    checks.hold(commits > 0, "nothing was committed while they asked")
    ratio("service: memory of the last third against the middle one", last / middle, 1.05)
    _tell(asking.came, {"report": MANY}, checks)


class _Growing:
    """A transcript that grows."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.responses = folder, 0
        self._path = folder / "grower" / "0f3c.jsonl"
        self._path.parent.mkdir(parents=True)
        self._last = ClaudeTranscript("0f3c")

    def grow(self) -> None:
        """Append a line."""
        self.responses += 1
        start = self._last.now + timedelta(seconds=1)
        self._last = ClaudeTranscript("0f3c", start=start, seed=self.responses)
        self._last.response("Done.", output_tokens=7)
        with self._path.open("ab") as file:
            file.write(bytes(self._last))

    def check(self, server: _Server, checks: Checks) -> None:
        """Hold that every line is told of before long, and once."""
        end, found = time.monotonic() + 30, -1
        while found != self.responses and time.monotonic() < end:
            time.sleep(_LOOK)
            rows = server.get(_report({"user": "grower", "by": "user"}))["rows"]
            found = rows[0]["responses"] if rows else 0
        checks.equal(found, self.responses, "responses of what has grown")


@contextmanager
def _every(seconds: float, do: Callable[[], object]) -> Iterator[None]:
    """Do something again and again."""
    ended = threading.Event()

    def again() -> None:
        while not ended.is_set():
            do()
            ended.wait(seconds)

    thread = threading.Thread(target=again)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


# ── what both need ──


def _make(data: Path, calls: int) -> tuple[Path, str]:
    """Make a data directory with so many calls, and a token of somebody who may read."""
    config = Config(data)
    with App(config, Registry.of(config), "bench") as app:
        app.make_ready()
        fill(app.facts.cursor(), max(1, calls // 100))
        app.make_ready()
    with Control(data, now) as control:
        control.users.add("bench", "viewer")
        return data, control.tokens.add("bench", "bench")[1]


def _copy(made: Path, here: Place) -> Path:
    data = here.empty(here.folder / "data")
    return Path(shutil.copytree(made, data))


def _report(choice: dict[str, str]) -> str:
    return f"/api/reports/usage?{urlencode(choice)}"


def _warm(server: _Server, requests: Sequence[Request]) -> None:
    """Ask each once: a server that has just begun is not what is measured."""
    for request in dict.fromkeys(requests):
        server.get(request.target)


def _add(came: Came, more: Came) -> None:
    came.errors.extend(more.errors)
    for kind, seconds in more.seconds.items():
        came.seconds.setdefault(kind, []).extend(seconds)


def _tell(came: Came, wanted: dict[str, int], checks: Checks) -> None:
    for error in came.errors[:5]:
        say(f"  no answer: {error}")
    checks.equal(len(came.errors), 0, "requests that were not answered")
    for kind, most in wanted.items():
        times = sorted(came.seconds.get(kind, []))
        if len(times) < 2:
            checks.hold(False, f"{kind}: nothing was answered")
            continue
        p50, p99 = (statistics.quantiles(times, n=100, method="inclusive")[n] for n in (49, 98))
        say(
            f"  {kind:6} {len(times):>6,} answers: half within {p50 * 1000:.0f} ms, 99% within"
            f" {p99 * 1000:.0f} ms (at most {most} wanted), all within {times[-1] * 1000:.0f} ms"
        )


class _Asking:
    """The process of the clients."""

    def __init__(self, plan: Plan) -> None:
        self.came = Came()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(plan) + b"\n")
        self._process.stdin.flush()

    def wait(self) -> None:
        """Wait until the plan's seconds are over."""
        assert self._process.stdout is not None
        self.came = msgspec.json.decode(self._process.stdout.readline(), type=Came)

    def end(self) -> None:
        """Let them ask no more."""
        out, _ = self._process.communicate(timeout=_PATIENCE)
        if out:
            self.came = msgspec.json.decode(out, type=Came)

    def kill(self) -> None:
        """End them, whatever they do."""
        self._process.kill()
        self._process.wait()


@contextmanager
def _asking(
    server: _Server,
    clients: int,
    period: float,
    requests: list[Request],
    seconds: float | None = None,
) -> Iterator[_Asking]:
    """Let clients ask, until the end or for so many seconds; then it is known what came."""
    asking = _Asking(Plan(server.port, clients, period, requests, seconds))
    try:
        yield asking
        asking.end()
    finally:
        asking.kill()


@dataclass(frozen=True, slots=True)
class _Server:
    """A server that answers."""

    process: subprocess.Popen[bytes]
    port: int
    token: str

    @staticmethod
    @contextmanager
    def start(here: Place, data: Path, *args: str, sessions: Path) -> Iterator[_Server]:
        """Start it over a data directory, and end it. Raises CommandFailed."""
        command = (*PROGRAM, "serve", "--port", "0", "--db", data, "--sessions", sessions, *args)
        begun = here.start(*command)
        try:
            yield _begun(begun, data)
            begun.process.send_signal(signal.SIGTERM)
            ended = begun.end()
            if ended.status != 0:
                raise CommandFailed(ended)
        finally:
            here.stop()

    def ask(self, method: str, target: str, document: Any = None) -> Any:
        """Ask as the one who runs it; return the document. Raises OSError for a refusal."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            body = None if document is None else json.dumps(document)
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise OSError(f"{answer.status} of {target}: {said[:500]!r}")
        return json.loads(said)

    def get(self, target: str) -> Any:
        """Ask for a document."""
        return self.ask("GET", target)

    def commits(self) -> int:
        """Return the number of the last commit."""
        query = {"query": "SELECT max(number) AS number FROM commits"}
        return int(self.ask("POST", "/api/sql", query)["rows"][0]["number"])

    def memory(self) -> int:
        """Return the bytes of its resident set, without workers."""
        return int(psutil.Process(self.process.pid).memory_info().rss)


def _begun(begun: Started, data: Path) -> _Server:
    """Wait until it answers. Raises CommandFailed."""
    while begun.process.poll() is None:
        with contextlib.suppress(OSError, ValueError):
            owner = json.loads((data / "owner.json").read_text())
            if owner.get("pid") == begun.process.pid and owner.get("url"):
                port = int(owner["url"].rpartition(":")[2])
                return _Server(begun.process, port, owner["token"])
        time.sleep(0.05)
    raise CommandFailed(begun.end())
