"""Small draws, all made of ``Random.random``: the one method whose numbers Python promises to keep."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def happens(random: Random, ratio: float) -> bool:
    """True in that share of cases (0 to 1)."""
    return random.random() < ratio


def pick(random: Random, options: Sequence[T]) -> T:
    """One of the options, each as likely."""
    return options[int(random.random() * len(options))]


def every(number: int, step: int, first: int = 0) -> bool:
    """True for ``first``, ``first + step`` and so on."""
    return number % step == first
