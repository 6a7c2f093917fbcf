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
    "signing_key": {"type": "str", "default": "", "no_log": True},
    "verify_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "bin_dir": {"type": "path", "default": DEFAULT_BIN_DIR},
}
PROGRESS_ARGUMENTS: dict[str, dict[str, Any]] = {
    "progress_seconds": {"type": "int", "default": 0},
    "progress_file": {"type": "str", "default": ""},
}
RETENTION_ARGUMENTS: dict[str, dict[str, Any]] = {
    "keep_days": {"type": "int", "default": 30},
    "keep_weekly": {"type": "int", "default": 0},
    "keep_monthly": {"type": "int", "default": 0},
    "keep_at_least": {"type": "int", "default": 3},
    "remove_at_most": {"type": "int", "default": 10},
}
