"""Replication slots and WAL archiving: both can fill the disk."""

from __future__ import annotations

from collections.abc import Iterable

from ...report.finding import Finding, Level, Priority
from ..context import Context
from ..outcome import NotApplicable
from ..registry import Need, check


@check(
    "H07",
    "Replication slots are read",
    why="A slot that nobody reads keeps WAL until the disk is full, and holds back vacuum.",
    priority=Priority.P0,
)
def slots(context: Context) -> Iterable[Finding]:
    """Slots that are lost, about to be, or hold much WAL without a reader."""
    for row in context.rows(
        """
        SELECT slot_name AS slot, slot_type AS kind, active, wal_status AS status, coalesce(invalidation_reason, '') AS invalid,
               coalesce(pg_wal_lsn_diff(w.newest, restart_lsn), 0)::bigint AS bytes
          FROM pg_replication_slots,
               (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END AS newest) w
         ORDER BY 1
        """
    ):
        lost = row["status"] == "lost" or row["invalid"]
        holds = not row["active"] and row["status"] is not None and row["bytes"] >= context.thresholds.slot_retained_bytes
        if not lost and not holds and row["status"] != "unreserved":
            continue
        state = "is lost" if lost else "is about to be lost" if row["status"] == "unreserved" else "has no reader"
        yield Finding(
            id="H07",
            priority=Priority.P1 if lost else Priority.P0,
            subject=f"slot {row['slot']}",
            summary=f"Replication slot {row['slot']} {state} and holds back {row['bytes'] / 1024**2:.0f} MiB of WAL.",
            evidence={
                "retained_bytes": row["bytes"],
                "active": row["active"],
                "wal_status": row["status"] or "",
                "invalidation_reason": row["invalid"],
                "slot_type": row["kind"],
            },
            remedy=f"Bring its reader back; if it is gone for good: SELECT pg_drop_replication_slot('{row['slot']}');",
            risk=Level.MEDIUM,
        )


@check(
    "H20",
    "WAL archiving works",
    why="While it fails, WAL piles up on the disk and the point-in-time backup has a hole.",
    priority=Priority.P0,
    needs=(Need.PRIMARY,),
)
def archiver(context: Context) -> Iterable[Finding]:
    """The archiver's last attempt failed, or it has nothing to call."""
    if context.setting("archive_mode") == "off":
        raise NotApplicable("WAL archiving is not used")
    unset = not context.setting("archive_command") and not context.setting("archive_library")
    row = context.rows(
        """
        SELECT failed_count AS failed, archived_count AS archived, last_failed_time::text AS failed_at,
               coalesce(last_archived_time::text, 'never') AS archived_at,
               coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) AS failing
          FROM pg_stat_archiver
        """
    )[0]
    if not row["failing"] and not unset:
        return
    yield Finding(
        id="H20",
        priority=Priority.P0,
        subject="WAL archiver",
        summary=(
            "WAL archiving is on without archive_command or archive_library: WAL piles up."
            if unset
            else f"WAL archiving fails; the last success was {row['archived_at']}."
        ),
        evidence={
            "failed_attempts": row["failed"],
            "archived_segments": row["archived"],
            "last_failed": row["failed_at"] or "never",
            "last_archived": row["archived_at"],
        },
        remedy=(
            "The server's log shows what the archive command answered: mend the target. Pending segments follow by themselves."
        ),
        risk=Level.MEDIUM,
    )


@check(
    "C11",
    "Replication slots have a limit",
    why="With max_slot_wal_keep_size at -1 one forgotten slot fills the disk.",
    priority=Priority.P2,
)
def unlimited_slots(context: Context) -> Iterable[Finding]:
    """Slots exist and may hold back any amount of WAL."""
    count = context.rows("SELECT count(*) AS slots FROM pg_replication_slots WHERE NOT temporary")[0]["slots"]
    if count == 0 or context.setting("max_slot_wal_keep_size") != "-1":
        return
    yield Finding(
        id="C11",
        priority=Priority.P2,
        subject="max_slot_wal_keep_size",
        summary=f"{count} replication slot(s) may hold back WAL without limit.",
        evidence={"slots": count, "max_slot_wal_keep_size_megabytes": -1},
        remedy="Set max_slot_wal_keep_size to what the disk can spare; a reload suffices.",
    )
