"""Choosing indexes for the whole workload at once: a pure function of what each would save, cost and weigh."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import chain, combinations

EXACT_UP_TO = 10
"""With so few candidates every combination is tried."""
MOST_EXCHANGED = 120
"""Candidates, the best alone, that are tried in exchange for a chosen one."""
MOST_TRIED = 15_000


@dataclass(frozen=True)
class Option:
    """What a statement costs when these indexes are there (others may be as well)."""

    indexes: frozenset[str]
    cost: float


@dataclass(frozen=True)
class Costed:
    """A statement, and the planner's cost of it under several sets of indexes."""

    query_id: int
    weight_ms: float
    """Time it took in the window."""
    base: float
    """Cost without any new index."""
    options: tuple[Option, ...] = ()

    def cost(self, chosen: frozenset[str] | set[str]) -> float:
        """The planner's cost with the chosen indexes."""
        return min([self.base, *[option.cost for option in self.options if option.indexes <= chosen]])

    def milliseconds(self, chosen: frozenset[str] | set[str]) -> float:
        """Expected time in the window: measured time, scaled by the planner's ratio of costs."""
        return self.weight_ms * self.cost(chosen) / self.base if self.base > 0 else self.weight_ms


@dataclass(frozen=True)
class Price:
    """What an index weighs."""

    bytes: int
    write_ms: float = 0.0
    """Time that keeping it up to date takes within the window."""


@dataclass(frozen=True)
class Choice:
    """The chosen indexes."""

    indexes: tuple[str, ...]
    bytes: int
    saved_ms: float
    write_ms: float
    served: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """query_id of the statements whose cheapest plan uses the index, the most saving first."""

    @property
    def net_ms(self) -> float:
        """Time gained within the window."""
        return self.saved_ms - self.write_ms


class _State:
    """The workload under a growing and shrinking set of indexes; only affected statements are reckoned anew."""

    def __init__(self, queries: Sequence[Costed], prices: Mapping[str, Price], byte_ms: float = 0.0) -> None:
        self.queries = queries
        self.prices = prices
        self.burden = {name: price.write_ms + price.bytes * byte_ms for name, price in prices.items()}
        self.affected: dict[str, set[int]] = defaultdict(set)
        for number, query in enumerate(queries):
            for name in chain.from_iterable(option.indexes for option in query.options):
                self.affected[name].add(number)

    def gain(self, chosen: frozenset[str], changed: Iterable[str], to: frozenset[str]) -> float:
        """Net milliseconds won by going from one set to another; ``changed`` are the indexes in which they differ."""
        touched = set().union(*(self.affected[name] for name in changed))
        saved = sum(self.queries[n].milliseconds(chosen) - self.queries[n].milliseconds(to) for n in touched)
        return saved - sum(self.burden[n] for n in to - chosen) + sum(self.burden[n] for n in chosen - to)

    def bytes(self, chosen: Iterable[str]) -> int:
        return sum(self.prices[name].bytes for name in chosen)


def choose(
    queries: Sequence[Costed], prices: Mapping[str, Price], budget_bytes: int, least_ms: float = 0.0, byte_ms: float = 0.0
) -> Choice:
    """The set of indexes within the budget that saves the most time net of writing; each member earns ``least_ms`` at least.

    ``byte_ms``: what a byte must earn, so that of two sets that save nearly the same the smaller one is taken.
    Exact for few candidates; otherwise greedy by gain and by gain a byte, each bettered by adding, dropping and exchanging.
    Options over indexes without a price are left out.
    """
    known = [
        Costed(q.query_id, q.weight_ms, q.base, tuple(o for o in q.options if o.indexes and all(n in prices for n in o.indexes)))
        for q in queries
    ]
    useful = sorted({name for query in known for option in query.options for name in option.indexes})
    state = _State(known, prices, byte_ms)
    empty: frozenset[str] = frozenset()
    if len(useful) <= EXACT_UP_TO:
        subsets = chain.from_iterable(combinations(useful, size) for size in range(len(useful) + 1))
        fitting = [frozenset(subset) for subset in subsets if state.bytes(subset) <= budget_bytes]
        starts = [max(fitting, key=lambda s: (state.gain(empty, s, s), -len(s)), default=empty)]
    else:
        starts = [_improved(state, _greedy(state, useful, budget_bytes, by_byte=b), useful, budget_bytes) for b in (False, True)]
    best = max(starts, key=lambda s: (state.gain(empty, s, s), -len(s)))
    return _described(known, state, _worthwhile(state, best, least_ms))


