"""Whether two answers are the same, row by row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

DIGITS = 9
"""Of numbers with a fraction: sums of them depend on the order of the rows."""


def canonical(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The value with its fractions rounded, so that equal answers are equal texts."""
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


def _texts(rows: Sequence[Any], *, ordered: bool) -> list[str]:
    texts = [json.dumps(canonical(row), sort_keys=True, ensure_ascii=False) for row in rows]
    return texts if ordered else sorted(texts)


def first_difference(before: Sequence[Any], after: Sequence[Any], *, ordered: bool) -> str:
    """Where two answers differ, in a sentence without their contents (they are people's data); empty when they do not."""
    if len(before) != len(after):
        return f"before gave {len(before)} rows, after {len(after)}"
    texts = zip(_texts(before, ordered=ordered), _texts(after, ordered=ordered), strict=True)
    place = next((number for number, (one, other) in enumerate(texts) if one != other), None)
    return "" if place is None else f"row {place + 1} of {len(before)} differs"
