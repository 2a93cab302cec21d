"""The work of commands while a server holds the facts: it does it, and they print the same.

`RemoteApp` stands for `App`: its cursors read by way of the server, in transactions that can't
write, and what changes the facts is asked of the server as a whole. The token that `owner.json`
holds is readable by the user alone who runs the server, and acts as that user.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import msgspec
from msgspec import msgpack

from sessionmill.cadence import Cadence
from sessionmill.collect.discover import Walk
from sessionmill.collect.roots import Root
from sessionmill.config import Config
from sessionmill.errors import ServerGone, SessionmillError, UsageError
from sessionmill.plugins import Processor, Unusable
from sessionmill.registry import Registry
from sessionmill.run.stand_in import error_named
from sessionmill.run.tally import Tally
from sessionmill.run.values import decoder, packed
from sessionmill.store.known import KnownTranscript, known_transcripts, resolve
from sessionmill.store.owner import OwnerName
from sessionmill.vendor.records import DayUsage, Point
from sessionmill.view.reports import Rows

if TYPE_CHECKING:
    import duckdb

    from sessionmill.app import Reprocessed
    from sessionmill.shadow import Comparison
    from sessionmill.store.backup import BackupMade
    from sessionmill.view.changes import By


@dataclass(frozen=True, slots=True)
class Server:
    """The server that holds a data directory."""

    folder: Path
    owner: OwnerName

    def call(self, operation: str, **arguments: Any) -> Any:
        """Have it do an operation of `sessionmill.serve.operations`; return what that returns.

        Raises what the operation raised, as UsageError or SessionmillError, and ServerGone.
        """
        import http.client  # no quick command pays for it

        host = (self.owner.url or "").removeprefix("http://")
        connection = http.client.HTTPConnection(host)
        headers = {
            "Authorization": f"Bearer {self.owner.token}",
            "Content-Type": "application/msgpack",
        }
        try:
            body = msgpack.encode(packed(arguments))
            connection.request("POST", f"/api/local/{operation}", body, headers)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ServerGone(self.folder, self.owner.pid, str(error)) from error
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise _refusal(answer)
        return decoder.decode(answer)


def _refusal(answer: bytes) -> Exception:
    try:
        error = json.loads(answer)["error"]
        code, message = str(error["code"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        return SessionmillError(f"The server gave no answer that is understood: {answer[:200]!r}")
    kind, _, name = code.partition(".")
    if kind == "duckdb":
        return error_named(name, message)
    return (UsageError if kind in _WRONG else SessionmillError)(message)


#: Codes of what the command line, and no state of things, is to blame for: exit status 2.
_WRONG = frozenset({"usage", "processor_unknown", "session_unknown", "id_unknown"})


class RemoteCursor:
    """What reading needs of DuckDB's cursor; a result comes as a whole."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._tables: dict[str, bytes] = {}
        self._rows: list[tuple[Any, ...]] = []
        self.description: list[tuple[str, str]] | None = None

    def execute(self, query: str, parameters: Any = None) -> Self:
        """Have one statement run, which can't write."""
        answer = self._server.call("query", sql=query, parameters=parameters, tables=self._tables)
        self.description = [(name, kind) for name, kind in answer["columns"]]
        self._rows = [tuple(row) for row in answer["rows"]]
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return the rows that are left."""
        rows, self._rows = self._rows, []
        return rows

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row, or None after the last."""
        return self._rows.pop(0) if self._rows else None

    def fetchmany(self, size: int = 1) -> list[tuple[Any, ...]]:
        """Return the next rows, `size` at most."""
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows

    def register(self, name: str, table: Any) -> Self:
        """Let statements read an Arrow table by a name."""
        import pyarrow

        whole = pyarrow.table(table)
        sink = pyarrow.BufferOutputStream()
        with pyarrow.ipc.new_stream(sink, whole.schema) as writer:
            writer.write_table(whole)
        self._tables[name] = sink.getvalue().to_pybytes()
        return self

    def unregister(self, name: str) -> Self:
        """Forget a table."""
        self._tables.pop(name, None)
        return self

    def close(self) -> None:
        """Do nothing: the server keeps nothing open for it."""


