"""What an audit found, as lists, and in a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from sessionmill.audit.comparison import Comparison, Difference, Figure
from sessionmill.audit.reading import REASONS
from sessionmill.recount.election import ALL_FIGURES
from sessionmill.view.reports import Rows

_COMPARED = ["figure", "tables", "recount", "difference"]


def totals(comparison: Comparison) -> Rows:
    """Return every class of figures, of all users together."""
    ours: Counter[str] = Counter()
    theirs: Counter[str] = Counter()
    for named in comparison.users.values():
        for name, figure in named.items():
            ours[name] += figure.tables
            theirs[name] += figure.recount
    paired = {name: Figure(ours[name], theirs[name]) for name in ALL_FIGURES}
    return Rows(_COMPARED, list(_compared(paired, (), only_differing=False)))


def by_user(comparison: Comparison, *, only_differing: bool) -> Rows:
    """Return the classes of each user: all of them, or those that differ."""
    values = [
        row
        for user, named in comparison.users.items()
        for row in _compared(named, (user,), only_differing=only_differing)
    ]
    return Rows(["username", *_COMPARED], values)


def by_session(comparison: Comparison) -> Rows:
    """Return the classes that differ of each session."""
    values = [
        row
        for place, named in comparison.sessions.items()
        for row in _compared(named, place, only_differing=True)
    ]
    return Rows(["username", "session_id", *_COMPARED], values)


def differences(comparison: Comparison, limit: int) -> Rows:
    """Return what differs row by row; at most `limit`."""
    found: list[Difference] = comparison.differences
    return Rows(list(Difference._fields), list(found[:limit]), len(found) > limit)


def left_out(comparison: Comparison) -> Rows:
    """Return how many transcripts neither side counts, and why."""
    counts = comparison.left_out
    values = [(name, counts[name], why) for name, why in REASONS.items() if counts[name]]
    return Rows(["reason", "transcripts", "meaning"], values)


def verdict(comparison: Comparison) -> str:
    """Say in a sentence what came of it."""
    users = len(comparison.users)
    counted = sum(named["transcripts"].recount for named in comparison.users.values())
    of = f"{counted:,} transcripts of {users:,} users"
    if comparison.same:
        return f"All figures are the same, in the tables and in a second count of {of}."
    differing = by_user(comparison, only_differing=True).values
    return (
        f"The tables differ from a second count of {of}, in {len(differing):,} figures and"
        f" {len(comparison.differences):,} places. To read the transcripts anew:"
        " sessionmill reprocess usage. If it differs again, a rule is broken: please report it,"
        " with what stands above."
    )


def _compared(
    named: Mapping[str, Figure], place: tuple[str, ...], *, only_differing: bool
) -> Iterable[tuple[str | int, ...]]:
    for name, figure in named.items():
        difference = figure.tables - figure.recount
        if difference or not only_differing:
            yield (*place, name, figure.tables, figure.recount, difference)
