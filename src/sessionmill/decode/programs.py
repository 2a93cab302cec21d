"""Which program a shell command runs: its name and no other word of the command.

The first program counts: of `git add . && git commit` git, of `npx eslint . | tail` npx, of
`python -m pytest` python, of `bash -c "make"` bash. What only prepares is passed over: changes of
directory, assignments, `source` and the like, tests in brackets, keywords, and wrappers such as
sudo and timeout with their options. Where the name is quoted, comes from a variable or stands
behind a heredoc, it is not told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: Of at most 64 characters, a letter among them.
_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9._][A-Za-z0-9._+-]{0,63}")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*(\[\w*\])?\+?=", re.ASCII)

#: A first word that no shell reads as anything else; most commands begin so.
_PLAIN_FIRST = re.compile(r"\s*([A-Za-z0-9_./~+-]+)(?=[ \n]|$)", re.ASCII)
#: What stands in a word for itself.
_PLAIN = re.compile(r"[^ \t\r\n;&|()<>\\'\"`$]*")

#: Beyond so many characters nobody looks for the first program.
_LONGEST = 4096

#: Commands that prepare for the one that matters; alone, each is that one.
_PREPARING = frozenset(
    "cd pushd popd export set unset source . shopt umask trap test [ [[ continue break return"
    " local declare readonly typeset alias ulimit Set-Location Push-Location Pop-Location".split()
)
#: Keywords before which, or behind which, a command begins.
_KEYWORDS = frozenset("if then elif else while until do ! {".split())
#: Keywords whose own words name no program, up to the next command.
_HEADERS = frozenset("for select".split())


@dataclass(frozen=True)
class _Wrapper:
    """A program that runs another one."""

    #: Options that take the next word as their value.
    valued: frozenset[str] = frozenset()
    #: Words of its own before the program's name.
    operands: int = 0
    #: Options with which it runs nothing.
    asking: frozenset[str] = frozenset()


_WRAPPERS = {
    "sudo": _Wrapper(frozenset("-u -g -h -p -C -T -r -t -D -R --user --group".split())),
    "doas": _Wrapper(frozenset(("-u", "-C"))),
    "env": _Wrapper(frozenset("-u -C --unset --chdir".split())),
    "time": _Wrapper(frozenset("-f -o --format --output".split())),
    "nohup": _Wrapper(),
    "timeout": _Wrapper(frozenset("-s -k --signal --kill-after".split()), operands=1),
    "gtimeout": _Wrapper(frozenset("-s -k --signal --kill-after".split()), operands=1),
    "nice": _Wrapper(frozenset(("-n", "--adjustment"))),
    "ionice": _Wrapper(frozenset("-c -n -p --class --classdata".split())),
    "stdbuf": _Wrapper(frozenset("-i -o -e --input --output --error".split())),
    "setsid": _Wrapper(),
    "caffeinate": _Wrapper(frozenset(("-t", "-w"))),
    "command": _Wrapper(asking=frozenset(("-v", "-V"))),
    "builtin": _Wrapper(),
    "exec": _Wrapper(frozenset(("-a",))),
    "eval": _Wrapper(),
}
_SPECIAL = _PREPARING | _KEYWORDS | _HEADERS
#: The shells that a client starts a command line with, and the option before it.
_SHELLS = frozenset(("bash", "sh", "zsh", "dash"))
_SHELL_OPTIONS = frozenset(("-c", "-lc", "-ic", "-lic"))


def program(command: str) -> str | None:
    """Return the name of the first program that a command line runs, or None.

    What is returned matches [A-Za-z0-9._+-]{1,64}. Raises nothing.
    """
    if (first := _PLAIN_FIRST.match(command)) and first[1] not in _SPECIAL:
        name = _name(first[1])
        if name not in _WRAPPERS:
            return name
    prepared: str | None = None
    try:
        for words in _commands(command[:_LONGEST]):
            name, decided = _of_words(words)
            if decided:
                return name
            prepared = prepared or name
    except (_UntoldError, RecursionError):
        return None
    return prepared


def program_of(argv: Sequence[str]) -> str | None:
    """Return the program of a command given as a list: of a shell, what its command line runs."""
    if not argv:
        return None
    name = _name(argv[0])
    if len(argv) == 3 and name in _SHELLS and argv[1] in _SHELL_OPTIONS:
        return program(argv[2])
    return name


class _UntoldError(Exception):
    """From here on it cannot be told what is a command."""


def _of_words(words: Sequence[str]) -> tuple[str | None, bool]:
    """Return the program of one simple command, and whether the search ends with it."""
    at, last = 0, None
    while at < len(words):
        word = words[at]
        if word in _KEYWORDS or _ASSIGNMENT.match(word):
            at += 1
        elif word in _HEADERS:
            return None, False
        elif word in _PREPARING:
            return _name(word), False
        elif (name := _name(word)) in _WRAPPERS:
            last, at = name, _behind(_WRAPPERS[name], words, at + 1)
        else:
            return name, True
    return last, last is not None


def _behind(wrapper: _Wrapper, words: Sequence[str], at: int) -> int:
    """Return where the wrapped command begins: at the end, if the wrapper runs none."""
    operands = wrapper.operands
    while at < len(words):
        word = words[at]
        if word in wrapper.asking:
            return len(words)
        if word.startswith("-"):
            at += 2 if word in wrapper.valued else 1
        elif operands:
            at, operands = at + 1, operands - 1
        else:
            break
    return at


def _name(word: str) -> str | None:
    """Return the base name of a path, or None where it looks like no program's."""
    base = word.rpartition("/")[2].rpartition("\\")[2]
    if base[-4:].casefold() == ".exe":
        base = base[:-4]
    return base if _NAME.fullmatch(base) else None


