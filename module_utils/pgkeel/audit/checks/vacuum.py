"""Whether autovacuum keeps up, and whether the planner knows the tables."""

from __future__ import annotations

from collections.abc import Iterable

from ...postgres.catalog import quoted
from ...report.finding import Finding, Priority
from ..context import Context
from ..registry import Need, Scope, check


@check(
    "H08",
    "Dead rows are removed",
    why="Dead rows are read by every scan and cached beside live ones: the table gets slower without getting fuller.",
    priority=Priority.P1,
    scope=Scope.DATABASE,
    needs=(Need.PRIMARY,),
)
def dead_rows(context: Context) -> Iterable[Finding]:
    """Tables in which autovacuum does not keep up."""
    for row in context.rows(
        """
        SELECT schemaname AS schema, relname AS table, n_dead_tup AS dead, n_live_tup AS live,
               greatest(last_vacuum, last_autovacuum)::text AS vacuumed
          FROM pg_stat_user_tables
         WHERE n_dead_tup >= %(rows)s AND n_dead_tup >= %(ratio)s * (n_dead_tup + n_live_tup) AND n_dead_tup > 0
         ORDER BY n_dead_tup DESC
        """,
        {"rows": context.thresholds.dead_rows, "ratio": context.thresholds.dead_rows_ratio},
    ):
        ratio = row["dead"] / (row["dead"] + row["live"])
        yield Finding(
            id="H08",
            priority=Priority.P1,
            subject=context.name(row["schema"], row["table"]),
            summary=f"{ratio:.0%} of the rows of {row['table']} are dead.",
            evidence={
                "dead_rows": row["dead"],
                "live_rows": row["live"],
                "dead_ratio": round(ratio, 3),
                "last_vacuum": row["vacuumed"] or "never",
            },
            remedy=(
                f"VACUUM (ANALYZE) {quoted(row['schema'], row['table'])}; and look for what holds it back (H03, H04, H06, "
                "H07). If it "
                "returns: ALTER TABLE ... SET (autovacuum_vacuum_scale_factor = 0.05)."
            ),
        )


@check(
    "H09",
    "Tables of some size have planner statistics",
    why="Without them the planner guesses, and a guess on a large table can cost minutes.",
    priority=Priority.P1,
    scope=Scope.DATABASE,
    needs=(Need.SUPERUSER,),
)
def never_analyzed(context: Context) -> Iterable[Finding]:
    """Tables without a single row in pg_statistic: the cumulative counters would forget an ANALYZE after a crash."""
    for row in context.rows(
        """
        SELECT n.nspname AS schema, c.relname AS table, pg_table_size(c.oid) AS bytes
          FROM pg_class c
          JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
           AND pg_relation_size(c.oid) > 0 AND pg_table_size(c.oid) >= %(bytes)s
           AND NOT EXISTS (SELECT FROM pg_statistic s WHERE s.starelid = c.oid)
         ORDER BY 3 DESC
        """,
        {"bytes": context.thresholds.unanalyzed_table_bytes},
    ):
        yield Finding(
            id="H09",
            priority=Priority.P1,
            subject=context.name(row["schema"], row["table"]),
            summary=f"{row['table']} was never analyzed.",
            evidence={"table_bytes": row["bytes"]},
            remedy=f"ANALYZE {quoted(row['schema'], row['table'])};",
        )


@check(
    "H10",
    "Planner statistics are current",
    why="Plans follow the table as it was at the last ANALYZE.",
    priority=Priority.P2,
    scope=Scope.DATABASE,
    needs=(Need.PRIMARY,),
)
def stale_statistics(context: Context) -> Iterable[Finding]:
    """Analyzed tables of which much has changed since."""
    for row in context.rows(
        """
        SELECT s.schemaname AS schema, s.relname AS table, n_mod_since_analyze AS changed, n_live_tup AS live,
               greatest(last_analyze, last_autoanalyze)::text AS analyzed
          FROM pg_stat_user_tables s
         WHERE n_mod_since_analyze >= %(rows)s AND n_mod_since_analyze > %(ratio)s * n_live_tup
           AND greatest(last_analyze, last_autoanalyze) IS NOT NULL
         ORDER BY n_mod_since_analyze DESC
        """,
        {"rows": context.thresholds.stale_rows, "ratio": context.thresholds.stale_rows_ratio},
    ):
        yield Finding(
            id="H10",
            priority=Priority.P2,
            subject=context.name(row["schema"], row["table"]),
            summary=f"{row['changed']:,} rows of {row['table']} changed since it was analyzed; it holds {row['live']:,}.",
            evidence={"changed_rows": row["changed"], "live_rows": row["live"], "last_analyze": row["analyzed"]},
            remedy=(
                f"ANALYZE {quoted(row['schema'], row['table'])}; if it returns, lower "
                "autovacuum_analyze_scale_factor for the table."
            ),
        )


@check(
    "H11",
    "Autovacuum is on for every table",
    why="A table without it grows, loses its statistics, and ends in a forced vacuum at the worst time.",
    priority=Priority.P1,
    scope=Scope.DATABASE,
)
def autovacuum_disabled(context: Context) -> Iterable[Finding]:
    """Tables whose storage parameters turn autovacuum off."""
    for row in context.rows(
        """
        SELECT n.nspname AS schema, c.relname AS table, coalesce(s.n_dead_tup, 0) AS dead
          FROM pg_class c
          JOIN pg_namespace n ON n.oid = c.relnamespace
          CROSS JOIN LATERAL pg_options_to_table(c.reloptions) o
          LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
         WHERE o.option_name = 'autovacuum_enabled' AND NOT o.option_value::boolean AND c.relkind IN ('r', 'm', 'p')
         ORDER BY 1, 2
        """
    ):
        yield Finding(
            id="H11",
            priority=Priority.P1,
            subject=context.name(row["schema"], row["table"]),
            summary=f"Autovacuum is turned off for {row['table']}.",
            evidence={"autovacuum_enabled": False, "dead_rows": row["dead"]},
            remedy=f"ALTER TABLE {quoted(row['schema'], row['table'])} RESET (autovacuum_enabled);",
        )
