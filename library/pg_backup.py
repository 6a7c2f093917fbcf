#!/usr/bin/python
"""Take a logical backup of one database into an S3 object store."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_backup
short_description: Back a PostgreSQL database up to an S3 object store
description:
  - Streams C(pg_dump) in custom format, compressed with zstd and encrypted with age, straight into the store; nothing is staged.
  - Row count and content hash of every table, every definition with owner and privileges, sequences, extensions, large objects
    and locale are recorded in the same snapshot, in a signed manifest that is written last. A backup without one does not exist.
  - Roles with their password verifiers and tablespaces go along in a second object, encrypted too.
  - Gives way to the application in processor time (C(nice 10)): the module, C(pg_dump), and the backends that serve them.
  - Runs on the database server, as an OS user that PostgreSQL lets in as a superuser over the local socket.
version_added: 0.1.0
author: pgkeel
options:
  recipients:
    description: Public age keys that the backup is encrypted to; the private key of any of them decrypts.
    type: list
    elements: str
    required: true
  compression_level:
    description: Level of zstd.
    type: int
    default: 1
  parts_in_flight:
    description: How many parts are sent at once; fewer when they are large, to keep memory bounded.
    type: int
    default: 3
  lock_wait_seconds:
    description: How long to wait for a table that somebody else holds exclusively.
    type: int
    default: 300
extends_documentation_fragment:
  - pgkeel_store
  - pgkeel_store.retention
  - pgkeel_store.progress
  - pgkeel_connection.socket
requirements:
  - pyrage >= 1.4
attributes:
  check_mode:
    support: full
    details: Checks everything that a backup needs, the right to write included, and stores nothing.
  diff_mode:
    support: none
"""

EXAMPLES = r"""
- name: Back up the application's database
  pg_backup:
    database: edtech
    server_name: "{{ inventory_hostname }}"
    endpoint: https://s3.example.com
    bucket: backups
    access_key: "{{ vault_access_key }}"
    secret_key: "{{ vault_secret_key }}"
    recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]
    signing_key: "{{ vault_signing_key }}"
  become: true
  become_user: postgres
"""

RETURN = r"""
backup_id:
  description: Unique name of the backup; empty in check mode.
  returned: success
  type: str
  sample: 20260301T030000Z-5f0c9a1e
bytes:
  description: Size of what was stored, in bytes.
  returned: when a backup was taken
  type: int
database_bytes:
  description: Size of the database, in bytes.
  returned: success
  type: int
seconds:
  description: Duration.
  returned: when a backup was taken
  type: float
bytes_per_second:
  description: Bytes of the database by second.
  returned: when a backup was taken
  type: int
tables:
  description: Number of tables whose rows were counted.
  returned: when a backup was taken
  type: int
rows:
  description: Number of rows in all of them.
  returned: when a backup was taken
  type: int
manifest_key:
  description: Key of the manifest in the bucket.
  returned: when a backup was taken
  type: str
parts:
  description: Number of parts that the dump was sent in.
  returned: when a backup was taken
  type: int
snapshot_time:
  description: Time of the snapshot, UTC.
  returned: when a backup was taken
  type: str
removed:
  description: Backups that retention removed, and unfinished ones of killed runs.
  returned: when a backup was taken
  type: list
  elements: str
stale_uploads_aborted:
  description: Number of unfinished uploads of killed runs that were removed.
  returned: when a backup was taken
  type: int
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.pgkeel.backup.options import PROGRESS_ARGUMENTS, RETENTION_ARGUMENTS, STORE_ARGUMENTS
from ansible.module_utils.pgkeel.postgres.arguments import CONNECTION_ARGUMENTS

try:
    from ansible.module_utils.pgkeel.backup.arguments import policy_of, require_own_values, shelf_of, store_of, verify_keys_of
    from ansible.module_utils.pgkeel.backup.progress import Progress
    from ansible.module_utils.pgkeel.backup.run import BackupRequest, check_backup, take_backup
    from ansible.module_utils.pgkeel.errors import PgkeelError
    from ansible.module_utils.pgkeel.postgres.connect import Login
    from ansible.module_utils.pgkeel.postgres.give_way import lower_own_priority

    MISSING = None
except ImportError as error:  # a third-party library below is not installed
    MISSING = error


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **STORE_ARGUMENTS,
            **PROGRESS_ARGUMENTS,
            **{name: CONNECTION_ARGUMENTS[name] for name in ("login_unix_socket", "login_port", "login_user")},
            "recipients": {"type": "list", "elements": "str", "required": True},
            "compression_level": {"type": "int", "default": 1},
            "parts_in_flight": {"type": "int", "default": 3},
            "lock_wait_seconds": {"type": "int", "default": 300},
            **RETENTION_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    if MISSING is not None:
        module.fail_json(msg=missing_required_lib(MISSING.name or "boto3"), exception=str(MISSING))
    arguments = module.params
    for name, low, high in (("compression_level", 1, 22), ("parts_in_flight", 1, 8), ("lock_wait_seconds", 1, 86400)):
        if not low <= arguments[name] <= high:
            module.fail_json(msg=f"{name} is {arguments[name]}. Give a number from {low} to {high}.")
    try:
        require_own_values(arguments)
        request = BackupRequest(
            login=Login.from_arguments({**arguments, "login_db": arguments["database"]}),
            shelf=shelf_of(arguments),
            bin_dir=Path(arguments["bin_dir"]),
            compression_level=arguments["compression_level"],
            parts_in_flight=arguments["parts_in_flight"],
            lock_wait_seconds=arguments["lock_wait_seconds"],
            recipients=tuple(arguments["recipients"]),
            signing_key=arguments["signing_key"],
            verify_keys=verify_keys_of(arguments),
            progress=Progress(Path(arguments["progress_file"]) if arguments["progress_file"] else None),
            retention=policy_of(arguments),
        )
        store = store_of(arguments)
        if module.check_mode:
            found = check_backup(store, request)
            module.exit_json(
                changed=True,
                backup_id="",
                database_bytes=found.database_bytes,
                msg=f"Would back up {arguments['database']} ({found.database_bytes} bytes) below {request.shelf.folder}.",
            )
        # Compression and encryption take a processor: the application goes first.
        lower_own_priority()
        result = take_backup(store, request)
    except PgkeelError as error:
        module.fail_json(msg=str(error))
    for warning in result.warnings:
        module.warn(warning)
    module.exit_json(changed=True, **result.as_dict())


if __name__ == "__main__":
    main()
