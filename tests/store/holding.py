"""Facts in a process of their own: what another command sees, and what a kill leaves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sessionmill.store.facts import Facts

NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)

#: Opens the facts, makes commits of one row each, says so, and closes when its input ends.
HOLD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from sessionmill.store.facts import Facts

facts = Facts(Path(sys.argv[1]), "sessionmill run --sessions /srv", now=datetime.now(UTC))
for number in range(int(sys.argv[2])):
    with facts.transaction() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS proof (number BIGINT)")
        cursor.execute("INSERT INTO proof VALUES (?)", [number])
print("ready", flush=True)
sys.stdin.read()
facts.close()
"""


@contextmanager
def process(program: str, *args: object) -> Iterator[subprocess.Popen[str]]:
    """Start a program of ours and wait until it says that it is ready; it ends with the block."""
    with subprocess.Popen(
        [sys.executable, "-c", program, *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        try:
            yield child
        finally:
            child.kill()


def killed_after(folder: Path, commits: int) -> None:
    """Leave the facts as a process leaves them that is killed after so many commits."""
    with process(HOLD, folder, commits) as child:
        child.kill()
        child.wait()


def proof(facts: Facts) -> list[int]:
    """Return the rows that commits have left."""
    rows = facts.cursor().execute("SELECT number FROM proof ORDER BY number").fetchall()
    return [number for (number,) in rows]


def commit(facts: Facts, numbers: Sequence[int]) -> None:
    """Commit each number as a row of its own."""
    for number in numbers:
        with facts.transaction() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS proof (number BIGINT)")
            cursor.execute("INSERT INTO proof VALUES (?)", [number])
