"""The command audit-usage."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from cyclopts import Parameter

from sessionmill.audit import listing
from sessionmill.audit.ccusage import Against, against_ccusage
from sessionmill.audit.comparison import Comparison, compare
from sessionmill.audit.reading import recounted
from sessionmill.audit.stored import Stored, stored
from sessionmill.cli.common import Db, Json, open_app
from sessionmill.cli.output import print_json, print_line, print_rows
from sessionmill.errors import UsageError


def audit_usage(
    *,
    against: Annotated[
        Literal["ccusage"] | None,
        Parameter(help="Also another program, and why its figures differ."),
    ] = None,
    limit: Annotated[int, Parameter(help="Differences that are told one by one.")] = 20,
    json: Json = False,
    db: Db = None,
) -> int:
    """Recount usage from the raw files, by another way, and compare it with the tables."""
    if limit < 1:
        raise UsageError("--limit is more than zero")
    tables = _stored(db)
    # The facts are closed by now: others may run while this reads every transcript.
    other = against_ccusage(tables.transcripts, tables.days) if against else None
    comparison = compare(tables, recounted(tables.transcripts))
    if json:
        print_json(_document(comparison, limit) | _document_against(other))
    else:
        _print(comparison, limit)
        _print_against(other)
    return 0 if comparison.same else 1


def _stored(db: Db) -> Stored:
    with open_app(db) as app:
        [usage] = app.registry.named(["usage"])
        return stored(app.facts.cursor(), usage.version)


def _document(comparison: Comparison, limit: int) -> dict[str, object]:
    return {
        "same": comparison.same,
        "totals": listing.totals(comparison).document(),
        "users": listing.by_user(comparison, only_differing=False).document(),
        "sessions": listing.by_session(comparison).document(),
        "differences": listing.differences(comparison, limit).document(),
        "left_out": listing.left_out(comparison).document(),
        "verdict": listing.verdict(comparison),
    }


def _document_against(other: Against | None) -> dict[str, Any]:
    if other is None:
        return {}
    return {
        "against": {
            "program": "ccusage",
            "version": other.version,
            "totals": other.totals().document(),
            "days": other.days().document(),
            "rules": other.rules().document(),
            "verdict": other.verdict(),
        }
    }


def _print(comparison: Comparison, limit: int) -> None:
    print_rows(listing.totals(comparison), as_json=False)
    for title, rows in (
        ("Figures that differ, by user:", listing.by_user(comparison, only_differing=True)),
        ("And by session:", listing.by_session(comparison)),
        ("Where:", listing.differences(comparison, limit)),
    ):
        if rows.values:
            print(f"\n{title}")
            print_rows(rows, as_json=False)
    print()
    for reason, count, meaning in listing.left_out(comparison).values:
        print_line(f"Left out on both sides, transcripts that are {reason}: {count:,} ({meaning})")
    print_line(listing.verdict(comparison))


def _print_against(other: Against | None) -> None:
    if other is not None:
        print(f"\nAgainst ccusage {other.version}, of Claude Code's responses:")
        print_rows(other.totals(), as_json=False)
        print("\nWhat sessionmill counts more, or less, because of its rules:")
        print_rows(other.rules(), as_json=False)
        print()
        print_line(other.verdict())
