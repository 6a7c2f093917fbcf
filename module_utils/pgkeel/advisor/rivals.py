"""Other ways to choose a set of indexes, for the measurement to compare."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from .candidates import GIN_METHODS, Candidate
from .choice import Price
from .prepare import Ready
from .whatif import Planner

MOST_STATEMENTS = 60
MOST_CANDIDATES = 40
SECONDS = 45.0
LEAST_GAIN = 0.001
"""Of the statements' time."""


def is_single(candidate: Candidate) -> bool:
    """Whether it is a plain btree on one column or expression."""
    index = candidate.index
    return len(index.keys) == 1 and index.method == "btree" and not (index.include or index.where or index.keys[0].opclass)


def greedy_set(
    planner: Planner,
    statements: Sequence[Ready],
    candidates: Sequence[Candidate],
    prices: Mapping[str, Price],
    budget_bytes: int,
    *,
    start: Sequence[str] = (),
    seconds: float = SECONDS,
) -> tuple[str, ...]:
    """Again and again the index that lowers the planner's cost of the most expensive statements most, beside those chosen before.

    ``start``: what is chosen already, and stays; thus a set is filled up with what only helps beside it. The planner sees the
    whole set each time, as it would in production. Bounded in statements, candidates and ``seconds``.
    """
    deadline = time.monotonic() + seconds
    heavy = sorted(statements, key=lambda ready: -ready.statement.total_ms)[:MOST_STATEMENTS]
    bases = {ready.statement.query_id: (planner.plans(ready, []) or (0.0,))[0] for ready in heavy}
    chosen = [candidate for name in start for candidate in candidates if candidate.index.name == name]
    built = [candidate for candidate in chosen if candidate.index.method in GIN_METHODS]
    chosen = [candidate for candidate in chosen if candidate not in built]
    now = {ready.statement.query_id: (planner.plans(ready, chosen) or (0.0,))[0] for ready in heavy} if chosen else dict(bases)

    def saving(candidate: Candidate) -> tuple[float, dict[int, float]]:
        gain, changed = -prices[candidate.index.name].write_ms, {}
        for ready in heavy:
            query = ready.statement.query_id
            if not bases[query] or not any(use.table.id == candidate.table for use in ready.usage.uses):
                continue
            found = planner.plans(ready, [*chosen, candidate])
            if found is not None and found[0] < now[query]:
                changed[query] = found[0]
                gain += ready.statement.total_ms * (now[query] - found[0]) / bases[query]
        return gain, changed

    scores = {}
    for candidate in candidates:
        known = candidate in chosen or candidate.index.method in GIN_METHODS
        if not known and time.monotonic() < deadline:
            scores[candidate.index.name] = (saving(candidate)[0], candidate)
    pool = [c for gain, c in sorted(scores.values(), key=lambda item: -item[0]) if gain > 0][:MOST_CANDIDATES]
    left = budget_bytes - sum(prices[candidate.index.name].bytes for candidate in [*chosen, *built])
    least = LEAST_GAIN * sum(ready.statement.total_ms for ready in heavy)
    while pool and time.monotonic() < deadline:
        scored = [(saving(candidate), candidate) for candidate in pool if prices[candidate.index.name].bytes <= left]
        (gain, changed), best = max(scored, key=lambda item: item[0][0], default=((0.0, {}), None))
        if best is None or gain <= least:
            break
        chosen.append(best)
        pool.remove(best)
        left -= prices[best.index.name].bytes
        now.update(changed)
    return tuple(candidate.index.name for candidate in [*chosen, *built])
