"""Identifiers in the shape of a cuid: 25 characters, made by the application, ordered by time of creation."""

from __future__ import annotations

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
BLOCK = 36**3
TRIPLE = tuple(first + second + third for first in DIGITS for second in DIGITS for third in DIGITS)
"""Every number below 36³ in base 36, three characters wide."""


def time_block(moment: int) -> str:
    """The first six characters of what is created within one block of 46,656 ms: ``c`` and five digits."""
    high, low = divmod(moment // BLOCK, BLOCK)
    return "c" + TRIPLE[high][1:] + TRIPLE[low]


def identifier(moment: int, number: int, salt: int) -> str:
    """A cuid-like text, unique for its number (below 36⁶) whatever the salt, ordered by time until 2059.

    Like a cuid it holds, in base 36, the creation time (ms), a counter, a constant for the maker, and noise.
    """
    high, low = divmod(number, BLOCK)
    noise = (number * 2_654_435_761 + salt * 40_503) % BLOCK**2
    counter = TRIPLE[low] + TRIPLE[high]
    return f"{time_block(moment)}{TRIPLE[moment % BLOCK]}{counter}0k3{TRIPLE[noise // BLOCK]}{TRIPLE[noise % BLOCK]}e"
