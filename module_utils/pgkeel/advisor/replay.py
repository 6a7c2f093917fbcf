"""Running statements on the copy with and without indexes, turn and turn about, and measuring both."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from .prepare import Ready, set_path
from .whatif import index_names

ROUNDS = 7
LEAST_ROUNDS = 3
STATEMENT_BUDGET_MS = 8_000.0
"""For the repetitions of one statement with one set of values."""
TIMEOUT_MS = 60_000
GENERIC = "pgkeel_generic"
NOISE_MS = 0.05
"""Below this a difference is the clock's and the scheduler's."""
SLOWER = 1.15
_SHAPE = (
    "Node Type",
    "Relation Name",
    "Alias",
    "Index Name",
    "Join Type",
    "Scan Direction",
    "Strategy",
    "Parallel Aware",
    "Subplan Name",
)


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
    skipped: str = ""

    @property
    def without_ms(self) -> float:
        """Sum of the medians."""
        return sum(pair.without.ms for pair in self.pairs)

    @property
    def with_ms(self) -> float:
        """Sum of the medians."""
        return sum(pair.with_.ms for pair in self.pairs)

    @property
    def worst(self) -> float:
        """The largest ratio of any set of values; 1.0 where no plan changed."""
        return max([pair.ratio for pair in self.pairs], default=1.0)

    @property
    def used(self) -> frozenset[str]:
        """Indexes that any of its plans uses."""
        return frozenset().union(*[pair.used for pair in self.pairs])


@dataclass
class Changed:
    """A statement, and its texts whose plan changes, each with the new indexes that the plan uses. It stays on the server."""

    ready: Ready
    result: Compared
    texts: list[tuple[str, frozenset[str]]] = field(default_factory=list)


@dataclass
class Switch:
    """Makes the built indexes visible to the planner, or not: by their validity in the catalog of the throwaway copy."""

    session: psycopg.Connection[Any]
    oids: dict[str, int]
    shown: bool = True

    def show(self, shown: bool) -> None:
        """All of them, or none. Writes still maintain them: only reads are compared like this."""
        if shown != self.shown:
            self.session.execute(
                "UPDATE pg_catalog.pg_index SET indisvalid = %s WHERE indexrelid = ANY(%s)", (shown, list(self.oids.values()))
            )
            self.shown = shown


def _texts(ready: Ready) -> Iterator[str]:
    """What is run of a statement: with each choice of values, and as a prepared one that has settled on a plan for all."""
    yield from ready.replay
    if ready.arguments and ready.usage.reads_only:
        yield f"EXECUTE {GENERIC}{ready.arguments}"


def _prepare_generic(session: psycopg.Connection[Any], text: str, ready: Ready) -> None:
    """Prepared anew each time: a plan made while the indexes were out of sight would be kept."""
    if text.startswith(f"EXECUTE {GENERIC}"):
        session.execute("DEALLOCATE ALL")
        session.execute("SET plan_cache_mode = force_generic_plan")
        session.execute(f"PREPARE {GENERIC} AS {ready.cured.sql}".encode())


def _settles(cost: float, custom: Sequence[float]) -> bool:
    """Whether PostgreSQL would keep one plan: after five executions, where it costs no more than those made for values."""
    return bool(custom) and cost <= statistics.mean(custom)


def changed_plans(session: psycopg.Connection[Any], switch: Switch, statements: Sequence[Ready]) -> list[Changed]:
    """Every statement with the sets of values whose plan is another one with the indexes: only those need to be run.

    All are planned without the indexes first and with them afterwards, so that the switch is thrown twice and no more.
    """
    names = frozenset(switch.oids)
    found = [
        Changed(ready, Compared(ready.statement.query_id, ready.statement.calls, ready.statement.total_ms))
        for ready in statements
    ]
    before: dict[tuple[int, str], tuple[Any, ...]] = {}
    for shown in (False, True):
        switch.show(shown)
        for number, one in enumerate(found):
            set_path(session, one.ready.search_path)
            custom: list[float] = []
            for text in _texts(one.ready):
                generic = text not in one.ready.replay
                try:
                    _prepare_generic(session, text, one.ready)
                    plan = _plan(session, text)
                except psycopg.Error as error:
                    if session.closed:
                        raise
                    one.result.skipped = f"it failed on the copy ({error.sqlstate})"
                    continue
                cost = float(plan.get("Total Cost", 0.0))
                if generic and shown and not _settles(cost, custom):
                    continue
                if not generic:
                    custom.append(cost)
                if not shown:
                    before[number, text] = _shape(plan)
                elif before.get((number, text)) == _shape(plan):
                    one.result.unchanged += 1
                else:
                    one.texts.append((text, frozenset(index_names(plan)) & names))
    return found


def compare(session: psycopg.Connection[Any], switch: Switch, changed: Changed) -> Compared:
    """Replay one statement with the sets of values whose plan changes."""
    result = changed.result
    set_path(session, changed.ready.search_path)
    for text, used in changed.texts:
        try:
            pair = _pair(session, switch, text, used, ready=changed.ready)
            if pair.ratio > SLOWER:
                # A suspicion is looked at again before anybody is accused.
                pair = _pair(session, switch, text, used, ready=changed.ready, least=ROUNDS)
            result.pairs.append(pair)
        except psycopg.Error as error:
            if session.closed:
                raise
            result.skipped = f"it failed on the copy ({error.sqlstate})"
    switch.show(True)
    return result


def _pair(
    session: psycopg.Connection[Any], switch: Switch, text: str, used: frozenset[str], *, ready: Ready, least: int = LEAST_ROUNDS
) -> Pair:
    times: dict[bool, list[float]] = {False: [], True: []}
    pages: dict[bool, list[int]] = {False: [], True: []}
    for shown in (False, True):
        switch.show(shown)
        warm = run_once(session, text, ready)
        if warm is None:
            return _timed_out(session, switch, text, used, late=shown, ready=ready)
        times[shown].append(warm[0])
    cost = times[False][0] + times[True][0]
    rounds = max(least, min(ROUNDS, int(STATEMENT_BUDGET_MS / max(cost, 0.001))))
    times = {False: [], True: []}
    for number in range(rounds):
        for shown in (False, True) if number % 2 else (True, False):
            switch.show(shown)
            once = run_once(session, text, ready)
            if once is None:
                return _timed_out(session, switch, text, used, late=shown, ready=ready)
            times[shown].append(once[0])
            pages[shown].append(once[1])
    runs = {shown: Run(tuple(times[shown]), int(statistics.median(pages[shown]))) for shown in (False, True)}
    return Pair(runs[False], runs[True], used)


def _timed_out(
    session: psycopg.Connection[Any], switch: Switch, text: str, used: frozenset[str], *, late: bool, ready: Ready
) -> Pair:
    """One of both took longer than allowed: that counts as the time allowed, for as many rounds as the other gets."""
    slow = Run((float(TIMEOUT_MS),), 1, timed_out=True)
    switch.show(not late)
    once = run_once(session, text, ready)
    fast = Run((once[0],), max(1, once[1])) if once else slow
    return Pair(fast, slow, used) if late else Pair(slow, fast, used)


def run_once(session: psycopg.Connection[Any], text: str, ready: Ready) -> tuple[float, int] | None:
    """Milliseconds of execution and pages read; None when it took longer than TIMEOUT_MS. Nothing it does remains."""
    _prepare_generic(session, text, ready)
    with _harmless(session, locks=ready.usage.locks):
        try:
            row = session.execute(("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) " + text).encode()).fetchone()
        except psycopg.errors.QueryCanceled:
            return None
    if row is None:
        return None
    document = row[0][0]
    plan = document["Plan"]
    return float(document["Execution Time"]), int(plan.get("Shared Hit Blocks", 0)) + int(plan.get("Shared Read Blocks", 0))


@contextmanager
def _harmless(session: psycopg.Connection[Any], *, locks: bool) -> Iterator[None]:
    session.execute("BEGIN" if locks else "BEGIN READ ONLY")
    try:
        session.execute(f"SET LOCAL statement_timeout = {TIMEOUT_MS}")
        yield
    finally:
        if not session.closed:
            session.execute("ROLLBACK")


def _plan(session: psycopg.Connection[Any], text: str) -> Mapping[str, Any]:
    row = session.execute(("EXPLAIN (FORMAT JSON) " + text).encode()).fetchone()
    plan: Mapping[str, Any] = row[0][0]["Plan"] if row else {}
    return plan


def _shape(plan: Mapping[str, Any]) -> tuple[Any, ...]:
    return (*[plan.get(name) for name in _SHAPE], *[_shape(child) for child in plan.get("Plans", ())])


def oids_of(session: psycopg.Connection[Any], names: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Oid of each index, by its bare name, of those (schema, name) that exist."""
    wanted: Sequence[tuple[str, str]] = list(names)
    rows = session.execute(
        """SELECT n.nspname, c.relname, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relkind = 'i' AND c.relname = ANY(%s)""",
        ([name for _, name in wanted],),
    )
    return {name: oid for schema, name, oid in rows if (schema, name) in wanted}
