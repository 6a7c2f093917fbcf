#!/usr/bin/python
"""Declared PostgreSQL indexes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_index
short_description: Make the indexes of a database as declared, without blocking it
description:
  - Builds declared indexes with C(CREATE INDEX CONCURRENTLY), sees when the definition of an existing one differs,
    and repairs those that an interrupted build left INVALID.
  - Definitions are compared as PostgreSQL prints them. The declared index is created on an empty temporary copy of the
    table, in a transaction that is rolled back, and its definition is set beside that of the existing one. So a column,
    an operator class, a collation, a predicate or a storage parameter that changed is seen, and wording is not.
  - An index of another name with the very definition satisfies a declaration, unless it is declared itself; no
    duplicate is built.
  - A changed definition is built beside the old index, exchanged with it by name in one short transaction, and the old
    one dropped concurrently; queries have an index throughout.
  - A run that was cut off at any point is mended by the next one.
  - A rolling index holds the newest rows only. Its predicate has a literal cut-off; a run builds it anew beside the old one when
    that has fallen behind by more than declared, and otherwise leaves it. It serves only queries whose own bound the planner can
    compare with the cut-off, a literal or the value of a parameter, and never C(now()).
  - Indexes that back a constraint, the replica identity or CLUSTER are never dropped or replaced.
options:
  indexes:
    description: The indexes of this database. All are checked before the first is touched.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the index, at most 63 bytes.
        type: str
        required: true
      table:
        description: Table or materialized view that carries it. Partitioned tables are refused.
        type: str
        required: true
      schema:
        description: Schema of the table, and so of the index.
        type: str
        default: public
      database:
        description: Not used here; roles choose by it which indexes belong to which database.
        type: str
      method:
        description: Access method, as C(btree) or C(gin).
        type: str
        default: btree
      columns:
        description:
          - Keys in order. A string is a column's name; a mapping has C(column) or C(expression), and optionally C(opclass),
            C(order) (C(asc), C(desc)), C(nulls) (C(first), C(last)) and C(collation).
          - Required unless the index is to be absent.
        type: list
        elements: raw
        default: []
      unique:
        description: Whether keys must be unique.
        type: bool
        default: false
      include:
        description: Columns carried along without being keys.
        type: list
        elements: str
        default: []
      where:
        description: Predicate of a partial index, in SQL.
        type: str
        default: ''
      rolling:
        description: Hold only rows newer than a cut-off, of those that O(indexes[].where) admits.
        type: dict
        suboptions:
          column:
            description: Column of type timestamp, timestamptz or date. One without time zone is taken to hold UTC.
            type: str
            required: true
          keep:
            description: How far back, as C(30 days), C(12 hours) or C(4 weeks).
            type: str
            required: true
          lag:
            description: How far the cut-off may stay behind before the index is built anew, as a share of the period.
            type: float
            default: 0.1
      storage:
        description: Storage parameters, as C(fillfactor).
        type: dict
        default: {}
      nulls_not_distinct:
        description: Whether a unique index takes nulls as equal.
        type: bool
        default: false
      state:
        description: Whether the index is to be there.
        type: str
        choices: [present, absent]
        default: present
  missing_table:
    description: What to do when a table does not exist; C(skip) reports the index as skipped, for runs before migrations.
    type: str
    choices: [fail, skip]
    default: fail
  lock_timeout:
    description:
      - Milliseconds that a statement may wait for another transaction; 0 waits for ever.
      - A concurrent build waits for every transaction that was open when it began, and blocks nobody meanwhile.
    type: int
    default: 600000
extends_documentation_fragment: [pgkeel_connection]
attributes:
  check_mode:
    support: full
    description: Nothing is built; the SQL that would run is returned.
  diff_mode:
    support: full
    description: Shows the definitions that go and that come.
author: pgkeel
"""

EXAMPLES = r"""
- name: Declare the indexes of the application
  pg_index:
    login_db: app
    missing_table: skip
    indexes:
      - name: BehaviorLog_payload_gin
        table: BehaviorLog
        method: gin
        columns: [{column: payload, opclass: jsonb_path_ops}]
      - name: User_email_lower_key
        table: User
        columns: [{expression: lower(email)}]
        unique: true
        where: '"deletedAt" IS NULL'
      - name: BehaviorLog_recent
        table: BehaviorLog
        columns: [userId, timestamp]
        rolling: {column: timestamp, keep: 30 days}
"""

