#!/usr/bin/python
"""Join what the roles would change, or have changed, into one plan."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pgkeel_plan
short_description: Join what the roles would change, or have changed, into one plan
description:
  - Takes what the roles hand on as facts and returns one document and the same in words. Asks no server; runs on the controller.
options:
  postgresql:
    description: The fact C(postgresql_plan).
    type: dict
    default: {}
  database:
    description: The fact C(database_plan).
    type: dict
    default: {}
  pgbouncer:
    description: The fact C(pgbouncer_plan).
    type: dict
    default: {}
  around:
    description: Facts C(<role>_plan) by role, where it ran; of toolchain, certificate, database, firewall and schedule.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: The words are in the future; nothing is written either way.
  diff_mode:
    support: none
author: pgkeel
"""

EXAMPLES = r"""
- name: Make the plan
  pgkeel_plan:
    postgresql: "{{ postgresql_plan }}"
    database: "{{ database_plan }}"
  delegate_to: localhost
"""

RETURN = r"""
plan:
  description:
    - C(settings) (name, old, new, needs), C(shadowed), C(access_rules), C(action) (restart, reload, none), C(restart_policy),
      C(restart_settings), C(waiting), C(roles) (name, action), C(databases), C(privileges) (database, what, subject), C(indexes)
      (database, name, table, state, reason, bytes), C(partitions) (database, table, state, drops), C(pgbouncer),
      C(creates_cluster), C(packages), C(environment), C(certificate), C(firewall), C(schedule) (release, inventory, jobs),
      C(empty), C(unknown) (why a server that is there could not be asked, or empty).
    - A check and the run that follows it have the same plan, but for the sizes of indexes, which a check estimates.
  returned: success
  type: dict
lines:
  description: The plan in words.
  returned: success
  type: list
  elements: str
headlines:
  description: The plan in a few words, empty when nothing changes.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.pgkeel.plan.document import describe, headlines, make_document


def main() -> None:
    """Run the module."""
    parts = ("postgresql", "database", "pgbouncer", "around")
    module = AnsibleModule(
        argument_spec={part: {"type": "dict", "default": {}} for part in parts},
        supports_check_mode=True,
    )
    plan = make_document(*(module.params[part] for part in parts))
    module.exit_json(changed=False, plan=plan, lines=describe(plan, done=not module.check_mode), headlines=headlines(plan))


if __name__ == "__main__":
    main()
