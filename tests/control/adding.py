"""A process of its own that adds to a control store: `python adding.py FOLDER NAME COUNT`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from control_place import run_row

from sessionmill.store.control import AuditRow, Control


def add(folder: Path, name: str, count: int) -> None:
    """Add a user, tokens and audit rows, and copy runs that others copy as well."""
    with Control(folder, lambda: datetime.now(UTC)) as control:
        control.users.add(name)
        for number in range(count):
            with control.begin():
                token, secret = control.tokens.add(name, f"{name}-{number}")
                row = AuditRow(control.clock(), name, "token.add", f"token:{token.id}", "ok", {})
                control.audit.write(row)
            assert control.tokens.who(secret)
            control.audit.copy_runs(run_row(run) for run in range(number, number + 5))


if __name__ == "__main__":
    add(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
