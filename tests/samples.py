"""What `make test` takes a sample of, and `make soak` the whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def sampled(values: Iterable[Any], every: int) -> list[Any]:
    """Return parameters of which the quick tests take one of each `every`, the first among them."""
    return [
        value if number % every == 0 else pytest.param(value, marks=pytest.mark.soak)
        for number, value in enumerate(values)
    ]
