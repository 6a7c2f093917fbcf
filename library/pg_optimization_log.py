#!/usr/bin/python
"""The optimization log of a database."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_optimization_log
short_description: Write down what the architect recommends, and where each recommendation stands
description:
  - Keeps one row a recommendation in the application's own table C(OptimizationLog), where it has one of that name (also
    C(optimization_log), C(optimization_logs)) and shape, and in C(pgkeel.optimization_log) where not. The application's table is
    never altered.
  - What has no column of its own goes into a JSON column C(metadata), under the key C(pgkeel), where there is one; state and
    details are in C(pgkeel.recommendation) in any case.
  - A recommendation is known again by its fingerprint. What is applied, watched or kept stays so whatever a run finds, what was
    reverted stays reverted, and what a proof rejected comes back with a proof only.
  - Each recommendation is one transaction. A run that is cut off is finished by the next one.
options:
  recommendations:
    description: Rows as C(pg_optimize) and C(pg_advisor) return them.
    type: list
    elements: dict
    required: true
  expire_days:
    description: Proposals and proofs that no run has come to for so long expire; 0 lets none expire.
    type: int
    default: 35
extends_documentation_fragment: [pgkeel_connection]
attributes:
  check_mode:
    support: full
    description: Nothing is written; what would become of each recommendation is returned. Expiry is not foretold.
  diff_mode:
    support: full
    description: Shows the states that change.
author: pgkeel
"""

EXAMPLES = r"""
- name: Log what the architect found
  pg_optimization_log:
    login_db: app
    recommendations: "{{ advised.recommendations }}"
"""

RETURN = r"""
changed:
  description:
    - Whether a recommendation is new, or went to another state. A newer measurement of a known one is written, and is no change.
  returned: always
  type: bool
recorded:
  description: One entry a recommendation, with C(fingerprint), C(subject), C(before) (empty where it is new) and C(after).
  returned: success
  type: list
  sample: [{fingerprint: 9f86d081884c7d65, subject: '"public"."User"', before: proposed, after: proved}]
expired:
  description: Fingerprints of those that expired.
  returned: success
  type: list
table:
  description: Where the rows are.
  returned: success
  type: str
  sample: '"public"."OptimizationLog"'
"""

from datetime import UTC, datetime, timedelta

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.pgkeel.postgres.arguments import CONNECTION_ARGUMENTS

try:
    from ansible.module_utils.pgkeel.advisor.optimization_log import keep_rows, would_keep
    from ansible.module_utils.pgkeel.errors import PgkeelError
    from ansible.module_utils.pgkeel.postgres.connect import Login, connect

    MISSING = None
except ImportError as error:  # a third-party library below is not installed
    MISSING = error


def main() -> None:
    """Record, or say what would be recorded."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_ARGUMENTS,
            "recommendations": {"type": "list", "elements": "dict", "required": True},
            "expire_days": {"type": "int", "default": 35},
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib(MISSING.name or str(MISSING)), exception=str(MISSING))
    given = module.params
    since = datetime.now(UTC) - timedelta(days=given["expire_days"]) if given["expire_days"] > 0 else None
    try:
        with connect(Login.from_arguments(given), application_name="pgkeel pg_optimization_log") as connection:
            if module.check_mode:
                kept = would_keep(connection, given["recommendations"])
            else:
                kept = keep_rows(connection, given["recommendations"], since)
    except PgkeelError as error:
        module.fail_json(msg=str(error))
    moved = [one for one in kept.recorded if one.changes]
    module.exit_json(
        changed=bool(moved or kept.expired),
        recorded=[
            {"fingerprint": one.fingerprint, "subject": one.subject, "before": one.before or "", "after": one.after}
            for one in kept.recorded
        ],
        expired=list(kept.expired),
        table=kept.table.described,
        diff={
            "before": "".join(f"{one.fingerprint} {one.subject}: {one.before}\n" for one in moved if one.before),
            "after": "".join(f"{one.fingerprint} {one.subject}: {one.after}\n" for one in moved),
        },
    )


if __name__ == "__main__":
    main()