def described(queries: Sequence[Costed], prices: Mapping[str, Price], chosen: Iterable[str]) -> Choice:
    """What a set of indexes would come to that somebody else chose; members that serve nothing stay."""
    names = frozenset(chosen)
    return _described(queries, _State(queries, prices), names)


def _greedy(state: _State, useful: list[str], budget: int, *, by_byte: bool) -> frozenset[str]:
    """Add what scores best, again and again.

    What a move gains shrinks as others are made, as a rule: only the front of the queue is reckoned anew, and taken when it is
    still the best.
    """
    chosen: frozenset[str] = frozenset()
    taken = 0
    moves = {frozenset((name,)) for name in useful} | {o.indexes for query in state.queries for o in query.options}
    turn = 0

    def score(move: frozenset[str]) -> float:
        new = move - chosen
        if not new or taken + state.bytes(new) > budget:
            return 0.0
        gain = state.gain(chosen, new, chosen | new)
        return gain / max(state.bytes(new), 1) if by_byte else gain

    queue = [(-score(move), turn, sorted(move)) for move in moves]
    queue = [entry for entry in queue if entry[0] < 0]
    heapify(queue)
    while queue:
        _, when, names = heappop(queue)
        move = frozenset(names)
        if when == turn:
            chosen |= move
            taken = state.bytes(chosen)
            turn += 1
            continue
        now = score(move)
        if now > 0:
            heappush(queue, (-now, turn, names))
    return chosen


def _improved(state: _State, chosen: frozenset[str], useful: list[str], budget: int) -> frozenset[str]:
    """Add, drop and exchange single indexes while that helps; bounded, for the workload may know thousands of candidates."""
    tried = 0
    alone: frozenset[str] = frozenset()
    best_alone = sorted(useful, key=lambda name: -state.gain(alone, (name,), frozenset((name,))))[:MOST_EXCHANGED]
    while tried < MOST_TRIED:
        best, worth = chosen, 1e-9
        removals: list[frozenset[str]] = [frozenset(), *[frozenset((name,)) for name in sorted(chosen)]]
        left = budget - state.bytes(chosen)
        for out in removals:
            room = left + state.bytes(out)
            for name in (None, *best_alone):
                into = frozenset() if name is None or name in chosen else frozenset((name,))
                if not (out or into) or state.bytes(into) > room:
                    continue
                other = (chosen - out) | into
                tried += 1
                gain = state.gain(chosen, out | into, other)
                if gain > worth:
                    best, worth = other, gain
        if best == chosen:
            break
        chosen = best
    return chosen


def _worthwhile(state: _State, chosen: frozenset[str], least_ms: float) -> frozenset[str]:
    """Without members that earn too little beside the others, the least earning one first."""
    while chosen:
        earnings = {name: -state.gain(chosen, (name,), chosen - {name}) for name in chosen}
        worst = min(sorted(earnings), key=lambda name: earnings[name])
        if earnings[worst] > least_ms:
            break
        chosen -= {worst}
    return chosen


def _described(queries: Sequence[Costed], state: _State, chosen: frozenset[str]) -> Choice:
    served: dict[str, list[tuple[float, int]]] = {name: [] for name in chosen}
    saved = 0.0
    for query in queries:
        gain = query.weight_ms - query.milliseconds(chosen)
        if query.cost(chosen) >= query.base:
            continue
        saved += gain
        option = min((o for o in query.options if o.indexes and o.indexes <= chosen), key=lambda o: (o.cost, len(o.indexes)))
        for name in option.indexes:
            served[name].append((gain, query.query_id))
    return Choice(
        indexes=tuple(sorted(chosen, key=lambda name: (-sum(gain for gain, _ in served[name]), name))),
        bytes=state.bytes(chosen),
        saved_ms=saved,
        write_ms=sum(state.prices[name].write_ms for name in chosen),
        served={name: tuple(query for _, query in sorted(pairs, reverse=True)) for name, pairs in served.items()},
    )
