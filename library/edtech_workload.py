#!/usr/bin/python
"""Run the EdTech application's workload."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: edtech_workload
short_description: Run the EdTech application's workload
version_added: 0.1.0
description:
  - Does what the application does with the EdTech reference database, with a few clients at once, and times it.
  - Works through pgbouncer in transaction mode; statements are prepared by the protocol.
  - The same seed on the same data makes the same choices. What is written (logs, progress, logins, messages) stays.
  - Fails when the connection is refused or lost, or when any operation failed; then the figures are returned all the same.
options:
  transactions:
    description: How many operations.
    type: int
    default: 2000
  seconds:
    description: Stop after this many seconds, whatever is left.
    type: int
    default: 60
  clients:
    description: How many at once.
    type: int
    default: 4
  rate:
    description:
      - Operations a second, of all clients together; each is timed from when it is due.
      - With V(0) each client goes on as soon as it can.
    type: float
    default: 0
  seed:
    description: Chooses the operations and their parameters.
    type: int
    default: 1
extends_documentation_fragment: [pgkeel_connection]
attributes:
  check_mode:
    support: full
    description: Connects and looks for the reference database, runs nothing.
  diff_mode:
    support: none
    description: What is written are the application's own rows.
author: pgkeel
"""

EXAMPLES = r"""
- name: Two thousand operations through pgbouncer
  edtech_workload:
    login_host: 127.0.0.1
    login_port: 6432
    login_user: app
    login_password: "{{ edtech_application_password }}"
    login_db: edtech
"""

RETURN = r"""
operations:
  description: By kind of operation. Times are of those that went well.
  returned: when the workload ran
  type: dict
  sample: {"recent_logs": {"count": 320, "errors": 0, "p50_ms": 1.1, "p95_ms": 3.4, "first_error": ""}}
count:
  description: Operations done.
  returned: when the workload ran
  type: int
  sample: 2000
errors:
  description: Operations that failed.
  returned: when the workload ran
  type: int
  sample: 0
seconds:
  description: From the first to the last operation.
  returned: when the workload ran
  type: float
  sample: 6.5
p50_ms:
  description: Of all operations that went well.
  returned: when the workload ran
  type: float
  sample: 1.9
p95_ms:
  description: Of all operations that went well.
  returned: when the workload ran
  type: float
  sample: 8.4
operations_per_second:
  description: Over that time.
  returned: when the workload ran
  type: float
  sample: 307.7
stopped:
  description: Whether the time was up before all operations were done.
  returned: when the workload ran
  type: bool
  sample: false
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.pgkeel.postgres.arguments import CONNECTION_ARGUMENTS

try:
    from ansible.module_utils.pgkeel.edtech.operations import read_cast
    from ansible.module_utils.pgkeel.edtech.workload import run_workload
    from ansible.module_utils.pgkeel.errors import PgkeelError
    from ansible.module_utils.pgkeel.postgres.connect import Login, connect

    MISSING = None
except ImportError as error:  # a third-party library below is not installed
    MISSING = error

LIMITS = {"transactions": 1_000_000, "seconds": 86_400, "clients": 200}
MOST_A_SECOND = 100_000


def main() -> None:
    """Run the module."""
    own = {
        "transactions": {"type": "int", "default": 2000},
        "seconds": {"type": "int", "default": 60},
        "clients": {"type": "int", "default": 4},
        "rate": {"type": "float", "default": 0},
        "seed": {"type": "int", "default": 1},
    }
    module = AnsibleModule(argument_spec={**own, **CONNECTION_ARGUMENTS}, supports_check_mode=True)
    if MISSING:
        module.fail_json(msg=missing_required_lib(MISSING.name or "psycopg"))
    for name, most in LIMITS.items():
        if not 1 <= module.params[name] <= most:
            module.fail_json(msg=f"{name} is {module.params[name]}. Choose a number from 1 to {most}.")
    if not 0 <= module.params["rate"] <= MOST_A_SECOND:
        module.fail_json(
            msg=f"rate is {module.params['rate']}. Choose 0 or a number of operations a second up to {MOST_A_SECOND}."
        )
    login = Login.from_arguments(module.params)
    try:
        if module.check_mode:
            with connect(login, application_name="pgkeel workload") as connection:
                read_cast(connection)
            module.exit_json(changed=True)
        done = run_workload(login, **{name: module.params[name] for name in own})
    except PgkeelError as error:
        module.fail_json(msg=str(error))
    count = len(done.outcomes)
    result = {
        "changed": True,
        "operations": done.by_kind(),
        "count": count,
        "errors": done.errors,
        "seconds": done.seconds,
        "p50_ms": done.percentile_ms(0.5),
        "p95_ms": done.percentile_ms(0.95),
        "operations_per_second": round(count / done.seconds, 1) if done.seconds else 0.0,
        "stopped": done.stopped,
    }
    if done.errors:
        first = next(outcome for outcome in done.outcomes if outcome.error)
        module.fail_json(
            msg=f"{done.errors} of {count} operations failed, the first in {first.kind}: {first.error}. "
            "Mend its cause and run it again; the other figures are in the result.",
            **result,
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
