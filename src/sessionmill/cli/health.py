"""The command that judges: how all goes, as a server says it, or as it is where none runs."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from sessionmill import __version__
from sessionmill.app import App, now
from sessionmill.cli.common import Db, Dirs, Json, Specs, given_roots, open_app
from sessionmill.cli.output import print_json, print_line, print_rows, warn
from sessionmill.collect.roots import Root
from sessionmill.remote import RemoteApp
from sessionmill.view import look_around
from sessionmill.view.checks import STATUSES
from sessionmill.view.health import Surroundings, gather
from sessionmill.view.health import health as judge
from sessionmill.view.reports import Rows


def health(
    *,
    sessions: Annotated[Dirs, Parameter(help="A folder per user: DIR/<user>/**/*.jsonl.")] = None,
    claude: Annotated[Dirs, Parameter(help="One person's Claude Code home.")] = None,
    codex: Annotated[Dirs, Parameter(help="One person's Codex home.")] = None,
    processor: Specs = None,
    json: Json = False,
    db: Db = None,
) -> int:
    """Judge how all goes, check by check: status, a sentence, and what to do.

    The roots, without any that are named, are those of `run` without any.
    """
    with open_app(db, processor) as app:
        roots = given_roots(app, sessions, claude, codex, None)
        document = app.health() if isinstance(app, RemoteApp) else _document(app, roots)
    if json:
        print_json(document)
    else:
        _print(document)
    wrong = [name for name, said in document["checks"].items() if said["status"] == "error"]
    if wrong:
        warn(f"error: {', '.join(wrong)}")
    return 1 if wrong else 0


def _document(app: App, roots: list[Root]) -> dict[str, Any]:
    folder = app.config.folder
    noted = look_around.noted_commit(folder)
    processors = list(app.registry.usable.values())
    gathered = gather(app.facts.cursor(), processors, now(), noted_commit=noted)
    around = Surroundings(
        now=gathered.at,
        unusable=app.registry.unusable,
        free_bytes=look_around.free_bytes(folder),
        facts_bytes=look_around.facts_bytes(folder),
        facts_notice=app.facts.notice,
        control=look_around.look_at_control(folder),
        workers=look_around.look_at_workers(app.facts.spool),
        # Where this machine has none, only the next `run` is told where transcripts come from.
        roots=look_around.look_at_roots(roots) or None,
    )
    return judge(gathered, around).detailed(__version__)


def _print(document: dict[str, Any]) -> None:
    worst_first = sorted(
        document["checks"].items(),
        key=lambda item: STATUSES.index(item[1]["status"]),
        reverse=True,
    )
    rows = [(said["status"], name, said["sentence"]) for name, said in worst_first]
    print_rows(Rows(["status", "check", "sentence"], rows), as_json=False)
    to_do = [f"{name}: {said['to_do']}" for name, said in worst_first if said["to_do"]]
    if to_do:
        print("\nWhat to do:")
        for line in to_do:
            print_line(line)
    print(f"\nAll in all: {document['status']}")
