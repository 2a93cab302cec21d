"""Every error that a user or a plugin author can meet, by what to do about it.

* SessionmillError
  - UsageError           the command line is wrong: exit status 2
    · ProcessorUnknown
    · SessionUnknown
    · IdUnknown
    · NotOneSelect
    · NotVendorUsage
    · ServersOwn         a server decides that, while it holds the data directory
    · PortTaken          the address can't be listened on
    · NobodyCanSignIn    others could reach the server, and nobody could prove who they are
    · PeerMissing        another program is to be asked, and is not installed
    · NotComparable      an effectful processor cannot run beside itself
  - Busy                 somebody else is at it: wait, and try again
    · FactsInUse         another command holds the facts
    · ServerRunning      another server holds the data directory
    · AlreadyRunning     this processor is running
    · ServerGone         a server held the facts, and gave no answer
  - StoreError           the data directory needs a person
    · FolderClosed       it cannot be written to
    · NewerSchema        written by a newer sessionmill
    · DiskFull
    · FactsUnreadable
    · ControlUnreadable  users, tokens and the audit trail can't be had
    · BackupFailed       it could not be written
    · TypeNotKept        a table has a column that a backup would change
    · BackupUnusable     a backup that is damaged, or not whole
    · BackupNewer        one that a newer sessionmill made
    · RestoreFailed      a sound backup could not be put back
    · LookNotNoted       a look at what was said leaves no audit row, so it is not had
  - VendorUsageMalformed what the vendor counted is not written as the vendor documents it
  - TranscriptGone       its file is deleted: what was read of it is all there is
  - TranscriptUnreadable its content can't be had now: no processor's fault
    · CannotRead         the system refuses to open or read it
    · NotDecompressible  damaged, or not what its name says
    · CannotDecompress   the data directory has no room for its content
  - TranscriptClosed     its file is there, and this user may not read it
  - ShadowUnfinished     a processor paused before it could be compared
  - WorkersCannotStart   no child process can be started: nothing can be processed
  - ProcessorUnusable    a processor that cannot be built; the others run
  - PeerFailed           another program that was asked gave no answer
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from sessionmill.paths import written


class SessionmillError(Exception):
    """The root; its message says what is, why it matters, and the way out."""


class UsageError(SessionmillError):
    """The command line is wrong."""


class ProcessorUnknown(UsageError):
    """No processor of that name is loaded."""

    def __init__(self, name: str, known: Iterable[str], unusable: Mapping[str, str]) -> None:
        """`unusable` are those that can't be loaded, with the reason: it may be one of them."""
        cannot = "".join(f" {spec} can't be loaded: {why}." for spec, why in unusable.items())
        super().__init__(
            f"No processor is named {name!r}; loaded are: {', '.join(known) or 'none'}.{cannot} "
            "To load one of your own: --processor package.module:Class"
        )


class SessionUnknown(UsageError):
    """No transcript, or several, match what was given."""

    def __init__(self, given: str, matches: list[str]) -> None:
        if matches:
            some = ", ".join(matches[:5]) + (", …" if len(matches) > 5 else "")
            super().__init__(f"{given!r} is the start of several transcripts: {some}")
        else:
            super().__init__(
                f"No transcript matches {given!r}. A session key, a session id or the start of "
                "one is expected. To see them: sessionmill sessions"
            )


class IdUnknown(UsageError):
    """No transcript states a response or a call of that id."""

    def __init__(self, given: str) -> None:
        super().__init__(
            f"No transcript that was read states {given!r}. The whole id of a response or of a "
            "call is expected. To see those of a session: sessionmill explain --session KEY"
        )


class NotOneSelect(UsageError):
    """User SQL that is not exactly one SELECT or EXPLAIN, or that writes."""


class ServersOwn(UsageError):
    """An option that says what the server says which holds the data directory."""

    def __init__(self, option: str, setting: str, folder: Path, pid: int | None) -> None:
        super().__init__(
            f"{option} can't be given while a server (process {pid}) holds {folder}: it has read "
            f"what it reads, and with what. Set {setting} in {folder / 'config.toml'}, and start "
            "it anew."
        )


class PortTaken(UsageError):
    """The address cannot be listened on."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        super().__init__(
            f"{host}:{port} can't be listened on: {error.strerror or error}. Nothing was begun. "
            "Another port: --port N, or serve.port in config.toml; with 0 any that is free."
        )


class NobodyCanSignIn(UsageError):
    """An address that others can reach, and nobody who could prove who asks."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"On {host} others than this machine's users can ask, and no administrator can prove "
            "who he is, so nothing was begun. First: sessionmill users add NAME --role admin "
            "--password-stdin, or sessionmill tokens add NAME --name TOKEN. To serve this machine "
            "alone: --host 127.0.0.1"
        )


