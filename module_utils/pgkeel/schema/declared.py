"""What the Node readers of `files/orm/` said about an application's files, checked and typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import PgkeelError
from .model import TypedColumn, TypedSchema


@dataclass(frozen=True)
class ClientColumn:
    """What an ORM's client does with a column."""

    column: str
    fills: str = ""
    on_update: bool = False
    property: str = ""
    """Its name in the application's code."""


@dataclass(frozen=True)
class DeclaredTables:
    """One of the sides that speak SQL: Prisma or Drizzle."""

    problem: str = ""
    """Why it could not be read; empty when it was."""
    sql: str = ""
    tables: Mapping[str, Mapping[str, ClientColumn]] = field(default_factory=dict)
    """By table, then by column, as the ORM's client sees them."""
    source: Mapping[str, Any] = field(default_factory=dict)
    """Where things stand in the files (Drizzle only)."""
    notes: tuple[str, ...] = ()
    views: frozenset[str] = frozenset()
    """Names of views, which are not compared (Drizzle only)."""


@dataclass(frozen=True)
class DeclaredTypes:
    """Kysely's side."""

    problem: str = ""
    types: TypedSchema = field(default_factory=lambda: TypedSchema({}))
    generated: TypedSchema | None = None
    """What prisma-kysely generates today."""
    generation_problem: str = ""
    configured: bool = False
    """Whether the Prisma schema has a generator for Kysely."""
    camel_case: bool = False
    same_text: bool | None = None
    """Whether the committed file is what would be generated, white space aside."""


@dataclass(frozen=True)
class Declarations:
    """All sides that are files; None for one that was not asked for."""

    prisma: DeclaredTables | None = None
    drizzle: DeclaredTables | None = None
    kysely: DeclaredTypes | None = None

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any]) -> Declarations:
        """Take what `orm_schema` returned. Raises PgkeelError when it is something else."""
        try:
            return cls(
                prisma=_prisma(given["prisma"]) if given.get("prisma") else None,
                drizzle=_drizzle(given["drizzle"]) if given.get("drizzle") else None,
                kysely=_kysely(given["kysely"]) if given.get("kysely") else None,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise PgkeelError(
                f"The declarations are not what the module orm_schema returns ({error!r})", "Pass its result on unchanged"
            ) from error


def _prisma(given: Mapping[str, Any]) -> DeclaredTables:
    if given.get("problem"):
        return DeclaredTables(problem=str(given["problem"]))
    tables = {
        table["table"]: {
            column["column"]: ClientColumn(column["column"], column["client"], column["client"] == "@updatedAt", column["field"])
            for column in table["columns"]
        }
        for table in given["tables"]
    }
    return DeclaredTables(sql=str(given["sql"]), tables=tables)


def _drizzle(given: Mapping[str, Any]) -> DeclaredTables:
    if given.get("problem"):
        return DeclaredTables(problem=str(given["problem"]))
    tables = {
        table["table"]: {
            column["column"]: ClientColumn(column["column"], column["client"], column["on_update"], column["property"])
            for column in table["columns"]
        }
        for table in given["tables"]
    }
    missing = given.get("missing_packages") or []
    notes = (f"Not installed, and not needed to read the schema: {', '.join(missing)}.",) if missing else ()
    return DeclaredTables(
        sql=str(given["sql"]),
        tables=tables,
        source=given.get("source") or {},
        notes=notes,
        views=frozenset(given.get("views") or ()),
    )


def _kysely(given: Mapping[str, Any]) -> DeclaredTypes:
    if given.get("problem"):
        return DeclaredTypes(problem=str(given["problem"]))
    generated: Mapping[str, Any] = given.get("generated") or {}
    return DeclaredTypes(
        types=_types(given),
        generated=_types(generated) if generated and not generated.get("problem") else None,
        generation_problem=str(generated.get("problem") or ""),
        configured=bool(generated.get("configured")),
        camel_case=bool(generated.get("camel_case")),
        same_text=given.get("same_text"),
    )


def _types(given: Mapping[str, Any]) -> TypedSchema:
    tables = {
        table["table"]: {
            column["column"]: TypedColumn(
                column["column"],
                column["type"],
                column["nullable"],
                column["generated"],
                column["place"]["text"],
                f"{column['place']['path']}:{column['place']['line']}",
            )
            for column in table["columns"]
        }
        for table in given["tables"]
    }
    enums = {one["enum"]: tuple(one["values"]) for one in given["enums"]}
    return TypedSchema(tables, enums, tuple(given.get("unresolved") or ()))
