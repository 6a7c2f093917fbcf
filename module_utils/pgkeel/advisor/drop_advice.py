"""Indexes that cost more than they give: copies, beginnings of others, and those that nobody reads on any node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from ..postgres.catalog import Index, indexes, quoted, statistics_days
from ..postgres.index_redundancy import SUPPORTS_KEY, Names, beginnings, guards, repeated
from .model import Kind, Recommendation

SHORTEST_DAYS = 35.0
"""A report that runs once a month must have had its turn."""
SMALLEST_BYTES = 1024 * 1024
"""Of an unread index: a smaller one costs nothing worth a change."""


@dataclass(frozen=True)
class Node:
    """One server, and how it used the indexes."""

    name: str
    indexes: tuple[Index, ...]
    statistics_days: float
    """What its counters cover at least."""


@dataclass(frozen=True)
class Standbys:
    """The servers that read the same indexes."""

    asked: tuple[Node, ...] = ()
    existing: int = 0
    """That stream from the primary, or whose replication slot waits for them."""

    @property
    def silent(self) -> int:
        """Those whose reads are not known."""
        return max(0, self.existing - len(self.asked))


@dataclass(frozen=True)
class Drops:
    """What may go, and what could not be judged."""

    recommendations: tuple[Recommendation, ...] = ()
    unverified: tuple[str, ...] = ()


def read_node(connection: psycopg.Connection[Any], name: str) -> Node:
    """How the server that the connection is to used the indexes of the database. Raises psycopg.Error."""
    return Node(name, indexes(connection), statistics_days(connection))


def count_standbys(connection: psycopg.Connection[Any]) -> int:
    """Physical standbys that stream from this server or have a slot on it; one that is away counts."""
    row = connection.execute(
        """
        SELECT (SELECT count(*) FROM pg_catalog.pg_stat_replication r
                 WHERE r.state <> 'backup'
                   AND NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots s WHERE s.active_pid = r.pid))
             + (SELECT count(*) FROM pg_catalog.pg_replication_slots s WHERE s.slot_type = 'physical')
        """
    ).fetchone()
    return int(row[0]) if row else 0


def advise_drops(
    primary: Node,
    standbys: Standbys,
    *,
    ages: Mapping[tuple[str, str], float],
    declared: Names = frozenset(),
    ours: Names = frozenset(),
) -> Drops:
    """What to drop, from facts alone. ``declared`` are the inventory's indexes, ``ours`` those that the architect built.

    ``ages``: days that an index is known to be there, by schema and name. One that was never read and may be younger than
    SHORTEST_DAYS is no verdict: it may have been built, or swapped for a new one, yesterday.

    Never one that is unique or carries a constraint, is the replica identity, supports a foreign key, is used by CLUSTER or
    belongs to a partitioned table. One that a person made is advised with a word and marked ``automatic: false``.
    """
    found: dict[tuple[str, str], Recommendation] = {}
    needed: set[tuple[str, str]] = set()
    live = [index for index in primary.indexes if index.valid and not index.being_built]
    for copy, keeper in repeated(live, declared):
        # Its twin supports the foreign key as well.
        if _may_go(copy, twin=keeper):
            reason = f"{quoted(copy.schema, copy.name)} repeats {keeper.name}: every write pays twice, and no query gains"
            evidence = {"same_as": keeper.name, "scans": copy.scans}
            needed.add(_name(keeper))
            found.setdefault(_name(copy), _drop(copy, reason, evidence, declared, ours))
    for index, cover in beginnings(live):
        if _may_go(index, twin=cover):
            reason = f"{quoted(index.schema, index.name)} is the beginning of {cover.name}, which answers the same queries"
            evidence = {"covered_by": cover.name, "scans": index.scans, "covering_bytes": cover.size_bytes}
            needed.add(_name(cover))
            found.setdefault(_name(index), _drop(index, reason, evidence, declared, ours))
    unverified = []
    idle = [index for index in live if _may_go(index) and index.size_bytes >= SMALLEST_BYTES and _unread(index)]
    idle = [index for index in idle if _name(index) not in found and _name(index) not in needed]
    if idle:
        reason = _unjudged(primary, standbys)
        if reason:
            unverified.append(f"Whether {len(idle)} index(es) without a read in {SHORTEST_DAYS:g} days may go: {reason}")
        else:
            young = [index for index in idle if index.idle_days is None and ages.get(_name(index), 0.0) < SHORTEST_DAYS]
            if young:
                unverified.append(
                    f"Whether {len(young)} index(es) without a read may go: they were first seen less than {SHORTEST_DAYS:g} days"
                    " ago, and may be younger than what would have read them"
                )
            for index in idle:
                if index in young:
                    continue
                used = [node.name for node in standbys.asked if _used_on(node, index)]
                if not used:
                    known = ages.get(_name(index), 0.0) if index.idle_days is None else index.idle_days
                    found[_name(index)] = _unused(index, known, primary, standbys, declared=declared, ours=ours)
    return Drops(tuple(sorted(found.values(), key=lambda one: (one.bytes, one.subject))), tuple(unverified))


def _name(index: Index) -> tuple[str, str]:
    return index.schema, index.name


def _may_go(index: Index, twin: Index | None = None) -> bool:
    duty = guards(index)
    if duty == SUPPORTS_KEY and twin is not None and twin.supports_foreign_key:
        duty = ""
    return not duty and index.size_bytes > 0  # an index of a partitioned table has no bytes of its own


def _unread(index: Index) -> bool:
    return index.scans == 0 or (index.idle_days is not None and index.idle_days >= SHORTEST_DAYS)


def _unjudged(primary: Node, standbys: Standbys) -> str:
    for node in (primary, *standbys.asked):
        if node.statistics_days < SHORTEST_DAYS:
            return f"the statistics of {node.name} cover {node.statistics_days:.1f} days"
    if standbys.silent:
        return f"{standbys.silent} standby(s) may read them and were not asked; name them in replicas"
    return ""


def _used_on(node: Node, index: Index) -> bool:
    there = next((one for one in node.indexes if (one.schema, one.name) == (index.schema, index.name)), None)
    return there is None or not _unread(there)


def _unused(
    index: Index, known_days: float, primary: Node, standbys: Standbys, *, declared: Names, ours: Names
) -> Recommendation:
    nodes = [primary.name, *(node.name for node in standbys.asked)]
    days = min(
        known_days,
        *(node.statistics_days for node in (primary, *standbys.asked)),
    )
    reason = f"No query used {quoted(index.schema, index.name)} for {days:.0f} days on {' and '.join(nodes)}"
    return _drop(index, reason, {"unused_days": round(days, 1), "nodes": nodes, "scans": index.scans}, declared, ours)


def _drop(index: Index, reason: str, evidence: dict[str, Any], declared: Names, ours: Names) -> Recommendation:
    name = _name(index)
    made_by = "architect" if name in ours else "inventory" if name in declared else "person"
    word = {
        "architect": "",
        "inventory": ". It is declared: take it out of the inventory first",
        "person": ". A person or a migration made it: ask before it goes, and take it out of the ORM's schema",
    }[made_by]
    definition = index.definition
    undo = definition.replace("CREATE INDEX ", "CREATE INDEX CONCURRENTLY ", 1) + ";"
    return Recommendation(
        kind=Kind.DROP_INDEX,
        subject=quoted(*name),
        ddl=f"DROP INDEX CONCURRENTLY {quoted(*name)};",
        undo=undo,
        reason=f"{reason}{word}.",
        source="heuristic",
        bytes=-index.size_bytes,
        metadata={
            **evidence,
            "table": quoted(index.schema, index.table),
            "size_bytes": index.size_bytes,
            "made_by": made_by,
            "automatic": made_by == "architect",
        },
    )
