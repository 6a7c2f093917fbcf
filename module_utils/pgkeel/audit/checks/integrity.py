"""Whether the data can be trusted to be what was written."""

from __future__ import annotations

from collections.abc import Iterable

from ...postgres.catalog import quoted
from ...report.finding import Finding, Level, Priority
from ..context import Context
from ..registry import Scope, check


@check(
    "H18",
    "Data checksums are on",
    why="Without them a block that the disk corrupted is served, and backed up, as if it were right.",
    priority=Priority.P1,
)
def checksums_off(context: Context) -> Iterable[Finding]:
    """The cluster was made without checksums."""
    if context.setting("data_checksums") == "on":
        return
    yield Finding(
        id="H18",
        priority=Priority.P1,
        subject="data_checksums",
        summary="The cluster has no data checksums: damage by disk or memory goes unnoticed.",
        evidence={"data_checksums": context.setting("data_checksums")},
        remedy=(
            "In a maintenance window: stop the server, pg_checksums --enable -D the data "
            "directory (it reads every block), start it."
        ),
        effort=Level.MEDIUM,
        risk=Level.MEDIUM,
    )


@check(
    "H19",
    "No block failed its checksum",
    why="A failed checksum is damaged data: what is read from that block now is wrong or an error.",
    priority=Priority.P0,
)
def checksum_failures(context: Context) -> Iterable[Finding]:
    """Failures that the statistics have counted."""
    for row in context.rows(
        """
        SELECT coalesce(datname, 'shared objects') AS database, checksum_failures AS failures, checksum_last_failure::text AS last
          FROM pg_stat_database WHERE checksum_failures > 0
        """
    ):
        yield Finding(
            id="H19",
            priority=Priority.P0,
            subject=f"database {quoted(row['database'])}",
            summary=f"{row['failures']} block(s) of {row['database']} failed their checksum.",
            evidence={"failures": row["failures"], "last_failure": row["last"]},
            remedy=(
                "Take a copy of the data directory, check the disk, run pg_amcheck, and restore "
                "the damaged tables from a drilled backup."
            ),
            effort=Level.HIGH,
            risk=Level.HIGH,
        )


@check(
    "H21",
    "Text indexes follow the collation they were built with",
    why="After an upgrade of the C library or ICU, text sorts differently: such an index misses rows and lets duplicates in.",
    priority=Priority.P0,
    scope=Scope.DATABASE,
)
def collation_versions(context: Context) -> Iterable[Finding]:
    """The database's collation, and those that its indexes name, against the library in use."""
    for row in context.rows(
        """
        SELECT NULL AS schema, NULL AS collation, datcollversion AS recorded, pg_database_collation_actual_version(oid) AS actual
          FROM pg_database WHERE datname = current_database()
         UNION ALL
        SELECT n.nspname, c.collname, c.collversion, pg_collation_actual_version(c.oid)
          FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
         WHERE EXISTS (SELECT FROM pg_index i WHERE c.oid = ANY (i.indcollation))
        """
    ):
        if row["recorded"] is None or row["recorded"] == row["actual"]:
            continue
        name = quoted(row["schema"], row["collation"]) if row["collation"] else ""
        refresh = (
            f"ALTER COLLATION {name} REFRESH VERSION;"
            if name
            else f"ALTER DATABASE {quoted(context.database)} REFRESH COLLATION VERSION;"
        )
        yield Finding(
            id="H21",
            priority=Priority.P0,
            subject=f"{context.database}: {'collation ' + name if name else 'default collation'}",
            summary=(
                f"Indexes of {context.database} were built with collation version "
                f"{row['recorded']}; the system now has {row['actual']}."
            ),
            evidence={"recorded_version": row["recorded"], "actual_version": row["actual"] or "none"},
            remedy=f"REINDEX DATABASE CONCURRENTLY {quoted(context.database)}; then {refresh}",
            effort=Level.MEDIUM,
            risk=Level.MEDIUM,
        )


@check(
    "H23",
    "Tables survive a crash",
    why="An unlogged table is empty after a crash, and is not on standbys or in physical backups.",
    priority=Priority.P2,
    scope=Scope.DATABASE,
)
def unlogged_tables(context: Context) -> Iterable[Finding]:
    """Unlogged tables."""
    for row in context.rows(
        """
        SELECT n.nspname AS schema, c.relname AS table, pg_table_size(c.oid) AS bytes
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relpersistence = 'u' AND c.relkind = 'r' ORDER BY 1, 2
        """
    ):
        yield Finding(
            id="H23",
            priority=Priority.P2,
            subject=context.name(row["schema"], row["table"]),
            summary=f"{row['table']} is unlogged: a crash empties it.",
            evidence={"table_bytes": row["bytes"]},
            remedy=(
                f"Where its rows matter: ALTER TABLE {quoted(row['schema'], row['table'])} SET "
                "LOGGED; (rewrites and locks the table)."
            ),
            risk=Level.MEDIUM,
        )
