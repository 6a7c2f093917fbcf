"""The indexes that the inventory declares, as a migration and as schema.prisma would have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..postgres.index_declaration import IndexDeclaration, migration_statement, parse_declarations
from .index_migration import OwnIndex, prisma_line
from .model import Index, IndexKey


def own_indexes(declared: Sequence[Mapping[str, Any]]) -> list[OwnIndex]:
    """From what the inventory has (`database_indexes` of one database). Raises PgkeelError for a declaration that is wrong."""
    return [own_index(declaration) for declaration in parse_declarations(declared)]


def own_index(declaration: IndexDeclaration) -> OwnIndex:
    """One of them; the line for schema.prisma has the columns' names, which fields may rename."""
    keys = tuple(
        IndexKey(key.column or f"({key.expression})", key.order == "desc", key.nulls == "first", key.opclass)
        for key in declaration.keys
    )
    shape = Index(
        declaration.name,
        keys,
        declaration.method,
        declaration.unique,
        declaration.nulls_not_distinct,
        declaration.include,
        declaration.where,
    )
    table = declaration.table if declaration.schema == "public" else f"{declaration.schema}.{declaration.table}"
    return OwnIndex(
        declaration.name, table, migration_statement(declaration), present=declaration.present, prisma=prisma_line(shape, {})
    )
