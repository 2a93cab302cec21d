"""What commands share: their parameters, and how they open a data directory."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sessionmill import config
from sessionmill.app import App
from sessionmill.cli.output import warn
from sessionmill.cli.progress import Bar
from sessionmill.collect.discover import Walk, walk
from sessionmill.collect.roots import Root
from sessionmill.errors import FactsInUse, ServersOwn
from sessionmill.registry import Registry
from sessionmill.remote import RemoteApp
from sessionmill.store.owner import serving

Db = Annotated[
    Path | None,
    Parameter(help="The data directory (else $SESSIONMILL_HOME, else the platform's)."),
]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]
Specs = Annotated[
    list[str] | None,
    Parameter(
        name="--processor",
        negative="",
        help="Also load package.module:Class; the current folder is importable.",
    ),
]
Dirs = Annotated[list[Path] | None, Parameter(negative="")]


def open_app(
    db: Path | None, specs: list[str] | None = None, *, sparing: bool = False
) -> App | RemoteApp:
    """Open a data directory with its processors, be it by way of the server that holds it."""
    settings = config.load(db)
    owner = serving(settings.folder)
    if owner is None:
        try:
            return _open(settings, specs or [], sparing=sparing)
        except FactsInUse:
            owner = serving(settings.folder)  # it began while this waited
            if owner is None:
                raise
    if specs:
        raise ServersOwn("--processor", "processors.extra", settings.folder, owner.pid)
    return RemoteApp(settings, owner)


def _open(settings: config.Config, specs: list[str], *, sparing: bool) -> App:
    if specs and "" not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    with stdout_to_stderr():
        registry = Registry.of(settings, specs)
    command = shlex.join(["sessionmill", *sys.argv[1:]])
    app = App(settings, registry, command, sparing=sparing, watcher=Bar())
    if app.facts.notice:
        warn(app.facts.notice)
    for name, reason in app.make_ready().items():
        warn(f"{name}: what it sums up is not up to date. {reason}")
    return app


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Let nothing that a plugin prints when it is imported into our one document."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def program_name() -> str:
    """Return how the person called this program, so that what we advise can be typed."""
    called = Path(sys.argv[0])
    if called.name != "sessionmill":
        return "python -m sessionmill"
    if shutil.which("sessionmill") == str(called):
        return "sessionmill"
    try:
        return str(called.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(called)


def db_option(folder: Path) -> str:
    """Return " --db DIR", or nothing where a command finds that directory by itself."""
    # What the environment says here may not be what it says in the person's next command.
    return "" if folder == config.load(None, {}).folder else f" --db {shlex.quote(str(folder))}"


def find(
    app: App | RemoteApp,
    sessions: list[Path] | None,
    claude: list[Path] | None,
    codex: list[Path] | None,
    user: str | None,
) -> tuple[list[Root], Walk]:
    """Walk the roots that a command line names, or this machine's; or those of the server."""
    found = given_roots(app, sessions, claude, codex, user)
    return found, walk(found)


def given_roots(
    app: App | RemoteApp,
    sessions: list[Path] | None,
    claude: list[Path] | None,
    codex: list[Path] | None,
    user: str | None,
) -> list[Root]:
    """Return the roots that a command line names, or this machine's; or those of the server."""
    if isinstance(app, RemoteApp):
        given = {
            "--sessions": (sessions, "serve.sessions"),
            "--claude": (claude, "serve.claude"),
            "--codex": (codex, "serve.codex"),
            "--user": (user, "serve.sessions, a folder per user,"),  # homes are its own user's
        }
        for option, (value, setting) in given.items():
            if value:
                raise ServersOwn(option, setting, app.config.folder, app.pid)
        return app.roots
    return config.roots(sessions or [], claude or [], codex or [], user)
