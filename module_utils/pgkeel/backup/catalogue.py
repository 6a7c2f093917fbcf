"""Which backups there are: those whose manifest lies in the store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..objectstore.errors import DamagedObjectError
from ..objectstore.objects import list_objects, read_small
from ..objectstore.store import Store
from .keys import Shelf
from .manifest import Manifest, ManifestError, read_signed


@dataclass(frozen=True)
class Catalogue:
    """The committed backups of one database, and the manifests that could not be believed."""

    manifests: tuple[Manifest, ...]
    refused: tuple[str, ...]
    """One sentence each."""


def read_catalogue(store: Store, shelf: Shelf, verify_keys: Iterable[str]) -> Catalogue:
    """Read every manifest of the shelf, each signed by one of the keys. Raises StoreError when the store cannot be asked."""
    keys = tuple(verify_keys)
    manifests: list[Manifest] = []
    refused: list[str] = []
    for item in list_objects(store, shelf.folder):
        run_id = shelf.run_of_manifest(item.key)
        if run_id is None:
            continue
        try:
            body = read_small(store, item.key)
            manifests.append(read_signed(body, keys, run_id=run_id, server_name=shelf.server, database=shelf.database))
        except DamagedObjectError as error:
            # One that a backup's retention has removed since the listing is not there, and that is no damage.
            if isinstance(error, ManifestError) or any(again.key == item.key for again in list_objects(store, item.key)):
                refused.append(str(error))
    return Catalogue(tuple(manifests), tuple(refused))


def newest(manifests: Iterable[Manifest]) -> Manifest | None:
    """The one with the latest snapshot; neither its name nor the store's time of writing matters."""
    return max(manifests, key=lambda manifest: (manifest.snapshot_time, manifest.run_id), default=None)
