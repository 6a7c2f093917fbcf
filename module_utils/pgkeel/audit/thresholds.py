"""The figures from which on a check speaks up. Chosen so that a healthy server of any size stays silent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ..errors import PgkeelError

MEBIBYTE = 1024**2
GIBIBYTE = 1024**3


def _limit(default: float, low: float, high: float, meaning: str) -> Any:  # noqa: ANN401 - the field, whose declared type is that of its default
    return field(default=default, metadata={"low": low, "high": high, "meaning": meaning})


@dataclass(frozen=True)
class Thresholds:
    """Limits of the checks. The unit is the end of each name; ``ratio`` is between 0 and 1 unless its meaning says otherwise."""

    wraparound_warning_ratio: float = _limit(1.25, 0, 10, "H01, H02: age, as a multiple of the age that starts a forced vacuum")
    wraparound_critical_age: int = _limit(1_000_000_000, 1, 2_000_000_000, "H01, H02: age in transactions that makes it P0")
    idle_in_transaction_seconds: int = _limit(300, 0, 86400, "H03: an open transaction that does nothing")
    long_transaction_seconds: int = _limit(3600, 0, 604800, "H04: a transaction that still works")
    lock_wait_seconds: int = _limit(30, 0, 86400, "H05: waiting for a lock")
    prepared_transaction_seconds: int = _limit(600, 0, 604800, "H06: a prepared transaction that nobody finished")
    slot_retained_bytes: int = _limit(GIBIBYTE, 0, 2**60, "H07: WAL that an inactive replication slot holds back")
    dead_rows: int = _limit(50_000, 0, 10**12, "H08: dead rows of a table")
    dead_rows_ratio: float = _limit(0.3, 0, 1, "H08: dead rows of all its rows")
    unanalyzed_table_bytes: int = _limit(8 * MEBIBYTE, 0, 2**60, "H09: size of a table that has no planner statistics")
    stale_rows: int = _limit(50_000, 0, 10**12, "H10: rows changed since the last ANALYZE")
    stale_rows_ratio: float = _limit(0.5, 0, 100, "H10: the same as a share of the table's rows; may exceed 1")
    cache_hit_ratio: float = _limit(0.9, 0, 1, "H12: blocks found in shared buffers, of all that were asked for")
    cache_minimum_blocks: int = _limit(5_000_000, 0, 10**15, "H12: blocks asked for before the ratio means anything")
    spill_bytes_per_day: int = _limit(5 * GIBIBYTE, 0, 2**60, "H13: temporary files written")
    deadlocks_per_day: float = _limit(1, 0, 10**9, "H14: deadlocks")
    checkpoints_requested_ratio: float = _limit(0.5, 0, 1, "H15: checkpoints forced by WAL volume, of all checkpoints")
    checkpoints_minimum: int = _limit(20, 1, 10**9, "H15: checkpoints before the ratio means anything")
    connections_warning_ratio: float = _limit(0.8, 0, 1, "H16: client sessions, of those that ordinary roles may open")
    connections_critical_ratio: float = _limit(0.95, 0, 1, "H16: the same, from which on it is P0")
    sequence_used_ratio: float = _limit(0.75, 0, 1, "H17: values used, of those that the column can hold")
    sequence_critical_ratio: float = _limit(0.9, 0, 1, "H17: the same, from which on it is P0")
    disk_free_ratio: float = _limit(0.15, 0, 1, "H22: free space of a file system that holds the cluster")
    disk_critical_free_ratio: float = _limit(0.05, 0, 1, "H22: the same, below which it is P0")
    statistics_minimum_days: float = _limit(
        14, 0, 3650, "I04, I09: statistics cover at least so long before an index is called unused"
    )
    unused_index_bytes: int = _limit(8 * MEBIBYTE, 0, 2**60, "I04: size of an index worth dropping")
    unused_index_table_scans: int = _limit(1000, 0, 10**12, "I04, I09: scans of its table in that time")
    foreign_key_table_bytes: int = _limit(8 * MEBIBYTE, 0, 2**60, "I05: size of the referencing table")
    sequential_scan_table_bytes: int = _limit(64 * MEBIBYTE, 0, 2**60, "I07: size of the table")
    sequential_scans: int = _limit(500, 0, 10**12, "I07: sequential scans of it")
    sequential_scan_rows: int = _limit(50_000, 0, 10**12, "I07: rows read by one such scan on average")
    containment_calls: int = _limit(20, 0, 10**12, "I10: calls of the statement")
    containment_table_bytes: int = _limit(8 * MEBIBYTE, 0, 2**60, "I10: size of the table")
    statements_minimum_entries: int = _limit(5000, 0, 10**7, "C03: pg_stat_statements.max")
    default_buffers_data_bytes: int = _limit(
        2 * GIBIBYTE, 0, 2**60, "C07: size of all databases that 128 MB of buffers do not suit"
    )
    maximum_connections: int = _limit(500, 0, 262143, "C09: max_connections")
    slow_statement_mean_milliseconds: float = _limit(500, 0, 10**9, "Q01: mean execution time")
    slow_statement_calls: int = _limit(20, 0, 10**12, "Q01: calls of the statement")
    heavy_statement_ratio: float = _limit(0.25, 0, 1, "Q02: execution time, of that of all statements")
    heavy_statement_seconds: float = _limit(600, 0, 10**12, "Q02: execution time in all")
    spilling_statement_bytes: int = _limit(64 * MEBIBYTE, 0, 2**60, "Q03: temporary files written by one call on average")
    spilling_statement_calls: int = _limit(10, 0, 10**12, "Q03: calls of the statement")
    reading_statement_bytes: int = _limit(256 * MEBIBYTE, 0, 2**60, "Q04: read from disk by one call on average")
    reading_statement_calls: int = _limit(10, 0, 10**12, "Q04: calls of the statement")
    evictions_per_day: float = _limit(10, 0, 10**9, "Q05: times pg_stat_statements made room")

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any]) -> Thresholds:
        """The defaults with some of them replaced.

        Raises PgkeelError for a name that does not exist, a value that is no number, or one out of its range.
        """
        known = {item.name: item for item in fields(cls)}
        for name, value in given.items():
            if name not in known:
                raise PgkeelError(f"Unknown audit threshold {name!r}", f"Use one of {', '.join(sorted(known))}")
            low, high = known[name].metadata["low"], known[name].metadata["high"]
            whole = known[name].type == "int"
            if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not low <= value <= high:
                kind = "whole number" if whole else "number"
                raise PgkeelError(f"Audit threshold {name} is {value!r}", f"Give a {kind} from {low} to {high}")
        return cls(**given)
