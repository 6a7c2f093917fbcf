"""Which columns a statement compares, joins, sorts, groups by and returns, with every name resolved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pglast import ast, parse_sql
from pglast.enums import A_Expr_Kind, BoolExprType, BoolTestType, NullTestType, SetOperation, SortByDir, SortByNulls
from pglast.error import Error as ParseFailure
from pglast.stream import RawStream

from ..postgres.index_declaration import IndexKey
from .facts import Catalog, TableFacts
from .tree import Tree, children, column_name, names_of, nodes
from .usage import Parameter, Pattern, Usage, Use

DEEPEST_VIEW = 8
"""Views of views are followed so far."""
_RANGE_OPERATORS = frozenset({"<", "<=", ">", ">="})
_PATTERN_OPERATORS = frozenset({"~~", "~~*", "~", "~*"})
_PATTERN_KINDS = frozenset({A_Expr_Kind.AEXPR_LIKE, A_Expr_Kind.AEXPR_ILIKE})
_SWAPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


@dataclass(frozen=True)
class Origin:
    """Where a column comes from."""

    use: Use
    column: str


Columns = Mapping[str, Origin | None]


@dataclass
class Source:
    """Something in FROM: a table, or a query whose columns partly lead to one."""

    use: Use | None = None
    columns: Columns = field(default_factory=dict)

    def get(self, name: str) -> tuple[bool, Origin | None]:
        """Whether it has the column, and where that comes from."""
        if self.use is not None:
            known = name in self.use.table.columns
            return known, Origin(self.use, name) if known else None
        return name in self.columns, self.columns.get(name)


def read_usage(sql: str, catalog: Catalog) -> Usage:
    """Analyse one statement. Raises pglast's Error where it is no SQL, and RecursionError where it is nested too deep."""
    usage = Usage()
    for statement in parse_sql(sql):
        _Walk(catalog, usage, 0).statement(statement.stmt, top=True)
    return usage


class _Scope:
    """The sources that names are looked up in, innermost first."""

    def __init__(self, outer: _Scope | None = None) -> None:
        self.sources: dict[str, Source] = {}
        self.outer = outer

    def find(self, fields: tuple[str, ...]) -> tuple[Origin | None, int]:
        """Where a column name leads to, and how many levels out it was found; -1 where nowhere."""
        scope: _Scope | None = self
        level = 0
        while scope is not None:
            if len(fields) > 1:
                source = scope.sources.get(fields[-2])
                if source is not None:
                    return source.get(fields[-1])[1], level
            else:
                for source in scope.sources.values():
                    has, origin = source.get(fields[-1])
                    if has:
                        return origin, level
            scope, level = scope.outer, level + 1
        return None, -1