RETURN = r"""
executed_queries:
  description: The SQL that ran, or in check mode would run.
  returned: always
  type: list
  sample: ['CREATE INDEX CONCURRENTLY "t_a_idx" ON "public"."t" USING "btree" ("a")']
indexes:
  description:
    - One entry a declared index with C(name), C(schema), C(table), C(state), C(reason), C(satisfied_by), C(seconds),
      C(estimated_bytes) (check mode, an order of magnitude), C(size_bytes) (what was built) and C(cutoff) (of a rolling one).
    - C(state) is C(ok), C(built), C(rebuilt), C(repaired), C(dropped), C(skipped), C(waiting) or C(failed).
  returned: when the declarations were accepted
  type: list
  sample: [{name: t_a_idx, schema: public, table: t, state: built, reason: '', satisfied_by: '', seconds: 0.021,
            estimated_bytes: null, size_bytes: 16384, cutoff: ''}]
migrations:
  description:
    - What M(prisma_migration) takes, for those indexes that are as declared, under their own name, when this has run.
  returned: when the declarations were accepted
  type: list
  sample: [{name: t_a_idx, table: t, statement: 'CREATE INDEX IF NOT EXISTS "t_a_idx" ON "public"."t" USING "btree" ("a")',
            present: true, prisma: '@@index([a], map: "t_a_idx")'}]
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.pgkeel.postgres.arguments import CONNECTION_ARGUMENTS

try:
    from ansible.module_utils.pgkeel.errors import PgkeelError
    from ansible.module_utils.pgkeel.postgres.connect import Login, connect
    from ansible.module_utils.pgkeel.postgres.index_declaration import parse_declarations
    from ansible.module_utils.pgkeel.postgres.index_plan import State
    from ansible.module_utils.pgkeel.postgres.indexes import Result, converge_indexes
    from ansible.module_utils.pgkeel.schema.own_indexes import own_index

    MISSING = None
except ImportError as error:  # a third-party library below is not installed
    MISSING = error

INDEX_OPTIONS = {
    "name": {"type": "str", "required": True},
    "table": {"type": "str", "required": True},
    "schema": {"type": "str", "default": "public"},
    "database": {"type": "str"},
    "method": {"type": "str", "default": "btree"},
    "columns": {"type": "list", "elements": "raw", "default": []},
    "unique": {"type": "bool", "default": False},
    "include": {"type": "list", "elements": "str", "default": []},
    "where": {"type": "str", "default": ""},
    "rolling": {
        "type": "dict",
        "options": {
            "column": {"type": "str", "required": True},
            "keep": {"type": "str", "required": True},
            "lag": {"type": "float", "default": 0.1},
        },
    },
    "storage": {"type": "dict", "default": {}},
    "nulls_not_distinct": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main() -> None:
    """Parse, converge, report."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_ARGUMENTS,
            "indexes": {"type": "list", "elements": "dict", "required": True, "options": INDEX_OPTIONS},
            "missing_table": {"type": "str", "choices": ["fail", "skip"], "default": "fail"},
            "lock_timeout": {"type": "int", "default": 600000},
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib(MISSING.name or str(MISSING)), exception=str(MISSING))
    if module.params["lock_timeout"] < 0:
        module.fail_json(msg="lock_timeout is negative. Give milliseconds, or 0 to wait for ever.")
    results = []
    try:
        declarations = parse_declarations(module.params["indexes"])
        with connect(Login.from_arguments(module.params), application_name="pgkeel pg_index") as connection:
            results.extend(
                converge_indexes(
                    connection,
                    declarations,
                    skip_missing_tables=module.params["missing_table"] == "skip",
                    lock_timeout_ms=module.params["lock_timeout"],
                    check=module.check_mode,
                )
            )
    except PgkeelError as error:
        module.fail_json(msg=str(error), **report(results))
    failed = [result for result in results if result.state is State.FAILED]
    if failed:
        sentences = " ".join(f"Index {result.plan.declaration.name}: {result.reason}" for result in failed)
        module.fail_json(msg=sentences, **report(results))
    module.exit_json(**report(results))


def report(results: list) -> dict:
    """What the module returns about the indexes."""
    queries = [query for result in results for query in result.queries]
    done = [result.plan for result in results if result.state.changes]
    return {
        "changed": any(result.state.changes for result in results),
        "executed_queries": queries,
        "indexes": [result.as_dict() for result in results],
        "migrations": [asdict(own_index(result.plan.declaration)) for result in results if is_as_declared(result)],
        "diff": {
            "before": "".join(f"{line}\n" for plan in done for line in plan.before),
            "after": "".join(f"{line}\n" for plan in done for line in plan.after),
        },
    }


def is_as_declared(result: Result) -> bool:
    """Whether the index stands under its own name, or is gone, when the run is over; another one needs no migration."""
    return (result.state is State.OK or result.state.changes) and not result.plan.satisfied_by


if __name__ == "__main__":
    main()
