"""What there is on a shelf, and removing what the policy lets go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ..errors import PgkeelError
from ..objectstore.clock import require_same_clock
from ..objectstore.objects import delete_object, list_objects
from ..objectstore.store import Store
from .catalogue import read_catalogue
from .check import Verdict
from .history import read_records
from .keys import DUMP, GLOBALS, MANIFEST, Shelf, run_of
from .manifest import Manifest
from .retention import Decision, Kept, Policy, decide

# Five years of weekly drills: a proof that old says nothing of a backup that is kept today.
MOST_RECORDS = 260
ORPHAN_AGE = timedelta(days=2)


@dataclass(frozen=True)
class Listed:
    """One committed backup as an operator sees it."""

    manifest: Manifest
    proved: datetime | None
    last_verdict: str
    reasons: tuple[str, ...]

    def as_dict(self, now: datetime) -> dict[str, Any]:
        """A JSON-serialisable mapping."""
        manifest = self.manifest
        return {
            "backup_id": manifest.run_id,
            "snapshot_time": manifest.snapshot_time.isoformat(),
            "age_seconds": round((now - manifest.snapshot_time).total_seconds()),
            "bytes": manifest.dump.bytes + manifest.globals.bytes,
            "database_bytes": manifest.database_bytes,
            "rows": manifest.contents.rows,
            "proved": None if self.proved is None else self.proved.isoformat(),
            "last_verdict": self.last_verdict,
            "kept_because": list(self.reasons),
        }


@dataclass(frozen=True)
class Inventory:
    """A shelf."""

    backups: tuple[Listed, ...]
    """Newest first."""
    refused: tuple[str, ...]
    """Manifests that cannot be believed, a sentence each; they are never removed."""


def take_inventory(store: Store, shelf: Shelf, verify_keys: tuple[str, ...], policy: Policy, now: datetime) -> Inventory:
    """Read the shelf. Raises StoreError."""
    catalogue = read_catalogue(store, shelf, verify_keys)
    proved: dict[str, datetime] = {}
    verdicts: dict[str, str] = {}
    for record in read_records(store, shelf, verify_keys, MOST_RECORDS):
        verdicts[record.backup_id] = record.verdict
        if record.verdict == Verdict.PASS.value:
            proved[record.backup_id] = record.time
        elif record.verdict == Verdict.FAIL.value and not record.by_budget:
            # What passed once and no longer does is not proved; late is another matter.
            proved.pop(record.backup_id, None)
    manifests = {manifest.run_id: manifest for manifest in catalogue.manifests}
    decisions: list[Decision] = decide(
        (Kept(run_id, manifest.snapshot_time, proved.get(run_id)) for run_id, manifest in manifests.items()), now, policy
    )
    return Inventory(
        tuple(
            Listed(
                manifests[decision.backup.run_id],
                decision.backup.proved,
                verdicts.get(decision.backup.run_id, ""),
                decision.reasons,
            )
            for decision in decisions
        ),
        catalogue.refused,
    )


def prune(store: Store, shelf: Shelf, verify_keys: tuple[str, ...], policy: Policy, now: datetime | None = None) -> list[str]:
    """Remove what the policy lets go, and objects of runs that never committed; returns the run ids.

    To be called only after a backup has succeeded, by whoever holds the backup's lock. Raises PgkeelError; what was removed until
    then is removed as a whole, for a backup's manifest goes first.
    """
    moment = now or datetime.now(UTC)
    require_same_clock(store, shelf.folder, moment)
    inventory = take_inventory(store, shelf, verify_keys, policy, moment)
    if inventory.backups and inventory.backups[0].manifest.snapshot_time > moment + timedelta(minutes=5):
        raise PgkeelError(
            f"Backup {inventory.backups[0].manifest.run_id} is from the future",
            "Correct the clock; until then nothing is removed",
        )
    removed = []
    for listed in inventory.backups:
        if not listed.reasons:
            for name in (MANIFEST, DUMP, GLOBALS):
                delete_object(store, shelf.key(listed.manifest.run_id, name))
            removed.append(listed.manifest.run_id)
    return removed + _remove_orphans(store, shelf, moment, policy.most_removed - len(removed))


def _remove_orphans(store: Store, shelf: Shelf, now: datetime, most: int) -> list[str]:
    """Objects of runs that were killed before they committed, of the ``most`` oldest runs.

    Any manifest, believed or not, protects its run.
    """
    objects = [(run_id, item) for item in list_objects(store, shelf.folder) if (run_id := run_of(shelf, item.key)) is not None]
    committed = {run_id for run_id, item in objects if item.key == shelf.key(run_id, MANIFEST)}
    orphans = {run_id for run_id, item in objects if run_id not in committed and now - item.modified > ORPHAN_AGE}
    # A run's id begins with its time.
    gone = sorted(orphans)[: max(0, most)]
    for run_id, item in objects:
        if run_id in gone:
            delete_object(store, item.key)
    return gone
