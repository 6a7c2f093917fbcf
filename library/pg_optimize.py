#!/usr/bin/python
"""Recommend indexes for a workload, and prove them on a restored copy."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_optimize
short_description: Recommend indexes, each proved on a restored copy
description:
  - Reads what a database did (C(pg_stat_statements)), restores its newest backup into a throwaway cluster, lets the planner and
    HypoPG there judge which indexes would help the whole workload within a budget of disk, builds those for real, and runs the
    statements with and without them, turn and turn about.
  - Production is only read. The copy is removed afterwards, whatever happens.
  - Values that are put into statements stay on the server.
  - An index that makes any replayed statement more than 15 % slower is rejected, whatever it promised.
version_added: 0.2.0
author: pgkeel
extends_documentation_fragment: pgkeel_connection
options:
  database:
    description: Database that is judged, and whose backup is restored.
    type: str
    required: true
  server_name:
    description: Name of the server within the bucket, as the backup used it.
    type: str
    required: true
  prefix:
    description: Folder in the bucket.
    type: str
    default: pgkeel
  endpoint:
    description: URL of the store, without the bucket.
    type: str
    required: true
  bucket:
    description: Name of the bucket.
    type: str
    required: true
  region:
    description: Region; R2 knows V(auto) only.
    type: str
    default: auto
  access_key:
    description: Access key of the store.
    type: str
    required: true
  secret_key:
    description: Its secret.
    type: str
    required: true
  ca_file:
    description: PEM file on the server with the authority of the store's certificate; empty for the system's.
    type: str
    default: ''
  signing_key:
    description: Ed25519 key that manifests are signed with. O(verify_keys) suffices.
    type: str
    default: ''
  verify_keys:
    description: Public keys that manifests may be signed with.
    type: list
    elements: str
    default: []
  bin_dir:
    description: Folder of PostgreSQL's programs.
    type: path
    default: /usr/lib/postgresql/17/bin
  identity:
    description: Private age key that the backup is encrypted to. It is held in memory only.
    type: str
    default: ''
  drill_dir:
    description: Directory for throwaway clusters, owned by the OS user that runs this and used by nothing else.
    type: path
    default: /var/lib/postgresql/pgkeel-proving-ground
  jobs:
    description: Number of parallel jobs of C(pg_restore).
    type: int
    default: 2
  space_factor:
    description: Disk space required beforehand, as a multiple of the database's size.
    type: float
    default: 2.0
  window_days:
    description: How many days back the workload is judged; a snapshot of about that age must be there, or all that is counted is.
    type: float
    default: 7
  budget_share:
    description: Disk for all new indexes together, as a share of the database's size.
    type: float
    default: 0.2
  budget_mb:
    description: The same in MiB; 0 for O(budget_share).
    type: int
    default: 0
  proof_seconds:
    description: Time for replaying. With 0 nothing is replayed and nothing is proved.
    type: float
    default: 480
  most_proved:
    description: At most so many indexes are built and proved, the most saving first.
    type: int
    default: 20
  apply:
    description: Only V(never); applying comes with a later version.
    type: str
    default: never
requirements:
  - psycopg >= 3.2
  - pglast >= 7
  - boto3 >= 1.35
  - pyrage >= 1.4
  - cryptography >= 42
  - HypoPG on the server (package C(postgresql-17-hypopg)); it is never loaded in production
attributes:
  check_mode:
    support: full
    details: Reads the workload, finds the backup and checks the disk space; restores and tries nothing.
  diff_mode:
    support: none
"""

EXAMPLES = r"""
- name: Recommend and prove indexes
  pg_optimize:
    database: edtech
    server_name: "{{ inventory_hostname }}"
    endpoint: https://s3.example.com
    bucket: backups
    access_key: "{{ vault_access_key }}"
    secret_key: "{{ vault_secret_key }}"
    identity: "{{ vault_drill_identity }}"
    verify_keys: ["{{ public_key }}"]
  become: true
  become_user: postgres
"""

