"""Figures for people: bytes, seconds and counts in words that stay the same everywhere. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

UNKNOWN = "—"

_SIZES = ((999.5e3, 1e3, "kB"), (999.5e6, 1e6, "MB"), (999.5e9, 1e9, "GB"), (999.5e12, 1e12, "TB"), (math.inf, 1e15, "PB"))
"""Below this many bytes, in this unit."""
_TIMES = ((999.5e-6, 1e-6, "µs"), (0.9995, 1e-3, "ms"), (59.95, 1, "s"))
"""Below this many seconds, in this unit."""
_LONG_TIMES = ((3600, 60, "min", 1, "s"), (86_400, 3600, "h", 60, "min"), (math.inf, 86_400, "d", 3600, "h"))
"""Below this many seconds, in these two units."""
_BYTES_IN_FULL = 1000
_COUNT_IN_FULL = 10_000
_FIRST_DECIMAL = 0.01
_IDENTIFIERS = ("oid", "pid", "port", "version", "id", "lsn", "year")


def _three_digits(value: float) -> str:
    """Three significant digits below 100, whole numbers above: 1.85, 26.2, 280."""
    for limit, digits in ((9.995, 2), (99.95, 1)):
        if value < limit:
            return f"{value:.{digits}f}"
    return f"{value:.0f}"


def size(number: float | None) -> str:
    """A number of bytes in decimal units (1 MB is 1,000,000 bytes), as disks and object stores are billed."""
    if number is None or not math.isfinite(number):
        return UNKNOWN
    if number < 0:
        return f"-{size(-number)}"
    if number < _BYTES_IN_FULL:
        return f"{number:.0f} B"
    factor, unit = next((factor, unit) for limit, factor, unit in _SIZES if number < limit)
    return f"{_three_digits(number / factor)} {unit}"


def rate(bytes_per_second: float | None) -> str:
    """Bytes a second."""
    return UNKNOWN if bytes_per_second is None else f"{size(bytes_per_second)}/s"


def duration(seconds: float | None) -> str:
    """A time in seconds: 420 µs, 6.70 ms, 33.4 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    if seconds <= 0:
        return f"-{duration(-seconds)}" if seconds else "0 s"
    for limit, factor, unit in _TIMES:
        if seconds < limit:
            return f"{_three_digits(seconds / factor)} {unit}"
    # Rounded first: 3599.7 s is 1 h, not 60 min.
    _, large, large_unit, small, small_unit = next(row for row in _LONG_TIMES if round(seconds / row[3]) * row[3] < row[0])
    first, rest = divmod(round(seconds / small) * small, large)
    return f"{count(first)} {large_unit} {rest // small} {small_unit}".removesuffix(f" 0 {small_unit}")


def count(number: float | None) -> str:
    """A number with thousands separated; at most two decimals, none for whole numbers."""
    if number is None or not math.isfinite(number):
        return UNKNOWN
    if float(number).is_integer():
        return f"{int(number):,}"
    return f"{number:,.2f}" if abs(number) >= _FIRST_DECIMAL else f"{number:.3g}"


def percent(ratio: float | None) -> str:
    """A ratio (1.0 is all of it) as a percentage."""
    if ratio is None or not math.isfinite(ratio):
        return UNKNOWN
    return f"{ratio * 100:.1f} %".replace(".0 %", " %")


def plural(number: int, noun: str, many: str = "") -> str:
    """`1 finding`, `2 findings`."""
    return f"{count(number)} {noun if number == 1 else many or noun + 's'}"


@dataclass(frozen=True)
class Figure:
    """One labelled value: what a person reads, and the exact value behind it."""

    label: str
    text: str
    exact: str = ""
    """With its unit; empty when `text` is exact already."""


_UNITS: dict[str, tuple[Callable[[float], str], str]] = {
    "bytes": (size, "bytes"),
    "seconds": (duration, "seconds"),
    "s": (duration, "seconds"),
    "ms": (lambda number: duration(number / 1000), "ms"),
    "percent": (lambda number: percent(number / 100), "%"),
    "pct": (lambda number: percent(number / 100), "%"),
    "ratio": (percent, ""),
}


def figure(key: str, value: object) -> Figure:
    """Label and value of one key of a JSON document; the unit comes from the key's end (`size_bytes`, `p95_ms`, `hit_ratio`)."""
    words = key.split("_")
    label = " ".join(words)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Figure(label, plain(value))
    if words[-1] in _UNITS:
        show, unit = _UNITS[words[-1]]
        subject = label if words[-1] == "ratio" else " ".join(words[:-1]) or label
        return Figure(subject, show(value), f"{exact(value)} {unit}".rstrip())
    if not {words[0], words[-1]}.isdisjoint(_IDENTIFIERS) or (isinstance(value, int) and abs(value) < _COUNT_IN_FULL):
        return Figure(label, str(value))
    return Figure(label, count(value), exact(value))


def exact(number: float) -> str:
    """The number itself, nothing rounded away."""
    return f"{number:,}" if isinstance(number, int) else f"{number:,.15g}"


def plain(value: object) -> str:
    """Any JSON value as text: words for null and booleans, lists separated by commas, mappings as `label value` with units."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        nested = any(isinstance(item, list | tuple | Mapping) for item in value)
        return ("; " if nested else ", ").join(plain(item) for item in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{one.label} {one.text}" for one in (figure(str(key), item) for key, item in value.items())) or "none"
    return str(value)
