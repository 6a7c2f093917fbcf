"""Loops of the application: a statement that runs once for each row that another one returned.

Many calls are no proof, a login looks the same. Here a child's calls are compared with a parent's rows, interval by interval:
where one follows the other through a busy hour and a quiet one, and the child asks by a column that the parent returns, it is a
loop.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import psycopg
from pglast.error import Error as ParseFailure

from ..postgres.catalog import quoted
from .batch_query import batch_query
from .facts import Catalog
from .model import Kind, Recommendation, Statement
from .resolve import read_usage
from .snapshots import Counters
from .usage import Usage
from .workload import differences

FEWEST_INTERVALS = 5
"""In which the parent returned rows: two lines that cross once prove nothing."""
FEWEST_ROWS = 50
"""Of the parent, in all."""
FEWEST_EACH = 2.0
"""Rows a call of the parent: with one, the pair is a chain of two queries, and no loop."""
TOLERANCE = 0.1
"""By which calls may miss the rows in all, and in half of the intervals by less: rows without a key, a call of somebody else."""

Table = tuple[str, str]
Column = tuple[Table, str]


@dataclass(frozen=True)
class Interval:
    """What each statement did between two snapshots, by query_id."""

    calls: Mapping[int, int]
    rows: Mapping[int, int]


@dataclass(frozen=True)
class Loop:
    """A child that follows a parent."""

    parent: Statement
    child: Statement
    column: Column
    """By which the child asks."""
    parameter: int
    """Its ``$n``."""
    intervals: int
    parent_calls: int
    rows: int
    """Of the parent."""
    calls: int
    """Of the child."""
    miss: float
    """By how much calls and rows differ, interval by interval: 0 to TOLERANCE."""


def intervals_of(history: Sequence[Counters]) -> tuple[Interval, ...]:
    """The differences of snapshots that follow one another. One within which counters began anew is left out."""
    found = []
    for before, after in pairwise(history):
        calls: dict[int, int] = defaultdict(int)
        rows: dict[int, int] = defaultdict(int)
        anew = False
        for entry, afresh in differences(after, before):
            anew = anew or afresh
            calls[entry.query_id] += entry.calls
            rows[entry.query_id] += entry.rows
        if not anew and before.counters_since == after.counters_since:
            found.append(Interval(dict(calls), dict(rows)))
    return tuple(found)


def read_foreign_keys(connection: psycopg.Connection[Any]) -> Mapping[Column, frozenset[Column]]:
    """For each column of a foreign key of one column, those that hold the same values. Raises psycopg.Error."""
    links: dict[Column, set[Column]] = defaultdict(set)
    for schema, table, column, other_schema, other_table, other_column in connection.execute(
        """
        SELECT n.nspname::text, c.relname::text, a.attname::text, m.nspname::text, d.relname::text, b.attname::text
          FROM pg_catalog.pg_constraint k
          JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_catalog.pg_class d ON d.oid = k.confrelid JOIN pg_catalog.pg_namespace m ON m.oid = d.relnamespace
          JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
          JOIN pg_catalog.pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = k.confkey[1]
         WHERE k.contype = 'f' AND cardinality(k.conkey) = 1
        """
    ):
        mine, other = ((schema, table), column), ((other_schema, other_table), other_column)
        links[mine].add(other)
        links[other].add(mine)
    return {column: frozenset(others) for column, others in links.items()}


def find_loops(
    statements: Sequence[Statement],
    intervals: Sequence[Interval],
    catalog: Catalog,
    foreign_keys: Mapping[Column, frozenset[Column]],
) -> tuple[Loop, ...]:
    """Every child with the parent that it follows best, the most calls first: pure."""
    if len(intervals) < FEWEST_INTERVALS:
        return ()
    read = [(statement, _usage(statement, catalog)) for statement in statements]
    parents = [(one, _fixed(usage), _returned(usage)) for one, usage in read if usage and usage.reads_only]
    found = []
    for child, usage in read:
        asked = _asked(usage) if usage and usage.reads_only else ()
        best: Loop | None = None
        for column, parameter in asked:
            others = foreign_keys.get(column, frozenset())
            # Children of one parent ask by the same value: siblings.
            siblings = {column, *(sibling for other in others for sibling in foreign_keys.get(other, ()))}
            for parent, fixed, returned in parents:
                linked = bool(others & returned) or _linked(column, siblings, returned - fixed)
                if parent.query_id == child.query_id or not linked:
                    continue
                loop = _follows(parent, child, column, parameter, intervals)
                if loop and (best is None or loop.miss < best.miss):
                    best = loop
        if best:
            found.append(best)
    return tuple(sorted(found, key=lambda loop: -loop.calls))


def _usage(statement: Statement, catalog: Catalog) -> Usage | None:
    try:
        return read_usage(statement.text, catalog)
    except (ParseFailure, RecursionError):
        return None


def _asked(usage: Usage) -> tuple[tuple[Column, int], ...]:
    """The columns that a statement compares with one parameter each."""
    return tuple(
        ((one.table, one.column), one.number)
        for one in usage.parameters.values()
        if one.table is not None and one.column and one.role == "="
    )


def _returned(usage: Usage) -> frozenset[Column]:
    return frozenset(
        (use.table.id, column) for use in usage.uses for column in (use.table.columns if use.needed is None else use.needed)
    )


def _fixed(usage: Usage) -> frozenset[Column]:
    """Columns that have one value in all rows of an answer, as a tenant's: nobody asks again for each row by that."""
    asked = [column for column, _ in _asked(usage)]
    return frozenset(column for column in asked if asked.count(column) == 1)


