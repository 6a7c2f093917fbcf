"""Which backups are there, while others come and go."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pgkeel.backup import catalogue
from pgkeel.backup.keys import MANIFEST, Shelf
from pgkeel.objectstore.errors import DamagedObjectError, StoreError
from pgkeel.objectstore.objects import StoredObject

SHELF = Shelf("pgkeel", "db1", "edtech")
OLD, NEW = (SHELF.key(run, MANIFEST) for run in ("20260301T000000Z-00000001", "20260302T000000Z-00000002"))
NOW = datetime(2026, 3, 10, tzinfo=UTC)


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of the store; of the old one reading says that it cannot be read."""
    keys = [OLD, NEW]

    def read(_: Any, key: str) -> bytes:
        if key == OLD:
            raise DamagedObjectError(f"{key} cannot be read", "Choose another")
        return b""

    monkeypatch.setattr(
        catalogue, "list_objects", lambda _, prefix: [StoredObject(key, 1, NOW) for key in keys if key.startswith(prefix)]
    )
    monkeypatch.setattr(catalogue, "read_small", read)
    monkeypatch.setattr(catalogue, "read_signed", lambda *_, run_id, **__: run_id)
    return keys


def read() -> catalogue.Catalogue:
    return catalogue.read_catalogue(None, SHELF, ())  # type: ignore[arg-type]


def test_a_manifest_that_is_there_and_cannot_be_read_is_refused_and_hides_no_other(listed: list[str]) -> None:
    assert listed == [OLD, NEW]
    assert read().manifests == ("20260302T000000Z-00000002",)
    assert read().refused == (f"{OLD} cannot be read. Choose another.",)


def test_one_that_retention_removed_since_the_listing_is_not_there(listed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A drill at four must not blame the backups for one that a long backup's retention removes just then."""

    def gone(_: Any, key: str) -> bytes:
        if key == OLD:
            listed.remove(OLD)
            raise DamagedObjectError(f"{key} does not exist", "Choose another")
        return b""

    monkeypatch.setattr(catalogue, "read_small", gone)
    assert read() == catalogue.Catalogue(("20260302T000000Z-00000002",), ())  # type: ignore[arg-type]


@pytest.mark.usefixtures("listed")
def test_a_store_that_cannot_be_asked_is_another_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: Any) -> bytes:
        raise StoreError("The store cannot be reached", "Check the network")

    monkeypatch.setattr(catalogue, "read_small", silent)
    with pytest.raises(StoreError, match="cannot be reached"):
        read()
