"""Running statements on the copy with and without indexes, turn and turn about, and measuring both."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from .plan_changes import Changed, Draw, Switch, prepare_settled
from .prepare import Ready, set_path

ROUNDS = 7
LEAST_ROUNDS = 3
STATEMENT_BUDGET_MS = 8_000.0
"""For the repetitions of one statement with one set of values."""
TIMEOUT_MS = 60_000
NOISE_MS = 0.05
"""Below this a difference is the clock's and the scheduler's."""
SLOWER = 1.15
FAR = 10
"""Times the pages of production's average call."""
FEW_PAGES = 64
SURPRISING = 5.0
"""Times as many rows as expected."""
UNSTEADY = 2.0
"""Times as fast: less than that is lost as soon as the rows in question double."""


@dataclass(frozen=True)
class Run:
    """Repeated runs of one statement with one set of values under one set of indexes."""

    times_ms: tuple[float, ...]
    buffers: int
    """Pages of 8 kB read, from memory or disk, by the median run."""
    timed_out: bool = False

    @property
    def ms(self) -> float:
        """Median."""
        return statistics.median(self.times_ms)

    @property
    def spread_ms(self) -> float:
        """Half the distance between the quartiles; 0 for fewer than four runs."""
        if len(self.times_ms) < 4:  # noqa: PLR2004 - quartiles need four
            return (max(self.times_ms) - min(self.times_ms)) / 2
        first, _, third = statistics.quantiles(self.times_ms, n=4)
        return (third - first) / 2


@dataclass(frozen=True)
class Pair:
    """A statement with one set of values: without and with the indexes."""

    without: Run
    with_: Run
    used: frozenset[str]
    """Those of the indexes that the plan uses."""
    surprise: float = 1.0
    """How many times more rows such an index gave than the planner expected, where it reads more than it gives."""

    @property
    def unsteady(self) -> bool:
        """Hardly faster, and chosen for an expectation that is far off: with a few more rows it would be slower."""
        return self.surprise >= SURPRISING and self.without.ms < UNSTEADY * self.with_.ms

    @property
    def ratio(self) -> float:
        """Time with over time without; 1.0 where the difference cannot be told from noise."""
        difference = self.with_.ms - self.without.ms
        if abs(difference) <= max(NOISE_MS, self.without.spread_ms / 2 + self.with_.spread_ms / 2):
            return 1.0
        return self.with_.ms / max(self.without.ms, 1e-6)


@dataclass
class Compared:
    """A statement, replayed with all its sets of values; the values themselves are not kept."""

    query_id: int
    calls: int
    weight_ms: float
    pairs: list[Pair] = field(default_factory=list)
    unchanged: int = 0
    """Sets of values whose plan is the same with and without: nothing to measure."""
    unlike: int = 0
    """Choices of values that read far more than production's calls do: not run."""
    skipped: str = ""

    @property
    def replayed(self) -> bool:
        """Whether it was measured, or its plan is the same with and without, so that there is nothing to measure."""
        return bool(self.pairs) or not self.skipped

    @property
    def without_ms(self) -> float:
        """Sum of the medians."""
        return sum(pair.without.ms for pair in self.pairs)

    @property
    def with_ms(self) -> float:
        """Sum of the medians."""
        return sum(pair.with_.ms for pair in self.pairs)

    @property
    def saved_ms(self) -> float:
        """Of the statement's time in the window; values whose plan is the same save nothing."""
        if not self.without_ms:
            return 0.0
        changed = len(self.pairs) / (len(self.pairs) + self.unchanged)
        return self.weight_ms * changed * (1 - self.with_ms / self.without_ms)

    @property
    def worst(self) -> float:
        """The largest ratio of any set of values; 1.0 where no plan changed."""
        return max([pair.ratio for pair in self.pairs], default=1.0)

    @property
    def used(self) -> frozenset[str]:
        """Indexes that any of its plans uses."""
        return frozenset().union(*[pair.used for pair in self.pairs])


def compare(session: psycopg.Connection[Any], switch: Switch, changed: Changed) -> Compared:
    """Replay one statement with the choices of values whose plan changes."""
    statement = changed.ready.statement
    result = Compared(
        statement.query_id, statement.calls, statement.total_ms, unchanged=changed.unchanged, skipped=changed.skipped
    )
    set_path(session, changed.ready.search_path)
    draws = _like_production(session, switch, changed)
    result.unlike = len(changed.draws) - len(draws)
    for draw in draws:
        try:
            pair = _pair(session, switch, draw, changed.ready)
            if pair.ratio > SLOWER:
                # A suspicion is looked at again before anybody is accused.
                pair = _pair(session, switch, draw, changed.ready, least=ROUNDS)
            result.pairs.append(pair)
        except psycopg.Error as error:
            if session.closed:
                raise
            result.skipped = f"it failed on the copy ({error.sqlstate})"
    switch.show(True)
    return result


