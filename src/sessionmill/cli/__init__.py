"""The command line: parses, calls one function, prints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NoReturn

from sessionmill.errors import SessionmillError, UsageError


def main() -> NoReturn:
    """Run a command; exit status 0, 1 (something failed) or 2 (the command line is wrong)."""
    try:
        status = _run(sys.argv[1:])
    except UsageError as error:
        _warn(str(error))
        sys.exit(2)
    except SessionmillError as error:
        _warn(str(error))
        sys.exit(1)
    except _errors_of("duckdb", "Error") as error:
        _warn(
            f"DuckDB failed: {error}\nWhat was committed is safe, and what was not is done by the "
            "next run. If the disk is full, make room, then: sessionmill run"
        )
        sys.exit(1)
    except _errors_of("cyclopts", "CycloptsError") as error:
        _warn(f"{error}\nTo see what is expected: sessionmill --help")
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except KeyboardInterrupt:
        _warn("Interrupted. What was committed stays; the next run goes on from there.")
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)


def _run(argv: list[str]) -> Any:
    options = dict(zip(argv[1::2], argv[2::2], strict=False))
    if argv[:1] == ["statusline"] and len(argv) % 2 and options.keys() <= {"--user", "--db"}:
        # A client waits for it, and to import the parser takes longer than the line.
        from sessionmill.cli.statusline import statusline

        folder = options.get("--db")
        return statusline(user=options.get("--user"), db=Path(folder) if folder else None)
    from sessionmill.cli.app import app

    return app(exit_on_error=False, print_error=False, result_action="return_value")


def _warn(text: str) -> None:
    from sessionmill.cli.output import warn

    warn(text)


def _errors_of(module: str, name: str) -> tuple[type[BaseException], ...]:
    """Return a library's error, if the library has been loaded at all."""
    loaded = sys.modules.get(module)
    return (getattr(loaded, name),) if loaded is not None else ()
