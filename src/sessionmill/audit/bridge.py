"""Why another program's figures differ: its rules put in the place of ours, one after the other.

Every line is counted anew for each rule, so what a rule explains is computed, and not guessed. The
rules are those of ccusage 20, as its source has them; what remains when all are in place is
explained by none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sessionmill.audit.usage_lines import COMPARED, Tokens, UsageLine

_OUTPUT = COMPARED.index("output_tokens")


@dataclass(frozen=True, slots=True)
class Rules:
    """How lines are counted; as it is made, as sessionmill does."""

    reads_compressed: bool = True
    reads_damaged: bool = True
    reads_answers_alone: bool = True
    reads_untimed: bool = True
    reads_synthetic: bool = False
    counts_iterations: bool = True
    #: A response that several usernames hold is counted for each.
    parts_users: bool = True
    #: A line without a message id is known by its uuid; else each is a response.
    knows_by_uuid: bool = True
    #: Of each class of tokens the largest value counts; else one line's, that with the most.
    merges_lines: bool = True
    #: One message id under several request ids is several responses.
    parts_requests: bool = False
    #: Cache writes beyond the split, where there is one, count.
    counts_unsplit: bool = True


class Step(NamedTuple):
    """A rule, and how many tokens more sessionmill counts of each class because of it."""

    rule: str
    tokens: Tokens


#: Each rule of the other program in which it is not ours, in the order in which they are put in.
_OTHERS: tuple[tuple[str, dict[str, bool]], ...] = (
    ("compressed transcripts are not read", {"reads_compressed": False}),
    ("lines that are damaged are skipped", {"reads_damaged": False}),
    ("lines without a time are skipped", {"reads_untimed": False}),
    ("lines with usage of any type count", {"reads_answers_alone": False}),
    ("lines of no model (<synthetic>) count", {"reads_synthetic": True}),
    ("earlier iterations of a fallback do not count", {"counts_iterations": False}),
    ("copies count once, whoever holds them", {"parts_users": False}),
    ("lines without a message id count each", {"knows_by_uuid": False}),
    ("the line with the most tokens counts, main lines first", {"merges_lines": False}),
    ("lines under another request id, or none, count again", {"parts_requests": True}),
    ("cache writes beyond their split do not count", {"counts_unsplit": False}),
)


def bridge(lines: Iterable[UsageLine]) -> tuple[Tokens, list[Step], Tokens]:
    """Return our figures of the lines, what each rule takes away, and what is left then."""
    told, rules = list(lines), Rules()
    first = before = count(told, rules)
    steps: list[Step] = []
    for rule, changes in _OTHERS:
        rules = replace(rules, **changes)
        after = count(told, rules)
        steps.append(Step(rule, less(before, after)))
        before = after
    return first, steps, before


def count(lines: Sequence[UsageLine], rules: Rules) -> Tokens:
    """Count lines by rules."""
    read = [_as_read(line, rules) for line in lines if _is_read(line, rules)]
    chosen = _merged(read, rules) if rules.merges_lines else _largest(read, rules)
    return total(chosen)


def total(tokens: Iterable[Tokens]) -> Tokens:
    """Add figures up, class by class."""
    sums = [0] * len(COMPARED)
    for figures in tokens:
        sums = [have + more for have, more in zip(sums, figures, strict=True)]
    return _four(sums)


def less(more: Tokens, fewer: Tokens) -> Tokens:
    """Take figures from others, class by class."""
    return _four([have - take for have, take in zip(more, fewer, strict=True)])


def _four(figures: Sequence[int]) -> Tokens:
    fresh, output, read, write = figures
    return fresh, output, read, write


def _is_read(line: UsageLine, rules: Rules) -> bool:
    return (
        (rules.reads_compressed or not line.is_compressed)
        and (rules.reads_damaged or not line.is_damaged)
        and (rules.reads_untimed or line.at is not None)
        and (line.is_answer or not rules.reads_answers_alone)
        and (rules.reads_synthetic or not line.is_synthetic)
        and (rules.counts_iterations or not line.is_iteration)
    )


def _as_read(line: UsageLine, rules: Rules) -> UsageLine:
    if rules.counts_unsplit:
        return line
    return line._replace(tokens=(*line.tokens[:3], line.split_cache_write))


def _key(line: UsageLine, number: int, rules: Rules) -> tuple[str, str]:
    id = line.id if line.has_id or rules.knows_by_uuid else f"{line.id} of line {number}"
    return line.username if rules.parts_users else "", id


def _merged(lines: Sequence[UsageLine], rules: Rules) -> Iterable[Tokens]:
    """Of each response the largest values in each transcript, and the elected transcript's."""
    copies: dict[tuple[str, str], dict[str, UsageLine]] = {}
    for number, line in enumerate(lines):
        of_response = copies.setdefault(_key(line, number, rules), {})
        row = of_response.setdefault(line.session_key, line)
        largest = _four([max(pair) for pair in zip(row.tokens, line.tokens, strict=True)])
        merged = row._replace(tokens=largest, rank=min(row.rank, line.rank))
        of_response[line.session_key] = merged
    for of_response in copies.values():
        yield min(of_response.values(), key=_order).tokens


def _order(line: UsageLine) -> tuple[int, int, bytes]:
    place = line.session_key.encode("utf-8", "surrogateescape")
    return -line.tokens[_OUTPUT], line.rank, place


def _largest(lines: Sequence[UsageLine], rules: Rules) -> Iterable[Tokens]:
    """Of each response the one line that has the most tokens, a main line before a sidechain's."""
    responses: dict[tuple[str, str], list[UsageLine]] = {}
    for number, line in enumerate(lines):
        chosen = responses.setdefault(_key(line, number, rules), [])
        same = (at for at, other in enumerate(chosen) if _is_copy(line, other, rules))
        at = next(same, None)
        if at is None:
            chosen.append(line)
        elif _rank(line) > _rank(chosen[at]):
            chosen[at] = line
    return (line.tokens for chosen in responses.values() for line in chosen)


def _is_copy(line: UsageLine, other: UsageLine, rules: Rules) -> bool:
    """Say whether two lines of one message id are one response."""
    if not rules.parts_requests:
        return True
    if line.request_id and line.request_id == other.request_id:
        return True
    if line.session_id != other.session_id:
        return False
    replayed = line.is_sidechain or other.is_sidechain
    return replayed or (not line.request_id and not other.request_id and line.at == other.at)


def _rank(line: UsageLine) -> tuple[bool, int]:
    return not line.is_sidechain, sum(line.tokens)
