"""Names in a statement: the sources that they are looked up in, and what they stand for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pglast import ast
from pglast.stream import RawStream

from .tree import Tree, column_name
from .usage import Use


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


class Scope:
    """The sources that names are looked up in, innermost first."""

    def __init__(self, outer: Scope | None = None) -> None:
        self.sources: dict[str, Source] = {}
        self.outer = outer

    def find(self, fields: tuple[str, ...]) -> tuple[Origin | None, int]:
        """Where a column name leads to, and how many levels out it was found; -1 where nowhere."""
        scope: Scope | None = self
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


def need(origin: Origin | None) -> None:
    """The column is read."""
    if origin is not None and origin.use.needed is not None:
        origin.use.needed.add(origin.column)


def columns_of(sources: list[Source]) -> Iterator[str]:
    """Names of all their columns."""
    for source in sources:
        yield from source.use.table.columns if source.use is not None else source.columns


def renamed(columns: Columns, names: Tree) -> Columns:
    """The columns under the names of an alias, in order."""
    if not names:
        return columns
    return dict(zip([name.sval for name in names], columns.values(), strict=False))


def named(node: Tree, aliases: dict[str, Any], positions: list[Any], scope: Scope) -> Tree:
    """What ``ORDER BY 2`` or ``GROUP BY alias`` stands for."""
    if isinstance(node, ast.A_Const) and isinstance(node.val, ast.Integer) and 0 < int(node.val.ival or 0) <= len(positions):
        return positions[int(node.val.ival or 0) - 1]
    if isinstance(node, ast.ColumnRef) and len(column_name(node)) == 1:
        name = column_name(node)[-1]
        if name in aliases and scope.find((name,))[1] != 0:
            return aliases[name]
    return node


def text_of(node: Tree) -> str | None:
    """A constant text; None for anything else."""
    if isinstance(node, ast.TypeCast):
        node = node.arg
    if isinstance(node, ast.A_Const) and isinstance(node.val, ast.String):
        return str(node.val.sval)
    return None


def stripped(node: Tree, references: list[Any], columns: list[str]) -> str:
    """As SQL with bare column names, as an index definition has it."""
    before = [reference.fields for reference in references]
    try:
        for reference, column in zip(references, columns, strict=True):
            reference.fields = (ast.String(sval=column),)
        return str(RawStream()(node))
    finally:
        for reference, fields in zip(references, before, strict=True):
            reference.fields = fields
