"""Commits and pull requests that git and gh have printed, as a command's output tells them."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: "[main 1a2b3c4] message", "[main (root-commit) 1a2b3c4] …", "[detached HEAD 1a2b3c4] …".
_COMMIT = re.compile(
    r"\[(?:detached HEAD|[^\s\[\]]{1,200})(?: \(root-commit\))? ([0-9a-f]{7,40})\] \S"
)
_PULL_REQUEST = re.compile(r"https://[^/\s]{1,100}/([\w.-]{1,100}/[\w.-]{1,100})/pull/(\d{1,9})")


def commits(text: str) -> list[str]:
    """Return the short ids of the commits that a text tells of, each once.

    A line tells of one that begins as git's own line does. Almost every text holds no bracket at
    the start of a line, and is not looked at further.
    """
    # For one character the search is many times as fast as for two.
    if "[" not in text or (not text.startswith("[") and "\n[" not in text):
        return []
    return list(dict.fromkeys(_commits(text)))


def _commits(text: str) -> Iterator[str]:
    at = 0 if text.startswith("[") else text.find("\n[") + 1
    while True:
        if found := _COMMIT.match(text, at):
            yield found[1]
        at = text.find("\n[", at) + 1
        if not at:
            return


def created_pull_request(text: str) -> str | None:
    """Return `owner/repo#N` where the last line is the address of a pull request, and no more.

    So `gh pr create` ends what it prints.
    """
    tail = text[-400:].rstrip()
    if "/pull/" not in tail[-120:]:
        return None
    return pull_request(tail.rpartition("\n")[2].strip())


def pull_request(address: str) -> str | None:
    """Return `owner/repo#N` of a pull request's address."""
    found = _PULL_REQUEST.fullmatch(address)
    return f"{found[1]}#{found[2]}" if found else None
