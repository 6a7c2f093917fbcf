"""Sessions that hold others up. Statement texts are not shown: they may hold data."""

from __future__ import annotations

from collections.abc import Iterable

from ...report.finding import Finding, Level, Priority
from ..context import Context, Row
from ..registry import Need, check


def _who(row: Row) -> str:
    application = f" ({row['application']})" if row["application"] else ""
    return f"role {row['role']} on {row['database']}{application}"


@check(
    "H03",
    "No session idles in an open transaction",
    why="It keeps its locks and keeps vacuum from removing dead rows for as long as it sits there.",
    priority=Priority.P1,
    needs=(Need.ALL_STATISTICS,),
)
def idle_in_transaction(context: Context) -> Iterable[Finding]:
    """Sessions in an open transaction that run nothing."""
    for row in context.rows(
        """
        SELECT usename AS role, datname AS database, application_name AS application, count(*) AS sessions,
               max(extract(epoch FROM clock_timestamp() - state_change))::float8 AS seconds, min(pid) AS pid
          FROM pg_stat_activity
         WHERE state LIKE 'idle in transaction%%' AND clock_timestamp() - state_change > make_interval(secs => %(limit)s)
         GROUP BY 1, 2, 3
        """,
        {"limit": context.thresholds.idle_in_transaction_seconds},
    ):
        yield Finding(
            id="H03",
            priority=Priority.P1,
            subject=_who(row),
            summary=(
                f"{row['sessions']} session(s) of {_who(row)} idle in an open transaction, "
                f"the longest for {row['seconds']:.0f} s."
            ),
            evidence={"sessions": row["sessions"], "longest_idle_seconds": round(row["seconds"]), "a_pid": row["pid"]},
            remedy=(
                f"End it: SELECT pg_terminate_backend({row['pid']}); then find the code path that leaves a transaction "
                "open, and set "
                "idle_in_transaction_session_timeout for the role."
            ),
            risk=Level.LOW,
        )


@check(
    "H04",
    "No transaction works for hours",
    why="Dead rows younger than the oldest transaction stay in every table, so tables and indexes grow.",
    priority=Priority.P1,
    needs=(Need.ALL_STATISTICS,),
)
def long_transactions(context: Context) -> Iterable[Finding]:
    """Client transactions that have been at work for long."""
    for row in context.rows(
        """
        SELECT usename AS role, datname AS database, application_name AS application, count(*) AS sessions,
               max(extract(epoch FROM clock_timestamp() - xact_start))::float8 AS seconds, min(pid) AS pid,
               max(age(backend_xmin)) AS held_back
          FROM pg_stat_activity
         WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()
           AND clock_timestamp() - xact_start > make_interval(secs => %(limit)s)
         GROUP BY 1, 2, 3
        """,
        {"limit": context.thresholds.long_transaction_seconds},
    ):
        yield Finding(
            id="H04",
            priority=Priority.P1,
            subject=_who(row),
            summary=f"A transaction of {_who(row)} has been at work for {row['seconds'] / 60:.1f} minutes.",
            evidence={
                "transactions": row["sessions"],
                "longest_seconds": round(row["seconds"]),
                "held_back_transactions": row["held_back"],
                "a_pid": row["pid"],
            },
            remedy=(
                f"Look at process {row['pid']} in pg_stat_activity; cancel it with pg_cancel_backend if "
                "nobody waits "
                "for it; break long jobs into batches, and set statement_timeout or transaction_timeout for the role."
            ),
            effort=Level.MEDIUM,
            risk=Level.MEDIUM,
        )


