"""The command line: parses, calls one function, prints."""

from __future__ import annotations

import sys
from typing import NoReturn

from sessionmill.cli.app import app


def main() -> NoReturn:
    """Run a command; exit status 0, 1 (something failed) or 2 (the command line is wrong)."""
    from cyclopts import CycloptsError

    from sessionmill.cli.output import warn
    from sessionmill.errors import SessionmillError, UsageError

    try:
        status = app(exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        warn(f"{error}\nTo see what is expected: sessionmill --help")
        sys.exit(2)
    except UsageError as error:
        warn(str(error))
        sys.exit(2)
    except SessionmillError as error:
        warn(str(error))
        sys.exit(1)
    except _duckdb_errors() as error:
        warn(
            f"DuckDB failed: {error}\nWhat was committed is safe, and what was not is done by the "
            "next run. If the disk is full, make room, then: sessionmill run"
        )
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except KeyboardInterrupt:
        warn("Interrupted. What was committed stays; the next run goes on from there.")
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)


def _duckdb_errors() -> tuple[type[BaseException], ...]:
    """Return DuckDB's errors, if it has been loaded at all."""
    duckdb = sys.modules.get("duckdb")
    return (duckdb.Error,) if duckdb is not None else ()
