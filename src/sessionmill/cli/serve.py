"""The command serve."""

from __future__ import annotations

import shlex
import sys
import threading
import webbrowser
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sessionmill import config
from sessionmill.app import App
from sessionmill.cli.common import Db, Dirs, Specs, stdout_to_stderr
from sessionmill.cli.output import warn
from sessionmill.registry import Registry


def serve(
    *,
    host: Annotated[str | None, Parameter(help="Address to listen on (127.0.0.1).")] = None,
    port: Annotated[int | None, Parameter(help="Port to listen on (8765; 0: any).")] = None,
    sessions: Annotated[Dirs, Parameter(help="A folder per user: DIR/<user>/**/*.jsonl.")] = None,
    claude: Annotated[Dirs, Parameter(help="One person's Claude Code home.")] = None,
    codex: Annotated[Dirs, Parameter(help="One person's Codex home.")] = None,
    processor: Specs = None,
    no_schedule: Annotated[
        bool, Parameter(negative="", help="Run processors only when somebody asks.")
    ] = False,
    no_browser: Annotated[bool, Parameter(negative="", help="Open no browser.")] = False,
    db: Db = None,
) -> int:
    """Run processors on their cadence, and answer over HTTP, until it is told to end."""
    from sessionmill.serve.logs import begin_logging
    from sessionmill.serve.server import Beginnings
    from sessionmill.serve.server import serve as run_server
    from sessionmill.settings import effective
    from sessionmill.view.settings import settings as every_setting

    settings = config.load(db)
    flags = {
        "serve.host": host,
        "serve.port": port,
        "serve.sessions": sessions,
        "serve.claude": claude,
        "serve.codex": codex,
        "scheduler.enabled": False if no_schedule else None,
    }
    found = effective(settings.folder, flags, config.environment())
    chosen = found.settings
    begin_logging(chosen.serve.log_format, chosen.serve.log_level)
    roots = config.roots(
        list(chosen.serve.sessions), list(chosen.serve.claude), list(chosen.serve.codex), None
    )

    def open_app() -> App:
        if processor and "" not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        with stdout_to_stderr():
            registry = Registry.of(settings, processor or [])
        app = App(settings, registry, shlex.join(["sessionmill", *sys.argv[1:]]))
        if app.facts.notice:
            warn(app.facts.notice)
        for unusable in app.registry.unusable:
            warn(f"the processor {unusable.name} can't run: {unusable.reason}")
        for name, reason in app.make_ready().items():
            warn(f"{name}: what it sums up is not up to date. {reason}")
        return app

    def ready(url: str, link: str | None) -> None:
        # The link lets in whoever reads it: to a terminal alone, never into a log.
        on_terminal = sys.stdout.isatty()
        print(f"sessionmill answers at {url}", flush=True)
        if link is not None and on_terminal:
            print(f"To begin, open within ten minutes: {link}", flush=True)
            if not no_browser:
                # Some browsers run in the terminal, and return when they are left.
                threading.Thread(target=webbrowser.open, args=[link], daemon=True).start()

    # As `sessionmill config` has them: roots of this machine are read where none are named.
    shown = every_setting(settings, config.folder_origin(db), found, config.roots([], [], [], None))
    run_server(Beginnings(chosen, settings.folder, roots, open_app, ready, shown))
    return 0
