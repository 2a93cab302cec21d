"""In a worker: transcripts into an effectful processor, with a stand-in for its connection."""

from __future__ import annotations

import hashlib
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sessionmill.collect.contents import as_plain_file
from sessionmill.contracts import ProcessorResult, RetryLater
from sessionmill.decode.lines import TranscriptDecoder
from sessionmill.decode.tail import Reader, Rest
from sessionmill.errors import CannotRead, TranscriptUnreadable
from sessionmill.run import messages
from sessionmill.run.extracting import identify
from sessionmill.run.messages import MESSAGE, REPLY, REQUEST, Channel, Identity, Processed, Session
from sessionmill.run.note import Note
from sessionmill.run.stand_in import StandInConnection

#: The job's number in the note: there is one at a time.
THE_SESSION = 1
_MESSAGE_LENGTH = 300


class Effecting:
    """Processes one session after the other."""

    def __init__(self, channel: Channel, note: Note, processor: Any, spool: Path) -> None:
        """`spool` is a folder for what is decompressed."""
        self._channel, self._note, self._processor = channel, note, processor
        self._spool = spool
        self._reader = Reader(256 * 1024)

    def work(self, session: Session) -> None:
        """Process one session, and say how it ended."""
        self._note.write(THE_SESSION)
        try:
            processed = self.process(session)
        except RetryLater as later:
            reason = later.reason[:_MESSAGE_LENGTH]
            processed = Processed("paused", error=reason, after=later.after)
        except Exception as error:
            message = f"{type(error).__name__}: {error}"[:_MESSAGE_LENGTH]
            processed = Processed("failed", error=message)
        self._note.clear()
        self._channel.send(messages.encode(processed), MESSAGE)

    def process(self, session: Session) -> Processed:
        """Process one session; whatever the processor raises is raised."""
        with ExitStack() as kept:
            return self._process(session, kept)

    def _process(self, session: Session, kept: ExitStack) -> Processed:
        """Process a session; `kept` holds its uncompressed content until then."""
        try:
            path = kept.enter_context(as_plain_file(Path(os.fsdecode(session.path)), self._spool))
            self._note.write(THE_SESSION, 0)
            file_hash = _md5(path)
            agent, identity = self._look(session, path)
        except FileNotFoundError:
            return Processed("vanished")
        except OSError as error:
            why = CannotRead(Path(os.fsdecode(session.path)), error)
            return Processed("unreadable", error=str(why))
        except TranscriptUnreadable as error:
            return Processed("unreadable", error=str(error))
        if file_hash == session.file_hash:
            return Processed("unchanged", file_hash=file_hash, agent=agent, identity=identity)
        conn: Any = StandInConnection(self._ask)
        result = self._processor.process_session(path, session.username, session.key, conn)
        warning = None
        if not isinstance(result, ProcessorResult):
            warning = f"process_session returned {type(result).__name__}, not a ProcessorResult"
            result = ProcessorResult()
        return Processed(
            "processed",
            items=int(result.items_count),
            file_hash=file_hash,
            agent=agent,
            identity=identity,
            warning=warning,
        )

    def _look(self, session: Session, path: Path) -> tuple[str | None, Identity]:
        """Read the first records, as far as needed to know whose session it is."""
        decoder = TranscriptDecoder(session.key, session.path_kind)
        identity = Identity()
        with path.open("rb", buffering=0) as file:
            size = file.seek(0, 2)
            for part in self._reader.slices(file, 0, size):
                rest = isinstance(part, Rest)
                records = decoder.decode_rest(part) if rest else decoder.decode(part)  # type: ignore[arg-type] # told apart by the line above
                identity = identify(identity, records)
                if identity.session_id and identity.client_version and identity.cwd:
                    break
        return decoder.agent, identity

    def _ask(self, request: bytes) -> bytes:
        self._channel.send(request, REQUEST)
        kind, reply = self._channel.receive()
        if kind != REPLY:
            raise EOFError("the owner has ended this session")
        return reply


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(1024 * 1024):
            digest.update(chunk)
    return digest.hexdigest()
