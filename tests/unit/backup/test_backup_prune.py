"""What killed runs left is removed within the same limit as backups are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pgkeel.backup import prune
from pgkeel.backup.keys import DUMP, MANIFEST, Shelf
from pgkeel.backup.prune import Inventory
from pgkeel.backup.retention import Policy
from pgkeel.objectstore.objects import StoredObject

NOW = datetime(2026, 3, 10, tzinfo=UTC)
SHELF = Shelf("pgkeel", "db1", "edtech")
OLD = [f"2026030{day}T000000Z-0000000{day}" for day in (1, 2, 3)]
YOUNG = "20260309T000000Z-00000009"
COMMITTED = "20260304T000000Z-00000004"


@pytest.mark.parametrize(("most", "gone"), [(0, []), (2, OLD[:2]), (10, OLD)])
def test_the_oldest_go_first_and_no_more_than_allowed(monkeypatch: pytest.MonkeyPatch, most: int, gone: list[str]) -> None:
    runs = {**dict.fromkeys([*OLD[::-1], COMMITTED], NOW - timedelta(days=5)), YOUNG: NOW - timedelta(days=1)}
    stored = [StoredObject(SHELF.key(run, DUMP), 1, modified) for run, modified in runs.items()]
    stored.append(StoredObject(SHELF.key(COMMITTED, MANIFEST), 1, NOW - timedelta(days=5)))
    deleted: list[str] = []
    monkeypatch.setattr(prune, "require_same_clock", lambda *_: None)
    monkeypatch.setattr(prune, "take_inventory", lambda *_: Inventory((), ()))
    monkeypatch.setattr(prune, "list_objects", lambda *_: stored)
    monkeypatch.setattr(prune, "delete_object", lambda _, key: deleted.append(key))
    assert prune.prune(None, SHELF, (), Policy(most_removed=most), NOW) == gone  # type: ignore[arg-type]
    assert sorted(deleted) == [SHELF.key(run, DUMP) for run in gone]
