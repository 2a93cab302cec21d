"""Chance that falls the same way on every machine and in every Python."""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """Throws that depend on the seed alone.

    Of Python's generator only `random()` is promised to stay the same, so everything is made of
    it, by sums and products that round alike everywhere.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 -- made-up figures, no secrets

    def fraction(self) -> float:
        """Throw a number from 0 up to, not including, 1."""
        return self._random.random()

    def chance(self, probability: float) -> bool:
        """Say yes in that part of all throws."""
        return self.fraction() < probability

    def number(self, low: int, high: int) -> int:
        """Throw a whole number; both ends are possible."""
        return low + int(self.fraction() * (high - low + 1))

    def choice(self, values: Sequence[T]) -> T:
        """Choose one of them."""
        return values[int(self.fraction() * len(values))]

    def skewed(self, mean: float) -> float:
        """Throw mostly little and seldom much: half below a fifth of the mean, up to six means."""
        fraction = self.fraction()
        square = fraction * fraction
        return 6 * mean * square * square * fraction
