#!/usr/bin/python
"""The workload of a database, and advice about it other than new indexes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_advisor
short_description: Read what a database did in a window of time, and advise
description:
  - Reads C(pg_stat_statements), compares it with an earlier snapshot, and returns the statements of the window in between,
    the slowest in sum first. Literals are taken out of every text before it is returned.
  - Advises which indexes to drop, which statements to say differently, which statistics to create, where updates need room on
    their page, and which statements an application runs in a loop. New indexes are C(pg_optimize)'s.
  - Keeps a snapshot of the counters, without any text, in the schema C(pgkeel) of the database. A run of next week begins there.
  - What cannot be told is returned in RV(unverified) with its reason.
options:
  window_hours:
    description:
      - How far back to look. The window begins with the newest snapshot that is about so old; without one, where the counters
        themselves begin, and a warning says so.
    type: int
    default: 168
  retention_days:
    description: How long snapshots are kept; at least as long as the window.
    type: int
    default: 60
  top:
    description: How many statements to return. All of them are judged.
    type: int
    default: 50
  min_total_ms:
    description: Statements that took less in the window, in milliseconds, get no advice.
    type: float
    default: 0
  samples:
    description:
      - How many more readings of the counters to take now. Loops of an application are found by comparing at least five of them,
        unless earlier snapshots do.
    type: int
    default: 0
  sample_seconds:
    description: How long to wait before each of them.
    type: int
    default: 10
  sample_tables:
    description: Whether to read up to 30,000 rows of a table to see whether columns that are used together depend on one another.
    type: bool
    default: true
  declared_indexes:
    description: Indexes of the inventory; before one of them may go, it must go there.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      schema:
        description: Its schema.
        type: str
        default: public
  replicas:
    description:
      - Standbys that read the same indexes, reached with the same login. While one that the primary knows of is missing here,
        no index is called unused.
    type: list
    elements: dict
    default: []
    suboptions:
      login_host:
        description: Its address.
        type: str
        required: true
      login_port:
        description: Its port.
        type: int
        default: 5432
extends_documentation_fragment: [pgkeel_connection]
attributes:
  check_mode:
    support: full
    description: Reads and advises in the same way, and keeps no snapshot.
  diff_mode:
    support: none
    description: Snapshots are figures that nobody wants to see as a diff.
author: pgkeel
"""

EXAMPLES = r"""
- name: Judge the last week of the application's database
  pg_advisor:
    login_db: app
    window_hours: 168
  register: advised

- name: Look for loops of the application now, for ten minutes
  pg_advisor:
    login_db: app
    samples: 10
    sample_seconds: 60
"""

RETURN = r"""
changed:
  description: Whether the schema C(pgkeel) was created or brought up to date. A snapshot alone is no change.
  returned: always
  type: bool
window:
  description: Begin and end of what was judged, C(since) and C(until).
  returned: success
  type: dict
  sample: {since: '2026-01-04T03:00:05+00:00', until: '2026-01-11T03:00:04+00:00'}
statements:
  description:
    - The first RV(top) statements with C(query_id), C(text), C(fingerprint), C(calls), C(total_ms), C(mean_ms), C(rows),
      C(blocks_hit), C(blocks_read), C(since) and C(share_ratio) of the time of all.
  returned: success
  type: list
statements_judged:
  description: How many there were.
  returned: success
  type: int
not_judged:
  description: Statements about which nothing can be advised, counted, with C(reason), C(statements) and C(total_ms).
  returned: success
  type: list
  sample: [{reason: 'no SELECT, INSERT, UPDATE, DELETE or MERGE', statements: 12, total_ms: 3.4}]
advice_warnings:
  description: What makes the window less than whole, as evictions and resets.
  returned: success
  type: list
recommendations:
  description: One entry a piece of advice, as C(optimize.json) has them.
  returned: success
  type: list
unverified:
  description: Questions without an answer, each a sentence.
  returned: success
  type: list
snapshot:
  description: Number of the snapshot that was kept; null in check mode and on a standby.
  returned: success
  type: int
"""

import time
from datetime import timedelta

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.pgkeel.postgres.arguments import CONNECTION_ARGUMENTS

try:
    from ansible.module_utils.pgkeel.advisor.session import Request, run_advisor
    from ansible.module_utils.pgkeel.errors import PgkeelError
    from ansible.module_utils.pgkeel.postgres.connect import Login

    MISSING = None
except ImportError as error:  # a third-party library below is not installed
    MISSING = error

ARGUMENTS = {
    **CONNECTION_ARGUMENTS,
    "window_hours": {"type": "int", "default": 168},
    "retention_days": {"type": "int", "default": 60},
    "top": {"type": "int", "default": 50},
    "min_total_ms": {"type": "float", "default": 0},
    "samples": {"type": "int", "default": 0},
    "sample_seconds": {"type": "int", "default": 10},
    "sample_tables": {"type": "bool", "default": True},
    "declared_indexes": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"name": {"type": "str", "required": True}, "schema": {"type": "str", "default": "public"}},
    },
    "replicas": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"login_host": {"type": "str", "required": True}, "login_port": {"type": "int", "default": 5432}},
    },
}

# Beyond these a window has no beginning; what is below zero is refused with the rest.
LARGEST = {"window_hours": 87_600, "retention_days": 36_500, "top": 100_000, "samples": 10_000, "sample_seconds": 86_400}


def main() -> None:
    """Read, advise, keep a snapshot."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if MISSING:
        module.fail_json(msg=missing_required_lib(MISSING.name or str(MISSING)), exception=str(MISSING))
    given = module.params
    for name, high in LARGEST.items():
        if abs(given[name]) > high:
            module.fail_json(msg=f"{name} is {given[name]}. Give a number up to {high}.")
    login = Login.from_arguments(given)
    request = Request(
        login=login,
        window=timedelta(hours=given["window_hours"]),
        retention=timedelta(days=given["retention_days"]),
        least_total_ms=given["min_total_ms"],
        samples=given["samples"],
        sample_seconds=given["sample_seconds"],
        sample_tables=given["sample_tables"],
        declared=frozenset((one["schema"], one["name"]) for one in given["declared_indexes"]),
        replicas=tuple((one["login_host"], one["login_port"]) for one in given["replicas"]),
        keep_snapshot=not module.check_mode,
    )
    try:
        result = run_advisor(request, time.sleep)
    except PgkeelError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result.as_dict(given["top"]))


if __name__ == "__main__":
    main()
