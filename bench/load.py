"""Clients of a server, many in one process, so that they take little of the machine they measure.

Reads a plan from stdin, asks until the plan's seconds are over or stdin ends, and prints what came.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
import threading
import time

import msgspec

#: Seconds for an answer.
_PATIENCE = 60.0
#: Requests of each client, however short the time.
_LEAST = 2


class Request(msgspec.Struct, frozen=True):
    """What is asked: GET, and by what token, if any."""

    kind: str
    target: str
    token: str | None = None


class Plan(msgspec.Struct, frozen=True):
    """Who asks, and how often: each client one request each `period` seconds."""

    port: int
    clients: int
    period: float
    requests: list[Request]
    #: Until stdin ends, if null.
    seconds: float | None = None


class Came(msgspec.Struct):
    """What came back: the seconds of each answer, by kind; and what was no answer."""

    seconds: dict[str, list[float]] = {}
    errors: list[str] = []


class _Clients:
    """All clients of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self.came = plan, Came()
        self._end = float("inf") if plan.seconds is None else time.perf_counter() + plan.seconds

    async def ask(self) -> None:
        """Let all ask until the end."""
        if self._plan.seconds is None:
            threading.Thread(target=self._end_with_stdin, daemon=True).start()
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._plan.clients):
                tasks.create_task(self._client(number))

    def _end_with_stdin(self) -> None:
        sys.stdin.buffer.read()
        self._end = 0.0

    async def _client(self, number: int) -> None:
        """Ask one request after the other, by one connection; spread over the period."""
        plan = self._plan
        turns = enumerate(itertools.islice(itertools.cycle(plan.requests), number, None))
        due = time.perf_counter() + plan.period * number / plan.clients
        connection = None
        for asked, request in turns:
            # Who was kept waiting past the next time waits since then; else from when it asks.
            late = time.perf_counter() > due
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            begun = due if late else time.perf_counter()
            if begun >= self._end and asked >= _LEAST:
                break
            try:
                connection = connection or await asyncio.open_connection("127.0.0.1", plan.port)
                await asyncio.wait_for(_answer(*connection, request), _PATIENCE)
            except (OSError, ValueError, EOFError, TimeoutError) as error:
                self.came.errors.append(f"{request.target}: {type(error).__name__}: {error}")
                _close(connection)
                connection = None
            else:
                own = self.came.seconds.setdefault(request.kind, [])
                own.append(time.perf_counter() - begun)
            due += plan.period
        _close(connection)


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request
) -> bytes:
    """Ask, and return the body. Raises ValueError for any status but 200."""
    token = f"Authorization: Bearer {request.token}\r\n" if request.token else ""
    writer.write(
        f"GET {request.target} HTTP/1.1\r\nHost: localhost:{_port(writer)}\r\n{token}\r\n".encode()
    )
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
    length = next(line for line in head if line.startswith("content-length:"))
    body = await reader.readexactly(int(length.partition(":")[2]))
    if " 200 " not in head[0]:
        raise ValueError(f"{head[0]} {body[:200]!r}")
    return body


def _port(writer: asyncio.StreamWriter) -> int:
    return int(writer.get_extra_info("peername")[1])


def _close(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None) -> None:
    if connection is not None:
        with contextlib.suppress(OSError):
            connection[1].close()


def main() -> None:
    """Do what the plan says."""
    clients = _Clients(msgspec.json.decode(sys.stdin.buffer.readline(), type=Plan))
    asyncio.run(clients.ask())
    print(msgspec.json.encode(clients.came).decode(), flush=True)


if __name__ == "__main__":
    main()
