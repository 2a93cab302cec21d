"""An examination: what was found where, what was passed over, and what was not understood.

Each finding is a row: what was looked at (`check`), of what (`subject`), how many, a `detail`, and
what to do about it, where there is anything to do.
"""

from __future__ import annotations

import os
import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from sessionmill.collect.discover import Walk
from sessionmill.collect.roots import Root, claude_home, kept_days
from sessionmill.paths import written
from sessionmill.plugins import Unusable
from sessionmill.view.reports import Rows, named_statements
from sessionmill.view.sample import Sample, unfinished_bytes, unknown_fields_in

#: Findings of one check that are told one by one; how many more there are is told.
MOST = 50
#: A transcript that ends within a line is waited for so long before it counts as cut short.
_CUT_AFTER = timedelta(days=1)
_UNKNOWN = "Nothing, unless it holds figures; a newer sessionmill may know it"
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of an examination."""

    check: str
    subject: str
    count: int | None = None
    detail: str = ""
    to_do: str = ""


Check = Callable[[], Iterator[Finding]]


def examine(
    cursor: duckdb.DuckDBPyConnection,
    folder: Path,
    roots: Sequence[Root],
    walk: Walk,
    unusable: Sequence[Unusable],
    now: datetime,
) -> Rows:
    """Return all findings about what a walk has just seen and what the facts in `folder` hold.

    Of a check that finds a great many, the first; `truncated` tells that there are more.
    """
    checks = [*_Machine(folder, roots, walk, unusable).checks, *_Facts(cursor, walk, now).checks]
    findings: list[Finding] = []
    truncated = False
    for check in checks:
        found = list(check())
        findings += found[:MOST]
        if len(found) > MOST:
            truncated = True
            more = len(found) - MOST
            findings.append(Finding(found[0].check, "…", more, f"and {more:,} more of these"))
    columns = [field.name for field in fields(Finding)]
    return Rows(columns, list(map(astuple, findings)), truncated)


class _Machine:
    """What is found on this machine; each method is a check."""

    def __init__(
        self, folder: Path, roots: Sequence[Root], walk: Walk, unusable: Sequence[Unusable]
    ) -> None:
        self._folder, self._walk, self._unusable, self._given = folder, walk, unusable, roots
        #: As a walk names them; one that is given twice is walked once.
        self._roots = list(dict.fromkeys(written(os.path.realpath(r.folder)) for r in roots))
        self.checks: tuple[Check, ...] = (
            self._found,
            self._retention,
            self._unreadable,
            self._passed_over,
            self._not_loaded,
            self._set_aside,
        )

    def _found(self) -> Iterator[Finding]:
        held, sizes = Counter[str](), Counter[str]()
        for found in self._walk.found:
            held[found.root] += 1
            sizes[found.root] += found.size
        wrong = dict(self._walk.errors) | dict.fromkeys(
            self._walk.absent, "there is no such directory"
        )
        for root in self._roots:
            detail = f"{many(held[root], 'transcript')}, {many(sizes[root], 'byte')}"
            to_do = ""
            if not held[root]:
                detail = wrong.get(root, "no transcripts")
                to_do = "If there should be some, name their folder: --sessions, --claude, --codex"
            yield Finding("found", root, held[root], detail, to_do)

    def _retention(self) -> Iterator[Finding]:
        homes = dict.fromkeys(filter(None, map(claude_home, self._given)))
        for home in homes:
            if os.path.isdir(home):  # noqa: PTH112 - Path.is_dir raises behind a closed folder
                days, name = kept_days(home), written(str(home))
                detail = f"Claude Code deletes a transcript after {many(days, 'day')}"
                to_do = (
                    f"Run more often than that, or raise cleanupPeriodDays in {name}/settings.json"
                )
                yield Finding("retention", name, days, f"{detail}; its facts are kept", to_do)

    def _unreadable(self) -> Iterator[Finding]:
        for path, why in self._walk.errors:
            if path not in self._roots:
                yield Finding("unreadable", path, None, why, "Mend it, then: sessionmill run")

    def _passed_over(self) -> Iterator[Finding]:
        to_do = "If one is a transcript, put the file itself where the others are"
        for path, why in self._walk.passed_over:
            yield Finding("passed_over", path, None, why, to_do)

    def _not_loaded(self) -> Iterator[Finding]:
        for processor in self._unusable:
            yield Finding("processor", processor.name, None, processor.reason, "Mend or remove it")

    def _set_aside(self) -> Iterator[Finding]:
        for folder in sorted(self._folder.glob("damaged-*")):
            detail = (
                "damaged facts that were set aside; facts of deleted transcripts stand only there"
            )
            to_do = f"To ask them: sessionmill sql --db {shlex.quote(str(folder))}; or delete it"
            yield Finding("set_aside", written(str(folder)), None, detail, to_do)


class _Facts:
    """What the facts hold of transcripts that still exist; each method is a check."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, walk: Walk, now: datetime) -> None:
        self._cursor, self._walk, self._now = cursor, walk, now
        self.checks: tuple[Check, ...] = (
            self._not_read,
            self._gone,
            self._unknown_format,
            self._client_versions,
            self._unknown_line_types,
            self._unknown_fields,
            self._lost_fields,
            self._not_understood,
            self._malformed,
            self._recovered,
            self._claimed,
            self._cut_short,
        )

    def _ask(self, name: str, **given: Any) -> list[tuple[Any, ...]]:
        return self._cursor.execute(named_statements("doctor")[name], given or None).fetchall()

    def _not_read(self) -> Iterator[Finding]:
        taken_in = {key for (key,) in self._ask("taken_in")}
        new = sum(found.session_key not in taken_in for found in self._walk.found)
        if new:
            detail = (
                f"{many(new, 'transcript')} that nothing has read: what follows leaves them out"
            )
            yield Finding("not_read", "found", new, detail, "sessionmill run")

    def _gone(self) -> Iterator[Finding]:
        for root, gone, since in self._ask("gone"):
            detail = f"{many(gone, 'transcript')} deleted, the first by {since:%Y-%m-%d}"
            yield Finding("gone", root, gone, f"{detail}; their facts are kept")

    def _unknown_format(self) -> Iterator[Finding]:
        for key, size in self._ask("unknown_transcripts"):
            detail = "of no format that is known" if size else "empty"
            to_do = "Nothing, unless figures of it are missed"
            yield Finding("unknown_format", key, size, detail, to_do)

    def _client_versions(self) -> Iterator[Finding]:
        rows = sorted(self._ask("client_versions"), key=lambda row: in_order(row[1]), reverse=True)
        for agent, version, count in sorted(rows, key=lambda row: row[0]):
            subject = f"{agent} {version or '(not named)'}"
            yield Finding("client_version", subject, count, many(count, "transcript"))

    def _unknown_line_types(self) -> Iterator[Finding]:
        rows = [
            (*row, f"one of them: sessionmill show {_place(key, offset)}")
            for *row, key, offset in self._ask("line_types")
        ]
        yield from by_version("unknown_line_type", rows, "line", _UNKNOWN)

    def _unknown_fields(self) -> Iterator[Finding]:
        samples = [Sample(*row) for row in self._ask("samples")]
        rows = ((*row, "") for row in unknown_fields_in(samples))
        yield from by_version("unknown_field", rows, "line of a sample", _UNKNOWN)

    def _lost_fields(self) -> Iterator[Finding]:
        rows = ((*row, f"such as in {key}") for *row, key in self._ask("lost_fields"))
        to_do = "Nothing: their lines count with what else they say"
        yield from by_version("lost_field", rows, "value of a wrong type", to_do)

    def _not_understood(self) -> Iterator[Finding]:
        [(unknown, size)] = self._ask("understood")
        if size:
            detail = f"{unknown:,} of {many(size, 'byte')} ({unknown / size:.2%})"
            yield Finding("not_understood", "all transcripts", unknown, detail)

    def _malformed(self) -> Iterator[Finding]:
        for reason, count, key, offset in self._ask("malformed_lines"):
            detail = f"{many(count, 'line')}, such as byte {offset} of {key}"
            to_do = 'See them all: sessionmill sql "FROM malformed_lines"'
            yield Finding("malformed_line", reason, count, detail, to_do)

    def _recovered(self) -> Iterator[Finding]:
        for agent, count, key in self._ask("recovered_lines"):
            detail = f"{many(count, 'line')}, damaged and still read, such as in {key}"
            yield Finding("recovered_line", agent, count, detail)

    def _claimed(self) -> Iterator[Finding]:
        for users, count in self._ask("claimed_by_several"):
            ids = f"{many(count, 'id')} of responses and calls in the transcripts of each"
            to_do = "If they are one person, keep their transcripts in one folder"
            yield Finding("claimed_by_several", users, count, f"{ids}, and counted for each", to_do)

    def _cut_short(self) -> Iterator[Finding]:
        before = int((self._now - _CUT_AFTER).timestamp() * 1e9)
        for offset, *sample in self._ask("cut_short", before=before):
            rest = unfinished_bytes(Sample(*sample), offset)
            if rest:
                detail = f"ends within a line, of which there are {many(rest, 'byte')}"
                to_do = "If it is a copy, copy it again"
                yield Finding("cut_short", sample[0], rest, detail, to_do)