def _like_production(session: psycopg.Connection[Any], switch: Switch, changed: Changed) -> list[Draw]:
    """The choices of values that read no more than FAR times what production's counters tell of a call.

    Where all do, and none had the same plan with the indexes, the one that reads least.

    Made-up values may ask for half a table where the application asks for a page of it; at most one call in FAR does so.
    """
    statement = changed.ready.statement
    usual = (statement.blocks_hit + statement.blocks_read) / max(1, statement.calls)
    if not usual:
        return changed.draws
    switch.show(False)
    pages: list[float] = []
    for draw in changed.draws:
        try:
            once = run_once(session, draw.without, changed.ready)
        except psycopg.Error:
            if session.closed:
                raise
            once = None
        pages.append(once.pages if once else float("inf"))
    least = min(pages, default=0.0) if not changed.unchanged else 0.0
    limit = max(least, FAR * usual, FEW_PAGES)
    return [draw for draw, read in zip(changed.draws, pages, strict=True) if read <= limit]


def _pair(session: psycopg.Connection[Any], switch: Switch, draw: Draw, ready: Ready, *, least: int = LEAST_ROUNDS) -> Pair:
    texts = {False: draw.without, True: draw.with_}
    surprise = 1.0
    times: dict[bool, list[float]] = {False: [], True: []}
    pages: dict[bool, list[int]] = {False: [], True: []}
    for shown in (False, True):
        switch.show(shown)
        warm = run_once(session, texts[shown], ready)
        if warm is None:
            return _timed_out(session, switch, draw, ready, late=shown)
        times[shown].append(warm.ms)
        surprise = surprise_of(warm.plan, draw.used)
    cost = times[False][0] + times[True][0]
    rounds = max(least, min(ROUNDS, int(STATEMENT_BUDGET_MS / max(cost, 0.001))))
    times = {False: [], True: []}
    for number in range(rounds):
        for shown in (False, True) if number % 2 else (True, False):
            switch.show(shown)
            once = run_once(session, texts[shown], ready)
            if once is None:
                return _timed_out(session, switch, draw, ready, late=shown)
            times[shown].append(once.ms)
            pages[shown].append(once.pages)
    runs = {shown: Run(tuple(times[shown]), int(statistics.median(pages[shown]))) for shown in (False, True)}
    return Pair(runs[False], runs[True], draw.used, surprise)


def _timed_out(session: psycopg.Connection[Any], switch: Switch, draw: Draw, ready: Ready, *, late: bool) -> Pair:
    """One of both took longer than allowed: that counts as the time allowed, for as many rounds as the other gets."""
    slow = Run((float(TIMEOUT_MS),), 1, timed_out=True)
    switch.show(not late)
    once = run_once(session, draw.without if late else draw.with_, ready)
    fast = Run((once.ms,), max(1, once.pages)) if once else slow
    return Pair(fast, slow, draw.used) if late else Pair(slow, fast, draw.used)


@dataclass(frozen=True)
class Once:
    """One execution."""

    ms: float
    """Without planning."""
    pages: int
    plan: Mapping[str, Any]


def run_once(session: psycopg.Connection[Any], text: str, ready: Ready) -> Once | None:
    """Execute it; None when it took longer than TIMEOUT_MS. Nothing it does remains."""
    prepare_settled(session, text, ready)
    with _harmless(session, locks=ready.usage.locks):
        try:
            row = session.execute(("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) " + text).encode()).fetchone()
        except psycopg.errors.QueryCanceled:
            return None
    if row is None:
        return None
    plan = row[0][0]["Plan"]
    pages = int(plan.get("Shared Hit Blocks", 0)) + int(plan.get("Shared Read Blocks", 0))
    return Once(float(row[0][0]["Execution Time"]), pages, plan)


def surprise_of(plan: Mapping[str, Any], names: frozenset[str]) -> float:
    """The largest factor by which one of these indexes gave more rows than expected, most of what it read being of no use."""
    found = 1.0
    children = plan.get("Plans", ())
    indexes = {
        plan.get("Index Name"),
        *[child.get("Index Name") for child in children if child["Node Type"] == "Bitmap Index Scan"],
    }
    actual = float(plan.get("Actual Rows", 0))
    if indexes & names and float(plan.get("Rows Removed by Filter", 0)) > actual:
        found = actual / max(1.0, float(plan.get("Plan Rows", 1)))
    return max([found, *[surprise_of(child, names) for child in children]])


@contextmanager
def _harmless(session: psycopg.Connection[Any], *, locks: bool) -> Iterator[None]:
    session.execute("BEGIN" if locks else "BEGIN READ ONLY")
    try:
        session.execute(f"SET LOCAL statement_timeout = {TIMEOUT_MS}")
        yield
    finally:
        if not session.closed:
            session.execute("ROLLBACK")


def oids_of(session: psycopg.Connection[Any], names: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Oid of each index, by its bare name, of those (schema, name) that exist."""
    wanted: Sequence[tuple[str, str]] = list(names)
    rows = session.execute(
        """SELECT n.nspname, c.relname, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relkind = 'i' AND c.relname = ANY(%s)""",
        ([name for _, name in wanted],),
    )
    return {name: oid for schema, name, oid in rows if (schema, name) in wanted}
