"""The proof: chosen indexes are built on the copy for real, and what they were meant for is run with and without them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from .building import build, drop, keep_budget
from .candidates import Candidate
from .facts import Catalog, Writes
from .model import Measured
from .plan_changes import Switch, changed_plans
from .prepare import Ready, set_path
from .replay import SLOWER, Compared, compare, oids_of
from .whatif import index_names
from .writes import WriteCost, write_cost

TIME_OVER = "the time was over"


@dataclass(frozen=True)
class Proved:
    """One index, measured."""

    measured: Measured
    replayed: tuple[int, ...]
    """query_id of the statements whose plan used it."""
    replayed_share: float
    outside_spread: bool
    guessed: bool
    lost_ms: float = 0.0
    """What writers lose within the window."""
    saved_ms: float = 0.0
    """What the statements that use it save within the window."""
    together_with: tuple[str, ...] = ()
    """Other new indexes that plans used at the same time: the figures are of both."""


@dataclass
class Proof:
    """What a set of indexes came to."""

    proved: dict[str, Proved] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)
    """Index and reason."""
    rejected_measures: dict[str, Measured] = field(default_factory=dict)
    compared: dict[int, Compared] = field(default_factory=dict)
    unrun: dict[int, frozenset[str]] = field(default_factory=dict)
    """Statements whose plan changes and that were not replayed, as the time was over: the indexes that those plans use."""
    unjudged: dict[str, str] = field(default_factory=dict)
    """Indexes that are neither proved nor rejected, and why."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Statements that could not be replayed, by reason."""
    unlike: int = 0
    """Choices of values that were not run, as they read far more than production's calls do."""
    rounds: int = 0
    """How often the set was proved until nothing got slower."""


def prove(
    connector: Callable[[], psycopg.Connection[Any]],
    statements: Sequence[Ready],
    chosen: Sequence[Candidate],
    catalog: Catalog,
    writes: Mapping[tuple[str, str], Writes],
    *,
    served: Mapping[str, Sequence[int]],
    seconds: float,
    budget_bytes: int,
) -> Proof:
    """Build the indexes on the copy and replay the statements that touch their tables, the most expensive first.

    ``seconds``: when they are over, what is not replayed yet stays unproved: an index that any such statement would use may
    slow it, and is neither proved nor rejected. ``served``: the query_ids that each index is meant for. Where they turn out
    larger than ``budget_bytes`` together, what is worth least goes. An index that makes any statement more than 15 % slower, or
    that no plan uses, is dropped and the rest is proved again. None is left on the copy.
    """
    deadline = time.monotonic() + seconds
    proof = Proof()
    with connector() as session:
        # Named statements are the replay's own here.
        session.prepare_threshold = None
        sizes = build(session, chosen, proof.rejected)
        worth = _worth(chosen, statements, served)
        spare = keep_budget(session, chosen, sizes, budget_bytes, worth=worth, rejected=proof.rejected)
        candidates = {candidate.index.name: candidate for candidate in chosen if candidate.index.name in sizes}
        affected = _affected(statements, candidates.values(), proof)
        todo = affected
        while candidates:
            proof.rounds += 1
            switch = Switch(session, oids_of(session, [(c.index.schema, c.index.name) for c in candidates.values()]))
            _replay(session, switch, todo, proof, deadline)
            guilty = _culprit(proof.compared.values(), candidates, _waiting(proof))
            if guilty is None:
                break
            name, why = guilty
            measured = _measured(name, proof, sizes[name], None)  # what writers lose was not looked at
            if measured is not None:
                proof.rejected_measures[name] = measured
            proof.rejected[name] = why
            again = {query for query, found in proof.compared.items() if name in found.used}
            again |= {query for query, used in proof.unrun.items() if name in used}
            drop(session, candidates.pop(name).index)
            todo = [ready for ready in affected if ready.statement.query_id in again]
            room = budget_bytes - sum(sizes[one] for one in candidates)
            back = next((one for one, size in spare.items() if size <= room), None)
            if back is not None:
                # It was left out for its size, and another has made room for it now.
                del proof.rejected[back.index.name], spare[back]
                sizes |= build(session, [back], proof.rejected)
            if back is not None and back.index.name in sizes:
                candidates[back.index.name] = back
                affected = _affected(statements, candidates.values(), proof)
                again |= {r.statement.query_id for r in affected if any(use.table.id == back.table for use in r.usage.uses)}
                todo = [ready for ready in affected if ready.statement.query_id in again]
            for query in again:
                proof.compared.pop(query, None)
        if proof.unrun:
            proof.skipped[TIME_OVER] = len(proof.unrun)
        unplayable = _used_by_unplayable(session, statements, candidates.values())
        for name in [name for name in candidates if not _settle(name, proof, unplayable.count(name))]:
            drop(session, candidates.pop(name).index)
        costs = _write_costs(session, candidates, statements, catalog, writes)
        for name, candidate in candidates.items():
            measured = _measured(name, proof, sizes[name], _write_ratio(candidate.table, costs))
            if measured is not None:
                cost = costs.get(candidate.table)
                rows = writes.get(candidate.table, Writes())
                lost = 0.0 if cost is None else cost.row_ms * (rows.inserted + rows.updated) / cost.indexes
                proof.proved[name] = _proved(
                    name, measured, proof, statements=statements, served=served.get(name, ()), lost_ms=lost
                )
            drop(session, candidate.index)
    return proof


