"""What many measured times come to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True)
class Distribution:
    """Milliseconds; of no values all are None, never 0."""

    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None

    def as_dict(self) -> dict[str, float | None]:
        """For JSON."""
        return {"p50": self.p50, "p95": self.p95, "p99": self.p99, "max": self.max}


def distribution(seconds: Iterable[float]) -> Distribution:
    """Nearest-rank percentiles: each is a time that was measured, and at least that share of all did not exceed it."""
    ordered = sorted(seconds)

    def rank(ratio: float) -> float | None:
        return round(ordered[max(0, ceil(ratio * len(ordered)) - 1)] * 1000, 2) if ordered else None

    return Distribution(rank(0.5), rank(0.95), rank(0.99), rank(1.0))
