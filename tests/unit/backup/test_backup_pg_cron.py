"""A backup with pg_cron restores into a cluster that has it in that database, and its scheduler is past its start by then."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import TracebackType

import pytest
from pgkeel.backup import pg_cron
from pgkeel.backup.contents import Contents
from pgkeel.backup.drill_request import DrillRequest
from pgkeel.backup.keys import Shelf
from pgkeel.backup.restore import ground_for
from pgkeel.postgres.capacity import Capacity
from pgkeel.postgres.proving_ground import ProvingGround
from unit.backup.test_backup_manifest import MANIFEST

WITH = dataclasses.replace(MANIFEST.contents, extensions={**MANIFEST.contents.extensions, "pg_cron": "1.6"})


@pytest.mark.parametrize(("contents", "database"), [(WITH, MANIFEST.database), (MANIFEST.contents, None)])
def test_it_can_be_created_in_the_database_of_the_backup(contents: Contents, database: str | None) -> None:
    manifest = dataclasses.replace(MANIFEST, contents=contents)
    request = DrillRequest(Shelf("pgkeel", "db1", manifest.database), Path("/base"), Path("/bin"))
    ground = ground_for(request, manifest, Capacity("128MB", "64MB", "4MB"), {})
    assert ground.settings.get("cron.database_name") == database


class Session:
    """Of a server whose scheduler has started when it is asked for the third time, or never."""

    def __init__(self, *, comes: bool) -> None:
        self.comes, self.asked = comes, 0

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        pass

    def execute(self, query: str) -> Session:
        assert query == pg_cron.WAITS
        self.asked += 1
        return self

    def fetchone(self) -> tuple[()] | None:
        return () if self.comes and self.asked == 3 else None


def asked(monkeypatch: pytest.MonkeyPatch, contents: Contents, *, comes: bool, skipped: tuple[str, ...] = ()) -> int:
    session = Session(comes=comes)
    monkeypatch.setattr(pg_cron, "connect", lambda _: session)
    running = ProvingGround(Path("/f"), Path("/f"), "postgres", skipped, None)  # type: ignore[arg-type]
    pg_cron.await_scheduler(running, contents, "edtech")
    return session.asked


def test_the_restore_begins_once_the_scheduler_has_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would write off the jobs that the dump says are running."""
    assert asked(monkeypatch, WITH, comes=True) == 3


def test_nothing_is_waited_for_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(monkeypatch, MANIFEST.contents, comes=False) == 0
    assert asked(monkeypatch, WITH, comes=False, skipped=("pg_cron",)) == 0
    monkeypatch.setattr(pg_cron, "AWAIT_SECONDS", 0.1)
    assert asked(monkeypatch, WITH, comes=False) > 1
