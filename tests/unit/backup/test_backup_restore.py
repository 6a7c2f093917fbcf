"""What the backup is to blame for, and what it is not."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from pgkeel.backup import prune, restore
from pgkeel.backup.catalogue import Catalogue
from pgkeel.backup.check import Check, Verdict
from pgkeel.backup.drill_request import DrillRequest
from pgkeel.backup.drill_result import BUDGETS, DrillResult
from pgkeel.backup.encryption import make_identity, recipient_of
from pgkeel.backup.history import DrillRecord
from pgkeel.backup.keys import Shelf
from pgkeel.backup.manifest import Manifest
from pgkeel.backup.restore import RestoreFailedError, blamed, ground_for, locate
from pgkeel.backup.retention import Policy
from pgkeel.errors import PgkeelError
from pgkeel.objectstore.errors import StoreError
from pgkeel.postgres.capacity import Capacity
from pgkeel.postgres.proving_ground import ProvingGround, clean_environment
from pgkeel.postgres.throwaway_database import LIMITS
from unit.backup.test_backup_manifest import MANIFEST, RUN

SHELF = Shelf("pgkeel", "db1", "edtech")


class Answering:
    """A store whose clock is so far from ours."""

    bucket = "b"

    def __init__(self, ahead: timedelta = timedelta()) -> None:
        self.ahead = ahead

    def call(self, _doing: str, _operation: object) -> dict[str, Any]:
        date = format_datetime(datetime.now(UTC) + self.ahead, usegmt=True)
        return {"ResponseMetadata": {"HTTPHeaders": {"date": date}}}


def located(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    recipients: tuple[str, ...],
    identity: str,
    *,
    ahead: timedelta = timedelta(),
    result: DrillResult | None = None,
    **change: Any,
) -> DrillResult:
    manifest = dataclasses.replace(MANIFEST, recipients=recipients, **change)
    monkeypatch.setattr(restore, "require_program", lambda *_: None)
    monkeypatch.setattr(restore, "require_space", lambda *_: None)
    monkeypatch.setattr(restore, "read_catalogue", lambda *_: Catalogue((manifest,), ()))
    result = result or DrillResult()
    locate(Answering(ahead), DrillRequest(SHELF, folder, folder, identity=identity), result)  # type: ignore[arg-type]
    return result


def test_another_key_is_said_before_anything_is_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    identity = make_identity()
    with pytest.raises(PgkeelError, match="not encrypted to the drill's identity") as refused:
        located(monkeypatch, tmp_path, (recipient_of(make_identity()),), identity)
    assert not isinstance(refused.value, StoreError)
    assert identity not in str(refused.value)


def test_one_of_several_keys_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    identity = make_identity()
    recipients = (recipient_of(make_identity()), f" {recipient_of(identity)} ")
    assert located(monkeypatch, tmp_path, recipients, identity).backup_id == RUN


@pytest.mark.parametrize("hours", [-2, 2])
def test_without_a_common_clock_no_age_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hours: int) -> None:
    identity, result = make_identity(), DrillResult()
    with pytest.raises(PgkeelError, match=r"clock and the store's differ .* until then no backup is drilled"):
        located(monkeypatch, tmp_path, (recipient_of(identity),), identity, ahead=timedelta(hours=hours), result=result)
    assert (result.backup_id, result.rpo_seconds) == ("", None)


def test_a_snapshot_from_the_future_has_no_age(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its negative one would pass every budget, and newer backups lie behind it."""
    identity, result = make_identity(), DrillResult()
    recipients, later = (recipient_of(identity),), datetime.now(UTC) + timedelta(seconds=303)
    with pytest.raises(PgkeelError, match=r"is from the future: 30[0-3] s ahead") as refused:
        located(monkeypatch, tmp_path, recipients, identity, result=result, snapshot_time=later)
    assert not isinstance(refused.value, StoreError)
    assert (result.backup_id, result.rpo_seconds) == (RUN, None)
    soon = datetime.now(UTC) + timedelta(seconds=290)
    assert located(monkeypatch, tmp_path, recipients, identity, snapshot_time=soon).backup_id == RUN


