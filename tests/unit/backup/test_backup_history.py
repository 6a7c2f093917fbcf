"""Records of drills, written by one pgkeel and read by another."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from pgkeel.backup.history import DrillRecord, record_of

RECORD = DrillRecord(
    database="app",
    backup_id="20260101T030000Z-0a0b",
    time=datetime(2026, 1, 4, 4, 0, 0, 250000, UTC),
    verdict="PASS",
    reason="",
    rto_seconds=31.5,
    rpo_seconds=90000.0,
    phases={"restore": 27.0},
    rows_compared=3_000_000,
    database_bytes=2 << 30,
    target="database",
)


def test_what_is_written_is_what_is_read() -> None:
    assert record_of(json.loads(json.dumps(RECORD.as_dict()))) == RECORD


def test_a_record_of_before_targets_was_of_a_cluster() -> None:
    value = RECORD.as_dict()
    del value["target"]
    assert record_of(value).target == "cluster"


def test_a_record_of_a_newer_pgkeel_may_say_more() -> None:
    assert record_of({**RECORD.as_dict(), "from_the_future": 1}) == RECORD
