"""Whether two answers are the same, row by row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import isclose
from typing import Any

TOLERANCE = 1e-9
"""Relative, of numbers with a fraction: sums of them depend on the order of the rows."""
DIGITS = 6
"""Of such numbers where rows are sorted: fewer than are compared, so that equal rows come to lie beside each other."""


def canonical(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The value with its fractions rounded, for sorting: two that are nearly equal may be rounded apart."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float):
        rounded = float(f"{value:.{DIGITS}g}")
        return int(rounded) if rounded.is_integer() else rounded
    if isinstance(value, dict):
        return {key: canonical(inner) for key, inner in sorted(value.items())}
    if isinstance(value, list):
        return [canonical(inner) for inner in value]
    return value


def equal(one: Any, other: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether two values are the same, fractions within the tolerance."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other or (isinstance(one + other, float) and isclose(one, other, rel_tol=TOLERANCE))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return type(one) is type(other) and bool(one == other)


def _sorted(rows: Sequence[Any]) -> list[Any]:
    return sorted(rows, key=lambda row: json.dumps(canonical(row), sort_keys=True, ensure_ascii=False))


def first_difference(before: Sequence[Any], after: Sequence[Any], *, ordered: bool) -> str:
    """Where two answers differ, in a sentence without their contents (they are people's data); empty when they do not."""
    if len(before) != len(after):
        return f"before gave {len(before)} rows, after {len(after)}"
    pairs = zip(before, after, strict=True) if ordered else zip(_sorted(before), _sorted(after), strict=True)
    place = next((number for number, (one, other) in enumerate(pairs) if not equal(one, other)), None)
    return "" if place is None else f"row {place + 1} of {len(before)} differs"
