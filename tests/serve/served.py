"""A real server for tests: a process of its own, asked over HTTP, ended by its handle."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forked import Forked

from sessionmill.testing import ClaudeTranscript

#: Seconds to wait for what takes a fraction of one.
PATIENCE = 60.0


@dataclass
class Answer:
    """What a request was answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    """A server that answers."""

    process: Forked | subprocess.Popen[str]
    url: str
    token: str
    data: Path
    said: list[str] = field(default_factory=list)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = "",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Ask, by default as the user who runs it; as nobody with None."""
        host = self.url.removeprefix("http://")
        given = {} if token is None else {"Authorization": f"Bearer {token or self.token}"}
        given |= {} if body is None else {"Content-Type": "application/json"}
        connection = http.client.HTTPConnection(host, timeout=PATIENCE)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, given | (headers or {}))
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def get(self, path: str, **given: Any) -> Answer:
        return self.ask("GET", path, **given)

    def post(self, path: str, body: Any = None, **given: Any) -> Answer:
        return self.ask("POST", path, body, **given)

    def end(self) -> int:
        """End it as a service manager does; return its exit status."""
        self.process.terminate()
        return self.process.wait(PATIENCE)


@contextmanager
def served(
    data: Path,
    *options: object,
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Served]:
    """Serve `data` at a free port until the end of the block, if it has not ended before."""
    process = start(data, *options, cwd=cwd, environ=environ)
    try:
        yield answering(process, data)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def start(
    data: Path,
    *options: object,
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Forked:
    """Start a server; it is asked for a port of its own unless one is given."""
    port = () if "--port" in options else ("--port", "0")
    return Forked(
        ["serve", *port, *map(str, options), "--db", str(data)],
        cwd or data.parent,
        {**os.environ, **(environ or {})},
    )


def answering(process: Forked, data: Path) -> Served:
    """Wait until a server answers; what it says is kept."""
    said: list[str] = []
    reading = threading.Thread(target=_keep, args=(process.stdout, said), daemon=True)
    reading.start()
    wait_for(lambda: process.poll() is not None or _url(said) is not None)
    url = _url(said)
    assert url is not None, f"exit status {process.wait()}: {''.join(said)}"
    owner = json.loads((data / "owner.json").read_text())
    assert owner["url"] == url
    return Served(process, url, owner["token"], data, said)


def write(sessions: Path, *names: str) -> None:
    """Write short transcripts of alice's, each with one response."""
    for name in names:
        transcript = ClaudeTranscript(name)
        transcript.prompt("Fix the total.")
        transcript.response("Let me see.", input_tokens=10, output_tokens=20)
        transcript.write(sessions / "alice" / f"{name}.jsonl")


def wait_for(holds: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait until something holds; fail after so many seconds."""
    end = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def _keep(stream: Any, said: list[str]) -> None:
    with stream:
        for line in stream:
            said.append(line)  # noqa: PERF402 - it is read while it grows


def _url(said: list[str]) -> str | None:
    marks = "sessionmill answers at "
    return next((line.removeprefix(marks).strip() for line in [*said] if marks in line), None)
