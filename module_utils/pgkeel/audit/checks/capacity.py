"""What runs out: sequences and disks."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ...report.finding import Finding, Level, Priority
from ..context import Context
from ..outcome import CouldNotVerify
from ..registry import Need, Scope, check

START_LINE = 2  # of postmaster.pid: seconds since 1970 (LOCK_FILE_LINE_START_TIME)
START_TOLERANCE_SECONDS = 5


@check(
    "H17",
    "Sequences have values left",
    why="At the end of its column's type, every insert into the table fails.",
    priority=Priority.P0,
    scope=Scope.DATABASE,
)
def sequences(context: Context) -> Iterable[Finding]:
    """Values used of those that sequence and owning column can both hold."""
    limits = context.thresholds
    for row in context.rows(
        """
        SELECT n.nspname AS schema, c.relname AS sequence, t.relname AS table, a.attname AS column, v.last_value AS used,
               least(s.seqmax, CASE a.atttypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647
                                               ELSE 9223372036854775807 END) AS available,
               coalesce(format_type(a.atttypid, NULL), 'no column') AS type
          FROM pg_sequence s
          JOIN pg_class c ON c.oid = s.seqrelid
          JOIN pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_sequences v ON v.schemaname = n.nspname AND v.sequencename = c.relname
          LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass
                               AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
          LEFT JOIN pg_class t ON t.oid = d.refobjid
          LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
         WHERE NOT s.seqcycle AND s.seqincrement > 0 AND v.last_value IS NOT NULL
         ORDER BY 1, 2
        """
    ):
        ratio = row["used"] / row["available"]
        if ratio < limits.sequence_used_ratio:
            continue
        where = f"{row['table']}.{row['column']}" if row["table"] else "no column"
        yield Finding(
            id="H17",
            priority=Priority.P0 if ratio >= limits.sequence_critical_ratio else Priority.P1,
            subject=context.name(row["schema"], row["sequence"]),
            summary=f"{ratio:.0%} of the values of {row['sequence']} ({where}) are used.",
            evidence={
                "last_value": row["used"],
                "largest_value": row["available"],
                "used_ratio": round(ratio, 4),
                "column_type": row["type"],
            },
            remedy=(
                "Move the column to bigint (for a large table: new column, trigger, backfill in "
                "batches, swap) and the sequence with it."
            ),
            effort=Level.HIGH,
            risk=Level.HIGH,
        )


@check(
    "H22",
    "Disks have room",
    why="A full disk stops the server at once when it holds the WAL, and fails every write when it holds the tables.",
    priority=Priority.P0,
    needs=(Need.ALL_SETTINGS,),
)
def disks(context: Context) -> Iterable[Finding]:
    """Free space of the file systems of the data directory, the WAL and the tablespaces."""
    data = context.setting("data_directory")
    _require_same_machine(context, data)
    places = {"data directory": data, "WAL": f"{data}/pg_wal"}
    for row in context.rows("SELECT spcname, pg_tablespace_location(oid) AS location FROM pg_tablespace"):
        if row["location"]:
            places[f"tablespace {row['spcname']}"] = row["location"]
    seen: set[int] = set()  # one finding a file system, whatever lies on it
    limits = context.thresholds
    for what, path in places.items():
        try:
            device, status = os.stat(path).st_dev, os.statvfs(path)
        except OSError as error:
            raise CouldNotVerify(f"{path} cannot be looked at: {error.strerror}") from error
        ratio = status.f_bavail / status.f_blocks if status.f_blocks else 0.0
        if device in seen or ratio >= limits.disk_free_ratio:
            continue
        seen.add(device)
        yield Finding(
            id="H22",
            priority=Priority.P0 if ratio < limits.disk_critical_free_ratio else Priority.P1,
            subject=f"disk of the {what}",
            summary=f"The file system of the {what} has {ratio:.1%} left.",
            evidence={
                "path": path,
                "free_bytes": status.f_bavail * status.f_frsize,
                "total_bytes": status.f_blocks * status.f_frsize,
                "free_ratio": round(ratio, 4),
            },
            remedy=(
                "Look for held-back WAL (H07, H20) and old logs; then grow the file system. Never delete files of pg_wal by hand."
            ),
            effort=Level.MEDIUM,
            risk=Level.HIGH,
        )


def _require_same_machine(context: Context, data: str) -> None:
    """The data directory of that path on this machine is the audited server's: both name the same start of the postmaster.

    Neither a Unix socket nor the address tells: both can be forwarded.
    """
    started = context.rows("SELECT extract(epoch FROM pg_postmaster_start_time())::float8 AS at")[0]["at"]
    try:
        here = int(Path(data, "postmaster.pid").read_text(encoding="utf-8").splitlines()[START_LINE])
    except (OSError, IndexError, ValueError) as error:
        raise CouldNotVerify(f"{data} cannot be read here: run the audit on the server, as the cluster's owner") from error
    if abs(here - started) > START_TOLERANCE_SECONDS:
        raise CouldNotVerify(f"{data} on this machine belongs to another cluster: run the audit on the server itself")
