"""Indexes that the inventory declares: there, valid, as declared, and read."""

from __future__ import annotations

from collections.abc import Iterable

from ...postgres.catalog import quoted, statistics_days
from ...report.finding import Finding, Level, Priority
from ..context import Context
from ..declared import DeclaredState
from ..outcome import CouldNotVerify, NotApplicable
from ..registry import Scope, check


def _states(context: Context) -> tuple[DeclaredState, ...]:
    if not context.declared_states:
        raise NotApplicable("no index is declared for this database")
    return context.declared_states


@check(
    "I08",
    "Declared indexes exist as declared",
    why="A query that counts on an index which is missing, invalid or different reads the whole table.",
    priority=Priority.P1,
    scope=Scope.DATABASE,
)
def declared_missing(context: Context) -> Iterable[Finding]:
    """Declared indexes that are missing, invalid or defined differently, as PostgreSQL itself prints definitions."""
    states = _states(context)
    for state in states:
        wanted, actual = state.declared, state.actual
        if actual is None:
            if state.unverified:
                continue
            problem = "is missing"
        elif not (actual.valid and actual.ready):
            if actual.being_built:
                continue
            problem = "is invalid"
        elif state.drift:
            problem = f"differs: {state.drift}"
        else:
            continue
        yield Finding(
            id="I08",
            priority=Priority.P1,
            subject=context.name(wanted.schema, wanted.name),
            summary=f"The declared index {wanted.name} on {wanted.table} {problem}.",
            evidence={
                "table": wanted.table,
                "declared_columns": list(wanted.columns),
                "present": actual is not None,
                "valid": bool(actual and actual.valid),
                "definition": actual.definition if actual else "",
            },
            remedy="Run playbooks/site.yml: it builds, repairs and replaces declared indexes concurrently.",
        )
    unknown = [f"{state.declared.name}: {state.unverified.rstrip('.')}" for state in states if state.unverified]
    if unknown:
        raise CouldNotVerify("; ".join(unknown))


@check(
    "I09",
    "Declared indexes are used",
    why="A declared index that no query uses was declared for a query that is written differently.",
    priority=Priority.P2,
    scope=Scope.DATABASE,
)
def declared_unused(context: Context) -> Iterable[Finding]:
    """Declared indexes without a scan while their tables were read often."""
    limits = context.thresholds
    states = _states(context)
    if any(state.actual is None and state.unverified for state in states):
        raise CouldNotVerify("which index serves a declaration is not known; I08 says why")
    idle = [
        state
        for state in states
        if state.actual
        and state.actual.valid
        and state.actual.scans == 0
        and not (state.actual.unique or state.actual.supports_foreign_key)
        and state.actual.table_scans >= limits.unused_index_table_scans
    ]
    if not idle:
        return
    days = statistics_days(context.connection)
    if days < limits.statistics_minimum_days:
        raise CouldNotVerify(
            f"{', '.join(state.declared.name for state in idle)} had no scan yet, but the statistics cover {days:.1f} days and "
            f"{limits.statistics_minimum_days:g} are needed to judge"
        )
    for state in idle:
        index = state.actual
        if index is None:
            continue
        yield Finding(
            id="I09",
            priority=Priority.P2,
            subject=context.name(index.schema, index.name),
            summary=f"No query used the declared index {index.name} on {index.table} in {days:.0f} days.",
            evidence={
                "scans": 0,
                "table_scans": index.table_scans,
                "size_bytes": index.size_bytes,
                "statistics_days": round(days, 1),
            },
            remedy=(
                "EXPLAIN the query it was declared for; if nothing needs it: DROP INDEX "
                f"CONCURRENTLY {quoted(index.schema, index.name)};"
            ),
            risk=Level.MEDIUM,
        )
