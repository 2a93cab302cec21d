"""The package's rules for names, as one regular expression of RE2 each.

RE2 has no lookahead: what must not match is a second expression.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from genai_prices import types


class Rule(NamedTuple):
    """What a name in lower case must match, and what it must not."""

    pattern: str
    except_pattern: str | None = None


def rule(match: types.MatchLogic) -> Rule:
    """Translate the logic of one model. Raises ValueError for what was never met."""
    clauses = match.or_ if isinstance(match, types.ClauseOr) else [match]
    rules = [_conjunction(clause) for clause in clauses]
    refused = {one.except_pattern for one in rules} - {None}
    if not refused:
        return Rule("|".join(one.pattern for one in rules))
    [refusal] = refused
    for clause, one in zip(clauses, rules, strict=True):
        if one.except_pattern is None and not _is_spared(clause, str(refusal)):
            raise ValueError(f"a refusal that would hold for all of {match}")
    return Rule("|".join(one.pattern for one in rules), refusal)


def _conjunction(match: types.MatchLogic) -> Rule:
    """Translate `starts_with` and `^(?!…)`, or what is no conjunction."""
    if not isinstance(match, types.ClauseAnd):
        return Rule(_pattern(match))
    [taken] = [clause for clause in match.and_ if _refused(clause) is None]
    [refusal] = [found for clause in match.and_ if (found := _refused(clause)) is not None]
    return Rule(_pattern(taken), refusal)


def _refused(clause: types.MatchLogic) -> str | None:
    """Return what `^(?!…)` refuses, if that is all that a clause says."""
    if isinstance(clause, types.ClauseRegex):
        found = re.fullmatch(r"\^\(\?!(.*)\)", clause.regex)
        return None if found is None else f"^{found[1]}"
    return None


def _is_spared(clause: types.MatchLogic, refusal: str) -> bool:
    """Tell whether nothing that a clause takes is refused."""
    return isinstance(clause, types.ClauseEquals) and not re.search(refusal, clause.equals)


def _pattern(match: types.MatchLogic) -> str:
    if isinstance(match, types.ClauseOr):
        return "|".join(_pattern(clause) for clause in match.or_)
    if isinstance(match, types.ClauseStartsWith):
        return f"^{_literal(match.starts_with)}"
    if isinstance(match, types.ClauseEndsWith):
        return f"{_literal(match.ends_with)}$"
    if isinstance(match, types.ClauseContains):
        return _literal(match.contains)
    if isinstance(match, types.ClauseEquals):
        return f"^{_literal(match.equals)}$"
    if isinstance(match, types.ClauseRegex) and "(?" not in match.regex.replace("(?:", ""):
        return match.regex
    raise ValueError(f"a rule that RE2 may not understand: {match}")


def _literal(text: str) -> str:
    return re.sub(r"([^\w\s-])", r"\\\1", text.lower())
