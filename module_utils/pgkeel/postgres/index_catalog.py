"""What the catalog says about a table and its indexes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import psycopg

from .index_declaration import storage_value

# Everything before " USING " may hold quoted names that contain that word themselves.
_TAIL = re.compile(r'(?:[^"]|"[^"]*")*? USING (.*)', re.DOTALL)

_TABLE = """
SELECT c.oid, n.nspname, c.relname, c.relkind::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s
"""

# pg_get_indexdef prints storage parameters in the order they were set; "printed" repeats its wording so that they can be
# cut out of the definition and compared as a set.
_INDEXES = """
SELECT i.indexrelid AS oid, c.relname AS name, pg_catalog.pg_get_indexdef(i.indexrelid) AS statement,
       i.indisunique AS is_unique, i.indnullsnotdistinct AS nulls_not_distinct,
       i.indisvalid AND i.indisready AND i.indislive AS valid,
       i.indisreplident AS replica_identity, i.indisclustered AS clustered, c.relispartition AS attached,
       (SELECT min(con.conname) FROM pg_catalog.pg_constraint con WHERE con.conindid = i.indexrelid) AS constraint_name,
       coalesce(o.options, '{}') AS options, coalesce(o.printed, '') AS printed,
       EXISTS (
         SELECT FROM pg_catalog.pg_stat_progress_create_index p
         WHERE p.datname = current_database() AND p.pid <> pg_backend_pid()
           AND (p.index_relid = i.indexrelid
                OR p.relid IS NULL  -- another role's build, which this role may not look into
                OR p.relid = i.indrelid AND p.command LIKE 'REINDEX%%')
       ) AS being_built
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
LEFT JOIN LATERAL (
  SELECT array_agg(ARRAY[option_name, option_value]) AS options,
         string_agg(quote_ident(option_name) || '=' ||
                    CASE WHEN quote_ident(option_value) = option_value THEN option_value ELSE quote_literal(option_value) END,
                    ', ') AS printed
  FROM pg_catalog.pg_options_to_table(c.reloptions)
) o ON true
WHERE i.indrelid = %s
ORDER BY c.relname
"""


@dataclass(frozen=True)
class Relation:
    """A table, view, index … found by name."""

    oid: int
    schema: str
    name: str
    kind: str
    """``pg_class.relkind``: r table, p partitioned table, m materialized view, v view, f foreign table, i index."""


@dataclass(frozen=True)
class Definition:
    """What makes two indexes the same, in PostgreSQL's own words."""

    tail: str
    """``pg_get_indexdef`` after `` USING ``, without the storage parameters."""
    unique: bool
    nulls_not_distinct: bool
    storage: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class ExistingIndex:
    """One index of a table."""

    oid: int
    name: str
    statement: str
    """``pg_get_indexdef``."""
    clauses: str
    """Its part after `` USING ``, storage parameters included."""
    definition: Definition
    valid: bool
    being_built: bool
    bound_to: str
    """Why it may not be dropped, in words that follow "it"; empty when it may."""


def find_relation(connection: psycopg.Connection[Any], schema: str, name: str) -> Relation | None:
    """The relation of that name in that schema, of whatever kind."""
    row = connection.execute(_TABLE, (schema, name)).fetchone()
    return Relation(*row) if row else None


def read_indexes(connection: psycopg.Connection[Any], table_oid: int) -> tuple[ExistingIndex, ...]:
    """All indexes of a table, valid or not, by name."""
    cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
    return tuple(_existing(row) for row in cursor.execute(_INDEXES, (table_oid,)))


def _existing(row: dict[str, Any]) -> ExistingIndex:
    match = _TAIL.fullmatch(row["statement"])
    clauses = match.group(1) if match else row["statement"]
    return ExistingIndex(
        oid=row["oid"],
        name=row["name"],
        statement=row["statement"],
        clauses=clauses,
        definition=Definition(
            tail=clauses.replace(f" WITH ({row['printed']})", "", 1) if row["printed"] else clauses,
            unique=row["is_unique"],
            nulls_not_distinct=row["nulls_not_distinct"],
            storage=frozenset((name, storage_value(value)) for name, value in row["options"]),
        ),
        valid=row["valid"],
        being_built=row["being_built"],
        bound_to=_bound_to(row),
    )


def _bound_to(row: dict[str, Any]) -> str:
    if row["constraint_name"]:
        return f"backs the constraint {row['constraint_name']}"
    if row["replica_identity"]:
        return "is the replica identity of the table"
    if row["clustered"]:
        return "is the index that CLUSTER uses for the table"
    if row["attached"]:
        return "is attached to an index of the partitioned parent"
    return ""