# ── words ────────────────────────────────────────────────────────────────────────────────────


def _commands(text: str) -> Iterator[Sequence[str]]:
    """Yield the words of each simple command; a word with a quote in it is kept as it is."""
    words: list[str] = []
    try:
        for word in _words(text):
            if word is not None:
                words.append(word)
            elif words:
                yield words
                words = []
    except _UntoldError:
        # Of a command that is broken off the first words are whole.
        if words:
            yield words
        raise
    if words:
        yield words


def _words(text: str) -> Iterator[str | None]:
    """Yield words, and None between simple commands."""
    at = 0
    while at < len(text):
        char = text[at]
        if char in " \t\r":
            at += 1
        elif char == "\\" and text[at + 1 : at + 2] in ("\n", "\r"):
            at += 2
        elif char == "#":
            at = _line_end(text, at)
        elif char in "\n;&|()":
            yield None
            at += 1
        elif char in "<>":
            if text.startswith("<<", at) and not text.startswith("<<<", at):
                # A heredoc's words stand behind this line: what ends it is not looked for.
                raise _UntoldError
            at = _behind_redirection(text, at)
        else:
            end = _word_end(text, at)
            if not (text[at:end].isdigit() and text[end : end + 1] in ("<", ">")):
                yield text[at:end]
            at = end


def _line_end(text: str, at: int) -> int:
    newline = text.find("\n", at)
    return len(text) if newline < 0 else newline


def _behind_redirection(text: str, at: int) -> int:
    """Return where a redirection ends: `> file`, `>&2`, `<<< word`."""
    while at < len(text) and text[at] in "<>&|":
        at += 1
    while at < len(text) and text[at] in " \t":
        at += 1
    if at < len(text) and text[at] not in "\n;&|()<>":
        return _word_end(text, at)
    return at


def _word_end(text: str, at: int) -> int:
    """Return where a word ends: quotes and what is substituted belong to it."""
    plain = _PLAIN.match
    while found := plain(text, at):
        at = found.end()
        if at >= len(text):
            break
        char = text[at]
        if char in " \t\r\n;&|()<>":
            return at
        if char == "\\":
            at = min(at + 2, len(text))
        elif char == "$" and text[at + 1 : at + 2] == "'":
            # In $'…' a quote can be escaped: what stands behind it is no word of the shell's.
            at = _quote_end(text, at + 1, escapes=True)
        elif char in "'\"`":
            at = _quote_end(text, at, escapes=char != "'")
        elif char == "$" and text[at + 1 : at + 2] in ("(", "{"):
            at = _substitution_end(text, at + 1)
        else:
            at += 1
    return len(text)


def _quote_end(text: str, at: int, *, escapes: bool) -> int:
    """Return what stands behind a quoted part."""
    quote, at = text[at], at + 1
    if not escapes:
        at = text.find(quote, at)
        if at < 0:
            raise _UntoldError
        return at + 1
    while at < len(text) and text[at] != quote:
        if text[at] == "\\":
            at += 2
        elif quote == '"' and text[at] == "$" and text[at + 1 : at + 2] in ("(", "{"):
            # Quotes within have pairs of their own.
            at = _substitution_end(text, at + 1)
        else:
            at += 1
    if at >= len(text):
        raise _UntoldError
    return at + 1


def _substitution_end(text: str, at: int) -> int:
    """Return what stands behind $(…) or ${…}; within, only brackets and quotes are looked at."""
    depth = 0
    while at < len(text):
        char = text[at]
        if text.startswith("<<", at):
            raise _UntoldError  # a heredoc's text may hold any bracket and quote
        if char in "'\"`":
            at = _quote_end(text, at, escapes=char != "'")
            continue
        depth += (char in "({") - (char in ")}")
        at += 2 if char == "\\" else 1
        if depth == 0:
            return at
    raise _UntoldError
