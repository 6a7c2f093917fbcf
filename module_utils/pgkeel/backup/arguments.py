"""Module arguments that backup and drill share."""

from __future__ import annotations

import json
import re
from typing import Any

from ..errors import PgkeelError
from ..objectstore.store import Store, StoreAddress, open_store
from .keys import Shelf
from .retention import Policy
from .signature import public_key_of

MOST = 10_000
PLACEHOLDER = re.compile(r"CHANGE-ME|ACCOUNT_ID|AGE-PUBLIC-KEY")
"""What the example inventory says where an operator's own value belongs."""


def require_own_values(arguments: dict[str, Any]) -> None:
    """Raise PgkeelError when an argument is still the example's; its value is not repeated."""
    for name, value in sorted(arguments.items()):
        if PLACEHOLDER.search(json.dumps(value, default=str)):
            raise PgkeelError(
                f"{name} is still the placeholder of the example inventory",
                "Put your own value into the inventory, secrets into the vault; docs/backup.md says how each key is made",
            )


def policy_of(arguments: dict[str, Any]) -> Policy:
    """The retention that the arguments describe. Raises PgkeelError."""
    for name, lowest in (("keep_days", 1), ("keep_weekly", 0), ("keep_monthly", 0), ("keep_at_least", 1), ("remove_at_most", 0)):
        if not lowest <= arguments[name] <= MOST:
            raise PgkeelError(f"{name} is {arguments[name]}", f"Give a number from {lowest} to {MOST}")
    return Policy(
        days=arguments["keep_days"],
        weekly=arguments["keep_weekly"],
        monthly=arguments["keep_monthly"],
        floor=arguments["keep_at_least"],
        most_removed=arguments["remove_at_most"],
    )


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


def verify_keys_of(arguments: dict[str, Any]) -> tuple[str, ...]:
    """The public keys that manifests may be signed with. Raises PgkeelError when there is none."""
    keys = list(arguments["verify_keys"])
    if arguments["signing_key"] or not keys:
        keys.insert(0, public_key_of(arguments["signing_key"]))
    return tuple(keys)
