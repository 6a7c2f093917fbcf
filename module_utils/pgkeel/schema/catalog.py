"""Reading a schema from PostgreSQL's catalogs: the same queries for a throwaway database and for production."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

import psycopg
from psycopg.rows import TupleRow

from .defaults import normalise
from .model import Column, ForeignKey, Index, IndexKey, Schema, Table

Connection = psycopg.Connection[TupleRow]

_ACTIONS = {"a": "no action", "r": "restrict", "c": "cascade", "n": "set null", "d": "set default"}

# Extensions bring their own tables, and a partition is part of its parent.
_TABLES = """
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
"""
_OURS = """
    c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    )
"""
# What an extension has is called alike wherever it was put, unless the application has things of its own there.
_SEARCH_PATH = """
    SELECT set_config('search_path', concat_ws(', ', 'public', string_agg(DISTINCT quote_ident(n.nspname), ', ')), false)
      FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace
     WHERE n.nspname NOT IN ('public', 'pg_catalog') AND NOT EXISTS (
         SELECT FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
          WHERE t.typnamespace = n.oid AND (t.typtype IN ('d', 'e') OR c.relkind IN ('r', 'p', 'v', 'm', 'c'))
            AND NOT EXISTS (
                SELECT FROM pg_depend d
                 WHERE d.deptype = 'e' AND (d.classid, d.objid) IN (('pg_type'::regclass, t.oid), ('pg_class'::regclass, c.oid))
            )
     )
"""
_FORMATS = """
    SELECT set_config(name, value, false)
      FROM (VALUES ('timezone', 'UTC'), ('datestyle', 'ISO, MDY'), ('intervalstyle', 'postgres'), ('bytea_output', 'hex'),
                   ('extra_float_digits', '1'), ('quote_all_identifiers', 'off')) AS formats (name, value)
"""
_NAME = "CASE n.nspname WHEN 'public' THEN c.relname::text ELSE n.nspname || '.' || c.relname END"

_COLUMNS = f"""
    SELECT {_NAME}, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
           pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated,
           CASE WHEN e.typtype = 'e' THEN
             CASE s.nspname WHEN 'public' THEN e.typname::text ELSE s.nspname || '.' || e.typname END
           END
    {_TABLES}
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_type e ON e.oid = CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE t.oid END
    LEFT JOIN pg_namespace s ON s.oid = e.typnamespace
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE {_OURS}
    ORDER BY 1, a.attnum
"""

_CONSTRAINTS = f"""
    SELECT {_NAME}, k.contype,
           (SELECT array_agg(a.attname::text ORDER BY o.place) FROM unnest(k.conkey) WITH ORDINALITY o (number, place)
              JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = o.number),
           CASE rn.nspname WHEN 'public' THEN r.relname::text ELSE rn.nspname || '.' || r.relname END,
           (SELECT array_agg(a.attname::text ORDER BY o.place) FROM unnest(k.confkey) WITH ORDINALITY o (number, place)
              JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = o.number),
           k.confdeltype, k.confupdtype
    {_TABLES}
    JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype IN ('p', 'f') AND k.conparentid = 0
    LEFT JOIN pg_class r ON r.oid = k.confrelid
    LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace
    WHERE {_OURS}
    ORDER BY 1, k.conname
"""  # noqa: S608 - constants of this file

# indoption: bit 0 descending, bit 1 nulls first (pg_index in the manual).
_INDEXES = f"""
    SELECT {_NAME}, i.relname, m.amname, x.indisunique, x.indnullsnotdistinct, x.indisvalid AND x.indisready,
           pg_get_expr(x.indpred, x.indrelid), k.number > x.indnkeyatts,
           coalesce(
               (SELECT a.attname FROM pg_attribute a
                 WHERE a.attrelid = x.indrelid AND a.attnum = nullif(x.indkey[k.number - 1], 0)),
               pg_get_indexdef(x.indexrelid, k.number, false)
           ),
           coalesce((x.indoption[k.number - 1] & 1) = 1, false), coalesce((x.indoption[k.number - 1] & 2) = 2, false),
           (SELECT o.opcname FROM pg_opclass o WHERE o.oid = x.indclass[k.number - 1] AND NOT o.opcdefault),
           pg_get_indexdef(x.indexrelid)
    {_TABLES}
    JOIN pg_index x ON x.indrelid = c.oid AND NOT x.indisprimary
    JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_am m ON m.oid = i.relam
    CROSS JOIN LATERAL generate_series(1, x.indnatts) AS k (number)
    WHERE {_OURS}
    ORDER BY 1, 2, k.number
"""  # noqa: S608 - constants of this file

_ENUMS = """
    SELECT CASE n.nspname WHEN 'public' THEN t.typname::text ELSE n.nspname || '.' || t.typname END,
           array_agg(e.enumlabel::text ORDER BY e.enumsortorder)
      FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_enum e ON e.enumtypid = t.oid
     WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
     GROUP BY 1
"""


def read_schema(connection: Connection, ignored: Collection[str] = ()) -> Schema:
    """Read every table and enum that no extension owns, except the tables named in `ignored`."""
    # One search path and one set of formats everywhere, so that types and defaults print alike.
    connection.execute(_SEARCH_PATH)
    connection.execute(_FORMATS)
    columns: dict[str, dict[str, Column]] = defaultdict(dict)
    for table, name, column_type, nullable, default, identity, generated, enum in connection.execute(_COLUMNS):
        normal = f"generated: {default}" if generated else normalise(default, column_type, identity)
        columns[table][name] = Column(name, column_type, nullable, normal, enum or "")
    primary: dict[str, tuple[str, ...]] = {}
    foreign: dict[str, list[ForeignKey]] = defaultdict(list)
    for table, kind, own, other, referenced, on_delete, on_update in connection.execute(_CONSTRAINTS):
        if kind == "p":
            primary[table] = tuple(own)
        else:
            foreign[table].append(ForeignKey(tuple(own), other, tuple(referenced), _ACTIONS[on_delete], _ACTIONS[on_update]))
    indexes = _indexes(connection)
    tables = {
        name: Table(name, found, primary.get(name, ()), tuple(foreign.get(name, ())), tuple(indexes.get(name, ())))
        for name, found in columns.items()
        if name not in ignored
    }
    return Schema(tables, {name: tuple(values) for name, values in connection.execute(_ENUMS)})


def _indexes(connection: Connection) -> dict[str, list[Index]]:
    """By table."""
    parts: dict[tuple[str, str], list[TupleRow]] = defaultdict(list)
    for row in connection.execute(_INDEXES):
        parts[row[0], row[1]].append(row)
    found: dict[str, list[Index]] = defaultdict(list)
    for (table, name), rows in parts.items():
        _, _, method, unique, not_distinct, valid, predicate, *_ = rows[0]
        keys = tuple(IndexKey(row[8], row[9], row[10], row[11] or "") for row in rows if not row[7])
        include = tuple(row[8] for row in rows if row[7])
        found[table].append(Index(name, keys, method, unique, not_distinct, include, predicate or "", valid, rows[0][12]))
    return found
