"""Output that was logged in part: how it is told, and what it may have been.

Some client versions wrote down the tokens with which an answer began to stream in, and never those
of its end. What the answer says is there all the same, and how long it is tells what it took.
A response that has ended by its own account is logged in full; of the others, one is partial whose
logged output is less than half of what its content takes by estimate. docs/usage-rules.md has the
figures that the weights and the half come from, and `python -m bench estimate` measures them again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from sessionmill.contracts import Column
from sessionmill.decode.records import Content, Record

COLUMNS = (
    Column("has_stop_reason", "BOOLEAN", "max", "a line names why it ended: it is logged in full"),
    Column("content_tokens", "BIGINT", "max", "what its content takes by estimate; NULL unseen"),
)
#: HUGEINT: twice an absurd figure of a damaged line must not be an error.
_PARTIAL = "NOT has_stop_reason AND 2::HUGEINT * output_tokens < content_tokens"
DERIVED = {
    "output_is_partial": (
        "BOOLEAN",
        # Of what did not end and has no content that was seen, nothing can be told.
        f"CASE WHEN has_stop_reason OR content_tokens IS NOT NULL THEN {_PARTIAL} END",
        "output_tokens is only what was logged first; NULL where that cannot be told",
    ),
    "output_tokens_estimate": (
        "BIGINT",
        f"CASE WHEN {_PARTIAL} THEN content_tokens END",
        "of a partial output: what it took by the length of its content; never added up",
    ),
}


class Weights(NamedTuple):
    """Tokens that a model of one family makes of a byte of JSON, by what it says in it."""

    text: float
    argument: float
    #: For a call itself, whatever its arguments.
    call: float
    #: For a byte of a thinking block's signature beyond `signature_begins`.
    signature: float
    signature_begins: int


#: Claude 3 and 4, up to 4.6. They are the ones whose output was logged in part.
EARLIER = Weights(0.30, 0.30, 55.0, 0.168, 150)
#: Those with the tokenizer that came with Claude Opus 4.7, and what nothing is known of.
LATER = Weights(0.365, 0.43, 60.0, 0.266, 300)
_EARLIER_NAME = re.compile(r"claude-3|-4(-[0-6])?(-\d{8})?$")


@lru_cache(maxsize=256)
def weights(model: str | None) -> Weights:
    """Return the weights of a model, by its name."""
    return EARLIER if _EARLIER_NAME.search(model or "") else LATER


def tokens(content: Content, model: str | None) -> int:
    """Estimate the output tokens that content takes.

    Thinking is billed whole, and shown as a summary or not at all; its signature grows with the
    whole of it.
    """
    by = weights(model)
    hidden = by.signature * (content.signature_bytes - by.signature_begins)
    return round(
        by.text * content.text_bytes
        + by.argument * content.argument_bytes
        + by.call * content.calls
        + max(hidden, by.text * content.thinking_bytes)
    )


#: Responses whose lines are awaited; of 9,569 real lines that went on with a response, all but 13
#: followed its last line with no other response between, and the 13 with one.
_REMEMBERED = 32
#: Characters of an id that are remembered: of an overlong one its end, where places have an offset.
_ID_LENGTH = 100

_Key = tuple[str, int]


class ContentSums:
    """Adds up the content of each response over its lines, of each way in which it is told.

    What a line holds is no other line's, so sums are needed; they only grow, so the largest is
    the whole. Those of the responses touched last go on in the next slice.
    """

    def __init__(self, carry: Any) -> None:
        self._sums: dict[_Key, int] = {(id, rank): tokens for id, rank, tokens in carry or ()}
        self._largest: dict[str, int] = {}

    def carry(self) -> Any:
        """Return what the next slice needs, the response touched last at the end."""
        return [[*key, tokens] for key, tokens in self._sums.items()] or None

    def add(self, content: Content, record: Record) -> None:
        """Add a line's content to that of its response."""
        response = record.responses[-1]
        # A sub-agent's line and the progress line that quotes it say the same.
        key = (response.id[-_ID_LENGTH:], int(record.copy_rank))
        total = self._sums.pop(key, 0) + tokens(content, response.model)
        self._sums[key] = total
        if len(self._sums) > _REMEMBERED:
            del self._sums[next(iter(self._sums))]
        if total > self._largest.get(response.id, -1):
            self._largest[response.id] = total

    def totals(self) -> Iterator[tuple[str, int]]:
        """Yield (response id, tokens) of the responses that this slice has touched."""
        yield from self._largest.items()
