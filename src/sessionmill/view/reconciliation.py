"""What the vendor counted beside what is counted here, by person and UTC day."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any

import duckdb
from arro3.core import DataType

from sessionmill.errors import UsageError
from sessionmill.store.progress import arrow
from sessionmill.view.causes import Cause, Compared, Effect, Tokens, cancelling, explain
from sessionmill.view.reports import Rows, named_statements

COLUMNS = [
    *("day", "user", "vendor_name", "source"),
    *(
        f"{whose}_{name}_tokens"
        for name in Tokens._fields
        for whose in ("ours", "theirs", "difference")
    ),
    *("ours_cost_usd", "theirs_cost_usd", "difference_cost_usd", "unpriced_responses"),
    *("likely_cause", "detail"),
]
#: What the costs are, said wherever they are shown.
ESTIMATES = (
    "Costs are estimates on both sides and no bills: ours at list price, or at the prices you set, "
    "without unpriced_responses. To see what is priced how: sessionmill prices"
)
#: A person's day, by one source; the first is the vendor's name where it is nobody's.
_Key = tuple[str, str, date]


def who_is_who(
    vendor_names: Iterable[str], said: Mapping[str, str], usernames: Collection[str]
) -> dict[str, str]:
    """Return usernames by the vendor's names; whom nothing tells is left out.

    What people said counts; else a name that is a username; else what stands before the @, where it
    is a username and stands before no other's.
    """
    found = {name: said[name] for name in vendor_names if name in said}
    left = [name for name in vendor_names if name not in said]
    before = Counter(name.partition("@")[0] for name in left)
    for name in left:
        start = name.partition("@")[0]
        if name in usernames:
            found[name] = name
        elif start in usernames and before[start] == 1:
            found[name] = start
    return found


def check_usernames(cursor: duckdb.DuckDBPyConnection, said: Mapping[str, str]) -> None:
    """Raise UsageError where a person is said to be a user that no transcript is of."""
    known = _usernames(cursor)
    for name, username in said.items():
        if username not in known:
            raise UsageError(
                f"--as {name}={username}: no transcript is of a user {username!r}, so there is "
                f"nothing to compare with; known are: {', '.join(sorted(known)) or 'none'}."
            )


def compare(
    cursor: duckdb.DuckDBPyConnection,
    now: datetime,
    *,
    since: date | None = None,
    until: date | None = None,
    user: str | None = None,
) -> Rows:
    """Return a row for each person and day that a source of the vendor's covers.

    `since` is included, `until` is not. Differences are ours minus theirs.
    """
    values = [
        _row(day, now)
        for day in _Comparison(cursor).days()
        if (since is None or day.day >= since)
        and (until is None or day.day < until)
        and user in (None, day.username)
    ]
    values.sort(key=lambda row: (row[0], row[1] is None, *row[1:4]))
    return Rows(COLUMNS, values, note=ESTIMATES)


def _row(day: Compared, now: datetime) -> tuple[Any, ...]:
    explanations = explain(day, now)
    figures = zip(day.ours or Tokens(), day.theirs or Tokens(), day.difference, strict=True)
    return (
        day.day,
        day.username,
        ", ".join(day.vendor_names) or None,
        day.source,
        *(value for of_class in figures for value in of_class),
        day.ours_cost_usd,
        day.theirs_cost_usd,
        day.cost_difference,
        day.unpriced_responses,
        "; ".join(e.cause for e in explanations) or None,
        "; ".join(e.detail for e in explanations) or None,
    )


def _usernames(cursor: duckdb.DuckDBPyConnection) -> set[str]:
    rows = cursor.execute(named_statements("reconciliation")["usernames"]).fetchall()
    return {name for (name,) in rows}


class _Comparison:
    """One look at the facts."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        names = [name for (name,) in self._ask("vendor_names")]
        people = who_is_who(names, dict(self._ask("said_names")), _usernames(cursor))
        columns: dict[str, tuple[DataType, Sequence[str]]] = {
            "vendor_name": (DataType.utf8(), [*people]),
            "username": (DataType.utf8(), [*people.values()]),
        }
        cursor.register("_people", arrow(columns))

    def _ask(self, name: str) -> list[tuple[Any, ...]]:
        return self._cursor.execute(named_statements("reconciliation")[name]).fetchall()

    def days(self) -> list[Compared]:
        """Return every person's days, with what may tell why they differ."""
        days = self._theirs()
        covered: dict[date, list[str]] = defaultdict(list)
        for source, day in self._ask("covered_days"):
            covered[day].append(source)
        self._add_ours(days, covered)
        self._add_what_is_missing(days)
        self._add_partial(days)
        self._add_effects(days, covered)
        by_person: dict[tuple[str, str], dict[date, Tokens]] = defaultdict(dict)
        for (who, source, day), compared in days.items():
            by_person[who, source][day] = compared.difference
        cancelled = {person: cancelling(of_days) for person, of_days in by_person.items()}
        return [
            replace(compared, cancels_with=cancelled[who, source].get(day, ()))
            for (who, source, day), compared in days.items()
        ]

    def _theirs(self) -> dict[_Key, Compared]:
        last_told = dict(self._ask("last_told"))
        days = {}
        for username, source, day, names, *figures in self._ask("theirs"):
            tokens, (cost, sessions, as_of) = Tokens(*figures[:4]), figures[4:]
            days[username or names[0], source, day] = Compared(
                username=username,
                vendor_names=tuple(names),
                source=source,
                day=day,
                ours=None,
                theirs=tokens,
                theirs_cost_usd=cost,
                their_sessions=sessions,
                as_of=last_told.get(source, as_of).replace(tzinfo=UTC),
            )
        return days

    def _add_ours(self, days: dict[_Key, Compared], covered: Mapping[date, list[str]]) -> None:
        for username, day, *figures, sessions, until, cost, unpriced in self._ask("ours"):
            for source in covered[day]:
                nothing = Compared(username, (), source, day, None, None)
                days[username, source, day] = replace(
                    days.get((username, source, day), nothing),
                    ours=Tokens(*figures),
                    our_sessions=sessions,
                    ours_until=until.replace(tzinfo=UTC),
                    ours_cost_usd=cost,
                    unpriced_responses=unpriced,
                )

    def _add_what_is_missing(self, days: dict[_Key, Compared]) -> None:
        first_seen, not_read = dict(self._ask("first_seen")), dict(self._ask("not_read"))
        for key, compared in days.items():
            if compared.username is None:
                continue
            begin = datetime.combine(compared.day, time(), UTC).timestamp() * 1e9
            seen = first_seen.get(compared.username)
            days[key] = replace(
                compared,
                first_seen_at=seen and seen.replace(tzinfo=UTC),
                not_read=sum(at >= begin for at in not_read.get(compared.username, ())),
            )

    def _add_partial(self, days: dict[_Key, Compared]) -> None:
        if not self._ask("flags_partial"):
            return
        flagged = {(username, day): count for username, day, count in self._ask("partial")}
        for key, compared in days.items():
            count = flagged.get((compared.username, compared.day), 0)
            days[key] = replace(compared, partial_responses=count)

    def _add_effects(self, days: dict[_Key, Compared], covered: Mapping[date, list[str]]) -> None:
        effects: dict[_Key, dict[Cause, Effect]] = defaultdict(dict)
        for cause, (statement, text) in _OF_A_SOURCE.items():
            for username, source, day, *figures, names in self._ask(statement):
                shown = text.format(len(names), _some(names))
                effects[username, source, day][cause] = Effect(Tokens(*figures), shown)
        for cause, (statement, text) in _OF_A_DAY.items():
            for username, day, *figures, count in self._ask(statement):
                effect = Effect(Tokens(*figures), text.format(count))
                for source in covered[day]:
                    effects[username, source, day][cause] = effect
        for key in effects.keys() & days.keys():
            days[key] = replace(days[key], effects=effects[key])


def _some(names: list[str]) -> str:
    return ", ".join(names[:_MOST_SHOWN]) + (", …" if len(names) > _MOST_SHOWN else "")


#: Sessions and models that a detail names; `sql` shows all.
_MOST_SHOWN = 5
#: Statements that tell what a cause comes to, and how it is shown.
_OF_A_SOURCE = {
    Cause.OTHER_MACHINE: ("other_machine", "sessions of theirs without a transcript here, {}: {}"),
    Cause.NO_TELEMETRY: ("no_telemetry", "sessions here that they never name, {}: {}"),
    Cause.BACKGROUND: ("background", "the client's own requests, which no transcript tells: {1}"),
    Cause.OTHER_MODELS: ("other_models", "{1}"),
}
_OF_A_DAY = {
    Cause.SHARED: ("shared", "responses that are in another user's transcripts, too: {}"),
    Cause.COPIES: ("copies", "copies of responses: {}"),
}
