"""The counters of pg_stat_statements: read, written down, and read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from ..errors import PgkeelError
from .store import ensure_store, installed_version

LONGEST_TEXT = 65536
"""Bytes of a statement that are still read; a longer one is an import, not a query that waits for advice."""

_HIDDEN = "<insufficient privilege>"
Key = tuple[int, int, bool]


@dataclass(frozen=True)
class Entry:
    """One line of pg_stat_statements: a statement, as one user ran it at one level."""

    query_id: int
    user_id: int
    toplevel: bool
    calls: int
    total_ms: float
    rows: int
    blocks_hit: int
    blocks_read: int
    since: datetime
    """When the line began to count."""

    @property
    def key(self) -> Key:
        """What makes it the same line in another snapshot."""
        return self.query_id, self.user_id, self.toplevel


@dataclass(frozen=True)
class Counters:
    """All lines of one database at one moment."""

    database: str
    taken_at: datetime
    counters_since: datetime
    """The last reset of all of them: the same in two snapshots, or they cannot be compared."""
    evictions: int
    """Times that room was made, since then."""
    entries: tuple[Entry, ...]
    texts: Mapping[int, str] = field(default_factory=dict, repr=False)
    """By query_id, as pg_stat_statements has them: with literals. Empty for one written down."""
    lengths: Mapping[int, int] = field(default_factory=dict, repr=False)
    """Bytes by query_id, of the texts that are too long to be read."""
    hidden_statements: int = 0
    """Lines of other users that this role may not look into."""
    hidden_ms: float = 0.0
    used: int = 0
    """Lines of all databases."""
    capacity: int = 0
    standby: bool = False


def read_counters(connection: psycopg.Connection[Any], database: str, longest_text: int = LONGEST_TEXT) -> Counters:
    """What pg_stat_statements counts for ``database`` now; the connection may be to any database that has the extension.

    Raises PgkeelError when the extension is not there, not preloaded, or the database is not.
    """
    view = _view(connection)
    try:
        about = connection.execute(
            sql.SQL(
                """
                SELECT now(), i.stats_reset, i.dealloc, pg_catalog.pg_is_in_recovery(),
                       pg_catalog.current_setting('pg_stat_statements.max')::int,
                       (SELECT count(*) FROM {statements}(false)),
                       EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = %(database)s)
                  FROM {info} i
                """
            ).format(statements=sql.Identifier(view, "pg_stat_statements"), info=sql.Identifier(view, "pg_stat_statements_info")),
            {"database": database},
        ).fetchone()
        rows = connection.execute(
            sql.SQL(
                """
                SELECT coalesce(s.queryid, 0), s.userid::int8, s.toplevel, s.calls, s.total_exec_time, s.rows, s.shared_blks_hit,
                       s.shared_blks_read, s.stats_since, octet_length(s.query),
                       CASE WHEN octet_length(s.query) <= %(longest)s THEN s.query END
                  FROM {} s JOIN pg_catalog.pg_database d ON d.oid = s.dbid
                 WHERE d.datname = %(database)s AND s.calls > 0
                """
            ).format(sql.Identifier(view, "pg_stat_statements")),
            {"database": database, "longest": longest_text},
        ).fetchall()
    except psycopg.errors.ObjectNotInPrerequisiteState as error:
        raise PgkeelError(
            "pg_stat_statements is not preloaded: no statement was counted",
            "Add it to shared_preload_libraries (postgresql_preload in the inventory) and restart the server",
        ) from error
    except (psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedTable) as error:
        raise PgkeelError(
            f"The extension pg_stat_statements is too old here: {error.diag.message_primary}",
            "ALTER EXTENSION pg_stat_statements UPDATE; it needs 1.11, that of PostgreSQL 17",
        ) from error
    if about is None or not about[6]:
        raise PgkeelError(f"There is no database {database!r}", "Correct the name")
    seen = [row for row in rows if row[10] != _HIDDEN]
    hidden = [row for row in rows if row[10] == _HIDDEN]
    return Counters(
        database=database,
        taken_at=about[0],
        counters_since=about[1],
        evictions=about[2],
        entries=tuple(Entry(*row[:9]) for row in seen),
        texts={row[0]: row[10] for row in seen if row[10] is not None},
        lengths={row[0]: row[9] for row in seen if row[9] is not None and row[10] is None},
        hidden_statements=len(hidden),
        hidden_ms=sum(row[4] for row in hidden),
        used=about[5],
        capacity=about[4],
        standby=about[3],
    )


def _view(connection: psycopg.Connection[Any]) -> str:
    row = connection.execute(
        """
        SELECT n.nspname::text FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
         WHERE e.extname = 'pg_stat_statements'
        """
    ).fetchone()
    if row is None:
        raise PgkeelError(
            f"The database {connection.info.dbname} has no extension pg_stat_statements, so nobody knows what runs there",
            "CREATE EXTENSION pg_stat_statements there (database_extensions in the inventory), and let it count for a week",
        )
    return str(row[0])


def write_down(connection: psycopg.Connection[Any], counters: Counters, keep: timedelta) -> int:
    """Store a snapshot, and forget those of the database older than ``keep``; returns its id.

    One transaction: a run that breaks off leaves the snapshots as they were. Creates the schema where it is missing.
    """
    ensure_store(connection)
    with connection.transaction():
        row = connection.execute(
            """
            INSERT INTO pgkeel.workload_snapshot (database, taken_at, counters_since, evictions)
            VALUES (%s, %s, %s, %s) RETURNING id
            """,
            [counters.database, counters.taken_at, counters.counters_since, counters.evictions],
        ).fetchone()
        number = int(row[0]) if row else 0
        columns = "snapshot, query_id, user_id, toplevel, calls, total_ms, rows, blocks_hit, blocks_read, since"
        with (
            connection.cursor() as cursor,
            cursor.copy(sql.SQL("COPY pgkeel.workload_entry ({}) FROM STDIN").format(sql.SQL(columns))) as copy,
        ):
            for one in counters.entries:
                copy.write_row((number, *one.key, one.calls, one.total_ms, one.rows, one.blocks_hit, one.blocks_read, one.since))
        connection.execute(
            "DELETE FROM pgkeel.workload_snapshot WHERE database = %s AND taken_at < %s",
            [counters.database, counters.taken_at - keep],
        )
    return number


def find_snapshot(connection: psycopg.Connection[Any], counters: Counters, latest: datetime) -> int | None:
    """The newest snapshot of the same counters that was taken at ``latest`` or before; None where there is none."""
    if installed_version(connection) == 0:
        return None
    row = connection.execute(
        """
        SELECT id FROM pgkeel.workload_snapshot
         WHERE database = %s AND counters_since = %s AND taken_at <= %s ORDER BY taken_at DESC LIMIT 1
        """,
        [counters.database, counters.counters_since, latest],
    ).fetchone()
    return int(row[0]) if row else None


def read_snapshot(connection: psycopg.Connection[Any], number: int) -> Counters:
    """One that was written down. Raises PgkeelError where it is gone."""
    about = connection.execute(
        "SELECT database, taken_at, counters_since, evictions FROM pgkeel.workload_snapshot WHERE id = %s", [number]
    ).fetchone()
    if about is None:
        raise PgkeelError(f"Snapshot {number} is gone", "Run again: another run has removed it")
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        entries = cursor.execute(
            """
            SELECT query_id, user_id::int8, toplevel, calls, total_ms, rows, blocks_hit, blocks_read, since
              FROM pgkeel.workload_entry WHERE snapshot = %s
            """,
            [number],
        ).fetchall()
    return Counters(about[0], about[1], about[2], about[3], tuple(entries))


def read_history(connection: psycopg.Connection[Any], counters: Counters, since: datetime) -> tuple[Counters, ...]:
    """All snapshots of the same counters from ``since`` on, the oldest first."""
    if installed_version(connection) == 0:
        return ()
    rows = connection.execute(
        """
        SELECT id FROM pgkeel.workload_snapshot
         WHERE database = %s AND counters_since = %s AND taken_at BETWEEN %s AND %s ORDER BY taken_at
        """,
        [counters.database, counters.counters_since, since, counters.taken_at],
    ).fetchall()
    return tuple(read_snapshot(connection, int(row[0])) for row in rows)
