"""In a worker: transcripts through a decoder into extractors, and their rows to the owner."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from sessionmill.collect.contents import opened
from sessionmill.collect.roots import session_of_path
from sessionmill.contracts import Extraction, Extractor, RetryLater, Transcript
from sessionmill.decode.lines import UNDECIDED, UNKNOWN_AGENT, TranscriptDecoder
from sessionmill.decode.records import Record
from sessionmill.decode.tail import LongLine, Reader, Rest, Slice
from sessionmill.errors import CannotRead, TranscriptUnreadable
from sessionmill.run import messages
from sessionmill.run.columns import TableRows
from sessionmill.run.messages import (
    Batch,
    Channel,
    Failed,
    Identity,
    Job,
    Mark,
    Outcome,
    Paused,
    Progress,
    Rows,
    Taken,
    Try,
    Unchanged,
    Unreadable,
    Vanished,
)
from sessionmill.run.note import Note

#: Bytes at either end of what was read that make its fingerprint.
_FINGERPRINT_BYTES = 4096
#: Seconds of work after which what is done is sent, so that a death costs no more.
_SEND_AFTER = 0.5
#: Rows after which they are sent.
_SEND_ROWS = 25_000
#: Bytes of msgpack that an extractor may hand to itself.
_LONGEST_CARRY = 64 * 1024
_MESSAGE_LENGTH = 300


@dataclass
class Turn:
    """One extractor's way through one transcript."""

    processor: int
    extractor: Extractor
    #: The stretch since `start` is taken in up to `safe_offset`, and not yet reported.
    start: int
    safe_offset: int
    #: What is needed to go on at the safe offset.
    mark: Mark
    #: Records behind the safe offset, which the extractor wants again.
    held: list[Record] = field(default_factory=list)


