"""An examination: what was found where, what was passed over, and what was not understood.

Each finding is a row: what was looked at (`check`), of what (`subject`), how many, a `detail`, and
what to do about it, where there is anything to do.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import duckdb

from sessionmill.collect.discover import Walk
from sessionmill.collect.roots import Root, kept_days
from sessionmill.plugins import Unusable
from sessionmill.view.reports import Rows, named_statements
from sessionmill.view.sample import Sample, unknown_fields_in

#: Findings of one check that are shown one by one; the others are counted.
_MOST = 20
#: A transcript that ends within a line is waited for so long before it counts as cut short.
_CUT_AFTER = timedelta(days=1)
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of an examination."""

    check: str
    subject: str
    count: int | None = None
    detail: str = ""
    to_do: str = ""


def examine(
    cursor: duckdb.DuckDBPyConnection,
    roots: Sequence[Root],
    walk: Walk,
    unusable: Sequence[Unusable],
    now: datetime,
) -> Rows:
    """Return all findings about what a walk has just seen and what the facts hold."""
    facts = _Facts(cursor, walk, now)
    findings = [
        *_found(roots, walk),
        *_retention(roots),
        *_errors(walk),
        *_passed_over(walk),
        *_not_loaded(unusable),
        *facts.findings(),
    ]
    return Rows([field.name for field in fields(Finding)], list(map(astuple, findings)))


# ── what a walk has seen ──


def _found(roots: Sequence[Root], walk: Walk) -> Iterator[Finding]:
    held = Counter(found.root for found in walk.found)
    sizes: Counter[str] = Counter()
    for found in walk.found:
        sizes[found.root] += found.size
    for root in roots:
        folder = str(root.folder.resolve())
        if folder in walk.absent:
            yield Finding("found", folder, 0, "there is no such directory")
        elif held[folder]:
            yield Finding("found", folder, held[folder], f"transcripts, {sizes[folder]:,} bytes")
        else:
            yield Finding(
                "found",
                folder,
                0,
                "no transcripts",
                "Name the folder that holds them: --sessions, --claude or --codex",
            )


def _retention(roots: Sequence[Root]) -> Iterator[Finding]:
    for root in roots:
        days = kept_days(root)
        if days is not None:
            yield Finding(
                "retention",
                str(root.given),
                days,
                "days after which Claude Code deletes a transcript; its facts are kept",
                f"Run more often, or raise cleanupPeriodDays in {root.given}/settings.json",
            )


def _errors(walk: Walk) -> Iterator[Finding]:
    to_do = "Let this user read it, then: sessionmill run"
    yield from _some("unreadable", ((path, why) for path, why in walk.errors), to_do)


def _passed_over(walk: Walk) -> Iterator[Finding]:
    to_do = "If it is a transcript, put the file itself where the others are"
    yield from _some("passed_over", iter(walk.passed_over), to_do)


def _not_loaded(unusable: Sequence[Unusable]) -> Iterator[Finding]:
    for processor in unusable:
        yield Finding("processor", processor.name, None, processor.reason, "Mend it or remove it")


def _some(check: str, found: Iterable[tuple[str, str]], to_do: str) -> Iterator[Finding]:
    """Yield the first of many findings of a kind, and how many more there are."""
    every = list(found)
    for subject, detail in every[:_MOST]:
        yield Finding(check, subject, None, detail, to_do)
    if len(every) > _MOST:
        yield Finding(check, "…", len(every) - _MOST, "more of these")


# ── what the facts hold ──