class _Walk:
    """Goes through a statement; what it finds goes into ``usage``."""

    def __init__(self, catalog: Catalog, usage: Usage, depth: int) -> None:
        self.catalog = catalog
        self.usage = usage
        self.depth = depth

    def statement(
        self, node: Tree, outer: _Scope | None = None, ctes: Mapping[str, Source] | None = None, *, top: bool = False
    ) -> Columns:
        """Any statement; returns the columns of a query, which are read for sure where it is the ``top`` one."""
        for call in nodes(node, ast.FuncCall):
            self.usage.functions.add(names_of(call.funcname)[-1])
        if isinstance(node, ast.SelectStmt):
            return self.select(node, outer, dict(ctes or {}), top=top)
        if isinstance(node, ast.UpdateStmt | ast.DeleteStmt | ast.InsertStmt):
            self.usage.reads_only = False
            self.usage.kind = {"UpdateStmt": "update", "DeleteStmt": "delete", "InsertStmt": "insert"}[type(node).__name__]
            self.write(node, outer, dict(ctes or {}))
        else:
            self.usage.reads_only = False
            self.usage.kind = "other"
        return {}

    def write(self, node: Tree, outer: _Scope | None, ctes: dict[str, Source]) -> None:
        ctes = self.with_clause(node, outer, ctes)
        scope = _Scope(outer)
        if not isinstance(node, ast.InsertStmt):
            self.from_item(node.relation, scope, ctes)
            target = next(iter(scope.sources.values()), None)
            if target is not None and target.use is not None:
                target.use.needed = None
            for item in (node.fromClause if isinstance(node, ast.UpdateStmt) else node.usingClause) or ():
                self.from_item(item, scope, ctes)
            self.condition(node.whereClause, scope)
            for assigned in (node.targetList if isinstance(node, ast.UpdateStmt) else None) or ():
                if target is not None and target.use is not None and assigned.name:
                    target.use.assigned.add(assigned.name)
                self.value_of(assigned.val, scope)
        elif isinstance(node.selectStmt, ast.SelectStmt):
            self.select(node.selectStmt, outer, ctes, top=True)
        for returned in getattr(node, "returningList", None) or ():
            self.value_of(returned.val, scope)

    def with_clause(self, node: Tree, outer: _Scope | None, ctes: dict[str, Source]) -> dict[str, Source]:
        clause = node.withClause
        for cte in (clause.ctes if clause else ()) or ():
            if clause.recursive:
                ctes = {**ctes, cte.ctename: Source(columns={})}
            columns = self.statement(cte.ctequery, outer, ctes)
            ctes = {**ctes, cte.ctename: Source(columns=_renamed(columns, cte.aliascolnames))}
        return ctes

    def select(self, node: Tree, outer: _Scope | None, ctes: dict[str, Source], *, top: bool) -> Columns:
        ctes = self.with_clause(node, outer, ctes)
        if node.op != SetOperation.SETOP_NONE:
            left = self.select(node.larg, outer, ctes, top=True)
            self.select(node.rarg, outer, ctes, top=True)
            self.limits(node)
            return dict.fromkeys(left)
        scope = _Scope(outer)
        for item in node.fromClause or ():
            self.from_item(item, scope, ctes)
        for row in node.valuesLists or ():
            self.value_of(row, scope)
        outputs: dict[str, Origin | None] = {}
        for target in node.targetList or ():
            self.output(target, scope, outputs, top=top)
        self.condition(node.whereClause, scope)
        self.condition(node.havingClause, scope)
        aliases = {target.name: target.val for target in node.targetList or () if target.name}
        positions = [target.val for target in node.targetList or ()]
        for item in node.groupClause or ():
            self.value_of(item, scope)
            self.keyed(_named(item, aliases, positions, scope), scope, "group")
        for item in node.distinctClause or ():
            if item is not None:
                self.value_of(item, scope)
                self.keyed(item, scope, "group")
        self.sort(list(node.sortClause or ()), aliases, positions, scope)
        for window in node.windowClause or ():
            self.value_of(window, scope)
        self.limits(node)
        if node.lockingClause:
            self.usage.locks = True
        return outputs

    def limits(self, node: Tree) -> None:
        for limit, role in ((node.limitCount, "limit"), (node.limitOffset, "offset")):
            for parameter in nodes(limit, ast.ParamRef):
                self.parameter(parameter.number, None, role)
            self.usage.limited = self.usage.limited or (role == "limit" and limit is not None)

    def output(self, target: Tree, scope: _Scope, outputs: dict[str, Origin | None], *, top: bool) -> None:
        value = target.val
        if isinstance(value, ast.ColumnRef) and column_name(value)[-1] == "*":
            named = column_name(value)[:-1]
            for alias, source in scope.sources.items():
                if named and alias != named[-1]:
                    continue
                if source.use is not None:
                    if top:
                        source.use.needed = None
                    outputs.update({name: Origin(source.use, name) for name in source.use.table.columns})
                else:
                    outputs.update(source.columns)
                    for origin in source.columns.values() if top else ():
                        _need(origin)
            return
        if top or not isinstance(value, ast.ColumnRef):
            # A column that a subquery only passes on is read if something outside asks for it.
            self.value_of(value, scope)
        name = target.name or (column_name(value)[-1] if isinstance(value, ast.ColumnRef) else "")
        if isinstance(value, ast.FuncCall) and not name:
            name = names_of(value.funcname)[-1]
        if name:
            outputs[name] = scope.find(column_name(value))[0] if isinstance(value, ast.ColumnRef) else None

    def from_item(self, item: Tree, scope: _Scope, ctes: dict[str, Source]) -> None:
        if isinstance(item, ast.RangeVar):
            alias = str(item.alias.aliasname if item.alias else item.relname)
            scope.sources[alias] = self.relation(item, ctes)
        elif isinstance(item, ast.JoinExpr):
            before = set(scope.sources)
            self.from_item(item.larg, scope, ctes)
            middle = set(scope.sources)
            self.from_item(item.rarg, scope, ctes)
            sides = (
                [scope.sources[name] for name in scope.sources if name in middle - before],
                [scope.sources[name] for name in scope.sources if name not in middle],
            )
            self.condition(item.quals, scope)
            shared = [names.sval for names in item.usingClause or ()]
            if item.isNatural:
                shared = [name for name in _columns(sides[0]) if name in _columns(sides[1])]
            for name in shared:
                origins = [next((found for has, found in (s.get(name) for s in side) if has), None) for side in sides]
                for mine, other in (origins, origins[::-1]):
                    if mine is not None:
                        _need(mine)
                        (mine.use.joins if other is not None else mine.use.equal).append(IndexKey(column=mine.column))
        elif isinstance(item, ast.RangeSubselect):
            # What LATERAL may see is looked up outwards; a plain subquery names nothing of its neighbours.
            columns = self.statement(item.subquery, scope, ctes)
            alias = str(item.alias.aliasname) if item.alias else f"({len(scope.sources)})"
            scope.sources[alias] = Source(columns=_renamed(columns, item.alias.colnames if item.alias else None))
        elif isinstance(item, ast.RangeFunction):
            self.value_of(item.functions, scope)
            if item.alias:
                scope.sources[str(item.alias.aliasname)] = Source()
        else:
            for child in children(item):
                self.from_item(child, scope, ctes)

    def relation(self, item: Tree, ctes: dict[str, Source]) -> Source:
        if not item.schemaname and item.relname in ctes:
            return ctes[item.relname]
        found = self.catalog.find(item.schemaname, item.relname)
        if isinstance(found, TableFacts):
            use = Use(found)
            self.usage.uses.append(use)
            return Source(use)
        if isinstance(found, str) and self.depth < DEEPEST_VIEW:
            try:
                parsed = parse_sql(found)
            except ParseFailure:
                return Source()
            inner = _Walk(self.catalog, self.usage, self.depth + 1)
            return Source(columns=inner.statement(parsed[0].stmt))
        if found is None and item.schemaname not in {"pg_catalog", "information_schema"}:
            self.usage.unknown.add(f"{item.schemaname}.{item.relname}" if item.schemaname else item.relname)
        return Source()

    def sort(self, items: list[Any], aliases: dict[str, Any], positions: list[Any], scope: _Scope) -> None:
        leading: Use | None = None
        broken = False
        for item in items:
            value = _named(item.node, aliases, positions, scope)
            self.value_of(item.node, scope)
            found = self.key(value, scope)
            if found is None or (leading is not None and found[0] is not leading):
                broken = True
            if broken or found is None:
                continue
            leading = found[0]
            down = item.sortby_dir == SortByDir.SORTBY_DESC
            nulls_first = (
                down
                if item.sortby_nulls == SortByNulls.SORTBY_NULLS_DEFAULT
                else item.sortby_nulls == SortByNulls.SORTBY_NULLS_FIRST
            )
            leading.order.append((found[1], down, nulls_first))

    def keyed(self, node: Tree, scope: _Scope, place: str) -> None:
        found = self.key(node, scope)
        if found is not None:
            getattr(found[0], place).append(found[1])

    def key(self, node: Tree, scope: _Scope) -> tuple[Use, IndexKey] | None:
        """A column of a table, or an expression of one table's columns and constants."""
        if isinstance(node, ast.ColumnRef):
            origin, level = scope.find(column_name(node))
            return (origin.use, IndexKey(column=origin.column)) if origin is not None and level == 0 else None
        if node is None or isinstance(node, ast.TypeCast | ast.A_Const | ast.ParamRef | tuple | list):
            return None
        references = list(nodes(node, ast.ColumnRef))
        if not references or any(True for _ in nodes(node, ast.ParamRef, ast.SubLink, ast.SQLValueFunction)):
            return None
        origins = [scope.find(column_name(reference)) for reference in references]
        uses = {id(origin.use) if origin else 0 for origin, _ in origins}
        if len(uses) != 1 or 0 in uses or any(level for _, level in origins):
            return None
        if any(
            names_of(call.funcname)[-1] in self.catalog.volatile or call.agg_star or call.over
            for call in nodes(node, ast.FuncCall)
        ):
            return None
        first = origins[0][0]
        return (
            (first.use, IndexKey(expression=_stripped(node, references, [o.column for o, _ in origins if o]))) if first else None
        )

    def value_of(self, node: Tree, scope: _Scope) -> None:  # noqa: PLR0912 - one branch a kind of node
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
                    self.whole_row(node, scope)
                _need(origin)
            return
        if isinstance(node, ast.SubLink):
            self.sublink(node, scope)
            return
        if isinstance(node, ast.FuncCall):
            name = names_of(node.funcname)[-1]
            for position, argument in enumerate(node.args or ()):
                if isinstance(argument, ast.ParamRef):
                    self.parameter(int(argument.number or 0), None, f"{name}:{position}")
        if isinstance(node, ast.A_Expr) and node.kind == A_Expr_Kind.AEXPR_OP and isinstance(node.rexpr, ast.ParamRef):
            self.operand(node, scope)
        for child in children(node):
            self.value_of(child, scope)

    def operand(self, node: Tree, scope: _Scope) -> None:
        operator = names_of(node.name)[-1]
        role = "key" if operator in {"->", "->>", "?"} else "path" if operator in {"#>", "#>>"} else ""
        found = self.key(node.lexpr, scope) if role else None
        if role:
            self.parameter(int(node.rexpr.number or 0), found, role)

    def whole_row(self, node: Tree, scope: _Scope) -> None:
        """``row_to_json(t)``: a name that is a source, not a column, is its whole row."""
        source = scope.sources.get(column_name(node)[-1])
        if source is not None and source.use is not None:
            source.use.needed = None

    def sublink(self, node: Tree, scope: _Scope) -> None:
        columns = self.statement(node.subselect, scope)
        self.value_of(node.testexpr, scope)
        operator = names_of(node.operName)[-1] if node.operName else "="
        if node.testexpr is None or operator != "=":
            return
        found = self.key(node.testexpr, scope)
        inner = next(iter(columns.values()), None)
        if found is not None:
            found[0].joins.append(found[1])
        if inner is not None:
            _need(inner)
            inner.use.joins.append(IndexKey(column=inner.column))

    def parameter(self, number: int, found: tuple[Use, IndexKey] | None, role: str) -> None:
        known = self.usage.parameters.get(number)
        if known is not None and known.column:
            return
        table = found[0].table.id if found else None
        self.usage.parameters[number] = Parameter(number, table, found[1].column if found else "", role)

    def condition(self, node: Tree, scope: _Scope, arm: bool = False) -> None:
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
            self.constant(node, scope)
        if isinstance(node, ast.A_Expr):
            self.comparison(node, scope, arm)

    def constant(self, node: Tree, scope: _Scope) -> None:
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
            first.use.constants.append(_stripped(node, references, [o.column for o, _ in origins if o]))
        if isinstance(node, ast.NullTest) and node.nulltesttype == NullTestType.IS_NULL:
            self.keyed(node.arg, scope, "equal")
        if isinstance(node, ast.BooleanTest) and node.booltesttype in (BoolTestType.IS_TRUE, BoolTestType.IS_FALSE):
            self.keyed(node.arg, scope, "equal")

    def comparison(self, node: Tree, scope: _Scope, arm: bool) -> None:  # noqa: PLR0912 - one branch a kind of operator
        operator = names_of(node.name)[-1]
        if node.kind in (A_Expr_Kind.AEXPR_BETWEEN, A_Expr_Kind.AEXPR_BETWEEN_SYM):
            found = self.key(node.lexpr, scope)
            self.compared(found, ">", node.rexpr[0])
            self.compared(found, "<", node.rexpr[1])
            if found is not None:
                (found[0].either if arm else found[0].ranges).append(found[1])
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
        self.compared(left, "any" if node.kind == A_Expr_Kind.AEXPR_OP_ANY else operator, other)
        if node.kind in _PATTERN_KINDS or (node.kind == A_Expr_Kind.AEXPR_OP and operator in _PATTERN_OPERATORS):
            if not operator.startswith("!"):
                use.patterns.append(
                    Pattern(key, _text(other), operator.startswith("~") and operator not in {"~~", "~~*"}, operator.endswith("*"))
                )
        elif operator == "=" and (any_of or node.kind == A_Expr_Kind.AEXPR_OP):
            if right is not None:
                if right[0] is not use:
                    use.joins.append(key)
                    right[0].joins.append(right[1])
            else:
                (use.either if arm else use.joins if self.outer_value(other, scope) else use.equal).append(key)
        elif node.kind == A_Expr_Kind.AEXPR_OP:
            place = (
                use.ranges
                if operator in _RANGE_OPERATORS
                else use.contains
                if operator in {"@>", "&&"}
                else use.key_exists
                if operator in {"?", "?|", "?&"}
                else use.fulltext
                if operator == "@@"
                else None
            )
            if place is not None:
                (use.either if arm and place is use.ranges else place).append(key)

    def outer_value(self, node: Tree, scope: _Scope) -> bool:
        """Whether a value comes from a row of a query around this one."""
        return any(scope.find(column_name(reference))[1] > 0 for reference in nodes(node, ast.ColumnRef))

    def compared(self, found: tuple[Use, IndexKey] | None, operator: str, value: Tree) -> None:
        roles = {"~~": "like", "~~*": "like", "<=": "<", ">=": ">"}
        for parameter in nodes(value, ast.ParamRef):
            self.parameter(parameter.number, found, roles.get(operator, operator))


