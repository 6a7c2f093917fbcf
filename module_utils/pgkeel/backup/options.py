"""The module arguments that backup and drill share.

Without a third-party import: a module that cannot import boto3 must still know which of its arguments are secret.
"""

from __future__ import annotations

from typing import Any

from ..postgres.arguments import DEFAULT_BIN_DIR

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