class NotComparable(UsageError):
    """A processor that is to be run beside itself and writes what it likes."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is effectful: it writes wherever it likes, so it can't run beside itself, and "
            f"only extractors can be compared. To have it read anew: sessionmill reprocess {name}"
        )


class NotVendorUsage(UsageError):
    """A file that is none of those that tell what the vendor counted."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is neither a page of the Claude Code Analytics API (an object with `data` and "
            "`has_more`) nor metrics in OpenTelemetry's JSON (objects with `resourceMetrics`), so "
            "there is nothing in it to compare with. Nothing was imported. What is meant: "
            "sessionmill reconcile --help"
        )


class VendorUsageMalformed(SessionmillError):
    """A file of a known kind holds what its documentation does not allow."""

    def __init__(self, name: str, line: int, reason: str) -> None:
        super().__init__(
            f"{name}, line {line}: {reason}. Half of it would be compared as if it were all, so "
            "nothing was imported, of the other files neither. Fetch it again, or leave it out."
        )


class PeerMissing(UsageError):
    """Another program is to be asked, and is not installed."""

    def __init__(self, name: str, how: str) -> None:
        super().__init__(
            f"{name} is not on the PATH, so there is nothing to compare with. To install it: {how}"
        )


class PeerFailed(SessionmillError):
    """Another program that was asked gave no answer."""

    def __init__(self, program: str, reason: str) -> None:
        super().__init__(
            f"{program} gave no answer: {reason}. The tables are compared with the transcripts"
            " without it by: sessionmill audit-usage"
        )


class Busy(SessionmillError):
    """Somebody else is at it."""


class FactsInUse(Busy):
    """Another command holds the facts."""

    def __init__(self, folder: Path, pid: int | None, command: str | None, waited: float) -> None:
        who = f"process {pid} ({command})" if pid else "another process"
        super().__init__(
            f"The facts in {folder} are held by {who}, and only one process can have them open. "
            f"Waited {waited:.0f} s. Try again when it has ended, or end it: kill {pid or 'PID'}"
        )


class AlreadyRunning(Busy):
    """A second run of one processor."""

    def __init__(self, name: str, since: datetime, actor: str) -> None:
        self.name, self.since, self.actor = name, since, actor
        super().__init__(
            f"{name} is running already, since {since:%Y-%m-%d %H:%M:%S} UTC, for {actor}; a "
            "second run of it is refused, not queued."
        )


class ServerRunning(Busy):
    """A second server for one data directory."""

    def __init__(self, folder: Path, pid: int | None, url: str | None) -> None:
        super().__init__(
            f"A server (process {pid}) holds {folder} already, and answers at {url}. One data "
            f"directory has one server. To end it: kill {pid or 'PID'}. To have a second one, name "
            "another directory with --db DIR."
        )


class ServerGone(Busy):
    """A server holds the facts, or held them just now, and gave no answer."""

    def __init__(self, folder: Path, pid: int | None, reason: str) -> None:
        super().__init__(
            f"The server that holds the facts in {folder} (process {pid}) gave no answer: "
            f"{reason}. What it had committed is safe. If it has ended, try again; else see what "
            "it logs."
        )


class StoreError(SessionmillError):
    """The data directory needs a person."""


class FolderClosed(StoreError):
    """The data directory, or a file in it, cannot be written to."""

    def __init__(self, folder: Path, error: OSError | str) -> None:
        reason = error if isinstance(error, str) else error.strerror or str(error)
        super().__init__(
            f"The data directory {folder} cannot be written to: {reason}. What was committed there "
            "is safe. Give yourself the right (to see who has it: "
            f"ls -la {shlex.quote(written(folder))}), or make room, or name another with --db "
            "DIR or SESSIONMILL_HOME."
        )


class NewerSchema(StoreError):
    """The facts were written by a newer program."""

    def __init__(self, path: Path, found: int, known: int) -> None:
        super().__init__(
            f"{path} has schema {found}, and this sessionmill knows up to {known}: it was written "
            "by a newer one. Install that version, or name another data directory with --db."
        )


class FactsUnreadable(StoreError):
    """The facts file cannot be opened."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} cannot be opened: {reason}\nThe facts can be made anew from the transcripts "
            f"that still exist. Move the file away and run: sessionmill run"
        )


class ControlUnreadable(StoreError):
    """The control store cannot be opened, read or written."""

    def __init__(self, path: Path, error: Exception) -> None:
        reason = getattr(error, "orig", None) or error
        super().__init__(
            f"{path} can't be used: {reason}. It holds users, tokens and the audit trail, so "
            "nothing is done that these must know of. If its disk is full, make room; if it is "
            "locked, end what holds it; if it is damaged, move it away and put back the one of a "
            "backup: sessionmill restore --help"
        )


class LookNotNoted(StoreError):
    """A look at what was said can't be written down, so it is not had."""

    def __init__(self, error: StoreError) -> None:
        super().__init__(
            "Nothing is shown: what is said in sessions is shown to nobody without an audit row, "
            f"and none can be written. {error}"
        )


