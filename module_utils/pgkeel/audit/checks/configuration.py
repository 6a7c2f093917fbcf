"""Settings that do not suit the server."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...report.finding import Finding, Level, Priority
from ..context import Context
from ..registry import Need, Scope, check

DEFAULT_SHARED_BUFFERS_BLOCKS = 16384  # 128 MB in blocks of 8 kB


@check(
    "C07",
    "Shared buffers suit the data",
    why="The default of 128 MB suits a test machine; larger data is then read again and again.",
    priority=Priority.P2,
)
def shared_buffers(context: Context) -> Iterable[Finding]:
    """The default shared_buffers, or less, under databases of some size."""
    blocks = int(context.setting("shared_buffers"))
    # From the statistics of the catalog, because the size on disk asks for CONNECT on every database.
    data = context.rows("SELECT coalesce(sum(pg_database_size(oid)), 0)::bigint AS bytes FROM pg_database")[0]["bytes"]
    if blocks > DEFAULT_SHARED_BUFFERS_BLOCKS or data < context.thresholds.default_buffers_data_bytes:
        return
    yield Finding(
        id="C07",
        priority=Priority.P2,
        subject="shared_buffers",
        summary=f"shared_buffers is {blocks / 128:.0f} MB for {data / 1024**2:,.0f} MB of data.",
        evidence={"shared_buffers_bytes": blocks * 8192, "data_bytes": data},
        remedy="Set shared_buffers to about a quarter of the machine's memory and restart the server.",
        risk=Level.MEDIUM,
    )


@check(
    "C08",
    "Application roles have timeouts",
    why="Without them one runaway query or forgotten transaction takes a connection, its locks and vacuum with it.",
    priority=Priority.P2,
    scope=Scope.DATABASE,
    needs=(Need.ALL_SETTINGS,),
)
def timeouts(context: Context) -> Iterable[Finding]:
    """Login roles that can write here and get no statement or idle-in-transaction timeout from any level."""
    roles = context.rows(
        """
        SELECT r.oid, r.rolname AS role
          FROM pg_roles r
         WHERE r.rolcanlogin AND NOT r.rolsuper AND has_database_privilege(r.oid, current_database(), 'CONNECT')
           AND EXISTS (SELECT FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
                        WHERE t.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                          AND has_table_privilege(r.oid, t.oid, 'INSERT, UPDATE'))
         ORDER BY 2
        """
    )
    assignments = context.rows(
        """
        SELECT s.setrole AS role, split_part(c.entry, '=', 1) AS name, substr(c.entry, strpos(c.entry, '=') + 1) AS value
          FROM pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) AS c(entry)
         WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
         ORDER BY (s.setrole <> 0)::int, (s.setdatabase <> 0)::int
        """
    )
    # The audit's own session may have its own timeouts from its role: what others get stands in the files.
    files = context.rows("SELECT name, setting AS value FROM pg_file_settings WHERE applied AND name LIKE '%timeout'")
    for role in roles:
        effective = {row["name"]: row["value"] for row in files}
        # Ordered from general to special, so that the later assignment wins, as in PostgreSQL.
        effective.update({row["name"]: row["value"] for row in assignments if row["role"] in (0, role["oid"])})
        missing = []
        if not _limits(effective, "statement_timeout"):
            missing.append("statement_timeout")
        if not _limits(effective, "idle_in_transaction_session_timeout") and not _limits(effective, "transaction_timeout"):
            missing.append("idle_in_transaction_session_timeout")
        if missing:
            yield Finding(
                id="C08",
                priority=Priority.P2,
                subject=f"{context.database}: role {role['role']}",
                summary=f"Role {role['role']} may run without limit in {context.database}: no {' and no '.join(missing)}.",
                evidence={"missing": missing},
                remedy=" ".join(f"ALTER ROLE \"{role['role']}\" SET {name} = '60s';" for name in missing),
            )


def _limits(settings: dict[str, str], name: str) -> bool:
    """Whether a timeout is set to more than zero, in whatever unit."""
    number = re.match(r"\s*(-?[\d.]+)", settings.get(name, "0"))
    return bool(number) and float(number.group(1)) > 0 if number else False


@check(
    "C09",
    "max_connections is not a queue",
    why="Hundreds of sessions at work on a few cores slow each other down; a pooler queues them better.",
    priority=Priority.P2,
)
def many_connections(context: Context) -> Iterable[Finding]:
    """max_connections above what a server schedules well."""
    value = int(context.setting("max_connections"))
    if value <= context.thresholds.maximum_connections:
        return
    yield Finding(
        id="C09",
        priority=Priority.P2,
        subject="max_connections",
        summary=f"max_connections is {value}.",
        evidence={"max_connections": value, "work_mem_bytes": int(context.setting("work_mem")) * 1024},
        remedy="Put pgbouncer in transaction mode in front, lower max_connections, restart.",
        effort=Level.MEDIUM,
        risk=Level.MEDIUM,
    )


@check(
    "C10",
    "The server tells what it does",
    why="After an incident these lines and counters are all there is; they cannot be had afterwards.",
    priority=Priority.P2,
)
def observability(context: Context) -> Iterable[Finding]:
    """Logging of lock waits, checkpoints, slow statements and temporary files, and I/O timing."""
    slow = [context.server.settings.get(name, "-1") for name in ("log_min_duration_sample", "auto_explain.log_min_duration")]
    for name, silent, wanted in (
        ("log_lock_waits", context.setting("log_lock_waits") == "off", "on"),
        ("log_checkpoints", context.setting("log_checkpoints") == "off", "on"),
        ("log_temp_files", context.setting("log_temp_files") == "-1", "10MB"),
        (
            "log_min_duration_statement",
            all(value == "-1" for value in (context.setting("log_min_duration_statement"), *slow)),
            "1s",
        ),
        ("track_io_timing", context.setting("track_io_timing") == "off", "on"),
    ):
        if silent:
            yield Finding(
                id="C10",
                priority=Priority.P2,
                subject=name,
                summary=f"{name} is {context.setting(name)}.",
                evidence={name: context.setting(name), "suggested": wanted},
                remedy=f"Set {name} = {wanted} and reload.",
            )
