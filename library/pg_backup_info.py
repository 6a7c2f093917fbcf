#!/usr/bin/python
"""List the backups of one database in an S3 object store."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_backup_info
short_description: List the backups of a database, and why each is kept
description:
  - Reads every manifest and the records of the drills; changes nothing.
version_added: 0.1.0
author: pgkeel
extends_documentation_fragment:
  - pgkeel_store
  - pgkeel_store.retention
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
"""

EXAMPLES = r"""
- name: Which backups are there?
  pg_backup_info:
    database: edtech
    server_name: "{{ inventory_hostname }}"
    endpoint: https://s3.example.com
    bucket: backups
    access_key: "{{ vault_access_key }}"
    secret_key: "{{ vault_secret_key }}"
    signing_key: "{{ vault_signing_key }}"
"""

RETURN = r"""
database:
  description: The database.
  returned: success
  type: str
backups:
  description:
    - The committed ones, newest first, each with C(backup_id), C(snapshot_time), C(age_seconds), C(bytes), C(database_bytes),
      C(rows), C(proved) (time of the last drill that passed, or null), C(last_verdict) and C(kept_because), empty when the next
      backup removes it.
  returned: success
  type: list
  elements: dict
refused:
  description: Manifests that cannot be believed, a sentence each.
  returned: success
  type: list
  elements: str
"""

from datetime import UTC, datetime

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.pgkeel.backup.options import RETENTION_ARGUMENTS, STORE_ARGUMENTS

try:
    from ansible.module_utils.pgkeel.backup.arguments import policy_of, require_own_values, shelf_of, store_of, verify_keys_of
    from ansible.module_utils.pgkeel.backup.prune import take_inventory
    from ansible.module_utils.pgkeel.errors import PgkeelError

    MISSING = None
except ImportError as error:  # a third-party library below is not installed
    MISSING = error


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**STORE_ARGUMENTS, **RETENTION_ARGUMENTS}, supports_check_mode=True)
    if MISSING is not None:
        module.fail_json(msg=missing_required_lib(MISSING.name or "boto3"), exception=str(MISSING))
    arguments = module.params
    now = datetime.now(UTC)
    try:
        require_own_values(arguments)
        found = take_inventory(store_of(arguments), shelf_of(arguments), verify_keys_of(arguments), policy_of(arguments), now)
    except PgkeelError as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=False,
        database=arguments["database"],
        backups=[listed.as_dict(now) for listed in found.backups],
        refused=list(found.refused),
    )


if __name__ == "__main__":
    main()
