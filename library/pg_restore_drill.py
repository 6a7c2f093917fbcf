#!/usr/bin/python
"""Restore the newest backup into a throwaway cluster and compare every table."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_restore_drill
short_description: Prove that the newest backup of a database restores
description:
  - Takes the newest committed backup, by the snapshot time in its manifest, restores it into a throwaway PostgreSQL cluster on a
    private socket, and compares everything in the manifest with it; then C(pg_amcheck) and the operator's own assertions.
  - Each drill also damages the copy and the objects, and demands that this is noticed.
  - The copy is removed afterwards, whatever happens. Production is not connected to, but with O(target=database).
  - Fails unless the verdict is C(PASS); the result is complete all the same.
version_added: 0.1.0
author: pgkeel
options:
  identity:
    description: Private age key that the backup is encrypted to. It is held in memory only.
    type: str
    default: ''
  assertions:
    description: Queries that answer with one value each, and the value that they must give in the copy.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What it asserts.
        type: str
        required: true
      query:
        description: SQL; read only, and at most ten minutes.
        type: str
        required: true
      expected:
        description: The value as text, such as V(true) or V(42).
        type: str
        required: true
  rto_budget_seconds:
    description: The drill fails when the copy was usable later than this; 0 for no budget.
    type: float
    default: 0
  rpo_budget_seconds:
    description: The drill fails when the snapshot was older than this; 0 for no budget.
    type: float
    default: 0
  push:
    description:
      - Uptime monitors that hear of the verdict; only C(PASS) counts as alive.
      - A monitor that cannot be reached is a warning, for it will alarm by itself.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description: What speaks there.
        type: str
        choices: [uptime_kuma, healthchecks]
        required: true
      url:
        description: The check's own URL, which is a secret.
        type: str
        required: true
  target:
    description:
      - V(cluster) restores into a throwaway cluster of its own. V(database) restores into a throwaway database of the running
        server, for machines too small for a second cluster; it takes disk, memory and write-ahead log from production.
      - V(database) demands that the server's system identifier be the one in the manifest, touches no database but the one it
        makes, whose name begins with C(pgkeel_drill_), and compares roles instead of restoring them.
    type: str
    choices: [cluster, database]
    default: cluster
  drill_dir:
    description: Directory for throwaway clusters and downloads, owned by the OS user that runs this and used by nothing else.
    type: path
    default: /var/lib/postgresql/pgkeel-proving-ground
  jobs:
    description: Number of parallel jobs of C(pg_restore).
    type: int
    default: 2
  space_factor:
    description: Disk space required beforehand, as a multiple of the database's size.
    type: float
    default: 1.5
  analyze:
    description: Whether to run ANALYZE on the copy.
    type: bool
    default: true
extends_documentation_fragment:
  - pgkeel_store
  - pgkeel_store.progress
  - pgkeel_connection.socket
requirements:
  - pyrage >= 1.4
attributes:
  check_mode:
    support: full
    details: Finds and validates the newest manifest and checks the disk space; restores nothing.
  diff_mode:
    support: none
"""

EXAMPLES = r"""
- name: Prove that the newest backup restores
  pg_restore_drill:
    database: edtech
    server_name: "{{ inventory_hostname }}"
    endpoint: https://s3.example.com
    bucket: backups
    access_key: "{{ vault_access_key }}"
    secret_key: "{{ vault_secret_key }}"
    identity: "{{ vault_drill_identity }}"
    signing_key: "{{ vault_signing_key }}"
    assertions:
      - {name: somebody can log in, query: 'SELECT count(*) > 0 FROM "User"', expected: "true"}
  become: true
  become_user: postgres
"""

