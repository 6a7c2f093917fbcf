"""Expressions and conditions of a statement: which columns they compare, sort and read, and what parameters are for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from pglast import ast
from pglast.enums import A_Expr_Kind, BoolExprType, BoolTestType, NullTestType, SortByDir, SortByNulls

from ..postgres.index_declaration import IndexKey
from .batch_query import AGGREGATES
from .facts import Catalog
from .names import Columns, Origin, Scope, named, need, stripped, text_of
from .tree import Tree, children, column_name, names_of, nodes
from .usage import Parameter, Pattern, Usage, Use

_RANGE_OPERATORS = frozenset({"<", "<=", ">", ">="})
_PATTERN_OPERATORS = frozenset({"~~", "~~*", "~", "~*"})
_PATTERN_KINDS = frozenset({A_Expr_Kind.AEXPR_LIKE, A_Expr_Kind.AEXPR_ILIKE})
_ONE_TEXT = frozenset({"text", "character varying", "varchar"})
"""Types whose values are stored and compared alike."""
_SWAPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


class Expressions(ABC):
    """Goes through expressions; what it finds goes into ``usage``."""

    def __init__(self, catalog: Catalog, usage: Usage) -> None:
        self.catalog = catalog
        self.usage = usage

    @abstractmethod
    def statement(self, node: Tree, outer: Scope | None = None) -> Columns:
        """A query inside an expression; returns its columns."""

    def sort(self, items: list[Any], aliases: dict[str, Any], positions: list[Any], scope: Scope) -> None:
        """ORDER BY: its leading part, as far as it lies in one table."""
        for item in items:
            self.value_of(item.node, scope)
        for use, place in self._leading([(named(item.node, aliases, positions, scope), item) for item in items], scope):
            use.order.append(place)

    def _window(self, node: Tree, scope: Scope) -> None:
        """What OVER goes through one after the other: an index in that order saves the sort."""
        ascending = ast.SortBy(sortby_dir=SortByDir.SORTBY_DEFAULT, sortby_nulls=SortByNulls.SORTBY_NULLS_DEFAULT)
        items = [(part, ascending) for part in node.partitionClause or ()]
        found = list(self._leading([*items, *[(item.node, item) for item in node.orderClause or ()]], scope))
        if found:
            found[0][0].windows.append(tuple(place for _, place in found))

    def _leading(self, items: list[tuple[Tree, Tree]], scope: Scope) -> Iterator[tuple[Use, tuple[IndexKey, bool, bool]]]:
        """Of values and their ORDER BY items the first ones, as far as they lie in one table: key, descending, nulls first."""
        leading: Use | None = None
        for value, item in items:
            found = self.key(value, scope)
            if found is None or (leading is not None and found[0] is not leading):
                return
            leading = found[0]
            down = item.sortby_dir == SortByDir.SORTBY_DESC
            nulls_first = (
                down
                if item.sortby_nulls == SortByNulls.SORTBY_NULLS_DEFAULT
                else item.sortby_nulls == SortByNulls.SORTBY_NULLS_FIRST
            )
            yield leading, (found[1], down, nulls_first)

    def keyed(self, node: Tree, scope: Scope, place: str) -> None:
        """Note a column or expression in that list of its use."""
        found = self.key(node, scope)
        if found is not None:
            getattr(found[0], place).append(found[1])

    def key(self, node: Tree, scope: Scope) -> tuple[Use, IndexKey] | None:
        """A column of a table, or an expression of one table's columns and constants."""
        if isinstance(node, ast.ColumnRef):
            origin, level = scope.find(column_name(node))
            return (origin.use, IndexKey(column=origin.column)) if origin is not None and level == 0 else None
        if isinstance(node, ast.TypeCast) and (relabelled := self._relabelled(node, scope)) is not None:
            return relabelled
        return None if isinstance(node, ast.RowExpr | tuple | list) else self._expression(node, scope)

    def _expression(self, node: Tree, scope: Scope) -> tuple[Use, IndexKey] | None:
        references = list(nodes(node, ast.ColumnRef))
        if not references or any(True for _ in nodes(node, ast.ParamRef, ast.SubLink, ast.SQLValueFunction)):
            return None
        origins = [scope.find(column_name(reference)) for reference in references]
        uses = {id(origin.use) if origin else 0 for origin, _ in origins}
        if len(uses) != 1 or 0 in uses or any(level for _, level in origins):
            return None
        for call in nodes(node, ast.FuncCall):
            name = names_of(call.funcname)[-1]
            if name in self.catalog.volatile or name in AGGREGATES or call.agg_star or call.over:
                return None
        first = origins[0][0]
        return (
            (first.use, IndexKey(expression=stripped(node, references, [o.column for o, _ in origins if o]))) if first else None
        )

    def _relabelled(self, node: Tree, scope: Scope) -> tuple[Use, IndexKey] | None:
        """``name::text`` of a text: the column itself, as PostgreSQL takes it; views are full of these."""
        found = self.key(node.arg, scope) if isinstance(node.arg, ast.ColumnRef) else None
        if found is None or node.typeName.typmods or node.typeName.arrayBounds:
            return None
        column = found[0].table.columns.get(found[1].column)
        same = column is not None and column.type in _ONE_TEXT and names_of(node.typeName.names)[-1] in _ONE_TEXT
        return found if same else None

    def value_of(self, node: Tree, scope: Scope) -> None:  # noqa: PLR0912 - one branch a kind of node
        """Note every column that is read and every parameter in an expression; subqueries are walked."""
        if node is None:
            return
        if isinstance(node, ast.ColumnRef):
            if column_name(node)[-1] == "*":
                for source in scope.sources.values():
                    if source.use is not None:
                        source.use.needed = None
            else:
                origin, level = scope.find(column_name(node))
                if level < 0:
                    self._whole_row(node, scope)
                need(origin)
            return
        if isinstance(node, ast.SubLink):
            self._sublink(node, scope)
            return
        if isinstance(node, ast.WindowDef):
            self._window(node, scope)
        if isinstance(node, ast.FuncCall):
            name = names_of(node.funcname)[-1]
            if name in {"min", "max"} and not node.over:
                self.keyed((node.args or (None,))[0], scope, "extremes")
            for position, argument in enumerate(node.args or ()):
                given = argument.arg if isinstance(argument, ast.TypeCast) else argument
                if isinstance(given, ast.ParamRef):
                    self.parameter(int(given.number or 0), None, f"{name}:{position}")
        if isinstance(node, ast.A_Expr) and node.kind == A_Expr_Kind.AEXPR_OP and isinstance(node.rexpr, ast.ParamRef):
            self._operand(node, scope)
        for child in children(node):
            self.value_of(child, scope)

    def _operand(self, node: Tree, scope: Scope) -> None:
        operator = names_of(node.name)[-1]
        role = "key" if operator in {"->", "->>", "?"} else "path" if operator in {"#>", "#>>"} else ""
        found = self.key(node.lexpr, scope) if role else None
        if role:
            self.parameter(int(node.rexpr.number or 0), found, role)

    def _whole_row(self, node: Tree, scope: Scope) -> None:
        """``row_to_json(t)``: a name that is a source, not a column, is its whole row."""
        source = scope.sources.get(column_name(node)[-1])
        if source is not None and source.use is not None:
            source.use.needed = None

    def _sublink(self, node: Tree, scope: Scope) -> None:
        columns = self.statement(node.subselect, scope)
        self.value_of(node.testexpr, scope)
        operator = names_of(node.operName)[-1] if node.operName else "="
        if node.testexpr is None or operator != "=":
            return
        asked: tuple[Tree, ...] = (node.testexpr.args or ()) if isinstance(node.testexpr, ast.RowExpr) else (node.testexpr,)
        for one, inner in zip_longest(asked, tuple(columns.values())[: len(asked)]):
            found = self.key(one, scope)
            if found is not None:
                found[0].join(found[1], inner.use if inner else None)
            if inner is not None:
                need(inner)
                inner.use.join(IndexKey(column=inner.column), found[0] if found else None)

    def parameter(self, number: int, found: tuple[Use, IndexKey] | None, role: str) -> None:
        """Note what a parameter is for; the first that names a column stays."""
        known = self.usage.parameters.get(number)
        if known is not None and known.column:
            return
        table = found[0].table.id if found else None
        self.usage.parameters[number] = Parameter(number, table, found[1].column if found else "", role)

    def condition(self, node: Tree, scope: Scope, arm: bool = False) -> None:
        """A boolean expression: what narrows a table down goes into its use. ``arm``: one side of an OR."""
        if node is None:
            return
        if isinstance(node, ast.BoolExpr) and node.boolop in (BoolExprType.AND_EXPR, BoolExprType.OR_EXPR):
            either = arm or node.boolop == BoolExprType.OR_EXPR
            for part in node.args or ():
                self.condition(part, scope, either)
            return
        self.value_of(node, scope)
        if not arm:
            self._constant(node, scope)
        if isinstance(node, ast.A_Expr):
            for place, one in enumerate(_of_rows(node)):
                self._comparison(one, scope, arm, decides=not place)

    def _constant(self, node: Tree, scope: Scope) -> None:
        inner = node
        if isinstance(node, ast.BoolExpr) and node.boolop == BoolExprType.NOT_EXPR:
            inner = (node.args or (None,))[0]
        telling = isinstance(inner, ast.ColumnRef | ast.NullTest | ast.BooleanTest) or (
            isinstance(node, ast.A_Expr)
            and node.kind in (A_Expr_Kind.AEXPR_OP, A_Expr_Kind.AEXPR_IN)
            and any(True for _ in nodes(node.rexpr, ast.A_Const))
            and not any(True for _ in nodes(node.rexpr, ast.FuncCall))
        )
        if not telling or any(True for _ in nodes(node, ast.ParamRef, ast.SubLink, ast.SQLValueFunction)):
            return
        references = list(nodes(node, ast.ColumnRef))
        origins = [scope.find(column_name(reference)) for reference in references]
        if not origins or any(origin is None or level for origin, level in origins):
            return
        uses = {id(origin.use) for origin, _ in origins if origin}
        first = origins[0][0]
        if len(uses) == 1 and first is not None:
            first.use.constants.append(stripped(node, references, [o.column for o, _ in origins if o]))
        if isinstance(node, ast.NullTest) and node.nulltesttype == NullTestType.IS_NULL:
            self.keyed(node.arg, scope, "equal")
        if isinstance(node, ast.BooleanTest) and node.booltesttype in (BoolTestType.IS_TRUE, BoolTestType.IS_FALSE):
            self.keyed(node.arg, scope, "equal")

    def _comparison(  # noqa: PLR0912 - one branch a kind of operator
        self, node: Tree, scope: Scope, arm: bool, *, decides: bool = True
    ) -> None:
        """``decides``: of ``(a, b) < ($1, $2)`` the first column is a range, the others only decide between its equals."""
        operator = names_of(node.name)[-1]
        if node.kind in (A_Expr_Kind.AEXPR_BETWEEN, A_Expr_Kind.AEXPR_BETWEEN_SYM):
            self._between(node, scope, arm)
            return
        left, right = self.key(node.lexpr, scope), self.key(node.rexpr, scope)
        if left is None and right is not None and node.kind == A_Expr_Kind.AEXPR_OP:
            left, right, operator = right, None, {**_SWAPPED, "<@": "@>"}.get(operator, operator)
            other = node.lexpr
        else:
            other = node.rexpr
        if left is None:
            return
        use, key = left
        any_of = node.kind in (A_Expr_Kind.AEXPR_OP_ANY, A_Expr_Kind.AEXPR_IN)
        self._compared(left, "any" if node.kind == A_Expr_Kind.AEXPR_OP_ANY else operator, other)
        if node.kind in _PATTERN_KINDS or (node.kind == A_Expr_Kind.AEXPR_OP and operator in _PATTERN_OPERATORS):
            if not operator.startswith("!"):
                use.patterns.append(
                    Pattern(
                        key, text_of(other), operator.startswith("~") and operator not in {"~~", "~~*"}, operator.endswith("*")
                    )
                )
        elif operator == "=" and (any_of or node.kind == A_Expr_Kind.AEXPR_OP):
            if right is not None:
                if right[0] is not use:
                    use.join(key, right[0])
                    right[0].join(right[1], use)
            else:
                outer = self._outer_values(other, scope)
                if outer and not arm:
                    use.join(key, outer[0].use if outer[0] else None)
                else:
                    (use.either if arm else use.equal).append(key)
        elif node.kind == A_Expr_Kind.AEXPR_OP:
            place = (
                (use.ranges if decides else None)
                if operator in _RANGE_OPERATORS
                else use.contains
                if operator in {"@>", "&&", "@?"}
                else use.key_exists
                if operator in {"?", "?|", "?&"}
                else use.fulltext
                if operator == "@@"
                else None
            )
            if place is not None:
                (use.either if arm and place is use.ranges else place).append(key)

    def _between(self, node: Tree, scope: Scope, arm: bool) -> None:
        found = self.key(node.lexpr, scope)
        limits = [self.key(bound, scope) if found is None else None for bound in node.rexpr]
        for bound, limit, from_below in zip(node.rexpr, limits, (True, False), strict=True):
            self._compared(found, ">" if from_below else "<", bound)
            # A value between two columns, as those of a time of validity.
            self._compared(limit, "<" if from_below else ">", node.lexpr)
        for one in [found] if found is not None else limits:
            if one is not None:
                (one[0].either if arm else one[0].ranges).append(one[1])

    def _outer_values(self, node: Tree, scope: Scope) -> list[Origin | None]:
        """Where values come from that a row of a query around this one has."""
        found = [scope.find(column_name(reference)) for reference in nodes(node, ast.ColumnRef)]
        return [origin for origin, level in found if level > 0]

    def _compared(self, found: tuple[Use, IndexKey] | None, operator: str, value: Tree) -> None:
        roles = {"~~": "like", "~~*": "like", "<=": "<", ">=": ">"}
        if isinstance(value, ast.FuncCall) and names_of(value.funcname)[-1] == "like_escape":
            value = (value.args or (None,))[0]  # LIKE $1 ESCAPE $2: the latter is one letter
        for parameter in nodes(value, ast.ParamRef):
            self.parameter(parameter.number, found, roles.get(operator, operator))


def _of_rows(node: Tree) -> Iterator[Tree]:
    """``(a, b) = ($1, $2)`` as one comparison a column; anything else as it is."""
    if not isinstance(node.lexpr, ast.RowExpr):
        yield node
        return
    several = node.kind == A_Expr_Kind.AEXPR_IN
    rows: tuple[Tree, ...] = node.rexpr if several else (node.rexpr,)
    if not (several or node.kind == A_Expr_Kind.AEXPR_OP) or not all(isinstance(row, ast.RowExpr) for row in rows):
        return
    for column, *values in zip(*[one.args or () for one in (node.lexpr, *rows)], strict=False):
        yield ast.A_Expr(kind=node.kind, name=node.name, lexpr=column, rexpr=tuple(values) if several else values[0])