@check(
    "H05",
    "Nobody waits long for a lock",
    why="Whoever waits holds locks too: a queue behind one lock grows until the pool is empty.",
    priority=Priority.P0,
    needs=(Need.ALL_STATISTICS,),
)
def lock_waits(context: Context) -> Iterable[Finding]:
    """Sessions waiting for a lock, by the session that blocks them."""
    for row in context.rows(
        """
        SELECT b.usename AS role, b.datname AS database, b.application_name AS application, b.backend_type AS kind,
               b.pid, b.state,
               count(DISTINCT w.pid) AS waiting, max(extract(epoch FROM clock_timestamp() - w.waitstart))::float8 AS seconds
          FROM pg_locks w
          CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS blocking
          JOIN pg_stat_activity b ON b.pid = blocking
         WHERE NOT w.granted AND clock_timestamp() - w.waitstart > make_interval(secs => %(limit)s)
         GROUP BY b.usename, b.datname, b.application_name, b.backend_type, b.pid, b.state
        """,
        {"limit": context.thresholds.lock_wait_seconds},
    ):
        who = _who(row) if row["role"] else str(row["kind"])
        yield Finding(
            id="H05",
            priority=Priority.P0,
            subject=who,
            summary=f"{row['waiting']} session(s) wait for a lock that {who} holds, the longest for {row['seconds']:.0f} s.",
            evidence={
                "waiting_sessions": row["waiting"],
                "longest_wait_seconds": round(row["seconds"]),
                "blocking_pid": row["pid"],
                "blocking_state": row["state"] or "",
            },
            remedy=(
                f"If it will not finish by itself: SELECT pg_terminate_backend({row['pid']}); "
                "run schema changes with lock_timeout set."
            ),
            risk=Level.MEDIUM,
        )


@check(
    "H06",
    "No prepared transaction is left over",
    why="It survives restarts, keeps its locks, and holds back vacuum of the whole cluster until somebody ends it.",
    priority=Priority.P1,
)
def prepared_transactions(context: Context) -> Iterable[Finding]:
    """Prepared transactions that nobody committed or rolled back."""
    for row in context.rows(
        """
        SELECT gid, owner, database, extract(epoch FROM clock_timestamp() - prepared)::float8 AS seconds, age(transaction) AS age
          FROM pg_prepared_xacts
         WHERE clock_timestamp() - prepared > make_interval(secs => %(limit)s)
        """,
        {"limit": context.thresholds.prepared_transaction_seconds},
    ):
        yield Finding(
            id="H06",
            priority=Priority.P1,
            subject=f"prepared transaction {row['gid']}",
            summary=(
                f"Transaction {row['gid']} of role {row['owner']} on {row['database']} was "
                f"prepared {row['seconds'] / 60:.1f} minutes ago."
            ),
            evidence={"prepared_seconds": round(row["seconds"]), "age_transactions": row["age"]},
            remedy=(
                f"Ask its transaction manager; then, in database {row['database']}: COMMIT "
                "PREPARED or ROLLBACK PREPARED with that name."
            ),
            risk=Level.HIGH,
        )


@check(
    "H16",
    "Connections are left to open",
    why="At the limit every new login is refused, the operator's included.",
    priority=Priority.P0,
    needs=(Need.ALL_STATISTICS,),
)
def connections(context: Context) -> Iterable[Finding]:
    """Client sessions against those that ordinary roles may open."""
    used = context.rows("SELECT count(*) AS sessions FROM pg_stat_activity WHERE backend_type = 'client backend'")[0]["sessions"]
    total = int(context.setting("max_connections"))
    offered = total - int(context.setting("superuser_reserved_connections")) - int(context.setting("reserved_connections"))
    ratio = used / offered
    limits = context.thresholds
    if ratio < limits.connections_warning_ratio:
        return
    yield Finding(
        id="H16",
        priority=Priority.P0 if ratio >= limits.connections_critical_ratio else Priority.P1,
        subject="max_connections",
        summary=f"{used} of the {offered} connections that ordinary roles may open are in use.",
        evidence={"sessions": used, "offered_connections": offered, "max_connections": total, "used_ratio": round(ratio, 3)},
        remedy=(
            "Send the applications through pgbouncer and shrink their pools; raise max_connections only when memory allows it."
        ),
        effort=Level.MEDIUM,
        risk=Level.MEDIUM,
    )
