"""What the planner does not know: columns never analysed, and columns that belong together."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import psycopg
from pglast.error import Error as ParseFailure
from psycopg import sql

from ..postgres.catalog import quoted
from ..postgres.index_declaration import LONGEST_NAME
from .facts import Catalog, TableFacts
from .model import Kind, Recommendation, Statement
from .resolve import read_usage

SAMPLE_ROWS = 30_000
MOST_PAIRS = 20
"""Each costs a sample of at most SAMPLE_ROWS rows."""
FEWEST_ROWS = 10_000.0
"""Of a table: in a smaller one a wrong estimate is a small one."""
WRONG_BY = 10.0
"""Times, from which on an estimate leads to another plan."""
FUNCTIONAL = 0.95
"""Share of rows from which on one column tells the other; below, only the pairs themselves can be counted."""
FEWEST_SEEN = 30
"""Rows of the sample with the pair of values that is judged."""

Table = tuple[str, str]


@dataclass(frozen=True)
class Pair:
    """Two columns that statements compare, or group by, together."""

    table: Table
    first: str
    second: str
    grouped: bool
    """Grouped by, rather than compared with values."""
    statements: tuple[int, ...]
    """query_id, the slowest in sum first."""
    text: str


@dataclass(frozen=True)
class Observed:
    """What a sample and the planner say of a pair."""

    pair: Pair
    sampled: int
    expected: float
    """Rows that the planner expects: of the most frequent pair of values, or of groups."""
    actual: float
    """The same, carried over from the sample."""
    seen: int
    """Rows of the sample that this rests on."""
    dependency: float
    """Share of the sampled rows in which one column tells the other: 1.0 is a functional dependency."""


def columns_together(statements: Iterable[Statement], catalog: Catalog) -> tuple[Pair, ...]:
    """The pairs of a workload, those of the slowest statements first: pure.

    Pairs with a unique column are left out: that column alone decides.
    """
    users: dict[tuple[Table, str, str, bool], list[Statement]] = defaultdict(list)
    for statement in statements:
        try:
            uses = read_usage(statement.text, catalog).uses
        except (ParseFailure, RecursionError):
            continue
        for use in uses:
            if use.table.rows < FEWEST_ROWS:
                continue
            unique = {index.keys[0] for index in use.table.indexes if index.unique and len(index.keys) == 1}
            for keys, grouped in ((use.equal, False), (use.group, True)):
                columns = sorted({key.column for key in keys if key.column in use.table.columns} - unique)
                for first, second in combinations(columns, 2):
                    users[use.table.id, first, second, grouped].append(statement)
    return tuple(
        Pair(*key, tuple(dict.fromkeys(one.query_id for one in found)), found[0].text)
        for key, found in sorted(users.items(), key=lambda item: -sum(one.total_ms for one in item[1]))
    )[:MOST_PAIRS]


def observe(connection: psycopg.Connection[Any], pair: Pair, table: TableFacts) -> Observed | None:
    """Sample the table and ask the planner; None where the columns' types have no equality, or the table is gone.

    Reads at most about SAMPLE_ROWS rows; no value leaves this function. Bounded by the session's statement_timeout.
    """
    share = min(100.0, 100.0 * SAMPLE_ROWS / max(table.rows, 1))
    names = {"a": sql.Identifier(pair.first), "b": sql.Identifier(pair.second), "table": sql.Identifier(*pair.table)}
    sample = sql.SQL("SELECT {a} AS a, {b} AS b FROM {table} TABLESAMPLE SYSTEM ({share}) LIMIT {rows}").format(
        **names, share=sql.Literal(share), rows=sql.Literal(SAMPLE_ROWS)
    )
    try:
        with connection.transaction():
            row = connection.execute(
                sql.SQL(
                    """
                    WITH sample AS MATERIALIZED ({sample}),
                         pairs AS (SELECT a, b, count(*) AS times FROM sample
                                     WHERE a IS NOT NULL AND b IS NOT NULL GROUP BY a, b),
                         by_a AS (SELECT max(times) AS top, sum(times) AS times FROM pairs GROUP BY a),
                         by_b AS (SELECT max(times) AS top, sum(times) AS times FROM pairs GROUP BY b)
                    SELECT (SELECT count(*) FROM sample), (SELECT count(*) FROM pairs),
                           greatest((SELECT sum(top)::float8 / nullif(sum(times), 0) FROM by_a),
                                    (SELECT sum(top)::float8 / nullif(sum(times), 0) FROM by_b)), p.a::text, p.b::text, p.times
                      FROM pairs p ORDER BY p.times DESC LIMIT 1
                    """
                ).format(sample=sample)
            ).fetchone()
            if row is None or not row[0]:
                return None
            sampled, groups, dependency, first, second, times = row
            if pair.grouped:
                question = sql.SQL("EXPLAIN (FORMAT JSON) SELECT {a}, {b} FROM {table} GROUP BY 1, 2").format(**names)
            else:
                values = {
                    key: sql.SQL("{}::{}").format(sql.Literal(value), sql.SQL(table.columns[name].type))
                    for key, name, value in (("x", pair.first, first), ("y", pair.second, second))
                }
                question = sql.SQL("EXPLAIN (FORMAT JSON) SELECT FROM {table} WHERE {a} = {x} AND {b} = {y}").format(
                    **names, **values
                )
            plan = connection.execute(question).fetchone()
    except (psycopg.errors.UndefinedFunction, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        return None
    expected = float(plan[0][0]["Plan"]["Plan Rows"]) if plan else 0.0
    if pair.grouped:
        # Each pair of values seen often enough: what was not seen is rare.
        return Observed(pair, sampled, expected, float(groups), sampled // max(groups, 1), float(dependency or 0))
    return Observed(pair, sampled, expected, times / sampled * table.rows, times, float(dependency or 0))


def advise_correlated(
    observed: Iterable[Observed], known: Mapping[Table, Iterable[frozenset[str]]]
) -> tuple[Recommendation, ...]:
    """CREATE STATISTICS where the planner is wrong by WRONG_BY about columns used together: pure.

    ``known`` has the columns of the extended statistics that each table already has.
    """
    found: dict[tuple[Table, str, str], Recommendation] = {}
    for one in observed:
        pair = one.pair
        columns = frozenset({pair.first, pair.second})
        if any(columns <= have for have in known.get(pair.table, ())) or one.seen < FEWEST_SEEN:
            continue
        # Columns that belong together: fewer groups than the product, more rows of a pair than the product.
        wrong = one.expected / max(one.actual, 1.0) if pair.grouped else one.actual / max(one.expected, 1.0)
        if wrong < WRONG_BY:
            continue
        found.setdefault((pair.table, pair.first, pair.second), _statistics(one, wrong))
    return tuple(found.values())


def _statistics(one: Observed, wrong: float) -> Recommendation:
    pair = one.pair
    schema, table = pair.table
    name = _name(table, pair.first, pair.second)
    target, columns = quoted(schema, table), f"{quoted(pair.first)}, {quoted(pair.second)}"
    what = "groups" if pair.grouped else "rows of one pair of values"
    return Recommendation(
        kind=Kind.STATISTICS,
        subject=f"{target} ({columns})",
        ddl=f"CREATE STATISTICS {quoted(schema, name)} ({_kind(one)}) ON {columns} FROM {target};\nANALYZE {target};",
        undo=f"DROP STATISTICS {quoted(schema, name)};",
        reason=f"The planner takes {columns} of {target} as independent: it expects {one.expected:,.0f} {what}, and there are "
        f"about {one.actual:,.0f}, {wrong:,.0f} times {'fewer' if pair.grouped else 'more'}.",
        source="heuristic",
        statements=pair.statements,
        statement=pair.text,
        metadata={
            "expected_rows": round(one.expected),
            "actual_rows": round(one.actual),
            "wrong_by": round(wrong, 1),
            "sampled_rows": one.sampled,
            "dependency": round(one.dependency, 3),
        },
    )


def _kind(one: Observed) -> str:
    """Which statistics mend the estimate. One kind alone: beside a list of common values, PostgreSQL asks no dependency."""
    if one.pair.grouped:
        return "ndistinct"
    return "dependencies" if one.dependency >= FUNCTIONAL else "mcv"


def _name(table: str, first: str, second: str) -> str:
    name = f"{table}_{first}_{second}_stats"
    if len(name.encode()) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name.encode()[: LONGEST_NAME - 9].decode(errors='ignore')}_{digest}"


@dataclass(frozen=True)
class Blind:
    """A table of which the planner knows some columns nothing."""

    table: Table
    rows: float
    columns: tuple[str, ...]
    """Without statistics."""
    switched_off: tuple[str, ...]
    """Of these, those whose statistics target is 0."""
    whole: bool
    """No column has any."""


def read_blind(connection: psycopg.Connection[Any]) -> tuple[Blind, ...]:
    """Tables with columns that were never analysed. Raises psycopg.errors.InsufficientPrivilege where pg_statistic is hidden."""
    rows = connection.execute(
        """
        SELECT n.nspname::text, c.relname::text, greatest(c.reltuples, pg_catalog.pg_relation_size(c.oid) / 8192)::float8,
               array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE s.starelid IS NULL),
               coalesce(array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attstattarget = 0), '{}'),
               bool_and(s.starelid IS NULL)
          FROM pg_catalog.pg_class c
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          LEFT JOIN pg_catalog.pg_statistic s ON s.starelid = c.oid AND s.staattnum = a.attnum
         WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgkeel')
           AND c.relpersistence <> 't' AND pg_catalog.pg_relation_size(c.oid) > 0
         GROUP BY c.oid, 1, 2 HAVING bool_or(s.starelid IS NULL) ORDER BY 1, 2
        """
    ).fetchall()
    return tuple(Blind((row[0], row[1]), row[2], tuple(row[3]), tuple(row[4]), row[5]) for row in rows)


def advise_analyze(blind: Iterable[Blind], used: Mapping[Table, frozenset[str]]) -> tuple[Recommendation, ...]:
    """ANALYZE for the columns that statements compare, join, sort or group by, and of which nothing is known: pure."""
    found = []
    for one in blind:
        columns = [column for column in one.columns if column in used.get(one.table, frozenset())]
        if not columns:
            continue
        target = quoted(*one.table)
        off = [column for column in columns if column in one.switched_off]
        listed = ", ".join(quoted(column) for column in columns)
        raised = "".join(f"ALTER TABLE {target} ALTER COLUMN {quoted(column)} SET STATISTICS DEFAULT;\n" for column in off)
        found.append(
            Recommendation(
                kind=Kind.STATISTICS,
                subject=target if one.whole else f"{target} ({listed})",
                ddl=f"{raised}ANALYZE {target if one.whole else f'{target} ({listed})'};",
                undo="".join(f"ALTER TABLE {target} ALTER COLUMN {quoted(column)} SET STATISTICS 0;\n" for column in off).strip(),
                reason=f"{target} was never analysed: every estimate about it is a guess."
                if one.whole
                else f"Statements depend on {listed} of {target}, of which there are no statistics: every estimate is a guess.",
                source="heuristic",
                metadata={"columns": columns, "switched_off": off},
            )
        )
    return tuple(found)


def read_extended(connection: psycopg.Connection[Any]) -> Mapping[Table, tuple[frozenset[str], ...]]:
    """The columns of each extended statistics object, by table."""
    found: dict[Table, list[frozenset[str]]] = defaultdict(list)
    for schema, table, columns in connection.execute(
        """
        SELECT n.nspname::text, c.relname::text,
               ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
                      WHERE a.attrelid = c.oid AND a.attnum = ANY (e.stxkeys::int2[]))
          FROM pg_catalog.pg_statistic_ext e
          JOIN pg_catalog.pg_class c ON c.oid = e.stxrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        """
    ):
        found[schema, table].append(frozenset(columns))
    return {table: tuple(some) for table, some in found.items()}
