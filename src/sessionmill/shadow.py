"""A processor beside itself: its loaded version reads anew what the version before has read.

What it makes of it is written into facts of its own, the shadow, by all the machinery of a run.
The figures of both are then compared, within a transaction that puts the shadow's rows in the
place of those stored: it is rolled back, or kept when told to. So what is shown is what will be.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import duckdb
from msgspec import structs

from sessionmill.collect.contents import program_of
from sessionmill.collect.discover import Found, Walk
from sessionmill.collect.known import look_again
from sessionmill.errors import NotComparable, ProcessorUnusable, ShadowUnfinished
from sessionmill.plugins import Processor
from sessionmill.run.ports import Clock
from sessionmill.run.runner import Runner
from sessionmill.run.tally import Tally
from sessionmill.store.facts import Facts
from sessionmill.store.known import KnownTranscript, known_transcripts
from sessionmill.store.rollups import Rollups
from sessionmill.store.run_store import FactsRunStore
from sessionmill.store.swap import Reading, VersionNote, add_version_note, readings, swap
from sessionmill.view import changes
from sessionmill.view.changes import By
from sessionmill.view.reports import Rows
from sessionmill.view.status import disk

_GONE = "gone: its file is not there"
_CHANGED = "changed since it was read; the next run reads it"
_UNFINISHED = "not read to its end by the version before; the next run reads it"
_UNREAD = "not read by this version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What the loaded version of a processor changes, or has changed."""

    processor: Processor
    #: The oldest that the compared rows are of; None where nothing is compared.
    from_version: int | None
    #: How many transcripts both versions have read, to the same byte.
    transcripts: int
    #: What differs: the figures of each group, or the rules.
    differences: Rows
    total: Rows
    #: The other transcripts, whose rows stay as they are, and why.
    not_compared: Rows
    tally: Tally
    swapped: bool


@dataclass
class _Read:
    """What both versions have read, and what not."""

    keys: list[str] = field(default_factory=list)
    #: Reasons by session key.
    left: dict[str, str] = field(default_factory=dict)


class Shadow:
    """The facts that a processor's loaded version makes beside those that count."""

    def __init__(self, folder: Path, processor: Processor, clock: Clock) -> None:
        """Open them in `folder`, begun anew unless they are of the very same code and settings."""
        self._processor = processor
        made_by, maker = folder / "made_by", _digest(processor)
        if not made_by.exists() or made_by.read_text("utf-8") != maker:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700, parents=True)
            made_by.write_text(maker, "utf-8")
        self.facts = Facts(folder, "sessionmill reprocess --compare", now=clock(), sparing=True)
        self._store = FactsRunStore(self.facts, clock)

    def __enter__(self) -> Shadow:
        return self

    def __exit__(self, *_: object) -> None:
        self.facts.close()

    def read(self, walk: Walk, new_runner: Callable[[FactsRunStore], Runner], actor: str) -> Tally:
        """Read what is not read yet. Raises ShadowUnfinished if the processor pauses."""
        self._store.make_due(self._processor.name, None)
        [tally] = new_runner(self._store).run([self._processor], walk, actor=actor)
        if tally.capped:
            raise ShadowUnfinished(self._processor.name, tally.capped, tally.pause_reason)
        return tally

    def readings(self) -> dict[str, Reading]:
        """Return how the loaded version has read each transcript."""
        return readings(self.facts.cursor(), self._processor.name)


def compare(
    facts: Facts,
    processor: Processor,
    *,
    new_runner: Callable[[FactsRunStore], Runner],
    clock: Clock,
    actor: str,
    by: By = "day",
    timezone: str = "UTC",
    session_key: str | None = None,
    swapping: bool = False,
) -> Comparison:
    """Compare a processor's loaded version with what is stored, and swap its rows in when told.

    Of one transcript, or of all that are read. Raises NotComparable, ShadowUnfinished
    and ProcessorUnusable.
    """
    if not processor.is_extractor:
        raise NotComparable(processor.name)
    for name, reason in FactsRunStore(facts, clock).prepare([processor]).items():
        raise ProcessorUnusable(name, reason)
    cursor = facts.cursor()
    before = readings(cursor, processor.name, session_key)
    known = [one for one in known_transcripts(cursor, session_key) if one.session_key in before]
    walk, read = _as_read_before(look_again(known), before)
    folder = facts.folder / "shadow" / processor.name
    with Shadow(folder, processor, clock) as shadow:
        tally = shadow.read(walk, new_runner, actor)
        _sort(read, walk, known, before, shadow.readings(), dict(tally.errors))
        facts.check_room(beside=disk(shadow.facts.folder).facts_bytes)
        with facts.transaction(kept=swapping) as writing:
            differences, total = _measured(writing, shadow, processor, read.keys, by, timezone)
            versions = [before[key].version for key in read.keys]
            done = Comparison(
                processor=processor,
                from_version=min((v for v in versions if v is not None), default=None),
                transcripts=len(read.keys),
                differences=differences,
                total=total,
                not_compared=Rows(["session", "reason"], sorted(read.left.items())),
                tally=tally,
                swapped=swapping,
            )
            if swapping and read.keys:
                Rollups(processor).refresh(writing)
                add_version_note(writing, _note(done, clock, actor))
    if swapping:
        shutil.rmtree(folder)
    return done