class RemoteFacts:
    """The facts, as far as reading needs them."""

    notice = None

    def __init__(self, server: Server, local_timezone: str) -> None:
        self._server, self.folder, self.local_timezone = server, server.folder, local_timezone
        self.spool = server.folder / "spool"

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a cursor that reads by way of the server."""
        return cast("duckdb.DuckDBPyConnection", RemoteCursor(self._server))


class RemoteStore:
    """The store, as far as commands use it."""

    def __init__(self, server: Server, facts: RemoteFacts) -> None:
        self._server, self._facts = server, facts

    def make_due(self, processor: str | None, session: str | None) -> list[tuple[Any, ...]]:
        """Make failing and dead sessions due now; return (processor, session key) pairs."""
        rows = self._server.call("retry", processor=processor, session=session)
        return [tuple(row) for row in rows]

    def resolve(self, given: str) -> str:
        """Return the session key that a key, a session id or the start of one names."""
        return resolve(self._facts.cursor(), given)

    def standing(self, processors: Sequence[Processor]) -> list[tuple[Any, ...]]:
        """Return how each stands: a row of `sessionmill.view.status.STANDING`."""
        rows = self._server.call("standing", names=[p.name for p in processors])
        return [tuple(row) for row in rows]


class RemoteApp:
    """Stands for `App` while a server holds the facts."""

    def __init__(self, config: Config, owner: OwnerName) -> None:
        self._server = Server(config.folder, owner)
        #: The server's process.
        self.pid = owner.pid
        hello = self._server.call("hello")
        self.config = config
        self.facts = RemoteFacts(self._server, hello["local_timezone"])
        self.store = RemoteStore(self._server, self.facts)
        self.registry = Registry(
            {said["name"]: _processor(said) for said in hello["processors"]},
            [Unusable(name, reason) for name, reason in hello["unusable"]],
        )
        #: What the server reads.
        self.roots = [_root(said) for said in hello["roots"]]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the server as it is."""

    def run(
        self,
        processors: Sequence[Processor],
        walk: Walk,
        *,
        budget: float | None = None,
        due_only: bool = False,
    ) -> list[Tally]:
        """Have processors run over what the server finds; `walk` is only what this process saw."""
        del walk
        names = [processor.name for processor in processors]
        said = self._server.call("run", names=names, budget=budget, due_only=due_only)
        return [_tally(one) for one in said]

    def reprocess(self, processor: Processor, session_key: str | None = None) -> Reprocessed:
        """Let a processor read from the start what can still be read; of one transcript, or all."""
        from sessionmill.app import Reprocessed

        said = self._server.call("reprocess", name=processor.name, session_key=session_key)
        tallies = [_tally(one) for one in said["tallies"]]
        return Reprocessed(said["anew"], said["kept"], tallies)

    def compare(
        self,
        processor: Processor,
        session_key: str | None = None,
        *,
        by: By = "day",
        swapping: bool = False,
    ) -> Comparison:
        """Compare a processor's loaded version with what is stored; days are the server's."""
        from sessionmill.shadow import Comparison

        said = self._server.call(
            "compare", name=processor.name, session_key=session_key, by=by, swapping=swapping
        )
        rows = {name: _rows(said[name]) for name in ("differences", "total", "not_compared")}
        return Comparison(
            processor=processor,
            from_version=said["from_version"],
            transcripts=said["transcripts"],
            tally=_tally(said["tally"]),
            swapped=said["swapped"],
            **rows,
        )

    def take_in_vendor_usage(
        self, usage: Sequence[DayUsage], points: Sequence[Point], said: Mapping[str, str]
    ) -> None:
        """Have taken in, all together, what the vendor counted, and usernames by its names."""
        if usage or points or said:
            self._server.call(
                "take_in_vendor_usage", usage=list(usage), points=list(points), said=dict(said)
            )

    def select(self, query: str, *, limit: int, timeout: float) -> Rows:
        """Ask the facts anything, in SQL."""
        return _rows(self._server.call("select", query=query, limit=limit, timeout=timeout))

    def health(self) -> dict[str, Any]:
        """Return the server's own health, in detail, as JSON."""
        return cast("dict[str, Any]", self._server.call("health"))

    def backup(self, target: Path) -> BackupMade:
        """Have the data directory backed up into a new folder."""
        from sessionmill.store.backup import BackupMade

        # The server stands elsewhere.
        said = self._server.call("backup", target=str(target.expanduser().absolute()))
        return msgspec.convert(said, BackupMade)

    def transcript(self, session: str) -> KnownTranscript:
        """Return what is known of the transcript that a key, a session id or a prefix names."""
        cursor = self.facts.cursor()
        [known] = known_transcripts(cursor, resolve(cursor, session))
        return known


# ── what crosses ──


def _rows(said: dict[str, Any]) -> Rows:
    values = [tuple(row) for row in said["values"]]
    return Rows(said["columns"], values, said["truncated"], said["note"])


def _tally(said: dict[str, Any]) -> Tally:
    pairs = {name: [(a, b) for a, b in said[name]] for name in ("errors", "warnings")}
    return Tally(**(said | pairs))


def _processor(said: dict[str, Any]) -> Processor:
    changes = {int(version): sentence for version, sentence in said["changes"].items()}
    own = {"changes": changes, "folder": Path(said["folder"])}
    return Processor(**(said | own | {"cadence": Cadence.of(said["cadence"])}), views={})


def _root(said: dict[str, Any]) -> Root:
    folders = {name: Path(said[name]) for name in ("given", "folder")}
    return Root(**(said | folders))
