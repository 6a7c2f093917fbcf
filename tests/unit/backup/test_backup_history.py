"""Records of drills, written by one pgkeel and read by another."""

from __future__ import annotations

import base64
import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pgkeel.backup import history
from pgkeel.backup.history import KIND, DrillRecord, read_records, record_of
from pgkeel.backup.keys import Shelf
from pgkeel.backup.signature import public_key_of, sign
from pgkeel.objectstore.objects import StoredObject

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


SHELF = Shelf("pgkeel", "db1", "app")
KEY = base64.b64encode(bytes(range(32))).decode()
PASSED, FAILED, COPIED = (
    f"pgkeel/db1/app/drills/{time}-20260101T030000Z-0a0b.json"
    for time in ("20260104T040000250000Z", "20260111T040000000000Z", "20260112T000000000000Z")
)


def test_a_record_is_believed_under_its_own_name_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who can write to the bucket can copy a signed PASS behind the FAIL that came later."""
    failed = dataclasses.replace(RECORD, verdict="FAIL", time=datetime(2026, 1, 11, 4, tzinfo=UTC))
    bodies = {PASSED: RECORD, FAILED: failed, COPIED: RECORD}
    stored = {key: sign(json.dumps(record.as_dict()).encode(), KIND, KEY) for key, record in bodies.items()}

    def read(_: Any, key: str) -> bytes:
        return stored[key]

    monkeypatch.setattr(history, "list_objects", lambda *_: [StoredObject(key, 1, failed.time) for key in stored])
    monkeypatch.setattr(history, "read_small", read)
    assert read_records(None, SHELF, [public_key_of(KEY)], 10) == [RECORD, failed]  # type: ignore[arg-type]
