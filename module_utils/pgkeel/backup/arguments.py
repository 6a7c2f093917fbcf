"""Module arguments that backup and drill share."""

from __future__ import annotations

from typing import Any

from ..objectstore.store import Store, StoreAddress, open_store
from .keys import Shelf


def store_of(arguments: dict[str, Any]) -> Store:
    """The store that the arguments name. Raises PgkeelError."""
    return open_store(
        StoreAddress(
            endpoint=arguments["endpoint"],
            bucket=arguments["bucket"],
            access_key=arguments["access_key"],
            secret_key=arguments["secret_key"],
            region=arguments["region"],
            ca_file=arguments["ca_file"],
        )
    )


def shelf_of(arguments: dict[str, Any]) -> Shelf:
    """The shelf that the arguments name. Raises PgkeelError."""
    return Shelf(prefix=arguments["prefix"], server=arguments["server_name"], database=arguments["database"])
