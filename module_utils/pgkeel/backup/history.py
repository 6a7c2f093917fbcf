"""What drills came to, kept beside the backups: <shelf>/drills/<time>-<run id>.json, signed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..objectstore.objects import list_objects, put_once, read_small
from ..objectstore.store import Store
from .keys import DRILLS, Shelf
from .signature import SignatureError, sign, verify

KIND = "application/vnd.pgkeel.drill+json"
LAST = 12
TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True)
class DrillRecord:
    """One drill that judged a backup."""

    database: str
    backup_id: str
    time: datetime
    """UTC, of its start."""
    verdict: str
    reason: str
    rto_seconds: float | None
    rpo_seconds: float | None
    phases: dict[str, float]
    rows_compared: int
    database_bytes: int
    target: str = "cluster"
    """Where the copy was: in a cluster of its own, or in a database of production's; records of old do not say it."""
    by_budget: bool = False
    """FAIL because of a budget alone: it says nothing against the backup."""

    def as_dict(self) -> dict[str, Any]:
        """A JSON-serialisable mapping."""
        return {**dataclasses.asdict(self), "time": self.time.astimezone(UTC).strftime(TIME)}


def remember(
    store: Store, shelf: Shelf, signing_key: str, verify_keys: Iterable[str], record: DrillRecord | None
) -> list[dict[str, Any]]:
    """Keep the record, and return the last ones, oldest first. Without signing key nothing is kept.

    Raises PgkeelError.
    """
    if record is not None and signing_key:
        body = json.dumps(record.as_dict(), sort_keys=True).encode()
        put_once(store, key_of(shelf, record), sign(body, KIND, signing_key), "application/json")
    return [found.as_dict() for found in read_records(store, shelf, verify_keys, LAST)]


def key_of(shelf: Shelf, record: DrillRecord) -> str:
    """Where the record lies, and nowhere else."""
    return f"{shelf.folder}{DRILLS}/{record.time.astimezone(UTC):%Y%m%dT%H%M%S%fZ}-{record.backup_id}.json"


def read_records(store: Store, shelf: Shelf, verify_keys: Iterable[str], last: int) -> list[DrillRecord]:
    """The last records of the shelf, oldest first. Raises StoreError.

    One that nobody signed who may is not there, nor one under another's name: an old PASS would come after a later FAIL.
    """
    keys = tuple(verify_keys)
    stored = sorted(item.key for item in list_objects(store, f"{shelf.folder}{DRILLS}/"))[-last:]
    records = []
    for key in stored:
        try:
            value = json.loads(verify(read_small(store, key), KIND, keys))
        except SignatureError:
            continue
        record = record_of(value)
        if record.database == shelf.database and key == key_of(shelf, record):
            records.append(record)
    return records


def record_of(value: dict[str, Any]) -> DrillRecord:
    """What ``as_dict`` gave; one of a newer pgkeel may say more."""
    known = {field.name for field in dataclasses.fields(DrillRecord)}
    given = {name: one for name, one in value.items() if name in known}
    return DrillRecord(**{**given, "time": datetime.strptime(value["time"], TIME).replace(tzinfo=UTC)})
