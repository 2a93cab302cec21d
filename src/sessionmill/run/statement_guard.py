"""Which SQL an effectful processor may run: what cannot end or outlive its transaction.

* Admitted: SELECT, INSERT, UPDATE, DELETE, MERGE; CREATE, ALTER and DROP of tables and views;
  EXPLAIN of these. All else is refused by name.
* Core tables are read, never written.

DuckDB says where each statement of a text ends and what type it has, and splits it into tokens; so
strings, comments and odd spaces hide nothing. The type alone proves little: a CTE of a SELECT
deletes or copies to a file, EXPLAIN ANALYZE runs what it explains, and COMMENT is typed ALTER. It
guards against accidents: a plugin is trusted code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import duckdb

_ADMITTED = frozenset(
    {"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE_INTO", "CREATE", "ALTER", "DROP", "EXPLAIN"}
)
_DEFINING = frozenset({"CREATE", "ALTER", "DROP"})
#: How a query begins; then what else EXPLAIN may explain.
_QUERY = frozenset({"SELECT", "WITH", "FROM", "VALUES", "TABLE", "PIVOT", "UNPIVOT"})
_WRITING = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE"})
_EXPLAINED = _QUERY | _WRITING | _DEFINING | {"(", "DESCRIBE", "SHOW", "SUMMARIZE"}

#: What to do instead, by a statement's type or first word.
_INSTEAD = {
    "TRANSACTION": "To commit, return from process_session; to roll back, raise.",
    "COPY": "Read files in the processor and hand their rows to conn.insert_arrow; write none.",
    "MULTI": "PIVOT with its values named, as in ON column IN ('a', 'b'), is a SELECT.",
    "PREPARE": "Hand the parameters to conn.execute.",
    "SET": "Settings are the same for all processors; they stand in the configuration.",
    "VACUUM": "The owner of the facts looks after the file.",
}
_INSTEAD |= dict.fromkeys(("ATTACH", "DETACH", "EXPORT", "LOAD"), _INSTEAD["COPY"])
_INSTEAD |= dict.fromkeys(("EXECUTE", "DEALLOCATE"), _INSTEAD["PREPARE"])
_INSTEAD |= dict.fromkeys(("PRAGMA", "VARIABLE_SET"), _INSTEAD["SET"])
_INSTEAD |= dict.fromkeys(("CALL", "ANALYZE"), _INSTEAD["VACUUM"])


def admit(cursor: duckdb.DuckDBPyConnection, sql: str, protected: frozenset[str]) -> None:
    """Raise PermissionException unless a processor may run each statement of `sql`.

    `protected` are lower-case names of tables, whatever schema they are written with; a temporary
    table of such a name is refused too, for it would hide the core table. What DuckDB itself
    cannot parse raises DuckDB's error.
    """
    for kind, tokens in _statements(cursor, sql):
        if kind not in _ADMITTED:
            raise _refusal(kind)
        body = _explained(tokens) if kind == "EXPLAIN" else tokens
        if body and body[0].keyword in _DEFINING:
            _admit_definition(body, protected)
        elif kind in _DEFINING:
            raise _refusal(body[0].keyword)
        if _copies(body):
            raise _refusal("COPY")
        for name in _changed(body):
            _admit_target(name, protected)


def table_name(written: str) -> str | None:
    """Return `written` if it is one name of a table as SQL has it, quoted where it must be."""
    tokens = _tokens(written)
    return written if tokens and _name_at(tokens, 0)[1] == len(tokens) else None


def words(sql: str) -> list[str]:
    """Return the names and signs of a statement in order, names as DuckDB compares them."""
    return [token.name or token.keyword for token in _tokens(sql)]


# ── refusing ──


def _refusal(kind: str) -> duckdb.Error:
    return duckdb.PermissionException(
        f"{kind} is refused: a processor's statements are part of the transaction that commits its "
        "rows and its state together. Admitted are SELECT, INSERT, UPDATE, DELETE, MERGE, EXPLAIN, "
        "and CREATE, ALTER and DROP of tables and views. " + _INSTEAD.get(kind, "Do without it.")
    )


def _admit_target(name: str, protected: frozenset[str]) -> None:
    if name in protected:
        raise duckdb.PermissionException(
            f"{name} is a core table, which the framework alone writes; a processor may read it. "
            "Write to a table of the processor's own."
        )


def _admit_definition(tokens: list[_Token], protected: frozenset[str]) -> None:
    at = 1
    while _keyword(tokens, at) in {"OR", "REPLACE", "TEMP", "TEMPORARY", "RECURSIVE"}:
        at += 1
    if _keyword(tokens, at) not in {"TABLE", "VIEW"}:
        raise _refusal(f"{tokens[0].keyword} {_keyword(tokens, at)}".strip())
    at += 1
    while _keyword(tokens, at) in {"IF", "NOT", "EXISTS"}:
        at += 1
    _admit_target(_name_at(tokens, at)[0], protected)
    if tokens[0].keyword == "ALTER":
        for here, (first, second) in enumerate(pairwise(tokens)):
            if (first.keyword, second.keyword) == ("RENAME", "TO"):
                _admit_target(_name_at(tokens, here + 2)[0], protected)


# ── reading ──


class _Token(NamedTuple):
    #: Upper case; "" for what is quoted. Operators and brackets are keywords of their own.
    keyword: str
    #: As DuckDB compares names, in lower case; "" for what names nothing.
    name: str


def _statements(cursor: duckdb.DuckDBPyConnection, sql: str) -> Iterator[tuple[str, list[_Token]]]:
    for statement in cursor.extract_statements(sql):
        try:
            kind = statement.type.name
        except ValueError:  # UPDATE EXTENSIONS has a type that Python's enum lacks
            raise _refusal("A statement of unknown type") from None
        # `query` has a plain space for each odd one that the parser takes for a space.
        yield kind, [token for token in _tokens(statement.query) if token.keyword != ";"]


#: A quoted name (a string, too, can name a table: DELETE FROM 'runs'), a word, or a sign.
_TOKEN = re.compile(
    rb'"[^"]*(?:""[^"]*)*"|`[^`]*(?:``[^`]*)*`'
    rb"|'[^']*(?:''[^']*)*'|[\w$\x80-\xff]+|.",
    re.DOTALL,
)


def _tokens(text: str) -> list[_Token]:
    raw = text.encode()  # offsets count bytes
    return [
        _token(found[0].decode(errors="replace"))
        for start, kind in duckdb.tokenize(text)
        if kind != duckdb.token_type.comment and (found := _TOKEN.match(raw, start))
    ]


def _token(text: str) -> _Token:
    first = text[0]
    if first in "\"'`":
        return _Token("", text[1:-1].replace(first * 2, first).lower())
    is_word = first.isalnum() or first in "_$" or first > "\x7f"
    return _Token(text.upper(), text.lower() if is_word else "")


def _keyword(tokens: list[_Token], at: int) -> str:
    return tokens[at].keyword if at < len(tokens) else ""


def _name_at(tokens: list[_Token], at: int) -> tuple[str, int]:
    """Return the last part of the qualified name that starts at `at`, and where it ends."""
    if at == len(tokens) or not tokens[at].name:
        return "", at
    while _keyword(tokens, at + 1) == "." and at + 2 < len(tokens) and tokens[at + 2].name:
        at += 2
    return tokens[at].name, at + 1


def _changed(tokens: list[_Token]) -> Iterator[str]:
    """Yield the tables whose rows are written, be it in a CTE; a few names too many at times."""
    for at, (keyword, _) in enumerate(tokens, 1):
        if keyword in {"INTO", "UPDATE"}:
            yield _name_at(tokens, at)[0]
        elif keyword == "DELETE" and _keyword(tokens, at) == "FROM":
            yield _name_at(tokens, at + 1)[0]
        elif keyword == "TRUNCATE":
            yield _name_at(tokens, at + (_keyword(tokens, at) == "TABLE"))[0]


def _copies(tokens: list[_Token]) -> bool:
    """Whether a CTE writes a file: WITH d AS [MATERIALIZED] (COPY … TO …)."""
    return any(
        first.keyword in {"AS", "MATERIALIZED"} and (second.keyword, third.keyword) == ("(", "COPY")
        for first, second, third in zip(tokens, tokens[1:], tokens[2:], strict=False)
    )


def _explained(tokens: list[_Token]) -> list[_Token]:
    """Return what follows EXPLAIN and its options; raise if it is none of what is admitted."""
    at = 1 + (_keyword(tokens, 1) == "ANALYZE")
    if _keyword(tokens, at) == "(" and _keyword(tokens, at + 1) not in _QUERY | {"("}:
        at = _after_bracket(tokens, at)
    if _keyword(tokens, at) not in _EXPLAINED:
        raise _refusal(f"EXPLAIN {_keyword(tokens, at)}")
    return tokens[at:]


def _after_bracket(tokens: list[_Token], at: int) -> int:
    depth = 0
    for end in range(at, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[end].keyword, 0)
        if depth == 0:
            return end + 1
    return len(tokens)