class _Facts:
    """The examination of the facts; each method is a check."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, walk: Walk, now: datetime) -> None:
        self._cursor, self._walk, self._now = cursor, walk, now

    def findings(self) -> Iterator[Finding]:
        """Yield what every check finds."""
        checks: tuple[Callable[[], Iterator[Finding]], ...] = (
            self._not_read,
            self._gone,
            self._unknown_format,
            self._client_versions,
            self._unknown_line_types,
            self._unknown_fields,
            self._lost_fields,
            self._understood,
            self._malformed,
            self._recovered,
            self._claimed,
            self._cut_short,
        )
        for check in checks:
            yield from check()

    def _ask(self, name: str, **given: Any) -> list[tuple[Any, ...]]:
        return self._cursor.execute(named_statements("doctor")[name], given or None).fetchall()

    def _not_read(self) -> Iterator[Finding]:
        taken_in = {key for (key,) in self._ask("taken_in")}
        new = sum(found.session_key not in taken_in for found in self._walk.found)
        if new:
            detail = "transcripts that nothing has read yet: what stands below leaves them out"
            yield Finding("not_read", "found", new, detail, "sessionmill run")

    def _gone(self) -> Iterator[Finding]:
        for root, _, gone, since in self._ask("by_root"):
            if gone:
                detail = f"deleted since they were read, the first by {since:%Y-%m-%d}"
                yield Finding("gone", root, gone, f"{detail}: their facts are kept")

    def _unknown_format(self) -> Iterator[Finding]:
        rows = [
            (key, "empty" if size == 0 else "of no format that is known")
            for key, size in self._ask("unknown_transcripts")
        ]
        yield from _some("unknown_format", rows, "Nothing, unless figures of it are missed")

    def _client_versions(self) -> Iterator[Finding]:
        for agent, version, count in sorted(
            self._ask("client_versions"), key=lambda row: (row[0], in_order(row[1]))
        ):
            yield Finding("client_version", f"{agent} {version or '(none)'}", count, "transcripts")

    def _unknown_line_types(self) -> Iterator[Finding]:
        yield from _by_version(
            "unknown_line_type",
            self._ask("line_types"),
            "lines",
            "Look at one (sessionmill show SESSION); a newer sessionmill may know it",
        )

    def _unknown_fields(self) -> Iterator[Finding]:
        samples = [Sample(*row) for row in self._ask("samples")]
        yield from _by_version(
            "unknown_field",
            unknown_fields_in(samples),
            "lines of a sample",
            "Nothing is lost by it, unless it holds figures; a newer sessionmill may know it",
        )

    def _lost_fields(self) -> Iterator[Finding]:
        yield from _by_version(
            "lost_field",
            self._ask("lost_fields"),
            "fields of a wrong type, left out",
            "Their lines count with what else they say",
        )

    def _understood(self) -> Iterator[Finding]:
        [(size, not_understood)] = self._ask("understood")
        if size:
            share = not_understood / size
            detail = f"{share:.2%} of {size:,} bytes"
            yield Finding("bytes_not_understood", "all transcripts", not_understood, detail)

    def _malformed(self) -> Iterator[Finding]:
        for reason, count, key, offset in self._ask("malformed_lines"):
            detail = f"such as byte {offset} of {key}"
            to_do = 'All of them: sessionmill sql "FROM malformed_lines"'
            yield Finding("malformed_line", reason, count, detail, to_do)

    def _recovered(self) -> Iterator[Finding]:
        for agent, count, key in self._ask("recovered_lines"):
            yield Finding("recovered_line", agent, count, f"damaged and read, such as in {key}")

    def _claimed(self) -> Iterator[Finding]:
        for users, count in self._ask("claimed_by_several"):
            yield Finding(
                "claimed_by_several",
                users,
                count,
                "responses or calls that stand in transcripts of each: each is counted for each",
                "If they are one person, keep their transcripts in one folder",
            )

    def _cut_short(self) -> Iterator[Finding]:
        before = int((self._now - _CUT_AFTER).timestamp() * 1e9)
        rows = [
            (key, f"ends within a line: {rest:,} bytes wait for its end")
            for key, rest in self._ask("cut_short", before=before)
        ]
        yield from _some("cut_short", rows, "If it is a partial copy, copy it again")


def _by_version(
    check: str, rows: Iterable[tuple[Any, ...]], unit: str, to_do: str
) -> Iterator[Finding]:
    """Yield one finding for each (agent, subject), with the versions it is seen since."""
    counts: Counter[tuple[str, str]] = Counter()
    versions: dict[tuple[str, str], set[str]] = defaultdict(set)
    for agent, subject, version, count in rows:
        counts[agent, subject] += count
        versions[agent, subject].add(version or "")
    for (agent, subject), count in sorted(counts.items()):
        ordered = sorted(versions[agent, subject], key=in_order)
        since = ordered[0] or "a version that is not named"
        yield Finding(check, f"{agent} {subject}", count, f"{unit}, since {since}", to_do)


def in_order(version: str | None) -> tuple[int, ...]:
    """Return what versions sort by: 2.1.9 comes before 2.1.10."""
    return tuple(map(int, _DIGITS.findall(version or "")))