class Extracting:
    """Works through batches; keeps rows until they are worth a message."""

    def __init__(
        self, channel: Channel, note: Note, processors: Mapping[int, Any], spool: Path
    ) -> None:
        """`spool` is a folder for what is decompressed."""
        self._channel, self._note, self._processors = channel, note, processors
        self._spool = spool
        self._reader = Reader()
        self._outcomes: list[Outcome] = []
        self._rows: dict[tuple[int, str], TableRows] = {
            (number, table.name): TableRows(table)
            for number, processor in processors.items()
            for table in processor.tables
        }
        self._sealed: list[Rows] = []
        self._seq = 0
        #: (job, processor) pairs with a value that fits no column.
        self._unfit: set[tuple[int, int]] = set()
        self._sent = time.monotonic()

    def work(self, batch: Batch) -> None:
        """Do every job of a batch, and say so."""
        self._sent = time.monotonic()
        for job in batch.jobs:
            self._note.write(job.number)
            try:
                self._take(job)
            except FileNotFoundError:
                self._outcomes += [Vanished(job.number, t.processor) for t in job.tries]
            except OSError as error:
                self._cannot_read(job, CannotRead(Path(os.fsdecode(job.path)), error))
            except TranscriptUnreadable as error:
                self._cannot_read(job, error)
            except Exception as error:
                # Of the decoder's own: its type alone, for it may quote what people wrote.
                reason = f"the transcript could not be decoded: {type(error).__name__}"
                self._outcomes += [Failed(job.number, t.processor, reason) for t in job.tries]
            if time.monotonic() - self._sent > _SEND_AFTER or self._has_many_rows():
                self._send()
        self._note.clear()
        self._send(done=True)

    # ── one transcript ──

    def _cannot_read(self, job: Job, why: TranscriptUnreadable) -> None:
        self._outcomes += [Unreadable(job.number, t.processor, str(why)) for t in job.tries]

    def _take(self, job: Job) -> None:
        with opened(Path(os.fsdecode(job.path)), job.size, self._spool) as (file, size):
            start, tries = job.offset, job.tries
            read = start + max(_mark(t).rest for t in tries)
            if read and not _is_grown(file.fileno(), size, job, read):
                start, tries = 0, [Try(t.processor) for t in tries]
            elif read == size and all(t.mark for t in tries):
                self._outcomes += [Unchanged(job.number, t.processor) for t in tries]
                return
            turns = [
                Turn(t.processor, self._processors[t.processor], start, start, _mark(t))
                for t in tries
                if t.processor in self._processors
            ]
            decoder = TranscriptDecoder(job.key, job.path_kind, *_begin(tries))
            identity = _mark(tries[0]).identity
            for part in self._reader.slices(file, start, size):
                if isinstance(part, Rest):
                    records = decoder.decode_rest(part)
                else:
                    records = decoder.decode(part)
                identity = identify(identity, records)
                turns = self._extract(job, turns, records, decoder, identity, part)
                if self._has_many_rows():
                    self._seal(job_ended=False)
                    # Of a replaced transcript readers must never see half; of others each
                    # stretch is worth keeping.
                    if start or not job.known:
                        self._report(file.fileno(), job, turns, decoder.agent, identity)
                        self._send(job_ended=False)
            self._report(file.fileno(), job, turns, decoder.agent, identity, finished=True)

    def _extract(
        self,
        job: Job,
        turns: list[Turn],
        records: list[Record],
        decoder: TranscriptDecoder,
        identity: Identity,
        part: Slice | LongLine | Rest,
    ) -> list[Turn]:
        """Give the records of a part to each extractor; return the turns that go on."""
        transcript = Transcript(
            key=job.key,
            username=job.username,
            session_id=session_of_path(job.key) or identity.session_id,
            agent=decoder.agent or UNKNOWN_AGENT,
            path_kind=job.path_kind,
        )
        going = []
        for turn in turns:
            given = turn.held + records
            extraction = None
            if given:
                self._note.write(job.number, turn.processor)
                extraction = self._call(job, turn, transcript, given)
                if extraction is None:
                    continue
            # Of an unterminated line rows are kept and progress is not: it comes again, whole.
            if isinstance(part, Rest):
                rest = len(part.data) if extraction is not None else 0
                turn.mark = msgspec.structs.replace(turn.mark, rest=rest)
            else:
                reached = Mark(decoder.agent, decoder.state, identity)
                _advance(turn, given, extraction, part.end, reached)
            going.append(turn)
        self._note.write(job.number)
        return going

    def _call(
        self, job: Job, turn: Turn, transcript: Transcript, records: list[Record]
    ) -> Extraction | None:
        """Return what the extractor makes of records; None if it failed, which is then noted."""
        try:
            extraction = turn.extractor.extract(transcript, records, turn.mark.extractor)
            _check(extraction, turn, records)
            gathered = [
                (self._rows[turn.processor, table], rows) for table, rows in extraction.rows.items()
            ]
            checked = [(table, table.check(rows)) for table, rows in gathered if rows]
            for table, rows in checked:
                table.add(job.number, rows)
        except RetryLater as later:
            self._pause(job, turn, later)
            return None
        except Exception as error:
            self._fail(job, turn, error)
            return None
        return extraction

    def _pause(self, job: Job, turn: Turn, later: RetryLater) -> None:
        reason = later.reason[:_MESSAGE_LENGTH]
        self._outcomes.append(Paused(job.number, turn.processor, reason, later.after))

    def _fail(self, job: Job, turn: Turn, error: Exception) -> None:
        message = f"{type(error).__name__}: {error}"[:_MESSAGE_LENGTH]
        self._outcomes.append(Failed(job.number, turn.processor, message))

    def _report(
        self,
        fd: int,
        job: Job,
        turns: list[Turn],
        agent: str | None,
        identity: Identity,
        *,
        finished: bool = False,
    ) -> None:
        fingerprints: dict[int, str] = {}
        for turn in turns:
            if (job.number, turn.processor) in self._unfit:
                continue
            offset = turn.safe_offset
            read = offset + turn.mark.rest
            if read not in fingerprints:
                fingerprints[read] = fingerprint(fd, read)
            self._outcomes.append(
                Taken(
                    job=job.number,
                    processor=turn.processor,
                    start=turn.start,
                    safe_offset=offset,
                    mark=messages.encode(turn.mark),
                    fingerprint=fingerprints[read],
                    finished=finished,
                    agent=agent,
                    identity=identity,
                )
            )
            turn.start = offset

    # ── sending ──

    def _has_many_rows(self) -> bool:
        return sum(map(len, self._rows.values())) > _SEND_ROWS

    def _seal(self, *, job_ended: bool) -> None:
        """Turn gathered rows into bytes, which are ten times smaller."""
        for (processor, table), gathered in self._rows.items():
            count = len(gathered)
            if not count:
                continue
            ipc, whole, counts, unfit = gathered.take(self._seq, job_ended=job_ended)
            self._seq += count
            self._sealed.append(Rows(processor, table, ipc, whole, counts))
            for job, reason in unfit.items():
                self._outcomes = [
                    o for o in self._outcomes if (o.job, o.processor) != (job, processor)
                ]
                self._outcomes.append(Failed(job, processor, reason[:_MESSAGE_LENGTH]))
                self._unfit.add((job, processor))

    def _send(self, *, done: bool = False, job_ended: bool = True) -> None:
        self._seal(job_ended=job_ended)
        self._channel.send(messages.encode(Progress(self._outcomes, self._sealed, done)))
        self._outcomes, self._sealed, self._sent = [], [], time.monotonic()