class DiskFull(StoreError):
    """There is no room to commit."""

    def __init__(self, folder: Path, free: int, needed: int) -> None:
        super().__init__(
            f"{folder} has {free // 2**20} MB of room, and {needed // 2**20} MB are kept free so "
            "that the facts can be closed in order. What was committed is safe; what was not is "
            "done by the next run. Make room, then: sessionmill run"
        )


class BackupFailed(StoreError):
    """A backup could not be written."""

    def __init__(self, target: Path, reason: str) -> None:
        super().__init__(
            f"The backup {written(target)} was not made: {reason}. Nothing of it is left there, "
            "and the data directory is as it was. Make room there, or name a new folder "
            "elsewhere: sessionmill backup TARGET"
        )


class TypeNotKept(StoreError):
    """A column's type that a backup would change."""

    def __init__(self, column: str, type: str) -> None:
        super().__init__(
            f"{column} is of the type {type}, which Parquet would change, so no backup was made: "
            "it could not be put back as it is. Have its processor store it as text, or copy the "
            "data directory while no command has it open."
        )


class BackupUnusable(StoreError):
    """A backup that is not as it was written."""

    def __init__(self, backup: Path, name: str, reason: str) -> None:
        super().__init__(
            f"{written(backup / name)}: {reason}. So this is no whole backup, and nothing of it "
            "was put back. Name another: sessionmill restore BACKUP"
        )


class BackupNewer(StoreError):
    """A backup that a newer sessionmill made."""

    def __init__(self, backup: Path, what: str, found: int, known: int) -> None:
        super().__init__(
            f"The backup {written(backup)} has {what} {found}, and this sessionmill knows up to "
            f"{known}: a newer one made it. Nothing of it was put back. Install that version, "
            f"then: sessionmill restore {shlex.quote(written(backup))}"
        )


class RestoreFailed(StoreError):
    """A sound backup that could not be put back."""

    def __init__(self, backup: Path, into: Path, reason: str) -> None:
        super().__init__(
            f"The backup {written(backup)} could not be put back into {written(into)}: {reason}. "
            "The facts are put in place last, so there are none yet; the backup is as it was. "
            f"Mend the cause, then: sessionmill restore {shlex.quote(written(backup))}"
        )


class TranscriptGone(SessionmillError):
    """The file of a known transcript is not there any more."""

    def __init__(self, session_key: str, path: str) -> None:
        key = session_key.replace("'", "''")
        query = shlex.quote(f"FROM tool_calls WHERE session_key = '{key}'")
        super().__init__(
            f"{path} is gone, so {session_key} cannot be read again. What was read of it is kept, "
            f"such as: sessionmill sql {query}"
        )


class TranscriptClosed(SessionmillError):
    """The file of a known transcript cannot be read."""

    def __init__(self, session_key: str, path: str, reason: str | None) -> None:
        self.reason = reason or "it cannot be read"
        super().__init__(
            f"{path}, which is {session_key}, cannot be read: {self.reason}. Let this user read it."
        )


class TranscriptUnreadable(SessionmillError):
    """A transcript's content can't be had now: an error of the run, which tries it each time."""


class CannotRead(TranscriptUnreadable):
    """The operating system refuses to open or to read a transcript."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"cannot be read: {error.strerror or error}. Nothing new of it is taken in; each run "
            f"tries it again. To see who may read it: ls -ld {shlex.quote(written(path))}"
        )


class NotDecompressible(TranscriptUnreadable):
    """A compressed transcript is damaged, or not what its name says."""

    def __init__(self, path: Path, program: str, reason: str) -> None:
        super().__init__(
            f"not readable as {program}: {reason}. Nothing new of it is taken in; each run tries "
            f"it again. To check it: {program} -t {shlex.quote(written(path))}"
        )


class CannotDecompress(TranscriptUnreadable):
    """There is no room, or no right, to write a transcript's content down."""

    def __init__(self, path: Path, spool: Path, length: int, reason: str) -> None:
        super().__init__(
            f"cannot be decompressed into {written(spool)}: {reason}; {length // 2**20} MB of "
            "its content had been written, and are deleted. Nothing new of it is taken in; each "
            f"run tries it again. Make room there, or decompress {written(path)} yourself; "
            "then: sessionmill run"
        )


class ShadowUnfinished(SessionmillError):
    """A processor paused before it had read what it is compared over."""

    def __init__(self, name: str, left: int, reason: str | None) -> None:
        super().__init__(
            f"{name} pauses ({reason or 'broken off'}), and {left} transcripts are left to be read "
            "before it can be compared. Nothing of the facts has changed. To go on later: "
            f"sessionmill reprocess {name} --compare"
        )


class WorkersCannotStart(SessionmillError):
    """A child process ended before it could be given anything."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"A worker process could not be started: it {reason}. What it printed stands above. "
            "Nothing was lost; mend the cause, then: sessionmill run"
        )


class ProcessorUnusable(SessionmillError):
    """A processor that cannot be built."""

    def __init__(self, spec: str, reason: str) -> None:
        super().__init__(reason)
        self.spec, self.reason = spec, reason
