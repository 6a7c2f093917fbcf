#!/usr/bin/python
"""Ansible module: audit a PostgreSQL server without changing it."""

DOCUMENTATION = r"""
---
module: pg_audit
short_description: Audit a PostgreSQL server
description:
  - Asks a registry of checks about health, indexes, configuration, queries and security, and returns prioritised findings.
  - Every check runs in its own read-only transaction with a statement and a lock timeout. Nothing is changed.
  - With O(declared_indexes), a transaction that is rolled back makes them on empty temporary copies of their tables, so that
    PostgreSQL itself says whether an existing index is the same. A standby cannot; there, they could not be verified.
  - A check that lacks a privilege, an extension or old enough statistics is reported as could not verify, never as ok.
  - C(docs/audit.md) lists the checks and the thresholds.
version_added: 0.1.0
options:
  databases:
    description: Databases to audit; empty means all that admit connections and are no templates.
    type: list
    elements: str
    default: []
  areas:
    description: Areas to audit; empty means all.
    type: list
    elements: str
    choices: [health, indexes, configuration, queries, security]
    default: []
  checks:
    description: Ids of checks to run, such as V(I02); empty means all.
    type: list
    elements: str
    default: []
  thresholds:
    description: Thresholds that differ from the defaults, by name. Unknown names and values out of range are refused.
    type: dict
    default: {}
  waivers:
    description: Findings that are accepted until a date. When it has passed they count again.
    type: list
    elements: dict
    default: []
    suboptions:
      fingerprint:
        description: The finding's fingerprint, as reports show it.
        type: str
        required: true
      until:
        description: Last day of the waiver, YYYY-MM-DD.
        type: str
        required: true
      reason:
        description: Why it is accepted.
        type: str
        required: true
  declared_indexes:
    description:
      - Indexes that must exist, in the form of the option C(indexes) of C(pg_index). Those of C(state=absent) are left out.
      - An index without C(database) is looked for in O(login_db).
    type: list
    elements: dict
    default: []
  fail_on:
    description: Fail when a finding of this priority or a more urgent one counts.
    type: str
    choices: [P0, P1, P2, none]
    default: none
  fail_on_unverified:
    description: With O(fail_on) other than V(none), fail too when a check could not be verified.
    type: bool
    default: true
  check_timeout:
    description: Longest that one statement of a check may take, in seconds.
    type: float
    default: 30.0
extends_documentation_fragment:
  - pgkeel_connection
attributes:
  check_mode:
    description: The module never changes anything, so check mode is the same as a normal run.
    support: full
  diff_mode:
    description: There is nothing to differ.
    support: none
author:
  - pgkeel
"""

EXAMPLES = r"""
- name: Audit every database
  pg_audit:
  become: true
  become_user: postgres
  register: audit

- name: Gate a deployment on urgent findings
  pg_audit:
    databases: [edtech]
    fail_on: P0
    waivers:
      - fingerprint: 6e0c9f1d0c3a7b52
        until: "2026-12-31"
        reason: The reporting role moves to pgbouncer in autumn.

- name: Be stricter about one thing
  pg_audit:
    areas: [health]
    thresholds:
      idle_in_transaction_seconds: 60
"""

RETURN = r"""
checks:
  description: Number of checks that ran.
  type: int
  returned: success
  sample: 63
findings_by_priority:
  description: Findings that count, by priority.
  type: dict
  returned: success
  sample: {"P0": 0, "P1": 2, "P2": 5}
could_not_verify:
  description: Number of checks that had no answer for the server or for at least one database.
  type: int
  returned: success
  sample: 0
results:
  description: One entry a check, with C(id), C(title), C(area), C(status), C(findings), C(reason) and C(seconds).
  type: list
  elements: dict
  returned: success
waived:
  description: Findings that a waiver hides, with C(waived_until) and C(waived_because).
  type: list
  elements: dict
  returned: success
declared_indexes:
  description: One entry a declared index of an audited database, with C(present), C(valid), C(drift),
    C(unverified), C(scans) and C(size_bytes).
  type: list
  elements: dict
  returned: success
server:
  description: The server, with C(version), C(version_number), C(uptime_seconds), C(in_recovery) and C(audited_as).
  type: dict
  returned: success
databases:
  description: The audited databases.
  type: list
  elements: str
  returned: success
seconds:
  description: Time that the audit took.
  type: float
  returned: success
  sample: 1.3
summary:
  description: The findings as text for a person.
  type: str
  returned: success
"""

