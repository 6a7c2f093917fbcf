"""How the drills of one database went over time: what is drawn, and the same figures in words. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from .documents import Document, DrillVerdict, drill_verdict, number, phases, rows
from .humanize import UNKNOWN, Figure, duration, exact, plain, size

WIDTH, HEIGHT = 300.0, 96.0
"""Of a panel, in its own units."""
LEFT, RIGHT, TOP, BOTTOM = 8.0, 292.0, 10.0, 76.0
"""Where values are drawn; below is the row of verdicts."""
VERDICTS = 88.0
FEWEST = 2
"""Drills that make a trend."""
# A budget so far above every value that the values would lie flat on the ground is told and not drawn.
FARTHEST_BUDGET = 8.0
MOODS = {DrillVerdict.PASS: "good", DrillVerdict.FAIL: "bad", DrillVerdict.COULD_NOT_VERIFY: "unknown"}


@dataclass(frozen=True)
class Mark:
    """One drill in a panel."""

    x: float
    y: float
    """0 where the drill has no such value."""
    mood: str
    over: bool
    """Whether the value is beyond its budget."""
    told: str


@dataclass(frozen=True)
class Panel:
    """One figure over the drills."""

    label: str
    latest: Figure
    note: str
    lines: tuple[str, ...]
    """Points of each unbroken stretch."""
    marks: tuple[Mark, ...]
    budget_y: float
    """0 where no budget is drawn."""
    budget: str
    spoken: str


@dataclass(frozen=True)
class Row:
    """One drill in words."""

    time: str
    verdict: str
    mood: str
    recover: Figure
    at_risk: Figure
    took: Figure
    size: Figure


@dataclass(frozen=True)
class Trend:
    """The drills of one database, oldest first."""

    panels: tuple[Panel, ...]
    """Empty where there are too few."""
    rows: tuple[Row, ...]
    first: str
    last: str


def trend(drill: Document) -> Trend:
    """The drill's history; it has no rows where none was kept."""
    records = rows(drill, "history", "drill")
    told = tuple(_row(record) for record in records)
    panels: tuple[Panel, ...] = ()
    if len(records) >= FEWEST:
        panels = (
            _panel("Time to recover", records, [_number(one, "rto_seconds") for one in records], duration, _budget(drill, "rto")),
            _panel("Data at risk", records, [_number(one, "rpo_seconds") for one in records], duration, _budget(drill, "rpo")),
            _panel("Drill took", records, [_took(one) if _restored(one) else None for one in records], duration, 0.0),
            _panel("Size restored", records, [_size(one) for one in records], size, 0.0),
        )
    return Trend(panels, told, told[0].time if told else "", told[-1].time if told else "")


def _row(record: Document) -> Row:
    verdict = drill_verdict(record)

    def shown(value: float | None, words: Callable[[float | None], str], unit: str) -> Figure:
        return Figure("", UNKNOWN, "not measured") if value is None else Figure("", words(value), f"{exact(value)} {unit}")

    return Row(
        plain(record.get("time"))[:16].replace("T", " "),
        verdict.value,
        MOODS[verdict],
        shown(_number(record, "rto_seconds"), duration, "seconds"),
        shown(_number(record, "rpo_seconds"), duration, "seconds"),
        shown(_took(record), duration, "seconds"),
        shown(_size(record), size, "bytes"),
    )


def _number(record: Document, key: str) -> float | None:
    return number(record, key, "drill.history")


def _restored(record: Document) -> bool:
    """Whether it came so far that there was a copy: one that broke off at once is not a fast one."""
    return _number(record, "rto_seconds") is not None


def _size(record: Document) -> float | None:
    return _number(record, "database_bytes") if _restored(record) else None


def _took(record: Document) -> float | None:
    return sum(seconds for _, seconds, _ in phases(record, "drill.history")) or None


def _budget(drill: Document, name: str) -> float:
    return number(drill, f"{name}_budget_seconds", "drill") or 0.0


def _panel(
    label: str,
    records: Sequence[Document],
    values: Sequence[float | None],
    words: Callable[[float | None], str],
    budget: float,
) -> Panel:
    known = [value for value in values if value is not None]
    highest = max(known, default=0.0)
    drawn = 0 < budget <= FARTHEST_BUDGET * highest
    top = max(highest, budget if drawn else 0.0) or 1.0

    def height(value: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * value / top, 1)

    step = (RIGHT - LEFT - 2) / max(len(values) - 1, 1)
    marks = tuple(
        Mark(
            round(LEFT + 1 + index * step, 1),
            0.0 if value is None else height(value),
            MOODS[drill_verdict(record)],
            bool(budget) and value is not None and value > budget,
            f"{plain(record.get('time'))[:16].replace('T', ' ')}: {words(value)}, {drill_verdict(record).value}",
        )
        for index, (record, value) in enumerate(zip(records, values, strict=True))
    )
    stretches = (list(found) for there, found in groupby(marks, key=lambda mark: bool(mark.y)) if there)
    latest = values[-1]
    over = sum(mark.over for mark in marks)
    spoken = f"{label} over {len(records)} drills: " + (
        f"from {words(min(known))} to {words(highest)}, now {words(latest)}" if known else "never measured"
    )
    note = ""
    if budget:
        note = f"budget {words(budget)}" + (f", exceeded {over} of {len(records)} times" if over else "")
        spoken += f"; {note}"
    return Panel(
        label,
        Figure(label, words(latest)),
        note,
        tuple(" ".join(f"{mark.x},{mark.y}" for mark in stretch) for stretch in stretches if len(stretch) > 1),
        marks,
        height(budget) if drawn else 0.0,
        words(budget) if budget else "",
        spoken,
    )
