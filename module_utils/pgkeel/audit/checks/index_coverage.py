"""Indexes and keys that are missing."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...postgres.catalog import quoted
from ...report.finding import Finding, Level, Priority
from ..context import Context
from ..redaction import redact
from ..registry import Need, Scope, check


@check(
    "I05",
    "Foreign keys have an index",
    why="Each delete or key change in the referenced table reads the whole referencing table, under a lock.",
    priority=Priority.P1,
    scope=Scope.DATABASE,
)
def foreign_keys(context: Context) -> Iterable[Finding]:
    """Foreign keys of larger tables whose columns do not lead any complete index."""
    for row in context.rows(
        """
        SELECT k.conname AS name, n.nspname AS schema, t.relname AS table, r.relname AS referenced, pg_table_size(t.oid) AS bytes,
               coalesce(u.n_tup_del, 0) AS deletes,
               ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS c(number, place)
                       JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = c.number ORDER BY c.place) AS columns
          FROM pg_constraint k
          JOIN pg_class t ON t.oid = k.conrelid
          JOIN pg_namespace n ON n.oid = t.relnamespace
          JOIN pg_class r ON r.oid = k.confrelid
          LEFT JOIN pg_stat_all_tables u ON u.relid = r.oid
         WHERE k.contype = 'f' AND k.conparentid = 0 AND pg_table_size(t.oid) >= %(bytes)s
           AND NOT EXISTS (SELECT FROM pg_index i
                            WHERE i.indrelid = t.oid AND i.indisvalid AND i.indpred IS NULL
                              AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey)
         ORDER BY pg_table_size(t.oid) DESC, 1
        """,
        {"bytes": context.thresholds.foreign_key_table_bytes},
    ):
        columns = ", ".join(map(quoted, row["columns"]))
        yield Finding(
            id="I05",
            priority=Priority.P1,
            subject=context.name(row["schema"], row["table"], row["name"]),
            summary=f"{row['table']} has no index for its foreign key to {row['referenced']} ({', '.join(row['columns'])}).",
            evidence={"columns": row["columns"], "table_bytes": row["bytes"], "deletes_in_referenced_table": row["deletes"]},
            remedy=f"CREATE INDEX CONCURRENTLY ON {quoted(row['schema'], row['table'])} ({columns});",
        )


@check(
    "I06",
    "Tables have a primary key",
    why="Without one, rows cannot be told apart, logical replication refuses updates, and ORMs fall back to guesses.",
    priority=Priority.P2,
    scope=Scope.DATABASE,
)
def primary_keys(context: Context) -> Iterable[Finding]:
    """Ordinary and partitioned tables without a primary key."""
    for row in context.rows(
        """
        SELECT n.nspname AS schema, t.relname AS table, pg_table_size(t.oid) AS bytes
          FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
         WHERE t.relkind IN ('r', 'p') AND NOT t.relispartition AND t.relpersistence <> 't'
           AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
           AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = t.oid AND k.contype = 'p')
           AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = t.oid AND d.deptype = 'e')
         ORDER BY 1, 2
        """
    ):
        yield Finding(
            id="I06",
            priority=Priority.P2,
            subject=context.name(row["schema"], row["table"]),
            summary=f"{row['table']} has no primary key.",
            evidence={"table_bytes": row["bytes"]},
            remedy=(
                f"ALTER TABLE {quoted(row['schema'], row['table'])} ADD PRIMARY KEY (...); on a large "
                "table from a unique index built concurrently."
            ),
            effort=Level.MEDIUM,
            risk=Level.MEDIUM,
        )


@check(
    "I07",
    "Large tables are not read from end to end",
    why="A scan of a large table empties the cache and costs every other query its speed.",
    priority=Priority.P2,
    scope=Scope.DATABASE,
)
def sequential_scans(context: Context) -> Iterable[Finding]:
    """Large tables with many sequential scans that each read many rows."""
    limits = context.thresholds
    for row in context.rows(
        """
        SELECT schemaname AS schema, relname AS table, seq_scan AS scans, coalesce(idx_scan, 0) AS index_scans,
               seq_tup_read / seq_scan AS rows, pg_table_size(relid) AS bytes
          FROM pg_stat_user_tables
         WHERE seq_scan >= greatest(%(scans)s, 1) AND seq_tup_read / greatest(seq_scan, 1) >= %(rows)s
           AND pg_table_size(relid) >= %(bytes)s
         ORDER BY seq_tup_read DESC
        """,
        {
            "scans": limits.sequential_scans,
            "rows": limits.sequential_scan_rows,
            "bytes": limits.sequential_scan_table_bytes,
        },
    ):
        yield Finding(
            id="I07",
            priority=Priority.P2,
            subject=context.name(row["schema"], row["table"]),
            summary=f"{row['table']} was read from end to end {row['scans']} times, {row['rows']:,} rows each.",
            evidence={
                "sequential_scans": row["scans"],
                "index_scans": row["index_scans"],
                "rows_per_scan": row["rows"],
                "table_bytes": row["bytes"],
            },
            remedy=(
                "Find the statements in pg_stat_statements (Q02, Q04), EXPLAIN them, and "
                "add the index that their conditions need."
            ),
            effort=Level.MEDIUM,
        )


@check(
    "I10",
    "JSONB containment has a GIN index",
    why="Without one, each `@>` unpacks the document of every row.",
    priority=Priority.P1,
    scope=Scope.DATABASE,
    needs=(Need.STATEMENTS,),
)
def containment(context: Context) -> Iterable[Finding]:
    """Statements with ``column @>`` on a jsonb column of a larger table that no valid GIN index covers."""
    limits = context.thresholds
    uncovered = context.rows(
        """
        SELECT n.nspname AS schema, t.relname AS table, a.attname AS column, pg_table_size(t.oid) AS bytes
          FROM pg_attribute a
          JOIN pg_class t ON t.oid = a.attrelid AND t.relkind IN ('r', 'p', 'm')
          JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
         WHERE a.atttypid = 'jsonb'::regtype AND NOT a.attisdropped AND pg_table_size(t.oid) >= %(bytes)s
           AND NOT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
                            WHERE i.indrelid = t.oid AND i.indisvalid AND m.amname = 'gin' AND a.attnum = ANY (i.indkey::int2[]))
         ORDER BY 1, 2, 3
        """,
        {"bytes": limits.containment_table_bytes},
    )
    if not uncovered:
        return
    statements = context.statement_rows(
        """
        SELECT s.query, sum(s.calls)::bigint AS calls, sum(s.total_exec_time)::float8 AS milliseconds
          FROM {statements} s JOIN pg_database d ON d.oid = s.dbid
         WHERE d.datname = %(database)s AND strpos(s.query, '@>') > 0
         GROUP BY 1 HAVING sum(s.calls) >= %(calls)s ORDER BY 3 DESC
        """,
        {"database": context.database, "calls": limits.containment_calls},
    )
    for row in uncovered:
        hits = [one for one in statements if _contains(one["query"], row["table"], row["column"])]
        if not hits:
            continue
        index = f"{quoted(row['schema'], row['table'])} USING gin ({quoted(row['column'])} jsonb_path_ops)"
        yield Finding(
            id="I10",
            priority=Priority.P1,
            subject=context.name(row["schema"], row["table"], row["column"]),
            summary=(
                f"{sum(one['calls'] for one in hits)} calls searched {row['table']}.{row['column']} with @> without a GIN index."
            ),
            evidence={
                "calls": sum(one["calls"] for one in hits),
                "milliseconds": round(sum(one["milliseconds"] for one in hits), 1),
                "table_bytes": row["bytes"],
                "statement": redact(hits[0]["query"]),
            },
            remedy=f"CREATE INDEX CONCURRENTLY ON {index};",
        )


def _contains(statement: str, table: str, column: str) -> bool:
    """Whether a statement names the table and puts ``@>`` right behind the column."""
    word = r'(?<![\w$"])"?{}"?(?![\w$"])'
    column_then_operator = word.format(re.escape(column)) + r"\s*(?:::\s*jsonb\s*)?\)?\s*@>"
    return bool(re.search(column_then_operator, statement) and re.search(word.format(re.escape(table)), statement))