RETURN = r"""
verdict:
  description: C(PASS), C(FAIL) when the backup is to blame, C(COULD NOT VERIFY) when anything else is.
  returned: always
  type: str
reason:
  description: Why it is not C(PASS); empty otherwise.
  returned: always
  type: str
database:
  description: The database whose backup it was.
  returned: always
  type: str
backup_id:
  description: The backup that was restored.
  returned: always
  type: str
checks:
  description: What was looked at, each with C(name), C(verdict) and C(evidence).
  returned: always
  type: list
  elements: dict
phases:
  description: Seconds spent in C(locate), C(prepare), C(fetch), C(decrypt), C(restore), C(analyse), C(verify) and C(clean).
  returned: always
  type: dict
rto_seconds:
  description: Time from the start until the copy was usable and verified.
  returned: always
  type: float
rpo_seconds:
  description: Age of the snapshot when the drill began.
  returned: always
  type: float
tables_compared:
  description: Number of tables counted in the copy.
  returned: always
  type: int
rows_compared:
  description: Number of rows counted in the copy.
  returned: always
  type: int
negative_control:
  description:
    - The C(damages) done, each with whether it was C(detected), and by which check; the C(table) that a row was deleted from; and
      C(detected), whether all were.
  returned: always
  type: dict
not_verified:
  description: What O(target=database) cannot tell by its nature, each with C(name) and C(reason); empty for O(target=cluster).
  returned: always
  type: list
  elements: dict
rto_budget_seconds:
  description: As O(rto_budget_seconds) said; 0 for no budget.
  returned: always
  type: float
rpo_budget_seconds:
  description: As O(rpo_budget_seconds) said; 0 for no budget.
  returned: always
  type: float
target:
  description: Where it was restored, V(cluster) or V(database).
  returned: always
  type: str
caps:
  description:
    - What the kernel let the drill take at most, by its C(group) (control group), C(memory_bytes) and C(cpus); null where nothing
      limits it, or the kernel has no controller for it.
  returned: when the drill ran
  type: dict
history:
  description: The last drills of this database as they are kept beside the backups, oldest first, this one included.
  returned: always
  type: list
  elements: dict
pushed:
  description: The monitors, each with its C(kind), whether it was C(told), and the C(error).
  returned: when the drill ran
  type: list
  elements: dict
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.pgkeel.backup.options import PROGRESS_ARGUMENTS, STORE_ARGUMENTS
from ansible.module_utils.pgkeel.postgres.arguments import CONNECTION_ARGUMENTS

try:
    from ansible.module_utils.pgkeel.backup.arguments import require_own_values, shelf_of, store_of, verify_keys_of
    from ansible.module_utils.pgkeel.backup.assertions import Assertion
    from ansible.module_utils.pgkeel.backup.drill import check_drill, run_drill
    from ansible.module_utils.pgkeel.backup.drill_request import DrillRequest
    from ansible.module_utils.pgkeel.backup.drill_result import DrillResult
    from ansible.module_utils.pgkeel.backup.progress import Progress
    from ansible.module_utils.pgkeel.backup.push import tell
    from ansible.module_utils.pgkeel.errors import PgkeelError
    from ansible.module_utils.pgkeel.postgres.connect import Login
    from ansible.module_utils.pgkeel.postgres.give_way import lower_own_priority

    MISSING = None
except ImportError as error:  # a third-party library below is not installed
    MISSING = error

ASSERTION = {name: {"type": "str", "required": True} for name in ("name", "query", "expected")}
WHERE = {"cluster": "into a throwaway cluster", "database": "into a throwaway database of the running server"}
PUSH = {
    "kind": {"type": "str", "choices": ["uptime_kuma", "healthchecks"], "required": True},
    "url": {"type": "str", "required": True, "no_log": True},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **STORE_ARGUMENTS,
            **PROGRESS_ARGUMENTS,
            **{name: CONNECTION_ARGUMENTS[name] for name in ("login_unix_socket", "login_port", "login_user")},
            "target": {"type": "str", "choices": ["cluster", "database"], "default": "cluster"},
            "identity": {"type": "str", "default": "", "no_log": True},
            "assertions": {"type": "list", "elements": "dict", "default": [], "options": ASSERTION},
            "rto_budget_seconds": {"type": "float", "default": 0},
            "rpo_budget_seconds": {"type": "float", "default": 0},
            "push": {"type": "list", "elements": "dict", "default": [], "options": PUSH},
            "drill_dir": {"type": "path", "default": "/var/lib/postgresql/pgkeel-proving-ground"},
            "jobs": {"type": "int", "default": 2},
            "space_factor": {"type": "float", "default": 1.5},
            "analyze": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    if MISSING is not None:
        module.fail_json(msg=missing_required_lib(MISSING.name or "boto3"), exception=str(MISSING))
    arguments = module.params
    for name, low, high in (("jobs", 1, 64), ("space_factor", 0, 100)):
        if not low <= arguments[name] <= high:
            module.fail_json(msg=f"{name} is {arguments[name]}. Give a number from {low} to {high}.")
    try:
        require_own_values(arguments)
        request = DrillRequest(
            shelf=shelf_of(arguments),
            base_dir=Path(arguments["drill_dir"]),
            bin_dir=Path(arguments["bin_dir"]),
            jobs=arguments["jobs"],
            space_factor=arguments["space_factor"],
            analyze=arguments["analyze"],
            identity=arguments["identity"],
            verify_keys=verify_keys_of(arguments),
            progress=Progress(Path(arguments["progress_file"]) if arguments["progress_file"] else None),
            signing_key=arguments["signing_key"],
            assertions=tuple(Assertion(**assertion) for assertion in arguments["assertions"]),
            rto_budget_seconds=arguments["rto_budget_seconds"],
            rpo_budget_seconds=arguments["rpo_budget_seconds"],
            production=Login.from_arguments(arguments) if arguments["target"] == "database" else None,
        )
        store = store_of(arguments)
        if module.check_mode:
            backup = check_drill(store, request)
            where = WHERE[arguments["target"]]
            reason = f"Check mode: backup {backup.run_id} ({backup.dump.bytes} bytes) would be restored {where}."
            module.exit_json(changed=False, msg=reason, **DrillResult(arguments["database"], backup.run_id, reason).as_dict())
    except PgkeelError as error:
        module.fail_json(msg=str(error), **DrillResult(arguments["database"], reason=str(error)).as_dict())
    # Decryption, decompression and hashes take a processor: the application goes first.
    lower_own_priority()
    result = run_drill(store, request)
    pushed = tell(
        arguments["push"],
        result.verdict,
        f"{arguments['database']}: {result.reason or 'restored and compared'}",
        result.rto_seconds,
    )
    for warning in [
        *result.warnings,
        *(f"The monitor ({entry['kind']}) was not told: {entry['error']}" for entry in pushed if not entry["told"]),
    ]:
        module.warn(warning)
    if result.verdict.value == "PASS":
        module.exit_json(changed=False, msg=f"Backup {result.backup_id} restores.", pushed=pushed, **result.as_dict())
    module.fail_json(msg=f"{result.verdict.value}: {result.reason}", pushed=pushed, **result.as_dict())


if __name__ == "__main__":
    main()
