"""From a workload and a copy of its database to recommended indexes: candidates, costs, choice and proof."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from ..postgres.index_declaration import create_index
from .aging import age
from .candidates import GIN_METHODS, Candidate, merged
from .choice import Choice, Costed, Option, Price, choose, described
from .confidence import Evidence, confidence
from .entry_length import LONGEST_ENTRY, LONGEST_NOW, longest_entries
from .facts import Catalog, Policies, Writes
from .facts_read import read_catalog
from .model import Kind, Recommendation, Skipped, State, Workload
from .prepare import Preparation, Ready, prepare
from .prices import price_of
from .proof import Proof, gained_ms, prove
from .reasons import reason_of
from .rivals import greedy_set, is_single
from .whatif import Planner, cost_table, real_costs

MOST_REAL_BUILDS = 8
LEAST_SHARE = 0.0005
"""Of the workload's time: an index that saves less is not worth looking after."""
WHOLE_BUDGET_SHARE = 0.01
"""Of the workload's time: what filling the whole budget must save."""
MOST_PROVED = 20
FILL_SECONDS = 15.0
CLEARLY_BETTER = 0.01
LONGEST_SHOWN = 4_000
"""Characters of a statement in a result."""

Connector = Callable[[], psycopg.Connection[Any]]


@dataclass(frozen=True)
class Limits:
    """How far the advisor may go."""

    budget_bytes: int
    """For all new indexes together."""
    proof_seconds: float = 480.0
    """0: nothing is replayed, and nothing is proved."""
    most_proved: int = MOST_PROVED


@dataclass
class Advice:
    """What came of it."""

    recommendations: list[Recommendation] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)
    """Seconds."""
    statements: int = 0
    planned: int = 0
    candidates: int = 0
    choice: Choice | None = None
    chosen: tuple[Candidate, ...] = ()
    proof: Proof | None = None

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.phases[name] = self.phases.get(name, 0.0) + time.monotonic() - begun


def advise(
    connector: Connector,
    workload: Workload,
    writes: Mapping[tuple[str, str], Writes],
    limits: Limits,
    examples: Mapping[int, Sequence[str]] | None = None,
    *,
    policies: Policies | None = None,
) -> Advice:
    """Recommend indexes for a workload. ``connector`` opens sessions, as superuser, on a throwaway copy of the database.

    What ``policies`` add to a statement is not seen there: the advice that serves it says so, and is less sure.

    Raises PgkeelError when the copy cannot be used at all, and psycopg.Error when its server is gone for good.
    """
    advice = Advice(statements=len(workload.statements))
    with advice.phase("prepare"), connector() as session:
        catalog = read_catalog(session)
        age(session, catalog.tables, writes)
        # The copy commits without waiting for the disk: what is there now must survive a crash of HypoPG.
        session.execute("CHECKPOINT")
        prepared = prepare(session, workload.statements, catalog, examples)
        candidates = merged(all_candidates(prepared.ready))
        longest = longest_entries(session, candidates, catalog.tables)
    advice.planned = len(prepared.ready)
    advice.skipped = prepared.skipped
    candidates = _short_enough(candidates, longest, advice)
    advice.candidates = len(candidates)
    planner = Planner(connector)
    try:
        with advice.phase("what_if"):
            costed = cost_table(planner, prepared.ready, candidates)
            costed, sizes = _with_real(planner, prepared.ready, candidates, costed)
    finally:
        planner.close()
    advice.warnings += planner.crashes
    with advice.phase("choice"):
        prices = _prices(candidates, prepared.ready, catalog, writes, sizes)
        total = sum(ready.statement.total_ms for ready in prepared.ready)
        byte_ms = total * WHOLE_BUDGET_SHARE / max(limits.budget_bytes, 1)
        advice.choice = choose(costed, prices, limits.budget_bytes, least_ms=total * LEAST_SHARE, byte_ms=byte_ms)
    by_name = {candidate.index.name: candidate for candidate in candidates}
    advice.chosen = tuple(by_name[name] for name in advice.choice.indexes)
    proof = None
    if limits.proof_seconds > 0 and advice.chosen:
        with advice.phase("rivals"):
            sets = _rivals(
                connector,
                advice.choice,
                statements=prepared.ready,
                candidates=candidates,
                costed=costed,
                prices=prices,
                limits=limits,
            )
        with advice.phase("proof"):
            proof = _contest(
                connector,
                sets,
                statements=prepared.ready,
                by_name=by_name,
                catalog=catalog,
                writes=writes,
                limits=limits,
                advice=advice,
            )
    advice.proof = proof
    advice.recommendations = [
        _recommendation(
            candidate,
            advice.choice,
            prices[candidate.index.name],
            prepared=prepared,
            costed=costed,
            proof=proof,
            longest=longest.get(candidate.index.name, 0),
            policies=policies or {},
        )
        for candidate in advice.chosen
    ]
    return advice