def settings_for(manifest: Manifest, **more: str) -> Mapping[str, str]:
    capacity = Capacity("128MB", "64MB", "4MB")
    return ground_for(DrillRequest(SHELF, Path("/base"), Path("/bin")), manifest, capacity, more).settings


def test_a_drill_has_limits_of_its_own_and_all_its_workers() -> None:
    found = settings_for(MANIFEST)
    assert found.items() >= {"statement_timeout": "6h", "transaction_timeout": "0", "work_mem": "4MB"}.items()
    assert not [name for name in found if name.startswith("max_parallel")]


def test_event_triggers_of_the_copy_are_restored_and_do_not_fire() -> None:
    assert settings_for(MANIFEST, random_page_cost="1.1").items() >= {"event_triggers": "off", "random_page_cost": "1.1"}.items()
    assert LIMITS["event_triggers"] == "off"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[ProvingGround]:
    with subprocess.Popen(["/bin/sleep", "60"]) as server:
        yield ProvingGround(tmp_path, tmp_path, "postgres", (), server)
        server.kill()


@pytest.mark.parametrize(
    ("words", "blames"),
    [
        ("pg_restore: error: could not execute query: server closed the connection unexpectedly", False),
        ("pg_restore: error: could not execute query: ERROR:  out of memory", False),
        ('pg_restore: error: could not execute query: ERROR:  relation "x" does not exist', True),
        ("pg_restore: error: could not read from input file: end of file", True),
    ],
)
def test_a_server_that_lost_a_process_is_not_the_backup_s_fault(running: ProvingGround, words: str, blames: bool) -> None:
    with pytest.raises(PgkeelError) as raised, blamed(running):
        raise RestoreFailedError(words, "Take a new backup now")
    assert isinstance(raised.value, RestoreFailedError) is blames


@pytest.mark.parametrize(
    ("script", "blames"),
    [
        ("kill -9 $$", False),
        ("echo 'pg_restore: error: a worker process died unexpectedly' >&2; exit 1", False),
        ("echo 'pg_restore: error: end of file' >&2; echo 'error: a worker process died unexpectedly' >&2; exit 1", True),
        ("exit 1", True),
    ],
)
def test_a_program_that_was_killed_is_not_the_backup_s_fault(script: str, blames: bool) -> None:
    with pytest.raises(PgkeelError) as raised:
        restore._run(["/bin/sh", "-c", script], clean_environment(), "the dump")
    assert isinstance(raised.value, RestoreFailedError) is blames


@pytest.mark.parametrize(
    ("failed", "by_budget"), [((BUDGETS[0],), True), ((BUDGETS[1], "row counts"), False), (("row counts",), False), ((), False)]
)
def test_a_budget_takes_no_proof_away(monkeypatch: pytest.MonkeyPatch, failed: tuple[str, ...], by_budget: bool) -> None:
    result = DrillResult(checks=[Check("tables", Verdict.PASS, ""), *(Check(name, Verdict.FAIL, "") for name in failed)])
    assert result.by_budget is by_budget

    def record(day: int, **more: Any) -> DrillRecord:
        time = datetime(2026, 3, day, tzinfo=UTC)
        return DrillRecord("edtech", RUN, time, more.pop("verdict"), "", 1.0, 1.0, {}, 1, 1, **more)

    records = [record(2, verdict="PASS"), record(3, verdict=Verdict.FAIL.value, by_budget=result.by_budget)]
    monkeypatch.setattr(prune, "read_catalogue", lambda *_: Catalogue((MANIFEST,), ()))
    monkeypatch.setattr(prune, "read_records", lambda *_: records)
    (listed,) = prune.take_inventory(None, SHELF, (), Policy(), datetime(2026, 3, 9, tzinfo=UTC)).backups  # type: ignore[arg-type]
    assert (listed.proved is not None) is by_budget