def _need(origin: Origin | None) -> None:
    if origin is not None and origin.use.needed is not None:
        origin.use.needed.add(origin.column)


def _columns(sources: list[Source]) -> Iterator[str]:
    for source in sources:
        yield from source.use.table.columns if source.use is not None else source.columns


def _renamed(columns: Columns, names: Tree) -> Columns:
    if not names:
        return columns
    return dict(zip([name.sval for name in names], columns.values(), strict=False))


def _named(node: Tree, aliases: dict[str, Any], positions: list[Any], scope: _Scope) -> Tree:
    """What ``ORDER BY 2`` or ``GROUP BY alias`` stands for."""
    if isinstance(node, ast.A_Const) and isinstance(node.val, ast.Integer) and 0 < int(node.val.ival or 0) <= len(positions):
        return positions[int(node.val.ival or 0) - 1]
    if isinstance(node, ast.ColumnRef) and len(column_name(node)) == 1:
        name = column_name(node)[-1]
        if name in aliases and scope.find((name,))[1] != 0:
            return aliases[name]
    return node


def _text(node: Tree) -> str | None:
    if isinstance(node, ast.TypeCast):
        node = node.arg
    if isinstance(node, ast.A_Const) and isinstance(node.val, ast.String):
        return str(node.val.sval)
    return None


def _stripped(node: Tree, references: list[Any], columns: list[str]) -> str:
    """As SQL with bare column names, as an index definition has it."""
    before = [reference.fields for reference in references]
    try:
        for reference, column in zip(references, columns, strict=True):
            reference.fields = (ast.String(sval=column),)
        return str(RawStream()(node))
    finally:
        for reference, fields in zip(references, before, strict=True):
            reference.fields = fields
