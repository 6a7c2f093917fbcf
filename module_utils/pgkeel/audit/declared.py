"""Indexes that the inventory declares, and what the server has of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from ..errors import PgkeelError
from ..postgres.catalog import Index, indexes
from ..postgres.index_catalog import Definition, find_relation, read_indexes
from ..postgres.index_declaration import IndexDeclaration, parse_declarations
from ..postgres.index_probe import probe_definitions
from ..postgres.index_rolling import resolve_rolling


@dataclass(frozen=True)
class DeclaredIndex:
    """An index that must be there, and the database that must have it."""

    database: str
    declaration: IndexDeclaration

    @property
    def name(self) -> str:
        """The declared name."""
        return self.declaration.name

    @property
    def schema(self) -> str:
        """The schema of table and index."""
        return self.declaration.schema

    @property
    def table(self) -> str:
        """The table, without its schema."""
        return self.declaration.table

    @property
    def columns(self) -> tuple[str, ...]:
        """Each key's column or expression, as declared."""
        return tuple(key.column or key.expression for key in self.declaration.keys)


@dataclass(frozen=True)
class DeclaredState:
    """What became of one declaration."""

    declared: DeclaredIndex
    actual: Index | None
    """The index of that name on that table, else one of the same definition, else None."""
    drift: str = ""
    """How the index of that name differs; empty when it does not, or when that is not known."""
    unverified: str = ""
    """Why the definition could not be compared; empty when it was."""

    def as_dict(self) -> dict[str, Any]:
        """A mapping for reports: ``present``, ``valid``, ``drift``, ``unverified``, and ``scans`` since the statistics began."""
        return {
            "name": self.declared.name,
            "database": self.declared.database,
            "table": f"{self.declared.schema}.{self.declared.table}",
            "columns": list(self.declared.columns),
            "present": self.actual is not None,
            "index": self.actual.name if self.actual else "",
            "valid": bool(self.actual and self.actual.valid and self.actual.ready),
            "drift": self.drift,
            "unverified": self.unverified,
            "scans": self.actual.scans if self.actual else 0,
            "size_bytes": self.actual.size_bytes if self.actual else 0,
        }


def parse_declared(given: Iterable[Mapping[str, Any]], default_database: str) -> tuple[DeclaredIndex, ...]:
    """Declarations in the form of the inventory's ``database_indexes``, those of absence left out.

    Raises PgkeelError where ``pg_index`` would refuse one.
    """
    by_database: dict[str, list[Mapping[str, Any]]] = {}
    for item in given:
        by_database.setdefault(str(item.get("database") or default_database), []).append(item)
    return tuple(
        DeclaredIndex(database, declaration)
        for database, items in by_database.items()
        for declaration in parse_declarations(items)
        if declaration.present
    )


@dataclass(frozen=True)
class Compared:
    """What PostgreSQL makes of one declaration, beside the indexes of its table."""

    wanted: Definition | None
    """None where PostgreSQL was not asked, or refused the declaration."""
    existing: Mapping[str, Definition]
    """By index name."""
    unverified: str = ""
    """Why ``wanted`` is None."""


def read_declared_states(
    connection: psycopg.Connection[Any], declared: Sequence[DeclaredIndex], *, in_recovery: bool
) -> tuple[DeclaredState, ...]:
    """Match the declarations of the connected database with its indexes; the connection must not be in a transaction.

    Definitions are compared as ``pg_index`` compares them: each declared index is made on an empty temporary copy of its
    table, which a read-only transaction would refuse. So this is one short read-write transaction, always rolled back.
    On a standby, and where PostgreSQL refuses, the state says that the definition could not be compared.

    Raises psycopg.Error when the catalog cannot be read.
    """
    if not declared:
        return ()
    connection.read_only = in_recovery
    try:
        with connection.transaction(force_rollback=True):
            present = indexes(connection)
            # Names in declarations mean what they mean to pg_index: operator classes and functions may be an extension's.
            connection.execute("SET LOCAL search_path TO DEFAULT")
            declared_names = frozenset((one.schema, one.name) for one in declared)
            return tuple(
                state_of(one, present, _compare(connection, one.declaration, in_recovery=in_recovery), declared_names)
                for one in declared
            )
    finally:
        connection.read_only = True


def _compare(connection: psycopg.Connection[Any], declaration: IndexDeclaration, *, in_recovery: bool) -> Compared:
    table = find_relation(connection, declaration.schema, declaration.table)
    if table is None:
        return Compared(None, {})  # without its table it is missing, whatever it would be
    if in_recovery:
        return Compared(None, {}, "a standby cannot compare definitions; its primary can")
    try:
        present = read_indexes(connection, table.oid)
        clauses = {index.name: index.clauses for index in present if index.valid and index.name == declaration.name}
        declaration = resolve_rolling(connection, table.schema, table.name, declaration, clauses)
        probed = probe_definitions(connection, table, [declaration])
    except PgkeelError as error:
        return Compared(None, {}, str(error))
    except psycopg.Error as error:  # the copy of the table: a privilege, a lock, a default of read-only transactions
        # The primary message only: detail and context may quote data.
        reason = error.diag.message_primary or type(error).__name__
        return Compared(None, {}, f"PostgreSQL refuses the temporary copy that its definition is read from: {reason}")
    existing = {index.name: index.definition for index in present}
    return Compared(probed[declaration.name].definition, existing)


def state_of(
    declared: DeclaredIndex, present: Iterable[Index], compared: Compared, declared_names: frozenset[tuple[str, str]]
) -> DeclaredState:
    """Match one declaration with the indexes of its database: by name first, by definition second.

    ``declared_names`` are schema and name of all declared indexes: one that is itself declared never stands in for another.
    """
    candidates = [index for index in present if (index.schema, index.table) == (declared.schema, declared.table)]
    wanted = compared.wanted
    own = next((index for index in candidates if index.name == declared.name), None)
    if own is not None:
        actual = compared.existing.get(own.name)
        reason = compared.unverified or ("" if actual else "it was made or dropped while the audit looked")
        if wanted is None or actual is None:
            return DeclaredState(declared, own, unverified=reason)
        return DeclaredState(declared, own, drift=_drift(wanted, actual))
    if wanted is None:
        return DeclaredState(declared, None, unverified=compared.unverified)
    twins = (
        index
        for index in candidates
        if index.valid
        and index.ready
        and (index.schema, index.name) not in declared_names
        and compared.existing.get(index.name) == wanted
    )
    return DeclaredState(declared, next(twins, None))


def _drift(wanted: Definition, actual: Definition) -> str:
    return "" if actual == wanted else f"it is {_words(actual)}, and {_words(wanted)} is declared"


def _words(definition: Definition) -> str:
    storage = ", ".join(f"{name}={value}" for name, value in sorted(definition.storage))
    return f"{'UNIQUE ' if definition.unique else ''}{definition.tail}{f' WITH ({storage})' if storage else ''}"
