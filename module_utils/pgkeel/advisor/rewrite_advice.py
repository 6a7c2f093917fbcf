"""Statements that no index saves: the application has to say them differently. Everything is read from the parsed statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pglast import ast, parse_sql
from pglast.enums import A_Expr_Kind, BoolExprType, SetOperation, SortByDir, SubLinkType
from pglast.error import Error as ParseFailure
from pglast.stream import RawStream
from psycopg import sql

from ..postgres.catalog import quoted
from .facts import Catalog, IndexFacts, TableFacts
from .model import Kind, Recommendation, Statement
from .redaction import understand
from .resolve import read_usage
from .tree import column_name, names_of, nodes
from .usage import Use

OFFSET_CALLS = 10
OFFSET_BLOCKS = 1000
"""Blocks of 8 KiB that one call touches, from which on the rows before the offset cost more than those after it."""
OFFSET_RETURNED = 0.1
"""Rows returned a block touched: a page of rows that lie together reads far fewer blocks than it returns rows."""
NOT_IN_ROWS = 10_000.0
"""Of a table inside NOT IN: with fewer, its list fits any memory."""
NOT_IN_MEAN_MS = 10.0
COUNT_PAGES = 8192
"""64 MiB."""
COUNT_CALLS = 5
LIKE_ROWS = 10_000.0


@dataclass(frozen=True)
class Rewrites:
    """What the application should say differently, and what could not be judged."""

    recommendations: tuple[Recommendation, ...] = ()
    unverified: tuple[str, ...] = ()


def advise_rewrites(
    statements: tuple[Statement, ...], catalog: Catalog, leading_wildcards: frozenset[int], *, patterns_known: bool
) -> Rewrites:
    """All rewrites of a workload.

    ``leading_wildcards`` are the query_ids seen with a pattern that begins with ``%`` or ``_``: pg_stat_statements does not say.
    ``patterns_known`` is whether somebody looked; without, statements with LIKE on a larger table are named as unverified.
    """
    found: list[Recommendation] = []
    searching = 0
    for statement in statements:
        tree = understand(statement.text).tree
        if tree is None:
            continue
        try:
            found += [one for rule in (_offset, _not_in, _count) for one in rule(statement, tree, catalog)]
        except RecursionError:
            continue  # nested too deep to be printed: no rule knows such a statement
        searched = _searched(statement, catalog)
        if searched is None:
            continue
        if statement.query_id in leading_wildcards:
            found.append(_wildcard(statement, *searched))
        elif not patterns_known:
            searching += 1
    unverified = (
        f"Whether {searching} statement(s) with LIKE begin with a wildcard: pg_stat_statements keeps no pattern, and "
        "pg_qualstats, which does, is not installed"
    )
    return Rewrites(tuple(found), (unverified,) if searching else ())


def _advice(statement: Statement, table: TableFacts, word: str, reason: str, **evidence: Any) -> Recommendation:  # noqa: ANN401 - figures of any kind
    return Recommendation(
        kind=Kind.REWRITE,
        subject=f"{quoted(*table.id)}: {word}",
        ddl="",
        undo="",
        reason=reason,
        source="heuristic",
        statements=(statement.query_id,),
        statement=statement.text,
        metadata={
            "calls": statement.calls,
            "mean_ms": round(statement.mean_ms, 3),
            "total_ms": round(statement.total_ms, 1),
            **evidence,
        },
    )


def _offset(statement: Statement, tree: Any, catalog: Catalog) -> Iterator[Recommendation]:  # noqa: ANN401 - pglast's nodes
    """Pages by OFFSET whose order an index already gives: what is slow is throwing away the rows before the page."""
    blocks = (statement.blocks_hit + statement.blocks_read) / max(statement.calls, 1)
    returned = statement.rows / max(statement.calls, 1)
    if (
        not isinstance(tree, ast.SelectStmt)
        or tree.limitOffset is None
        or tree.op != SetOperation.SETOP_NONE
        or tree.groupClause
        or tree.distinctClause
        or statement.calls < OFFSET_CALLS
        or blocks < OFFSET_BLOCKS
        or returned > OFFSET_RETURNED * blocks
    ):
        return
    uses = _usage(statement, catalog)
    ordered = next((use for use in uses if use.order), None)
    items = tree.sortClause or ()
    if ordered is None or len(ordered.order) != len(items) or not all(isinstance(one.node, ast.ColumnRef) for one in items):
        return
    first, equal = ordered.order[0][0].column, {key.column for key in ordered.equal}
    serving = [
        index.name
        for index in ordered.table.indexes
        if index.valid and first in index.keys and set(index.keys[: index.keys.index(first)]) <= equal
    ]
    if not serving:
        return  # the order itself costs that much: an index comes first
    rewritten = _after_last(statement.text) if _total(tree, ordered) else ""
    yield _advice(
        statement,
        ordered.table,
        "OFFSET",
        f"Each call touches {blocks:,.0f} blocks to return {returned:,.0f} rows: OFFSET reads all rows before the page "
        "and throws them away. Ask for the rows after the last one seen; the page number becomes the last row's sort columns."
        + ("" if rewritten else _tied(ordered.table)),
        blocks_per_call=round(blocks),
        rows_per_call=round(returned, 1),
        order_served_by=serving[0],
        rewritten=rewritten,
    )


def _tied(table: TableFacts) -> str:
    key = next((index.keys for index in table.indexes if _tells_apart(index, table)), ())
    name = f"the key ({', '.join(key)})" if key else "a unique key that is never NULL"
    return (
        f" Its order may not tell all rows apart: append {name} to ORDER BY, all in one direction, and to the condition, or rows"
        " that are equal where a page ends are lost. Rows with NULL in a sort column need a condition of their own."
    )


def _tells_apart(index: IndexFacts, table: TableFacts) -> bool:
    known = [table.columns.get(key) for key in index.keys]
    return index.unique and index.valid and not index.predicate and all(one is not None and one.not_null for one in known)


def _total(tree: ast.SelectStmt, use: Use) -> bool:
    """Whether the order has one place for each row of the answer, and for none of them NULL."""
    items = tree.fromClause or ()
    columns = [key.column for key, *_ in use.order]
    plain = len(items) == 1 and isinstance(items[0], ast.RangeVar) and not tree.windowClause and not tree.withClause
    # A function may give several rows, or count those that the page no longer reads.
    if not plain or any(True for _ in nodes(tree.targetList, ast.FuncCall)):
        return False
    # ORDER BY looks among the names of the answer first.
    renamed = {one.name for one in tree.targetList or () if one.name and not _is_column(one.val, one.name)}
    if [column_name(one.node)[-1] for one in tree.sortClause or ()] != columns or renamed & set(columns):
        return False
    facts = [use.table.columns.get(column) for column in columns]
    if not all(one is not None and one.not_null for one in facts):
        return False
    return any(_tells_apart(index, use.table) and set(index.keys) <= set(columns) for index in use.table.indexes)


def _is_column(node: Any, name: str) -> bool:  # noqa: ANN401 - pglast's nodes
    return isinstance(node, ast.ColumnRef) and column_name(node)[-1] == name


def _after_last(text: str) -> str:
    """The statement with a condition on the last row seen instead of OFFSET; empty where its order goes both ways."""
    tree = understand(text).tree
    if not isinstance(tree, ast.SelectStmt):
        return ""
    directions = {one.sortby_dir == SortByDir.SORTBY_DESC for one in tree.sortClause or ()}
    if len(directions) != 1 or any(one.sortby_dir == SortByDir.SORTBY_USING for one in tree.sortClause or ()):
        return ""
    free = 1 + max((one.number for one in nodes(tree, ast.ParamRef)), default=0)
    columns = [str(RawStream()(one.node)) for one in tree.sortClause or ()]
    values = [f"${free + place}" for place in range(len(columns))]
    sides = (columns[0], values[0]) if len(columns) == 1 else (f"({', '.join(columns)})", f"({', '.join(values)})")
    (probe,) = parse_sql(f"SELECT FROM t WHERE {sides[0]} {'<' if directions == {True} else '>'} {sides[1]}")
    condition: Any = probe.stmt
    condition = condition.whereClause
    tree.limitOffset = None
    before = tree.whereClause
    tree.whereClause = ast.BoolExpr(boolop=BoolExprType.AND_EXPR, args=(before, condition)) if before else condition
    # OFFSET's own parameter is gone: PREPARE takes no gap.
    left = [(one, one.number) for one in nodes(tree, ast.ParamRef)]
    numbers = {old: new for new, old in enumerate(sorted({number for _, number in left}), 1)}
    for one, number in left:
        one.number = numbers[number]
    return str(RawStream()(tree))


def _not_in(statement: Statement, tree: Any, catalog: Catalog) -> Iterator[Recommendation]:  # noqa: ANN401 - pglast's nodes
    """NOT IN over a subquery of a larger table."""
    if statement.mean_ms < NOT_IN_MEAN_MS:
        return
    for negated in nodes(tree, ast.BoolExpr):
        inner = negated.args[0]
        if (
            negated.boolop != BoolExprType.NOT_EXPR
            or not isinstance(inner, ast.SubLink)
            or inner.subLinkType != SubLinkType.ANY_SUBLINK
            or inner.operName
        ):
            continue
        tables = [catalog.find(one.schemaname, one.relname) for one in nodes(inner.subselect, ast.RangeVar)]
        large = [one for one in tables if isinstance(one, TableFacts) and one.rows >= NOT_IN_ROWS]
        if not large:
            continue
        table = max(large, key=lambda one: one.rows)
        yield _advice(
            statement,
            table,
            "NOT IN",
            "With NOT IN and a subquery there is no anti-join, since one NULL makes it return nothing: with "
            f"{table.rows:,.0f} rows in {table.name} the list is read again and again once it exceeds work_mem. Use NOT EXISTS "
            "with inner column = outer column; where the inner column holds NULLs, that also returns the rows meant."
            + _outer_null(tree, inner, catalog),
            subquery_rows=round(table.rows),
        )
        return


def _outer_null(tree: Any, inner: Any, catalog: Catalog) -> str:  # noqa: ANN401 - pglast's nodes
    """What NOT IN does with rows whose own column is NULL, and NOT EXISTS does not; empty where there can be none."""
    outer = inner.testexpr
    if isinstance(outer, ast.ColumnRef) and len(tables := _sources(tree)) == 1:
        table = catalog.find(tables[0].schemaname, tables[0].relname or "")
        facts = table.columns.get(column_name(outer)[-1]) if isinstance(table, TableFacts) else None
        if facts is not None and facts.not_null:
            return ""
    name = str(RawStream()(outer))
    return f" NOT IN leaves out rows whose own value is NULL, NOT EXISTS returns them: add AND {name} IS NOT NULL."


def _sources(tree: Any) -> list[ast.RangeVar]:  # noqa: ANN401 - pglast's nodes
    """The one relation that a statement reads beside its subqueries; another number of them where it is not that simple."""
    if isinstance(tree, ast.SelectStmt):
        return [one for one in tree.fromClause or () if isinstance(one, ast.RangeVar)] if len(tree.fromClause or ()) == 1 else []
    joined = getattr(tree, "fromClause", None) or getattr(tree, "usingClause", None)
    relation = getattr(tree, "relation", None)
    return [relation] if isinstance(relation, ast.RangeVar) and not joined else []


def _count(statement: Statement, tree: Any, catalog: Catalog) -> Iterator[Recommendation]:  # noqa: ANN401 - pglast's nodes
    """count(*) of a whole large table."""
    if not isinstance(tree, ast.SelectStmt) or statement.calls < COUNT_CALLS:
        return
    relation = _whole(tree)
    if relation is None or len(tree.targetList or ()) != 1:
        return
    (target,) = tree.targetList or ()
    called = target.val
    if not (isinstance(called, ast.FuncCall) and called.agg_star and not called.agg_filter and not called.over):
        return
    table = catalog.find(relation.schemaname, relation.relname or "")
    if names_of(called.funcname)[-1] != "count" or not isinstance(table, TableFacts) or table.pages < COUNT_PAGES:
        return
    yield _advice(
        statement,
        table,
        "count(*)",
        f"count(*) without a condition reads all {table.rows:,.0f} rows of {table.name}, whatever index there is. Where about "
        "that many is enough, ask for the planner's figure; where not, keep a counter.",
        table_rows=round(table.rows),
        rewritten=sql.SQL("SELECT reltuples::bigint FROM pg_class WHERE oid = {}::regclass")
        .format(sql.Literal(quoted(*table.id)))
        .as_string(None),
    )


def _whole(tree: ast.SelectStmt) -> ast.RangeVar | None:
    """The one relation all of whose rows a query goes through; Prisma counts them in a subquery, WHERE 1=1."""
    items = tree.fromClause or ()
    narrowed = any(True for _ in nodes(tree.whereClause, ast.ColumnRef, ast.SubLink, ast.FuncCall))
    grouped = tree.groupClause or tree.distinctClause or tree.havingClause or tree.withClause or tree.limitCount
    if len(items) != 1 or narrowed or grouped or tree.op != SetOperation.SETOP_NONE:
        return None
    if isinstance(items[0], ast.RangeSubselect) and isinstance(inner := items[0].subquery, ast.SelectStmt):
        # A function may give several rows for one.
        return None if any(True for _ in nodes(inner.targetList, ast.FuncCall)) else _whole(inner)
    return items[0] if isinstance(items[0], ast.RangeVar) else None


def _searched(statement: Statement, catalog: Catalog) -> tuple[TableFacts, str] | None:
    """The larger table and the column that a statement searches with LIKE."""
    for use in _usage(statement, catalog):
        for pattern in use.patterns:
            if use.table.rows >= LIKE_ROWS and not pattern.regex:
                return use.table, pattern.key.column or pattern.key.expression
    return None


def _wildcard(statement: Statement, table: TableFacts, column: str) -> Recommendation:
    return _advice(
        statement,
        table,
        "LIKE '%…'",
        f"A pattern that begins with a wildcard reads all {table.rows:,.0f} rows of {table.name}: no B-tree knows where "
        "to start. Search from the beginning of the value, with full text search, or on a trigram index (pg_trgm).",
        column=column,
        table_rows=round(table.rows),
    )


def _usage(statement: Statement, catalog: Catalog) -> list[Use]:
    try:
        return list(read_usage(statement.text, catalog).uses)
    except (ParseFailure, RecursionError):
        return []


def wildcards_in(texts: Mapping[int, Iterable[str]]) -> frozenset[int]:
    """The query_ids of which a text has a pattern with a leading wildcard.

    ``texts`` are statements with their literals, as PREPARE keeps them in pg_stat_statements and pg_qualstats in its examples.
    Nothing of them leaves: only whose they are.
    """
    return frozenset(query_id for query_id, some in texts.items() if any(_begins_open(text) for text in some))


def _begins_open(text: str) -> bool:
    if "%" not in text and "_" not in text:
        return False
    try:
        tree = [statement.stmt for statement in parse_sql(text)]
        return any(
            _first_text(one.rexpr).startswith(("%", "_"))
            for one in nodes(tree, ast.A_Expr)
            if one.kind in {A_Expr_Kind.AEXPR_LIKE, A_Expr_Kind.AEXPR_ILIKE}
        )
    except (ParseFailure, RecursionError, ValueError):
        return False


def _first_text(node: Any) -> str:  # noqa: ANN401 - pglast's nodes
    """What a pattern begins with, looking into casts and ``||``."""
    while isinstance(node, ast.TypeCast | ast.A_Expr):
        node = node.arg if isinstance(node, ast.TypeCast) else node.lexpr
    return str(node.val.sval) if isinstance(node, ast.A_Const) and isinstance(node.val, ast.String) else ""