def _linked(column: Column, siblings: set[Column], returned: frozenset[Column]) -> bool:
    """Whether the parent has the child's value: by a foreign key to the same row, or under the same name where no key says so."""
    return bool(siblings & returned) or any(name == column[1] and name.lower() != "id" for _, name in returned)


def _follows(parent: Statement, child: Statement, column: Column, parameter: int, intervals: Sequence[Interval]) -> Loop | None:
    points = [
        (one.calls.get(parent.query_id, 0), one.rows.get(parent.query_id, 0), one.calls.get(child.query_id, 0))
        for one in intervals
    ]
    points = [point for point in points if any(point)]
    active = sum(1 for _, rows, _ in points if rows)
    times, rows, calls = (sum(values) for values in zip(*points, strict=True)) if points else (0, 0, 0)
    if active < FEWEST_INTERVALS or rows < FEWEST_ROWS or rows < FEWEST_EACH * times:
        return None
    # A call that is under way when a snapshot is taken is counted on the other side: one loop at most, either end.
    each = rows / times
    left = sum(max(0.0, abs(y - x) - each) for _, x, y in points)
    miss = left / rows
    typical = sorted(abs(y - x) / max(x, 1) for _, x, y in points)[len(points) // 2]
    if miss > TOLERANCE or typical > TOLERANCE or abs(calls - rows) > TOLERANCE * rows:
        return None
    return Loop(parent, child, column, parameter, active, times, rows, calls, round(miss, 4))


def advise_batches(loops: Iterable[Loop], catalog: Catalog) -> tuple[Recommendation, ...]:
    """One query instead of one a row, for each loop: pure."""
    return tuple(_batch(loop, catalog) for loop in loops)


def _batch(loop: Loop, catalog: Catalog) -> Recommendation:
    table, column = loop.column
    return Recommendation(
        kind=Kind.BATCH,
        subject=f"{quoted(*table)} by {quoted(column)}",
        ddl="",
        undo="",
        reason=f"The statement runs once for each row of another one: {loop.calls:,} calls for {loop.rows:,} rows, through "
        f"{loop.intervals} intervals. One query for all of the about {loop.rows / loop.parent_calls:,.0f} keys replaces them.",
        source="heuristic",
        statements=(loop.child.query_id, loop.parent.query_id),
        statement=loop.child.text,
        metadata={
            "parent": loop.parent.text,
            "calls": loop.calls,
            "parent_rows": loop.rows,
            "intervals": loop.intervals,
            "miss": loop.miss,
            "batch_query": batch_query(loop.child.text, loop.parameter, loop.column, catalog),
        },
    )