def gained_ms(proof: Proof) -> float:
    """Measured gain of the set within the window: what statements save, net of what writers lose.

    What a statement saves with an index that was not judged does not count: nobody knows what another one loses with it.
    """
    saved = sum(found.saved_ms for found in proof.compared.values() if not found.used & proof.unjudged.keys())
    return saved - sum(proved.lost_ms for proved in proof.proved.values())


def _worth(chosen: Sequence[Candidate], statements: Sequence[Ready], served: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """Milliseconds in the window of the statements that each index is meant for."""
    weights = {ready.statement.query_id: ready.statement.total_ms for ready in statements}
    names = [candidate.index.name for candidate in chosen]
    return {name: sum(weights.get(query, 0.0) for query in served.get(name, ())) for name in names}


def _affected(statements: Sequence[Ready], candidates: Iterable[Candidate], proof: Proof) -> list[Ready]:
    tables = {candidate.table for candidate in candidates}
    found = []
    for ready in sorted(statements, key=lambda ready: -ready.statement.total_ms):
        if not any(use.table.id in tables for use in ready.usage.uses):
            continue
        if ready.replayable or not ready.replay:
            reason = ready.replayable or "it writes"
            proof.skipped[reason] = proof.skipped.get(reason, 0) + 1
            continue
        found.append(ready)
    return found


def _replay(session: psycopg.Connection[Any], switch: Switch, todo: Sequence[Ready], proof: Proof, deadline: float) -> None:
    for changed in changed_plans(session, switch, todo):
        query = changed.ready.statement.query_id
        proof.unrun.pop(query, None)
        if changed.draws and time.monotonic() > deadline:
            proof.unrun[query] = frozenset().union(*[draw.used for draw in changed.draws])
            continue
        found = compare(session, switch, changed)
        if found.unlike:
            proof.unlike += found.unlike
        if found.skipped:
            proof.skipped[found.skipped] = proof.skipped.get(found.skipped, 0) + 1
        proof.compared[found.query_id] = found


def _waiting(proof: Proof) -> frozenset[str]:
    """Indexes that a statement would use which was not replayed in time."""
    return frozenset().union(*proof.unrun.values())


def _used_by_unplayable(
    session: psycopg.Connection[Any], statements: Iterable[Ready], candidates: Collection[Candidate]
) -> list[str]:
    """Names of the indexes that plans of statements use which may not be run on the copy, once for each such statement."""
    tables = {candidate.table for candidate in candidates}
    found: list[str] = []
    for ready in statements:
        if (ready.replayable or not ready.replay) and ready.bound and any(use.table.id in tables for use in ready.usage.uses):
            set_path(session, ready.search_path)
            try:
                row = session.execute(f"EXPLAIN (FORMAT JSON) {ready.bound[0]}".encode()).fetchone()
            except psycopg.Error:
                if session.closed:
                    raise
                continue
            found += set(index_names(row[0][0]["Plan"])) if row else ()
    return found


def _settle(name: str, proof: Proof, unplayable: int = 0) -> bool:
    """Whether an index that slowed nothing may be called proved; where not, why is noted.

    ``unplayable``: how many statements that may not be run on the copy would use it.
    """
    waiting = sum(name in used for used in proof.unrun.values())
    if waiting:
        proof.unjudged[name] = (
            f"The time for the proof was over before {waiting} statement(s) whose plan it changes could be replayed: whether it"
            " slows any of them is not known. Raise optimize_proof_seconds."
        )
    elif not any(name in found.used for found in proof.compared.values()) and unplayable:
        proof.unjudged[name] = (
            f"{unplayable} statement(s) that would use it are not run on the copy, as they write or call what may have effects,"
            " and no other one used it: what it saves is the planner's expectation."
        )
    elif not any(name in found.used for found in proof.compared.values()):
        proof.rejected[name] = "Built for real, no plan of any replayed statement used it."
    else:
        return True
    return False


def _culprit(
    compared: Iterable[Compared], candidates: Mapping[str, Candidate], waiting: frozenset[str] = frozenset()
) -> tuple[str, str] | None:
    """An index that a slower plan uses, of several the one that saves least elsewhere; else one that makes nothing faster.

    ``waiting`` are those that may still make a statement faster which was not replayed.
    """
    saved: dict[str, float] = defaultdict(float)
    gained: dict[str, float] = defaultdict(float)
    blamed: dict[str, tuple[float, int, float]] = {}
    for found in compared:
        for pair in found.pairs:
            for name in pair.used & set(candidates):
                saved[name] += (pair.without.ms - pair.with_.ms) * found.calls
                gained[name] += max(0.0, 1 - pair.ratio)
                if pair.ratio > SLOWER or pair.unsteady:
                    blamed[name] = max(blamed.get(name, (0.0, 0, 0.0)), (pair.ratio, found.query_id, pair.surprise))
    if not blamed:
        idle = sorted(name for name, gain in gained.items() if gain <= 0 and name not in waiting)
        return (
            (idle[0], "Built for real, plans used it, and no statement got faster by more than the runs differ.")
            if idle
            else None
        )
    name = min(blamed, key=lambda one: (saved[one], one))
    ratio, query, surprise = blamed[name]
    if ratio <= SLOWER:
        return name, (
            f"Statement {query} takes {ratio:.2f} times as long with it, and uses it only because the planner expects"
            f" {surprise:.0f} times fewer rows than there are: with a few more of them it would be slower."
        )
    return name, (
        f"The planner expected it to help, and statement {query} ran {ratio:.2f} times as long with it;"
        f" {SLOWER} is the most that may be."
    )


def _write_ratio(table: tuple[str, str], costs: Mapping[tuple[str, str], WriteCost | None]) -> float | None:
    """1.0 where nobody writes the table, None where what its writers lose could not be measured."""
    cost = costs.get(table)
    return cost.ratio if cost is not None else None if table in costs else 1.0


def _measured(name: str, proof: Proof, size: int, write_ratio: float | None) -> Measured | None:
    mine = [found for found in proof.compared.values() if name in found.used]
    pairs = [(found, pair) for found in mine for pair in found.pairs if name in pair.used]
    without = sum(pair.without.ms * found.calls for found, pair in pairs)
    if not pairs or without <= 0:
        return None
    return Measured(
        time_ratio=sum(pair.with_.ms * found.calls for found, pair in pairs) / without,
        buffers_ratio=sum(pair.with_.buffers * found.calls for found, pair in pairs)
        / max(1, sum(pair.without.buffers * found.calls for found, pair in pairs)),
        worst_query_ratio=max(found.worst for found in mine),
        write_ratio=write_ratio,
        bytes=size,
        rounds=min(min(len(pair.without.times_ms), len(pair.with_.times_ms)) for _, pair in pairs),
    )


def _proved(
    name: str, measured: Measured, proof: Proof, *, statements: Sequence[Ready], served: Sequence[int], lost_ms: float
) -> Proved:
    mine = sorted((found for found in proof.compared.values() if name in found.used), key=lambda found: -found.weight_ms)
    weights = {ready.statement.query_id: ready.statement.total_ms for ready in statements}
    wanted = sum(weights.get(query, 0.0) for query in served)
    replayed = {found.query_id for found in proof.compared.values() if found.replayed}
    pairs = [pair for found in mine for pair in found.pairs if name in pair.used]
    guessed = {ready.statement.query_id for ready in statements if ready.guessed}
    return Proved(
        measured=measured,
        replayed=tuple(found.query_id for found in mine),
        replayed_share=sum(weights.get(query, 0.0) for query in served if query in replayed) / wanted if wanted else 1.0,
        outside_spread=any(pair.ratio < 1 for pair in pairs),
        guessed=sum(found.weight_ms for found in mine if found.query_id in guessed) > sum(found.weight_ms for found in mine) / 2,
        lost_ms=max(0.0, lost_ms),
        saved_ms=sum(found.saved_ms for found in mine),
        together_with=tuple(sorted(set().union(*[pair.used for pair in pairs]) - {name})),
    )


def _write_costs(
    session: psycopg.Connection[Any],
    candidates: Mapping[str, Candidate],
    statements: Sequence[Ready],
    catalog: Catalog,
    writes: Mapping[tuple[str, str], Writes],
) -> dict[tuple[str, str], WriteCost | None]:
    """By table: all new indexes of it together, None where it cannot be measured. Tables that nobody wrote to are left out."""
    by_table: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for candidate in candidates.values():
        by_table[candidate.table].append((candidate.index.schema, candidate.index.name))
    costs: dict[tuple[str, str], WriteCost | None] = {}
    for table, names in by_table.items():
        written = writes.get(table, Writes())
        if written.inserted + written.updated <= 0 or table not in catalog.tables:
            continue
        assigned = frozenset().union(*[use.assigned for ready in statements for use in ready.usage.uses if use.table.id == table])
        costs[table] = write_cost(session, catalog.tables[table], names, written, assigned)
    return costs
