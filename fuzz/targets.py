"""What is fuzzed: a module each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from fuzz import contents, decoder, tail


class Target(Protocol):
    """What each of the modules has."""

    def check(self, data: bytes) -> None:
        """Raise if the product breaks a promise on `data`."""

    def seeds(self) -> Iterable[bytes]:
        """Yield inputs to begin with."""

    def tokens(self) -> Iterable[str]:
        """Yield what the fuzzer is to insert now and then."""


TARGETS: Mapping[str, Target] = {"decoder": decoder, "tail": tail, "contents": contents}
