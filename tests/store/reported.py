"""Facts of hand-built transcripts, read as a run reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from sessionmill.app import App
from sessionmill.collect.discover import walk
from sessionmill.collect.roots import sessions_root
from sessionmill.config import Config
from sessionmill.registry import Registry
from sessionmill.testing import Transcript
from sessionmill.view import reports


@contextmanager
def read_in(folder: Path, transcripts: Mapping[str, Transcript]) -> Iterator[App]:
    """Write transcripts below a root of a team, run every processor over it, and stay open."""
    (folder / "sessions").mkdir()
    for key, transcript in transcripts.items():
        transcript.write(folder / "sessions" / key)
    config = Config(folder / "data")
    with App(config, Registry.of(config), "test") as app:
        for tally in app.run(app.registry.named(()), walk([sessions_root(folder / "sessions")])):
            assert tally.errors == []
        yield app


def report(
    app: App,
    by: reports.By,
    *,
    since: date | None = None,
    until: date | None = None,
    user: str | None = None,
    timezone: str = "UTC",
) -> list[dict[str, Any]]:
    rows = reports.usage(
        app.facts.cursor(), by, since=since, until=until, user=user, timezone=timezone
    )
    return [dict(zip(rows.columns, values, strict=True)) for values in rows.values]