def _check(extraction: object, turn: Turn, records: list[Record]) -> None:
    """Raise if an extraction breaks the contract."""
    if not isinstance(extraction, Extraction):
        raise TypeError(f"extract returned {type(extraction).__name__}, no Extraction")
    if len(messages.encode(extraction.carry)) > _LONGEST_CARRY:
        raise ValueError(f"carry is longer than {_LONGEST_CARRY} bytes")
    offset = extraction.safe_offset
    known = offset == records[-1].end or any(record.offset == offset for record in records)
    if offset < turn.safe_offset or not known:
        raise ValueError(f"safe_offset {offset} is neither a record's start nor the end")


def _advance(
    turn: Turn,
    given: list[Record],
    extraction: Extraction | None,
    end: int,
    reached: Mark,
) -> None:
    """Move a turn to the end of a part, or to where its extractor wants to be given again."""
    carry = turn.mark.extractor if extraction is None else extraction.carry
    turn.held = []
    if extraction is None or extraction.safe_offset >= given[-1].end:
        turn.safe_offset = end
        turn.mark = msgspec.structs.replace(reached, extractor=carry)
        return
    turn.held = [record for record in given if record.offset >= extraction.safe_offset]
    for record in turn.held:
        record.line = bytes(record.line)  # the reader's buffer is used again
    first = turn.held[0]
    turn.safe_offset = first.offset
    # What the records before the first held one told of the session is told again.
    agent = None if first.type == UNDECIDED else reached.agent
    turn.mark = Mark(agent, first.decoder_state, turn.mark.identity, carry)


def fingerprint(fd: int, offset: int) -> str:
    """Return a hash of the head and the tail of a file's first `offset` bytes."""
    length = min(_FINGERPRINT_BYTES, offset)
    head, tail = os.pread(fd, length, 0), os.pread(fd, length, offset - length)
    return hashlib.blake2b(head + tail, digest_size=16).hexdigest()


def _is_grown(fd: int, size: int, job: Job, read: int) -> bool:
    """Tell whether the file still begins with what was read of it.

    An unterminated line that was read must have ended there: rows of one that went on otherwise
    are of a line that there is not.
    """
    if size < read or fingerprint(fd, read) != job.fingerprint:
        return False
    return read == job.offset or os.pread(fd, 1, read) in (b"", b"\n")


def _begin(tries: list[Try]) -> tuple[str | None, Any]:
    """Return agent and decoder state at the offset at which all tries stand."""
    mark = _mark(tries[0])
    return mark.agent, mark.decoder


def _mark(t: Try) -> Mark:
    return messages.mark.decode(t.mark) if t.mark else Mark()


def identify(known: Identity, records: list[Record]) -> Identity:
    """Take from each record what no earlier one has told."""
    session_id, version, cwd = known.session_id, known.client_version, known.cwd
    if session_id and version and cwd:
        return known
    for record in records:
        session_id = session_id or record.session_id
        version = version or record.client_version
        cwd = cwd or record.cwd
        if session_id and version and cwd:
            break
    return Identity(session_id, version, cwd)
