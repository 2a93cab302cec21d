"""The command config."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sessionmill import config as configuration
from sessionmill.cli.common import Db, Json
from sessionmill.cli.output import print_rows


def config(*, json: Json = False, db: Db = None) -> int:
    """Show every setting as it counts now, and where it comes from."""
    # They are slow to import, and quick commands share a module with none of them.
    from sessionmill.settings import effective
    from sessionmill.view.settings import settings

    loaded = configuration.load(db)
    rows = settings(
        loaded,
        configuration.folder_origin(db),
        effective(loaded.folder, {}, configuration.environment()),
        configuration.roots([], [], [], None),
    )
    if not json:
        rows = replace(rows, values=[tuple(map(_as_said, row)) for row in rows.values])
    print_rows(rows, as_json=json)
    return 0


def _as_said(value: Any) -> Any:
    """Return a value as a person would say it: a port is no quantity, with thousands apart."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or None
    return value if isinstance(value, bool) or value is None else str(value)
