"""The estimate of output that was logged in part, against output that was logged in full.

Real responses that name a stop reason are complete, so what their content takes by estimate can be
compared with what was logged. Of those that name none it prints how far the partial ones stand from
the others. Where there are no real transcripts, it says so.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.report import Checks, say
from bench.totals import CORPUS
from sessionmill.collect.roots import path_kind
from sessionmill.decode.lines import TranscriptDecoder
from sessionmill.decode.records import Record
from sessionmill.decode.tail import Reader, Rest
from sessionmill.process.usage.partial_output import EARLIER, tokens, weights


def options(parser: argparse.ArgumentParser) -> None:
    """Add what can be given."""
    parser.add_argument("--corpus", type=Path, default=CORPUS, metavar="DIR")


@dataclass
class _Response:
    """One response, over the lines of one transcript."""

    model: str | None = None
    logged: int = 0
    estimated: int = 0
    ended: bool = False
    #: "no thinking", "thinking shown" (a summary of it), or "thinking hidden".
    kind: str = "no thinking"

    def add(self, record: Record) -> None:
        """Take in a line."""
        response, content = record.responses[-1], record.content
        self.model = response.model
        self.logged = max(self.logged, response.output_tokens)
        self.ended = self.ended or response.ended
        if content is None:
            return
        self.estimated += tokens(content, response.model)
        if content.signature_bytes:
            self.kind = "thinking shown" if content.thinking_bytes else "thinking hidden"

    @property
    def family(self) -> str:
        """Tell which weights are its model's."""
        return "earlier models" if weights(self.model) is EARLIER else "later models"

    @property
    def logged_part(self) -> float:
        """Return what was logged, as a part of the estimate."""
        return self.logged / self.estimated


def bench(arguments: argparse.Namespace) -> bool:
    """Compare, print, and return whether a stop reason tells what is complete."""
    folder = arguments.corpus / "claude"
    if not folder.is_dir():
        say(f"  skipped: there are no real transcripts, no folder {folder}")
        return True
    seen = [r for r in _responses(folder) if r.estimated and r.logged]
    ended = [r for r in seen if r.ended]
    say(f"  {len(seen):,} responses, {len(ended):,} of them with a stop reason")
    for group in sorted({(r.family, r.kind) for r in ended}):
        _tell_error(", ".join(group), [r for r in ended if (r.family, r.kind) == group])
    _tell_error("all", ended)
    _tell_apart([r for r in seen if not r.ended])
    checks = Checks()
    short = sum(r.logged_part < 0.5 for r in ended)
    say(f"  with a stop reason: {short:,} logged less than half of their estimate")
    checks.hold(short <= len(ended) / 1000, "a stop reason does not tell what is complete")
    return checks.hold_all("what has a stop reason is complete, but for one in a thousand at most")


def _tell_error(what: str, responses: list[_Response]) -> None:
    if not responses:
        return
    errors = sorted(abs(r.estimated - r.logged) / r.logged for r in responses)
    total = sum(r.estimated for r in responses) / sum(r.logged for r in responses)
    say(
        f"  {what}: {len(responses):,} responses, error median {statistics.median(errors):.1%},"
        f" of nine in ten at most {errors[len(errors) * 9 // 10]:.1%};"
        f" summed up, {total:.3f} of what was logged"
    )


def _tell_apart(responses: list[_Response]) -> None:
    parts = sorted(r.logged_part for r in responses)
    partial = [part for part in parts if part < 0.5]
    if not partial or len(partial) == len(parts):
        return
    of_partial = [r for r in responses if r.logged_part < 0.5]
    say(
        f"  without a stop reason: {len(partial):,} logged at most {partial[-1]:.2f} of their"
        f" estimate, {len(parts) - len(partial):,} at least {parts[len(partial)]:.2f}"
    )
    say(
        f"  the partial ones logged {sum(r.logged for r in of_partial):,} output tokens;"
        f" by estimate they took {sum(r.estimated for r in of_partial):,}"
    )


def _responses(folder: Path) -> Iterable[_Response]:
    """Return each response once: of several transcripts' the one with the most content."""
    found: dict[str, _Response] = {}
    for path in sorted(folder.rglob("*.jsonl")):
        if "_snapshots" in path.parts:  # earlier states of transcripts that are there too
            continue
        told: dict[str, _Response] = {}
        for record in _records(path, f"someone/{path.relative_to(folder).as_posix()}"):
            if record.responses and not record.type.startswith("progress/"):
                told.setdefault(record.responses[-1].id, _Response()).add(record)
        for id, response in told.items():
            if id not in found or response.estimated > found[id].estimated:
                found[id] = response
    return found.values()


def _records(path: Path, key: str) -> Iterator[Record]:
    decoder = TranscriptDecoder(key, path_kind(key))
    with path.open("rb") as file:
        for part in Reader().slices(file, 0, path.stat().st_size):
            yield from decoder.decode_rest(part) if isinstance(part, Rest) else decoder.decode(part)