from datetime import UTC, datetime

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.pgkeel.postgres.arguments import CONNECTION_ARGUMENTS

try:
    from ansible.module_utils.pgkeel.audit.declared import parse_declared
    from ansible.module_utils.pgkeel.audit.run import AuditReport, Options, run_audit
    from ansible.module_utils.pgkeel.audit.summary import summarize
    from ansible.module_utils.pgkeel.audit.thresholds import Thresholds
    from ansible.module_utils.pgkeel.audit.waivers import parse_waivers
    from ansible.module_utils.pgkeel.errors import PgkeelError
    from ansible.module_utils.pgkeel.postgres.connect import Login

    MISSING = None
except ImportError as error:  # a third-party library below is not installed
    MISSING = error


def result_of(report: "AuditReport") -> dict[str, object]:
    """The module's return values."""
    return {
        "changed": False,
        "checks": len(report.results),
        "findings_by_priority": report.findings_by_priority,
        "could_not_verify": report.could_not_verify,
        "results": [result.as_dict() for result in report.results],
        "waived": [item.as_dict() for item in report.waived],
        "declared_indexes": [state.as_dict() for state in report.declared_indexes],
        "server": report.server.as_dict(),
        "databases": list(report.databases),
        "seconds": round(report.seconds, 3),
        "summary": summarize(report),
    }


def reason_to_fail(report: "AuditReport", fail_on: str, unverified_counts: bool) -> str:
    """A sentence when the report misses what was asked of it; empty otherwise."""
    if fail_on == "none":
        return ""
    counts = {priority: count for priority, count in report.findings_by_priority.items() if count and priority <= fail_on}
    if counts:
        found = ", ".join(f"{count} {priority}" for priority, count in counts.items())
        return f"The audit has findings that must not be there: {found}. Follow their remedies, or waive them until a date."
    if unverified_counts and report.could_not_verify:
        missing = ", ".join(sorted({gap.check for gap in report.unverified}))
        return f"The audit could not verify {missing}. Give it what the reasons name, or set fail_on_unverified to false."
    return ""


def main() -> None:
    """Entry point."""
    strings = {"type": "list", "elements": "str", "default": []}
    mappings = {"type": "list", "elements": "dict", "default": []}
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_ARGUMENTS,
            "databases": strings,
            "areas": {**strings, "choices": ["health", "indexes", "configuration", "queries", "security"]},
            "checks": strings,
            "thresholds": {"type": "dict", "default": {}},
            "waivers": {
                **mappings,
                "options": {name: {"type": "str", "required": True} for name in ("fingerprint", "until", "reason")},
            },
            "declared_indexes": mappings,
            "fail_on": {"type": "str", "choices": ["P0", "P1", "P2", "none"], "default": "none"},
            "fail_on_unverified": {"type": "bool", "default": True},
            "check_timeout": {"type": "float", "default": 30.0},
        },
        supports_check_mode=True,
    )
    if MISSING is not None:
        module.fail_json(msg=missing_required_lib(MISSING.name or "psycopg"), exception=str(MISSING))
    arguments = module.params
    try:
        options = Options(
            databases=tuple(arguments["databases"]),
            areas=tuple(arguments["areas"]),
            checks=tuple(arguments["checks"]),
            thresholds=Thresholds.from_mapping(arguments["thresholds"]),
            waivers=parse_waivers(arguments["waivers"]),
            declared_indexes=parse_declared(arguments["declared_indexes"], arguments["login_db"]),
            check_timeout_seconds=arguments["check_timeout"],
        )
        report = run_audit(Login.from_arguments(arguments), options, datetime.now(UTC).date())
    except PgkeelError as error:
        module.fail_json(msg=str(error))
    problem = reason_to_fail(report, arguments["fail_on"], arguments["fail_on_unverified"])
    if problem:
        module.fail_json(msg=problem, **result_of(report))
    module.exit_json(**result_of(report))


if __name__ == "__main__":
    main()
