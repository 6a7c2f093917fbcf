"""Reading the facts of a database from its catalog."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import psycopg

from .facts import Catalog, ColumnFacts, IndexFacts, TableFacts, Writes

_OURS = r"n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
_TABLES = f"""
SELECT c.oid, n.nspname, c.relname, greatest(c.reltuples, 0)::float8, pg_relation_size(c.oid) / 8192, c.relkind::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND {_OURS}
"""  # noqa: S608 - a constant
_COLUMNS = f"""
SELECT a.attrelid, a.attname, format_type(a.atttypid, -1), a.attnotnull,
       CASE WHEN s.n_distinct < 0 THEN -s.n_distinct * greatest(c.reltuples, 0) ELSE coalesce(s.n_distinct, 0) END::float8,
       coalesce(s.null_frac, 0)::float8, coalesce(s.avg_width, CASE WHEN a.attlen > 0 THEN a.attlen ELSE 32 END)::int,
       s.correlation::float8, s.most_common_vals::text::text[], s.most_common_freqs::float8[], s.histogram_bounds::text::text[],
       a.attlen = -1 AND a.atttypid <> 'numeric'::regtype
         AND NOT (a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND a.atttypmod BETWEEN 4 AND 4 + 255)
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
  SELECT * FROM pg_stats s WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
  ORDER BY s.inherited DESC LIMIT 1
) s ON true
WHERE c.relkind IN ('r', 'p', 'm') AND {_OURS} AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""  # noqa: S608 - a constant
_INDEXES = f"""
SELECT i.indrelid, x.relname, m.amname,
       ARRAY(SELECT coalesce(a.attname::text, pg_get_indexdef(i.indexrelid, k + 1, true))
               FROM generate_series(0, i.indnkeyatts - 1) k
               LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k] AND i.indkey[k] > 0 ORDER BY k),
       ARRAY(SELECT a.attname::text FROM generate_series(i.indnkeyatts, i.indnatts - 1) k
               JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k] ORDER BY k),
       coalesce(pg_get_expr(i.indpred, i.indrelid, true), ''), i.indisunique, i.indisvalid AND i.indisready,
       NOT EXISTS (SELECT FROM generate_series(0, i.indnkeyatts - 1) k
                     JOIN pg_opclass o ON o.oid = i.indclass[k] WHERE NOT o.opcdefault OR i.indoption[k] <> 0),
       ARRAY(SELECT o.opcname::text FROM generate_series(0, i.indnkeyatts - 1) k
               JOIN pg_opclass o ON o.oid = i.indclass[k] ORDER BY k)
FROM pg_index i
JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {_OURS} ORDER BY x.relname
"""  # noqa: S608 - a constant
_VIEWS = f"""
SELECT n.nspname, c.relname, pg_get_viewdef(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'v' AND {_OURS}
"""  # noqa: S608 - a constant
_WRITES = """
SELECT schemaname, relname, n_tup_ins::float8, n_tup_upd::float8, n_tup_hot_upd::float8, n_tup_del::float8
FROM pg_stat_user_tables
"""


def read_catalog(connection: psycopg.Connection[Any], search_path: tuple[str, ...] | None = None) -> Catalog:
    """Read everything the advisor asks about. ``search_path`` replaces the session's own, which may be another role's.

    Raises psycopg.Error.
    """
    columns: dict[int, dict[str, ColumnFacts]] = defaultdict(dict)
    rows = connection.execute(_COLUMNS)
    for oid, name, kind, not_null, distinct, nulls, width, correlation, common, shares, bounds, growing in rows:
        columns[oid][name] = ColumnFacts(
            name=name,
            type=kind,
            not_null=not_null,
            distinct=distinct,
            null_share=nulls,
            width=width,
            correlation=correlation,
            common=tuple(common or ()),
            common_shares=tuple(shares or ()),
            bounds=tuple(bounds or ()),
            growing=growing,
        )
    indexes: dict[int, list[IndexFacts]] = defaultdict(list)
    for oid, name, method, keys, include, predicate, unique, valid, plain, opclasses in connection.execute(_INDEXES):
        indexes[oid].append(
            IndexFacts(name, method, tuple(keys), tuple(include), predicate, unique, valid, plain, tuple(opclasses))
        )
    tables = {
        (schema, name): TableFacts(schema, name, rows, pages, columns[oid], tuple(indexes[oid]), kind)
        for oid, schema, name, rows, pages, kind in connection.execute(_TABLES)
    }
    path = connection.execute("SELECT current_schemas(false)::text[]").fetchone()
    hidden = connection.execute(
        """SELECT e.extname, n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
           WHERE n.nspname <> ALL (current_schemas(true))"""
    )
    volatile = connection.execute("SELECT DISTINCT proname FROM pg_proc WHERE provolatile = 'v'")
    return Catalog(
        tables=tables,
        views={(schema, name): text for schema, name, text in connection.execute(_VIEWS)},
        search_path=search_path or tuple(path[0] if path else ("public",)),
        volatile=frozenset(name for (name,) in volatile),
        extensions=frozenset(name for (name,) in connection.execute("SELECT extname FROM pg_extension")),
        available=frozenset(name for (name,) in connection.execute("SELECT name FROM pg_available_extensions")),
        hidden=dict(hidden.fetchall()),
    )


def read_writes(connection: psycopg.Connection[Any]) -> Mapping[tuple[str, str], Writes]:
    """Rows written since the statistics began, by table. Raises psycopg.Error."""
    return {(schema, name): Writes(*counts) for schema, name, *counts in connection.execute(_WRITES)}