def _short_enough(candidates: Sequence[Candidate], longest: Mapping[str, int], advice: Advice) -> tuple[Candidate, ...]:
    """The candidates but those whose longest entries leave little room; a warning names their tables."""
    too_long: dict[tuple[str, str], list[int]] = {}
    for candidate in candidates:
        if longest.get(candidate.index.name, 0) > LONGEST_NOW:
            too_long.setdefault(candidate.table, []).append(longest[candidate.index.name])
    advice.warnings += [
        f"{len(sizes)} possible index(es) of {'.'.join(table)} were left out: their longest entries would have up to"
        f" {max(sizes)} bytes, and a row whose entry has more than {LONGEST_ENTRY} would be refused."
        for table, sizes in sorted(too_long.items())
    ]
    return tuple(candidate for candidate in candidates if longest.get(candidate.index.name, 0) <= LONGEST_NOW)


def _rivals(
    connector: Connector,
    first: Choice,
    *,
    statements: Sequence[Ready],
    candidates: Sequence[Candidate],
    costed: Sequence[Costed],
    prices: Mapping[str, Price],
    limits: Limits,
) -> list[Choice]:
    """The choice, and sets chosen in other ways: which is best is for the measurement to say, not for the planner."""
    plain = {c.index.name: prices[c.index.name] for c in candidates if is_single(c)}
    single = choose(costed, plain, limits.budget_bytes)
    # What HypoPG cannot pretend has its place in every set, or those without it would lose for that alone.
    gin = {c.index.name for c in candidates if c.index.method in GIN_METHODS}
    real = [name for name in first.indexes if name in gin]
    planner = Planner(connector)
    try:
        filled = greedy_set(
            planner, statements, candidates, prices, limits.budget_bytes, start=first.indexes, seconds=FILL_SECONDS
        )
        begun = (*real, *single.indexes)
        others = [candidate for candidate in candidates if candidate.index.name in real]
        singles = [candidate for candidate in candidates if candidate.index.name in plain]
        several = greedy_set(
            planner, statements, [*singles, *others], prices, limits.budget_bytes, start=begun, seconds=FILL_SECONDS
        )
        greedy = greedy_set(planner, statements, candidates, prices, limits.budget_bytes, start=real, seconds=FILL_SECONDS)
    finally:
        planner.close()
    found = [described(costed, prices, names) for names in (filled, several, greedy)]
    return list({frozenset(choice.indexes): choice for choice in reversed(found) if choice.indexes}.values())[::-1]


def _contest(
    connector: Connector,
    sets: Sequence[Choice],
    *,
    statements: Sequence[Ready],
    by_name: Mapping[str, Candidate],
    catalog: Catalog,
    writes: Mapping[tuple[str, str], Writes],
    limits: Limits,
    advice: Advice,
) -> Proof:
    """Prove every set, and take the one that gained the most; it becomes the advice's choice."""
    best: tuple[float, Proof, Choice] | None = None
    for choice in sets:
        proof = prove(
            connector,
            statements,
            [by_name[name] for name in choice.indexes][: limits.most_proved],
            catalog,
            writes,
            served=choice.served,
            seconds=max(1.0, (limits.proof_seconds - advice.phases.get("proof", 0.0)) / len(sets)),
            budget_bytes=limits.budget_bytes,
        )
        gained = gained_ms(proof)
        if best is None or clearly_better(gained, best[0]):
            best = (gained, proof, choice)
    if best is None:
        return Proof()
    advice.choice = best[2]
    advice.chosen = tuple(by_name[name] for name in best[2].indexes)
    return best[1]


def clearly_better(gained_ms: float, than_ms: float) -> bool:
    """Whether a set chosen otherwise is better, and not luckier: also where both lose."""
    return gained_ms > than_ms + CLEARLY_BETTER * abs(than_ms)


def all_candidates(statements: Sequence[Ready]) -> list[Candidate]:
    """Those of all statements, each once."""
    found: dict[tuple[str, str, str], Candidate] = {}
    for ready in statements:
        for candidate in ready.candidates:
            found.setdefault((*candidate.table, candidate.index.name), candidate)
    return list(found.values())


def _with_real(
    planner: Planner, statements: Sequence[Ready], candidates: Sequence[Candidate], costed: list[Costed]
) -> tuple[list[Costed], dict[str, int]]:
    """Cost options of what HypoPG cannot pretend, each built for real and dropped again."""
    bases = {query.query_id: query.base for query in costed}
    concerned: dict[str, list[Ready]] = {}
    for ready in statements:
        for candidate in ready.candidates:
            if candidate.index.method in GIN_METHODS:
                concerned.setdefault(candidate.index.name, []).append(ready)
    real = {candidate.index.name: candidate for candidate in candidates if candidate.index.name in concerned}
    weight = {name: sum(ready.statement.total_ms for ready in found) for name, found in concerned.items()}
    options: dict[int, list[Option]] = {}
    sizes: dict[str, int] = {}
    for name in sorted(real, key=lambda one: -weight[one])[:MOST_REAL_BUILDS]:
        costs, size = real_costs(planner, concerned[name], real[name], bases)
        sizes[name] = size
        for query, cost in costs.items():
            options.setdefault(query, []).append(Option(frozenset((name,)), cost))
    return [Costed(q.query_id, q.weight_ms, q.base, (*q.options, *options.get(q.query_id, ()))) for q in costed], sizes


