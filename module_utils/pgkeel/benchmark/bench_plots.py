"""Where marks of the plots lie: pure geometry, for the page to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any

from .words import milliseconds, times, words_for

Row = dict[str, Any]
ROW_HEIGHT = 26.0
LEFT, RIGHT, WIDTH = 300.0, 800.0, 880.0
"""Of the comparison: names stand left of LEFT, ratios right of RIGHT."""
PANEL_WIDTH, PANEL_HEIGHT = 300.0, 150.0
PANEL_LEFT, PANEL_RIGHT, PANEL_TOP, PANEL_BOTTOM = 46.0, 288.0, 10.0, 122.0


@dataclass(frozen=True)
class Tick:
    """A line of a scale."""

    at: float
    label: str


@dataclass(frozen=True)
class Pair:
    """One row of the comparison: a dot before, a dot after."""

    y: float
    name: str
    before: float
    after: float
    mood: str
    ratio: str
    told: str


@dataclass(frozen=True)
class Comparison:
    """All rows on one logarithmic scale."""

    height: float
    ticks: tuple[Tick, ...]
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class Dot:
    """A measured size."""

    x: float
    y: float
    told: str


@dataclass(frozen=True)
class Panel:
    """One metric over the number of logs, both axes logarithmic."""

    title: str
    before: tuple[Dot, ...]
    after: tuple[Dot, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    grows: str
    spoken: str


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    return low, max(high, low + 1)


def mood(row: Row) -> str:
    """The report's colour of a verdict."""
    if row["reason"]:
        return "unknown"
    return {True: "good", False: "bad", None: "none"}[row["met"]]


def comparison(rows: Sequence[Row]) -> Comparison | None:
    """Rows with both times; None where there is none."""
    drawn = [row for row in rows if row["before_ms"] and row["after_ms"]]
    if not drawn:
        return None
    low, high = _decades([row[side]["median"] for row in drawn for side in ("before_ms", "after_ms")])

    def place(value: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (log10(value) - low) / (high - low), 1)

    pairs = []
    for number, row in enumerate(drawn):
        before, after = row["before_ms"]["median"], row["after_ms"]["median"]
        name = f"{words_for(row['metric']).title} · {row['client']}"
        told = f"{name}: {milliseconds(before)} before, {milliseconds(after)} after"
        pairs.append(Pair(30 + number * ROW_HEIGHT, name, place(before), place(after), mood(row), times(row["ratio"]), told))
    ticks = tuple(
        Tick(place(10.0**power), milliseconds(10.0**power).replace(".00", "").replace(".0", "")) for power in range(low, high + 1)
    )
    return Comparison(30 + len(drawn) * ROW_HEIGHT, ticks, tuple(pairs))


def count_of(logs: int) -> str:
    """A number of logs, short."""
    return f"{logs / 1_000_000:g} M" if logs >= 100_000 else f"{logs:,}"  # noqa: PLR2004


def growth_panels(sizes: Sequence[Row]) -> list[Panel]:
    """A panel a metric that was measured at two sizes at least."""
    metrics = dict.fromkeys(row["metric"] for size in sizes for row in size["rows"])
    panels = [_panel(metric, sizes) for metric in metrics]
    return [panel for panel in panels if panel is not None]


def _panel(metric: str, sizes: Sequence[Row]) -> Panel | None:
    measured = []
    for size in sizes:
        row = next((row for row in size["rows"] if row["metric"] == metric), None)
        if row and row["before_ms"] and row["after_ms"]:
            measured.append((int(size["logs"]), row["before_ms"]["median"], row["after_ms"]["median"]))
    if len(measured) < 2:  # noqa: PLR2004 - one point is no growth
        return None
    first, last = measured[0], measured[-1]
    low, high = _decades([value for _, *both in measured for value in both])

    def across(logs: int) -> float:
        return round(
            PANEL_LEFT
            + 6
            + (PANEL_RIGHT - PANEL_LEFT - 12) * (log10(logs) - log10(first[0])) / (log10(last[0]) - log10(first[0])),
            1,
        )

    def up(value: float) -> float:
        return round(PANEL_BOTTOM - (PANEL_BOTTOM - PANEL_TOP) * (log10(value) - low) / (high - low), 1)

    def dots(column: int) -> tuple[Dot, ...]:
        return tuple(
            Dot(across(one[0]), up(one[column]), f"{count_of(one[0])} logs: {milliseconds(one[column])}") for one in measured
        )

    more = last[0] / first[0]
    grows = f"{more:g} times the logs: before {times(last[1] / first[1])}, after {times(last[2] / first[2])}"
    title = words_for(metric).title
    step = max(1, (high - low) // 3)
    return Panel(
        title,
        dots(1),
        dots(2),
        tuple(Tick(across(one[0]), count_of(one[0])) for one in measured),
        tuple(
            Tick(up(10.0**power), milliseconds(10.0**power).replace(".00", "").replace(".0", ""))
            for power in range(low, high + 1, step)
        ),
        grows,
        f"{title}: {grows}",
    )