def many(count: int, thing: str) -> str:
    """Return a count with what is counted: "1 line", "1,204 lines"."""
    first, _, rest = thing.partition(" ")
    return f"{count:,} {first}{'' if count == 1 else 's'} {rest}".rstrip()


def _place(key: str, offset: int) -> str:
    """Return what `show` is given to begin with the line at `offset`."""
    return shlex.quote(key) + (f" --after {offset - 1}" if offset else "")


def by_version(
    check: str, rows: Iterable[tuple[Any, ...]], unit: str, to_do: str
) -> Iterator[Finding]:
    """Yield a finding for each (agent, subject), the most frequent first.

    `rows` are (agent, subject, client version, count, where one stands or "").
    """
    counts: Counter[tuple[str, str]] = Counter()
    versions: dict[tuple[str, str], set[str]] = defaultdict(set)
    places: dict[tuple[str, str], str] = {}
    for agent, subject, version, count, place in rows:
        counts[agent, subject] += count
        versions[agent, subject].add(version or "")
        places.setdefault((agent, subject), place)
    for kind, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        first = min(versions[kind], key=in_order)
        detail = f"{many(count, unit)}, since {first or 'a version that is not named'}"
        where = f"; {places[kind]}" if places[kind] else ""
        yield Finding(check, " ".join(kind), count, detail + where, to_do)


def in_order(version: str | None) -> tuple[Any, ...]:
    """Return what versions sort by: 2.1.9 comes before 2.1.10, one without a number last."""
    numbers = [number.lstrip("0") for number in _DIGITS.findall(version or "")]
    return (not numbers, [(len(number), number) for number in numbers], version or "")