def _as_read_before(walk: Walk, before: dict[str, Reading]) -> tuple[Walk, _Read]:
    """Let no byte be read that the version before has not read; leave out what that rules out."""
    found: list[Found] = []
    read = _Read()
    for one in walk.found:
        size = before[one.session_key].size
        if size is None:
            read.left[one.session_key] = _UNFINISHED
        elif program_of(one.path) is not None:
            found.append(one)  # its size tells nothing of how much it holds
        elif one.size < size:
            read.left[one.session_key] = _CHANGED
        else:
            found.append(structs.replace(one, size=size))
    return Walk(found=found, errors=walk.errors), read


def _sort(
    read: _Read,
    walk: Walk,
    known: Iterable[KnownTranscript],
    before: dict[str, Reading],
    after: dict[str, Reading],
    errors: dict[str, str],
) -> None:
    """Sort transcripts into those that both versions have read and those that not."""
    found = {one.session_key: one for one in walk.found}
    for one in known:
        key = one.session_key
        if key in read.left:
            continue
        reason = errors.get(key) or errors.get(one.path)
        if reason is None and key in found:
            reason = _hindrance(found[key], before[key], after.get(key))
        elif reason is None:
            reason = _GONE
        if reason is None:
            read.keys.append(key)
        else:
            read.left[key] = reason


def _hindrance(found: Found, before: Reading, after: Reading | None) -> str | None:
    """Return why what both versions have read is not the same; None if it is."""
    if after is None or (after.size, after.mtime_ns) != (found.size, found.mtime_ns):
        return _UNREAD
    if after.attempts:
        return after.last_error
    untouched = (before.size, before.mtime_ns) == (after.size, after.mtime_ns)
    if untouched or before.fingerprint in (None, after.fingerprint):
        return None
    return _CHANGED


def _measured(
    cursor: duckdb.DuckDBPyConnection,
    shadow: Shadow,
    processor: Processor,
    session_keys: list[str],
    by: By,
    timezone: str,
) -> tuple[Rows, Rows]:
    """Swap the rows of transcripts; return what that changes, by group or rule and in all."""
    tables = processor.tables
    before_in_all = changes.sums(cursor, tables)
    before = changes.sums(cursor, tables, by, timezone)
    if by == "rule":
        changes.keep_rows(cursor, tables)
    swap(cursor, shadow.facts.cursor(), processor, session_keys)
    total = changes.in_all(tables, before_in_all, changes.sums(cursor, tables))
    if by == "rule":
        return changes.by_rule(cursor, tables), total
    after = changes.sums(cursor, tables, by, timezone)
    return changes.by_group(tables, by, before, after), total


def _note(done: Comparison, clock: Clock, actor: str) -> VersionNote:
    changed = [row for row in done.total.document()["rows"] if row["change"]]
    return VersionNote(
        processor=done.processor.name,
        from_version=done.from_version,
        to_version=done.processor.version,
        swapped_at=clock(),
        actor=actor,
        transcripts=done.transcripts,
        figures=json.dumps(changed),
        why=done.processor.why(done.from_version),
    )


def _digest(processor: Processor) -> str:
    """Return a digest of what decides a processor's rows: what it declares, and the code.

    That is all of its own package and of ours. A version that its author forgot to raise, while
    the code changed, must not go on in a shadow of the older code.
    """
    declared = (processor.spec, processor.version, sorted(processor.settings.items()))
    digest = hashlib.blake2b(repr((declared, processor.tables)).encode(), digest_size=16)
    own = processor.spec.partition(":")[0].partition(".")[0]
    for name in sorted({"sessionmill", own}):
        for path in sorted(_sources(sys.modules[name])):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources(module: ModuleType) -> list[Path]:
    folders = getattr(module, "__path__", None)
    if folders is not None:
        return [path for folder in folders for path in Path(folder).rglob("*.py")]
    return [Path(module.__file__)] if module.__file__ else []
