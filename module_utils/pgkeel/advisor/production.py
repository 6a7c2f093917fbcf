"""What the advisor takes from production beside the workload: settings of the planner, writes, tables. It only reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from ..postgres.catalog import statistics_days
from .cures import cure
from .drop_advice import count_standbys
from .facts import Policies, Writes
from .facts_read import read_writes
from .model import Workload
from .workload import read_window

PLANNER_SETTINGS = (
    "random_page_cost", "seq_page_cost", "cpu_tuple_cost", "cpu_index_tuple_cost", "cpu_operator_cost", "parallel_setup_cost",
    "parallel_tuple_cost", "min_parallel_table_scan_size", "min_parallel_index_scan_size", "effective_cache_size", "work_mem",
    "hash_mem_multiplier", "max_parallel_workers_per_gather", "effective_io_concurrency", "jit", "jit_above_cost",
    "jit_inline_above_cost", "jit_optimize_above_cost", "from_collapse_limit", "join_collapse_limit", "geqo", "geqo_threshold",
    "default_statistics_target", "constraint_exclusion", "cursor_tuple_fraction", "enable_bitmapscan", "enable_hashagg",
    "enable_hashjoin", "enable_incremental_sort", "enable_indexscan", "enable_indexonlyscan", "enable_material", "enable_memoize",
    "enable_mergejoin", "enable_nestloop", "enable_partitionwise_aggregate", "enable_partitionwise_join", "enable_seqscan",
    "enable_sort", "plan_cache_mode",
)  # fmt: skip
LONGEST_EXAMPLE = 20_000
MOST_EXAMPLES = 5_000


@dataclass(frozen=True)
class Production:
    """Read at one moment."""

    workload: Workload
    writes: Mapping[tuple[str, str], Writes]
    """Within the window."""
    settings: Mapping[str, str]
    tables: frozenset[tuple[str, str]]
    never_analysed: tuple[str, ...]
    """Tables with rows and without statistics: there the planner guesses in production, and knows on the copy."""
    examples: Mapping[int, Sequence[str]]
    """Real statements by query_id, where pg_qualstats is installed; they stay on the server."""
    bytes: int
    standbys: int = 0
    """Servers that follow this one; what they are asked is counted there and not here."""
    policies: Policies = field(default_factory=dict)


def read_production(connection: psycopg.Connection[Any], database: str, since: datetime) -> Production:
    """Read everything. Raises PgkeelError when pg_stat_statements is missing, psycopg.Error when the server is lost."""
    connection.execute("SET default_transaction_read_only = on")
    workload = read_window(connection, database, since)
    window = workload.until - workload.since
    share = _share(window, statistics_days(connection))
    rows = connection.execute(
        """
        SELECT s.schemaname, s.relname, pg_catalog.pg_relation_size(s.relid) > 0 AND c.reltuples <> 0
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_statistic t WHERE t.starelid = s.relid)
        FROM pg_catalog.pg_stat_user_tables s JOIN pg_catalog.pg_class c ON c.oid = s.relid
        """
    ).fetchall()
    size = connection.execute("SELECT pg_catalog.pg_database_size(current_database())").fetchone()
    return Production(
        workload=workload,
        writes={
            table: Writes(found.inserted * share, found.updated * share, found.updated_hot * share, found.deleted * share)
            for table, found in read_writes(connection).items()
        },
        settings=dict(
            connection.execute(
                "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s) AND setting <> boot_val",
                (list(PLANNER_SETTINGS),),
            ).fetchall()
        ),
        tables=frozenset((schema, name) for schema, name, _ in rows),
        never_analysed=tuple(sorted(f"{schema}.{name}" for schema, name, never in rows if never)),
        examples=read_examples(connection),
        bytes=int(size[0]) if size else 0,
        standbys=count_standbys(connection),
        policies=read_policies(connection),
    )


def _share(window: timedelta, days: float) -> float:
    """The part of the statistics' age that the window is."""
    seconds = days * 86_400
    return min(1.0, window.total_seconds() / seconds) if seconds > 0 else 1.0


def read_policies(connection: psycopg.Connection[Any]) -> Policies:
    """Tables with row security and whom it binds, as PostgreSQL has it: no superuser, and an owner only where it is forced."""
    rows = connection.execute(
        """
        SELECT n.nspname, c.relname,
               ARRAY(SELECT r.oid::int8 FROM pg_catalog.pg_roles r
                      WHERE NOT r.rolsuper AND NOT r.rolbypassrls
                        AND (c.relforcerowsecurity OR NOT pg_catalog.pg_has_role(r.oid, c.relowner, 'USAGE')))
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relrowsecurity
        """
    )
    return {(schema, name): frozenset(roles) for schema, name, roles in rows}


def read_examples(connection: psycopg.Connection[Any]) -> dict[int, list[str]]:
    """Statements with their constants, one a query_id, from pg_qualstats; empty where that is not installed."""
    row = connection.execute(
        """SELECT n.nspname FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
           WHERE e.extname = 'pg_qualstats'"""
    ).fetchone()
    if row is None:
        return {}
    query = sql.SQL("SELECT queryid, query FROM {}() WHERE length(query) < {} LIMIT {}").format(
        sql.Identifier(row[0], "pg_qualstats_example_queries"), sql.Literal(LONGEST_EXAMPLE), sql.Literal(MOST_EXAMPLES)
    )
    found: dict[int, list[str]] = {}
    try:
        rows = connection.execute(query).fetchall()
    except psycopg.Error:
        return {}  # installed, but not preloaded
    for query_id, text in rows:
        try:
            cured = cure(text)
        except RecursionError:
            continue
        if cured is not None and cured.parameters == 0:
            found.setdefault(query_id, []).append(cured.sql)
    return found
