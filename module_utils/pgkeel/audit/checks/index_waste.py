"""Indexes that cost more than they give."""

from __future__ import annotations

from collections.abc import Iterable

from ...postgres.catalog import Index, quoted, statistics_days
from ...postgres.index_redundancy import beginnings, guards, repeated
from ...report.finding import Finding, Level, Priority
from ..context import Context
from ..outcome import CouldNotVerify
from ..registry import Scope, check


def _declared_names(context: Context) -> frozenset[tuple[str, str]]:
    return frozenset((one.schema, one.name) for one in context.declared_indexes if one.database == context.database)


def _drop(index: Index, declared: bool) -> str:
    if index.constraint:
        return f"ALTER TABLE {quoted(index.schema, index.table)} DROP CONSTRAINT {quoted(index.name)};"
    statement = f"DROP INDEX CONCURRENTLY {quoted(index.schema, index.name)};"
    return f"Take it out of the declarations and the ORM's schema first, then: {statement}" if declared else statement


@check(
    "I01",
    "Every index is valid",
    why="An invalid index is kept up by every write and answers no query; it is what a failed CONCURRENTLY leaves.",
    priority=Priority.P1,
    scope=Scope.DATABASE,
)
def invalid(context: Context) -> Iterable[Finding]:
    """Invalid indexes on tables where none is being built now."""
    for index in context.indexes():
        if (index.valid and index.ready) or index.being_built:
            continue
        yield Finding(
            id="I01",
            priority=Priority.P1,
            subject=context.name(index.schema, index.name),
            summary=f"Index {index.name} on {index.table} is invalid: no query uses it.",
            evidence={"valid": index.valid, "ready": index.ready, "size_bytes": index.size_bytes, "definition": index.definition},
            remedy=(
                f"REINDEX INDEX CONCURRENTLY {quoted(index.schema, index.name)}; a name that "
                "ends in _ccnew or _ccold is dropped instead."
            ),
        )


@check(
    "I02",
    "No index exists twice",
    why="Each copy costs the same writes, WAL, cache and disk, and no query gains.",
    priority=Priority.P1,
    scope=Scope.DATABASE,
)
def duplicates(context: Context) -> Iterable[Finding]:
    """Indexes with the same table, method, keys, included columns and predicate; the most important one stays."""
    declared = _declared_names(context)
    for copy, keeper in repeated(context.indexes(), declared):
        yield Finding(
            id="I02",
            priority=Priority.P1,
            subject=context.name(copy.schema, copy.name),
            summary=f"Index {copy.name} on {copy.table} repeats {keeper.name}.",
            evidence={
                "same_as": keeper.name,
                "size_bytes": copy.size_bytes,
                "scans": copy.scans,
                "definition": copy.definition,
            },
            remedy=_drop(copy, (copy.schema, copy.name) in declared),
        )


@check(
    "I03",
    "No index is the beginning of another",
    why="The longer index answers the same queries; the shorter one only costs writes and cache.",
    priority=Priority.P2,
    scope=Scope.DATABASE,
)
def prefixes(context: Context) -> Iterable[Finding]:
    """B-tree indexes whose keys are the first keys of another one with the same predicate."""
    declared = _declared_names(context)
    for index, cover in beginnings(context.indexes()):
        is_declared = (index.schema, index.name) in declared
        yield Finding(
            id="I03",
            priority=Priority.P2,
            subject=context.name(index.schema, index.name),
            summary=f"Index {index.name} on {index.table} is the beginning of {cover.name}.",
            evidence={
                "covered_by": cover.name,
                "keys": list(index.keys),
                "covering_keys": list(cover.keys),
                "size_bytes": index.size_bytes,
                "covering_size_bytes": cover.size_bytes,
                "scans": index.scans,
                "declared": is_declared,
            },
            remedy=_drop(index, is_declared) + " Keep it where it is much smaller than the longer one and read very often.",
            risk=Level.MEDIUM,
        )


@check(
    "I04",
    "Every index is read",
    why="An index without readers slows each write and takes cache from those that have some.",
    priority=Priority.P2,
    scope=Scope.DATABASE,
)
def unused(context: Context) -> Iterable[Finding]:
    """Large indexes without a scan while their tables were read often; none that enforces or supports a constraint."""
    limits = context.thresholds
    declared = _declared_names(context)
    idle = [
        index
        for index in context.indexes()
        if index.scans == 0
        and index.size_bytes >= limits.unused_index_bytes
        and index.table_scans >= limits.unused_index_table_scans
        and index.valid
        and not guards(index)
        and (index.schema, index.name) not in declared
    ]
    if not idle:
        return
    days = statistics_days(context.connection)
    if days < limits.statistics_minimum_days:
        raise CouldNotVerify(
            f"{len(idle)} index(es) have no scan yet, but the statistics cover {days:.1f} days and "
            f"{limits.statistics_minimum_days:g} are needed to judge"
        )
    for index in idle:
        yield Finding(
            id="I04",
            priority=Priority.P2,
            subject=context.name(index.schema, index.name),
            summary=f"No query used index {index.name} on {index.table} in {days:.0f} days.",
            evidence={
                "scans": 0,
                "table_scans": index.table_scans,
                "size_bytes": index.size_bytes,
                "statistics_days": round(days, 1),
                "definition": index.definition,
            },
            remedy=f"{_drop(index, declared=False)} Look at the standbys first: their reads are not counted here.",
            risk=Level.MEDIUM,
        )
