"""Module arguments that backup and drill share."""

from __future__ import annotations

from typing import Any

from ..objectstore.store import Store, StoreAddress, open_store
from ..postgres.proving_ground import DEFAULT_BIN_DIR
from .keys import Shelf

STORE_ARGUMENTS: dict[str, dict[str, Any]] = {
    "database": {"type": "str", "required": True},
    "server_name": {"type": "str", "required": True},
    "prefix": {"type": "str", "default": "pgkeel"},
    "endpoint": {"type": "str", "required": True},
    "bucket": {"type": "str", "required": True},
    "region": {"type": "str", "default": "auto"},
    "access_key": {"type": "str", "required": True, "no_log": True},
    "secret_key": {"type": "str", "required": True, "no_log": True},
    "ca_file": {"type": "str", "default": ""},
    "bin_dir": {"type": "path", "default": DEFAULT_BIN_DIR},
}


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
