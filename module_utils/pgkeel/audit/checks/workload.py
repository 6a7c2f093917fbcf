"""What the cumulative statistics say about memory, spills, deadlocks and checkpoints."""

from __future__ import annotations

from collections.abc import Iterable

from ...postgres.catalog import statistics_days
from ...report.finding import Finding, Level, Priority
from ..context import Context
from ..registry import Need, Scope, check


def _days(context: Context) -> float:
    # A rate from less than a day would turn one event of a busy hour into an alarm.
    return max(1.0, statistics_days(context.connection))


@check(
    "H12",
    "Shared buffers hold the working set",
    why="Every block that is not there costs a read from the operating system or the disk.",
    priority=Priority.P2,
    scope=Scope.DATABASE,
)
def cache_hits(context: Context) -> Iterable[Finding]:
    """Share of blocks found in shared buffers, once enough were asked for."""
    row = context.rows("SELECT blks_hit AS hit, blks_read AS read FROM pg_stat_database WHERE datname = current_database()")[0]
    total = row["hit"] + row["read"]
    limits = context.thresholds
    if total == 0 or total < limits.cache_minimum_blocks or row["hit"] / total >= limits.cache_hit_ratio:
        return
    yield Finding(
        id="H12",
        priority=Priority.P2,
        subject=f"database {context.database}",
        summary=f"Only {row['hit'] / total:.1%} of the blocks that {context.database} asked for were in shared buffers.",
        evidence={"hit_ratio": round(row["hit"] / total, 4), "blocks_hit": row["hit"], "blocks_read": row["read"]},
        remedy="Look at the statements that read most (Q04) and at missing indexes (I07) first; then raise shared_buffers.",
        effort=Level.MEDIUM,
        risk=Level.MEDIUM,
    )


@check(
    "H13",
    "Sorts and hashes stay in memory",
    why="What exceeds work_mem goes through temporary files, at disk speed.",
    priority=Priority.P2,
    scope=Scope.DATABASE,
)
def temporary_files(context: Context) -> Iterable[Finding]:
    """Bytes of temporary files a day."""
    row = context.rows(
        "SELECT temp_files AS files, temp_bytes AS bytes FROM pg_stat_database WHERE datname = current_database()"
    )[0]
    days = _days(context)
    if row["bytes"] == 0 or row["bytes"] / days < context.thresholds.spill_bytes_per_day:
        return
    yield Finding(
        id="H13",
        priority=Priority.P2,
        subject=f"database {context.database}",
        summary=f"Statements in {context.database} write {row['bytes'] / days / 1024**3:.2f} GiB of temporary files a day.",
        evidence={
            "temporary_bytes": int(row["bytes"]),
            "temporary_files": row["files"],
            "bytes_per_day": round(row["bytes"] / days),
            "work_mem_kilobytes": int(context.setting("work_mem")),
        },
        remedy=(
            "Find the statements with Q03 or log_temp_files; give them an index for their order, or their role a larger work_mem."
        ),
        effort=Level.MEDIUM,
    )


@check(
    "H14",
    "Transactions do not deadlock",
    why="Each deadlock stops two requests for deadlock_timeout and fails one of them.",
    priority=Priority.P2,
    scope=Scope.DATABASE,
)
def deadlocks(context: Context) -> Iterable[Finding]:
    """Deadlocks a day."""
    count = context.rows("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")[0]["deadlocks"]
    days = _days(context)
    if count == 0 or count / days < context.thresholds.deadlocks_per_day:
        return
    yield Finding(
        id="H14",
        priority=Priority.P2,
        subject=f"database {context.database}",
        summary=f"{count} deadlock(s) happened in {context.database}, {count / days:.1f} a day.",
        evidence={"deadlocks": count, "deadlocks_per_day": round(count / days, 2)},
        remedy="The server's log names both statements of each deadlock: make them lock rows in the same order.",
        effort=Level.MEDIUM,
    )


@check(
    "H15",
    "Checkpoints come by time, not by WAL volume",
    why="Checkpoints forced by volume come in bursts, and each writes every changed page into WAL anew.",
    priority=Priority.P2,
    needs=(Need.PRIMARY,),
)
def checkpoints(context: Context) -> Iterable[Finding]:
    """Share of checkpoints that were requested."""
    row = context.rows("SELECT num_timed AS timed, num_requested AS requested FROM pg_stat_checkpointer")[0]
    total = row["timed"] + row["requested"]
    limits = context.thresholds
    if total < limits.checkpoints_minimum or row["requested"] / total <= limits.checkpoints_requested_ratio:
        return
    yield Finding(
        id="H15",
        priority=Priority.P2,
        subject="max_wal_size",
        summary=f"{row['requested'] / total:.0%} of {total} checkpoints were requested rather than timed.",
        evidence={
            "requested": row["requested"],
            "timed": row["timed"],
            "max_wal_size_megabytes": int(context.setting("max_wal_size")),
            "checkpoint_timeout_seconds": int(context.setting("checkpoint_timeout")),
        },
        remedy="Raise max_wal_size until checkpoints come at checkpoint_timeout; the disk must hold about twice as much.",
    )
