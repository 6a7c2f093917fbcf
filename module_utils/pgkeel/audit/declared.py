"""Indexes that the inventory declares, and what the catalog says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import PgkeelError
from ..postgres.catalog import Index


@dataclass(frozen=True)
class DeclaredIndex:
    """One declaration, as far as the audit compares it."""

    name: str
    database: str
    schema: str
    table: str
    method: str
    columns: tuple[str, ...] | None
    """Column names in order; None where an expression, a predicate or included columns make the name the only identity."""
    unique: bool


@dataclass(frozen=True)
class DeclaredState:
    """What became of one declaration."""

    declared: DeclaredIndex
    actual: Index | None
    """The index of that name on that table, else one of the same definition, else None."""
    drift: str
    """How the index of that name differs; empty when it does not."""

    def as_dict(self) -> dict[str, Any]:
        """A mapping for reports: ``present``, ``valid``, ``scans`` since the statistics began, ``size_bytes``."""
        return {
            "name": self.declared.name,
            "database": self.declared.database,
            "table": f"{self.declared.schema}.{self.declared.table}",
            "columns": list(self.declared.columns or self.actual.keys if self.actual else self.declared.columns or ()),
            "present": self.actual is not None,
            "index": self.actual.name if self.actual else "",
            "valid": bool(self.actual and self.actual.valid and self.actual.ready),
            "drift": self.drift,
            "scans": self.actual.scans if self.actual else 0,
            "size_bytes": self.actual.size_bytes if self.actual else 0,
        }


def parse_declared(given: Iterable[Mapping[str, Any]], default_database: str) -> tuple[DeclaredIndex, ...]:
    """Declarations in the form of the inventory's ``database_indexes``.

    Raises PgkeelError for one without name, table or columns.
    """
    declared = []
    for position, item in enumerate(given, start=1):
        for key in ("name", "table", "columns"):
            if not item.get(key):
                raise PgkeelError(f"Declared index {position} has no {key}", "Give at least name, table and columns")
        columns = [entry if isinstance(entry, str) else entry.get("column") for entry in item["columns"]]
        plain = all(columns) and not item.get("where") and not item.get("include")
        declared.append(
            DeclaredIndex(
                name=str(item["name"]),
                database=str(item.get("database") or default_database),
                schema=str(item.get("schema") or "public"),
                table=str(item["table"]),
                method=str(item.get("method") or "btree"),
                columns=tuple(map(str, columns)) if plain else None,
                unique=bool(item.get("unique")),
            )
        )
    return tuple(declared)


def state_of(declared: DeclaredIndex, indexes: Iterable[Index]) -> DeclaredState:
    """Match one declaration with the indexes of its database: by name first, by definition second."""
    candidates = [index for index in indexes if (index.schema, index.table) == (declared.schema, declared.table)]
    for index in candidates:
        if index.name == declared.name:
            return DeclaredState(declared, index, _drift(declared, index))
    for index in candidates:
        if declared.columns is not None and index.valid and not index.predicate and not _drift(declared, index):
            return DeclaredState(declared, index, "")
    return DeclaredState(declared, None, "")


def _drift(declared: DeclaredIndex, index: Index) -> str:
    if index.method != declared.method:
        return f"it uses {index.method}, {declared.method} is declared"
    if index.unique != declared.unique:
        return f"it is {'unique' if index.unique else 'not unique'}, the opposite is declared"
    if declared.columns is None:
        return ""
    if index.keys != declared.columns:
        return f"it covers ({', '.join(index.keys)}), ({', '.join(declared.columns)}) is declared"
    return "it is partial, which is not declared" if index.predicate else ""
