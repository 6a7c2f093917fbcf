#!/usr/bin/python
"""Partitioned tables that pg_partman keeps."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_partitions
short_description: Have pg_partman keep the partitions of declared tables
description:
  - Declares tables that are PARTITION BY RANGE of a time to pg_partman, and does what is due. Partitions are made ahead of
    time, and those whose rows are all older than O(partitions[].keep) are dropped. Run it daily.
  - The extension is created in the schema C(partman) where the database does not have it.
  - A table that is not partitioned is refused. pgkeel does not convert one.
options:
  partitions:
    description: The tables of this database. All are looked at before the first is touched.
    type: list
    elements: dict
    required: true
    suboptions:
      table:
        description: The partitioned table.
        type: str
        required: true
      schema:
        description: Its schema.
        type: str
        default: public
      database:
        description: Not used here; roles choose by it.
        type: str
      column:
        description: The column that it is partitioned by.
        type: str
        required: true
      interval:
        description: What one partition holds, as C(1 month).
        type: str
        required: true
      ahead:
        description: Partitions that exist before they are needed.
        type: int
        default: 4
      keep:
        description: How long rows stay, as C(12 months); for ever where not given.
        type: str
        default: ''
  missing_table:
    description: What to do when a table does not exist; C(skip) reports it as skipped, for runs before migrations.
    type: str
    choices: [fail, skip]
    default: fail
extends_documentation_fragment: [pgkeel_connection]
attributes:
  check_mode:
    support: full
    description: Says what would be declared and dropped; whether partitions have to be made ahead is not foretold.
  diff_mode:
    support: none
    description: Partitions are counted.
author: pgkeel
"""

EXAMPLES = r"""
- name: Keep a year of logs, a partition a month
  pg_partitions:
    login_db: app
    partitions:
      - {table: BehaviorLog, column: timestamp, interval: 1 month, keep: 12 months}
"""

RETURN = r"""
executed_queries:
  description: The SQL that ran, or in check mode would run.
  returned: success
  type: list
  sample: []
tables:
  description:
    - One entry a table with C(name), C(state) (C(ok), C(skipped), C(declared), C(changed), C(maintained)), the number of its
      C(partitions), and those that it C(drops) or has dropped, with all their rows.
  returned: success
  type: list
  sample: [{name: public.BehaviorLog, state: ok, partitions: 18, drops: [], queries: []}]
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.pgkeel.postgres.arguments import CONNECTION_ARGUMENTS

try:
    from ansible.module_utils.pgkeel.errors import PgkeelError
    from ansible.module_utils.pgkeel.postgres.connect import Login, connect
    from ansible.module_utils.pgkeel.postgres.partitions import Kept, keep_partitions, parse_partitioned

    MISSING = None
except ImportError as error:  # a third-party library below is not installed
    MISSING = error

OPTIONS = {
    "table": {"type": "str", "required": True},
    "schema": {"type": "str", "default": "public"},
    "database": {"type": "str"},
    "column": {"type": "str", "required": True},
    "interval": {"type": "str", "required": True},
    "ahead": {"type": "int", "default": 4},
    "keep": {"type": "str", "default": ""},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_ARGUMENTS,
            "partitions": {"type": "list", "elements": "dict", "required": True, "options": OPTIONS},
            "missing_table": {"type": "str", "choices": ["fail", "skip"], "default": "fail"},
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib(MISSING.name or str(MISSING)), exception=str(MISSING))
    tables: list[Kept] = []
    try:
        declared = parse_partitioned(module.params["partitions"])
        with connect(Login.from_arguments(module.params), application_name="pgkeel pg_partitions") as connection:
            skip = module.params["missing_table"] == "skip"
            for one in keep_partitions(connection, declared, skip_missing=skip, check=module.check_mode):
                tables.append(one)  # noqa: PERF402 - those that were done before one fails are told
    except PgkeelError as error:
        module.fail_json(msg=str(error), **outcome(tables))
    module.exit_json(**outcome(tables))


def outcome(tables: list[Kept]) -> dict[str, object]:
    """What was done so far."""
    return {
        "changed": any(one.state not in {"ok", "skipped"} for one in tables),
        "tables": [one.as_dict() for one in tables],
        "executed_queries": [query for one in tables for query in one.queries],
    }


if __name__ == "__main__":
    main()
