"""The command that judges: health, where no server runs that would."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from sessionmill import __version__, config
from sessionmill.app import App, now
from sessionmill.cli.common import Db, Dirs, Json, Specs, open_app
from sessionmill.cli.output import print_json, print_line, print_rows, warn
from sessionmill.view import look_around
from sessionmill.view.checks import STATUSES
from sessionmill.view.health import Health, Surroundings, gather
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
    roots = look_around.look_at_roots(config.roots(sessions or [], claude or [], codex or [], None))
    with open_app(db, processor) as app:
        found = _found(app, roots)
    if json:
        print_json(found.detailed(__version__))
    else:
        _print(found)
    wrong = [name for name, check in found.checks.items() if check.status == "error"]
    if wrong:
        warn(f"these checks found an error: {', '.join(wrong)}")
    return 1 if wrong else 0


def _found(app: App, roots: dict[str, look_around.RootCondition]) -> Health:
    folder = app.config.folder
    noted = look_around.noted_commit(folder)
    gathered = gather(
        app.facts.cursor(), list(app.registry.usable.values()), now(), noted_commit=noted
    )
    around = Surroundings(
        now=gathered.at,
        unusable=app.registry.unusable,
        free_bytes=look_around.free_bytes(folder),
        facts_bytes=look_around.facts_bytes(folder),
        facts_notice=app.facts.notice,
        control=look_around.look_at_control(folder),
        # Without any here, transcripts come from where only the next `run` will be told.
        roots=roots or None,
    )
    return judge(gathered, around)


def _print(found: Health) -> None:
    worst_first = sorted(
        found.checks.items(), key=lambda item: STATUSES.index(item[1].status), reverse=True
    )
    rows = [(check.status, name, check.sentence) for name, check in worst_first]
    print_rows(Rows(["status", "check", "sentence"], rows), as_json=False)
    for name, check in worst_first:
        if check.to_do:
            print_line(f"{name}: {check.to_do}")
    print_line(f"\nIn all: {found.status}")
