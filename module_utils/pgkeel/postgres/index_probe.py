"""Asking PostgreSQL what a declared index would be, without building it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from ..errors import PgkeelError
from .index_catalog import Definition, Relation, read_indexes
from .index_declaration import IndexDeclaration, create_index, key_value, predicate

_PAGE_BYTES = 8192
_TUPLE_OVERHEAD_BYTES = 12
"""IndexTupleData (8) and the line pointer (4): PostgreSQL documentation, "Database Page Layout"."""


@dataclass(frozen=True)
class Probed:
    """A declaration as PostgreSQL understands it."""

    definition: Definition
    statement: str
    """As ``pg_get_indexdef`` would print it once the index exists."""


def probe_definitions(
    connection: psycopg.Connection[Any], table: Relation, declarations: Iterable[IndexDeclaration]
) -> dict[str, Probed]:
    """Build each declared index on an empty copy of the table and read back what PostgreSQL made of it; by index name.

    The copy is a temporary table in a transaction that is rolled back. It carries the table's own name, so that
    an expression may qualify a column with it.

    Raises PgkeelError when PostgreSQL refuses a declaration.
    """
    probed = {}
    copy = sql.Identifier("pg_temp", table.name)
    with connection.transaction(force_rollback=True):
        connection.execute(
            sql.SQL("CREATE TEMPORARY TABLE {} (LIKE {})").format(
                sql.Identifier(table.name), sql.Identifier(table.schema, table.name)
            )
        )
        for declaration in declarations:
            with connection.transaction(force_rollback=True):
                probed[declaration.name] = _probe(connection, table, copy, declaration)
    return probed


def _probe(connection: psycopg.Connection[Any], table: Relation, copy: sql.Composable, declaration: IndexDeclaration) -> Probed:
    try:
        # binary=True chooses the extended protocol, which takes one command only: nothing hides behind a semicolon.
        connection.cursor(binary=True).execute(create_index(declaration, name="pgkeel_probe", relation=copy, concurrently=False))
    except psycopg.Error as error:
        reason = error.diag.message_primary or str(error).strip()
        raise PgkeelError(
            f"PostgreSQL refuses the declared {declaration.describe()}: {reason}",
            error.diag.message_hint or "Correct the declaration; no index was touched",
        ) from error
    row = connection.execute(
        """SELECT t.oid, pg_catalog.format('%%I ON %%I.%%I', %s::text, %s::text, %s::text)
           FROM pg_catalog.pg_class t WHERE t.relname = %s AND t.relnamespace = pg_catalog.pg_my_temp_schema()""",
        (declaration.name, table.schema, table.name, table.name),
    ).fetchone()
    if row is None:
        raise PgkeelError(f"The probe of {declaration.describe()} left no table to read", "Report this as a bug")
    (index,) = read_indexes(connection, row[0])
    return Probed(index.definition, f"CREATE {'UNIQUE ' if declaration.unique else ''}INDEX {row[1]} USING {index.clauses}")


def estimate_bytes(connection: psycopg.Connection[Any], table: Relation, declaration: IndexDeclaration) -> int:
    """The size that the index would have, in bytes: an order of magnitude, on the high side where keys repeat.

    Rows and key width are the planner's own (``EXPLAIN``), which knows a predicate's selectivity. B-tree: tuples of
    8-byte aligned keys in pages 90 % full, before deduplication. Hash: 4-byte codes in buckets 75 % full. BRIN: one
    summary of two values for 128 pages. Others: as a B-tree that is full.
    """
    keys = sql.SQL(", ").join([*(key_value(key) for key in declaration.keys), *map(sql.Identifier, declaration.include)])
    query = sql.SQL("EXPLAIN (FORMAT JSON) SELECT {} FROM ONLY {}").format(keys, sql.Identifier(table.schema, table.name))
    if declaration.where:
        query = sql.SQL(" ").join([query, predicate(declaration)])
    row = connection.cursor(binary=True).execute(query).fetchone()
    if row is None:
        return 0
    plan = row[0][0]["Plan"]
    rows, width = int(plan["Plan Rows"]), int(plan["Plan Width"])
    if declaration.method == "hash":
        return _in_pages(rows * (_TUPLE_OVERHEAD_BYTES + 8) / 0.75)
    if declaration.method == "brin":
        pages = connection.execute("SELECT pg_catalog.pg_table_size(%s) / 8192", (table.oid,)).fetchone()
        return _in_pages(math.ceil((pages[0] if pages else 0) / 128) * (2 * width + _TUPLE_OVERHEAD_BYTES))
    fullness = 0.9 if declaration.method == "btree" else 1.0
    return _in_pages(rows * (_TUPLE_OVERHEAD_BYTES + math.ceil(width / 8) * 8) / fullness)


def _in_pages(payload_bytes: float) -> int:
    return (1 + math.ceil(payload_bytes / _PAGE_BYTES)) * _PAGE_BYTES