RETURN = r"""
recommendations:
  description: >-
    A row a recommendation: C(fingerprint), C(kind), C(subject), C(statement) (redacted), C(ddl), C(undo), C(source),
    C(confidence), C(estimated_gain),
    C(measured_gain), C(worst_query_change), C(write_cost), C(bytes), C(state), C(reason) and more.
  returned: success
  type: list
  elements: dict
database:
  description: The database that was judged.
  returned: always
  type: str
backup_id:
  description: The backup that was restored.
  returned: success
  type: str
backup_proved:
  description: Whether a drill has proved that backup.
  returned: success
  type: bool
statements:
  description: Statements in the window.
  returned: success
  type: int
planned:
  description: Those that the copy's planner could plan.
  returned: success
  type: int
candidates:
  description: Indexes that were considered.
  returned: success
  type: int
not_judged:
  description: Statements that were not judged, counted, each with the C(reason).
  returned: success
  type: list
  elements: dict
warnings_found:
  description: What makes the result less than whole, a sentence each.
  returned: success
  type: list
  elements: str
phases:
  description: Seconds spent in each part.
  returned: success
  type: dict
"""

from dataclasses import replace
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.pgkeel.backup.options import STORE_ARGUMENTS
from ansible.module_utils.pgkeel.postgres.arguments import CONNECTION_ARGUMENTS

try:
    from ansible.module_utils.pgkeel.advisor.optimize import (
        APPLYING_LATER,
        OptimizeRequest,
        check_optimize,
        run_optimize,
        summary,
    )
    from ansible.module_utils.pgkeel.backup.arguments import shelf_of, store_of, verify_keys_of
    from ansible.module_utils.pgkeel.backup.drill_request import DrillRequest
    from ansible.module_utils.pgkeel.errors import PgkeelError
    from ansible.module_utils.pgkeel.postgres.connect import Login

    MISSING = None
except ImportError as error:  # a third-party library below is not installed
    MISSING = error

BOUNDS = {
    "jobs": (1, 64),
    "space_factor": (0, 100),
    "window_days": (0.001, 3650),
    "budget_share": (0.001, 10),
    "budget_mb": (0, 100_000_000),
    "proof_seconds": (0, 86_400),
    "most_proved": (1, 200),
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_ARGUMENTS,
            **STORE_ARGUMENTS,
            "identity": {"type": "str", "default": "", "no_log": True},
            "drill_dir": {"type": "path", "default": "/var/lib/postgresql/pgkeel-proving-ground"},
            "jobs": {"type": "int", "default": 2},
            "space_factor": {"type": "float", "default": 2.0},
            "window_days": {"type": "float", "default": 7},
            "budget_share": {"type": "float", "default": 0.2},
            "budget_mb": {"type": "int", "default": 0},
            "proof_seconds": {"type": "float", "default": 480},
            "most_proved": {"type": "int", "default": 20},
            "apply": {"type": "str", "default": "never"},
        },
        supports_check_mode=True,
    )
    if MISSING is not None:
        module.fail_json(msg=missing_required_lib(MISSING.name or "psycopg"), exception=str(MISSING))
    arguments = module.params
    database = arguments["database"]
    if arguments["apply"] != "never":
        module.fail_json(msg=f"apply is {arguments['apply']!r}. {APPLYING_LATER}: set it to never.", database=database)
    for name, (low, high) in BOUNDS.items():
        if not low <= arguments[name] <= high:
            module.fail_json(msg=f"{name} is {arguments[name]}. Give a number from {low} to {high}.", database=database)
    try:
        request = OptimizeRequest(
            login=replace(Login.from_arguments(arguments), database=database),
            drill=DrillRequest(
                shelf=shelf_of(arguments),
                base_dir=Path(arguments["drill_dir"]),
                bin_dir=Path(arguments["bin_dir"]),
                jobs=arguments["jobs"],
                space_factor=arguments["space_factor"],
                identity=arguments["identity"],
                verify_keys=verify_keys_of(arguments),
            ),
            window_days=arguments["window_days"],
            budget_share=arguments["budget_share"],
            budget_bytes=arguments["budget_mb"] * 1024 * 1024,
            proof_seconds=arguments["proof_seconds"],
            most_proved=arguments["most_proved"],
        )
        store = store_of(arguments)
        if module.check_mode:
            result = check_optimize(store, request)
            message = (
                f"Check mode: {result.statements} statements would be judged on a copy of backup {result.backup_id}, restored"
                f" below {request.drill.base_dir}; nothing was restored."
            )
        else:
            result = run_optimize(store, request)
            states = ", ".join(f"{count} {state}" for state, count in summary(result.recommendations).items()) or "none"
            message = f"{len(result.recommendations)} recommendations for {database}: {states}."
    except PgkeelError as error:
        module.fail_json(msg=str(error), database=database)
    for warning in result.warnings:
        module.warn(warning)
    found = result.as_dict()
    found["warnings_found"] = found.pop("warnings")
    module.exit_json(changed=False, msg=message, **found)


if __name__ == "__main__":
    main()
