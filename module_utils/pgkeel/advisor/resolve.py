"""Which columns a statement compares, joins, sorts, groups by and returns, with every name resolved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pglast import ast, parse_sql
from pglast.enums import CmdType, SetOperation
from pglast.error import Error as ParseFailure

from ..postgres.index_declaration import IndexKey
from .expressions import Expressions
from .facts import Catalog, TableFacts
from .names import Columns, Origin, Scope, Source, columns_of, named, need, renamed
from .tree import Tree, children, column_name, names_of, nodes
from .usage import Usage, Use

DEEPEST_VIEW = 8
"""Views of views are followed so far."""
MOST_DISTINCT = 3
"""Columns of SELECT DISTINCT that an index may bring in order."""


def read_usage(sql: str, catalog: Catalog) -> Usage:
    """Analyse one statement. Raises pglast's Error where it is no SQL, and RecursionError where it is nested too deep."""
    usage = Usage()
    for statement in parse_sql(sql):
        _Walk(catalog, usage, 0).statement(statement.stmt, top=True)
    return usage


class _Walk(Expressions):
    """Goes through a statement; what it finds goes into ``usage``."""

    def __init__(self, catalog: Catalog, usage: Usage, depth: int) -> None:
        super().__init__(catalog, usage)
        self.depth = depth

    def statement(
        self, node: Tree, outer: Scope | None = None, ctes: Mapping[str, Source] | None = None, *, top: bool = False
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
        elif isinstance(node, ast.MergeStmt):
            self.usage.reads_only = False
            self.usage.kind = "merge"
            self.merge(node, outer, dict(ctes or {}))
        else:
            self.usage.reads_only = False
            self.usage.kind = "other"
        return {}

    def write(self, node: Tree, outer: Scope | None, ctes: dict[str, Source]) -> None:
        ctes = self.with_clause(node, outer, ctes)
        scope = Scope(outer)
        if not isinstance(node, ast.InsertStmt):
            target = self.target(node.relation, scope)
            for item in (node.fromClause if isinstance(node, ast.UpdateStmt) else node.usingClause) or ():
                self.from_item(item, scope, ctes)
            self.condition(node.whereClause, scope)
            self.assign(target, node.targetList if isinstance(node, ast.UpdateStmt) else None, scope)
        else:
            if isinstance(node.selectStmt, ast.SelectStmt):
                self.select(node.selectStmt, outer, ctes, top=True)
            if node.onConflictClause and node.onConflictClause.targetList:
                # The row in the way is found by its unique index; what is set of it costs the other indexes.
                self.assign(self.target(node.relation, scope), node.onConflictClause.targetList, scope)
        for returned in _returned(node):
            self.value_of(returned.val, scope)

    def merge(self, node: Tree, outer: Scope | None, ctes: dict[str, Source]) -> None:
        ctes = self.with_clause(node, outer, ctes)
        scope = Scope(outer)
        target = self.target(node.relation, scope)
        self.from_item(node.sourceRelation, scope, ctes)
        self.condition(node.joinCondition, scope)
        for clause in node.mergeWhenClauses or ():
            self.value_of(clause.condition, scope)
            self.assign(target if clause.commandType == CmdType.CMD_UPDATE else None, clause.targetList, scope)
            self.value_of(clause.values, scope)
        for returned in _returned(node):
            self.value_of(returned.val, scope)

    def target(self, relation: Tree, scope: Scope) -> Use | None:
        """The table that is written, all of whose columns are read."""
        self.from_item(relation, scope, {})  # never what WITH defines
        use = next(iter(scope.sources.values())).use
        if use is not None:
            use.needed = None
        return use

    def assign(self, use: Use | None, targets: Tree, scope: Scope) -> None:
        for assigned in targets or ():
            if use is not None and assigned.name:
                use.assigned.add(assigned.name)
            self.value_of(assigned.val, scope)

    def with_clause(self, node: Tree, outer: Scope | None, ctes: dict[str, Source]) -> dict[str, Source]:
        clause = node.withClause
        for cte in (clause.ctes if clause else ()) or ():
            if clause.recursive:
                ctes = {**ctes, cte.ctename: Source(columns={})}
            columns = self.statement(cte.ctequery, outer, ctes)
            ctes = {**ctes, cte.ctename: Source(columns=renamed(columns, cte.aliascolnames))}
        return ctes

    def select(self, node: Tree, outer: Scope | None, ctes: dict[str, Source], *, top: bool) -> Columns:
        ctes = self.with_clause(node, outer, ctes)
        if node.op != SetOperation.SETOP_NONE:
            left = self.select(node.larg, outer, ctes, top=True)
            self.select(node.rarg, outer, ctes, top=True)
            self.limits(node)
            return dict.fromkeys(left)
        scope = Scope(outer)
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
        for item in _grouped(node.groupClause or ()):
            self.value_of(item, scope)
            self.keyed(named(item, aliases, positions, scope), scope, "group")
        for item in node.distinctClause or ():
            if item is not None:
                self.value_of(item, scope)
                self.keyed(named(item, aliases, positions, scope), scope, "group")
            elif len(positions) <= MOST_DISTINCT:
                for position in positions:
                    self.keyed(position, scope, "group")
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

    def output(self, target: Tree, scope: Scope, outputs: dict[str, Origin | None], *, top: bool) -> None:
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
                        need(origin)
            return
        if top or not isinstance(value, ast.ColumnRef):
            # A column that a subquery only passes on is read if something outside asks for it.
            self.value_of(value, scope)
        name = target.name or (column_name(value)[-1] if isinstance(value, ast.ColumnRef) else "")
        if isinstance(value, ast.FuncCall) and not name:
            name = names_of(value.funcname)[-1]
        if name:
            outputs[name] = scope.find(column_name(value))[0] if isinstance(value, ast.ColumnRef) else None

    def from_item(self, item: Tree, scope: Scope, ctes: dict[str, Source]) -> None:
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
                shared = [name for name in columns_of(sides[0]) if name in columns_of(sides[1])]
            for name in shared:
                _meet(*[next((found for has, found in (s.get(name) for s in side) if has), None) for side in sides])
        elif isinstance(item, ast.RangeSubselect):
            # What LATERAL may see is looked up outwards; a plain subquery names nothing of its neighbours.
            columns = self.statement(item.subquery, scope, ctes)
            alias = str(item.alias.aliasname) if item.alias else f"({len(scope.sources)})"
            scope.sources[alias] = Source(columns=renamed(columns, item.alias.colnames if item.alias else None))
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
        # What begins with pg_ is the system's, which comes first where no schema is named.
        system = item.schemaname in {"pg_catalog", "information_schema"} or (
            not item.schemaname and item.relname.startswith("pg_")
        )
        if found is None and not system:
            self.usage.unknown.add(f"{item.schemaname}.{item.relname}" if item.schemaname else item.relname)
        return Source()


def _returned(node: Tree) -> Tree:
    """What RETURNING gives: pglast 8 has it in a clause of its own, earlier ones in a list."""
    clause = getattr(node, "returningClause", None)
    return (clause.exprs if clause else getattr(node, "returningList", None)) or ()


def _meet(left: Origin | None, right: Origin | None) -> None:
    """A column that both sides of a JOIN have, compared; None where it is not known where it comes from."""
    for mine, other in ((left, right), (right, left)):
        if mine is None:
            continue
        need(mine)
        if other is None:
            mine.use.equal.append(IndexKey(column=mine.column))
        else:
            mine.use.join(IndexKey(column=mine.column), other.use)


def _grouped(items: Iterable[Tree]) -> Iterator[Tree]:
    """What is grouped by, those of ROLLUP, CUBE and GROUPING SETS one by one."""
    for item in items:
        if isinstance(item, ast.GroupingSet):
            yield from _grouped(item.content or ())
        elif isinstance(item, ast.RowExpr):
            yield from item.args or ()
        else:
            yield item
