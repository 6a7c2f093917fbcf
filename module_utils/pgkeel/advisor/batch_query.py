"""The one query that replaces a loop, made from the parsed statement that the loop runs."""

from __future__ import annotations

from typing import Any

import pglast
from pglast import ast
from pglast.enums import A_Expr_Kind, BoolExprType, SetOperation
from pglast.error import Error as ParseFailure
from pglast.stream import RawStream

from .facts import Catalog
from .tree import column_name, names_of, nodes

AGGREGATES = frozenset(
    [
        *("array_agg", "avg", "bit_and", "bit_or", "bit_xor", "bool_and", "bool_or", "count", "every", "json_agg"),
        *("json_object_agg", "jsonb_agg", "jsonb_object_agg", "max", "min", "mode", "percentile_cont", "percentile_disc"),
        *("range_agg", "stddev", "string_agg", "sum", "variance"),
    ]
)


def batch_query(text: str, parameter: int, column: tuple[tuple[str, str], str], catalog: Catalog) -> str:
    """The child's statement for many values at once: ``$parameter`` becomes an array of them.

    Each row carries the column, so that the application can tell whose it is. Where the statement limits its rows or is more than
    one SELECT, it runs beside every value (LATERAL); where it aggregates, values without rows have no row in the answer.
    Empty where the statement does not compare the column with the parameter in so many words, or is nested too deep.
    """
    try:
        return _batched(text, parameter, column, catalog)
    except RecursionError:
        return ""


def _batched(text: str, parameter: int, column: tuple[tuple[str, str], str], catalog: Catalog) -> str:
    try:
        tree: Any = pglast.parse_sql(text)[0].stmt
    except ParseFailure:
        return ""
    if not isinstance(tree, ast.SelectStmt):
        return ""
    limited = tree.limitCount is not None or tree.limitOffset is not None
    comparison = _comparison(tree.whereClause, parameter, column[1])
    if limited and comparison is not None and _one_row(tree, column, catalog):
        # A limit for all of them together would lose some.
        tree.limitCount = None
        tree.sortClause = None
        limited = False
    used = sum(one.number == parameter for one in nodes(tree, ast.ParamRef))
    plain = not (limited or tree.distinctClause or tree.windowClause or tree.withClause or tree.havingClause)
    if comparison is None or used != 1 or not plain or tree.op != SetOperation.SETOP_NONE or _windows(tree):
        return _beside(tree, parameter, column, catalog)
    asked = comparison.lexpr if isinstance(comparison.lexpr, ast.ColumnRef) else comparison.rexpr
    comparison.kind = A_Expr_Kind.AEXPR_OP_ANY
    comparison.lexpr, comparison.rexpr = asked, ast.ParamRef(number=parameter)
    targets = tuple(tree.targetList or ())
    if not any(_shows(target, asked) for target in targets):
        tree.targetList = (*targets, ast.ResTarget(val=asked))  # last: ORDER BY 2 keeps its meaning
    if tree.groupClause or _aggregates(targets):
        tree.groupClause = (*(tree.groupClause or ()), asked)
    return str(RawStream()(tree))


def _one_row(tree: Any, column: tuple[tuple[str, str], str], catalog: Catalog) -> bool:  # noqa: ANN401 - pglast's nodes
    """Whether each value of the column gives one row at most: it is unique, and nothing makes more rows of one, or skips it."""
    sources: Any = tree.fromClause or ()
    table = catalog.tables.get(column[0])
    if len(sources) != 1 or not isinstance(sources[0], ast.RangeVar) or table is None or tree.limitOffset is not None:
        return False
    if sources[0].relname != table.name or sources[0].schemaname not in {None, table.schema}:
        return False
    # A function that is no aggregate may return a set.
    if any(names_of(call.funcname)[-1] not in AGGREGATES for call in nodes(tree.targetList, ast.FuncCall)):
        return False
    return any(index.unique and index.valid and index.keys == (column[1],) and not index.predicate for index in table.indexes)


def _comparison(node: Any, parameter: int, column: str) -> Any:  # noqa: ANN401 - pglast's nodes
    """The condition ``column = $parameter``, that all rows must meet."""
    if isinstance(node, ast.BoolExpr) and node.boolop == BoolExprType.AND_EXPR:
        return next((found for part in node.args or () if (found := _comparison(part, parameter, column)) is not None), None)
    if not isinstance(node, ast.A_Expr) or node.kind != A_Expr_Kind.AEXPR_OP or names_of(node.name)[-1] != "=":
        return None
    sides = [(node.lexpr, node.rexpr), (node.rexpr, node.lexpr)]
    for left, right in sides:
        if isinstance(left, ast.ColumnRef) and isinstance(right, ast.ParamRef) and right.number == parameter:
            return node if column_name(left)[-1] == column else None
    return None


def _shows(target: Any, asked: Any) -> bool:  # noqa: ANN401 - pglast's nodes
    value = target.val
    if not isinstance(value, ast.ColumnRef):
        return False
    shown, wanted = column_name(value), column_name(asked)
    return shown[-1] in {"*", wanted[-1]} and (len(shown) == 1 or len(wanted) == 1 or shown[:-1] == wanted[:-1])


def _aggregates(targets: tuple[Any, ...]) -> bool:
    return any(
        call.over is None and (call.agg_star or call.agg_distinct or call.agg_filter or names_of(call.funcname)[-1] in AGGREGATES)
        for call in nodes(targets, ast.FuncCall)
    )


def _windows(tree: Any) -> bool:  # noqa: ANN401 - pglast's nodes
    return any(call.over is not None for call in nodes(tree, ast.FuncCall))


def _beside(tree: Any, parameter: int, column: tuple[tuple[str, str], str], catalog: Catalog) -> str:  # noqa: ANN401 - pglast's nodes
    table = catalog.tables.get(column[0])
    facts = table.columns.get(column[1]) if table else None
    if facts is None:
        return ""
    for node in nodes(tree, ast.Node):
        for name in type(node).__slots__:
            value = getattr(node, name, None)
            if isinstance(value, ast.ParamRef) and value.number == parameter:
                setattr(node, name, _key())
            elif isinstance(value, tuple) and any(isinstance(one, ast.ParamRef) and one.number == parameter for one in value):
                setattr(node, name, tuple(_key() if _is(one, parameter) else one for one in value))
    inner = RawStream()(tree)
    wanted = f"unnest(${parameter}::{facts.type}[]) AS wanted(key)"
    return f"SELECT wanted.key, found.* FROM {wanted} CROSS JOIN LATERAL ({inner}) AS found"  # noqa: S608 - printed from a tree


def _is(node: Any, parameter: int) -> bool:  # noqa: ANN401 - pglast's nodes
    return isinstance(node, ast.ParamRef) and node.number == parameter


def _key() -> Any:  # noqa: ANN401 - pglast's nodes
    return ast.ColumnRef(fields=(ast.String(sval="wanted"), ast.String(sval="key")))
