"""Typed reads of the system catalogs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row


@dataclass(frozen=True)
class Index:
    """An index of an ordinary schema, with what it costs and whether it is read."""

    schema: str
    table: str
    name: str
    method: str
    keys: tuple[str, ...]
    """Column names, or expressions as PostgreSQL prints them."""
    signature: tuple[str, ...]
    """A key each: column or expression, operator class, collation, sort options. Equal signatures order rows alike."""
    include: tuple[str, ...]
    predicate: str
    """Of a partial index; empty otherwise."""
    unique: bool
    primary: bool
    constraint: bool
    """It carries a primary key, unique or exclusion constraint."""
    replica_identity: bool
    supports_foreign_key: bool
    """Its leading columns are those of a foreign key, or the first one is where no index has them all: checks read it."""
    valid: bool
    ready: bool
    being_built: bool
    """A CREATE INDEX or REINDEX works on it at this moment."""
    partition: bool
    """It belongs to an index of a partitioned table and cannot be dropped alone."""
    definition: str
    size_bytes: int
    scans: int
    """Since the statistics began."""
    table_scans: int
    """Scans of its table, sequential or by any index, in the same time."""
    clustered: bool = False
    """CLUSTER puts the table in its order."""
    idle_days: float | None = None
    """Since its last scan; None where the statistics know of none."""

    def __post_init__(self) -> None:
        # PostgreSQL's arrays arrive as lists; tuples make the value hashable.
        for name in ("keys", "signature", "include"):
            object.__setattr__(self, name, tuple(getattr(self, name)))


def quoted(*parts: str) -> str:
    """An identifier, qualified when there are several parts, quoted for use in a statement shown to a person."""
    return sql.Identifier(*parts).as_string(None)


def indexes(connection: psycopg.Connection[Any]) -> tuple[Index, ...]:
    """All indexes of the connected database outside the system schemas and extensions, by schema, table and name."""
    with connection.cursor(row_factory=class_row(Index)) as cursor:
        return tuple(
            cursor.execute(
                r"""
                SELECT n.nspname AS schema, t.relname AS table, c.relname AS name, m.amname AS method,
                       ARRAY(SELECT coalesce(a.attname::text, pg_get_indexdef(i.indexrelid, k + 1, true))
                               FROM generate_series(0, i.indnkeyatts - 1) AS k
                               LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k] AND i.indkey[k] > 0
                              ORDER BY k) AS keys,
                       ARRAY(SELECT format('%s %s %s %s', pg_get_indexdef(i.indexrelid, k + 1, true), i.indclass[k],
                                           i.indcollation[k], i.indoption[k])
                               FROM generate_series(0, i.indnkeyatts - 1) AS k ORDER BY k) AS signature,
                       ARRAY(SELECT a.attname::text
                               FROM generate_series(i.indnkeyatts, i.indnatts - 1) AS k
                               JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k]
                              ORDER BY k) AS include,
                       coalesce(pg_get_expr(i.indpred, i.indrelid, true), '') AS predicate,
                       i.indisunique AS unique, i.indisprimary AS primary,
                       EXISTS (SELECT FROM pg_constraint k
                                WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')) AS constraint,
                       i.indisreplident AS replica_identity,
                       EXISTS (SELECT FROM pg_constraint k
                                WHERE k.conrelid = i.indrelid AND k.contype = 'f'
                                  AND ((i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey
                                       OR i.indkey[0] = ANY (k.conkey)
                                      AND NOT EXISTS (
                                            SELECT FROM pg_index o
                                             WHERE o.indrelid = i.indrelid AND o.indisvalid AND o.indpred IS NULL
                                               AND (o.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey))
                              ) AS supports_foreign_key,
                       i.indisvalid AS valid, i.indisready AS ready,
                       EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.relid = i.indrelid) AS being_built,
                       c.relispartition AS partition,
                       pg_get_indexdef(i.indexrelid) AS definition,
                       coalesce(pg_relation_size(i.indexrelid), 0) AS size_bytes,
                       coalesce(s.idx_scan, 0) AS scans,
                       coalesce(u.seq_scan, 0) + coalesce(u.idx_scan, 0) AS table_scans,
                       i.indisclustered AS clustered,
                       extract(epoch FROM now() - s.last_idx_scan)::float8 / 86400 AS idle_days
                  FROM pg_index i
                  JOIN pg_class c ON c.oid = i.indexrelid
                  JOIN pg_class t ON t.oid = i.indrelid
                  JOIN pg_namespace n ON n.oid = t.relnamespace
                  JOIN pg_am m ON m.oid = c.relam
                  LEFT JOIN pg_stat_all_indexes s ON s.indexrelid = i.indexrelid
                  LEFT JOIN pg_stat_all_tables u ON u.relid = i.indrelid
                 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                   AND NOT EXISTS (SELECT FROM pg_depend d
                                    WHERE d.classid = 'pg_class'::regclass AND d.objid = t.oid AND d.deptype = 'e')
                 ORDER BY 1, 2, 3
                """
            )
        )


def statistics_days(connection: psycopg.Connection[Any]) -> float:
    """Days that the cumulative statistics of the connected database cover at least.

    They begin at the last reset. A crash throws them away too; that shows in the checkpointer's reset time, so the later counts.
    """
    row = connection.execute(
        """
        SELECT extract(epoch FROM now() - greatest(d.stats_reset, c.stats_reset))::float8 / 86400
          FROM pg_stat_database d, pg_stat_checkpointer c
         WHERE d.datname = current_database()
        """
    ).fetchone()
    return float(row[0]) if row else 0.0
