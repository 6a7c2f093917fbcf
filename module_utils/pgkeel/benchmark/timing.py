"""Times of many calls, and what two of them say about each other."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from .distribution import distribution


def timing(samples_ms: Sequence[float]) -> dict[str, float] | None:
    """``median`` and ``p95`` in milliseconds; None of no samples, never 0. The p95 is nearest-rank: a time that was measured."""
    if not samples_ms:
        return None
    p95 = distribution(sample / 1000 for sample in samples_ms).p95
    return {"median": round(median(samples_ms), 3), "p95": p95 if p95 is not None else 0.0}


def spread(samples_ms: Sequence[float]) -> dict[str, float] | None:
    """How far the samples lie apart: ``samples``, ``min``, ``max`` in milliseconds."""
    if not samples_ms:
        return None
    return {"samples": len(samples_ms), "min": round(min(samples_ms), 3), "max": round(max(samples_ms), 3)}


def ratio(before: dict[str, float] | None, after: dict[str, float] | None, figure: str = "median") -> float | None:
    """How many times as fast; None where one was not measured."""
    if before is None or after is None or after[figure] <= 0:
        return None
    return round(before[figure] / after[figure], 2)


def met(reached: float | None, target: float | None, difference: str) -> bool | None:
    """Whether the target was reached; None where there is none, or nothing was measured. Faster but different is a failure."""
    if difference:
        return False
    if reached is None or target is None:
        return None
    return reached >= target


def row(  # noqa: PLR0917 - the columns of the table
    case: dict[str, Any],
    before: Sequence[float],
    after: Sequence[float],
    rows: int | None,
    plans: dict[str, str | None],
    difference: str = "",
    reason: str = "",
) -> dict[str, Any]:
    """A row of results.json. ``case`` gives metric, client, target and note; times in milliseconds, ``rows`` of one answer."""
    timed_before, timed_after = timing(before), timing(after)
    reached = ratio(timed_before, timed_after)
    return {
        "metric": case["metric"],
        "client": case["client"],
        "before_ms": timed_before,
        "after_ms": timed_after,
        "ratio": reached,
        "rows": rows,
        "target": case["target"],
        "met": None if reason else met(reached, case["target"], difference),
        "plan_before": plans.get("before"),
        "plan_after": plans.get("after"),
        "ratio_p95": ratio(timed_before, timed_after, "p95"),
        "before_spread": spread(before),
        "after_spread": spread(after),
        "difference": difference,
        "reason": reason,
        "note": case.get("note", ""),
    }