def _prices(
    candidates: Sequence[Candidate],
    statements: Sequence[Ready],
    catalog: Catalog,
    writes: Mapping[tuple[str, str], Writes],
    sizes: Mapping[str, int],
) -> dict[str, Price]:
    assigned: dict[tuple[str, str], set[str]] = {}
    for ready in statements:
        for use in ready.usage.uses:
            assigned.setdefault(use.table.id, set()).update(use.assigned)
    prices = {}
    for candidate in candidates:
        price = price_of(
            candidate.index,
            catalog.tables[candidate.table],
            writes.get(candidate.table, Writes()),
            frozenset(assigned.get(candidate.table, ())),
        )
        size = sizes.get(candidate.index.name, 0)
        prices[candidate.index.name] = Price(size, price.write_ms) if size else price
    return prices


def _recommendation(
    candidate: Candidate,
    choice: Choice,
    price: Price,
    *,
    prepared: Preparation,
    costed: Sequence[Costed],
    proof: Proof | None,
    longest: int,
    policies: Policies,
) -> Recommendation:
    index = candidate.index
    name = index.name
    served = choice.served.get(name, ())
    by_query = {query.query_id: query for query in costed if query.query_id in set(served)}
    weight = sum(query.weight_ms for query in by_query.values())
    kept = sum(query.milliseconds(set(choice.indexes)) for query in by_query.values())
    gain = 1 - kept / weight if weight else 0.0
    proved = proof.proved.get(name) if proof else None
    measured = proved.measured if proved else (proof.rejected_measures.get(name) if proof else None)
    texts = {
        ready.statement.query_id: ready.statement.text for ready in prepared.ready if ready.statement.query_id in set(served)
    }
    bound = _bound_by_policies({*served, *(proved.replayed if proved else ())}, prepared.ready, policies)
    rejected = proof.rejected.get(name, "") if proof else ""
    evidence = Evidence(
        measured=measured,
        estimated_gain=gain,
        replayed_share=proved.replayed_share if proved else 0.0,
        guessed=proved.guessed if proved else False,
        outside_spread=proved.outside_spread if proved else False,
        policies=bool(bound),
        write_known=measured is None or measured.write_ratio is not None,
        write_share=proved.lost_ms / proved.saved_ms if proved and proved.saved_ms > 0 else 0.0,
    )
    qualified = sql.Identifier(index.schema, index.table)
    extension = ""
    if candidate.needs_extension:
        wanted = sql.Identifier(candidate.needs_extension)
        extension = sql.SQL("CREATE EXTENSION IF NOT EXISTS {}; ").format(wanted).as_string(None)
    reason = reason_of(
        index, len(served), weight, gain, longest=longest, bound=bound, writes_known=not proved or evidence.write_known
    )
    return Recommendation(
        kind=Kind.CREATE_INDEX,
        subject=f"{index.schema}.{index.table}",
        ddl=extension + create_index(index, name=name, relation=qualified, concurrently=True).as_string(None),
        undo=sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(index.schema, name)).as_string(None),
        reason=reason,
        source="heuristic",
        statements=tuple(served),
        statement=texts[served[0]][:LONGEST_SHOWN] if served and served[0] in texts else "",
        index=index,
        confidence=0.0 if rejected else confidence(evidence),
        estimated_gain=round(gain, 4),
        measured=measured,
        bytes=measured.bytes if measured else price.bytes,
        state=State.REJECTED if rejected else State.PROVED if proved else State.PROPOSED,
        state_reason=rejected or (proof.unjudged.get(name, "") if proof else ""),
        metadata={
            "estimated_bytes": price.bytes,
            "served_ms": round(weight, 3),
            "needs_extension": candidate.needs_extension,
            **({"together_with": list(proved.together_with), "replayed": len(proved.replayed)} if proved else {}),
        },
    )


def _bound_by_policies(served: set[int], statements: Sequence[Ready], policies: Policies) -> list[str]:
    """Tables in served statements whose policies bind a role that ran them."""
    return sorted(
        {
            ".".join(use.table.id)
            for ready in statements
            if ready.statement.query_id in served
            for use in ready.usage.uses
            if ready.statement.users & policies.get(use.table.id, frozenset())
        }
    )
